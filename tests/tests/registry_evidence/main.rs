//! What is attached to an image, asked of a registry that hides, floods and confuses.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod ahead;
mod bounds;
mod broken;
mod formats;
mod lists;
mod names;
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use pullward::evidence::{Budget, EvidenceSource as _, Flow, Found, Gathered, Question, SourceError, Wanted};
use pullward::registry::RegistryError;
use pullward::registry::source::RegistrySource;
use pullward_core::oci::{Digest, MEDIA_TYPE_MANIFEST};
use pullward_core::reference::Reference;
use pullward_tests::hostile::{Hostile, Shelf};
use serde_json::json;
use support::{SOON, client, in_time};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

struct Visit {
    result: Result<Gathered, SourceError>,
    found: Vec<Found>,
    /// Requests that one answer made necessary after another: for the list, and for what is listed.
    followed: usize,
    /// Requests for tags. They are sent beside the others, so where a visit ends early it depends on the machine how many
    /// of the three (retries not counted) were.
    tags: usize,
    bytes: u64,
}

fn visit(server: &Hostile, subject: &Digest) -> Visit {
    visit_with(server, subject, Wanted::Everything, Budget::default(), |_| Flow::Continue)
}

fn visit_with(
    server: &Hostile,
    subject: &Digest,
    wanted: Wanted,
    mut budget: Budget,
    flow: impl Fn(&Found) -> Flow,
) -> Visit {
    let client = client();
    let reference = Reference::parse(&server.reference("app:v1")).unwrap();
    let source = RegistrySource::new(&client, &reference).unwrap();
    let mut found = Vec::new();
    let before = server.paths().len();
    let question = Question { subject, wanted, platform: "linux/amd64", deadline: Instant::now() + SOON };
    let result = in_time(|| {
        source.visit(question, &mut budget, &mut |piece| {
            let flow = flow(&piece);
            found.push(piece);
            flow
        })
    });
    let paths = server.paths().split_off(before);
    assert_eq!(u64::try_from(paths.len()).unwrap(), client.requests(), "every request is counted");
    let tags = paths.iter().filter(|path| path.contains("/manifests/sha256-")).count();
    Visit { result, found, followed: paths.len() - tags, tags, bytes: budget.spent() }
}

fn honest(shelf: Shelf) -> Hostile {
    Hostile::start(move |request| shelf.answer(request)).unwrap()
}

fn registry_error(visit: Visit) -> RegistryError {
    match visit.result {
        Err(SourceError::Registry(error)) => *error,
        other => panic!("{other:?}"),
    }
}

fn referrers_url(server: &Hostile, subject: &Digest) -> String {
    format!("http://{}/v2/app/referrers/{subject}", server.host())
}

/// Something broken beside a good bundle: it is listed with its reason, and the bundle is found.
fn beside_a_good_bundle(breaking: impl FnOnce(&mut Shelf, &Digest)) -> Gathered {
    let (mut shelf, image) = Shelf::with_image();
    breaking(&mut shelf, &image);
    shelf.bundle(&image, b"good");
    let server = honest(shelf);
    let visit = visit(&server, &image);
    assert_eq!(visit.found.len(), 1, "the good bundle");
    assert_eq!(visit.found[0].content, b"good");
    visit.result.unwrap()
}

fn subject(of: &Digest) -> serde_json::Value {
    json!({"mediaType": MEDIA_TYPE_MANIFEST, "digest": of.to_string(), "size": 1})
}

/// A visit that is given so much time, and must not take much more.
fn visit_of(
    source: &RegistrySource<'_>,
    subject: &Digest,
    within: Duration,
) -> Result<Gathered, SourceError> {
    let begin = Instant::now();
    let question =
        Question { subject, wanted: Wanted::Everything, platform: "linux/amd64", deadline: begin + within };
    let result = source.visit(question, &mut Budget::default(), &mut |_| Flow::Continue);
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    result
}
