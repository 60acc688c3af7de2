//! `pullward trust inspect`

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use pullward_core::limits;
use serde_json::{Value, json};

use super::super::{FINE, NOT_FINE, line};
use super::{Stop, parse_bundle, signer};
use crate::policy::read_capped;
use crate::trust::envelope::Envelope;
use crate::trust::installed::InstalledTrust;
use crate::trust::payload::{Mode, Payload};
use crate::trust::refused::BundleFault;
use crate::trust::roots::Roots;
use crate::trust::time::Time;

/// Show what a trust bundle says, and who signed it.
///
/// With --root the signatures are checked as a node would, and the exit code is 1 where a node would refuse the
/// bundle. Without, nothing is checked but its form, and the output says so.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  pullward trust inspect trust.json\n  \
    pullward trust inspect trust.json --root alice.pub --root bob.pub --threshold 2 -o json")]
pub(super) struct Inspect {
    /// The bundle.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A public root key; may be given several times.
    #[arg(long = "root", value_name = "PUB")]
    roots: Vec<PathBuf>,
    /// How many of them must have signed; needed with more than one.
    #[arg(long, value_name = "K", requires = "roots")]
    threshold: Option<usize>,
    /// Form of the output.
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    output: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    Text,
    /// For programs: schema `pullward/trust-inspect/v1`.
    Json,
}

/// What was found out about a bundle.
struct Findings {
    envelope: Envelope,
    payload: Payload,
    /// For each signature the root key that it verifies with.
    signers: Vec<Option<PathBuf>>,
    /// What a node with these roots would say; none where no roots were given.
    verdict: Option<Result<(), BundleFault>>,
}

impl Inspect {
    pub(super) fn run(&self, out: &mut dyn Write, _err: &mut dyn Write) -> Result<u8, Stop> {
        let roots = if self.roots.is_empty() {
            None
        } else {
            let roots = Roots::read(&self.roots, self.threshold);
            Some(roots.map_err(|error| Stop::usage(error.to_string()))?)
        };
        let findings = self.findings(roots.as_ref())?;
        match self.output {
            Form::Text => findings.print(out)?,
            Form::Json => findings.print_json(out)?,
        }
        Ok(if matches!(findings.verdict, Some(Err(_))) { NOT_FINE } else { FINE })
    }

    fn findings(&self, roots: Option<&Roots>) -> Result<Findings, Stop> {
        let bytes = read_capped(&self.file, limits::TRUST_FILE_BYTES)
            .map_err(|reason| Stop::cannot(format!("{}: {reason}", self.file.display())))?;
        let (envelope, payload) = parse_bundle(&self.file, &bytes)?;
        let places = 0..envelope.signatures().len();
        let signers = places.map(|place| {
            roots.and_then(|roots| signer(&envelope, place, roots.named())).map(std::path::Path::to_owned)
        });
        let signers = signers.collect();
        let verdict = roots.map(|roots| {
            InstalledTrust::open(&bytes, roots, &payload.audience)?;
            let (expires, now) = (payload.expires, Time::now());
            if expires <= now { Err(BundleFault::Expired { expires, now }) } else { Ok(()) }
        });
        Ok(Findings { envelope, payload, signers, verdict })
    }
}

impl Findings {
    fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        line(out, &format!("payload       {}", self.envelope.payload_digest()))?;
        write!(out, "{}", self.payload.summary())?;
        for authority in &self.payload.authorities {
            for key in authority.keys.iter().flatten() {
                let id = key.id().map(|id| id.hex().as_str().to_owned()).unwrap_or_default();
                let retired = if key.retired { ", retired" } else { "" };
                line(out, &format!("authority     {}: {} {id}{retired}", authority.name, key.r#type))?;
            }
        }
        for rule in &self.payload.rules {
            let asks = match rule.mode {
                Mode::Enforce | Mode::Audit => {
                    format!(", {} of {}", rule.at_least, rule.signed_by.join(", "))
                }
                Mode::Allow | Mode::Deny => String::new(),
            };
            let mode = match rule.mode {
                Mode::Enforce => "enforce",
                Mode::Audit => "audit",
                Mode::Allow => "allow",
                Mode::Deny => "deny",
            };
            line(out, &format!("rule          {}: {mode} {}{asks}", rule.name, rule.r#match.join(" ")))?;
        }
        for (signature, signer) in self.envelope.signatures().iter().zip(&self.signers) {
            let who = match (signer, &self.verdict) {
                (Some(file), _) => format!("verifies with {}", file.display()),
                (None, Some(_)) => "verifies with none of the given root keys".to_owned(),
                (None, None) => "not checked".to_owned(),
            };
            line(out, &format!("signature     {}: {who}", signature.keyid))?;
        }
        let result = match &self.verdict {
            None if self.envelope.signatures().is_empty() => "not signed".to_owned(),
            None => "signatures not checked: no --root was given".to_owned(),
            Some(Ok(())) => "a node with these root keys takes it".to_owned(),
            Some(Err(fault)) => format!("a node with these root keys refuses it: {fault} [{}]", fault.code()),
        };
        line(out, &format!("result        {result}"))
    }

    fn print_json(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let signatures = self.envelope.signatures().iter().zip(&self.signers);
        let signatures: Vec<Value> = signatures
            .map(|(signature, signer)| {
                json!({ "keyid": signature.keyid, "root": signer.as_ref().map(|file| file.display().to_string()) })
            })
            .collect();
        let fault = self.verdict.as_ref().and_then(|verdict| verdict.as_ref().err());
        let document = json!({
            "schema": "pullward/trust-inspect/v1",
            "digest": self.envelope.payload_digest().to_string(),
            "signatures": signatures,
            "acceptable": self.verdict.as_ref().map(Result::is_ok),
            "code": fault.map(BundleFault::code),
            "message": fault.map(ToString::to_string),
            "payload": self.payload,
        });
        serde_json::to_writer_pretty(&mut *out, &document)?;
        writeln!(out)
    }
}
