//! The numbers: each is measured beside its peer in one run, printed as a ratio, and held against its budget.
//!
//! `make bench` runs this on release builds. A budget that is missed ends the run with a failure. Nothing here is an
//! absolute time, except the hook's surplus over an `exec` of `/bin/true`, which the design states in milliseconds.

#![expect(clippy::print_stdout, reason = "the printed numbers are what a bench is for")]
#![expect(clippy::indexing_slicing, reason = "the first of two hundred images")]

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pullward::decide::{Believed, ConfiguredSource, Engine, Question, Unrecorded, wall_clock};
use pullward::registry::{Client, Settings as RegistrySettings};
use pullward::verdict::{Decision, Hook, Place};
use pullward_core::judge::{Judge, Question as CoreQuestion, Trust};
use pullward_core::oci::Digest;
use pullward_core::reference::Reference;
use pullward_core::signature::{Message, PublicKey, SignedFormat};
use pullward_core::time::UnixTime;
use pullward_core::trust::{TrustBundle, TrustIndex};
use pullward_tests::{
    Access, Containerd, ContainerdVersion, Cosign, CosignVersion, Crane, Image, Node, Peers, Pullward,
    Registry, Settings, Workspace, descriptor, policy_for, wait_until,
};
use wait4::Wait4 as _;

/// Runs of each command; the peer and we take turns, so that both see the same machine, and each run is compared with
/// the peer's next one: where the machine slows down half-way, it does so for both.
const ROUNDS: usize = 41;
/// Runs of the hook and of `/bin/true`.
const HOOK_ROUNDS: usize = 101;
/// Images, and verdicts at once.
const CONCURRENT: usize = 200;

type Answer<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    // cargo passes --bench; a filter is not supported, there is one run.
    match measure() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(missed) => {
            println!("bench: {missed} budget(s) missed");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One line per number, and how many budgets were missed.
#[derive(Default)]
struct Report {
    missed: usize,
}

impl Report {
    fn line(&mut self, what: &str, value: f64, unit: &str, budget: Option<f64>) {
        let verdict = match budget {
            None => "no budget yet".to_owned(),
            Some(most) if value <= most => format!("within {most} {unit}"),
            Some(most) => {
                self.missed += 1;
                format!("MISSED: at most {most} {unit}")
            }
        };
        println!("{what:<64} {value:>10.4} {unit:<8} {verdict}");
    }
}

fn measure() -> Answer<usize> {
    let peers = Peers::find()?;
    let pullward = Pullward::built()?;
    let workspace = Workspace::new()?;
    let registry = Registry::start(&peers, &workspace)?;
    let crane = Crane::new(&peers, &workspace);
    let cosign = Cosign::new(&peers, &workspace, CosignVersion::Three)?;
    let key = cosign.generate_key_pair("bench")?;
    let mut report = Report::default();

    println!("preparing {CONCURRENT} signed images");
    let mut images = Vec::new();
    let mut paths = Vec::new();
    for number in 0..CONCURRENT {
        let name = registry.reference(&format!("team/app-{number}:v1"));
        let pinned = crane.push(&name, &Image::named(&format!("bench {number}")))?;
        cosign.sign(&key, &pinned)?;
        if number == 0 {
            // While the registry's log is short: a program that we execute starts with our own peak of memory.
            let verify = pullward.command(&workspace, ["verify", "--key", path(&key.public), &pinned]);
            paths = requests_of_one(&registry, verify)?;
        }
        images.push((name, pinned));
    }
    let (name, pinned) = &images[0];

    let ours = |_: usize| Ok(pullward.command(&workspace, ["verify", "--key", path(&key.public), pinned]));
    let theirs = |_: usize| cosign.verify_command(&key.public, pinned).map_err(Into::into);
    let chain: Vec<_> = paths.iter().filter(|access| access.status == 200).cloned().collect();
    let bare = [chain, paths];
    let bare = || bare.each_ref().map(|asked| bare_socket(&registry, asked));
    let Ratios { wall, bare: [chain, all], memory } = side_by_side(ROUNDS, &ours, &bare, &theirs)?;
    report.line("pullward verify --key : cosign verify --key, wall", wall, "ratio", Some(0.1));
    report.line("/bin/true and the tag, manifest and blob alone : cosign, wall", chain, "ratio", None);
    report.line("/bin/true and all our requests, bare socket : cosign, wall", all, "ratio", None);
    report.line("pullward verify --key : cosign verify --key, peak memory", memory, "ratio", Some(0.2));

    requests(&mut report, &registry, name, &key.public)?;
    hook_and_agent(&mut report, &pullward, &workspace, &registry, &key.public, &images)?;
    idle(&mut report, &peers, &pullward, &registry.host(), &key.public)?;
    arithmetic(&mut report, &peers, &workspace)?;
    rule_lookup(&mut report)?;
    Ok(report.missed)
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// Medians of ratios to theirs.
struct Ratios {
    wall: f64,
    bare: [f64; 2],
    memory: f64,
}

/// Runs ours, the bare requests and theirs in turn.
fn side_by_side(
    rounds: usize,
    ours: &dyn Fn(usize) -> Answer<Command>,
    bare: &dyn Fn() -> [Answer<Duration>; 2],
    theirs: &dyn Fn(usize) -> Answer<Command>,
) -> Answer<Ratios> {
    let (mut walls, mut bares, mut peaks) = (Vec::new(), [Vec::new(), Vec::new()], Vec::new());
    // Neither side's first run counts: it reads the programs from disk.
    for round in 0..=rounds {
        stagger(bare, round)?;
        let (our_wall, our_peak) = run_once(ours(round)?, b"")?;
        stagger(bare, round / 2)?;
        let [chain, all] = bare();
        let bare_walls = [chain?, all?];
        stagger(bare, round / 3)?;
        let (their_wall, their_peak) = run_once(theirs(round)?, b"")?;
        if round > 0 {
            walls.push(our_wall.as_secs_f64() / their_wall.as_secs_f64());
            for (ratios, time) in bares.iter_mut().zip(bare_walls) {
                ratios.push(time.as_secs_f64() / their_wall.as_secs_f64());
            }
            peaks.push(our_peak / their_peak);
        }
    }
    Ok(Ratios { wall: median(walls), bare: bares.map(median), memory: median(peaks) })
}

/// Sends some requests that are not timed, a number that changes from round to round. The registry collects its garbage
/// after every few blobs, and with the same number of blobs in each round it would always be the same side that waits.
fn stagger(bare: &dyn Fn() -> [Answer<Duration>; 2], round: usize) -> Answer<()> {
    for _ in 0..round % 3 {
        let [chain, all] = bare();
        chain.and(all)?;
    }
    Ok(())
}

/// What one run of a command asks the registry for, in the order of its answers.
fn requests_of_one(registry: &Registry, command: Command) -> Answer<Vec<Access>> {
    let before = registry.accesses().len();
    run_once(command, b"")?;
    Ok(registry.accesses().into_iter().skip(before).collect())
}

/// The registry's own share: a program is executed, and these requests are answered one after the other over one socket.
/// Nothing is read from the answers but their ends.
///
/// For the tag, the manifest that it lists and the blob that this names, no client can be faster, because each is known
/// from the one before.
fn bare_socket(registry: &Registry, asked: &[Access]) -> Answer<Duration> {
    const ACCEPT: &str =
        "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";
    let (executed, _) = run_once(Command::new("/bin/true"), b"")?;
    let host = registry.host();
    let started = Instant::now();
    let mut socket = BufReader::new(TcpStream::connect(&host)?);
    socket.get_ref().set_nodelay(true)?;
    for Access { path, .. } in asked {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: {ACCEPT}\r\n\r\n");
        socket.get_mut().write_all(head.as_bytes())?;
        let (mut line, mut length) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            if socket.read_line(&mut line)? == 0 {
                return Err("the registry ended a connection".into());
            }
            if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = text.trim().parse()?;
            }
        }
        io::copy(&mut socket.by_ref().take(length), &mut io::sink())?;
    }
    Ok(executed + started.elapsed())
}

/// Runs a command that must succeed; its wall time and peak memory in bytes.
fn run_once(mut command: Command, input: &[u8]) -> Answer<(Duration, f64)> {
    let started = Instant::now();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read its input is not at fault.
        drop(stdin.write_all(input));
    }
    let ended = child.wait4()?;
    let wall = started.elapsed();
    if !ended.status.success() {
        return Err(format!("{command:?}: {}", ended.status).into());
    }
    #[expect(clippy::cast_precision_loss, reason = "bytes of memory are far below 2^52")]
    Ok((wall, ended.rusage.maxrss as f64))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Requests of a cold verdict by digest: referrers, its fallback tag, the legacy tag, the referrer and its blob.
fn requests(report: &mut Report, registry: &Registry, name: &str, public: &Path) -> Answer<()> {
    let client = Arc::new(Client::new(RegistrySettings::default())?);
    let engine = Engine::new(vec![ConfiguredSource::Registry(Arc::clone(&client))]);
    let key = PublicKey::from_pem(&std::fs::read_to_string(public)?).map_err(|error| format!("{error:?}"))?;
    let place = Place { hook: Hook::Cli, containerd_namespace: None, pod_namespace: None };
    let digest = registry.manifest("team/app-0", "v1")?.digest;
    let question = Question {
        reference: name.to_owned(),
        digest: Some(digest),
        media_type: None,
        place,
        platform: "linux/amd64".to_owned(),
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    let subject = engine.resolve(&question, wall_clock(), deadline).map_err(|failure| failure.detail)?;
    let verdict = engine.judge_subject(Believed::Key(&key), &subject, deadline, &mut Unrecorded);
    if verdict.decision != Decision::Allow {
        return Err(verdict.one_line(4096).into());
    }
    // Those that are sent before it is known that they are needed count like all others.
    let sent = u32::try_from(client.requests())?;
    report.line(
        "requests of a cold verdict by digest, registry without API",
        f64::from(sent),
        "requests",
        Some(5.0),
    );
    Ok(())
}

fn hook_and_agent(
    report: &mut Report,
    pullward: &Pullward,
    workspace: &Workspace,
    registry: &Registry,
    public: &Path,
    images: &[(String, String)],
) -> Answer<()> {
    let mut node = Node::new(pullward, workspace)?;
    node.trust(1, &policy_for(&registry.host(), public))?;
    node.set_up()?;
    node.start()?;
    let size = std::fs::metadata(pullward.verifier(workspace)?)?.len();
    #[expect(clippy::cast_precision_loss, reason = "a file size is far below 2^52")]
    report.line("pullward-verifier on disk", size as f64 / f64::from(1 << 20), "MiB", Some(2.0));

    // 200 verdicts of 200 digests at once, by 200 hooks, on an agent that has seen none of them.
    let started = Instant::now();
    let mut hooks = Vec::new();
    for (name, pinned) in images {
        let digest = pinned.split_once('@').map(|(_, digest)| digest).unwrap_or_default();
        let mut command = node.hook_command(name, digest);
        let input =
            workspace.write(format!("{}.json", digest.replace(':', "-")), manifest_descriptor(digest))?;
        command.stdin(File::open(input)?).stdout(Stdio::piped()).stderr(Stdio::null());
        hooks.push(command.spawn()?);
    }
    let mut refused = 0_u32;
    for hook in hooks {
        let output = hook.wait_with_output()?;
        if !output.status.success() {
            refused += 1;
            println!("  {}", String::from_utf8_lossy(&output.stdout).trim());
        }
    }
    println!("{CONCURRENT} verdicts at once took {} ms in all", started.elapsed().as_millis());
    report.line("200 concurrent verdicts of 200 digests, refused", f64::from(refused), "verdicts", Some(0.0));
    let resident = node.agent()?.resident_kib()?;
    let peak = node.agent()?.peak_resident_kib()?;
    #[expect(clippy::cast_precision_loss, reason = "KiB of memory are far below 2^52")]
    report.line("agent's resident memory after them", resident as f64 / 1024.0, "MiB", None);
    #[expect(clippy::cast_precision_loss, reason = "KiB of memory are far below 2^52")]
    report.line("agent's peak resident memory", peak as f64 / 1024.0, "MiB", Some(48.0));

    // Warm agent, evidence in the registry on loopback.
    let (name, pinned) = &images[0];
    let digest = pinned.split_once('@').map(|(_, digest)| digest).unwrap_or_default();
    let descriptor = manifest_descriptor(digest);
    let (mut hooks, mut trues, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
    store_evidence(&node, workspace, pinned)?;
    for _ in 0..HOOK_ROUNDS {
        let (wall, peak) = run_once(node.hook_command(name, digest), descriptor.as_bytes())?;
        hooks.push(wall.as_secs_f64());
        peaks.push(peak);
        trues.push(run_once(Command::new("/bin/true"), b"")?.0.as_secs_f64());
    }
    let surplus = (median(hooks) - median(trues)) * 1000.0;
    report.line("hook, exec to verdict, evidence in store, over /bin/true", surplus, "ms", Some(3.0));
    report.line("hook's peak memory", median(peaks) / f64::from(1 << 20), "MiB", Some(6.0));
    node.stop()?;
    Ok(())
}

/// An agent that has nothing to do but to watch a containerd with one image in it.
fn idle(report: &mut Report, peers: &Peers, pullward: &Pullward, host: &str, public: &Path) -> Answer<()> {
    let workspace = Workspace::new()?;
    let containerd = Containerd::start(peers, &workspace, Settings::new(ContainerdVersion::V2))?;
    let mut node = Node::new(pullward, &workspace)?;
    node.trust(1, &policy_for(host, public))?;
    node.configure(&format!("[containerd]\naddress = '{}'", containerd.socket().display()));
    node.start()?;
    containerd
        .ctr("k8s.io", &["image", "pull", "--plain-http", "--local", &format!("{host}/team/app-0:v1")])?;
    wait_until("the image is in the inventory", Duration::from_secs(30), || {
        node.status().is_ok_and(|status| status["inventory"]["allowed"] == 1)
    })?;
    #[expect(clippy::cast_precision_loss, reason = "KiB of memory are far below 2^52")]
    let resident = node.agent()?.resident_kib()? as f64 / 1024.0;
    report.line("agent's resident memory, idle, containerd watched", resident, "MiB", Some(16.0));
    node.stop()?;
    Ok(())
}

/// What containerd writes to the hook for an image of one manifest. The size is not looked at.
fn manifest_descriptor(digest: &str) -> String {
    descriptor("application/vnd.oci.image.manifest.v1+json", digest, 500)
}

/// Copies an image's evidence into the node's store, as an operator would.
fn store_evidence(node: &Node<'_>, workspace: &Workspace, pinned: &str) -> Answer<()> {
    let peers = Peers::find()?;
    pullward_tests::Oras::new(&peers, workspace).copy_to_layout(pinned, &node.join("evidence"), "v1")?;
    Ok(())
}

/// One P-256 verification against ring's, on the same key, message and signature.
fn arithmetic(report: &mut Report, peers: &Peers, workspace: &Workspace) -> Answer<()> {
    let cosign = Cosign::new(peers, workspace, CosignVersion::Two)?;
    let key = cosign.generate_key_pair("arithmetic")?;
    let message = workspace.write("message", "a message to be signed")?;
    let signature = base64(&cosign.sign_blob(&key, &message)?)?;
    let message = std::fs::read(message)?;
    let public =
        PublicKey::from_pem(&std::fs::read_to_string(&key.public)?).map_err(|error| format!("{error:?}"))?;
    let mut der = [0_u8; 128];
    let pem = std::fs::read_to_string(&key.public)?;
    let length =
        pullward_core::encoding::pem(&pem, "PUBLIC KEY", &mut der).map_err(|error| format!("{error:?}"))?;
    // The last 65 bytes of a P-256 SPKI are the point.
    let point = der.get(length - 65..length).ok_or("a key of another kind")?;
    let theirs = ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_ASN1, point);
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..401 {
        let started = Instant::now();
        black_box(public.verify(SignedFormat::Bundle, &Message::new(black_box(&message)), &signature))
            .map_err(|_| "our verification failed")?;
        our_times.push(started.elapsed().as_secs_f64());
        let started = Instant::now();
        black_box(theirs.verify(black_box(&message), &signature))
            .map_err(|_| "ring's verification failed")?;
        their_times.push(started.elapsed().as_secs_f64());
    }
    report.line("one P-256 check : ring's", median(our_times) / median(their_times), "ratio", None);
    Ok(())
}

fn base64(text: &str) -> Answer<Vec<u8>> {
    let mut out = vec![0; text.len()];
    let alphabet = pullward_core::encoding::Alphabet::Standard;
    let length = pullward_core::encoding::base64(text.bytes(), alphabet, &mut out)
        .map_err(|error| format!("{error:?}"))?;
    out.truncate(length);
    Ok(out)
}

/// Opening a question against 10, 200 and 1,000 rules, on the same host and spread over hosts, as ratios to 10.
fn rule_lookup(report: &mut Report) -> Answer<()> {
    for (spread, label) in [(false, "all for one host"), (true, "each for a host of its own")] {
        let mut base = None;
        for rules in [10_usize, 200, 1000] {
            let payload = payload_of(rules, spread);
            let mut index = Box::new(TrustIndex::new());
            index.read(payload.as_bytes()).map_err(|error| format!("{error:?}"))?;
            let bundle = TrustBundle::new(payload.as_bytes(), &index);
            let host = if spread { format!("host-{}.example", rules - 1) } else { "host.example".to_owned() };
            let reference = Reference::parse(&format!("{host}/team-{}/app:v1", rules - 1))?;
            let question = CoreQuestion {
                reference: Some(&reference),
                digest: Digest::of(b"an image"),
                time: UnixTime(1_800_000_000),
                pod_namespace: None,
                platform: "linux/amd64",
                allowed_at: None,
            };
            let mut times = Vec::new();
            for _ in 0..101 {
                let started = Instant::now();
                let judge = black_box(Judge::open(Trust::Bundle(bundle), black_box(&question)));
                times.push(started.elapsed().as_secs_f64());
                // The last rule decides, and it asks for evidence.
                if judge.decide().rule.is_none() {
                    return Err("no rule was found".into());
                }
            }
            let time = median(times);
            let ratio = time / *base.get_or_insert(time);
            report.line(&format!("last of {rules} rules, {label} : last of 10"), ratio, "ratio", None);
        }
    }
    Ok(())
}

/// The payload of a trust bundle with so many rules of four patterns each.
fn payload_of(rules: usize, spread: bool) -> String {
    // A P-256 key of nobody: the generator of the curve (FIPS 186-5).
    let key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==";
    let rules: Vec<String> = (0..rules)
        .map(|number| {
            let host = if spread { format!("host-{number}.example") } else { "host.example".to_owned() };
            let patterns: Vec<String> =
                (0..4).map(|part| format!("\"{host}/team-{number}/part-{part}/**\"")).collect();
            format!(
                "{{\"name\":\"rule-{number}\",\"match\":[{},\"{host}/team-{number}/*\"],\"digests\":null,\
                 \"namespaces\":[],\"mode\":\"enforce\",\"index\":\"exact\",\"signed_by\":[\"a\"],\"at_least\":1,\
                 \"attestations\":[],\"contact\":\"\"}}",
                patterns.join(",")
            )
        })
        .collect();
    format!(
        "{{\"schema\":1,\"min_engine\":1,\"audience\":\"default\",\"version\":1,\"issued\":\"2026-01-01T00:00:00Z\",\
         \"expires\":\"2036-01-01T00:00:00Z\",\"after_expiry\":\"deny-new\",\"override\":null,\"authorities\":[{{\
         \"name\":\"a\",\"kind\":\"key\",\"keys\":[{{\"type\":\"p256\",\"spki\":\"{key}\",\"valid_from\":null,\
         \"valid_until\":null,\"retired\":false}}]}}],\"trusted_roots\":[],\"rules\":[{}],\"digest_lists\":[],\
         \"revoked\":{{\"digests\":\"\",\"digest_reasons\":[],\"evidence\":\"\",\"keys\":[],\"authorities\":[],\
         \"identities\":[],\"serials\":[]}},\"parts\":[]}}",
        rules.join(",")
    )
}
