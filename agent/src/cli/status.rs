//! `pullward status`: how the agent on this node is doing, asked over its admin socket.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use pullward_core::time::UnixTime;
use pullward_proto::v1::{StatusResponse, TrustState};
use serde::Serialize;

use super::admin;
use crate::config::Config;
use crate::verdict::printable;

/// `pullward status`
#[derive(Debug, Clone, Args)]
pub struct Status {
    /// pullward's configuration; without it the usual one, or the defaults where that is absent.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// For people, or for programs.
    #[arg(short = 'o', long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Something about the agent that is not fine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Stable code.
    pub code: &'static str,
    /// The same in words.
    pub message: String,
}

/// Runs the command. Returns the exit code: 0 fine, 1 not fine, 2 the agent does not answer.
///
/// # Errors
/// Only where `out` or `err` cannot be written.
pub fn run(arguments: &Status, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let asked = Config::load_or_default(arguments.config.as_deref())
        .map_err(|error| error.to_string())
        .and_then(|config| admin::status(&config).map_err(|error| error.to_string()));
    let status = match asked {
        Ok(status) => status,
        Err(problem) => {
            writeln!(err, "pullward status: {}", printable(&problem, 1000))?;
            return Ok(2);
        }
    };
    let problems = problems(&status);
    match arguments.output {
        Output::Text => text(&status, &problems, out)?,
        Output::Json => json(&status, &problems, out)?,
    }
    Ok(u8::from(!problems.is_empty()))
}

/// What of an agent's account is not fine.
#[must_use]
pub fn problems(status: &StatusResponse) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |code, message| problems.push(Problem { code, message });
    // A clock set back re-opens nothing that the floor has closed (effective time is the later of the two).
    let now = status.now.max(status.clock_floor);
    match &status.trust {
        None => add("trust-missing", "no valid trust bundle: every image is denied".to_owned()),
        Some(trust) if trust.expires <= now => {
            let expired = UnixTime(trust.expires);
            add("trust-expired", format!("the trust bundle expired {expired}: install a newer one"));
        }
        Some(trust) if trust.issued > now => {
            let issued = UnixTime(trust.issued);
            add(
                "clock-behind",
                format!("the trust bundle was issued {issued}, later than now: check the clock"),
            );
        }
        Some(_) => {}
    }
    if let Some(failure) = &status.last_reload_failure {
        let time = UnixTime(failure.time);
        let message = printable(&failure.message, 1000);
        add(
            "reload-failed",
            format!("{time}: trust bundle not taken: {}: {message}", printable(&failure.code, 100)),
        );
    }
    if status.now < status.clock_floor {
        let floor = UnixTime(status.clock_floor);
        add(
            "clock-behind",
            format!("the clock is behind {floor}, which has passed already: check the clock"),
        );
    }
    problems
}

fn text(status: &StatusResponse, problems: &[Problem], out: &mut dyn Write) -> io::Result<()> {
    for problem in problems {
        writeln!(out, "not fine: {}: {}", problem.code, problem.message)?;
    }
    let up = Duration::from_secs(status.now.saturating_sub(status.started));
    writeln!(
        out,
        "agent: pullward {}, pid {}, up {} since {}",
        printable(&status.version, 100),
        status.pid,
        short(up),
        UnixTime(status.started)
    )?;
    match &status.trust {
        None => writeln!(out, "trust: none")?,
        Some(trust) => {
            let left = Duration::from_secs(trust.expires.saturating_sub(status.now));
            writeln!(
                out,
                "trust: version {} for {}, {}, issued {}, expires {} (in {}), loaded {}",
                trust.version,
                printable(&trust.audience, 200),
                printable(&trust.digest, 100),
                UnixTime(trust.issued),
                UnixTime(trust.expires),
                short(left),
                UnixTime(trust.loaded)
            )?;
        }
    }
    let denied: u64 = status.denied.iter().map(|row| row.count).sum();
    writeln!(
        out,
        "verdicts: {} allowed ({} of them by audit only), {denied} denied; {} running, {} waiting, {} joined",
        status.allowed, status.would_deny, status.running, status.waiting, status.joined
    )?;
    for row in &status.denied {
        writeln!(out, "  {:>8}  {}", row.count, printable(&row.reason, 100))?;
    }
    if let Some(rejudged) = status.rejudged.as_ref().filter(|rejudged| rejudged.total > 0) {
        writeln!(
            out,
            "judged again by version {}: {} of {} still allowed, {} refused, {} without evidence in the store{}",
            rejudged.version,
            rejudged.renewed,
            rejudged.total,
            rejudged.refused,
            rejudged.unproven,
            if rejudged.over { "" } else { " (not all yet)" }
        )?;
        for lapsed in &rejudged.listed {
            let text =
                format!("{}@{}: {}: {}", lapsed.reference, lapsed.digest, lapsed.reason, lapsed.message);
            writeln!(out, "  {}", printable(&text, 1000))?;
        }
    }
    Ok(())
}

/// Days, hours, minutes or seconds: the largest that fits.
fn short(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        172_800.. => format!("{} days", seconds / 86_400),
        7_200.. => format!("{} hours", seconds / 3_600),
        120.. => format!("{} minutes", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

fn json(status: &StatusResponse, problems: &[Problem], out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Document {
        schema: &'static str,
        fine: bool,
        problems: Vec<Row>,
        agent: Agent,
        trust: Option<Trust>,
        reload_failures: u64,
        clock_floor: Option<String>,
        verdicts: Verdicts,
        rejudged: Option<Rejudged>,
    }
    #[derive(Serialize)]
    struct Rejudged {
        version: u64,
        digest: String,
        started: String,
        over: bool,
        total: u64,
        renewed: u64,
        refused: u64,
        unproven: u64,
        listed: Vec<Lapsed>,
    }
    #[derive(Serialize)]
    struct Lapsed {
        reference: String,
        digest: String,
        reason: String,
        message: String,
        unproven: bool,
    }
    #[derive(Serialize)]
    struct Row {
        code: &'static str,
        message: String,
    }
    #[derive(Serialize)]
    struct Agent {
        version: String,
        pid: u32,
        started: String,
        now: String,
    }
    #[derive(Serialize)]
    struct Trust {
        version: u64,
        digest: String,
        audience: String,
        issued: String,
        expires: String,
        loaded: String,
    }
    #[derive(Serialize)]
    struct Verdicts {
        allowed: u64,
        would_deny: u64,
        denied: std::collections::BTreeMap<String, u64>,
        running: u32,
        waiting: u32,
        joined: u64,
    }
    let time = |seconds| UnixTime(seconds).to_string();
    let trust = |trust: &TrustState| Trust {
        version: trust.version,
        digest: trust.digest.clone(),
        audience: trust.audience.clone(),
        issued: time(trust.issued),
        expires: time(trust.expires),
        loaded: time(trust.loaded),
    };
    let document = Document {
        schema: "pullward/status/v1",
        fine: problems.is_empty(),
        problems: problems.iter().map(|p| Row { code: p.code, message: p.message.clone() }).collect(),
        agent: Agent {
            version: status.version.clone(),
            pid: status.pid,
            started: time(status.started),
            now: time(status.now),
        },
        trust: status.trust.as_ref().map(trust),
        reload_failures: status.reload_failures,
        clock_floor: (status.clock_floor != 0).then(|| time(status.clock_floor)),
        verdicts: Verdicts {
            allowed: status.allowed,
            would_deny: status.would_deny,
            denied: status.denied.iter().map(|row| (row.reason.clone(), row.count)).collect(),
            running: status.running,
            waiting: status.waiting,
            joined: status.joined,
        },
        rejudged: status.rejudged.as_ref().map(|it| Rejudged {
            version: it.version,
            digest: it.digest.clone(),
            started: time(it.started),
            over: it.over,
            total: it.total,
            renewed: it.renewed,
            refused: it.refused,
            unproven: it.unproven,
            listed: it
                .listed
                .iter()
                .map(|lapsed| Lapsed {
                    reference: lapsed.reference.clone(),
                    digest: lapsed.digest.clone(),
                    reason: lapsed.reason.clone(),
                    message: lapsed.message.clone(),
                    unproven: lapsed.unproven,
                })
                .collect(),
        }),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use pullward_proto::v1::{ReloadFailure, StatusResponse, TrustState};

    use super::problems;

    fn status() -> StatusResponse {
        let trust = TrustState { issued: 100, expires: 200, ..TrustState::default() };
        StatusResponse { now: 150, clock_floor: 140, trust: Some(trust), ..StatusResponse::default() }
    }

    fn codes(status: &StatusResponse) -> Vec<&'static str> {
        problems(status).into_iter().map(|problem| problem.code).collect()
    }

    #[test]
    fn a_valid_bundle_and_a_clock_that_goes_forward_are_fine() {
        assert_eq!(codes(&status()), [""; 0]);
    }

    #[test]
    fn each_problem_has_its_code() {
        assert_eq!(codes(&StatusResponse { trust: None, ..status() }), ["trust-missing"]);
        assert_eq!(codes(&StatusResponse { now: 200, ..status() }), ["trust-expired"]);
        assert_eq!(codes(&StatusResponse { now: 130, ..status() }), ["clock-behind"]);
        assert_eq!(codes(&StatusResponse { now: 50, clock_floor: 0, ..status() }), ["clock-behind"]);
        let failure = Some(ReloadFailure::default());
        assert_eq!(codes(&StatusResponse { last_reload_failure: failure, ..status() }), ["reload-failed"]);
    }

    #[test]
    fn a_clock_set_back_does_not_make_an_expired_bundle_valid() {
        assert_eq!(
            codes(&StatusResponse { now: 150, clock_floor: 250, ..status() }),
            ["trust-expired", "clock-behind"]
        );
    }
}
