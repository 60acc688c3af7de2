//! `pullward setup containerd`, `status` and `agent --print-config`, as functions of the library.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use clap::Parser;
use pullward::cli::agent::Agent as AgentCommand;
use pullward::cli::setup::Setup;
use pullward::cli::status::Status;
use pullward::cli::trust::{self, TrustArgs};
use pullward_core::oci::Digest;
use rustix::process::Signal;

use crate::support::{DESCRIPTOR_TYPE, Node, descriptor, finish, root, until};

#[derive(Parser)]
enum Pullward {
    Setup(Setup),
    Status(Status),
    Agent(AgentCommand),
    Trust(TrustArgs),
}

struct Said {
    code: u8,
    out: String,
    err: String,
}

fn pullward(arguments: &[&str]) -> Said {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let command = Pullward::try_parse_from([&["pullward"], arguments].concat()).unwrap();
    let code = match command {
        Pullward::Setup(arguments) => pullward::cli::setup::run(&arguments, &mut out, &mut err),
        Pullward::Status(arguments) => pullward::cli::status::run(&arguments, &mut out, &mut err),
        Pullward::Trust(arguments) => trust::run_on_node(&arguments, &mut out, &mut err),
        Pullward::Agent(arguments) => {
            let assemble = |_: &pullward::config::Config| Err("nothing is to be started".to_owned());
            pullward::cli::agent::run(&arguments, assemble, &mut out, &mut err)
        }
    };
    Said { code: code.unwrap(), out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

fn setup(node: &Node, more: &[&str]) -> Said {
    let config = text(&node.config_path());
    let bin_dir = text(&node.path("image-verifier/bin"));
    let verifier = env!("CARGO_BIN_EXE_pullward-verifier");
    let base = ["setup", "containerd", "--config", &config, "--bin-dir", &bin_dir, "--verifier", verifier];
    pullward(&[&base, more].concat())
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn installed(node: &Node) -> PathBuf {
    node.path("image-verifier/bin/00-pullward-verifier")
}

#[test]
fn the_installed_hook_runs_and_asks_the_configured_agent() {
    if !root() {
        return;
    }
    let node = Node::new("[containerd]\naddress = \"/nonexistent/containerd.sock\"\n");
    let said = setup(&node, &[]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("does not answer"), "{}", said.err);
    let drop_in: toml::Table = said.out.parse().unwrap();
    let plugin = &drop_in["plugins"]["io.containerd.image-verifier.v1.bindir"];
    assert_eq!(plugin["bin_dir"].as_str(), Some(text(&node.path("image-verifier/bin")).as_str()));

    let ask = |name: &str| {
        let digest = Digest::of(b"x").to_string();
        let started = Instant::now();
        let mut child = Command::new(installed(&node))
            .args(["-name", name, "-digest", &digest, "-stdin-media-type", DESCRIPTOR_TYPE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let feeder = std::thread::spawn(move || std::io::Write::write_all(&mut pipe, &descriptor(&digest)));
        finish(child, feeder, started)
    };
    ask("r.io/allow:1").denied_as("agent-unreachable");
    let _agent = node.start();
    assert_eq!(ask("r.io/allow:1").code, Some(0));
    assert_eq!(ask("r.io/unsigned:1").code, Some(1));
}

#[test]
fn print_changes_nothing() {
    let node = Node::new("");
    let file = text(&node.path("conf.toml"));
    let said = setup(&node, &["--print", "--write", &file]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.starts_with("# ") && said.out.contains("--socket="), "{}", said.out);
    assert!(said.out.parse::<toml::Table>().is_ok());
    assert!(!node.path("image-verifier").exists() && !node.path("conf.toml").exists());
}

#[test]
fn the_drop_in_is_written_where_asked_and_not_over_a_strangers_file() {
    if !root() {
        return;
    }
    let node = Node::new("");
    let file = text(&node.path("conf.toml"));
    let said = setup(&node, &["--write", &file]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), said.out);
    assert_eq!(setup(&node, &["--write", &file]).code, 0);
    fs::write(&file, "version = 3\n").unwrap();
    let said = setup(&node, &["--write", &file]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("exists and is not pullward's"), "{}", said.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), "version = 3\n");
    assert!(fs::read_dir(node.path("image-verifier")).unwrap().count() == 1, "a draft was left behind");
}

#[test]
fn what_cannot_be_set_up_changes_nothing() {
    let node = Node::new("");
    let blank = node.path("a b");
    fs::copy(env!("CARGO_BIN_EXE_pullward-verifier"), &blank).unwrap();
    let missing = text(&node.path("missing"));
    let open = node.path("open");
    fs::write(&open, "").unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let link = node.path("link");
    symlink(env!("CARGO_BIN_EXE_pullward-verifier"), &link).unwrap();
    let config = text(&node.config_path());
    let bin_dir = text(&node.path("image-verifier/bin"));
    for (verifier, why) in [
        (text(&blank), "cannot carry blanks"),
        (missing, "does not exist"),
        (text(&open), "lets others write"),
        (text(&link), "is a symbolic link"),
        ("pullward-verifier".to_owned(), "not a plain absolute path"),
    ] {
        let said = pullward(&[
            "setup",
            "containerd",
            "--config",
            &config,
            "--bin-dir",
            &bin_dir,
            "--verifier",
            &verifier,
        ]);
        assert_eq!(said.code, 2);
        assert!(said.err.contains(why), "{}", said.err);
        assert!(!node.path("image-verifier").exists());
    }
    let said = setup(&node, &["--containerd-config", "/nonexistent/config.toml"]);
    assert_eq!(said.code, 2);
    assert!(!node.path("image-verifier").exists());
    let relative = pullward(&["setup", "containerd", "--config", &config, "--bin-dir", "bin", "--print"]);
    assert_eq!(relative.code, 2, "{}", relative.out);
}

#[test]
fn ways_round_the_hook_are_warned_of_and_the_format_follows_the_configuration() {
    let node = Node::new("");
    let containerd = node.path("containerd.toml");
    fs::write(
        &containerd,
        "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'docker.io']\nendpoint = ['x']\n",
    )
    .unwrap();
    let said = setup(&node, &["--print", "--containerd-config", &text(&containerd)]);
    assert_eq!(said.code, 0);
    assert!(said.out.contains("\nversion = 2\n"), "{}", said.out);
    assert!(
        said.err.contains("not enforced: registry.mirrors: CRI pulls round the verifier"),
        "{}",
        said.err
    );
    assert!(said.err.contains("ctr image pull --local"), "{}", said.err);
}

#[test]
fn status_tells_how_the_agent_is_by_its_exit_code() {
    let node = Node::new("");
    let config = text(&node.config_path());
    let status = |output: &str| pullward(&["status", "--config", &config, "-o", output]);
    let said = status("text");
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("is the agent running"), "{}", said.err);

    let agent = node.start();
    let said = status("text");
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(said.out.contains("trust: version 1 for default, sha256:"), "{}", said.out);

    node.trust_bytes(b"odd\x1b[2J");
    agent.signal(Signal::HUP);
    until(|| status("text").code == 1);
    let said = status("text");
    assert!(said.out.starts_with("not fine: reload-failed: "), "{}", said.out);
    assert!(!said.out.contains('\u{1b}'));
    let said = status("json");
    assert_eq!(said.code, 1);
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&json["schema"], &json["fine"]), (&"pullward/status/v1".into(), &false.into()));
    assert_eq!(json["problems"][0]["code"], "reload-failed");
    assert_eq!(json["trust"]["version"], 1);

    agent.signal(Signal::STOP);
    assert_eq!(status("text").code, 2);
    agent.signal(Signal::CONT);
}

#[test]
fn an_installed_bundle_is_in_use_at_once_or_the_exit_code_says_that_it_is_not() {
    let node = Node::new("");
    let config = text(&node.config_path());
    let install = |version: u64| {
        let file = node.path("next.json");
        fs::write(&file, node.signed(version)).unwrap();
        pullward(&["trust", "install", &text(&file), "--config", &config])
    };
    let said = install(1);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("note: no agent runs on this node"), "{}", said.err);

    let agent = node.start();
    // The daemon of these tests reads the configured file only, so that is where the new bundle has to be.
    node.trust(2);
    let said = install(2);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("the agent uses version 2 now"), "{}", said.out);
    let said = pullward(&["status", "--config", &config]);
    assert!(said.out.contains("trust: version 2 for default"), "{}", said.out);
    let said = install(3);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.err.contains("the agent goes on with version 2"), "{}", said.err);
    node.trust_bytes(b"odd");
    let said = install(4);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.err.contains("installed, but the agent goes on with the bundle it has"), "{}", said.err);
    // A bundle that is refused tells nobody anything.
    assert_eq!(install(1).code, 1);
    drop(agent);
    // Its socket may still be there, and nobody behind it.
    assert_eq!(install(5).code, 0);
}

#[test]
fn the_effective_configuration_is_printed_and_a_wrong_one_is_refused() {
    let node = Node::new("[log]\nformat = \"json\"\n");
    let config = text(&node.config_path());
    let said = pullward(&["agent", "--config", &config, "--print-config"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let printed: toml::Table = said.out.parse().unwrap();
    assert_eq!(printed["log"]["format"].as_str(), Some("json"));
    assert_eq!(printed["limits"]["deadline"].as_str(), Some("7s"));
    fs::write(node.config_path(), "[agent]\nsokcet = \"/x\"\n").unwrap();
    let said = pullward(&["agent", "--config", &config]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("config.toml:2:1: unknown field `sokcet`"), "{}", said.err);
    assert!(!node.path("state").exists());
}
