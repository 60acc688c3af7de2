//! `pullward audit`: every image and every running container that containerd holds, with its verdict.
//!
//! The agent judges, as it does for hooks, with its receipts. Where no agent answers, the command judges by the same
//! configuration and says so: then a bundle that has expired, or an age that counts from the first admission, may weigh
//! heavier than it would with receipts. Nothing is changed, removed or stopped.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use pullward_core::oci::Digest;
use pullward_core::time::UnixTime;
use pullward_core::verdict::Reason;
use pullward_proto::PROTOCOL;
use pullward_proto::v1::JudgeRequest;
use pullward_proto::v1::admin_client::AdminClient;
use serde::Serialize;
use tonic::transport::Channel;

use super::admin::{self, AdminError};
use super::judging::{Judging, JudgingError, SourceFlags, TrustFlags};
use super::{CANNOT, FINE, NOT_FINE, line};
use crate::config::{self, Config};
use crate::containerd::client::Client;
use crate::decide::wall_clock;
use crate::inventory::act::Acts;
use crate::inventory::judge::Verdicts;
use crate::inventory::standing::{Finding, Standing};
use crate::inventory::stock::{Counts, ImageRow, Key, RunningRow};
use crate::inventory::survey::Survey;
use crate::inventory::{is_hooked, way};
use crate::verdict::{Verdict, printable};

/// Schema of the document.
const SCHEMA: &str = "pullward/audit/v1";

/// Longest that one verdict of the agent is waited for. The agent itself stops before.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lists every image that containerd holds, and every container that runs, with its verdict
#[derive(Debug, Clone, Args)]
pub struct Audit {
    /// pullward's configuration; without it the usual one
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    pub config: PathBuf,
    /// For people, or for programs
    #[arg(short = 'o', long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Tables for people.
    Text,
    /// One JSON object.
    Json,
}

/// Who judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum JudgedBy {
    /// The agent on this node.
    Agent,
    /// This command, by the node's configuration, without receipts.
    Command,
}

/// Everything that is shown.
struct Report {
    by: JudgedBy,
    images: Vec<(Key, ImageRow)>,
    running: Vec<(Key, RunningRow)>,
    counts: Counts,
    notes: Vec<String>,
}

/// Runs the command. Returns the exit code: 0 all may be there, 1 something may not, 2 something could not be found out.
///
/// # Errors
/// Only where `out` or `err` cannot be written.
pub fn run(arguments: &Audit, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let report = Config::load(&arguments.config)
        .map_err(|error| error.to_string())
        .and_then(|config| survey(arguments, &config, err));
    let report = match report {
        Ok(report) => report,
        Err(problem) => {
            line(err, &format!("pullward audit: {problem}"))?;
            return Ok(CANNOT);
        }
    };
    match arguments.output {
        Output::Text => text(&report, out)?,
        Output::Json => json(&report, out)?,
    }
    Ok(report.exit_code())
}

impl Report {
    fn exit_code(&self) -> u8 {
        let images = self.images.iter().map(|(_, row)| row.finding.standing);
        let strictest = images.chain(self.running.iter().map(|(_, row)| row.finding.standing)).max();
        match strictest {
            Some(Standing::Denied | Standing::Unverifiable) => NOT_FINE,
            Some(Standing::Undecided) => CANNOT,
            _ => FINE,
        }
    }
}

fn survey(arguments: &Audit, config: &Config, err: &mut dyn Write) -> Result<Report, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let report = runtime.block_on(async {
        let client = Client::connect(&config.containerd.address).await.map_err(|error| error.to_string())?;
        match admin::connect(config).await {
            Ok(agent) => look(&client, AskAgent { agent }, JudgedBy::Agent).await,
            Err(AdminError::Absent(why)) => {
                let said =
                    format!("note: the agent does not answer ({why}): judged here, without its receipts");
                line(err, &said).map_err(|error| error.to_string())?;
                look(&client, JudgeHere::new(arguments, err)?, JudgedBy::Command).await
            }
            Err(error) => Err(error.to_string()),
        }
    });
    runtime.shutdown_background();
    report
}

async fn look<V: Verdicts>(client: &Client, verdicts: V, by: JudgedBy) -> Result<Report, String> {
    let survey = Arc::new(Survey::new(verdicts, Acts::default()));
    survey.look_over(client, None).await.map_err(|error| error.to_string())?;
    let (images, running) = (survey.stock.images(), survey.stock.all_running());
    let mut ways: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    images.iter().for_each(|(key, _)| ways.entry(&key.0).or_default().0 += 1);
    running.iter().for_each(|(key, _)| ways.entry(&key.0).or_default().1 += 1);
    let open = ways.iter().filter(|(namespace, _)| !is_hooked(namespace));
    let notes = open
        .map(|(namespace, (images, running))| {
            format!(
                "namespace {}: {images} image(s) and {running} running container(s) came by {}, which asks nobody: \
                 detected, not prevented",
                printable(namespace, 100),
                way(namespace)
            )
        })
        .collect();
    let counts = survey.stock.counts();
    Ok(Report { by, images, running, counts, notes })
}

/// The agent, over its admin socket.
struct AskAgent {
    agent: AdminClient<Channel>,
}

impl Verdicts for AskAgent {
    async fn judge(&self, _: &str, name: &str, digest: &Digest) -> Finding {
        let request = JudgeRequest {
            protocol: PROTOCOL,
            reference: name.to_owned(),
            digest: digest.to_string(),
            held: true,
            ..JudgeRequest::default()
        };
        let mut agent = self.agent.clone();
        let undecided = |why: &str| Finding::undecided(Reason::AgentUnreachable, why);
        match tokio::time::timeout(PATIENCE, agent.judge(request)).await {
            Ok(Ok(answer)) => {
                let answer = answer.into_inner();
                if answer.protocol != PROTOCOL {
                    return undecided("the agent is of another version");
                }
                match serde_json::from_slice::<Verdict>(&answer.verdict_json) {
                    Ok(verdict) => Finding::of(&verdict),
                    Err(error) => undecided(&format!("the agent's verdict cannot be read: {error}")),
                }
            }
            Ok(Err(status)) => undecided(status.message()),
            Err(_) => undecided("no verdict in time"),
        }
    }

    fn trust(&self) -> Option<Digest> {
        None
    }
}

/// The command itself.
struct JudgeHere {
    judging: Arc<Judging>,
}

impl JudgeHere {
    fn new(arguments: &Audit, err: &mut dyn Write) -> Result<Self, String> {
        let trust = TrustFlags { config: Some(arguments.config.clone()), ..TrustFlags::default() };
        let judging = Judging::new(&trust, &SourceFlags::default(), err);
        let judging = judging.map_err(|error: JudgingError| error.to_string())?;
        Ok(Self { judging: Arc::new(judging) })
    }
}

impl Verdicts for JudgeHere {
    async fn judge(&self, _: &str, name: &str, digest: &Digest) -> Finding {
        let (judging, name, digest) = (Arc::clone(&self.judging), name.to_owned(), digest.to_string());
        let judged = tokio::task::spawn_blocking(move || judging.judge_known(&name, &digest)).await;
        match judged {
            Ok(verdict) => Finding::of(&verdict),
            Err(error) => Finding::undecided(Reason::InternalError, &error.to_string()),
        }
    }

    fn trust(&self) -> Option<Digest> {
        None
    }
}

fn text(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let running = |key: &Key| {
        let here = report.running.iter().filter(|(of, row)| of.0 == key.0 && row.image == key.1);
        here.count().to_string()
    };
    let mut rows = vec![["NAMESPACE", "IMAGE", "DIGEST", "VERDICT", "REASON", "RUNNING"].map(str::to_owned)];
    rows.extend(report.images.iter().map(|(key, row)| {
        let digest = row.digest.map(|digest| short(&digest)).unwrap_or_default();
        let Finding { standing, reason, .. } = &row.finding;
        [shown(&key.0), shown(&key.1), digest, standing.as_str().to_owned(), reason.clone(), running(key)]
    }));
    table(&rows, out)?;
    if !report.running.is_empty() {
        writeln!(out)?;
        let mut rows =
            vec![["NAMESPACE", "CONTAINER", "PID", "IMAGE", "VERDICT", "REASON"].map(str::to_owned)];
        rows.extend(report.running.iter().map(|(key, row)| {
            let image = if row.image.is_empty() { "-".to_owned() } else { shown(&row.image) };
            let Finding { standing, reason, .. } = &row.finding;
            let standing = standing.as_str().to_owned();
            [shown(&key.0), shown(&key.1), row.pid.to_string(), image, standing, reason.clone()]
        }));
        table(&rows, out)?;
    }
    let mut said: Vec<(&str, &str)> = Vec::new();
    let findings = report.images.iter().map(|(key, row)| (&key.1, &row.finding));
    let findings = findings.chain(report.running.iter().map(|(key, row)| (&key.1, &row.finding)));
    for (name, finding) in findings.filter(|(_, finding)| !finding.standing.is_fine()) {
        let entry = (finding.reason.as_str(), finding.message.as_str());
        if !said.contains(&entry) {
            if said.is_empty() {
                writeln!(out)?;
            }
            said.push(entry);
            line(out, &format!("{}: {}: {}", finding.reason, shown(name), finding.message))?;
        }
    }
    if !report.notes.is_empty() {
        writeln!(out)?;
    }
    for note in &report.notes {
        line(out, &format!("note: {note}"))?;
    }
    let Counts { images, allowed, audited, denied, undecided, unverifiable, evidence, .. } = report.counts;
    writeln!(out)?;
    writeln!(
        out,
        "{images} images: {allowed} allowed, {audited} by audit only, {denied} denied, {unverifiable} unverifiable, \
         {undecided} undecided, {evidence} of evidence"
    )?;
    writeln!(
        out,
        "{} containers run, {} of them of unverified images",
        report.counts.running, report.counts.running_unverified
    )
}

/// Columns as wide as they must be, the last one as it is.
fn table<const N: usize>(rows: &[[String; N]], out: &mut dyn Write) -> io::Result<()> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

fn shown(text: &str) -> String {
    printable(text, 200)
}

/// Enough of a digest to tell it from others.
fn short(digest: &Digest) -> String {
    digest.to_string().chars().take(19).collect()
}

fn json(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Document<'r> {
        schema: &'static str,
        fine: bool,
        time: String,
        judged_by: JudgedBy,
        images: Vec<Image<'r>>,
        running: Vec<Running<'r>>,
        counts: Counted,
        notes: &'r [String],
    }
    #[derive(Serialize)]
    struct Image<'r> {
        namespace: &'r str,
        way: &'static str,
        name: &'r str,
        digest: Option<String>,
        #[serde(flatten)]
        judged: Judged<'r>,
        running: usize,
    }
    #[derive(Serialize)]
    struct Running<'r> {
        namespace: &'r str,
        way: &'static str,
        container: &'r str,
        pid: u32,
        image: &'r str,
        digest: Option<String>,
        #[serde(flatten)]
        judged: Judged<'r>,
    }
    #[derive(Serialize)]
    struct Judged<'r> {
        verdict: &'static str,
        reason: &'r str,
        message: &'r str,
        rule: Option<&'r str>,
    }
    #[derive(Serialize)]
    struct Counted {
        images: u64,
        allowed: u64,
        audited: u64,
        denied: u64,
        undecided: u64,
        unverifiable: u64,
        evidence: u64,
        running: u64,
        running_unverified: u64,
    }
    fn judged(finding: &Finding) -> Judged<'_> {
        Judged {
            verdict: finding.standing.as_str(),
            reason: &finding.reason,
            message: &finding.message,
            rule: finding.rule.as_deref(),
        }
    }
    let digest = |digest: Option<Digest>| digest.map(|digest| digest.to_string());
    let counts = report.counts;
    let document = Document {
        schema: SCHEMA,
        fine: report.exit_code() == FINE,
        time: UnixTime(wall_clock().0).to_string(),
        judged_by: report.by,
        images: report
            .images
            .iter()
            .map(|(key, row)| Image {
                namespace: &key.0,
                way: way(&key.0),
                name: &key.1,
                digest: digest(row.digest),
                judged: judged(&row.finding),
                running: report
                    .running
                    .iter()
                    .filter(|(of, running)| of.0 == key.0 && running.image == key.1)
                    .count(),
            })
            .collect(),
        running: report
            .running
            .iter()
            .map(|(key, row)| Running {
                namespace: &key.0,
                way: way(&key.0),
                container: &key.1,
                pid: row.pid,
                image: &row.image,
                digest: digest(row.digest),
                judged: judged(&row.finding),
            })
            .collect(),
        counts: Counted {
            images: counts.images,
            allowed: counts.allowed,
            audited: counts.audited,
            denied: counts.denied,
            undecided: counts.undecided,
            unverifiable: counts.unverifiable,
            evidence: counts.evidence,
            running: counts.running,
            running_unverified: counts.running_unverified,
        },
        notes: &report.notes,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::{ImageRow, JudgedBy, Report};
    use crate::inventory::standing::{Finding, Standing};
    use crate::inventory::stock::Counts;

    fn report(standings: &[Standing]) -> Report {
        let row = |standing| ImageRow { digest: None, finding: Finding { standing, ..Finding::evidence() } };
        let images =
            standings.iter().map(|standing| (("k8s.io".to_owned(), "n\u{1b}[1m".to_owned()), row(*standing)));
        Report {
            by: JudgedBy::Agent,
            images: images.collect(),
            running: Vec::new(),
            counts: Counts::default(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn the_exit_code_is_that_of_the_strictest() {
        use Standing::{Allowed, Audited, Denied, Evidence, Undecided, Unverifiable};
        for (standings, code) in [
            (&[][..], 0),
            (&[Allowed, Audited, Evidence], 0),
            (&[Allowed, Undecided], 2),
            (&[Undecided, Unverifiable], 1),
            (&[Denied, Undecided, Allowed], 1),
        ] {
            assert_eq!(report(standings).exit_code(), code, "{standings:?}");
        }
    }

    #[test]
    fn names_cannot_steer_the_terminal() {
        let mut out = Vec::new();
        super::text(&report(&[Standing::Denied]), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains('\u{1b}') && text.contains("\\u{1b}[1m"), "{text}");
    }
}
