//! A new trust bundle: every image that this node let in under an older one is judged again, from the evidence on disk.
//!
//! Without network and beside the verdicts: a few threads of their own, no room in memory shared with them. What is still
//! allowed gets a receipt for the new bundle. What would now be denied is listed, and its receipt is refused under this
//! bundle: it says nothing any more until a later bundle lets the image in again. Where evidence of the receipt is not in the
//! store, nobody knows: such an image is listed as well, its receipt stays an older bundle's, and the image is judged when
//! it is asked for.
//!
//! Images that run are not stopped: this says what the next start of them will be told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pullward_core::limits;
use pullward_core::oci::Digest;
use pullward_core::reference::Reference;
use pullward_core::time::UnixTime;

use crate::decide::session::Subject;
use crate::decide::{Believed, Engine, wall_clock};
use crate::receipt::store::{Known, Receipts, Settled};
use crate::server::trust::Held;
use crate::trust::installed::InstalledTrust;
use crate::verdict::{Decision, Hook, Place, Verdict};

/// Receipts that are written in one step.
const BATCH: usize = 256;

/// Threads that judge again, at most; half of the processors where that is less.
const THREADS_MOST: usize = 4;

/// Judges again, one bundle at a time.
#[derive(Debug)]
pub struct Rejudging {
    engine: Engine,
    receipts: Arc<Receipts>,
    platform: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    wanted: Option<Arc<Held>>,
    running: bool,
    progress: Option<Progress>,
}

/// How far it is, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Version of the bundle.
    pub version: u64,
    /// Digest of its payload.
    pub trust: Digest,
    /// When it began.
    pub started: UnixTime,
    /// Whether all were judged.
    pub stage: Stage,
    /// Receipts of older bundles.
    pub total: usize,
    /// Images that are still allowed.
    pub renewed: usize,
    /// Images that are not: how many.
    pub refused: usize,
    /// Images whose evidence is not in the store: how many.
    pub unproven: usize,
    /// The first [`limits::REJUDGED_LISTED`] of those that are not allowed, or not proven.
    pub listed: Vec<Lapsed>,
}

/// Whether all were judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Not yet.
    UnderWay,
    /// They were.
    Over,
    /// They were not: another bundle came, or receipts cannot be read.
    Left,
}

/// An image that was let in and is no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lapsed {
    /// Its name.
    pub reference: String,
    /// Its digest.
    pub digest: Digest,
    /// Stable code.
    pub reason: String,
    /// The same in words.
    pub message: String,
    /// Whether it was judged, or its evidence is not there.
    pub why: Lapse,
}

/// Why an image is no longer let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lapse {
    /// The bundle denies it.
    Refused,
    /// Its evidence is not in the store.
    Unproven,
}

impl Rejudging {
    /// Judges with this engine, which asks the store and nobody else, for a platform.
    #[must_use]
    pub fn new(engine: Engine, receipts: Arc<Receipts>, platform: String) -> Arc<Self> {
        Arc::new(Self { engine, receipts, platform, state: Mutex::default() })
    }

    /// Judges again what was let in under other bundles than this one, in the background. A bundle that comes meanwhile
    /// takes its place.
    pub fn begin(self: &Arc<Self>, held: Arc<Held>) {
        let mut state = self.state();
        state.wanted = Some(held);
        if state.running {
            return;
        }
        let rejudging = Arc::clone(self);
        match thread::Builder::new().name("rejudge".to_owned()).spawn(move || rejudging.work()) {
            Ok(_) => state.running = true,
            Err(error) => tracing::error!("images are not judged again: {error}"),
        }
    }

    /// How far it is with the bundle that it was given last; `None` before the first one.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        self.state().progress.clone()
    }

    fn work(&self) {
        loop {
            let held = {
                let mut state = self.state();
                match state.wanted.take() {
                    Some(held) => held,
                    None => {
                        state.running = false;
                        return;
                    }
                }
            };
            let progress = self.rejudge(&held.trust, threads());
            if progress.total > 0 {
                tracing::info!(
                    version = progress.version,
                    total = progress.total,
                    renewed = progress.renewed,
                    refused = progress.refused,
                    unproven = progress.unproven,
                    "images judged again by the new trust bundle"
                );
            }
        }
    }

    /// Judges again what was let in under other bundles than this one, on so many threads, and comes back when it is done.
    pub fn rejudge(&self, trust: &InstalledTrust, threads: usize) -> Progress {
        let older = self.receipts.of_other_bundles(&trust.digest);
        let (total, stage) = match &older {
            Some(older) => (older.len(), Stage::UnderWay),
            None => (0, Stage::Left),
        };
        let older = older.unwrap_or_default();
        self.note(|progress| {
            *progress = Some(Progress {
                version: trust.version,
                trust: trust.digest,
                started: wall_clock(),
                stage,
                total,
                renewed: 0,
                refused: 0,
                unproven: 0,
                listed: Vec::new(),
            });
        });
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 1..threads.max(1) {
                let judge = || self.judge_batches(trust, &older, &next);
                drop(thread::Builder::new().name("rejudge".to_owned()).spawn_scoped(scope, judge));
            }
            self.judge_batches(trust, &older, &next);
        });
        let left = self.is_overtaken();
        self.note(|progress| {
            if let Some(progress) = progress.as_mut().filter(|progress| progress.stage == Stage::UnderWay) {
                progress.stage = if left { Stage::Left } else { Stage::Over };
            }
            progress.clone()
        })
        .unwrap_or_else(|| Progress {
            version: trust.version,
            trust: trust.digest,
            started: wall_clock(),
            stage: Stage::Left,
            total,
            renewed: 0,
            refused: 0,
            unproven: 0,
            listed: Vec::new(),
        })
    }

    fn judge_batches(&self, trust: &InstalledTrust, older: &[Known], next: &AtomicUsize) {
        while !self.is_overtaken() {
            let from = next.fetch_add(BATCH, Ordering::Relaxed);
            let Some(batch) = older.get(from..older.len().min(from.saturating_add(BATCH))) else { return };
            if batch.is_empty() {
                return;
            }
            let judged: Vec<_> = batch.iter().filter_map(|known| self.judge(trust, known)).collect();
            let settled = judged.iter().map(|(settled, _)| settled).collect::<Vec<_>>();
            self.receipts.settle(&settled, &trust.digest);
            self.count(&judged);
        }
    }

    /// One image. `None`: another verdict has given it a receipt meanwhile, or its name is none.
    fn judge(&self, trust: &InstalledTrust, known: &Known) -> Option<(Settled, Option<Lapsed>)> {
        let reference = Reference::parse(&known.reference).ok()?;
        let subject = Subject {
            name: known.reference.clone(),
            reference: Some(reference),
            digest: known.digest,
            platform: self.platform.clone(),
            // The namespace is not known: the receipt is what a pull gives, and a start is judged by its own.
            place: Place { hook: Hook::ImageVerifier, containerd_namespace: None, pod_namespace: None },
            time: wall_clock().max(trust.clock_floor),
            allowed_at: Some(known.admission),
        };
        let deadline = Instant::now() + Duration::from_secs(limits::VERDICT_SECONDS);
        let verdict = self.engine.judge_and_keep(Believed::Bundle(trust), &subject, deadline);
        if verdict.decision == Decision::Allow && !verdict.would_deny {
            return Some((Settled::renewed(known, verdict), None));
        }
        let why = if lacks_evidence(known, &verdict) { Lapse::Unproven } else { Lapse::Refused };
        let lapsed = Lapsed {
            reference: known.reference.clone(),
            digest: known.digest,
            reason: verdict.reason,
            message: verdict.message,
            why,
        };
        let settled = match why {
            Lapse::Refused => Settled::refused(known),
            Lapse::Unproven => Settled::left(known),
        };
        Some((settled, Some(lapsed)))
    }

    fn count(&self, judged: &[(Settled, Option<Lapsed>)]) {
        for (_, lapsed) in judged {
            if let Some(lapsed) = lapsed {
                tracing::warn!(
                    target: crate::log::VERDICTS,
                    reference = crate::verdict::printable(&lapsed.reference, 1000),
                    digest = %lapsed.digest,
                    reason = lapsed.reason,
                    proven = lapsed.why == Lapse::Refused,
                    "let in before, and not by the new trust bundle: {}",
                    crate::verdict::printable(&lapsed.message, crate::verdict::ONE_LINE_MAX)
                );
            }
        }
        self.note(|progress| {
            let Some(progress) = progress else { return };
            for (_, lapsed) in judged {
                let counted = match lapsed.as_ref().map(|lapsed| lapsed.why) {
                    None => &mut progress.renewed,
                    Some(Lapse::Refused) => &mut progress.refused,
                    Some(Lapse::Unproven) => &mut progress.unproven,
                };
                *counted = counted.saturating_add(1);
            }
            let room = limits::REJUDGED_LISTED.saturating_sub(progress.listed.len());
            progress.listed.extend(judged.iter().filter_map(|(_, lapsed)| lapsed.clone()).take(room));
        });
    }

    /// Whether another bundle waits.
    fn is_overtaken(&self) -> bool {
        self.state().wanted.is_some()
    }

    fn note<T>(&self, change: impl FnOnce(&mut Option<Progress>) -> T) -> T {
        change(&mut self.state().progress)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a denial may come from evidence that counted once and is not in the store: the verdict was looking for evidence,
/// and has not seen all of it.
fn lacks_evidence(known: &Known, verdict: &Verdict) -> bool {
    /// What is decided before any evidence is looked for.
    const WITHOUT_EVIDENCE: [&str; 6] = [
        "no-rule",
        "denied-by-rule",
        "digest-revoked",
        "trust-expired",
        "trust-invalid",
        "requirement-unsupported",
    ];
    let seen = |digest: &String| verdict.evidence.iter().any(|row| row.digest == *digest);
    !WITHOUT_EVIDENCE.contains(&verdict.reason.as_str()) && !known.evidence.iter().all(seen)
}

fn threads() -> usize {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    (processors / 2).clamp(1, THREADS_MOST)
}
