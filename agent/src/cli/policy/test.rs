//! `pullward policy test`
//!
//! The policy goes the way of every policy: it becomes the payload of a trust bundle, a root key signs it, and
//! [`InstalledTrust`] opens it. The key is made for this one question and goes with it, and the bundle is never written:
//! no node can be made to believe it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding as _};
use clap::Args;
use pullward_core::oci::Digest;
use pullward_core::signature::PublicKey;

use super::super::judging::{HeldTrust, Judging, JudgingError, Output, SourceFlags};
use super::super::{CANNOT, FINE, line, verify};
use super::{code_of, report};
use crate::config::Config;
use crate::evidence::{Format, Found, Source};
use crate::policy::Policy;
use crate::trust::envelope::Envelope;
use crate::trust::installed::InstalledTrust;
use crate::trust::payload::{Authority, AuthorityKind, Key, Mode, Payload};
use crate::trust::root_key::{RootKey, RootKeyType};
use crate::trust::time::{Lifetime, Time};

/// Say what a policy would say about an image, and why, before it is built, signed and installed.
///
/// Nothing is written, and no node believes the policy for it. Exit code 0: the image would be allowed. 1: it would be
/// refused, or the policy is. 2: that could not be found out. 64: usage.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    pullward policy test policy.toml registry.example/team/app:v1\n  \
    pullward policy test policy.toml --namespace demo -o json registry.example/team/app:v1 | jq .reason\n  \
    pullward policy test policy.toml --before-signing \"$IMAGE\" && cosign sign --key cosign.key \"$IMAGE\"\n  \
    pullward policy test policy.toml --as docker.io/kcandidate/myapp:v1 oci:./layout:v1")]
pub(super) struct Test {
    /// The policy file; key files are looked for beside it.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Images: registry references, or oci:DIR, oci:DIR:TAG, oci:DIR@DIGEST
    #[arg(value_name = "REF", required = true)]
    images: Vec<String>,
    #[command(flatten)]
    sources: SourceFlags,
    /// The digest that REF must resolve to
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
    /// Take the image for signed as the rule asks: only the attestations decide. For a build, as the gate before `cosign sign`
    #[arg(long)]
    before_signing: bool,
    /// The node's configuration, for its registries, credentials and store
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Exit 1 also where audit mode would let through what enforce would deny
    #[arg(long)]
    enforce: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

/// Who has signed by the assumption of `--before-signing`.
const ASSUMED: &str = "assumed by --before-signing";

/// How long the rehearsed bundle is valid: past the end of the command.
const LIFETIME_SECONDS: u64 = 86_400;

impl Test {
    pub(super) fn run(&self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
        if self.digest.is_some() && self.images.len() > 1 {
            writeln!(
                err,
                "pullward policy test: --digest goes with one image, and there are {}",
                self.images.len()
            )?;
            return Ok(super::super::judging::USAGE);
        }
        let policy = match Policy::read(&self.file) {
            Ok(policy) => policy,
            Err(problems) => {
                report(&problems, err)?;
                return Ok(code_of(&problems));
            }
        };
        for warning in policy.warnings() {
            line(err, &warning.to_string())?;
        }
        let stage = match Stage::set(policy, self.before_signing) {
            Ok(stage) => stage,
            Err(reason) => {
                line(err, &format!("pullward policy test: {}: {reason}", self.file.display()))?;
                return Ok(CANNOT);
            }
        };
        let signer = stage.signer;
        match self.judging(stage.trust, err) {
            Ok(judging) => self.judge(&judging, signer.as_ref(), out, err),
            Err(error) => {
                writeln!(err, "pullward policy test: {error}")?;
                // Programs get a verdict all the same: nothing could be judged, which is a refusal.
                let digest = self.digest.as_deref();
                for verdict in
                    self.images.iter().filter_map(|image| error.verdict(image, digest, &self.sources))
                {
                    verify::print(&verdict, self.output, out)?;
                }
                Ok(error.exit_code())
            }
        }
    }

    fn judging(&self, trust: InstalledTrust, err: &mut dyn Write) -> Result<Judging, JudgingError> {
        // Nothing of it is recorded: neither its file nor its root is of use to anybody.
        let held =
            HeldTrust::Bundle { trust: Box::new(trust), file: Vec::new(), roots: Vec::new(), threshold: 1 };
        match self.config.as_deref() {
            None => Judging::over(held, Config::default(), false, &self.sources, err),
            Some(path) => Judging::over(held, read_config(path)?, true, &self.sources, err),
        }
    }

    fn judge(
        &self,
        judging: &Judging,
        signer: Option<&RootKey>,
        out: &mut dyn Write,
        err: &mut dyn Write,
    ) -> io::Result<u8> {
        let mut worst = FINE;
        for image in &self.images {
            let asked = match judging.ask(image, self.digest.as_deref()) {
                Ok(asked) => asked,
                Err(error) => {
                    writeln!(err, "pullward policy test: {error}")?;
                    return Ok(error.exit_code());
                }
            };
            let believed = judging.trust().believed();
            let mut verdict = match &asked.subject {
                Ok(subject) => {
                    let given = signer.map(|key| signature(key, &subject.digest)).into_iter().collect();
                    asked.engine.rehearse(believed, subject, given, asked.deadline)
                }
                Err(failure) => {
                    failure.verdict(Some(believed), &asked.question, asked.time, std::time::Instant::now())
                }
            };
            verdict.notes.push(format!(
                "judged by {} as it is: no node believes it before it is built and signed",
                self.file.display()
            ));
            if signer.is_some() {
                verdict.notes.push("the image's own signature was not looked at: it is assumed".to_owned());
            }
            verify::print(&verdict, self.output, out)?;
            let refused = u8::from(self.enforce && verdict.would_deny);
            worst = worst.max(verdict.exit_code()).max(refused);
        }
        Ok(worst)
    }
}

fn read_config(path: &Path) -> Result<Config, JudgingError> {
    Config::load(path).map_err(|error| JudgingError::Unusable {
        reason: pullward_core::verdict::Reason::TrustMissing,
        detail: error.to_string(),
    })
}

/// A policy as a node would have it, and who signs images for it where that is assumed.
struct Stage {
    trust: InstalledTrust,
    signer: Option<RootKey>,
}

impl Stage {
    fn set(policy: Policy, before_signing: bool) -> Result<Self, String> {
        let issued = Time::now();
        let expires = Lifetime::from_seconds(LIFETIME_SECONDS).and_then(|lifetime| issued.after(lifetime));
        let expires = expires.ok_or_else(|| "the clock is past the year 9999".to_owned())?;
        let mut payload = policy.into_payload(1, issued, expires);
        let signer = if before_signing { Some(assume_signed(&mut payload)?) } else { None };
        let root = RootKey::generate(RootKeyType::P256).map_err(|error| error.to_string())?;
        let public = PublicKey::from_spki(root.spki()).map_err(|error| format!("{error:?}"))?;
        let mut envelope = Envelope::unsigned(payload.to_bytes().map_err(|error| error.to_string())?);
        envelope.sign(&root).map_err(|error| error.to_string())?;
        let file = envelope.to_bytes().map_err(|error| error.to_string())?;
        let trust = InstalledTrust::open_for_any(&file, &[public], 1)
            .map_err(|error| format!("a node would refuse it: {}: {error}", error.code()))?;
        Ok(Self { trust, signer })
    }
}

/// Makes every rule that asks for a signature ask for one by a key that was made for this, and gives that key. What rules
/// ask of attestations stays as it is.
fn assume_signed(payload: &mut Payload) -> Result<RootKey, String> {
    let key = RootKey::generate(RootKeyType::P256).map_err(|error| error.to_string())?;
    if payload.authorities.iter().any(|authority| authority.name == ASSUMED) {
        return Err(format!("an authority is named {ASSUMED:?}; rename it"));
    }
    payload.authorities.push(Authority {
        name: ASSUMED.to_owned(),
        kind: AuthorityKind::Key,
        keys: Some(vec![Key {
            r#type: key.key_type().name().to_owned(),
            spki: Base64::encode_string(key.spki()),
            valid_from: None,
            valid_until: None,
            retired: false,
        }]),
        trusted_root: None,
        identities: None,
    });
    for rule in payload.rules.iter_mut().filter(|rule| matches!(rule.mode, Mode::Enforce | Mode::Audit)) {
        rule.signed_by = vec![ASSUMED.to_owned()];
        rule.at_least = 1;
    }
    Ok(key)
}

/// What cosign would attach: a signed statement that this is the image.
fn signature(key: &RootKey, digest: &Digest) -> Found {
    let content = format!(
        "{{\"critical\":{{\"identity\":{{\"docker-reference\":\"\"}},\"image\":{{\"docker-manifest-digest\":\"{digest}\"}},\
         \"type\":\"cosign container image signature\"}},\"optional\":null}}"
    )
    .into_bytes();
    Found {
        format: Format::LegacySignature,
        source: Source::File,
        digest: Digest::of(&content),
        manifest: Digest::of(&content),
        artifact_type: String::new(),
        annotations: std::collections::BTreeMap::new(),
        signature: Some(Base64::encode_string(&key.sign(&content))),
        content,
        chain: None,
    }
}
