//! The network cable out: every form of a keyless signature and every forgery of it, put to `pullward verify` in a network
//! namespace in which not even loopback is up, from a layout on disk; and to an agent and its hook in such a namespace,
//! from the node's store. Each record, replayed, says the same.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a step that fails fails its test")]

use std::collections::BTreeMap;
use std::process::Command;

use pullward_core::oci::Digest;
use pullward_tests::mint::attestation as attested;
use pullward_tests::sigstore::{
    Case, Cell, EntryKind, Form, Honesty, KeylessForge, Sent, Shape, Shown, Sigstore, TimeSource,
    write_layout,
};
use pullward_tests::{Error, Node, Pullward, Workspace, descriptor};
use serde_json::Value;

/// As what the image is judged.
const NAME: &str = "registry.example/team/app:v1";
/// What a legacy attestation says.
const CHECKED: &str = "https://predicates.virtual/checked/v1";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// One shape of each form that can be about an image: with all that the form has a place for.
fn shapes() -> Vec<Shape> {
    let mut shapes: Vec<Shape> = Vec::new();
    for shape in Shape::all() {
        let whole = match shape.form {
            Form::Message(_) => false,
            Form::Attestation => shape.shown == Shown::Promise,
            Form::Signature => shape.time == TimeSource::Both,
            Form::Envelope(_) => shape.shown == Shown::Both && shape.time == TimeSource::Both,
        };
        if whole && !shapes.iter().any(|known| known.form == shape.form) {
            shapes.push(shape);
        }
    }
    shapes
}

/// Trust bundles, one for each trusted root and identity.
struct Nodes {
    workspace: Workspace,
    pullward: Pullward,
    trusts: BTreeMap<String, String>,
}

impl Nodes {
    fn new() -> Self {
        let (workspace, pullward) = (Workspace::new().unwrap(), Pullward::built().unwrap());
        pullward.succeed(&workspace, &["trust", "keygen", "--out", "root", "--no-passphrase"]).unwrap();
        Self { workspace, pullward, trusts: BTreeMap::new() }
    }

    /// The bundle for a case; `Err` where its root is one that cannot be built into any.
    fn trust(&mut self, case: &Case) -> Result<String, Error> {
        let policy = policy(case);
        let key = format!("{policy}\n{}", case.root);
        if let Some(known) = self.trusts.get(&key) {
            return Ok(known.clone());
        }
        let file = format!("trust-{}.json", self.trusts.len());
        self.workspace.write("virtual.json", &case.root)?;
        self.workspace.write("policy.toml", policy)?;
        let arguments = [
            "trust",
            "build",
            "policy.toml",
            "--version",
            "1",
            "--expires",
            "90d",
            "--key",
            "root.key",
            "-o",
            &file,
        ];
        self.pullward.succeed(&self.workspace, &arguments)?;
        self.trusts.insert(key, file.clone());
        Ok(file)
    }

    /// The verdict on all of them, in a namespace of its own; and that of its record.
    fn verdict(&mut self, cases: &[&Case]) -> Result<(i32, String), Error> {
        let trust = self.trust(cases[0])?;
        let folder = self.workspace.join("layout");
        let digest = write_layout(&folder, cases)?;
        let record = self.workspace.join("record.json");
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net"]).arg(self.pullward.program());
        command.args(["verify", &format!("oci:layout@{digest}"), "--as", NAME]);
        command.args(["--trust", &trust, "--root", "root.pub", "-o", "json", "--record", "record.json"]);
        let output = command.current_dir(self.workspace.path()).output().unwrap();
        let said = |output: &[u8]| serde_json::from_slice::<Value>(output).ok();
        let Some(verdict) = said(&output.stdout) else {
            panic!("no verdict: {}", String::from_utf8_lossy(&output.stderr))
        };
        let again = self.pullward.run(&self.workspace, &["replay", "record.json", "-o", "json"])?;
        let answer = |verdict: &Value| {
            format!("{} {} {}", verdict["decision"], verdict["reason"], verdict["evidence"])
        };
        assert_eq!(
            said(again.out.as_bytes()).map(|again| answer(&again)),
            Some(answer(&verdict)),
            "{}",
            again.all()
        );
        for path in [folder, record] {
            let removed =
                if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            removed.unwrap();
        }
        Ok((output.status.code().unwrap(), format!("{} {}", verdict["reason"], verdict["message"])))
    }
}

/// A cell about an image. A legacy attestation is asked for beside an honest signature: it is none itself.
fn mint(cell: &Cell, sigstore: &Sigstore, stranger: &Sigstore) -> Vec<Case> {
    let mut forge = KeylessForge::new(sigstore, stranger, cell.shape, "app");
    let attestation = cell.shape.form == Form::Attestation;
    if attestation {
        forge.content = attested(&Digest::of(&forge.artifact), CHECKED, "{}").into_bytes();
    }
    if let Some(step) = cell.step {
        (step.step)(&mut forge);
    }
    let mut cases = vec![forge.mint()];
    if attestation {
        let signature = Shape { form: Form::Signature, kind: Some(EntryKind::HashedRekord1), ..cell.shape };
        let mut beside = KeylessForge::new(sigstore, stranger, signature, "app");
        // Both by whoever the variation says.
        if let (Some(step), Honesty::Honest) = (cell.step, cell.honest) {
            (step.step)(&mut beside);
        }
        cases.push(beside.mint());
    }
    cases
}

fn policy(case: &Case) -> String {
    let attested = if matches!(case.sent, Sent::Attestation { .. }) {
        format!("[[rule.attestation]]\ntype = \"{CHECKED}\"\nsigned_by = [\"team\"]\n")
    } else {
        String::new()
    };
    format!(
        "schema = 1\n[[authority]]\nname = \"team\"\n[authority.keyless]\ntrusted_root = \"virtual.json\"\n\
         [[authority.keyless.identity]]\nissuer = \"{}\"\nsubject = \"{}\"\n\
         [[rule]]\nname = \"app\"\nmatch = [\"registry.example/team/**\"]\nsigned_by = [\"team\"]\n{attested}",
        case.identity.issuer, case.identity.subject
    )
}

#[test]
fn t02_t17_every_form_and_every_forgery_is_judged_without_a_network() {
    let (sigstore, stranger) = (Sigstore::new("virtual"), Sigstore::new("stranger"));
    let mut nodes = Nodes::new();
    let shapes = shapes();
    assert_eq!(shapes.len(), 5, "v0.1, v0.2, v0.3, .sig and .att");
    let (mut accepted, mut refused, mut no_root) = (0, 0, 0);
    let mut wrong = Vec::new();
    for cell in Cell::all() {
        if !shapes.contains(&cell.shape) {
            continue;
        }
        let name = format!("{} in {:?}", cell.step.map_or("nothing", |step| step.name), cell.shape.form);
        let cases = mint(&cell, &sigstore, &stranger);
        match (cell.honest, nodes.verdict(&cases.iter().collect::<Vec<_>>())) {
            (Honesty::Honest, Ok((0, _))) => accepted += 1,
            (Honesty::Forged, Ok((1 | 2, _))) => refused += 1,
            // A root that nobody can believe is refused before it gets to a node.
            (Honesty::Forged, Err(Error::Failed { .. })) => no_root += 1,
            (_, said) => wrong.push(format!("{name}: {said:?}")),
        }
    }
    println!(
        "without a network: {accepted} honest accepted, {refused} forged refused, {no_root} roots not built, {} wrong",
        wrong.len()
    );
    assert_eq!(wrong, Vec::<String>::new());
    assert!(accepted >= shapes.len() && refused > 200, "{accepted} {refused}");
}

/// The agent and the hook, each in a namespace of its own: sockets in the file system are all that they share.
#[test]
fn an_agent_that_is_cut_off_answers_from_its_store() -> Result<(), Error> {
    let (sigstore, stranger) = (Sigstore::new("virtual"), Sigstore::new("stranger"));
    let pullward = Pullward::built()?;
    for shape in shapes() {
        let honest = Cell { shape, step: None, honest: Honesty::Honest };
        let forged =
            Cell::all().into_iter().filter(|cell| cell.shape == shape && cell.honest == Honesty::Forged);
        // One of each part of a signature: the leaf, what is signed, the entry, the time.
        let forged: Vec<Cell> = forged.step_by(17).collect();
        assert!(forged.len() >= 2);
        for cell in core::iter::once(honest).chain(forged) {
            let cases = mint(&cell, &sigstore, &stranger);
            let case = &cases[0];
            let workspace = Workspace::new()?;
            let mut node = Node::new(&pullward, &workspace)?;
            node.write("virtual.json", &case.root)?;
            let built = node.trust(1, &policy(case));
            if cell.honest == Honesty::Forged && built.is_err() {
                continue;
            }
            built?;
            node.cut_off();
            node.configure("offline = true");
            let digest = write_layout(&node.join("evidence"), &cases.iter().collect::<Vec<_>>())?.to_string();
            node.start()?;
            node.set_up()?;
            let descriptor = descriptor(MANIFEST, &digest, case.artifact.len());
            let answer = node.hook(NAME, &digest, &descriptor)?;
            let expected = if cell.honest == Honesty::Honest { [0].as_slice() } else { &[1, 2] };
            let name = cell.step.map_or("nothing", |step| step.name);
            assert!(expected.contains(&answer.code), "{name} in {shape:?}: {}", answer.all());
        }
    }
    Ok(())
}
