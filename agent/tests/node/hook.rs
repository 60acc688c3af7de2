//! `pullward-verifier` as containerd executes it, against the real server.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Agent, DESCRIPTOR_TYPE, Hook, Node, descriptor, finish, root, until};
use rustix::process::Signal;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const GOOD: [&str; 6] = ["-name", "r.io/allow:1", "-digest", DIGEST, "-stdin-media-type", DESCRIPTOR_TYPE];

#[test]
fn the_agents_decision_is_the_exit_code_and_its_reason_the_line() {
    let node = Node::new("");
    let _agent = node.start();
    for (name, code, start) in [
        ("r.io/allow:1", 0, "allowed: r.io/allow:1@sha256:"),
        ("r.io/unsigned:1", 1, "denied: r.io/unsigned:1@sha256:"),
        ("r.io/other:1", 2, "denied: r.io/other:1@sha256:"),
    ] {
        let ran = Hook::new(&node.socket(), name).run();
        assert_eq!(ran.code, Some(code), "{}", ran.stdout);
        assert!(ran.stdout.starts_with(start), "{}", ran.stdout);
        assert!(ran.stdout.contains("as the name says"), "{}", ran.stdout);
        assert_eq!(ran.stderr, "");
    }
}

#[test]
fn the_environment_changes_nothing() {
    let node = Node::new("");
    let _agent = node.start();
    let odd = node.path("odd").display().to_string();
    for (name, code) in [("r.io/allow:1", 0), ("r.io/unsigned:1", 1)] {
        let plain = Hook::new(&node.socket(), name).run();
        let mut hook = Hook::new(&node.socket(), name);
        for variable in [
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "http_proxy",
            "ALL_PROXY",
            "NO_PROXY",
            "SSL_CERT_FILE",
            "HOME",
            "TMPDIR",
            "TZ",
            "LANG",
            "LC_ALL",
            "PULLWARD_SOCKET",
            "PULLWARD_CONFIG",
            "DOCKER_CONFIG",
            "NOTIFY_SOCKET",
            "CONTAINERD_ADDRESS",
            "TOKIO_WORKER_THREADS",
        ] {
            hook = hook.env(variable, &odd);
        }
        let hook = hook
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full")
            .env("LISTEN_FDS", "1")
            .env("PATH", "");
        let ran = hook.run();
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(code), ""));
        // The verdicts' ids differ by their time only.
        let text = |stdout: &str| stdout.split(" (verdict ").next().unwrap_or("").to_owned();
        assert_eq!(text(&ran.stdout), text(&plain.stdout));
    }
}

#[test]
fn no_agent_is_a_denial() {
    let node = Node::new("");
    Hook::new(&node.socket(), "r.io/allow:1").run().denied_as("agent-unreachable");
    fs::create_dir(node.path("run")).unwrap();
    drop(UnixListener::bind(node.socket()).unwrap());
    fs::set_permissions(node.socket(), fs::Permissions::from_mode(0o660)).unwrap();
    Hook::new(&node.socket(), "r.io/allow:1").run().denied_as("agent-unreachable");
}

#[test]
fn an_agent_killed_half_way_is_a_denial_at_once() {
    let node = Node::new("");
    let agent = node.start();
    let started = Instant::now();
    let (child, feeder) = Hook::new(&node.socket(), "r.io/allow-block:1").spawn();
    until(|| node.status().running == 1);
    drop(agent);
    let ran = finish(child, feeder, started);
    ran.denied_as("agent-unreachable");
    assert!(ran.took < Duration::from_secs(7), "{:?}", ran.took);
}

#[test]
fn a_stopped_agent_is_a_denial_after_eight_seconds() {
    let node = Node::new("");
    let agent = node.start();
    agent.signal(Signal::STOP);
    let ran = Hook::new(&node.socket(), "r.io/allow:1").run();
    agent.signal(Signal::CONT);
    ran.denied_as("deadline-exceeded");
    assert!(
        ran.took >= Duration::from_millis(7_900) && ran.took < Duration::from_millis(9_500),
        "{:?}",
        ran.took
    );
    assert_eq!(Hook::new(&node.socket(), "r.io/allow:1").run().code, Some(0));
}

#[test]
fn an_agent_that_never_gets_to_it_denies_before_the_hook_gives_up() {
    let node = Node::new("");
    let _agent = node.start();
    let ran = Hook::new(&node.socket(), "r.io/allow-block:1").run();
    assert_eq!(ran.code, Some(2));
    assert!(ran.stdout.contains("deadline-exceeded: "), "{}", ran.stdout);
    assert!(ran.took >= Duration::from_millis(6_900) && ran.took < Duration::from_secs(8), "{:?}", ran.took);
}

#[test]
fn a_socket_that_is_not_the_agents_is_not_asked() {
    let node = Node::new("");
    let _agent = node.start();
    let asked = || Hook::new(&node.socket(), "r.io/allow:1").run();
    assert_eq!(asked().code, Some(0));

    fs::set_permissions(node.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    asked().denied_as("socket-untrusted");
    fs::set_permissions(node.socket(), fs::Permissions::from_mode(0o660)).unwrap();

    fs::set_permissions(node.path("run"), fs::Permissions::from_mode(0o777)).unwrap();
    asked().denied_as("socket-untrusted");
    fs::set_permissions(node.path("run"), fs::Permissions::from_mode(0o755)).unwrap();

    if root() {
        chown(node.socket(), Some(1234), None).unwrap();
        asked().denied_as("socket-untrusted");
        chown(node.socket(), Some(0), None).unwrap();
        chown(node.path("run"), Some(1234), None).unwrap();
        asked().denied_as("socket-untrusted");
        chown(node.path("run"), Some(0), None).unwrap();
    }

    let link = node.path("run/link.sock");
    symlink(node.socket(), &link).unwrap();
    Hook::new(&link, "r.io/allow:1").run().denied_as("socket-untrusted");
    let file = node.path("run/file.sock");
    fs::write(&file, "").unwrap();
    Hook::new(&file, "r.io/allow:1").run().denied_as("socket-untrusted");

    assert_eq!(asked().code, Some(0));
}

#[test]
fn a_process_of_another_user_is_not_believed_even_on_a_good_socket() {
    if !root() {
        return;
    }
    let node = Node::new("");
    let run = node.path("run");
    fs::create_dir(&run).unwrap();
    fs::set_permissions(run.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    chown(&run, Some(1234), Some(1234)).unwrap();
    let program = node.path("impostor");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let child = Command::new(program)
        .args(["--exact", "impostor_process"])
        .env("PULLWARD_TEST_SOCKET", node.socket())
        .uid(1234)
        .gid(1234)
        .current_dir("/")
        .spawn()
        .unwrap();
    let _impostor = Agent { child };
    until(|| node.socket().exists());
    chown(&run, Some(0), Some(0)).unwrap();
    chown(node.socket(), Some(0), Some(0)).unwrap();
    let ran = Hook::new(&node.socket(), "r.io/allow:1").run();
    ran.denied_as("socket-untrusted");
    assert!(ran.stdout.contains("answered by a process of user 1234"), "{}", ran.stdout);
}

#[test]
fn something_else_than_the_agent_is_a_denial() {
    let node = Node::new("");
    fs::create_dir(node.path("run")).unwrap();
    let listener = UnixListener::bind(node.socket()).unwrap();
    fs::set_permissions(node.socket(), fs::Permissions::from_mode(0o660)).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nallow").unwrap();
    });
    Hook::new(&node.socket(), "r.io/allow:1").run().denied_as("agent-unreachable");
    server.join().unwrap();
}

#[test]
fn a_huge_descriptor_is_a_denial_and_no_deadlock() {
    let node = Node::new("");
    let _agent = node.start();
    let mut huge = descriptor(DIGEST);
    huge.truncate(huge.len() - 2);
    huge.extend_from_slice(b",\"annotations\":{\"a\":\"");
    huge.resize(1024 * 1024, b'x');
    huge.extend_from_slice(b"\"}}");
    let ran = Hook::with(&node.socket(), &GOOD).stdin(&huge).run();
    ran.denied_as("descriptor-invalid");
    assert_eq!(ran.fed.map_err(|error| error.kind()), Err(std::io::ErrorKind::BrokenPipe));
    assert!(ran.took < Duration::from_secs(2), "{:?}", ran.took);
    assert_eq!(node.status().denied.len(), 0);
}

#[test]
fn a_descriptor_that_is_none_or_anothers_is_a_denial() {
    let node = Node::new("");
    let _agent = node.start();
    let ask = |bytes: &[u8]| Hook::with(&node.socket(), &GOOD).stdin(bytes).run();
    assert_eq!(ask(&descriptor(DIGEST)).code, Some(0));
    ask(b"").denied_as("descriptor-invalid");
    ask(b"{}").denied_as("descriptor-invalid");
    ask(&[0xff; 100]).denied_as("descriptor-invalid");
    ask(&"[".repeat(60_000).into_bytes()).denied_as("descriptor-invalid");
    ask(&descriptor(&DIGEST.replace('e', "d"))).denied_as("descriptor-invalid");
}

#[test]
fn any_other_command_line_is_a_denial() {
    let node = Node::new("");
    let _agent = node.start();
    let ask = |arguments: &[&str]| Hook::with(&node.socket(), arguments).stdin(&descriptor(DIGEST)).run();
    assert_eq!(ask(&GOOD).code, Some(0));
    ask(&[]).denied_as("arguments-invalid");
    ask(&GOOD[..4]).denied_as("arguments-invalid");
    ask(&GOOD[2..]).denied_as("arguments-invalid");
    ask(&[&GOOD[..], &["-name", "r.io/allow:2"]].concat()).denied_as("arguments-invalid");
    ask(&[&GOOD[..], &["--help"]].concat()).denied_as("arguments-invalid");
    ask(&[&["-v"], &GOOD[..]].concat()).denied_as("arguments-invalid");
    ask(&["--version"]).denied_as("arguments-invalid");
    ask(&["-name", "-digest", "-digest", DIGEST, "-stdin-media-type", DESCRIPTOR_TYPE])
        .denied_as("arguments-invalid");
    ask(&["-name", "r.io/allow:1", "-digest", DIGEST, "-stdin-media-type", "text/plain"])
        .denied_as("arguments-invalid");
    for digest in ["sha256:00", "sha512:00", &DIGEST.to_uppercase(), "latest"] {
        ask(&["-name", "r.io/allow:1", "-digest", digest, "-stdin-media-type", DESCRIPTOR_TYPE])
            .denied_as("digest-invalid");
    }
}

#[test]
fn a_name_with_control_characters_stays_one_printable_line() {
    let node = Node::new("");
    let name = "r.io/unsigned\u{1b}[2J\n\u{202e}: ";
    Hook::new(&node.socket(), name).run().denied_as("agent-unreachable");
    let _agent = node.start();
    let ran = Hook::new(&node.socket(), name).run();
    assert_eq!(ran.code, Some(1));
    let line = ran.stdout.strip_suffix('\n').unwrap();
    assert!(line.is_ascii() && !line.contains(|c: char| c.is_control()), "{line:?}");
    until(|| node.log().contains("unsigned"));
    assert!(!node.log().contains('\u{1b}') && !node.log().contains('\u{202e}'));
}

#[test]
fn an_answer_that_nobody_reads_is_no_allow() {
    let node = Node::new("");
    let _agent = node.start();
    let (mut child, feeder) = Hook::new(&node.socket(), "r.io/allow-block:1").spawn();
    drop(child.stdout.take());
    until(|| node.status().running == 1);
    node.open_gate();
    child.stdout = None;
    until(|| node.status().running == 0);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(2));
    assert!(feeder.join().unwrap().is_ok());
}

#[test]
fn many_hooks_of_one_image_share_one_judgement() {
    let node = Node::new("");
    let _agent = node.start();
    let hooks: Vec<_> =
        (0..100).map(|_| (Instant::now(), Hook::new(&node.socket(), "r.io/allow-block:1").spawn())).collect();
    until(|| node.status().joined == 99);
    node.open_gate();
    let lines: std::collections::BTreeSet<_> = hooks
        .into_iter()
        .map(|(started, (child, feeder))| {
            let ran = finish(child, feeder, started);
            assert_eq!(ran.code, Some(0), "{}", ran.stdout);
            ran.stdout
        })
        .collect();
    assert_eq!(lines.len(), 1);
    assert_eq!(node.status().allowed, 100);
}
