//! `pullward verify`: may this image be pulled and run?

use std::io::{self, BufRead as _, Write};
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use pullward_core::verdict::Reason;

use super::judging::{Asked, Judging, Output, SourceFlags, TrustFlags, USAGE};
use super::{repair, report};
use crate::decide::{EventLog, Unrecorded, Unresolved};
use crate::record::{Record, Recorder};
use crate::verdict::Verdict;

/// Judges images: are they signed as the trust bundle, or one key, asks?
///
/// Exit code 0: allowed. 1: judged and refused. 2: could not be judged, which is a refusal too. 64: usage.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  pullward verify --key cosign.pub registry.example/team/app:v1
  pullward verify --trust trust.json --root root.pub registry.example/team/app@sha256:…
  pullward verify --key cosign.pub --offline --store /var/lib/pullward/evidence registry.example/team/app:v1
  pullward verify --key cosign.pub oci:./layout:v1
  pullward verify --config /etc/pullward/config.toml -o json registry.example/team/app:v1 | jq .reason
  pullward verify --config /etc/pullward/config.toml --explain-missing registry.example/team/app:v1
  pullward verify --config /etc/pullward/config.toml - < images.txt")]
pub struct Verify {
    /// Images: registry references, or oci:DIR, oci:DIR:TAG, oci:DIR@DIGEST; - reads them from standard input, one per line
    #[arg(value_name = "REF", required = true)]
    pub images: Vec<String>,
    #[command(flatten)]
    trust: TrustFlags,
    #[command(flatten)]
    sources: SourceFlags,
    /// The digest that REF must resolve to
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
    /// Write the verdict with all its inputs to this file, for `pullward replay`
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Exit 1 also where audit mode let through what enforce would deny, for CI gates
    #[arg(long)]
    enforce: bool,
    /// Print the commands of cosign, oras and others that would repair a denial; with -o json on standard error
    #[arg(long)]
    explain_missing: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

/// Runs the command and returns its exit code.
///
/// # Errors
/// Only where `out` or `err` cannot be written.
pub fn run(arguments: &Verify, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let images = match read_images(&arguments.images)? {
        Ok(images) => images,
        Err(message) => {
            writeln!(err, "pullward verify: {message}")?;
            return Ok(USAGE);
        }
    };
    if images.len() > 1 && (arguments.digest.is_some() || arguments.record.is_some()) {
        writeln!(
            err,
            "pullward verify: --digest and --record go with one image, and there are {}",
            images.len()
        )?;
        return Ok(USAGE);
    }
    let judging = match Judging::new(&arguments.trust, &arguments.sources, err) {
        Ok(judging) => judging,
        Err(error) => {
            writeln!(err, "pullward verify: {error}")?;
            let digest = arguments.digest.as_deref();
            // Programs get a verdict all the same: nothing could be judged, which is a refusal.
            for verdict in images.iter().filter_map(|image| error.verdict(image, digest, &arguments.sources))
            {
                print(&verdict, arguments.output, out)?;
            }
            return Ok(error.exit_code());
        }
    };
    let mut worst = 0;
    for image in &images {
        let asked = match judging.ask(image, arguments.digest.as_deref()) {
            Ok(asked) => asked,
            Err(error) => {
                writeln!(err, "pullward verify: {error}")?;
                return Ok(error.exit_code());
            }
        };
        let verdict = judge(&judging, &asked, arguments.record.as_deref(), err)?;
        print(&verdict, arguments.output, out)?;
        if arguments.explain_missing {
            let to: &mut dyn Write = if arguments.output == Output::Json { err } else { out };
            repair::print(&verdict, judging.trust().believed(), to)?;
        }
        let refused = u8::from(arguments.enforce && verdict.would_deny);
        worst = worst.max(verdict.exit_code()).max(refused);
    }
    Ok(worst)
}

/// Judges one image, and records it where asked. A verdict that cannot be recorded as asked is not given: the image is
/// denied.
fn judge(
    judging: &Judging,
    asked: &Asked,
    record: Option<&std::path::Path>,
    err: &mut dyn Write,
) -> io::Result<Verdict> {
    let trust = judging.trust();
    let subject = match &asked.subject {
        Ok(subject) => subject,
        Err(failure) => {
            let verdict =
                failure.verdict(Some(trust.believed()), &asked.question, asked.time, Instant::now());
            if record.is_some() {
                writeln!(
                    err,
                    "note: no record was written, because no digest was found that could be judged"
                )?;
            }
            return Ok(verdict);
        }
    };
    let Some(path) = record else {
        let log: &mut dyn EventLog = &mut Unrecorded;
        let verdict = asked.engine.judge_subject(trust.believed(), subject, asked.deadline, log);
        return Ok(verdict);
    };
    let mut recorder = Recorder::default();
    let verdict = asked.engine.judge_subject(trust.believed(), subject, asked.deadline, &mut recorder);
    let written = Record::new(subject, trust.recorded(), recorder, verdict.clone()).write(path);
    if let Err(error) = written {
        writeln!(err, "pullward verify: {error}")?;
        // Whoever reads the verdict alone must not take for allowed what exit code 2 refuses.
        let failure = Unresolved {
            reason: Reason::InternalError,
            reference: verdict.reference,
            digest: verdict.digest,
            detail: format!("the record that was asked for cannot be written: {error}"),
        };
        let trust = Some(trust.believed());
        return Ok(failure.verdict(trust, &asked.question, asked.time, Instant::now()));
    }
    Ok(verdict)
}

fn read_images(arguments: &[String]) -> io::Result<Result<Vec<String>, &'static str>> {
    if !arguments.iter().any(|argument| argument == "-") {
        return Ok(Ok(arguments.to_vec()));
    }
    if arguments.len() > 1 {
        return Ok(Err("- reads all images from standard input; give it alone"));
    }
    let mut images = Vec::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            images.push(line.to_owned());
        }
    }
    Ok(if images.is_empty() { Err("standard input names no image") } else { Ok(images) })
}

/// Prints a verdict.
///
/// # Errors
/// Those of `out`.
pub fn print(verdict: &Verdict, output: Output, out: &mut dyn Write) -> io::Result<()> {
    match output {
        Output::Json => {
            serde_json::to_writer(&mut *out, verdict)?;
            writeln!(out)
        }
        Output::Text => {
            // In one write: standard output would write line by line.
            let mut text = Vec::new();
            report::print(verdict, &mut text)?;
            out.write_all(&text)
        }
    }
}
