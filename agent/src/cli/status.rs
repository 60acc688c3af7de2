//! `pullward status`: how the agent on this node is doing, asked over its admin socket.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use pullward_core::time::UnixTime;
use pullward_proto::v1::{InventoryState, StatusResponse, TrustState};
use serde::Serialize;

use super::admin;
use crate::config::Config;
use crate::verdict::printable;

/// Longest that one live proof takes, in seconds: three ways, two pulls each, 20 s at most for each.
const PROBE_ROUND: u64 = 120;

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
    if let Some(probe) = &status.probe {
        let (time, message) = (UnixTime(probe.time), printable(&probe.message, 1000));
        // A proof is worth as much as it is young.
        let old = probe.interval.saturating_mul(2).saturating_add(PROBE_ROUND);
        match probe.outcome.as_str() {
            "proven" if status.now.saturating_sub(probe.time) <= old => {}
            "proven" => add("probe-failed", format!("the last proof is of {time}")),
            "not-refused" => add("probe-not-refused", format!("{time}: {message}")),
            "pending" => add("probe-pending", "enforcement is not proven yet: wait a moment".to_owned()),
            _ => add("probe-failed", format!("{time}: {message}")),
        }
    }
    if status.now < status.clock_floor {
        let floor = UnixTime(status.clock_floor);
        add(
            "clock-behind",
            format!("the clock is behind {floor}, which has passed already: check the clock"),
        );
    }
    if let Some(inventory) = &status.inventory {
        let unverified = inventory.denied.saturating_add(inventory.unverifiable);
        if inventory.running_unverified > 0 {
            add(
                "unverified-running",
                format!(
                    "{} container(s) run an unverified image: see pullward audit",
                    inventory.running_unverified
                ),
            );
        }
        if unverified > 0 {
            add("unverified-images", format!("{unverified} image(s) are unverified: see pullward audit"));
        }
    }
    problems
}

fn probe_line(status: &StatusResponse) -> String {
    match &status.probe {
        None => "probe: off".to_owned(),
        Some(probe) => {
            let (outcome, message) = (printable(&probe.outcome, 100), printable(&probe.message, 1000));
            format!("probe: {outcome} {}: {message}", UnixTime(probe.time))
        }
    }
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
    writeln!(out, "{}", probe_line(status))?;
    let denied: u64 = status.denied.iter().map(|row| row.count).sum();
    writeln!(
        out,
        "verdicts: {} allowed ({} of them by audit only), {denied} denied; {} running, {} waiting, {} joined",
        status.allowed, status.would_deny, status.running, status.waiting, status.joined
    )?;
    for row in &status.denied {
        writeln!(out, "  {:>8}  {}", row.count, printable(&row.reason, 100))?;
    }
    if let Some(inventory) = &status.inventory {
        inventory_text(inventory, out)?;
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

fn inventory_text(inventory: &InventoryState, out: &mut dyn Write) -> io::Result<()> {
    let link = if inventory.connected {
        "watched".to_owned()
    } else {
        format!("not watched: {}", printable(&inventory.trouble, 300))
    };
    writeln!(
        out,
        "inventory: {link}; {} images: {} allowed, {} by audit only, {} denied, {} unverifiable, {} undecided, \
         {} of evidence; {} removed",
        inventory.images,
        inventory.allowed,
        inventory.audited,
        inventory.denied,
        inventory.unverifiable,
        inventory.undecided,
        inventory.evidence,
        inventory.removed
    )?;
    writeln!(
        out,
        "running: {} containers, {} of them of unverified images; {} stopped",
        inventory.running, inventory.running_unverified, inventory.stopped
    )
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
        probe: Option<ProbeRow>,
        verdicts: Verdicts,
        inventory: Option<Inventory>,
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
    struct ProbeRow {
        outcome: String,
        time: String,
        interval_s: u64,
        message: String,
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
    #[derive(Serialize)]
    struct Inventory {
        connected: bool,
        trouble: Option<String>,
        connections: u64,
        events: u64,
        lists: u64,
        images: u64,
        allowed: u64,
        audited: u64,
        denied: u64,
        undecided: u64,
        unverifiable: u64,
        evidence: u64,
        running: u64,
        running_unverified: u64,
        removed: u64,
        stopped: u64,
    }
    let inventory = |state: &InventoryState| Inventory {
        connected: state.connected,
        trouble: (!state.trouble.is_empty()).then(|| state.trouble.clone()),
        connections: state.connections,
        events: state.events,
        lists: state.lists,
        images: state.images,
        allowed: state.allowed,
        audited: state.audited,
        denied: state.denied,
        undecided: state.undecided,
        unverifiable: state.unverifiable,
        evidence: state.evidence,
        running: state.running,
        running_unverified: state.running_unverified,
        removed: state.removed,
        stopped: state.stopped,
    };
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
        probe: status.probe.as_ref().map(|probe| ProbeRow {
            outcome: probe.outcome.clone(),
            time: time(probe.time),
            interval_s: probe.interval,
            message: probe.message.clone(),
        }),
        verdicts: Verdicts {
            allowed: status.allowed,
            would_deny: status.would_deny,
            denied: status.denied.iter().map(|row| (row.reason.clone(), row.count)).collect(),
            running: status.running,
            waiting: status.waiting,
            joined: status.joined,
        },
        inventory: status.inventory.as_ref().map(inventory),
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
    use pullward_proto::v1::{InventoryState, ProbeState, ReloadFailure, StatusResponse, TrustState};

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
    fn what_is_unverified_is_a_problem_and_a_containerd_that_is_not_there_is_none() {
        let with = |inventory| StatusResponse { inventory: Some(inventory), ..status() };
        assert_eq!(codes(&with(InventoryState { undecided: 1, evidence: 1, ..Default::default() })), [""; 0]);
        assert_eq!(codes(&with(InventoryState { denied: 1, ..Default::default() })), ["unverified-images"]);
        assert_eq!(
            codes(&with(InventoryState { unverifiable: 1, ..Default::default() })),
            ["unverified-images"]
        );
        assert_eq!(
            codes(&with(InventoryState { running_unverified: 1, ..Default::default() })),
            ["unverified-running"]
        );
    }

    #[test]
    fn a_proof_that_is_missing_old_or_the_contrary_is_a_problem() {
        let with = |outcome: &str, time| {
            let probe = ProbeState { outcome: outcome.into(), time, interval: 10, message: String::new() };
            codes(&StatusResponse { now: 1000, trust: None, probe: Some(probe), ..status() })
        };
        assert_eq!(with("proven", 990), ["trust-missing"]);
        assert_eq!(with("proven", 800), ["trust-missing", "probe-failed"]);
        assert_eq!(with("pending", 1000), ["trust-missing", "probe-pending"]);
        assert_eq!(with("not-refused", 1000), ["trust-missing", "probe-not-refused"]);
        assert_eq!(with("failed", 1000), ["trust-missing", "probe-failed"]);
        assert_eq!(with("something", 1000), ["trust-missing", "probe-failed"]);
    }

    #[test]
    fn a_clock_set_back_does_not_make_an_expired_bundle_valid() {
        assert_eq!(
            codes(&StatusResponse { now: 150, clock_floor: 250, ..status() }),
            ["trust-expired", "clock-behind"]
        );
    }
}
