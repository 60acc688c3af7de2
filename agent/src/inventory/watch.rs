//! The agent's own loop over containerd.
//!
//! It subscribes before it lists, and lists once more a second later, so that nothing falls between. Events are lossy and
//! say only that something changed; so everything is listed again each minute, and what is new or was not decided is
//! judged. What was decided is judged again when the trust bundle changes, and after some hours, because verdicts depend
//! on time.
//!
//! containerd may come later than the agent, go away and come back: the loop tries again for as long as the agent runs.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pullward_core::oci::Digest;
use tokio::task::JoinSet;

use super::judge::{AgentVerdicts, Verdicts};
use super::survey::Survey;
use crate::containerd::client::{Client, ClientError};
use crate::containerd::event::{Event, What};

/// The first pause before containerd is tried again, and the longest. A container that starts in the pause is seen with
/// the list that follows it.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// How often everything is listed, beside the events.
const LIST_EVERY: Duration = Duration::from_secs(60);

/// How soon after a list that failed, or a change of trust, the next one is tried.
const SOON: Duration = Duration::from_secs(1);

/// What was decided is judged again after this: ages run out by days.
const JUDGE_EVERY: Duration = Duration::from_secs(6 * 3600);

/// Events that are looked into at a time. More wait in containerd's own queue.
const AT_A_TIME: usize = 64;

/// The loop, and what it says of itself.
pub struct Watch<V> {
    address: PathBuf,
    /// What it has seen.
    pub survey: Arc<Survey<V>>,
    connected: AtomicBool,
    connections: AtomicU64,
    events: AtomicU64,
    lists: AtomicU64,
    trouble: Mutex<Option<ClientError>>,
}

/// The agent's.
pub type AgentWatch = Watch<AgentVerdicts>;

/// How the connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Whether events arrive now.
    pub connected: bool,
    /// Connections since the start.
    pub connections: u64,
    /// Events since the start.
    pub events: u64,
    /// Looks over everything since the start.
    pub lists: u64,
    /// What is wrong now.
    pub trouble: Option<String>,
}

impl<V: Verdicts> Watch<V> {
    /// A watch over the containerd at `address`.
    #[must_use]
    pub fn new(address: PathBuf, survey: Survey<V>) -> Self {
        Self {
            address,
            survey: Arc::new(survey),
            connected: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            events: AtomicU64::new(0),
            lists: AtomicU64::new(0),
            trouble: Mutex::new(None),
        }
    }

    /// How the connection is.
    #[must_use]
    pub fn link(&self) -> Link {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        Link {
            connected: self.connected.load(Ordering::Relaxed),
            connections: self.connections.load(Ordering::Relaxed),
            events: self.events.load(Ordering::Relaxed),
            lists: self.lists.load(Ordering::Relaxed),
            trouble: trouble.as_ref().map(ToString::to_string),
        }
    }

    /// Watches for ever. Whoever drops the future ends it.
    pub async fn run(self: Arc<Self>) {
        let mut pause = PAUSES.0;
        let mut schedule = Schedule::new();
        loop {
            let error = match self.session(&mut schedule).await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            if self.connected.swap(false, Ordering::Relaxed) {
                pause = PAUSES.0;
                tracing::warn!("inventory: containerd is gone, the inventory stands still: {error}");
            }
            self.note(error);
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(PAUSES.1);
        }
    }

    /// One connection, to its end.
    async fn session(
        self: &Arc<Self>,
        schedule: &mut Schedule,
    ) -> Result<std::convert::Infallible, ClientError> {
        let client = Client::connect(&self.address).await?;
        let mut events = client.events();
        self.connected.store(true, Ordering::Relaxed);
        self.connections.fetch_add(1, Ordering::Relaxed);
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
        tracing::info!(address = %self.address.display(), "inventory: watching containerd");

        schedule.begin();
        let mut list: JoinSet<Result<(), ClientError>> = JoinSet::new();
        let mut looks: JoinSet<Result<(), ClientError>> = JoinSet::new();
        let mut tick = tokio::time::interval(SOON);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = events.next(), if looks.len() < AT_A_TIME => {
                    self.events.fetch_add(1, Ordering::Relaxed);
                    let (watch, client, event) = (Arc::clone(self), client.clone(), event?);
                    looks.spawn(async move { watch.hear(&client, event).await });
                }
                Some(done) = looks.join_next() => {
                    // Whatever it was, a list shows what is.
                    if !matches!(done, Ok(Ok(()))) {
                        schedule.soon();
                        self.fail("an event", done);
                    }
                }
                Some(done) = list.join_next() => match done {
                    Ok(Ok(())) => {
                        self.lists.fetch_add(1, Ordering::Relaxed);
                    }
                    done => {
                        schedule.soon();
                        self.fail("a list", done);
                    }
                },
                _ = tick.tick(), if list.is_empty() => {
                    if let Some(after) = schedule.due(self.survey.trust()) {
                        let (watch, client) = (Arc::clone(self), client.clone());
                        list.spawn(async move { watch.survey.look_over(&client, after).await });
                    }
                }
            }
        }
    }

    async fn hear(&self, client: &Client, event: Event) -> Result<(), ClientError> {
        let Event { namespace, what } = event;
        match what {
            What::Image { name } => self.survey.look_at_image(client, namespace, name).await,
            // It may be there again by now.
            What::ImageGone { name } => self.survey.look_at_image(client, namespace, name).await,
            What::Task { container } => self.survey.look_at_task(client, namespace, container).await,
            What::TaskGone { container } => {
                self.survey.stock.drop_running(&(namespace, container));
                Ok(())
            }
        }
    }

    fn fail(&self, what: &str, done: Result<Result<(), ClientError>, tokio::task::JoinError>) {
        match done {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!("inventory: {what} could not be looked into, it is tried again: {error}");
            }
            Err(error) => tracing::error!("inventory: looking into {what} failed: {error}"),
        }
    }

    /// Says what is wrong once, not at each try.
    fn note(&self, error: ClientError) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.as_ref() != Some(&error) {
            match &error {
                ClientError::Absent(_) => tracing::info!("inventory: waiting for it: {error}"),
                _ => tracing::warn!("inventory: trying again: {error}"),
            }
            *trouble = Some(error);
        }
    }
}

/// When everything is looked over, and since when verdicts are good.
struct Schedule {
    listed: Option<Instant>,
    /// Lists that are due at once, one each second.
    soon: u8,
    trust: Option<Digest>,
    judged_from: Instant,
}

impl Schedule {
    fn new() -> Self {
        Self { listed: None, soon: 0, trust: None, judged_from: Instant::now() }
    }

    /// A new subscription: one list for what is there, one for what came while it began.
    fn begin(&mut self) {
        self.soon = 2;
    }

    fn soon(&mut self) {
        self.soon = self.soon.max(1);
    }

    /// Whether it is time, and since when verdicts are good.
    fn due(&mut self, trust: Option<Digest>) -> Option<Option<Instant>> {
        let now = Instant::now();
        let late = self.listed.is_none_or(|listed| now.duration_since(listed) >= LIST_EVERY);
        if !(self.soon > 0 || late || trust != self.trust) {
            return None;
        }
        if now.duration_since(self.judged_from) >= JUDGE_EVERY {
            self.judged_from = now;
        }
        self.listed = Some(now);
        self.soon = self.soon.saturating_sub(1);
        self.trust = trust;
        Some(Some(self.judged_from))
    }
}

#[cfg(test)]
mod tests {
    use pullward_core::oci::Digest;

    use super::Schedule;

    #[test]
    fn a_change_of_trust_makes_a_list_due_and_nothing_else_does_at_once() {
        let mut schedule = Schedule::new();
        let (one, two) = (Some(Digest::of(b"1")), Some(Digest::of(b"2")));
        assert!(schedule.due(one).is_some());
        assert!(schedule.due(one).is_none());
        assert!(schedule.due(two).is_some());
        assert!(schedule.due(two).is_none());
        schedule.soon();
        assert!(schedule.due(two).is_some());
        assert!(schedule.due(two).is_none());
    }
}
