//! Keyless signatures by cosign, with the services of a virtual Sigstore, and cosign's opinion of them.

use std::path::PathBuf;
use std::process::Command;

use super::{Cosign, CosignVersion};
use crate::sigstore::{Generation, Services, Stamped};
use crate::{Error, run};

/// What cosign is told, to sign without a key of its own.
#[derive(Debug)]
pub struct KeylessClient {
    fulcio: String,
    rekor: String,
    tsa: Option<String>,
    signing_config: PathBuf,
    trusted_root: PathBuf,
    /// What cosign 2 reads instead of a trusted root: Fulcio's root, Rekor's key and the CT log's.
    pems: [PathBuf; 3],
    tsa_chain: PathBuf,
}

impl KeylessClient {
    /// A client of these services, its files in the workspace.
    ///
    /// # Errors
    /// [`Error::Io`] when its files cannot be written.
    pub fn of(
        cosign: &Cosign<'_>,
        services: &Services,
        generation: Generation,
        stamped: Stamped,
    ) -> Result<Self, Error> {
        let sigstore = services.sigstore();
        let write = |name: &str, text: String| cosign.workspace.write(format!("cosign/{name}"), text);
        let [issuing, root] = sigstore.fulcio.certificates().map(crate::sigstore::rekor::pem);
        let stamping = sigstore.tsa.certificates().map(crate::sigstore::rekor::pem);
        Ok(Self {
            fulcio: services.fulcio(),
            rekor: services.rekor(generation),
            tsa: (stamped == Stamped::Yes).then(|| services.tsa()),
            signing_config: write(
                &format!("services-{generation:?}-{stamped:?}.json"),
                services.signing_config(generation, stamped).to_string(),
            )?,
            trusted_root: write("virtual-root.json", sigstore.trusted_root().to_string())?,
            pems: [
                write("fulcio.pem", issuing + &root)?,
                write("rekor.pem", sigstore.rekor(generation).key.pem())?,
                write("ct.pem", sigstore.ct.pem())?,
            ],
            tsa_chain: write("tsa.pem", stamping.concat())?,
        })
    }

    /// What cosign 2 is told, to look at timestamps.
    #[must_use]
    pub fn timestamps(&self) -> Vec<String> {
        vec!["--timestamp-certificate-chain".into(), self.tsa_chain.display().to_string()]
    }
}

impl Cosign<'_> {
    /// Signs (`sign`) or attests (`attest`) `repository@digest` as whoever a token says.
    ///
    /// # Errors
    /// [`Error::Failed`] when cosign, a service or the registry refuses.
    pub fn keyless(
        &self,
        verb: &str,
        client: &KeylessClient,
        token: &str,
        image: &str,
        options: &[&str],
    ) -> Result<(), Error> {
        let mut command = self.command(verb)?;
        // A token is longer than a file's name may be, and cosign 3 looks for a file first.
        let token = self.workspace.write("cosign/token", token)?;
        command.arg("--yes").arg("--identity-token").arg(token);
        match self.version {
            CosignVersion::Three => {
                command.arg("--signing-config").arg(&client.signing_config);
                command.arg("--trusted-root").arg(&client.trusted_root);
            }
            CosignVersion::Two => {
                command.arg("--fulcio-url").arg(&client.fulcio).arg("--rekor-url").arg(&client.rekor);
                if let Some(tsa) = &client.tsa {
                    command.arg("--timestamp-server-url").arg(tsa);
                }
                self.believe(&mut command, client);
            }
        }
        command.args(options).arg(image);
        run(command).map(drop)
    }

    /// Asks cosign whether the image has a signature (`verify`) or an attestation (`verify-attestation`) by an identity,
    /// as far as the trusted root of a client goes, without asking a service.
    ///
    /// # Errors
    /// [`Error::Failed`] when it has none: that is cosign's refusal.
    pub fn verify_keyless(
        &self,
        verb: &str,
        client: &KeylessClient,
        identity: [&str; 2],
        image: &str,
        options: &[&str],
    ) -> Result<(), Error> {
        let mut command = self.command(verb)?;
        let [issuer, subject] = identity;
        command.arg("--certificate-oidc-issuer").arg(issuer).arg("--certificate-identity").arg(subject);
        match self.version {
            // Offline is what version 3 is with a trusted root of its own.
            CosignVersion::Three => {
                command.arg("--trusted-root").arg(&client.trusted_root);
            }
            CosignVersion::Two => {
                command.arg("--offline");
                self.believe(&mut command, client);
            }
        }
        command.args(options).arg(image);
        run(command).map(drop)
    }

    fn believe(&self, command: &mut Command, client: &KeylessClient) {
        let names = ["SIGSTORE_ROOT_FILE", "SIGSTORE_REKOR_PUBLIC_KEY", "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE"];
        for (name, path) in names.into_iter().zip(&client.pems) {
            command.env(name, path);
        }
    }
}
