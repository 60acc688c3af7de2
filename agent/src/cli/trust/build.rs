//! `pullward trust build`

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::super::{FINE, NOT_FINE, line, policy as policy_command};
use super::{KeyArgs, Stop, nodes_take, read_bundle};
use crate::policy::Policy;
use crate::trust::envelope::Envelope;
use crate::trust::file::{Existing, write_whole};
use crate::trust::payload::Payload;
use crate::trust::time::{Lifetime, Time};

/// Build a trust bundle from a policy file.
///
/// The payload is the same byte for byte on every machine for the same policy, key files, --version, --issued and
/// --expires. With --check FILE nothing is written: the bundle is rebuilt and compared, which is what a second signer
/// does before signing.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    pullward trust build policy.toml --version 7 --expires 90d --key root.key -o trust.json\n  \
    pullward trust build policy.toml --check trust.json && pullward trust sign trust.json --key mine.key")]
pub(super) struct Build {
    /// The policy file; key files are looked for beside it.
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
    /// Version of the bundle: larger than every one before it for this audience.
    #[arg(long, value_name = "N", required_unless_present = "check", value_parser = version)]
    version: Option<u64>,
    /// When it is issued, RFC 3339 in UTC; now, where absent.
    #[arg(long, value_name = "TIME", value_parser = Time::parse)]
    issued: Option<Time>,
    /// When it expires: a time, or a lifetime from --issued on as in 90d.
    #[arg(long, value_name = "TIME|90d", required_unless_present = "check", value_parser = Expiry::parse)]
    expires: Option<Expiry>,
    #[command(flatten)]
    keys: KeyArgs,
    /// File to write.
    #[arg(short, long, value_name = "FILE", required_unless_present = "check")]
    output: Option<PathBuf>,
    /// Compare with this bundle instead of writing one; version and times are taken from it unless given.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output", "keys"])]
    check: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expiry {
    At(Time),
    After(Lifetime),
}

impl Expiry {
    fn parse(text: &str) -> Result<Self, String> {
        if text.contains('T') {
            return Time::parse(text).map(Self::At).map_err(|error| error.to_string());
        }
        Lifetime::parse(text).map(Self::After).map_err(|error| error.to_string())
    }

    /// The time, for a bundle that is issued then.
    fn time(self, issued: Time) -> Result<Time, Stop> {
        let expires = match self {
            Self::At(time) => Some(time),
            Self::After(lifetime) => issued.after(lifetime),
        };
        match expires {
            Some(expires) if expires > issued => Ok(expires),
            Some(expires) => Err(Stop::usage(format!("--expires {expires} is not after --issued {issued}"))),
            None => Err(Stop::usage("--expires is past the year 9999")),
        }
    }
}

fn version(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) | Ok(u64::MAX) | Err(_) => Err(format!("a version is a number from 1 to {}", u64::MAX - 1)),
        Ok(version) => Ok(version),
    }
}

impl Build {
    pub(super) fn run(&self, out: &mut dyn Write, err: &mut dyn Write) -> Result<u8, Stop> {
        match (&self.check, &self.output, self.version, self.expires) {
            (Some(file), _, _, _) => self.check(file, out, err),
            (None, Some(output), Some(version), Some(expires)) => {
                let issued = self.issued.unwrap_or_else(Time::now);
                self.write(output, version, issued, expires.time(issued)?, out, err)
            }
            _ => Err(Stop::usage("--version, --expires and -o are needed")),
        }
    }

    fn write(
        &self,
        output: &Path,
        version: u64,
        issued: Time,
        expires: Time,
        out: &mut dyn Write,
        err: &mut dyn Write,
    ) -> Result<u8, Stop> {
        let Some(payload) = self.payload(version, issued, expires, err)? else { return Ok(self.refused()) };
        let mut envelope = Envelope::unsigned(bytes(&payload)?);
        self.keys.sign(&mut envelope, &payload, err)?;
        let file = envelope.to_bytes().map_err(|error| Stop::cannot(error.to_string()))?;
        write_whole(output, &file, 0o644, Existing::Replace)
            .map_err(|error| Stop::cannot(format!("{}: {error}", output.display())))?;
        line(out, &format!("file          {}", output.display()))?;
        summary(&envelope, &payload, out)?;
        if envelope.signatures().is_empty() {
            line(
                err,
                &format!(
                    "{0}: not signed yet; run `pullward trust sign {0} --key ROOT.key`",
                    output.display()
                ),
            )?;
        }
        Ok(FINE)
    }

    /// Rebuilds a bundle and compares.
    fn check(&self, file: &Path, out: &mut dyn Write, err: &mut dyn Write) -> Result<u8, Stop> {
        let (envelope, found) = read_bundle(file)?;
        let issued = self.issued.unwrap_or(found.issued);
        let expires = match self.expires {
            Some(expires) => expires.time(issued)?,
            None => found.expires,
        };
        let version = self.version.unwrap_or(found.version);
        let Some(rebuilt) = self.payload(version, issued, expires, err)? else { return Ok(self.refused()) };
        let same = bytes(&rebuilt)? == envelope.payload();
        line(out, &format!("file          {}", file.display()))?;
        summary(&envelope, &found, out)?;
        if same {
            line(out, "result        the same payload, byte for byte")?;
            return Ok(FINE);
        }
        line(out, "result        another payload")?;
        let (found, rebuilt) = (json(&found)?, json(&rebuilt)?);
        let mut differences = Vec::new();
        compare("", &found, &rebuilt, &mut differences);
        for difference in differences {
            line(out, &difference)?;
        }
        Ok(NOT_FINE)
    }

    /// The payload; none where the policy has problems, which are then on `err`.
    fn payload(
        &self,
        version: u64,
        issued: Time,
        expires: Time,
        err: &mut dyn Write,
    ) -> Result<Option<Payload>, Stop> {
        let policy = match Policy::read(&self.policy) {
            Ok(policy) => policy,
            Err(problems) => {
                policy_command::report(&problems, err)?;
                return Ok(None);
            }
        };
        for warning in policy.warnings() {
            line(err, &warning.to_string())?;
        }
        Ok(Some(policy.into_payload(version, issued, expires)))
    }

    /// The exit code where [`Self::payload`] has none.
    fn refused(&self) -> u8 {
        Policy::read(&self.policy).err().map_or(NOT_FINE, |problems| policy_command::code_of(&problems))
    }
}

/// The payload's bytes, which the core must take: what nodes would refuse is never written.
fn bytes(payload: &Payload) -> Result<Vec<u8>, Stop> {
    let bytes = payload.to_bytes().map_err(|error| Stop::not_fine(error.to_string()))?;
    nodes_take(&bytes)
        .map_err(|error| Stop::cannot(format!("nodes would refuse what was built: {error}; report it")))?;
    Ok(bytes)
}

pub(super) fn summary(envelope: &Envelope, payload: &Payload, out: &mut dyn Write) -> std::io::Result<()> {
    line(out, &format!("payload       {}", envelope.payload_digest()))?;
    write!(out, "{}", payload.summary())?;
    line(out, &format!("signatures    {}", envelope.signatures().len()))
}

fn json(payload: &Payload) -> Result<Value, Stop> {
    serde_json::to_value(payload).map_err(|error| Stop::cannot(error.to_string()))
}

/// Most differences that are printed; the rest is likely to follow from them.
const DIFFERENCES: usize = 20;

/// Where two payloads differ, as paths into the JSON.
fn compare(path: &str, found: &Value, rebuilt: &Value, differences: &mut Vec<String>) {
    if found == rebuilt || differences.len() >= DIFFERENCES {
        return;
    }
    match (found, rebuilt) {
        (Value::Object(found), Value::Object(rebuilt)) => {
            for (key, value) in found {
                compare(
                    &format!("{path}/{key}"),
                    value,
                    rebuilt.get(key).unwrap_or(&Value::Null),
                    differences,
                );
            }
        }
        (Value::Array(found), Value::Array(rebuilt)) if found.len() == rebuilt.len() => {
            for (place, (found, rebuilt)) in found.iter().zip(rebuilt).enumerate() {
                compare(&format!("{path}/{place}"), found, rebuilt, differences);
            }
        }
        _ => {
            let (there, here) = (short(found), short(rebuilt));
            differences.push(format!("differs       {path}: {there} there, {here} here"));
        }
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 80 { text.chars().take(77).chain("...".chars()).collect() } else { text }
}
