//! Keys, signatures and attestations, made by cosign; and cosign's own opinion to compare with.

mod keyless;

use std::path::{Path, PathBuf};
use std::process::Command;

pub use keyless::KeylessClient;

use crate::{Error, Peers, Workspace, run};

/// A signing configuration without services: cosign 3 refuses `--tlog-upload=false`, and this is how it
/// signs without any network.
const SIGNING_CONFIG: &str = r#"{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json"}"#;
/// A trusted root without authorities: else cosign fetches the public one.
const TRUSTED_ROOT: &str = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;

/// Which cosign, and so which format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CosignVersion {
    /// cosign 2: the legacy tags `sha256-<hex>.sig` and `.att`.
    Two,
    /// cosign 3: sigstore bundles v0.3 as referrers.
    Three,
}

/// A key pair as cosign writes it, without a passphrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// cosign's encrypted private key file, encrypted under the empty passphrase.
    pub private: PathBuf,
    /// The public key, PEM.
    pub public: PathBuf,
}

/// A keyless signature in files, and who is to have made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeylessBlob<'a> {
    /// The bundle.
    pub bundle: &'a Path,
    /// The trusted root.
    pub trusted_root: &'a Path,
    /// What was signed.
    pub artifact: &'a Path,
    /// The identity's provider.
    pub issuer: &'a str,
    /// The identity.
    pub subject: &'a str,
}

/// cosign, offline: no transparency log, no public root, no updates.
#[derive(Debug)]
pub struct Cosign<'a> {
    peers: &'a Peers,
    workspace: &'a Workspace,
    version: CosignVersion,
    signing_config: PathBuf,
    trusted_root: PathBuf,
}

impl<'a> Cosign<'a> {
    /// A cosign that keeps its keys and files in the workspace.
    ///
    /// # Errors
    /// [`Error::Io`] when its files cannot be written.
    pub fn new(peers: &'a Peers, workspace: &'a Workspace, version: CosignVersion) -> Result<Self, Error> {
        workspace.folder("cosign")?;
        Ok(Self {
            peers,
            workspace,
            version,
            signing_config: workspace.write("cosign/signing-config.json", SIGNING_CONFIG)?,
            trusted_root: workspace.write("cosign/trusted-root.json", TRUSTED_ROOT)?,
        })
    }

    /// Makes a P-256 key pair; the files are named after it.
    ///
    /// # Errors
    /// [`Error::Failed`] when cosign refuses, for instance because the files exist.
    pub fn generate_key_pair(&self, name: &str) -> Result<KeyPair, Error> {
        let mut command = self.command("generate-key-pair")?;
        command.arg("--output-key-prefix").arg(self.prefix(name));
        run(command)?;
        Ok(self.key_pair(name))
    }

    /// Takes a private key made elsewhere (PEM: P-256, P-384, RSA, Ed25519) into cosign's form.
    ///
    /// # Errors
    /// [`Error::Failed`] when cosign does not know the key's kind.
    pub fn import_key_pair(&self, name: &str, pem: &Path) -> Result<KeyPair, Error> {
        let mut command = self.command("import-key-pair")?;
        command.arg("--key").arg(pem).arg("--output-key-prefix").arg(self.prefix(name));
        run(command)?;
        Ok(self.key_pair(name))
    }

    /// Signs `repository@digest` and stores the signature beside it.
    ///
    /// # Errors
    /// [`Error::Failed`] when cosign or the registry refuses.
    pub fn sign(&self, key: &KeyPair, image: &str) -> Result<(), Error> {
        self.sign_with(key, image, &[])
    }

    /// As [`Cosign::sign`], with more options, such as `--annotations k=v` or `--recursive`.
    ///
    /// # Errors
    /// [`Error::Failed`] when cosign or the registry refuses.
    pub fn sign_with(&self, key: &KeyPair, image: &str, options: &[&str]) -> Result<(), Error> {
        let mut command = self.command("sign")?;
        command.arg("--key").arg(&key.private).arg("--yes");
        self.offline_signing(&mut command);
        command.args(options).arg(image);
        run(command).map(drop)
    }

    /// Attests `repository@digest`: `predicate` is a JSON file, `kind` the predicate type's full URI.
    ///
    /// # Errors
    /// [`Error::Failed`] when cosign or the registry refuses.
    pub fn attest(&self, key: &KeyPair, image: &str, kind: &str, predicate: &Path) -> Result<(), Error> {
        let mut command = self.command("attest")?;
        command.arg("--key").arg(&key.private).arg("--yes");
        command.arg("--type").arg(kind).arg("--predicate").arg(predicate);
        self.offline_signing(&mut command);
        command.arg(image);
        run(command).map(drop)
    }

    /// Signs any bytes (cosign 2) and gives the signature in base64: as [`Cosign::sign`] signs a payload, so tests
    /// can have documents signed that cosign itself would never write.
    ///
    /// # Errors
    /// [`Error::Failed`] when cosign refuses, as version 3 does.
    pub fn sign_blob(&self, key: &KeyPair, file: &Path) -> Result<String, Error> {
        let mut command = self.command("sign-blob")?;
        command.arg("--key").arg(&key.private).arg("--yes");
        self.offline_signing(&mut command);
        command.arg(file);
        run(command).map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Asks cosign whether the image has a signature by the key; gives what it prints (JSON).
    ///
    /// # Errors
    /// [`Error::Failed`] when it has none: that is cosign's refusal.
    pub fn verify(&self, public: &Path, image: &str) -> Result<String, Error> {
        run(self.verify_command(public, image)?)
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The command that [`Cosign::verify`] runs, for benchmarks.
    ///
    /// # Errors
    /// [`Error::Absent`] when cosign is not there.
    pub fn verify_command(&self, public: &Path, image: &str) -> Result<Command, Error> {
        let mut command = self.command("verify")?;
        command.arg("--key").arg(public);
        self.offline_verifying(&mut command);
        command.arg(image);
        Ok(command)
    }

    /// Asks cosign whether the image has an attestation of this kind by the key.
    ///
    /// # Errors
    /// [`Error::Failed`] when it has none: that is cosign's refusal.
    pub fn verify_attestation(&self, public: &Path, image: &str, kind: &str) -> Result<String, Error> {
        run(self.verify_attestation_command(public, image, kind)?)
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The command that [`Cosign::verify_attestation`] runs, for benchmarks and pipelines.
    ///
    /// # Errors
    /// [`Error::Absent`] when cosign is not there.
    pub fn verify_attestation_command(
        &self,
        public: &Path,
        image: &str,
        kind: &str,
    ) -> Result<Command, Error> {
        let mut command = self.command("verify-attestation")?;
        command.arg("--key").arg(public).arg("--type").arg(kind);
        self.offline_verifying(&mut command);
        command.arg(image);
        Ok(command)
    }

    /// Asks cosign whether a bundle is a keyless signature of `blob` by an identity, as far as a trusted root goes.
    ///
    /// # Errors
    /// [`Error::Failed`] when it is not: that is cosign's refusal.
    pub fn verify_keyless_blob(&self, blob: &KeylessBlob<'_>, options: &[&str]) -> Result<(), Error> {
        let mut command = self.command("verify-blob")?;
        command.arg("--bundle").arg(blob.bundle).arg("--trusted-root").arg(blob.trusted_root);
        command.arg("--certificate-identity").arg(blob.subject);
        command.arg("--certificate-oidc-issuer").arg(blob.issuer);
        command.args(options).arg(blob.artifact);
        run(command).map(drop)
    }

    /// Runs `sign` or `attest` with the words of a command line that somebody was told to use, in the workspace.
    ///
    /// # Errors
    /// [`Error::Failed`] when cosign or the registry refuses.
    pub fn run_as_written(&self, words: &[&str]) -> Result<(), Error> {
        let Some((verb, rest)) = words.split_first() else {
            return Err(Error::unexpected("cosign", "no verb"));
        };
        let mut command = self.command(verb)?;
        self.offline_signing(&mut command);
        command.arg("--yes").args(rest);
        run(command).map(drop)
    }

    fn command(&self, verb: &str) -> Result<Command, Error> {
        let program = match self.version {
            CosignVersion::Two => "cosign2",
            CosignVersion::Three => "cosign3",
        };
        let mut command = self.peers.command(program, self.workspace)?;
        command.env("COSIGN_PASSWORD", "").arg(verb);
        Ok(command)
    }

    fn offline_signing(&self, command: &mut Command) {
        match self.version {
            CosignVersion::Two => command.arg("--tlog-upload=false"),
            CosignVersion::Three => command
                .arg("--signing-config")
                .arg(&self.signing_config)
                .arg("--trusted-root")
                .arg(&self.trusted_root),
        };
    }

    fn offline_verifying(&self, command: &mut Command) {
        command.arg("--insecure-ignore-tlog=true");
        if self.version == CosignVersion::Three {
            command.arg("--trusted-root").arg(&self.trusted_root);
        }
    }

    fn prefix(&self, name: &str) -> PathBuf {
        self.workspace.join("cosign").join(name)
    }

    fn key_pair(&self, name: &str) -> KeyPair {
        let file = |kind: &str| self.prefix(&format!("{name}.{kind}"));
        KeyPair { private: file("key"), public: file("pub") }
    }
}
