//! The thread that writes the evidence store, so that no verdict waits for a disk.
//!
//! What is to be kept waits in memory under a bound; what comes beyond it is not kept, is counted and is said. A store that
//! cannot be written never changes a verdict: evidence is then fetched again next time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pullward_core::limits;
use pullward_core::oci::Digest;

use super::collect::{Doing, Operators};
use super::{Store, Use};
use crate::decide::wall_clock;
use crate::evidence::pad::{Attachment, Blob};
use crate::evidence::staging::Staging;

/// How often the store is looked through for what is over.
const COLLECT_EVERY: Duration = Duration::from_secs(3600);

/// A use of the same evidence is looked into again after this.
const TOUCH_EVERY: Duration = Duration::from_secs(3600);

/// The keeper of a store.
#[derive(Debug)]
pub struct Keeper {
    store: Store,
    staging: Arc<Staging>,
    state: Mutex<State>,
    /// Something was submitted, or the end was ordered.
    wake: Condvar,
    /// Something was written.
    written: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<(Attachment, Use)>,
    bytes: u64,
    submitted: u64,
    done: u64,
    ending: bool,
    touched: HashMap<Digest, Instant>,
    thread: Option<JoinHandle<()>>,
}

/// What was submitted, to be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

impl Keeper {
    /// A keeper for a store. Its thread starts with the first thing to do.
    #[must_use]
    pub fn new(store: Store) -> Arc<Self> {
        let staging = Arc::new(Staging::of(store.directory()));
        Arc::new(Self {
            store,
            staging,
            state: Mutex::default(),
            wake: Condvar::new(),
            written: Condvar::new(),
            dropped: AtomicU64::new(0),
        })
    }

    /// Begins: removes what a killed agent left, and looks through the store from time to time.
    pub fn start(self: &Arc<Self>) {
        self.store.clear_unfinished();
        self.run();
    }

    /// Where content is staged on its way into the store.
    #[must_use]
    pub fn staging(&self) -> &Arc<Staging> {
        &self.staging
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// How many attachments were not kept, because too much waited or the store could not be written.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Takes attachments to be written. Never waits.
    pub fn submit(self: &Arc<Self>, attachments: Vec<Attachment>, used: Use) -> Ticket {
        let mut state = self.state();
        for attachment in attachments {
            if attachment.content.is_empty() && !state.is_due(&attachment.manifest) {
                continue;
            }
            let size = held(&attachment);
            if state.ending || state.bytes.saturating_add(size) > limits::KEEP_WAITING_BYTES {
                self.lost(1, "more evidence waits for the disk than is held");
                continue;
            }
            state.bytes = state.bytes.saturating_add(size);
            state.submitted = state.submitted.saturating_add(1);
            state.waiting.push((attachment, used));
        }
        let ticket = Ticket(state.submitted);
        let idle = state.thread.is_none() && !state.waiting.is_empty();
        drop(state);
        if idle {
            self.run();
        }
        self.wake.notify_one();
        ticket
    }

    /// Waits until what a ticket stands for was written, or could not be; or until the deadline. Says which.
    #[must_use]
    pub fn wait(&self, ticket: Ticket, deadline: Instant) -> bool {
        let mut state = self.state();
        while state.done < ticket.0 {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            state = self.written.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Ends: writes what waits, stages nothing any more, and removes what was staged. Waits until the deadline at most.
    pub fn end(&self, deadline: Instant) {
        let thread = {
            let mut state = self.state();
            state.ending = true;
            state.thread.take()
        };
        self.wake.notify_all();
        if let Some(thread) = thread {
            let last = Ticket(self.state().submitted);
            if self.wait(last, deadline) {
                drop(thread.join());
            }
        }
        self.staging.close();
    }

    fn run(self: &Arc<Self>) {
        let mut state = self.state();
        if state.thread.is_some() || state.ending {
            return;
        }
        let keeper = Arc::clone(self);
        match thread::Builder::new().name("keeper".to_owned()).spawn(move || keeper.work()) {
            Ok(thread) => state.thread = Some(thread),
            Err(error) => {
                let waiting = std::mem::take(&mut state.waiting);
                state.bytes = 0;
                state.done = state.submitted;
                self.lost(waiting.len(), &error.to_string());
            }
        }
    }

    fn work(&self) {
        let mut collect_at = Instant::now();
        loop {
            let batch = {
                let mut state = self.state();
                while state.waiting.is_empty() && !state.ending {
                    let Some(left) = collect_at.checked_duration_since(Instant::now()) else { break };
                    state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
                }
                if state.waiting.is_empty() && state.ending {
                    return;
                }
                let most = state.waiting.len().min(limits::KEEP_BATCH);
                state.waiting.drain(..most).collect::<Vec<_>>()
            };
            if batch.is_empty() {
                self.collect();
                collect_at = Instant::now() + COLLECT_EVERY;
                continue;
            }
            if let Err(error) = self.store.put(&batch, wall_clock()) {
                self.lost(batch.len(), &error.to_string());
            }
            let mut state = self.state();
            let size = batch.iter().fold(0u64, |sum, (attachment, _)| sum.saturating_add(held(attachment)));
            state.bytes = state.bytes.saturating_sub(size);
            state.done = state.done.saturating_add(u64::try_from(batch.len()).unwrap_or(0));
            drop(state);
            self.written.notify_all();
        }
    }

    fn collect(&self) {
        match self.store.collect(wall_clock(), Operators::Keep, Doing::Really) {
            Ok(removed) if removed.is_empty() => {}
            Ok(removed) => tracing::info!("evidence store: {} entries were over and are gone", removed.len()),
            Err(error) => tracing::warn!("evidence store: {error}"),
        }
    }

    fn lost(&self, count: usize, why: &str) {
        self.dropped.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
        tracing::warn!("{count} pieces of evidence not kept: {}", crate::verdict::printable(why, 1024));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether a use of evidence that the store has already is to be looked into. Each verdict uses some.
    fn is_due(&mut self, manifest: &Digest) -> bool {
        let now = Instant::now();
        if self.touched.get(manifest).is_some_and(|at| now.duration_since(*at) < TOUCH_EVERY) {
            return false;
        }
        if self.touched.len() >= limits::LAYOUT_MANIFESTS {
            self.touched.clear();
        }
        self.touched.insert(*manifest, now);
        true
    }
}

/// Bytes that an attachment holds in memory while it waits.
fn held(attachment: &Attachment) -> u64 {
    let blobs = attachment.content.iter().map(|(_, blob)| match blob {
        Blob::Memory(_) => blob.len(),
        Blob::Staged(_) => 0,
    });
    // A list entry is not free either.
    blobs.fold(512, u64::saturating_add)
}
