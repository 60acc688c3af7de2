//! How a challenge is answered: with credentials, or with a token that is fetched with them.
//!
//! Threads ask for the same repository beside each other, and are refused beside each other. One of them answers, the
//! others wait for it, under their own deadlines: a registry with tokens is asked for one.

use std::collections::{HashMap, HashSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pullward_core::limits;

use super::address::{Address, Scheme};
use super::challenge::{self, Challenge, Realm};
use super::connection::{Exchange, remaining};
use super::credentials::Lookup;
use super::received::{Received, drain, read_body};
use super::{Client, Refusal, RegistryError, Repository, pause};
use crate::evidence::document::shorten;

/// Most answers to challenges that are kept; one per repository that was read lately.
const ANSWERS_KEPT: usize = 256;

/// An `Authorization` header, and what to say if it is not enough. It has no `Debug`: it is a secret.
#[derive(Clone)]
pub(super) struct Authorization {
    pub(super) value: String,
    pub(super) if_refused: Refusal,
}

/// What answered challenges, by repository.
#[derive(Default)]
pub(super) struct Answers {
    state: Mutex<State>,
    /// An answer was found, or cannot be.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What answered the last challenge of a repository.
    known: HashMap<Repository, Authorization>,
    /// Repositories whose challenge a thread answers now.
    under_way: HashSet<Repository>,
}

/// One thread's turn to answer for a repository; it ends however the thread ends.
struct Turn<'a> {
    answers: &'a Answers,
    repository: &'a Repository,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.answers.lock().under_way.remove(self.repository);
        self.answers.changed.notify_all();
    }
}

/// What a refused thread does.
enum Next<'a> {
    /// It tries again with this, which another thread found.
    Use(Authorization),
    /// It answers the challenge.
    Answer(Turn<'a>),
}

impl Answers {
    /// What answered the last challenge of a repository.
    pub(super) fn known(&self, repository: &Repository) -> Option<Authorization> {
        self.lock().known.get(repository).cloned()
    }

    /// Waits for whoever answers for this repository already. `None` where that takes until the deadline.
    fn next<'a>(
        &'a self,
        repository: &'a Repository,
        refused: Option<&Authorization>,
        deadline: Instant,
    ) -> Option<Next<'a>> {
        let mut state = self.lock();
        while state.under_way.contains(repository) {
            let left = remaining(deadline)?;
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if let Some(known) = state.known.get(repository)
            && refused.is_none_or(|refused| refused.value != known.value)
        {
            return Some(Next::Use(known.clone()));
        }
        state.under_way.insert(repository.clone());
        Some(Next::Answer(Turn { answers: self, repository }))
    }

    fn keep(&self, repository: &Repository, answer: Authorization) {
        let mut state = self.lock();
        if state.known.len() >= ANSWERS_KEPT {
            state.known.clear();
        }
        state.known.insert(repository.clone(), answer);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// What to send after a challenge; `refused` is what was sent before it.
    pub(super) fn authorize(
        &self,
        repository: &Repository,
        address: &Address,
        challenge: Option<Challenge>,
        refused: Option<&Authorization>,
        deadline: Instant,
    ) -> Result<Authorization, RegistryError> {
        match self.answers.next(repository, refused, deadline) {
            None => Err(RegistryError::Deadline { url: address.to_string() }),
            Some(Next::Use(known)) => Ok(known),
            Some(Next::Answer(_turn)) => {
                let answer = self.answer(repository, address, challenge, deadline)?;
                self.answers.keep(repository, answer.clone());
                Ok(answer)
            }
        }
    }

    /// What to say where nothing was shown.
    pub(super) fn without_credentials(&self, repository: &Repository) -> Refusal {
        match self.credentials.lookup(&repository.host) {
            Lookup::Basic(_) => Refusal::Scheme,
            Lookup::Helper => Refusal::Helper,
            Lookup::Nothing => Refusal::NoCredentials,
        }
    }

    /// The value of the `Authorization` header that answers a challenge.
    fn answer(
        &self,
        repository: &Repository,
        address: &Address,
        challenge: Option<Challenge>,
        deadline: Instant,
    ) -> Result<Authorization, RegistryError> {
        let unauthorized = |refusal| RegistryError::Unauthorized { url: address.to_string(), refusal };
        let encrypted = repository.origin.scheme() == Scheme::Https || repository.origin.is_loopback();
        let credentials = self.credentials.lookup(&repository.host);
        let answer = match challenge {
            None => return Err(unauthorized(Refusal::Scheme)),
            Some(Challenge::Basic) => match credentials {
                Lookup::Basic(basic) if encrypted => {
                    Authorization { value: format!("Basic {basic}"), if_refused: Refusal::Rejected }
                }
                Lookup::Basic(_) => return Err(unauthorized(Refusal::Plain)),
                Lookup::Helper => return Err(unauthorized(Refusal::Helper)),
                Lookup::Nothing => return Err(unauthorized(Refusal::NoCredentials)),
            },
            Some(Challenge::Bearer { realm, service }) => {
                let (realm, trust) =
                    challenge::judge_realm(&repository.origin, &realm).map_err(|reason| {
                        RegistryError::Realm {
                            url: address.to_string(),
                            realm: origin_or_text(&realm),
                            reason,
                        }
                    })?;
                let (shown, if_refused) = match credentials {
                    Lookup::Basic(_) if !encrypted => (None, Refusal::Plain),
                    Lookup::Basic(basic) if trust == Realm::Own => {
                        (Some(format!("Basic {basic}")), Refusal::Rejected)
                    }
                    Lookup::Basic(_) => (None, Refusal::Withheld { realm: realm.origin().to_string() }),
                    Lookup::Helper => (None, Refusal::Helper),
                    Lookup::Nothing => (None, Refusal::NoCredentials),
                };
                let asked = challenge::token_address(&realm, service.as_deref(), &repository.path);
                match self.fetch_token(&asked, shown.as_deref(), deadline) {
                    Ok(token) => Authorization { value: format!("Bearer {token}"), if_refused },
                    Err(RegistryError::Unauthorized { .. }) => return Err(unauthorized(if_refused)),
                    Err(error) => return Err(error),
                }
            }
        };
        Ok(answer)
    }

    fn fetch_token(
        &self,
        address: &Address,
        authorization: Option<&str>,
        deadline: Instant,
    ) -> Result<String, RegistryError> {
        let mut retries = 0usize;
        loop {
            let exchange = Exchange { address, accept: "application/json", authorization, deadline };
            let mut answer = self.send(&exchange)?;
            let url = address.origin().to_string();
            match answer.status().as_u16() {
                200 => {
                    let received = Received { address: address.clone(), answer, deadline }.plain()?;
                    let (body, _) = read_body(received, limits::TOKEN_BYTES, None, None)?;
                    return challenge::read_token(&body)
                        .map_err(|detail| RegistryError::Token { url, detail: detail.to_owned() });
                }
                401 | 403 => {
                    return Err(RegistryError::Unauthorized { url, refusal: Refusal::NoCredentials });
                }
                status @ (429 | 500..=599) => {
                    drain(&mut answer);
                    if retries >= limits::RETRIES || !pause(retries, None, deadline) {
                        return Err(RegistryError::Unavailable { url, status, retries });
                    }
                    retries = retries.saturating_add(1);
                }
                status => {
                    let detail = format!("it answers {status}");
                    return Err(RegistryError::Token { url, detail });
                }
            }
        }
    }
}

fn origin_or_text(text: &str) -> String {
    Address::parse(text)
        .map_or_else(|_| shorten(text).escape_default().to_string(), |a| a.origin().to_string())
}
