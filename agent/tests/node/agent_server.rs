//! The daemon's sockets, limits, signals and trust bundle.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use pullward_core::oci::Digest;
use pullward_proto::v1::{Decision, JudgeRequest, ReloadRequest, StatusRequest};
use rustix::process::Signal;

use crate::support::{Agent, Hook, Node, finish, payload, request, root, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_about_one_image_are_one_judgement() {
    let node = Node::new("");
    let _agent = node.start();
    let asked: Vec<_> = {
        let mut asked = Vec::new();
        for _ in 0..1000 {
            let mut client = node.verifier().await;
            asked.push(tokio::spawn(async move { client.judge(request("r.io/allow-block:1")).await }));
        }
        asked
    };
    let mut admin = node.admin().await;
    let end = Instant::now() + Duration::from_secs(5);
    while admin.status(StatusRequest { protocol: 1 }).await.unwrap().into_inner().joined < 999 {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    node.open_gate();
    let mut ids = BTreeMap::new();
    for answer in asked {
        let answer = answer.await.unwrap().unwrap().into_inner();
        assert_eq!(answer.decision(), Decision::Allow);
        assert!(answer.verdict_json.is_empty());
        *ids.entry(answer.verdict_id).or_insert(0) += 1;
    }
    assert_eq!(ids.into_values().collect::<Vec<_>>(), [1000]);
}

#[tokio::test]
async fn what_is_over_the_limits_is_denied_and_the_rest_is_not() {
    let node = Node::new("[limits]\nworkers = 2\nqueue = 2\n");
    let _agent = node.start();
    let mut clients = Vec::new();
    for number in 0..4 {
        let mut client = node.verifier().await;
        clients.push(tokio::spawn(async move {
            client.judge(request(&format!("r.io/allow-block:{number}"))).await
        }));
    }
    let mut admin = node.admin().await;
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let status = admin.status(StatusRequest { protocol: 1 }).await.unwrap().into_inner();
        if (status.running, status.waiting) == (2, 2) {
            break;
        }
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let fifth = node.verifier().await.judge(request("r.io/allow:5")).await.unwrap().into_inner();
    assert_eq!((fifth.decision(), fifth.reason.as_str()), (Decision::Undecided, "overloaded"));
    node.open_gate();
    for client in clients {
        assert_eq!(client.await.unwrap().unwrap().into_inner().decision(), Decision::Allow);
    }
    let sixth = node.verifier().await.judge(request("r.io/allow:5")).await.unwrap().into_inner();
    assert_eq!(sixth.decision(), Decision::Allow);
}

#[tokio::test]
async fn a_panic_is_a_denial_and_the_agent_goes_on() {
    let node = Node::new("[limits]\nworkers = 1\n");
    let _agent = node.start();
    for _ in 0..3 {
        let answer = node.verifier().await.judge(request("r.io/panic:1")).await.unwrap().into_inner();
        assert_eq!((answer.decision(), answer.reason.as_str()), (Decision::Undecided, "internal-error"));
        let answer = node.verifier().await.judge(request("r.io/allow:1")).await.unwrap().into_inner();
        assert_eq!(answer.decision(), Decision::Allow);
    }
    assert!(node.log().contains("panic, please report it"));
}

#[tokio::test]
async fn malformed_questions_are_denied_with_their_codes() {
    let node = Node::new("");
    let _agent = node.start();
    let mut client = node.verifier().await;
    let good = request("r.io/allow:1");
    for (bad, code) in [
        (JudgeRequest { protocol: 2, ..good.clone() }, "arguments-invalid"),
        (JudgeRequest { reference: String::new(), ..good.clone() }, "reference-invalid"),
        (JudgeRequest { digest: String::new(), ..good.clone() }, "digest-invalid"),
        (JudgeRequest { digest: Digest::of(b"").to_string(), ..good.clone() }, "descriptor-invalid"),
        (JudgeRequest { descriptor: Vec::new(), ..good.clone() }, "descriptor-invalid"),
        (JudgeRequest { descriptor: vec![b' '; 65 * 1024], ..good.clone() }, "descriptor-invalid"),
    ] {
        let answer = client.judge(bad).await.unwrap().into_inner();
        assert_eq!((answer.decision(), answer.reason.as_str()), (Decision::Undecided, code));
    }
    let huge = JudgeRequest { descriptor: vec![b' '; 1024 * 1024], ..good.clone() };
    assert_eq!(client.judge(huge).await.unwrap_err().code(), tonic::Code::OutOfRange);
    assert_eq!(client.judge(good).await.unwrap().into_inner().decision(), Decision::Allow);
}

#[tokio::test]
async fn a_person_gets_the_whole_verdict_on_the_admin_socket() {
    let node = Node::new("");
    let _agent = node.start();
    let bare = JudgeRequest { protocol: 1, reference: "r.io/unsigned:1".into(), ..JudgeRequest::default() };
    let answer = node.admin().await.judge(bare).await.unwrap().into_inner();
    let verdict: pullward::verdict::Verdict = serde_json::from_slice(&answer.verdict_json).unwrap();
    assert_eq!((verdict.reason.as_str(), verdict.id.as_str()), ("unsigned", answer.verdict_id.as_str()));
    assert_eq!(verdict.place.hook, pullward::verdict::Hook::Cli);
    assert_eq!(verdict.platform, pullward::service::platform());
}

#[tokio::test]
async fn a_reload_takes_the_new_bundle_whole_or_keeps_the_old_one_loudly() {
    let node = Node::new("");
    let agent = node.start();
    let mut admin = node.admin().await;
    let reload = || ReloadRequest { protocol: 1 };
    node.trust(2);
    assert_eq!(admin.reload(reload()).await.unwrap().into_inner().trust.unwrap().version, 2);
    node.trust_bytes(b"nonsense");
    let answer = admin.reload(reload()).await.unwrap().into_inner();
    assert_eq!(answer.trust.unwrap().version, 2);
    assert_eq!(answer.failure.unwrap().code, "trust-invalid");
    let status = admin.status(StatusRequest { protocol: 1 }).await.unwrap().into_inner();
    assert_eq!((status.trust.unwrap().version, status.reload_failures), (2, 1));
    let message = status.last_reload_failure.unwrap().message;
    assert!(message.contains("damaged"), "{message}");
    assert!(node.log().contains("trust bundle not taken"));
    node.trust(3);
    agent.signal(Signal::HUP);
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let status = admin.status(StatusRequest { protocol: 1 }).await.unwrap().into_inner();
        if status.trust.is_some_and(|trust| trust.version == 3) {
            assert_eq!(status.last_reload_failure, None);
            break;
        }
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_reloads_every_verdict_is_by_exactly_one_bundle() {
    let node = Node::new("");
    let _agent = node.start();
    let mut admin = node.admin().await;
    let asking: Vec<_> = {
        let mut asking = Vec::new();
        for asker in 0..8 {
            let mut client = node.admin().await;
            asking.push(tokio::spawn(async move {
                let mut versions = Vec::new();
                for number in 0..100 {
                    let reference = format!("r.io/allow-{asker}:{number}");
                    let request = JudgeRequest { protocol: 1, reference, ..JudgeRequest::default() };
                    let answer = client.judge(request).await.unwrap().into_inner();
                    let verdict: pullward::verdict::Verdict =
                        serde_json::from_slice(&answer.verdict_json).unwrap();
                    let trust = verdict.trust.unwrap();
                    assert_eq!(trust.digest, Digest::of(&payload(trust.version)).to_string());
                    versions.push(trust.version);
                }
                assert!(versions.is_sorted());
                versions
            }));
        }
        asking
    };
    let mut version = 1;
    while !asking.iter().all(tokio::task::JoinHandle::is_finished) {
        version += 1;
        node.trust(version);
        assert_eq!(
            admin.reload(ReloadRequest { protocol: 1 }).await.unwrap().into_inner().trust.unwrap().version,
            version
        );
    }
    let mut seen = std::collections::BTreeSet::new();
    for asker in asking {
        seen.extend(asker.await.unwrap());
    }
    assert!(seen.len() > 2, "{seen:?}");
}

#[test]
fn without_a_bundle_the_agent_starts_and_denies_everything() {
    let node = Node::new("");
    fs::remove_file(node.path("trust")).unwrap();
    let agent = node.start();
    let ran = Hook::new(&node.socket(), "r.io/allow:1").run();
    assert_eq!(ran.code, Some(2));
    assert!(ran.stdout.contains("trust-missing: "), "{}", ran.stdout);
    node.trust(1);
    agent.signal(Signal::HUP);
    until(|| node.status().trust.is_some());
    assert_eq!(Hook::new(&node.socket(), "r.io/allow:1").run().code, Some(0));
}

#[test]
fn stopping_answers_what_is_under_way_and_leaves_no_socket() {
    let node = Node::new("");
    let mut agent = node.start();
    let started = Instant::now();
    let (child, feeder) = Hook::new(&node.socket(), "r.io/allow-block:1").spawn();
    until(|| node.status().running == 1);
    agent.signal(Signal::TERM);
    until(|| node.log().contains("stopping"));
    until(|| UnixStream::connect(node.socket()).is_err());
    node.open_gate();
    assert_eq!(finish(child, feeder, started).code, Some(0));
    assert!(agent.wait(Duration::from_secs(5)).success());
    assert!(!node.socket().exists() && !node.admin_socket().exists());
    Hook::new(&node.socket(), "r.io/allow:1").run().denied_as("agent-unreachable");
}

#[test]
fn stopping_does_not_wait_longer_than_it_may() {
    let node = Node::new("[limits]\ndrain = \"1s\"\n");
    let mut agent = node.start();
    let started = Instant::now();
    let (child, feeder) = Hook::new(&node.socket(), "r.io/allow-block:1").spawn();
    until(|| node.status().running == 1);
    let ordered = Instant::now();
    agent.signal(Signal::TERM);
    agent.wait(Duration::from_secs(5));
    assert!(ordered.elapsed() < Duration::from_secs(3), "{:?}", ordered.elapsed());
    finish(child, feeder, started).denied_as("agent-unreachable");
    assert!(node.log().contains("cut off"));
}

#[test]
fn a_second_agent_is_refused_and_the_first_goes_on() {
    let node = Node::new("");
    let _agent = node.start();
    let log = node.log();
    let mut second = node.spawn(Command::new(std::env::current_exe().unwrap()));
    assert_eq!(second.wait(Duration::from_secs(5)).code(), Some(2));
    assert!(node.log().contains("in use by another agent"), "{log}");
    assert_eq!(Hook::new(&node.socket(), "r.io/allow:1").run().code, Some(0));
}

#[test]
fn an_agent_started_again_after_a_crash_takes_its_sockets_back() {
    let node = Node::new("");
    drop(node.start());
    assert!(node.socket().exists());
    let mut second = node.spawn(Command::new(std::env::current_exe().unwrap()));
    until(|| UnixStream::connect(node.admin_socket()).is_ok());
    assert_eq!(Hook::new(&node.socket(), "r.io/allow:1").run().code, Some(0));
    second.signal(Signal::TERM);
    assert!(second.wait(Duration::from_secs(5)).success());
}

#[test]
fn sockets_from_systemd_are_served_and_left_in_place() {
    let node = Node::new("");
    fs::create_dir(node.path("run")).unwrap();
    let verify = UnixListener::bind(node.socket()).unwrap();
    let admin = UnixListener::bind(node.admin_socket()).unwrap();
    fs::set_permissions(node.socket(), fs::Permissions::from_mode(0o660)).unwrap();
    fs::set_permissions(node.admin_socket(), fs::Permissions::from_mode(0o600)).unwrap();
    let start = |verify: &UnixListener, admin: &UnixListener| {
        let mut command = Command::new("/bin/sh");
        command
            .args([
                "-c",
                "exec 3<&0 4<&1 0</dev/null 1>/dev/null; LISTEN_PID=$$ LISTEN_FDS=2 exec \"$@\"",
                "sh",
            ])
            .arg(std::env::current_exe().unwrap())
            .stdin(OwnedFd::from(verify.try_clone().unwrap()));
        node.spawn_with(command, OwnedFd::from(admin.try_clone().unwrap()).into())
    };
    let mut agent = start(&verify, &admin);
    assert_eq!(Hook::new(&node.socket(), "r.io/allow:1").run().code, Some(0));
    agent.signal(Signal::TERM);
    assert!(agent.wait(Duration::from_secs(5)).success());
    assert!(node.socket().exists() && node.admin_socket().exists());

    // The socket stayed open: who asks now waits for the next agent.
    let started = Instant::now();
    let (child, feeder) = Hook::new(&node.socket(), "r.io/allow:1").spawn();
    let agent = start(&verify, &admin);
    assert_eq!(finish(child, feeder, started).code, Some(0));
    drop(agent);

    fs::set_permissions(node.admin_socket(), fs::Permissions::from_mode(0o660)).unwrap();
    assert_eq!(start(&verify, &admin).wait(Duration::from_secs(5)).code(), Some(2));
    assert!(node.log().contains("mode 0660: at most 0600 is safe"), "{}", node.log());
    assert_eq!(start(&verify, &verify).wait(Duration::from_secs(5)).code(), Some(2));
    assert!(node.log().contains("systemd handed over no admin socket"), "{}", node.log());
}

#[test]
fn the_sockets_are_for_root_and_the_configured_group() {
    let node = Node::new("[log]\nformat = \"json\"\n");
    let _agent = node.start();
    let mode = |path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(node.socket()), mode(node.admin_socket())), (0o660, 0o600));
    if !root() {
        return;
    }
    // Permissions that would let everybody in: the kernel's word on who connects still counts.
    fs::set_permissions(node.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    fs::set_permissions(node.path("run").parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = node.path("stranger");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut command = Command::new(program);
    command
        .args(["--exact", "stranger_process"])
        .env("PULLWARD_TEST_SOCKET", node.socket())
        .uid(1234)
        .gid(1234)
        .current_dir("/")
        .stdout(std::process::Stdio::null());
    let mut stranger = Agent { child: command.spawn().unwrap() };
    assert!(stranger.wait(Duration::from_secs(10)).success());
    until(|| node.log().contains("connection refused: not root"));
    for line in node.log().lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
}

/// A stranger's whole life: it gets in nowhere.
pub(crate) fn stranger() {
    let socket = std::env::var_os("PULLWARD_TEST_SOCKET").expect("started by a test");
    let mut stream = UnixStream::connect(socket).unwrap();
    // The agent hangs up without a word, or in the middle of ours.
    drop(stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    assert_eq!(answer, b"");
}

#[test]
fn idle_and_dripping_connections_cost_places_but_not_the_agent() {
    let node = Node::new("[limits]\nconnections = 16\n");
    let _agent = node.start();
    let mut idle: Vec<_> = (0..15).map(|_| UnixStream::connect(node.socket()).unwrap()).collect();
    for stream in &mut idle {
        stream.write_all(b"P").unwrap();
    }
    assert_eq!(Hook::new(&node.socket(), "r.io/allow:1").run().code, Some(0));
    idle.push(UnixStream::connect(node.socket()).unwrap());
    let started = Instant::now();
    let (child, feeder) = Hook::new(&node.socket(), "r.io/allow:1").spawn();
    until(|| node.log().contains("as many connections as allowed"));
    // The admin socket has places of its own.
    assert_eq!(node.status().allowed, 1);
    drop(idle.pop());
    assert_eq!(finish(child, feeder, started).code, Some(0));
}

#[test]
fn running_out_of_file_descriptors_does_not_end_the_agent() {
    let node = Node::new("");
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "ulimit -n 40; exec \"$@\"", "sh"]).arg(std::env::current_exe().unwrap());
    let _agent = node.spawn(command);
    until(|| UnixStream::connect(node.admin_socket()).is_ok());
    let many: Vec<_> = (0..100).map(|_| UnixStream::connect(node.socket()).unwrap()).collect();
    until(|| node.log().contains("accept failed"));
    drop(many);
    until(|| Hook::new(&node.socket(), "r.io/allow:1").run().code == Some(0));
    let lines = node.log().lines().filter(|line| line.contains("accept failed")).count();
    assert!(lines <= 2, "{lines} lines about one trouble");
}

#[test]
fn every_verdict_is_one_line_in_the_log() {
    let node = Node::new("");
    let _agent = node.start();
    for name in ["r.io/allow:1", "r.io/unsigned:1", "r.io/panic:1"] {
        Hook::new(&node.socket(), name).run();
    }
    let verdicts: Vec<_> =
        node.log().lines().filter(|line| line.contains("pullward::verdict")).map(str::to_owned).collect();
    assert_eq!(verdicts.len(), 3, "{verdicts:?}");
    for (line, words) in verdicts.iter().zip([
        ["decision=\"allow\"", "reason=\"verified\"", "r.io/allow:1"],
        ["decision=\"deny\"", "reason=\"unsigned\"", "r.io/unsigned:1"],
        ["decision=\"deny\"", "reason=\"internal-error\"", "r.io/panic:1"],
    ]) {
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
    }
}
