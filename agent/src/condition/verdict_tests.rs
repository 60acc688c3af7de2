//! From a policy's `cel` over a signed bundle and signed evidence to the verdict.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding as _};
use pullward_core::intoto::SIGNATURE_PREDICATE;
use pullward_core::oci::Digest;
use pullward_core::reference::Reference;
use pullward_core::time::UnixTime;

use crate::decide::Believed;
use crate::decide::session::{Event, Session, Subject};
use crate::evidence::{Format, Found, Source as EvidencePlace};
use crate::policy::{Policy, Source};
use crate::trust::installed::InstalledTrust;
use crate::trust::installed::tests::unsigned;
use crate::trust::root_key::{RootKey, RootKeyType};
use crate::trust::time::Time;
use crate::verdict::{Hook, Place, Verdict};

pub(crate) const TYPE: &str = "https://acme.example/review/v1";

pub(crate) struct Scene {
    pub(crate) key: RootKey,
    pub(crate) payload: Vec<u8>,
}

impl Scene {
    /// A rule that asks for a signature and for an attestation that meets this condition.
    pub(crate) fn asking(cel: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = RootKey::generate(RootKeyType::P256).unwrap();
        std::fs::write(folder.path().join("k.pub"), key.public_pem().unwrap()).unwrap();
        let text = format!(
            "schema = 1\n[[authority]]\nname = \"a\"\nkey = \"k.pub\"\n[[rule]]\nname = \"r\"\nmatch = [\"**\"]\n\
             signed_by = [\"a\"]\n[[rule.attestation]]\ntype = \"{TYPE}\"\nsigned_by = [\"a\"]\ncel = '''\n{cel}'''\n"
        );
        let policy = Policy::from_source(&Source::new(folder.path().join("p.toml"), text)).unwrap();
        let time = |text| Time::parse(text).unwrap();
        let payload = policy.into_payload(1, time("2026-01-01T00:00:00Z"), time("2027-01-01T00:00:00Z"));
        Self { key, payload: payload.to_bytes().unwrap() }
    }

    pub(crate) fn bundle(&self, predicate_type: &str, predicate: &str) -> Event {
        const IN_TOTO: &str = "application/vnd.in-toto+json";
        let statement = format!(
            "{{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{{\"digest\":{{\"sha256\":\"{}\"}}}}],\
             \"predicateType\":\"{predicate_type}\",\"predicate\":{predicate}}}",
            Digest::of(b"image").hex(),
        );
        let message = format!("DSSEv1 {} {IN_TOTO} {} {statement}", IN_TOTO.len(), statement.len());
        let content = format!(
            "{{\"mediaType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\",\"verificationMaterial\":{{\"publicKey\":{{}}}},\
             \"dsseEnvelope\":{{\"payload\":\"{}\",\"payloadType\":\"{IN_TOTO}\",\"signatures\":[{{\"sig\":\"{}\"}}]}}}}",
            Base64::encode_string(statement.as_bytes()),
            Base64::encode_string(&self.key.sign(message.as_bytes())),
        )
        .into_bytes();
        Event::Found(Found {
            format: Format::Bundle,
            source: EvidencePlace::Registry,
            digest: Digest::of(&content),
            manifest: Digest::of(b"manifest"),
            artifact_type: "application/vnd.dev.sigstore.bundle.v0.3+json".to_owned(),
            annotations: BTreeMap::new(),
            content,
            signature: None,
            chain: None,
        })
    }

    fn judge(&self, predicates: &[&str]) -> Verdict {
        let trust: InstalledTrust = unsigned(self.payload.clone());
        let subject = subject();
        let mut session = Session::open(Believed::Bundle(&trust), &subject);
        session.take(self.bundle(SIGNATURE_PREDICATE, "{}"));
        for predicate in predicates {
            session.take(self.bundle(TYPE, predicate));
        }
        session.close()
    }
}

/// What is judged.
pub(crate) fn subject() -> Subject {
    Subject {
        reference: Some(Reference::parse("registry.example/team/app:1").unwrap()),
        name: "registry.example/team/app:1".to_owned(),
        digest: Digest::of(b"image"),
        platform: "linux/amd64".to_owned(),
        place: Place { hook: Hook::ImageVerifier, containerd_namespace: None, pod_namespace: None },
        time: UnixTime::parse("2026-06-01T00:00:00Z").unwrap(),
        allowed_at: None,
    }
}

#[test]
fn the_answer_becomes_the_code_and_the_words_of_the_verdict() {
    let scene = Scene::asking("predicate.by == \"alice\" &&\n  image.repository == 'team/app'\n");
    for (predicate, reason, words) in [
        (r#"{"by":"alice"}"#, "signed", ""),
        (
            r#"{"by":"mallory"}"#,
            "condition-false",
            "`predicate.by == \"alice\" && image.repository == 'team/app'`",
        ),
        (r#"{"for":"alice"}"#, "condition-error", "`predicate.by`: there is no such member"),
        (r#"{"by":["alice"]}"#, "condition-error", "a list and a text cannot be combined"),
        (
            r#"{"by":"alice","by":"bob"}"#,
            "condition-error",
            "`predicate.by`: the attestation has this member twice",
        ),
        (r#""alice""#, "condition-error", "`predicate`: it is a text, and has to be a map"),
    ] {
        let verdict = scene.judge(&[predicate]);
        assert_eq!(verdict.reason, reason, "{predicate}: {}", verdict.message);
        let detail = verdict.requirements.first().unwrap().detail.clone().unwrap_or_default();
        assert!(detail.contains(words), "{predicate}: {detail}");
    }
}

#[test]
fn one_attestation_has_to_meet_the_whole_condition() {
    let scene = Scene::asking("predicate.a == 1 && predicate.b == 1");
    let halves = [r#"{"a":1,"b":2}"#, r#"{"a":2,"b":1}"#];
    assert_eq!(scene.judge(&halves).reason, "condition-false");
    assert_eq!(scene.judge(&[halves[0], r#"{"a":1,"b":1}"#]).reason, "signed");
}

#[test]
fn a_condition_that_costs_too_much_denies() {
    let scene = Scene::asking("predicate.all(a, predicate.all(b, a == b))");
    let predicate = format!("[{}1]", "1,".repeat(20_000));
    assert_eq!(scene.judge(&[&predicate]).reason, "condition-limit");
}

#[test]
fn a_condition_of_another_engine_denies() {
    let mut scene = Scene::asking("true || has(predicate.x)");
    assert_eq!(scene.judge(&["{}"]).reason, "signed");
    let other = String::from_utf8(scene.payload).unwrap().replace(super::ENGINE, "pullward-cel/0");
    scene.payload = other.into_bytes();
    assert_eq!(scene.judge(&["{}"]).reason, "condition-engine-version");
}
