//! From a question to a verdict: find the digest, gather evidence, let the core decide.
//!
//! [`Engine`] knows where evidence may be. For each question it opens a [`session::Session`] on the core's judge,
//! asks one source after the other for as long as a requirement is open, and closes the session into a
//! [`Verdict`]. A [`session::Session`] is also what a replay drives, from a record instead of from sources: there is
//! one way from evidence to verdict.
//!
//! What this does *not* do: judge. Every allow comes from [`pullward_core::judge::Judge::decide`].

mod attested;
pub mod clerk;
pub mod credentials;
mod explain;
mod receipted;
mod resolve;
pub mod session;
mod summary;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pullward_core::judge::{Needs, Trust};
use pullward_core::oci::Digest;
use pullward_core::reference::Reference;
use pullward_core::signature::PublicKey;
use pullward_core::time::UnixTime;
use pullward_core::verdict::Reason;

use crate::containerd::source::ContainerdSource;
use crate::evidence::inflight::{Inflight, Room};
use crate::evidence::layout::Layout;
use crate::evidence::pad::Pad;
use crate::evidence::store::Use;
use crate::evidence::store::keeper::Keeper;
use crate::evidence::{
    Attached, Budget, EvidenceSource, Flow, Found, Gathered, Kin, Question as EvidenceQuestion, SourceError,
    Wanted,
};
use crate::receipt::store::Receipts;
#[cfg(feature = "network")]
use crate::registry::{Client, background::Background, source::RegistrySource};
use crate::server::Judge;
use crate::trust::installed::InstalledTrust;
use crate::verdict::{Decision, Hook, Place, Verdict};

use clerk::{ConditionRow, KeepStatements, NotedStatement};
use credentials::PullCredentials;
use session::{Event, FailedSource, FailureKind, Session, Subject, Taken};

/// How long a pull through CRI waits for its evidence to be on disk.
const KEEP_PATIENCE: Duration = Duration::from_secs(1);

/// What a hook or a person asks: may this image be used here?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The image's name as asked for; not normalised yet.
    pub reference: String,
    /// The digest it resolved to, where the caller knows it.
    pub digest: Option<String>,
    /// Media type of what the digest names, where the caller knows it.
    pub media_type: Option<String>,
    /// Which hook asks, and where on the node.
    pub place: Place,
    /// `os/arch[/variant]`.
    pub platform: String,
}

/// What is believed when a question is judged.
#[derive(Debug, Clone, Copy)]
pub enum Believed<'t> {
    /// The node's trust bundle.
    Bundle(&'t InstalledTrust),
    /// One key: `verify --key`.
    Key(&'t PublicKey),
}

impl<'t> Believed<'t> {
    fn as_core(self) -> Trust<'t> {
        match self {
            Self::Bundle(trust) => Trust::Bundle(trust.bundle()),
            Self::Key(key) => Trust::Key(key),
        }
    }
}

/// A source of evidence as it is configured.
#[derive(Debug, Clone)]
pub enum ConfiguredSource {
    /// A layout on disk: the evidence store, or the one that a command line names.
    Layout(Arc<Layout>),
    /// The content store of the containerd that listens here.
    Containerd(PathBuf),
    /// The registry that the reference names, asked through this client.
    #[cfg(feature = "network")]
    Registry(Arc<Client>),
    /// The same, and a fetch that outlives its verdict goes on: a node's.
    #[cfg(feature = "network")]
    Patient(Arc<Client>, Arc<Background>),
}

impl ConfiguredSource {
    /// Whether it is on this node: what it says of a tag is as old as the copy.
    const fn is_store(&self) -> bool {
        matches!(self, Self::Layout(_) | Self::Containerd(_))
    }

    /// The source for one question. `None` where it can only be asked by name and there is none.
    fn open<'a>(
        &'a self,
        reference: Option<&'a Reference>,
    ) -> Option<Result<Box<dyn EvidenceSource + 'a>, SourceError>> {
        match self {
            Self::Layout(layout) => Some(Ok(Box::new(&**layout))),
            Self::Containerd(address) => reference.map(|reference| {
                Ok(Box::new(ContainerdSource::new(address, reference)) as Box<dyn EvidenceSource>)
            }),
            #[cfg(feature = "network")]
            Self::Registry(client) | Self::Patient(client, _) => reference.map(|reference| {
                let source = RegistrySource::new(client, reference)?;
                Ok(Box::new(source) as Box<dyn EvidenceSource>)
            }),
        }
    }

    /// Asks the source for evidence. `None` where it can only be asked by name and there is none.
    fn visit(
        &self,
        reference: Option<&Reference>,
        asked: EvidenceQuestion<'_>,
        budget: &mut Budget,
        sink: &mut dyn FnMut(Found) -> Flow,
    ) -> Option<Result<Gathered, SourceError>> {
        #[cfg(feature = "network")]
        if let Self::Patient(client, background) = self {
            return reference.map(|reference| background.visit(client, reference, asked, budget, sink));
        }
        let opened = self.open(reference)?;
        Some(opened.and_then(|source| source.visit(asked, budget, sink)))
    }
}

/// Where evidence is looked for, in order: store, containerd, registry.
#[derive(Debug, Clone, Default)]
pub struct Engine {
    sources: Vec<ConfiguredSource>,
    inflight: Option<Arc<Inflight>>,
    receipts: Option<Arc<Receipts>>,
    keeper: Option<Arc<Keeper>>,
}

/// Where the events of a session go besides into the verdict: a record keeps them, nothing else needs them.
pub trait EventLog {
    /// Takes one event, in the order in which the session saw it.
    fn note(&mut self, event: &Event);

    /// Takes the conditions that were asked, each with its answer, once everything was read.
    fn answered(&mut self, answers: &[ConditionRow]);
}

/// Keeps nothing.
#[derive(Debug, Default)]
pub struct Unrecorded;

impl EventLog for Unrecorded {
    fn note(&mut self, _: &Event) {}

    fn answered(&mut self, _: &[ConditionRow]) {}
}

impl Engine {
    /// An engine that asks these sources, in this order.
    #[must_use]
    pub fn new(sources: Vec<ConfiguredSource>) -> Self {
        Self { sources, inflight: None, receipts: None, keeper: None }
    }

    /// The same engine, which remembers what it allowed: a node's. Only questions of hooks are remembered.
    #[must_use]
    pub fn with_receipts(self, receipts: Arc<Receipts>) -> Self {
        Self { receipts: Some(receipts), ..self }
    }

    /// The same engine, which keeps what was used for a verdict that allows in the evidence store: a node's. Only questions of
    /// hooks are kept.
    #[must_use]
    pub fn with_keeper(self, keeper: Arc<Keeper>) -> Self {
        Self { keeper: Some(keeper), ..self }
    }

    /// The same engine, whose verdicts together hold at most so many bytes of evidence in memory.
    #[must_use]
    pub fn with_inflight(self, bytes: u64) -> Self {
        Self { inflight: Some(Inflight::new(bytes)), ..self }
    }

    /// Judges one question about one digest that is known, and shows `log` everything that the verdict is made of.
    pub fn judge_subject(
        &self,
        believed: Believed<'_>,
        subject: &Subject,
        deadline: Instant,
        log: &mut dyn EventLog,
    ) -> Verdict {
        let started = Instant::now();
        let mut session = Session::open(believed, subject);
        self.gather(&mut session, subject, deadline, (Reading::UntilMet, None), log);
        log.answered(session.conditions());
        let mut verdict = session.close();
        verdict.elapsed_us = elapsed_us(started);
        verdict
    }

    /// The same, but everything that is attached is read and verified, from every source; what is no evidence comes
    /// back beside the verdict. For `pullward tree`.
    pub fn survey(
        &self,
        believed: Believed<'_>,
        subject: &Subject,
        deadline: Instant,
    ) -> (Verdict, Vec<Attached>) {
        let started = Instant::now();
        let mut session = Session::open(believed, subject);
        let others =
            self.gather(&mut session, subject, deadline, (Reading::Everything, None), &mut Unrecorded);
        let mut verdict = session.close();
        verdict.elapsed_us = elapsed_us(started);
        (verdict, others)
    }

    /// As [`Self::survey`], with evidence that is at hand already and is taken before that of any source. For
    /// `pullward policy test`, which shows what a policy would say of an image that is still to be signed.
    pub fn rehearse(
        &self,
        believed: Believed<'_>,
        subject: &Subject,
        given: Vec<Found>,
        deadline: Instant,
    ) -> Verdict {
        let started = Instant::now();
        let mut session = Session::open(believed, subject);
        for found in given {
            session.take(Event::Found(found));
        }
        self.gather(&mut session, subject, deadline, (Reading::Everything, None), &mut Unrecorded);
        let mut verdict = session.close();
        verdict.elapsed_us = elapsed_us(started);
        verdict
    }

    /// The verdict, and beside it every attestation that verifies, whole, each with its row in the verdict's evidence.
    pub fn statements(
        &self,
        believed: Believed<'_>,
        subject: &Subject,
        deadline: Instant,
    ) -> (Verdict, Vec<(usize, NotedStatement)>) {
        let started = Instant::now();
        let mut session = Session::open_keeping(believed, subject, KeepStatements::Yes);
        self.gather(&mut session, subject, deadline, (Reading::Everything, None), &mut Unrecorded);
        let statements = session.statements();
        let mut verdict = session.close();
        verdict.elapsed_us = elapsed_us(started);
        (verdict, statements)
    }

    /// Finds the digest that a question is about.
    ///
    /// # Errors
    /// [`Unresolved`]: there is nothing to judge.
    pub fn resolve(
        &self,
        question: &Question,
        time: UnixTime,
        deadline: Instant,
    ) -> Result<Subject, Unresolved> {
        let resolution = resolve::resolve(&self.sources, question, deadline)?;
        Ok(Subject {
            name: resolution.reference.as_str().to_owned(),
            reference: Some(resolution.reference),
            digest: resolution.digest,
            platform: question.platform.clone(),
            place: question.place.clone(),
            time,
            allowed_at: None,
        })
    }

    /// The verdict, and what was used for it goes to the keeper where it allows.
    pub(crate) fn judge_and_keep(
        &self,
        believed: Believed<'_>,
        subject: &Subject,
        deadline: Instant,
    ) -> Verdict {
        let started = Instant::now();
        let pad = self.keeper.as_ref().map(|keeper| Arc::new(Pad::new(Arc::clone(keeper.staging()))));
        let mut session = Session::open(believed, subject);
        self.gather(&mut session, subject, deadline, (Reading::UntilMet, pad.clone()), &mut Unrecorded);
        let mut verdict = session.close();
        if let (Some(keeper), Some(pad)) = (&self.keeper, pad)
            && verdict.decision == Decision::Allow
            && !verdict.would_deny
        {
            let mut used = pad.used(&verdict.counted());
            if let Some(reference) = &subject.reference {
                used.iter_mut().for_each(|attachment| attachment.name_in(reference));
            }
            let ticket = keeper.submit(used, Use::Verdict);
            // Whoever was given a credential that is valid once pulls right after this, and the next hook then finds the
            // evidence here; others need not wait for a disk.
            if subject.place.hook == Hook::CriPull {
                let _written = keeper.wait(ticket, deadline.min(Instant::now() + KEEP_PATIENCE));
            }
        }
        verdict.elapsed_us = elapsed_us(started);
        verdict
    }

    fn gather(
        &self,
        session: &mut Session<'_>,
        subject: &Subject,
        deadline: Instant,
        (reading, pad): (Reading, Option<Arc<Pad>>),
        log: &mut dyn EventLog,
    ) -> Vec<Attached> {
        let mut others = Vec::new();
        let wanted = match reading {
            Reading::UntilMet => session.wanted(),
            Reading::Everything => Wanted::Everything.max(session.wanted()),
        };
        // The store and the registry share what one verdict may read.
        let mut budget = Budget::sharing(self.inflight.clone()).noting(pad);
        if self.sources.is_empty() {
            // Nothing was asked, which is not the same as nothing being there.
            let detail = "no source of evidence is configured".to_owned();
            let event = Event::Failed(FailedSource { kind: FailureKind::Unreachable, detail });
            log.note(&event);
            session.take(event);
        }
        // Given back with the session, which holds what it is for.
        let mut rooms = Vec::new();
        for source in &self.sources {
            if reading == Reading::UntilMet && session.needs() == Needs::Nothing {
                break;
            }
            let platform = &subject.platform;
            let asked = EvidenceQuestion { subject: &subject.digest, wanted, platform, deadline };
            let visited = source.visit(subject.reference.as_ref(), asked, &mut budget, &mut |found| {
                let event = Event::Found(found);
                log.note(&event);
                if let Taken::Held(bytes) = session.take(event)
                    && let Err(failure) = self.hold(bytes, &mut rooms)
                {
                    let event = Event::Failed(failure);
                    log.note(&event);
                    session.take(event);
                }
                // All of a source is read: what comes first must not decide.
                Flow::Continue
            });
            let Some(mut visited) = visited else { continue };
            if let Ok(gathered) = &mut visited {
                others.append(&mut gathered.others);
            }
            for event in Event::after_visit(visited) {
                log.note(&event);
                session.take(event);
            }
            let wants_parents = session.asks_for_parents() && session.lacks_signature();
            if wants_parents && let Some(Ok(source)) = source.open(subject.reference.as_ref()) {
                take_parents(&*source, session, subject, &mut budget, deadline, log);
            }
        }
        if session.lacks_signature() {
            for event in self.find_remedy(session.believed(), subject, &mut budget, deadline) {
                log.note(&event);
                session.take(event);
            }
        }
        others
    }

    /// Looks for what explains that an image is not signed: its index is, or another manifest of it. It decides nothing;
    /// it is kept only where it gives a reason that says more, and what cannot be read is not looked at.
    fn find_remedy(
        &self,
        believed: Believed<'_>,
        subject: &Subject,
        budget: &mut Budget,
        deadline: Instant,
    ) -> Vec<Event> {
        for source in &self.sources {
            let Some(Ok(source)) = source.open(subject.reference.as_ref()) else { continue };
            for kin in [Kin::Parents, Kin::Rewritten] {
                let found = source.relatives(&subject.digest, subject.reference.as_ref(), kin, deadline);
                for relative in found.unwrap_or_default() {
                    if budget.spend(relative.length()).is_err() {
                        return Vec::new();
                    }
                    let mut trial = Session::open(believed, subject);
                    let Taken::Related(other) = trial.take(Event::Related(relative.clone())) else {
                        continue;
                    };
                    let mut piece = None;
                    let asked = EvidenceQuestion {
                        subject: &other,
                        wanted: Wanted::Signatures,
                        platform: &subject.platform,
                        deadline,
                    };
                    let visited = source.visit(asked, budget, &mut |found| {
                        trial.take(Event::Found(found.clone()));
                        match trial.reason() {
                            Reason::SignedIndexNotPlatform | Reason::DigestRewritten => {
                                piece = Some(found);
                                Flow::Stop
                            }
                            _ => Flow::Continue,
                        }
                    });
                    if let (Ok(_), Some(piece)) = (visited, piece) {
                        return vec![Event::Related(relative), Event::Found(piece)];
                    }
                }
            }
        }
        Vec::new()
    }

    /// Counts what a session holds among what all verdicts may have in memory. Waiting for room would be waiting for
    /// verdicts that wait for this one's, so without room the report is let go, and the verdict says that it could not
    /// be decided.
    fn hold(&self, bytes: u64, rooms: &mut Vec<Room>) -> Result<(), FailedSource> {
        let Some(inflight) = &self.inflight else { return Ok(()) };
        match inflight.hold(bytes) {
            Some(room) => {
                rooms.push(room);
                Ok(())
            }
            None => Err(FailedSource {
                kind: FailureKind::NoRoom,
                detail: format!(
                    "there is no room in memory to hold a report of {bytes} bytes until a VEX statement is read; \
                     raise [limits] inflight_bytes if it repeats"
                ),
            }),
        }
    }
}

/// Takes the indexes that a source knows to list the image, and what is attached to each of them that the image is tied
/// to.
fn take_parents(
    source: &dyn EvidenceSource,
    session: &mut Session<'_>,
    subject: &Subject,
    budget: &mut Budget,
    deadline: Instant,
    log: &mut dyn EventLog,
) {
    let found = source.relatives(&subject.digest, subject.reference.as_ref(), Kin::Parents, deadline);
    let (found, mut ended) = match found {
        Ok(found) => (found, Vec::new()),
        Err(error) => (Vec::new(), Event::after_visit(Err(error))),
    };
    for relative in found {
        if let Err(limit) = budget.spend(relative.length()) {
            ended = Event::after_visit(Err(SourceError::Limit { source_name: relative.source, limit }));
            break;
        }
        let event = Event::Related(relative);
        log.note(&event);
        // Only what the bytes prove is asked about.
        let Taken::Related(parent) = session.take(event) else { continue };
        let asked = EvidenceQuestion {
            subject: &parent,
            wanted: Wanted::Signatures,
            platform: &subject.platform,
            deadline,
        };
        let visited = source.visit(asked, budget, &mut |found| {
            let event = Event::Found(found);
            log.note(&event);
            session.take(event);
            Flow::Continue
        });
        for event in Event::after_visit(visited) {
            log.note(&event);
            session.take(event);
        }
    }
    for event in ended {
        log.note(&event);
        session.take(event);
    }
}

impl Engine {
    /// The same engine, asking only what is on this node: containers start without a network.
    fn on_this_node(&self) -> Self {
        let sources = self.sources.iter().filter(|source| source.is_store()).cloned().collect();
        Self { sources, ..self.clone() }
    }

    /// The same engine, showing a registry what kubelet has for it.
    #[cfg(feature = "network")]
    fn with_credentials(&self, question: &Question, credentials: &PullCredentials) -> Self {
        // What is no reference is refused by whoever resolves it.
        let Ok(reference) = Reference::parse(&question.reference) else { return self.clone() };
        let source = |source: &ConfiguredSource| match source {
            ConfiguredSource::Registry(client) => {
                let client = client.with_credentials(credentials.of_host(reference.host()));
                ConfiguredSource::Registry(Arc::new(client))
            }
            ConfiguredSource::Patient(client, background) => {
                let client = client.with_credentials(credentials.of_host(reference.host()));
                ConfiguredSource::Patient(Arc::new(client), Arc::clone(background))
            }
            local => local.clone(),
        };
        Self { sources: self.sources.iter().map(source).collect(), ..self.clone() }
    }

    /// Without network code there is nobody to show them to.
    #[cfg(not(feature = "network"))]
    fn with_credentials(&self, _: &Question, _: &PullCredentials) -> Self {
        self.clone()
    }

    fn answer(&self, trust: &InstalledTrust, question: &Question, deadline: Instant) -> Verdict {
        let time = wall_clock().max(trust.clock_floor);
        let started = Instant::now();
        let mut subject = match self.resolve(question, time, deadline) {
            Ok(subject) => subject,
            Err(failure) => {
                return failure.verdict(Some(Believed::Bundle(trust)), question, time, started);
            }
        };
        let receipts = self.receipts.as_deref();
        let receipt = receipts.and_then(|receipts| receipts.find(&subject.digest, &subject.name));
        if let Some(receipt) = &receipt
            && let Some(mut verdict) = receipted::verdict(trust, &subject, receipt)
        {
            verdict.elapsed_us = elapsed_us(started);
            return verdict;
        }
        subject.allowed_at =
            receipts.and_then(|it| it.admitted_under(&subject.digest, &subject.name, &trust.digest));
        let believed = Believed::Bundle(trust);
        // A person who asks has pulled nothing, and what the inventory finds may have come by any way: a receipt for it
        // would let start what was only given a name.
        if matches!(question.place.hook, Hook::Cli | Hook::Inventory) {
            return self.judge_subject(believed, &subject, deadline, &mut Unrecorded);
        }
        let verdict = self.judge_and_keep(believed, &subject, deadline);
        if let Some(receipts) = receipts {
            receipts.remember(&verdict);
        }
        verdict
    }
}

impl Judge for Engine {
    fn judge(&self, trust: &InstalledTrust, question: &Question, deadline: Instant) -> Verdict {
        match question.place.hook {
            Hook::CriCreate => self.on_this_node().answer(trust, question, deadline),
            _ => self.answer(trust, question, deadline),
        }
    }

    fn judge_pull(
        &self,
        trust: &InstalledTrust,
        question: &Question,
        credentials: &PullCredentials,
        deadline: Instant,
    ) -> Verdict {
        self.with_credentials(question, credentials).answer(trust, question, deadline)
    }
}

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Sources in order, as long as a requirement is open.
    UntilMet,
    /// All that is attached, for people to look at.
    Everything,
}

/// Seconds since the epoch by the wall clock; 0 where it stands before the epoch.
#[must_use]
pub fn wall_clock() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

/// What could not be resolved, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// The stable code.
    pub reason: Reason,
    /// The name as far as it could be normalised.
    pub reference: String,
    /// The digest as given.
    pub digest: String,
    /// What was tried, in words.
    pub detail: String,
}

impl Unresolved {
    /// The verdict on it: a denial. `believed` is `None` where it is the trust that cannot be used.
    pub fn verdict(
        &self,
        believed: Option<Believed<'_>>,
        question: &Question,
        time: UnixTime,
        started: Instant,
    ) -> Verdict {
        let mut verdict = explain::unresolved(believed, question, time, self);
        verdict.elapsed_us = elapsed_us(started);
        verdict
    }
}

fn elapsed_us(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Parses a reference and checks it against a digest that was given beside it.
fn named(reference: &str, digest: Option<&str>) -> Result<(Reference, Option<Digest>), Unresolved> {
    let failed = |reason, detail: String| Unresolved {
        reason,
        reference: reference.to_owned(),
        digest: digest.unwrap_or_default().to_owned(),
        detail,
    };
    let parsed = Reference::parse(reference).map_err(|error| {
        failed(Reason::ReferenceInvalid, format!("{reference:?} is not an image reference: {error}"))
    })?;
    let given = match digest {
        Some(text) => Some(Digest::parse(text).map_err(|error| {
            failed(Reason::DigestInvalid, format!("{text:?} is not a SHA-256 digest: {error}"))
        })?),
        None => None,
    };
    match (given, parsed.digest()) {
        (Some(given), Some(in_name)) if given != in_name => Err(failed(
            Reason::DigestConflict,
            format!("the name says {in_name}, but {given} was given beside it"),
        )),
        (given, in_name) => Ok((parsed, given.or(in_name))),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use pullward_core::oci::Digest;
    use pullward_core::time::UnixTime;

    use super::{Engine, Question};
    use crate::server::Judge as _;
    use crate::trust::installed::tests::trust;
    use crate::verdict::{Hook, Place};

    /// T-104: a bundle that was over when a later one was issued stays over, whatever the clock says.
    #[test]
    fn a_clock_behind_the_floor_counts_as_the_floor() {
        let mut trust = trust(1);
        trust.clock_floor = UnixTime::parse("2999-01-01T00:00:00Z").unwrap();
        let question = Question {
            reference: "registry.example/app:1".to_owned(),
            digest: Some(Digest::of(b"image").to_string()),
            media_type: None,
            place: Place { hook: Hook::ImageVerifier, containerd_namespace: None, pod_namespace: None },
            platform: "linux/amd64".to_owned(),
        };
        let verdict = Engine::default().judge(&trust, &question, Instant::now());
        assert_eq!(
            (verdict.reason.as_str(), verdict.time.as_str()),
            ("trust-expired", "2999-01-01T00:00:00Z")
        );
    }
}
