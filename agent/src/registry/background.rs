//! A fetch that outlives its verdict: it goes on, is stored, and the retry is answered from the store.
//!
//! A verdict has some seconds, and 13 MB over a slow link take minutes: begun anew with each retry, they would never come.
//! So a visit to a registry runs on a thread of its own ([`Background::visit`]). While the verdict waits, pieces are handed
//! to it one by one, as from any source. Where its time is over first, the thread goes on alone: what it reads is matched
//! with its digest as before and goes to the staging folder instead of into memory, its room in memory is given back, and
//! what was whole at the end goes into the evidence store. Nothing of it is judged or believed: the store is asked like any
//! other source when the retry comes.
//!
//! A retry that comes earlier joins the fetch and waits for it within its own deadline; the registry is not asked twice for
//! the same image of a repository. [`limits::BACKGROUND_FETCHES`] go on at a time; one more ends with its verdict.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pullward_core::limits;
use pullward_core::oci::Digest;
use pullward_core::reference::Reference;

use super::Client;
use super::source::RegistrySource;
use crate::evidence::layout::Layout;
use crate::evidence::pad::{Attachment, Pad};
use crate::evidence::staging::Unfinished;
use crate::evidence::store::Use;
use crate::evidence::store::keeper::Keeper;
use crate::evidence::{Budget, EvidenceSource, Flow, Found, Gathered, Question, Source, SourceError, Wanted};

/// How long writing what a fetch brought may take before whoever waits for it goes on without it.
const WRITING: Duration = Duration::from_secs(30);

/// The fetches that go on without their verdicts.
#[derive(Debug)]
pub struct Background {
    keeper: Arc<Keeper>,
    store: Layout,
    patience: Duration,
    fetches: Mutex<HashMap<Key, Arc<Fetch>>>,
}

/// A repository, an image, and what is fetched of it.
type Key = (String, Digest, Wanted);

#[derive(Debug)]
struct Fetch {
    until: Instant,
    outcome: Mutex<Outcome>,
    over: Condvar,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    UnderWay,
    /// What it brought is in the store; with the error where that is not all there is.
    Stored(Option<SourceError>),
    /// It brought nothing that could be stored.
    Nothing,
}

/// What a thread that visits says to the verdict that waits.
enum Message {
    Piece(Box<Found>),
    Done(Box<(Result<Gathered, SourceError>, Budget)>),
}

/// What the thread is told to do once nobody waits for it.
#[derive(Debug, Default)]
struct Orders {
    alone: AtomicBool,
    end: AtomicBool,
}

/// Where large blobs of a visit go: to the verdict's memory while it waits, and to the staging folder in any case.
#[derive(Debug)]
pub struct Spool {
    pad: Arc<Pad>,
    orders: Arc<Orders>,
}

/// A blob on its way.
pub(super) struct Spooling<'s> {
    spool: &'s Spool,
    /// None where the disk has failed.
    file: Option<Unfinished>,
    content: Vec<u8>,
}

impl Background {
    /// Fetches that may go on for so long, counted from the question, and are kept by this keeper.
    #[must_use]
    pub fn new(keeper: Arc<Keeper>, patience: Duration) -> Arc<Self> {
        let store = Layout::new(keeper.store().directory(), Source::Store);
        Arc::new(Self { keeper, store, patience, fetches: Mutex::default() })
    }

    /// Asks a registry for everything that is attached to an image, as [`EvidenceSource::visit`] does. By the question's
    /// deadline it has come back; the fetch may go on.
    ///
    /// # Errors
    /// [`SourceError`]; [`SourceError::Fetching`] where the fetch goes on.
    pub fn visit(
        self: &Arc<Self>,
        client: &Arc<Client>,
        reference: &Reference,
        question: Question<'_>,
        budget: &mut Budget,
        sink: &mut dyn FnMut(Found) -> Flow,
    ) -> Result<Gathered, SourceError> {
        let Some(pad) = budget.pad().map(Arc::clone) else {
            return RegistrySource::new(client, reference)?.visit(question, budget, sink);
        };
        let key = (reference.name().to_owned(), *question.subject, question.wanted);
        if let Some(fetch) = self.joinable(&key) {
            match fetch.wait(question.deadline) {
                Outcome::UnderWay => return Err(fetching(fetch.until)),
                Outcome::Stored(error) => {
                    let visited = self.store.visit(question, budget, sink)?;
                    return error.map_or(Ok(visited), Err);
                }
                Outcome::Nothing => {}
            }
        }
        let orders = Arc::new(Orders::default());
        let visiting = Visiting {
            background: Arc::clone(self),
            client: Arc::clone(client),
            reference: reference.clone(),
            key: key.clone(),
            wanted: question.wanted,
            platform: question.platform.to_owned(),
            until: Instant::now() + self.patience,
            budget: budget.clone(),
            pad,
            orders: Arc::clone(&orders),
        };
        let until = visiting.until;
        let (messages, received) = mpsc::sync_channel(0);
        let (answers, answered) = mpsc::channel();
        let started =
            thread::Builder::new().name("fetch".to_owned()).spawn(move || visiting.run(&messages, &answered));
        if started.is_err() {
            // No thread to give: the verdict asks itself, and nothing goes on after it.
            return RegistrySource::new(client, reference)?.visit(question, budget, sink);
        }
        match hand_over(&received, &answers, question.deadline, sink) {
            Some((visited, spent)) => {
                *budget = spent;
                visited
            }
            // Before the channel is closed: the thread looks at its orders when it sees that.
            None if self.leave_alone(key, until) => {
                orders.alone.store(true, Ordering::SeqCst);
                budget.give_back_room();
                Err(fetching(until))
            }
            None => {
                orders.end.store(true, Ordering::SeqCst);
                budget.give_back_room();
                Err(SourceError::Deadline { source_name: Source::Registry })
            }
        }
    }

    /// A fetch that goes on and brings at least as much: one that brings less would make the rest look absent.
    fn joinable(&self, (repository, image, wanted): &Key) -> Option<Arc<Fetch>> {
        let fetches = self.fetches();
        let fits = |it: &Key| it.0 == *repository && it.1 == *image && it.2 >= *wanted;
        fetches.iter().find(|(key, _)| fits(key)).map(|(_, fetch)| Arc::clone(fetch))
    }

    /// How many fetches go on now.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.fetches().len()
    }

    /// Notes a fetch that goes on, where one more may.
    fn leave_alone(&self, key: Key, until: Instant) -> bool {
        let mut fetches = self.fetches();
        if fetches.len() >= limits::BACKGROUND_FETCHES || fetches.contains_key(&key) {
            return false;
        }
        tracing::info!(
            repository = crate::verdict::printable(&key.0, 300),
            digest = %key.1,
            "a fetch of evidence goes on without its verdict"
        );
        let fetch = Fetch { until, outcome: Mutex::new(Outcome::UnderWay), over: Condvar::new() };
        fetches.insert(key, Arc::new(fetch));
        true
    }

    /// Stores what a fetch brought, and lets go of whoever waits.
    fn arrived(&self, key: &Key, visited: &Result<Gathered, SourceError>, brought: Vec<Attachment>) {
        let count = brought.len();
        let outcome = if brought.is_empty() {
            Outcome::Nothing
        } else {
            let before = self.keeper.dropped();
            let ticket = self.keeper.submit(brought, Use::Fetched);
            let written = self.keeper.wait(ticket, Instant::now() + WRITING);
            if written && self.keeper.dropped() == before {
                Outcome::Stored(visited.as_ref().err().cloned())
            } else {
                Outcome::Nothing
            }
        };
        let why = visited.as_ref().err().map(|error| crate::verdict::printable(&error.to_string(), 500));
        tracing::info!(
            repository = crate::verdict::printable(&key.0, 300),
            digest = %key.1,
            stored = if outcome == Outcome::Nothing { 0 } else { count },
            error = why,
            "a fetch of evidence is over"
        );
        // First gone, then told: whoever asks after it was told asks the store, or begins anew.
        if let Some(fetch) = self.fetches().remove(key) {
            *fetch.outcome() = outcome;
            fetch.over.notify_all();
        }
    }

    fn fetches(&self) -> MutexGuard<'_, HashMap<Key, Arc<Fetch>>> {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fetch {
    /// How it ended, or that it has not by the deadline.
    fn wait(&self, deadline: Instant) -> Outcome {
        let mut outcome = self.outcome();
        while *outcome == Outcome::UnderWay {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
            outcome = self.over.wait_timeout(outcome, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        outcome.clone()
    }

    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fetching(until: Instant) -> SourceError {
    let seconds = until.saturating_duration_since(Instant::now()).as_secs();
    SourceError::Fetching { source_name: Source::Registry, seconds }
}

/// Hands pieces to the verdict until the visit is over, or the verdict's time. `None`: its time was first.
fn hand_over(
    received: &Receiver<Message>,
    answers: &Sender<Flow>,
    deadline: Instant,
    sink: &mut dyn FnMut(Found) -> Flow,
) -> Option<(Result<Gathered, SourceError>, Budget)> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match received.recv_timeout(left) {
            // A thread that is gone has nothing to answer to.
            Ok(Message::Piece(found)) => drop(answers.send(sink(*found))),
            Ok(Message::Done(done)) => return Some(*done),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// One visit, on a thread of its own.
struct Visiting {
    background: Arc<Background>,
    client: Arc<Client>,
    reference: Reference,
    key: Key,
    wanted: Wanted,
    platform: String,
    until: Instant,
    budget: Budget,
    pad: Arc<Pad>,
    orders: Arc<Orders>,
}

impl Visiting {
    fn run(mut self, messages: &SyncSender<Message>, answered: &Receiver<Flow>) {
        let visited = self.visit(messages, answered);
        let done = Message::Done(Box::new((visited.clone(), self.budget)));
        if messages.send(done).is_ok() || !self.orders.alone.load(Ordering::SeqCst) {
            return;
        }
        let mut brought = self.pad.all();
        for attachment in &mut brought {
            attachment.name_in(&self.reference);
        }
        brought.retain(|attachment| !attachment.content.is_empty());
        self.background.arrived(&self.key, &visited, brought);
    }

    fn visit(
        &mut self,
        messages: &SyncSender<Message>,
        answered: &Receiver<Flow>,
    ) -> Result<Gathered, SourceError> {
        let Self { client, reference, key, wanted, platform, until, budget, pad, orders, .. } = self;
        let spool = Spool { pad: Arc::clone(pad), orders: Arc::clone(orders) };
        let source = RegistrySource::new(client, reference)?.spooled(&spool);
        let question = Question { subject: &key.1, wanted: *wanted, platform, deadline: *until };
        source.visit(question, budget, &mut |found| {
            let flow = match messages.send(Message::Piece(Box::new(found))) {
                Ok(()) => answered.recv().unwrap_or(Flow::Continue),
                Err(_) => Flow::Continue,
            };
            if orders.end.load(Ordering::SeqCst) { Flow::Stop } else { flow }
        })
    }
}

impl Spool {
    /// Begins a blob.
    pub(super) fn begin(&self) -> Spooling<'_> {
        Spooling { spool: self, file: self.pad.staging().begin().ok(), content: Vec::new() }
    }
}

impl Spooling<'_> {
    /// Takes a part. A disk that fails costs the verdict nothing; without the verdict it ends the fetch.
    pub(super) fn take(&mut self, part: &[u8]) -> io::Result<()> {
        let orders = &self.spool.orders;
        if orders.end.load(Ordering::SeqCst) {
            return Err(io::Error::other("the verdict is over, and no more fetches may go on without one"));
        }
        if self.file.as_mut().is_some_and(|file| file.write(part).is_err()) {
            self.file = None;
        }
        if !orders.alone.load(Ordering::SeqCst) {
            self.content.extend_from_slice(part);
        } else if self.file.is_some() {
            self.content = Vec::new();
        } else {
            return Err(io::Error::other("the evidence store cannot be written"));
        }
        Ok(())
    }

    /// Ends a blob that is whole. Its content is empty where nobody waits for it any more.
    pub(super) fn finish(self, digest: &Digest) -> Vec<u8> {
        if let Some(file) = self.file {
            self.spool.pad.staged(digest, file.finish());
        }
        self.content
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::evidence::pad::Blob;
    use crate::evidence::store::Store;
    use crate::registry::Settings;

    const IMAGE: &[u8] = b"image";

    struct Scene {
        background: Arc<Background>,
        client: Arc<Client>,
        reference: Reference,
        _folder: tempfile::TempDir,
    }

    impl Scene {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let retain = config::Time(Duration::from_secs(864_000));
            let dir = folder.path().join("evidence");
            let keeper = Keeper::new(Store::of(&config::Store { dir, retain, max_bytes: 1 << 20 }));
            // Nobody listens on port 1.
            let host = "127.0.0.1:1";
            let settings = Settings { plain_http: vec![host.to_owned()], ..Settings::default() };
            Self {
                background: Background::new(keeper, Duration::from_secs(5)),
                client: Arc::new(Client::new(settings).unwrap()),
                reference: Reference::parse(&format!("{host}/app:1")).unwrap(),
                _folder: folder,
            }
        }

        /// A fetch that goes on.
        fn fetch(&self, wanted: Wanted) -> Key {
            let key = (self.reference.name().to_owned(), Digest::of(IMAGE), wanted);
            assert!(self.background.leave_alone(key.clone(), Instant::now() + Duration::from_secs(5)));
            key
        }

        fn visit(&self, wanted: Wanted, wait: Duration) -> Result<Gathered, SourceError> {
            let pad = Arc::new(Pad::new(Arc::clone(self.background.keeper.staging())));
            let mut budget = Budget::sharing(None).noting(Some(pad));
            let subject = Digest::of(IMAGE);
            let deadline = Instant::now() + wait;
            let question = Question { subject: &subject, wanted, platform: "linux/amd64", deadline };
            let sink = &mut |_| Flow::Continue;
            self.background.visit(&self.client, &self.reference, question, &mut budget, sink)
        }
    }

    #[test]
    fn a_fetch_that_broke_off_is_told_as_broken_to_whoever_joined_it() {
        let scene = Scene::new();
        let key = scene.fetch(Wanted::Signatures);
        let fetch = scene.background.joinable(&key).unwrap();
        let manifest = Digest::of(b"{}");
        let brought = Attachment {
            source: Source::Registry,
            manifest,
            media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
            size: 2,
            name: None,
            pieces: Vec::new(),
            content: vec![(manifest, Blob::Memory(b"{}".as_slice().into()))],
        };
        let broken = SourceError::Deadline { source_name: Source::Registry };
        let joined = thread::scope(|scope| {
            let joined = scope.spawn(|| scene.visit(Wanted::Signatures, Duration::from_secs(20)));
            // The list, this test, and whoever joined.
            while Arc::strong_count(&fetch) < 3 && !joined.is_finished() {
                thread::yield_now();
            }
            scene.background.arrived(&key, &Err(broken.clone()), vec![brought]);
            joined.join().unwrap()
        });
        assert_eq!(joined.map(drop), Err(broken));
    }

    #[test]
    fn a_fetch_of_less_is_not_joined_and_one_of_more_is() {
        let scene = Scene::new();
        scene.fetch(Wanted::Signatures);
        let fetching = |it: Result<Gathered, SourceError>| matches!(it, Err(SourceError::Fetching { .. }));
        let short = Duration::from_millis(50);
        assert!(fetching(scene.visit(Wanted::Signatures, short)));
        // It asks the registry itself, which is not there.
        assert!(!fetching(scene.visit(Wanted::Everything, Duration::from_secs(20))));
        scene.fetch(Wanted::EverythingAndIndex);
        assert!(fetching(scene.visit(Wanted::Everything, short)));
    }
}
