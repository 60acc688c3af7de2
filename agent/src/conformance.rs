//! Verifies one bundle about one artifact, as Sigstore's conformance tests ask for it.
//!
//! What [`Arguments`] name is held against one trusted root: a certificate for exactly one identity, or one key whose
//! signatures the root's logs and timestamp authorities must have seen.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use pullward_core::limits;
use pullward_core::oci::Digest;
use pullward_core::operations::Operations;
use pullward_core::signature::{KeyId, PublicKey};
use pullward_core::time::UnixTime;
use pullward_core::trusted_root::TrustedRoot;
use pullward_core::verify::{
    Artifact, CandidateKey, Error, KeyLimits, Keyring, RootSet, RootsOf, SignedBy, Signer, SignerState,
    artifact_scratch_bytes, verify_artifact,
};

use crate::policy::read_capped;

/// Largest artifact that is read whole.
const ARTIFACT_BYTES: u64 = 256 * 1024 * 1024;

/// What is asked on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    bundle: PathBuf,
    who: Who,
    trusted_root: PathBuf,
    artifact: String,
}

/// Who must have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    Identity { issuer: String, subject: String },
    Key(PathBuf),
}

/// Why the command line says nothing that can be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// Another command than the one that there is.
    #[error("`{0}` is not a command here; this client has `verify-bundle` alone")]
    Command(String),
    /// A flag that there is not.
    #[error("`{0}` is not a flag here")]
    Flag(String),
    /// A flag without its value, or twice.
    #[error("`{0}` needs exactly one value")]
    Value(String),
    /// Something that has to be there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Identity and key at once.
    #[error("--key and --certificate-identity exclude each other; name who signed in one way")]
    Both,
}

/// Why a bundle is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A file that cannot be read.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The bundle does not verify.
    #[error("{}: {} ({error:?})", error.reason().code(), error.reason().meaning())]
    Verify {
        /// Why.
        error: Error,
    },
}

impl Arguments {
    /// Reads the command line, without the program's name.
    ///
    /// # Errors
    /// [`UsageError`].
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, UsageError> {
        let mut arguments = arguments.into_iter();
        let command = arguments.next().ok_or(UsageError::Missing("the command `verify-bundle`"))?;
        if command != "verify-bundle" {
            return Err(UsageError::Command(command));
        }
        let [mut bundle, mut identity, mut issuer, mut key, mut root, mut artifact] = [const { None }; 6];
        while let Some(argument) = arguments.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(value.to_owned())),
                _ => (argument.clone(), None),
            };
            let slot = match name.as_str() {
                "--bundle" => &mut bundle,
                "--certificate-identity" => &mut identity,
                "--certificate-oidc-issuer" => &mut issuer,
                "--key" => &mut key,
                "--trusted-root" => &mut root,
                flag if flag.starts_with("--") => return Err(UsageError::Flag(name)),
                _ if artifact.is_none() => {
                    artifact = Some(argument);
                    continue;
                }
                _ => return Err(UsageError::Flag(argument)),
            };
            let value = value.or_else(|| arguments.next()).filter(|_| slot.is_none());
            *slot = Some(value.ok_or(UsageError::Value(name))?);
        }
        let who = match (identity, issuer, key) {
            (None, None, Some(key)) => Who::Key(key.into()),
            (Some(subject), Some(issuer), None) => Who::Identity { issuer, subject },
            (None, _, None) => return Err(UsageError::Missing("--certificate-identity")),
            (Some(_), None, None) => return Err(UsageError::Missing("--certificate-oidc-issuer")),
            (_, _, Some(_)) => return Err(UsageError::Both),
        };
        Ok(Self {
            bundle: bundle.ok_or(UsageError::Missing("--bundle"))?.into(),
            who,
            trusted_root: root.ok_or(UsageError::Missing("--trusted-root"))?.into(),
            artifact: artifact.ok_or(UsageError::Missing("the artifact"))?,
        })
    }
}

/// Verifies what is asked, and says who signed.
///
/// # Errors
/// [`Refusal`].
pub fn run(arguments: &Arguments, now: SystemTime) -> Result<String, Refusal> {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let bundle = read(&arguments.bundle, limits::ATTESTATION_BYTES)?;
    let root = read(&arguments.trusted_root, u64::try_from(limits::TRUSTED_ROOT_BYTES).unwrap_or(u64::MAX))?;
    let asked = match &arguments.who {
        Who::Identity { issuer, subject } => Asked::Identity { issuer, subject },
        Who::Key(path) => {
            let bytes = read(path, limits::KEY_FILE_BYTES)?;
            let text = String::from_utf8_lossy(&bytes);
            let key = PublicKey::from_pem(&text).map_err(|error| Refusal::File {
                path: path.clone(),
                reason: format!("it is no public key ({error:?})"),
            })?;
            Asked::Key(Box::new(key), KeyLimits::default())
        }
    };
    let digest = Digest::parse(&arguments.artifact).ok();
    let content = match digest {
        Some(_) => Vec::new(),
        None => read(Path::new(&arguments.artifact), ARTIFACT_BYTES)?,
    };
    let artifact = match &digest {
        Some(digest) => Artifact::Sha256(digest.as_bytes()),
        None => Artifact::Content(&content),
    };
    check(&bundle, &root, asked, &artifact, UnixTime(seconds)).map_err(|error| Refusal::Verify { error })
}

/// Verifies one bundle about one artifact against one trusted root, and says who signed.
///
/// # Errors
/// What the core says; [`Error::TrustedRoot`] for a root that cannot be used.
pub fn check(
    bundle: &[u8],
    root: &[u8],
    asked: Asked<'_>,
    artifact: &Artifact<'_>,
    now: UnixTime,
) -> Result<String, Error> {
    let mut scratch = vec![0; limits::CHAIN_BYTES];
    TrustedRoot::check(root, &mut scratch).map_err(|_| Error::TrustedRoot)?;
    let keys = OneSigner { root, asked };
    let mut scratch = vec![0; artifact_scratch_bytes(bundle, &keys)];
    let by = verify_artifact(bundle, artifact, &keys, now, &mut Operations::new(), &mut scratch)?;
    Ok(match by.signer() {
        Signer::Key(KeyId(id)) => format!("key {}", Digest::from_sha256(*id)),
        Signer::Certificate(certified) => {
            let (issuer, subject) = certified.names();
            format!("{issuer} {subject}")
        }
    })
}

fn read(path: &Path, cap: u64) -> Result<Vec<u8>, Refusal> {
    // A folder is no file that could be read to its end.
    let reason = match fs::metadata(path) {
        Ok(found) if found.is_file() => match read_capped(path, cap) {
            Ok(bytes) => return Ok(bytes),
            Err(reason) => reason,
        },
        Ok(_) => "it is no file".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Refusal::File { path: path.to_owned(), reason })
}

/// One signer and one trusted root.
struct OneSigner<'a> {
    root: &'a [u8],
    asked: Asked<'a>,
}

/// Who must have signed.
#[derive(Debug, Clone)]
pub enum Asked<'a> {
    /// Whoever the certificate is for, letter by letter.
    Identity {
        /// Who vouched for the subject.
        issuer: &'a str,
        /// The subject.
        subject: &'a str,
    },
    /// Whoever has this key, within its limits; the trusted root's logs and timestamp authorities must have seen the
    /// signature.
    Key(Box<PublicKey>, KeyLimits),
}

impl Keyring for OneSigner<'_> {
    fn keys(&self) -> impl Iterator<Item = CandidateKey> {
        let key = match &self.asked {
            Asked::Key(key, limits) => {
                let limits = KeyLimits { trusted_root: Some(0), ..*limits };
                Some(CandidateKey { position: 0, key: PublicKey::clone(key), limits })
            }
            Asked::Identity { .. } => None,
        };
        key.into_iter()
    }

    fn state(&self, candidate: &CandidateKey, by: &SignedBy<'_>) -> SignerState {
        candidate.limits.state(by)
    }

    fn certified(&self, by: &SignedBy<'_>) -> Result<u8, SignerState> {
        match (by.signer(), &self.asked) {
            (Signer::Certificate(certified), Asked::Identity { issuer, subject })
                if certified.names() == (*issuer, *subject) =>
            {
                Ok(0)
            }
            _ => Err(SignerState::OtherIdentity),
        }
    }

    fn scratch_bytes(&self) -> usize {
        limits::VERIFY_SIGNATURE_BYTES
    }

    fn roots(&self, of: RootsOf) -> RootSet {
        let mut roots = RootSet::default();
        if matches!(
            (&self.asked, of),
            (Asked::Identity { .. }, RootsOf::Identities) | (Asked::Key(..), RootsOf::Keys)
        ) {
            roots.insert(0);
        }
        roots
    }

    fn open_root<'r>(&'r self, _: u8, room: &'r mut [u8]) -> Result<(TrustedRoot<'r>, &'r mut [u8]), Error> {
        let root = TrustedRoot::read(self.root).map_err(|_| Error::TrustedRoot)?;
        Ok((root, room))
    }
}

#[cfg(test)]
mod tests {
    use super::{Arguments, UsageError, Who};

    fn parse(line: &str) -> Result<Arguments, UsageError> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_take_their_value_with_or_without_an_equals_sign() {
        let identity = parse(
            "verify-bundle --bundle b --certificate-identity=s --certificate-oidc-issuer i --trusted-root r a",
        );
        let who = Who::Identity { issuer: "i".into(), subject: "s".into() };
        let expected = Arguments { bundle: "b".into(), who, trusted_root: "r".into(), artifact: "a".into() };
        assert_eq!(identity, Ok(expected.clone()));
        let key = parse("verify-bundle --key k --bundle b --trusted-root=r a");
        assert_eq!(key, Ok(Arguments { who: Who::Key("k".into()), ..expected }));
    }

    #[test]
    fn what_is_not_said_is_not_guessed() {
        for (line, expected) in [
            ("", UsageError::Missing("the command `verify-bundle`")),
            ("sign-bundle", UsageError::Command("sign-bundle".into())),
            ("verify-bundle --staging", UsageError::Flag("--staging".into())),
            ("verify-bundle --bundle", UsageError::Value("--bundle".into())),
            ("verify-bundle --bundle a --bundle b", UsageError::Value("--bundle".into())),
            ("verify-bundle --bundle b --trusted-root r a", UsageError::Missing("--certificate-identity")),
            (
                "verify-bundle --bundle b --trusted-root r --certificate-identity s a",
                UsageError::Missing("--certificate-oidc-issuer"),
            ),
            ("verify-bundle --key k --certificate-identity s", UsageError::Both),
            ("verify-bundle --key k --trusted-root r a", UsageError::Missing("--bundle")),
            ("verify-bundle --key k --bundle b a", UsageError::Missing("--trusted-root")),
            ("verify-bundle --key k --bundle b --trusted-root r", UsageError::Missing("the artifact")),
            ("verify-bundle --key k --bundle b --trusted-root r a b", UsageError::Flag("b".into())),
        ] {
            assert_eq!(parse(line), Err(expected), "{line}");
        }
    }
}
