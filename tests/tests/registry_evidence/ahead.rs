//! Tags are asked for beside the list of referrers, and no answer depends on which came first.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use pullward::evidence::{Budget, Flow, Format, ItemError, Wanted};
use pullward::registry::source::RegistrySource;
use pullward::registry::{Client, RegistryError, Settings};
use pullward_core::limits;
use pullward_core::oci::{Digest, MEDIA_TYPE_MANIFEST};
use pullward_core::reference::Reference;
use pullward_tests::hostile::{Api, Hostile, Reply, Request, Shelf, descriptor};

use super::support::SOON;
use super::{Visit, registry_error, visit, visit_of, visit_with};

/// Something that happens once, and that others wait for.
#[derive(Clone, Default)]
struct Once(Arc<(Mutex<bool>, Condvar)>);

impl Once {
    fn happens(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Whether it happened before a deadline that no honest run reaches.
    fn awaited(&self) -> bool {
        let waiting = self.0.1.wait_timeout_while(self.0.0.lock().unwrap(), SOON / 4, |happened| !*happened);
        *waiting.unwrap().0
    }
}

/// Which part of a visit a request belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    List,
    Tags,
    Listed,
}

fn part(request: &Request) -> Part {
    if request.path.contains("/referrers/") {
        Part::List
    } else if request.path.contains("/manifests/sha256-") {
        Part::Tags
    } else {
        Part::Listed
    }
}

/// A registry that answers one part only when it has answered another to its end.
fn answers_after(
    shelf: Shelf,
    late: Part,
    end: impl Fn(&Request) -> bool + Send + Sync + 'static,
) -> Hostile {
    let over = Once::default();
    Hostile::start(move |request| {
        if part(request) == late {
            assert!(over.awaited(), "{} waits for the other part", request.path);
        }
        let reply = shelf.answer(request);
        if end(request) {
            over.happens();
        }
        reply
    })
    .unwrap()
}

/// A shelf with evidence in every place, and something broken behind a tag.
fn full_shelf() -> (Shelf, Digest) {
    let (mut shelf, image) = Shelf::with_image();
    shelf.bundle(&image, b"first bundle");
    shelf.list(&image, descriptor(MEDIA_TYPE_MANIFEST, b"listed and not there"));
    shelf.bundle(&image, b"second bundle");
    shelf.legacy_signature(&image, b"payload", "c2ln");
    shelf.put(&format!("sha256-{}.att", image.hex()), "text/html", b"<html>".to_vec());
    (shelf, image)
}

/// What a verdict is made from.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    pieces: Vec<(Format, Vec<u8>)>,
    rejected: Vec<ItemError>,
    scanned: usize,
    bytes: u64,
}

fn outcome(visit: Visit) -> Outcome {
    let gathered = visit.result.unwrap();
    Outcome {
        pieces: visit.found.into_iter().map(|piece| (piece.format, piece.content)).collect(),
        rejected: gathered.rejected.into_iter().map(|rejected| rejected.reason).collect(),
        scanned: gathered.scanned,
        bytes: visit.bytes,
    }
}

#[test]
fn tags_are_asked_for_while_the_list_is_awaited_and_the_list_while_tags_are() {
    let (shelf, image) = full_shelf();
    let server = answers_after(shelf.clone(), Part::List, |request| part(request) == Part::Tags);
    assert_eq!(visit(&server, &image).found.len(), 3);
    let server = answers_after(shelf, Part::Tags, |request| part(request) == Part::List);
    assert_eq!(visit(&server, &image).found.len(), 3);
}

#[test]
fn what_is_handed_over_and_in_which_order_does_not_depend_on_which_answer_comes_first() {
    for api in [Api::Present, Api::Absent] {
        let (mut shelf, image) = full_shelf();
        shelf.api = api;
        let tags_first = answers_after(shelf.clone(), Part::List, |request| request.path.ends_with(".att"));
        let list_first = answers_after(shelf.clone(), Part::Tags, |request| part(request) == Part::List);
        let tags_first = outcome(visit(&tags_first, &image));
        assert_eq!(tags_first, outcome(visit(&list_first, &image)));
        let contents: Vec<_> = tags_first.pieces.iter().map(|(_, content)| content.as_slice()).collect();
        assert_eq!(contents, [b"first bundle".as_slice(), b"second bundle", b"payload"]);
        assert_eq!(tags_first.rejected.len(), 2, "{:?}", tags_first.rejected);
        assert_eq!(tags_first.rejected[0], ItemError::NotFound);
    }
}

#[test]
fn of_two_failures_the_one_that_stands_first_is_told() {
    let (shelf, image) = Shelf::with_image();
    let failed = Once::default();
    let name = format!("/v2/app/manifests/sha256-{}", image.hex());
    let tag = name.clone();
    let server = Hostile::start(move |request| match part(request) {
        Part::List => {
            assert!(failed.awaited());
            Reply::status(403)
        }
        Part::Tags if request.path == tag => {
            failed.happens();
            Reply::status(418)
        }
        _ => shelf.answer(request),
    })
    .unwrap();
    let visit = visit(&server, &image);
    assert_eq!(visit.tags, 1, "no tag is asked for after one that could not be");
    assert!(
        matches!(registry_error(visit), RegistryError::Unauthorized { url, .. } if !url.ends_with(&name))
    );
}

#[test]
fn a_legacy_tag_that_fails_at_once_is_told_after_what_stands_before_it() {
    let (mut shelf, image) = Shelf::with_image();
    shelf.bundle(&image, b"bundle");
    let failed = Once::default();
    let server = Hostile::start(move |request| {
        if request.path.ends_with(".sig") {
            failed.happens();
            return Reply::status(418);
        }
        if part(request) == Part::List {
            assert!(failed.awaited());
        }
        shelf.answer(request)
    })
    .unwrap();
    let url = format!("http://{}/v2/app/manifests/sha256-{}.sig", server.host(), image.hex());
    let visit = visit(&server, &image);
    assert_eq!(visit.found.len(), 1);
    assert_eq!(registry_error(visit), RegistryError::Status { url, status: 418 });
}

#[test]
fn a_tag_that_nobody_waits_for_spends_nothing_of_the_verdict() {
    // The list alone takes all bytes; the manifests behind the tags were read and are not what is told.
    let (mut shelf, image) = Shelf::with_image();
    shelf.legacy_signature(&image, b"payload", "c2ln");
    let list = u64::try_from(shelf.referrers(&image.to_string()).len()).unwrap();
    let server = answers_after(shelf, Part::List, |request| request.path.ends_with(".sig"));
    let mut nearly = Budget::default();
    nearly.spend(limits::VERDICT_BYTES - list + 1).unwrap();
    let before = nearly.spent();
    let visit = visit_with(&server, &image, Wanted::Signatures, nearly, |_| Flow::Continue);
    assert_eq!((visit.found.len(), visit.bytes), (0, before));
    assert!(visit.result.is_err());
}

#[test]
fn requests_beside_each_other_fetch_one_token() {
    let (mut shelf, image) = Shelf::with_image();
    shelf.bundle(&image, b"bundle");
    shelf.legacy_signature(&image, b"payload", "c2ln");
    // Both connections have been refused before the first token comes.
    let (list, tags) = (Once::default(), Once::default());
    let server = Hostile::start(move |request| {
        let host = request.header("host").unwrap_or_default().to_owned();
        if request.path.starts_with("/token") {
            assert!(list.awaited() && tags.awaited());
            return Reply::ok("application/json", r#"{"token":"abc.def"}"#);
        }
        if request.header("authorization") == Some("Bearer abc.def") {
            return shelf.answer(request);
        }
        if part(request) == Part::List {
            list.happens();
        } else {
            tags.happens();
        }
        Reply::status(401).with("www-authenticate", &format!(r#"Bearer realm="http://{host}/token""#))
    })
    .unwrap();
    let visit = visit(&server, &image);
    assert_eq!(visit.found.len(), 2, "{:?}", visit.result);
    let tokens = server.paths().iter().filter(|path| path.starts_with("/token")).count();
    assert_eq!(tokens, 1);
}

#[test]
fn a_token_service_that_hangs_ends_both_at_the_deadline() {
    let (_, image) = Shelf::with_image();
    let server = Hostile::start(move |request| {
        let host = request.header("host").unwrap_or_default().to_owned();
        if request.path.starts_with("/token") {
            return Reply::Hang(Vec::new());
        }
        Reply::status(401).with("www-authenticate", &format!(r#"Bearer realm="http://{host}/token""#))
    })
    .unwrap();
    let client = Client::new(Settings::default()).unwrap();
    let reference = Reference::parse(&server.reference("app:v1")).unwrap();
    let source = RegistrySource::new(&client, &reference).unwrap();
    let error = visit_of(&source, &image, Duration::from_millis(400)).unwrap_err();
    assert_eq!(error.fault(), pullward::evidence::Fault::Deadline);
}
