//! What the agent says of the two images while a round lasts, and what it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding as _};
use pullward_core::oci::Digest;
use pullward_core::reference::Reference;
use pullward_core::signature::PublicKey;
use serde_json::json;

use super::image::{Image, MANIFEST};
use crate::decide::credentials::PullCredentials;
use crate::decide::session::Subject;
use crate::decide::{Believed, Engine, Question};
use crate::evidence::{Format, Found, Source};
use crate::server::denial::Denial;
use crate::server::{Judge, now};
use crate::trust::installed::InstalledTrust;
use crate::trust::root_key::{RootKey, RootKeyType};
use crate::verdict::{Hook, Verdict};

/// Bytes of chance in names and contents.
const NONCE_BYTES: usize = 16;

/// The two images, the key that counts for one of them, and the signature that it has made.
pub struct Images {
    /// What must be refused.
    pub refused: Image,
    /// What must pass.
    pub allowed: Image,
    key: PublicKey,
    signature: Found,
}

impl Images {
    /// Two images that nobody has seen before, and a key that is forgotten once it has signed the one.
    ///
    /// # Errors
    /// In words, where the system gives no chance.
    pub fn new(platform: &str) -> Result<Self, String> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|error| error.to_string())?;
        let nonce: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
        let refused = Image::new("refused", &nonce, platform);
        let allowed = Image::new("allowed", &nonce, platform);
        let secret = RootKey::generate(RootKeyType::P256).map_err(|error| error.to_string())?;
        let key = PublicKey::from_spki(secret.spki()).map_err(|error| format!("{error:?}"))?;
        let payload = json!({
            "critical": {
                "identity": {"docker-reference": "pullward-probe/allowed"},
                "image": {"docker-manifest-digest": allowed.digest.to_string()},
                "type": "cosign container image signature",
            },
            "optional": null,
        });
        let payload = payload.to_string().into_bytes();
        let signature = Found {
            format: Format::LegacySignature,
            source: Source::Store,
            digest: Digest::of(&payload),
            manifest: Digest::of(&payload),
            artifact_type: MANIFEST.to_owned(),
            annotations: BTreeMap::new(),
            signature: Some(Base64::encode_string(&secret.sign(&payload))),
            content: payload,
            chain: None,
        };
        Ok(Self { refused, allowed, key, signature })
    }
}

impl std::fmt::Debug for Images {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Images").finish_non_exhaustive()
    }
}

/// What the agent was asked in a round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Questions {
    /// Whether about the image that must be refused.
    pub refused: bool,
    /// Whether about the one that must pass.
    pub allowed: bool,
}

/// The round that runs, if one does, and the names of the last one.
#[derive(Debug, Default)]
pub struct Rounds {
    running: Mutex<Option<Round>>,
    /// What the inventory may still see, or look into, when the round is over.
    last: Mutex<Option<(String, Arc<Images>)>>,
}

#[derive(Debug)]
struct Round {
    host: String,
    images: Arc<Images>,
    asked: Questions,
}

/// A round under way. When it goes away, its names mean nothing any more.
#[derive(Debug)]
pub struct Running(Arc<Rounds>);

impl Rounds {
    /// Begins a round on a host. One runs at a time.
    #[must_use]
    pub fn begin(self: &Arc<Self>, host: &str, images: Arc<Images>) -> Running {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((host.to_owned(), Arc::clone(&images)));
        let round = Round { host: host.to_owned(), images, asked: Questions::default() };
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(round);
        Running(Arc::clone(self))
    }

    /// Whether the question is about an image of the last round: its exact name on the round's own host, and the digest
    /// of bytes that this agent made. So nobody can hide anything behind it.
    fn is_about_ours(&self, question: &Question) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().is_some_and(|(host, images)| {
            is_about(question, &images.refused, host) || is_about(question, &images.allowed, host)
        })
    }

    /// The verdict, where the question is about an image of the round that runs.
    fn judge(&self, question: &Question, deadline: Instant) -> Option<Verdict> {
        if question.place.hook == Hook::Inventory {
            // Whoever only looks is told what it is, and has asked nothing that proves anything.
            let ours = self.is_about_ours(question);
            return ours.then(|| Denial::Probe.verdict(question, None, Duration::ZERO));
        }
        let images = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            let round = running.as_mut()?;
            if round.asks(question, &round.images.refused) {
                round.asked.refused = true;
                return Some(Denial::Probe.verdict(question, None, Duration::ZERO));
            }
            if !round.asks(question, &round.images.allowed) {
                return None;
            }
            round.asked.allowed = true;
            Arc::clone(&round.images)
        };
        let reference = Reference::parse(&question.reference).ok()?;
        let subject = Subject {
            name: reference.as_str().to_owned(),
            reference: Some(reference),
            digest: images.allowed.digest,
            platform: question.platform.clone(),
            place: question.place.clone(),
            time: now(),
            allowed_at: None,
        };
        // No source and no receipts: nothing but this signature, by nothing but this key.
        let engine = Engine::new(Vec::new());
        let given = vec![images.signature.clone()];
        Some(engine.rehearse(Believed::Key(&images.key), &subject, given, deadline))
    }
}

impl Round {
    /// Whether the question is about this image. A pull through the proxy is asked about by name alone; who answers to the
    /// name is our own registry while the round lasts, and the verdict is on our digest, which the proxy compares with
    /// what containerd holds afterwards.
    fn asks(&self, question: &Question, image: &Image) -> bool {
        let by_name = question.digest.is_none() && image.is_called(&question.reference, &self.host);
        by_name || is_about(question, image, &self.host)
    }
}

fn is_about(question: &Question, image: &Image, host: &str) -> bool {
    image.is_called(&question.reference, host)
        && question.digest.as_ref().is_some_and(|digest| *digest == image.digest.to_string())
}

impl Running {
    /// What was asked so far.
    #[must_use]
    pub fn asked(&self) -> Questions {
        let running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map(|round| round.asked).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        *self.0.running.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// A judge that leaves everything to another one but the images of a round.
pub struct ProbingJudge {
    /// Who judges.
    pub judge: Arc<dyn Judge>,
    /// The rounds.
    pub rounds: Arc<Rounds>,
}

impl Judge for ProbingJudge {
    fn judge(&self, trust: &InstalledTrust, question: &Question, deadline: Instant) -> Verdict {
        self.rounds.judge(question, deadline).unwrap_or_else(|| self.judge.judge(trust, question, deadline))
    }

    fn judge_pull(
        &self,
        trust: &InstalledTrust,
        question: &Question,
        credentials: &PullCredentials,
        deadline: Instant,
    ) -> Verdict {
        self.rounds
            .judge(question, deadline)
            .unwrap_or_else(|| self.judge.judge_pull(trust, question, credentials, deadline))
    }

    fn is_own(&self, question: &Question) -> bool {
        let running = self.rounds.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().is_some_and(|round| {
            round.asks(question, &round.images.refused) || round.asks(question, &round.images.allowed)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use pullward_core::oci::Digest;

    use super::{Images, ProbingJudge, Questions, Rounds};
    use crate::decide::Question;
    use crate::server::Judge;
    use crate::server::denial::Denial;
    use crate::trust::installed::InstalledTrust;
    use crate::trust::installed::tests::trust;
    use crate::verdict::{Decision, Hook, Place, Verdict};

    const HOST: &str = "127.0.0.1:4711";

    /// Stands for the node's judge: says that it was asked.
    struct Other;

    impl Judge for Other {
        fn judge(&self, _: &InstalledTrust, question: &Question, _: Instant) -> Verdict {
            Denial::NoTrust.verdict(question, None, Duration::ZERO)
        }
    }

    fn ask(rounds: &Arc<Rounds>, reference: &str, digest: Digest) -> (Decision, String) {
        ask_at(rounds, Hook::ImageVerifier, reference, digest)
    }

    fn ask_at(rounds: &Arc<Rounds>, hook: Hook, reference: &str, digest: Digest) -> (Decision, String) {
        let judge = ProbingJudge { judge: Arc::new(Other), rounds: Arc::clone(rounds) };
        let question = Question {
            reference: reference.to_owned(),
            digest: Some(digest.to_string()),
            media_type: None,
            place: Place { hook, containerd_namespace: None, pod_namespace: None },
            platform: "linux/amd64".into(),
        };
        let verdict = judge.judge(&trust(1), &question, Instant::now() + Duration::from_secs(7));
        (verdict.decision, verdict.reason)
    }

    fn other() -> (Decision, String) {
        (Decision::Deny, "trust-missing".to_owned())
    }

    #[test]
    fn one_is_refused_and_the_other_passes_by_a_key_of_its_own() {
        let images = Arc::new(Images::new("linux/amd64").unwrap());
        let rounds = Arc::new(Rounds::default());
        let (refused, allowed) = (images.refused.name(HOST), images.allowed.name(HOST));
        let running = rounds.begin(HOST, Arc::clone(&images));
        assert_eq!(running.asked(), Questions::default());
        assert_eq!(ask(&rounds, &refused, images.refused.digest), (Decision::Deny, "probe".to_owned()));
        assert_eq!(running.asked(), Questions { refused: true, allowed: false });
        assert_eq!(ask(&rounds, &allowed, images.allowed.digest), (Decision::Allow, "signed".to_owned()));
        assert_eq!(running.asked(), Questions { refused: true, allowed: true });
    }

    #[test]
    fn what_is_not_exactly_the_rounds_image_is_for_the_nodes_judge() {
        let images = Arc::new(Images::new("linux/amd64").unwrap());
        let rounds = Arc::new(Rounds::default());
        let allowed = images.allowed.name(HOST);
        assert_eq!(ask(&rounds, &allowed, images.allowed.digest), other(), "before the round");
        let running = rounds.begin(HOST, Arc::clone(&images));
        // Another digest under the name, the digest under another name, and on another host.
        assert_eq!(ask(&rounds, &allowed, Digest::of(b"evil")), other());
        assert_eq!(ask(&rounds, &allowed, images.refused.digest), other());
        assert_eq!(ask(&rounds, "docker.io/library/x:1", images.allowed.digest), other());
        assert_eq!(ask(&rounds, &images.allowed.name("127.0.0.1:1"), images.allowed.digest), other());
        assert_eq!(running.asked(), Questions::default());
        drop(running);
        assert_eq!(ask(&rounds, &allowed, images.allowed.digest), other(), "after the round");
    }

    #[test]
    fn a_pull_that_is_asked_about_by_name_is_judged_with_our_digest() {
        let images = Arc::new(Images::new("linux/amd64").unwrap());
        let rounds = Arc::new(Rounds::default());
        let judge = ProbingJudge { judge: Arc::new(Other), rounds: Arc::clone(&rounds) };
        let question = |reference: String| Question {
            reference,
            digest: None,
            media_type: None,
            place: Place { hook: Hook::CriPull, containerd_namespace: None, pod_namespace: None },
            platform: "linux/amd64".into(),
        };
        let until = Instant::now() + Duration::from_secs(7);
        let asked = question(images.allowed.name(HOST));
        assert!(!judge.is_own(&asked));
        let running = rounds.begin(HOST, Arc::clone(&images));
        assert!(judge.is_own(&asked));
        let verdict = judge.judge(&trust(1), &asked, until);
        assert_eq!((verdict.decision, verdict.digest), (Decision::Allow, images.allowed.digest.to_string()));
        let verdict = judge.judge(&trust(1), &question(images.refused.name(HOST)), until);
        assert_eq!((verdict.decision, verdict.reason.as_str()), (Decision::Deny, "probe"));
        assert_eq!(running.asked(), Questions { refused: true, allowed: true });
        let elsewhere = question(images.allowed.name("127.0.0.1:1"));
        assert!(!judge.is_own(&elsewhere));
        assert_eq!(judge.judge(&trust(1), &elsewhere, until).reason, "trust-missing");
    }

    #[test]
    fn the_inventory_knows_our_images_by_name_host_and_digest_and_proves_nothing() {
        let images = Arc::new(Images::new("linux/amd64").unwrap());
        let rounds = Arc::new(Rounds::default());
        let (refused, allowed) = (images.refused.name(HOST), images.allowed.name(HOST));
        let look = |name: &str, digest| ask_at(&rounds, Hook::Inventory, name, digest);
        let ours = (Decision::Deny, "probe".to_owned());
        assert_eq!(look(&refused, images.refused.digest), other(), "before the first round");
        let running = rounds.begin(HOST, Arc::clone(&images));
        assert_eq!(look(&refused, images.refused.digest), ours);
        assert_eq!(look(&allowed, images.allowed.digest), ours);
        assert_eq!(running.asked(), Questions::default());
        drop(running);
        // A look that comes late.
        assert_eq!(look(&allowed, images.allowed.digest), ours);
        // Somebody's own image under our name, ours on another port or under another name, the two mixed up.
        assert_eq!(look(&allowed, Digest::of(b"evil")), other());
        assert_eq!(look(&images.allowed.name("127.0.0.1:1"), images.allowed.digest), other());
        assert_eq!(look("127.0.0.1:4711/pullward-probe/evil:1", images.allowed.digest), other());
        assert_eq!(look("registry.example/team/app:1", images.allowed.digest), other());
        assert_eq!(look(&allowed, images.refused.digest), other());
        let _next = rounds.begin("127.0.0.1:4712", Arc::clone(&images));
        assert_eq!(look(&allowed, images.allowed.digest), other(), "a round later");
    }

    #[test]
    fn a_signature_of_one_start_is_nothing_in_the_next() {
        let (first, second) = (Images::new("linux/amd64").unwrap(), Images::new("linux/amd64").unwrap());
        assert_ne!(first.allowed.digest, second.allowed.digest);
        let mixed = Arc::new(Images { signature: first.signature, ..second });
        let rounds = Arc::new(Rounds::default());
        let _running = rounds.begin(HOST, Arc::clone(&mixed));
        let (decision, _) = ask(&rounds, &mixed.allowed.name(HOST), mixed.allowed.digest);
        assert_eq!(decision, Decision::Deny);
    }
}
