//! The instance as clients meet it: Fulcio, Rekor v1 and v2 and a timestamp authority, over HTTP on loopback.
//!
//! Each does what the real one does before it signs anything: Fulcio checks the identity token and that the client has
//! the key, a log checks the signature that it is to log. What they refuse, they say, and [`Services::refusals`] has it.
//! The paths and forms are those of Fulcio's and Rekor's OpenAPI documents, of `rekor-tiles` and of RFC 3161 section 3.4.
//! They end with their value: each is a [`Hostile`] server with an honest script.

mod fulcio;
mod provider;
mod read;
mod rekor;
mod stamp;

pub use provider::Provider;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use pullward_core::time::UnixTime;
use serde_json::{Value, json};

use super::{Generation, Sigstore};
use crate::hostile::{Hostile, Reply, Request};

/// An instance that is served.
pub struct Services {
    state: Arc<State>,
    fulcio: Hostile,
    rekor: [Hostile; 2],
    tsa: Hostile,
}

struct State {
    sigstore: Mutex<Sigstore>,
    provider: Provider,
    /// The leaf hashes of both logs.
    trees: [Mutex<Vec<Vec<u8>>>; 2],
    refusals: Mutex<Vec<String>>,
}

/// Why a service does not do what it is asked: what it tells the client.
type Refusal = String;

impl Services {
    /// Serves an instance, which takes the word of this identity provider.
    ///
    /// # Errors
    /// The system has no port.
    pub fn start(sigstore: Sigstore, provider: Provider) -> io::Result<Self> {
        let state = Arc::new(State {
            sigstore: Mutex::new(sigstore),
            provider,
            trees: Default::default(),
            refusals: Mutex::default(),
        });
        let serve = |answer: fn(&State, &Request) -> Result<Reply, Refusal>| {
            let state = Arc::clone(&state);
            Hostile::start(move |request| state.answer(request, answer))
        };
        let fulcio = serve(fulcio::answer)?;
        let rekor = [
            serve(|state, request| rekor::answer(state, Generation::One, request))?,
            serve(|state, request| rekor::answer(state, Generation::Two, request))?,
        ];
        let tsa = serve(stamp::answer)?;
        Ok(Self { state, fulcio, rekor, tsa })
    }

    /// Fulcio's address.
    #[must_use]
    pub fn fulcio(&self) -> String {
        format!("http://{}", self.fulcio.host())
    }

    /// A log's address.
    #[must_use]
    pub fn rekor(&self, generation: Generation) -> String {
        let [one, two] = &self.rekor;
        let log = if generation == Generation::One { one } else { two };
        format!("http://{}", log.host())
    }

    /// Where timestamps are asked for.
    #[must_use]
    pub fn tsa(&self) -> String {
        format!("http://{}/api/v1/timestamp", self.tsa.host())
    }

    /// The instance itself.
    pub fn sigstore(&self) -> MutexGuard<'_, Sigstore> {
        lock(&self.state.sigstore)
    }

    /// What clients are told: which services there are, with a log of this generation, and with or without timestamps.
    #[must_use]
    pub fn signing_config(&self, generation: Generation, stamped: Stamped) -> Value {
        let service = |url: String, version: u8| {
            json!([{
                "url": url,
                "majorApiVersion": version,
                "validFor": { "start": "2024-01-01T00:00:00Z" },
                "operator": "virtual"
            }])
        };
        let version = if generation == Generation::One { 1 } else { 2 };
        let mut config = json!({
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": service(self.fulcio(), 1),
            "oidcUrls": service(self.state.provider.issuer.clone(), 1),
            "rekorTlogUrls": service(self.rekor(generation), version),
            "rekorTlogConfig": { "selector": "ANY" }
        });
        if stamped == Stamped::Yes {
            config["tsaUrls"] = service(self.tsa(), 1);
            config["tsaConfig"] = json!({ "selector": "ANY" });
        }
        config
    }

    /// What was refused, by any of them.
    #[must_use]
    pub fn refusals(&self) -> Vec<String> {
        lock(&self.state.refusals).clone()
    }

    /// How many entries a log has.
    #[must_use]
    pub fn entries(&self, generation: Generation) -> usize {
        self.state.tree(generation).len()
    }
}

/// Whether clients are told of a timestamp authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamped {
    /// They are.
    Yes,
    /// They are not.
    No,
}

impl State {
    fn answer(&self, request: &Request, answer: fn(&Self, &Request) -> Result<Reply, Refusal>) -> Reply {
        answer(self, request).unwrap_or_else(|refusal| {
            lock(&self.refusals).push(format!("{} {}: {refusal}", request.method, request.path));
            let body = json!({ "code": 400, "message": refusal }).to_string().into_bytes();
            let headers = vec![("content-type".into(), "application/json".into())];
            Reply::Answer { status: 400, headers, body }
        })
    }

    fn sigstore(&self) -> MutexGuard<'_, Sigstore> {
        lock(&self.sigstore)
    }

    fn tree(&self, generation: Generation) -> MutexGuard<'_, Vec<Vec<u8>>> {
        let [one, two] = &self.trees;
        lock(if generation == Generation::One { one } else { two })
    }
}

/// As a service that has made something answers.
fn created(media_type: &str, body: impl Into<Vec<u8>>) -> Reply {
    let headers = vec![("content-type".into(), media_type.into())];
    Reply::Answer { status: 201, headers, body: body.into() }
}

/// The services' clock is the machine's: so is that of their clients.
fn now() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
