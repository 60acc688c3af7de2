//! What kubelet has for a registry, for one verdict.

use std::fmt;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// A user of a registry. Neither printed nor kept: it lives as long as the pull is judged.
#[derive(Clone)]
pub struct PullCredentials {
    username: Zeroizing<String>,
    password: Zeroizing<String>,
}

impl PullCredentials {
    /// Takes a name and a password.
    #[must_use]
    pub fn new(username: String, password: String) -> Self {
        Self { username: Zeroizing::new(username), password: Zeroizing::new(password) }
    }

    /// Tells apart pulls by different users without keeping who they are.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let length = u64::try_from(self.username.len()).unwrap_or(u64::MAX).to_be_bytes();
        let hash = Sha256::new().chain_update(length).chain_update(self.username.as_bytes());
        hash.chain_update(self.password.as_bytes()).finalize().into()
    }

    /// For the registry of this host.
    #[cfg(feature = "network")]
    pub(super) fn of_host(&self, host: &str) -> crate::registry::credentials::Credentials {
        crate::registry::credentials::Credentials::of(host, &self.username, &self.password)
    }
}

impl fmt::Debug for PullCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PullCredentials(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::PullCredentials;

    #[test]
    fn neither_name_nor_password_is_printed_and_users_are_told_apart() {
        let of = |name: &str, password: &str| PullCredentials::new(name.to_owned(), password.to_owned());
        assert_eq!(format!("{:?}", of("alice", "secret")), "PullCredentials(…)");
        assert_ne!(of("a", "bc").fingerprint(), of("ab", "c").fingerprint());
        assert_eq!(of("a", "bc").fingerprint(), of("a", "bc").fingerprint());
    }
}
