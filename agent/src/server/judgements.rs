//! One judgement at a time for each image, on a bounded number of workers, within the deadline.
//!
//! Whoever asks what is being judged already waits for that judgement and gets its verdict (F-27). The key is the
//! whole question and the digest of the trust bundle: nothing that a verdict depends on is shared beyond it
//! (T-119). A verdict is not kept after it was given. A judgement that outlives its deadline keeps its worker
//! and its key, so that a hanging source costs one worker for an image, not one for each retry.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::decide::Question;
use crate::decide::credentials::PullCredentials;
use crate::server::denial::Denial;
use crate::server::tally::Tally;
use crate::server::trust::{Held, TrustHolder};
use crate::server::{Judge, ServerLimits};
use crate::verdict::{Decision, Hook, Verdict};

/// How much longer whoever waits does than the judge may take: so that the judge's own reason is the one given.
const GRACE: Duration = Duration::from_millis(250);

/// Judges questions.
pub struct Judgements {
    judge: Arc<dyn Judge>,
    trust: Arc<TrustHolder>,
    deadline: Duration,
    /// One permit for each judgement that runs or waits.
    room: Arc<Semaphore>,
    /// One permit for each judgement that runs. First come, first served.
    workers: Arc<Semaphore>,
    running: AtomicUsize,
    admitted: AtomicUsize,
    flights: Mutex<HashMap<Key, watch::Receiver<Option<Arc<Verdict>>>>>,
    tally: Tally,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    trust: String,
    reference: String,
    digest: Option<String>,
    media_type: Option<String>,
    platform: String,
    place: String,
    credentials: Option<[u8; 32]>,
}

impl Key {
    fn of(question: &Question, credentials: Option<&PullCredentials>, held: &Held) -> Self {
        Self {
            trust: held.trust.digest.to_string(),
            reference: question.reference.clone(),
            digest: question.digest.clone(),
            media_type: question.media_type.clone(),
            platform: question.platform.clone(),
            place: format!("{:?}", question.place),
            credentials: credentials.map(PullCredentials::fingerprint),
        }
    }
}

impl Judgements {
    /// Judges by `judge`, with the trust bundle that `trust` holds when a question arrives.
    #[must_use]
    pub fn new(judge: Arc<dyn Judge>, trust: Arc<TrustHolder>, limits: ServerLimits) -> Self {
        Self {
            judge,
            trust,
            deadline: limits.deadline,
            room: Arc::new(Semaphore::new(
                limits.workers.saturating_add(limits.queue).min(Semaphore::MAX_PERMITS),
            )),
            workers: Arc::new(Semaphore::new(limits.workers.min(Semaphore::MAX_PERMITS))),
            running: AtomicUsize::new(0),
            admitted: AtomicUsize::new(0),
            flights: Mutex::new(HashMap::new()),
            tally: Tally::default(),
        }
    }

    /// The verdict on `question`, which arrived at `arrival`.
    pub async fn judge(self: &Arc<Self>, question: Question, arrival: Instant) -> Arc<Verdict> {
        let own = self.judge.is_own(&question);
        let verdict = self.shared(&question, None, arrival).await;
        // The inventory asks of itself, again and again: it counts what is there, not how often it looked.
        if question.place.hook != Hook::Inventory && !own {
            self.tally.count(&verdict);
        }
        verdict
    }

    /// The same for a pull that comes with credentials. Pulls by different users are judged apart.
    pub async fn judge_pull(
        self: &Arc<Self>,
        question: Question,
        credentials: PullCredentials,
        arrival: Instant,
    ) -> Arc<Verdict> {
        let own = self.judge.is_own(&question);
        let verdict = self.shared(&question, Some(&Arc::new(credentials)), arrival).await;
        if !own {
            self.tally.count(&verdict);
        }
        verdict
    }

    /// Denies what never became a question.
    pub fn deny(&self, question: &Question, denial: &Denial, arrival: Instant) -> Arc<Verdict> {
        let verdict = denied(denial, question, None, arrival);
        self.tally.count(&verdict);
        verdict
    }

    /// What was answered so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Judgements that run now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Judgements that wait for a worker now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.admitted.load(Ordering::Relaxed).saturating_sub(self.running())
    }

    async fn shared(
        self: &Arc<Self>,
        question: &Question,
        credentials: Option<&Arc<PullCredentials>>,
        arrival: Instant,
    ) -> Arc<Verdict> {
        let Some(held) = self.trust.current() else {
            return denied(&Denial::NoTrust, question, None, arrival);
        };
        let deadline = arrival + self.deadline;
        let mut flight = match self.join_or_start(question, credentials, &held, arrival, deadline) {
            Ok(flight) => flight,
            Err(denial) => return denied(&denial, question, Some(&held), arrival),
        };
        let waited =
            tokio::time::timeout_at((deadline + GRACE).into(), flight.wait_for(Option::is_some)).await;
        let denial = match waited {
            Ok(Ok(verdict)) => match verdict.as_ref() {
                Some(verdict) => return Arc::clone(verdict),
                None => Denial::Internal,
            },
            Ok(Err(_)) => Denial::Internal,
            Err(_) => Denial::Deadline,
        };
        denied(&denial, question, Some(&held), arrival)
    }

    fn join_or_start(
        self: &Arc<Self>,
        question: &Question,
        credentials: Option<&Arc<PullCredentials>>,
        held: &Arc<Held>,
        arrival: Instant,
        deadline: Instant,
    ) -> Result<watch::Receiver<Option<Arc<Verdict>>>, Denial> {
        let key = Key::of(question, credentials.map(Arc::as_ref), held);
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&key) {
            self.tally.join();
            return Ok(flight.clone());
        }
        let room = Arc::clone(&self.room).try_acquire_owned().map_err(|_| Denial::Overloaded)?;
        let (sender, receiver) = watch::channel(None);
        flights.insert(key.clone(), receiver.clone());
        drop(flights);
        let credentials = credentials.cloned();
        let landing = Landing { judgements: Arc::clone(self), key, credentials, sender, _room: room };
        self.admitted.fetch_add(1, Ordering::Relaxed);
        // A task of its own: it goes on where the one who asked first hangs up.
        tokio::spawn(landing.fly(question.clone(), Arc::clone(held), arrival, deadline));
        Ok(receiver)
    }
}

/// A judgement under way. When it goes away, however it does, its key is free again and nobody waits for it.
struct Landing {
    judgements: Arc<Judgements>,
    key: Key,
    credentials: Option<Arc<PullCredentials>>,
    sender: watch::Sender<Option<Arc<Verdict>>>,
    _room: OwnedSemaphorePermit,
}

impl Landing {
    async fn fly(self, question: Question, held: Arc<Held>, arrival: Instant, deadline: Instant) {
        let workers = Arc::clone(&self.judgements.workers);
        let verdict = match tokio::time::timeout_at(deadline.into(), workers.acquire_owned()).await {
            Ok(Ok(worker)) => self.work(question, held, worker, arrival, deadline).await,
            Ok(Err(_)) => denied(&Denial::Internal, &question, Some(&held), arrival),
            Err(_) => denied(&Denial::Deadline, &question, Some(&held), arrival),
        };
        // First the key, then the verdict: whoever asks after the verdict was given gets a judgement of their own.
        self.free();
        self.sender.send_replace(Some(verdict));
    }

    async fn work(
        &self,
        question: Question,
        held: Arc<Held>,
        worker: OwnedSemaphorePermit,
        arrival: Instant,
        deadline: Instant,
    ) -> Arc<Verdict> {
        let judge = Arc::clone(&self.judgements.judge);
        let (asked, by) = (question.clone(), Arc::clone(&held));
        let credentials = self.credentials.clone();
        self.judgements.running.fetch_add(1, Ordering::Relaxed);
        let judged = tokio::task::spawn_blocking(move || {
            let _until_done = worker;
            match &credentials {
                Some(credentials) => judge.judge_pull(&by.trust, &asked, credentials, deadline),
                None => judge.judge(&by.trust, &asked, deadline),
            }
        })
        .await;
        self.judgements.running.fetch_sub(1, Ordering::Relaxed);
        match judged {
            Ok(verdict) => {
                log(&verdict);
                Arc::new(verdict)
            }
            // Its panic, if it was one, is in the log already.
            Err(_) => denied(&Denial::Internal, &question, Some(&held), arrival),
        }
    }

    fn free(&self) {
        self.judgements.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        // `fly` freed the key before it gave the verdict, and somebody may have taken it since.
        if self.sender.borrow().is_none() {
            self.free();
        }
        self.judgements.admitted.fetch_sub(1, Ordering::Relaxed);
    }
}

fn denied(denial: &Denial, question: &Question, held: Option<&Held>, arrival: Instant) -> Arc<Verdict> {
    let verdict = denial.verdict(question, held, arrival.elapsed());
    log(&verdict);
    Arc::new(verdict)
}

/// One line for each verdict. Everything in it that came from outside is escaped (T-98).
fn log(verdict: &Verdict) {
    // The inventory says what has changed.
    if verdict.place.hook == Hook::Inventory {
        return;
    }
    let shown = |text: &str| crate::verdict::printable(text, crate::verdict::ONE_LINE_MAX);
    let decision = match verdict.decision {
        Decision::Allow => "allow",
        Decision::Deny => "deny",
    };
    tracing::info!(
        target: crate::log::VERDICTS,
        decision,
        would_deny = verdict.would_deny,
        reason = shown(&verdict.reason),
        reference = shown(&verdict.reference),
        digest = shown(&verdict.digest),
        rule = verdict.rule.as_deref().map(shown),
        trust = verdict.trust.as_ref().map(|trust| trust.version),
        hook = ?verdict.place.hook,
        id = verdict.id,
        elapsed_us = verdict.elapsed_us,
        "{}",
        shown(&verdict.message)
    );
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Condvar, Mutex};
    use std::time::{Duration, Instant};

    use pullward_core::oci::Digest;
    use pullward_core::time::UnixTime;

    use super::Judgements;
    use crate::decide::Question;
    use crate::server::denial::Denial;
    use crate::server::trust::{TrustFailure, TrustHolder, TrustSource};
    use crate::server::{Judge, ServerLimits};
    use crate::trust::installed::InstalledTrust;
    use crate::verdict::{Decision, Hook, Place, Verdict};

    pub(crate) use crate::trust::installed::tests::trust;

    struct Counting(AtomicUsize);

    impl TrustSource for Counting {
        fn load(&self) -> Result<InstalledTrust, TrustFailure> {
            Ok(trust(u64::try_from(self.0.fetch_add(1, Ordering::Relaxed)).unwrap() + 1))
        }

        fn clock_floor(&self) -> Option<UnixTime> {
            None
        }
    }

    /// Blocks until the gate opens; allows names that start with `ok`, panics at `panic`.
    struct Gated {
        open: Mutex<bool>,
        opened: Condvar,
        judged: AtomicUsize,
    }

    impl Judge for Gated {
        fn judge(&self, trust: &InstalledTrust, question: &Question, _: Instant) -> Verdict {
            self.judged.fetch_add(1, Ordering::Relaxed);
            let mut open = self.open.lock().unwrap();
            while !*open {
                open = self.opened.wait(open).unwrap();
            }
            drop(open);
            assert_ne!(question.reference, "panic");
            let mut verdict = Denial::NoTrust.verdict(question, None, Duration::ZERO);
            verdict.reason = format!("by-{}", trust.version);
            if question.reference.starts_with("ok") {
                verdict.decision = Decision::Allow;
            }
            verdict
        }
    }

    struct Fixture {
        gate: Arc<Gated>,
        judgements: Arc<Judgements>,
        trust: Arc<TrustHolder>,
    }

    fn fixture(limits: ServerLimits) -> Fixture {
        let gate =
            Arc::new(Gated { open: Mutex::new(false), opened: Condvar::new(), judged: AtomicUsize::new(0) });
        let trust = Arc::new(TrustHolder::new(Box::new(Counting(AtomicUsize::new(0)))));
        trust.reload().unwrap();
        let judgements =
            Arc::new(Judgements::new(Arc::clone(&gate) as Arc<dyn Judge>, Arc::clone(&trust), limits));
        Fixture { gate, judgements, trust }
    }

    impl Fixture {
        fn open(&self) {
            *self.gate.open.lock().unwrap() = true;
            self.gate.opened.notify_all();
        }

        fn ask(&self, reference: &str) -> tokio::task::JoinHandle<Arc<Verdict>> {
            let (judgements, question) = (Arc::clone(&self.judgements), question(reference));
            tokio::spawn(async move { judgements.judge(question, Instant::now()).await })
        }

        async fn until(&self, what: impl Fn(&Self) -> bool) {
            let end = Instant::now() + Duration::from_secs(10);
            while !what(self) {
                assert!(Instant::now() < end, "not reached in time");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    fn question(reference: &str) -> Question {
        Question {
            reference: reference.into(),
            digest: Some(Digest::of(b"x").to_string()),
            media_type: None,
            place: Place { hook: Hook::ImageVerifier, containerd_namespace: None, pod_namespace: None },
            platform: "linux/amd64".into(),
        }
    }

    #[tokio::test]
    async fn one_image_is_judged_once_for_all_who_ask() {
        let fixture = fixture(ServerLimits::default());
        let asked: Vec<_> = (0..1000).map(|_| fixture.ask("ok")).collect();
        fixture.until(|fixture| fixture.judgements.tally().joined() == 999).await;
        fixture.open();
        let mut ids = std::collections::BTreeSet::new();
        for answer in asked {
            let verdict = answer.await.unwrap();
            assert_eq!(verdict.decision, Decision::Allow);
            ids.insert(verdict.id.clone());
        }
        assert_eq!(ids.len(), 1);
        assert_eq!(fixture.gate.judged.load(Ordering::Relaxed), 1);
        assert_eq!(fixture.judgements.tally().allowed(), 1000);
        fixture.until(|fixture| fixture.judgements.flights.lock().unwrap().is_empty()).await;
    }

    #[tokio::test]
    async fn questions_that_differ_in_anything_are_judged_apart() {
        let fixture = fixture(ServerLimits::default());
        fixture.open();
        let base = question("ok");
        let place = Place { hook: Hook::Cli, ..base.place.clone() };
        let variants = [
            base.clone(),
            Question { reference: "ok2".into(), ..base.clone() },
            Question { digest: None, ..base.clone() },
            Question { media_type: Some("m".into()), ..base.clone() },
            Question { platform: "linux/arm64".into(), ..base.clone() },
            Question { place, ..base },
        ];
        let count = variants.len();
        let keys: std::collections::HashSet<_> = variants
            .iter()
            .map(|question| super::Key::of(question, None, &fixture.trust.current().unwrap()))
            .collect();
        assert_eq!(keys.len(), count);
        let before = super::Key::of(&variants[0], None, &fixture.trust.current().unwrap());
        fixture.trust.reload().unwrap();
        assert_ne!(super::Key::of(&variants[0], None, &fixture.trust.current().unwrap()), before);
    }

    #[tokio::test]
    async fn what_finds_no_room_is_denied_and_what_has_some_is_not() {
        let fixture = fixture(ServerLimits { workers: 1, queue: 1, ..ServerLimits::default() });
        let (first, second) = (fixture.ask("ok1"), fixture.ask("ok2"));
        fixture.until(|fixture| fixture.judgements.running() == 1 && fixture.judgements.waiting() == 1).await;
        let third = fixture.ask("ok3").await.unwrap();
        assert_eq!((third.decision, third.reason.as_str()), (Decision::Deny, "overloaded"));
        fixture.open();
        assert_eq!(first.await.unwrap().decision, Decision::Allow);
        assert_eq!(second.await.unwrap().decision, Decision::Allow);
        assert_eq!(fixture.ask("ok3").await.unwrap().decision, Decision::Allow);
    }

    #[tokio::test]
    async fn a_panic_denies_and_the_next_question_is_judged() {
        let fixture = fixture(ServerLimits { workers: 1, queue: 0, ..ServerLimits::default() });
        fixture.open();
        let verdict = fixture.ask("panic").await.unwrap();
        assert_eq!((verdict.decision, verdict.reason.as_str()), (Decision::Deny, "internal-error"));
        fixture.until(|fixture| fixture.judgements.waiting() == 0).await;
        assert_eq!(fixture.ask("ok").await.unwrap().decision, Decision::Allow);
    }

    #[tokio::test]
    async fn a_judge_that_hangs_is_a_denial_and_costs_one_worker_for_all_retries() {
        let deadline = Duration::from_millis(50);
        let fixture = fixture(ServerLimits { workers: 2, queue: 0, deadline, ..ServerLimits::default() });
        for _ in 0..3 {
            let verdict = fixture.ask("ok").await.unwrap();
            assert_eq!((verdict.decision, verdict.reason.as_str()), (Decision::Deny, "deadline-exceeded"));
        }
        assert_eq!(fixture.gate.judged.load(Ordering::Relaxed), 1);
        assert_eq!(fixture.judgements.running(), 1);
        fixture.open();
    }

    #[tokio::test]
    async fn what_waits_past_its_deadline_is_denied_without_being_judged() {
        let deadline = Duration::from_millis(50);
        let fixture = fixture(ServerLimits { workers: 1, queue: 5, deadline, ..ServerLimits::default() });
        let first = fixture.ask("ok1");
        fixture.until(|fixture| fixture.judgements.running() == 1).await;
        assert_eq!(fixture.ask("ok2").await.unwrap().reason, "deadline-exceeded");
        assert_eq!(fixture.gate.judged.load(Ordering::Relaxed), 1);
        fixture.open();
        assert!(first.await.is_ok());
    }

    #[tokio::test]
    async fn one_who_hangs_up_does_not_stop_the_judgement_of_the_others() {
        let fixture = fixture(ServerLimits::default());
        let first = fixture.ask("ok");
        fixture.until(|fixture| fixture.judgements.running() == 1).await;
        let second = fixture.ask("ok");
        fixture.until(|fixture| fixture.judgements.tally().joined() == 1).await;
        first.abort();
        fixture.open();
        assert_eq!(second.await.unwrap().decision, Decision::Allow);
    }

    #[tokio::test]
    async fn a_judgement_under_way_keeps_its_trust_bundle_over_a_reload() {
        let fixture = fixture(ServerLimits::default());
        let before = fixture.ask("ok");
        fixture.until(|fixture| fixture.judgements.running() == 1).await;
        fixture.trust.reload().unwrap();
        let after = fixture.ask("ok");
        fixture.until(|fixture| fixture.judgements.running() == 2).await;
        fixture.open();
        assert_eq!(before.await.unwrap().reason, "by-1");
        assert_eq!(after.await.unwrap().reason, "by-2");
    }

    #[tokio::test]
    async fn without_a_trust_bundle_everything_is_denied() {
        let fixture = fixture(ServerLimits::default());
        let empty = Arc::new(TrustHolder::new(Box::new(Counting(AtomicUsize::new(0)))));
        let judgements = Arc::new(Judgements::new(
            Arc::clone(&fixture.gate) as Arc<dyn Judge>,
            empty,
            ServerLimits::default(),
        ));
        assert_eq!(judgements.judge(question("ok"), Instant::now()).await.reason, "trust-missing");
    }
}
