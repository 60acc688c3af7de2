//! `pullward`: the command line and the daemon.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use pullward::cli::agent::{Agent, Parts};
use pullward::cli::judging::USAGE;
use pullward::cli::{
    agent, attestation, audit, doctor, policy, replay, setup, status, store, tree, trust, verify,
};
use pullward::config::Config;
use pullward::decide::{ConfiguredSource, Engine};
use pullward::evidence::Source;
use pullward::evidence::layout::Layout;
use pullward::evidence::store::Store;
use pullward::evidence::store::keeper::Keeper;
use pullward::receipt::store::Receipts;
use pullward::rejudge::Rejudging;
use pullward::service;
use pullward::trust::node::TrustSettings;

/// Guards image pulls on this node: decides from a local, signed trust bundle whether an image may be pulled and run
#[derive(Debug, Parser)]
#[command(
    name = "pullward",
    version,
    long_version = concat!(env!("CARGO_PKG_VERSION"), "
engine: pullward-core ", env!("CARGO_PKG_VERSION"), "
reads: sigstore bundle v0.1 to v0.3, cosign .sig and .att, trust bundle schema 1, record v1"),
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 allowed or fine, 1 refused or not fine, 2 could not decide, 64 usage"
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(verify::Verify),
    Attestation(attestation::AttestationArgs),
    Tree(tree::Tree),
    Replay(replay::Replay),
    Agent(Agent),
    Trust(trust::TrustArgs),
    Policy(policy::PolicyArgs),
    Audit(audit::Audit),
    Status(status::Status),
    Doctor(doctor::Doctor),
    Store(store::StoreArgs),
    Setup(setup::Setup),
}

fn main() -> ExitCode {
    let command = match CommandLine::try_parse() {
        Ok(line) => line.command,
        Err(error) => {
            // Help and version are asked for, and go to stdout; everything else is usage.
            let printed = error.print();
            let fine = !error.use_stderr() && printed.is_ok();
            return ExitCode::from(if fine { 0 } else { USAGE });
        }
    };
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    let code = match &command {
        Command::Verify(arguments) => verify::run(arguments, &mut out, &mut err),
        Command::Attestation(arguments) => attestation::run(arguments, &mut out, &mut err),
        Command::Tree(arguments) => tree::run(arguments, &mut out, &mut err),
        Command::Replay(arguments) => replay::run(arguments, &mut out, &mut err),
        Command::Trust(arguments) => trust::run_on_node(arguments, &mut out, &mut err),
        Command::Policy(arguments) => policy::run(arguments, &mut out, &mut err),
        Command::Audit(arguments) => audit::run(arguments, &mut out, &mut err),
        Command::Status(arguments) => status::run(arguments, &mut out, &mut err),
        Command::Doctor(arguments) => doctor::run(arguments, &mut out, &mut err),
        Command::Store(arguments) => store::run(arguments, &mut out, &mut err),
        Command::Setup(arguments) => setup::run(arguments, &mut out, &mut err),
        // It logs from its threads, and must not wait for these locks.
        Command::Agent(arguments) => {
            drop((out, err));
            agent::run(arguments, assemble, &mut io::stdout(), &mut io::stderr())
        }
    };
    let flushed = io::stdout().flush();
    match (code, flushed) {
        (Ok(code), Ok(())) => ExitCode::from(code),
        // Nobody reads the answer: whatever it was, it did not arrive.
        _ => ExitCode::from(2),
    }
}

/// What the daemon judges with, by its configuration.
fn assemble(config: &Config) -> Result<Parts, String> {
    let keeper = Keeper::new(Store::of(&config.store));
    let store = Arc::new(Layout::new(config.store.dir.clone(), Source::Store));
    let mut sources = vec![
        ConfiguredSource::Layout(Arc::clone(&store)),
        ConfiguredSource::Containerd(config.containerd.address.clone()),
    ];
    if !config.registry.offline {
        add_registry(config, &keeper, &mut sources)?;
    }
    let receipts = Arc::new(Receipts::new(&config.agent.state_dir));
    let engine = Engine::new(sources)
        .with_inflight(config.limits.inflight_bytes)
        .with_receipts(Arc::clone(&receipts))
        .with_keeper(Arc::clone(&keeper));
    // From the store alone, so that a new bundle asks no network.
    let offline = Engine::new(vec![ConfiguredSource::Layout(store)]).with_keeper(Arc::clone(&keeper));
    let rejudging = Rejudging::new(offline, receipts, service::platform());
    Ok(Parts { judge: Arc::new(engine), trust: Box::new(TrustSettings::from(config)), keeper, rejudging })
}

#[cfg(feature = "network")]
fn add_registry(
    config: &Config,
    keeper: &Arc<Keeper>,
    sources: &mut Vec<ConfiguredSource>,
) -> Result<(), String> {
    use pullward::registry::background::Background;
    use pullward::registry::configured;
    let credentials =
        configured::read_auth_file(&config.registry.auth_file).map_err(|error| error.to_string())?;
    let client = configured::client(&config.registry, credentials).map_err(|error| error.to_string())?;
    let background = Background::new(Arc::clone(keeper), config.limits.fetch_deadline.0);
    sources.push(ConfiguredSource::Patient(Arc::new(client), background));
    Ok(())
}

/// Without network code there is nothing to add: only the store is asked, whatever the configuration says.
#[cfg(not(feature = "network"))]
fn add_registry(_: &Config, _: &Arc<Keeper>, _: &mut Vec<ConfiguredSource>) -> Result<(), String> {
    Ok(())
}
