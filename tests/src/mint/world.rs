//! The keys of one test program, made once.

use std::sync::{Mutex, OnceLock};

use pullward_core::oci::Digest;
use pullward_core::signature::KeyType;
use pullward_core::time::UnixTime;

use super::{Random, Signer};

/// Keys, and the randomness that signs with them.
#[derive(Debug)]
pub struct World {
    keys: Vec<Signer>,
    random: Mutex<Random>,
}

/// How many keys of each kind there are.
const KEYS: [(KeyType, usize); 4] =
    [(KeyType::P256, 4), (KeyType::P384, 2), (KeyType::Ed25519, 3), (KeyType::Rsa, 2)];

/// The keys of this test program.
#[must_use]
pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let mut random = Random::for_test("world");
        let kinds = KEYS.into_iter().flat_map(|(kind, count)| core::iter::repeat_n(kind, count));
        let keys = kinds.map(|kind| Signer::generate(kind, &mut random)).collect();
        World { keys, random: Mutex::new(random) }
    })
}

impl World {
    /// The `n`th key of a kind.
    #[must_use]
    pub fn key(&self, kind: KeyType, n: usize) -> &Signer {
        self.keys.iter().filter(|key| key.kind() == kind).nth(n).unwrap()
    }

    /// The `n`th P-256 key, the kind that cosign makes.
    #[must_use]
    pub fn p256(&self, n: usize) -> &Signer {
        self.key(KeyType::P256, n)
    }

    /// Every kind of key.
    pub fn kinds() -> impl Iterator<Item = KeyType> {
        KEYS.into_iter().map(|(kind, _)| kind)
    }

    pub(crate) fn random(&self) -> std::sync::MutexGuard<'_, Random> {
        // A test that panicked while it signed leaves nothing half done.
        self.random.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The digest of the image called `name`.
#[must_use]
pub fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

/// An instant of our documents.
#[must_use]
pub fn instant(text: &str) -> UnixTime {
    UnixTime::parse(text).unwrap()
}
