//! A whole Sigstore in memory: Fulcio, a CT log, Rekor v1 and v2 and timestamp authorities, with new keys each time.
//!
//! It mints what they would, and what they never would:
//!
//! - [`Sigstore`] is one instance; [`Sigstore::trusted_root`] is what others are told to believe of it;
//! - [`KeylessForge`] makes one keyless signature, honest until a step of it is overridden: who it is for, the leaf,
//!   its SCTs, what is signed, what is logged, promise, proof, checkpoint, timestamps, and what is sent in which form;
//! - [`Shape`] is one way in which all that may honestly come: [`Shape::all`] are all of them;
//! - [`FAULTS`] are steps that each make a forgery of it, [`VARIATIONS`] steps that do not: the matrix is their
//!   product with the shapes. [`Cell`] is one of it, and whoever judges it is passed in to [`Tally::of`].
//!
//! [`Services`] serves an instance over HTTP on loopback, for clients that sign with it.
//!
//! As all of [`mint`](crate::mint), this is written from the specifications and shares no code with the core. cosign
//! is asked about what it makes, too, so that it is not merely the core's twin in error.

pub mod bundle;
mod faults;
mod forge;
pub mod fulcio;
mod layout;
mod matrix;
pub mod rekor;
mod root;
mod services;
mod shape;
pub mod timestamp;

pub use bundle::{Annotations, Sent};
pub use faults::{FAULTS, Fault, VARIATIONS};
pub use forge::{Case, EntryForge, KeylessForge, Sending, Stamp};
pub use fulcio::{Fulcio, Identity};
pub use layout::write_layout;
pub use matrix::{Cell, Honesty, Opinion, Tally};
pub use rekor::{Entry, EntryKind, Generation, Rekor, Upload};
pub use services::{Provider, Services, Stamped};
pub use shape::{BundleVersion, Form, Shape, Shown, TimeSource};
pub use timestamp::Tsa;

use core::cell::RefCell;

use pullward_core::signature::KeyType;
use pullward_core::time::UnixTime;
use sha2::{Digest as _, Sha256};

use crate::mint::{Random, Signer, instant, world};

/// When everything is signed.
pub const SIGNED: &str = "2025-03-01T12:00:05Z";

/// Two ends of a validity, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub from: UnixTime,
    /// The last second.
    pub until: UnixTime,
}

impl Validity {
    /// Ten years around the time of signing.
    #[must_use]
    pub fn long() -> Self {
        Self { from: instant("2024-01-01T00:00:00Z"), until: instant("2034-01-01T00:00:00Z") }
    }

    /// As a certificate takes it.
    #[must_use]
    pub fn ends(self) -> [UnixTime; 2] {
        [self.from, self.until]
    }
}

/// One instance.
#[derive(Debug)]
pub struct Sigstore {
    /// Host names end with it.
    pub name: String,
    /// The certificate authority.
    pub fulcio: Fulcio,
    /// The CT log.
    pub ct: Signer,
    /// Rekor v1, and another log of the same instance.
    pub rekor_v1: [Rekor; 2],
    /// Rekor v2, and another log of the same instance.
    pub rekor_v2: [Rekor; 2],
    /// The timestamp authority.
    pub tsa: Tsa,
    /// A timestamp authority that was retired a month before anything was signed.
    pub retired_tsa: Tsa,
    /// A CT log that was retired then, too.
    pub retired_ct: Signer,
    random: RefCell<Random>,
}

impl Sigstore {
    /// An instance of this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut random = Random::for_test(&format!("sigstore {name}"));
        let (long, random_ref) = (Validity::long(), &mut random);
        let fulcio = Fulcio::new(&format!("fulcio.{name}"), long, random_ref);
        let ct = Signer::generate(KeyType::P256, random_ref);
        let retired_ct = Signer::generate(KeyType::P256, random_ref);
        let mut rekor =
            |generation, host: &str| Rekor::new(generation, &format!("{host}.{name}"), random_ref);
        let rekor_v1 = [rekor(Generation::One, "rekor"), rekor(Generation::One, "rekor-b")];
        let rekor_v2 = [rekor(Generation::Two, "log2025"), rekor(Generation::Two, "log2025-b")];
        let tsa = Tsa::new(&format!("tsa.{name}"), long, long, random_ref);
        let retired_tsa = Tsa::new(&format!("old-tsa.{name}"), long, long, random_ref);
        let random = RefCell::new(random);
        Self { name: name.into(), fulcio, ct, rekor_v1, rekor_v2, tsa, retired_tsa, retired_ct, random }
    }

    /// A new key, as a client makes one for each signature.
    #[must_use]
    pub fn new_key(&self) -> Signer {
        Signer::generate(KeyType::P256, &mut self.random.borrow_mut())
    }

    /// The log of a generation.
    #[must_use]
    pub fn rekor(&self, generation: Generation) -> &Rekor {
        match generation {
            Generation::One => &self.rekor_v1[0],
            Generation::Two => &self.rekor_v2[0],
        }
    }

    /// Another log of this instance, as trusted as the first.
    #[must_use]
    pub fn other_rekor(&self, generation: Generation) -> &Rekor {
        match generation {
            Generation::One => &self.rekor_v1[1],
            Generation::Two => &self.rekor_v2[1],
        }
    }
}

fn address(host: &str) -> String {
    format!("https://{host}.virtual")
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Signs as the instance's parts do.
fn sign(key: &Signer, message: &[u8]) -> Vec<u8> {
    key.sign_by(rekor::scheme(key), message, &mut world().random())
}
