//! Tags that are asked for before their turn.
//!
//! A registry answers one request after the other on one connection, and each answer costs a round trip. The tags that
//! may hold evidence are known with the digest, and all of them are wanted whatever else is attached: one thread asks for
//! them, one after the other on a connection of its own, while the caller reads the list of referrers and what it names.
//!
//! Answers come out in the order of the tags, so nothing depends on which thread was faster. The price is bounded: the
//! requests for these tags (at most three, and their tokens, redirects and retries) may have been sent although the
//! caller stopped before, and their manifests, each under its cap, may be in memory before the verdict's budget is asked.
//! No tag is asked for after one that could not be: the caller ends there too.

use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::vec;

use crate::evidence::walk::{FetchError, Manifest};

/// What stands behind a tag; `None` where there is no such tag.
pub(super) type Tagged = Result<Option<Manifest>, FetchError>;

/// How a tag is asked for.
type Ask<'a> = &'a (dyn Fn(&str) -> Tagged + Sync);

/// What stands behind each of some tags, in their order.
pub(super) struct Ahead<'a> {
    tags: vec::IntoIter<String>,
    answers: Receiver<Tagged>,
    ask: Ask<'a>,
}

impl Ahead<'_> {
    /// Begins to ask, and runs `use_them` meanwhile. It comes back when no request is under way any more; a request that
    /// was begun ends at its own deadline.
    pub(super) fn of<T>(tags: Vec<String>, ask: Ask<'_>, use_them: impl FnOnce(Ahead<'_>) -> T) -> T {
        thread::scope(|scope| {
            let (sender, answers) = mpsc::channel();
            let early = tags.clone();
            let asking = move || {
                for tag in early {
                    let answer = ask(&tag);
                    let last = matches!(answer, Err(FetchError::Source(_)));
                    // Nobody waits for the rest where the caller has ended.
                    if sender.send(answer).is_err() || last {
                        return;
                    }
                }
            };
            // Where the system has no thread to give, each tag is asked for when its turn comes.
            drop(thread::Builder::new().name("tags".to_owned()).spawn_scoped(scope, asking));
            use_them(Ahead { tags: tags.into_iter(), answers, ask })
        })
    }
}

impl Iterator for Ahead<'_> {
    type Item = Tagged;

    fn next(&mut self) -> Option<Tagged> {
        let tag = self.tags.next()?;
        Some(self.answers.recv().unwrap_or_else(|_| (self.ask)(&tag)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::evidence::{ItemError, Source, SourceError};

    fn tags() -> Vec<String> {
        ["a", "b", "c"].map(str::to_owned).to_vec()
    }

    fn failed() -> Tagged {
        Err(FetchError::Source(SourceError::Deadline { source_name: Source::Registry }))
    }

    /// The tag itself comes back, as the text of an error.
    fn echo(tag: &str) -> Tagged {
        Err(FetchError::Item(ItemError::Unreadable(tag.to_owned())))
    }

    fn text(tagged: Tagged) -> String {
        match tagged {
            Err(FetchError::Item(ItemError::Unreadable(tag))) => tag,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn answers_come_in_the_order_of_the_tags_and_each_tag_is_asked_for_once() {
        let asked = Mutex::new(Vec::new());
        let ask = |tag: &str| {
            asked.lock().unwrap().push(tag.to_owned());
            echo(tag)
        };
        let answers: Vec<_> = Ahead::of(tags(), &ask, |ahead| ahead.map(text).collect());
        assert_eq!(answers, ["a", "b", "c"]);
        assert_eq!(*asked.lock().unwrap(), ["a", "b", "c"]);
    }

    #[test]
    fn a_tag_that_cannot_be_asked_for_ends_the_asking() {
        let asked = Mutex::new(Vec::new());
        let ask = |tag: &str| {
            asked.lock().unwrap().push(tag.to_owned());
            if tag == "b" { failed() } else { echo(tag) }
        };
        let first_two = Ahead::of(tags(), &ask, |mut ahead| {
            (text(ahead.next().unwrap()), matches!(ahead.next(), Some(Err(FetchError::Source(_)))))
        });
        assert_eq!(first_two, ("a".to_owned(), true));
        assert_eq!(*asked.lock().unwrap(), ["a", "b"]);
    }

    #[test]
    fn a_caller_that_ends_early_waits_for_one_request_only() {
        let (begun, begin) = mpsc::channel();
        let (go, gone) = mpsc::channel();
        let gone = Mutex::new(gone);
        let asked = Mutex::new(0);
        let ask = |tag: &str| {
            *asked.lock().unwrap() += 1;
            begun.send(()).unwrap();
            gone.lock().unwrap().recv().unwrap();
            echo(tag)
        };
        Ahead::of(tags(), &ask, |ahead| {
            begin.recv().unwrap();
            drop(ahead);
            go.send(()).unwrap();
        });
        assert_eq!(*asked.lock().unwrap(), 1);
    }
}
