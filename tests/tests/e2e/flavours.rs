//! Each flavour as it writes its configuration: what is refused on it, what is not, and that doctor says so.
//!
//! containerd is real, its configuration is laid out as the flavour does, below a folder of the test's. Templates are written
//! in our words, with the settings of theirs that matter here.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use pullward_tests::{Containerd, ContainerdVersion, Error, Settings, ran};
use serde_json::Value;

use crate::stage::{Ground, Outcome, Scene, refused};

/// What a node of a flavour does with an unsigned image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unsigned {
    Refused,
    Pulled,
}

struct Laid {
    flavour: &'static str,
    version: ContainerdVersion,
    /// What an installation of it leaves, so that it is recognised.
    marks: &'static [(&'static str, &'static str)],
    /// Settings of its own configuration.
    main: String,
    /// The folder that its main configuration imports from; none where our lines go into its own template.
    imports: Option<&'static str>,
}

impl Laid {
    fn new(flavour: &'static str, imports: Option<&'static str>, main: &str) -> Self {
        Self { flavour, version: ContainerdVersion::V2, marks: &[], main: main.to_owned(), imports }
    }

    fn marked(self, marks: &'static [(&'static str, &'static str)]) -> Self {
        Self { marks, ..self }
    }
}

const IMAGES: &str = "[plugins.'io.containerd.cri.v1.images']\n";

/// Sets a node up as `setup` says for the flavour, and tries. Gives doctor's codes of what is open.
fn try_out(ground: &Ground, laid: &Laid, unsigned: Unsigned) -> Result<BTreeSet<String>, Error> {
    let ground = ground.again()?;
    let mut scene = Scene::set(&ground)?;
    let image = ground.push(&scene.registry, "unsigned")?;
    let host = ground.workspace.folder("host")?;
    ground.workspace.folder("host/proc")?;
    for (path, content) in laid.marks {
        let path = host.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let folder: PathBuf = host.join(laid.imports.unwrap_or("etc/pullward").trim_start_matches('/'));
    fs::create_dir_all(&folder).unwrap();
    let drop_in = folder.join("10-pullward.toml");
    let verifier = ground.pullward.verifier(&ground.workspace)?.display().to_string();
    let config = scene.node.config()?;
    let (bin, root) = (scene.node.path("verifiers"), host.display().to_string());
    let words = [
        "setup",
        "containerd",
        "--config",
        &config,
        "--verifier",
        &verifier,
        "--bin-dir",
        &bin,
        "--root",
        &root,
        "--write",
        &drop_in.display().to_string(),
    ];
    let told = ground.pullward.run(&ground.workspace, &words)?;
    assert_eq!(told.code, 0, "{}", told.all());
    // It knows where it is, and where that flavour wants the file.
    assert!(told.err.contains(&format!("flavour: {}\n", laid.flavour)), "{}", told.all());
    if let Some(folder) = laid.imports {
        assert!(told.err.contains(&format!("--write {folder}/10-pullward.toml")), "{}", told.all());
    }
    let pause = scene.registry.reference("team/pause:1");
    let main = laid.main.replace("{host}", &scene.registry.host());
    let mut settings = Settings::new(laid.version).extra(&main);
    settings = match (laid.version, laid.imports) {
        (ContainerdVersion::V2, Some(_)) => settings.import(&folder.join("*.toml")),
        (ContainerdVersion::V2, None) => settings.extra(&fs::read_to_string(&drop_in).unwrap()),
        // The lines are of version 3 where setup could not see an old containerd; there they would not load.
        _ => settings.verifiers(&scene.node.join("verifiers")),
    };
    if laid.version == ContainerdVersion::V2 {
        settings = settings
            .extra(&format!("[plugins.'io.containerd.cri.v1.images'.pinned_images]\nsandbox = '{pause}'"));
    } else {
        settings =
            settings.extra(&format!("[plugins.'io.containerd.grpc.v1.cri']\nsandbox_image = '{pause}'"));
    }
    let containerd = Containerd::start(&ground.peers, &ground.workspace, settings)?;
    scene.node.configure(&format!("[containerd]\naddress = '{}'", containerd.socket().display()));
    scene.node.start()?;

    let cri = containerd.cri()?;
    cri.pull(&scene.tag())?;
    match unsigned {
        Unsigned::Refused => drop(refused(cri.pull(&image), "unsigned")),
        Unsigned::Pulled => drop(cri.pull(&image)?),
    }
    let config = scene.node.path("config.toml");
    let words = ["doctor", "--config", &config, "--root", &root, "-o", "json"];
    let ran = ground.pullward.run(&ground.workspace, &words)?;
    let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.all()));
    assert_eq!(report["flavour"], laid.flavour);
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.iter().all(|finding| finding["severity"] != "undecided"), "{report:#}");
    let open = findings.iter().filter(|finding| finding["severity"] == "open");
    let open: BTreeSet<String> = open.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ran.code, i32::from(!open.is_empty()), "{report:#}");
    assert_eq!(
        open.contains("local-pull") || open.contains("verifier-unsupported"),
        unsigned == Unsigned::Pulled
    );
    Ok(open)
}

fn set(codes: &[&str]) -> BTreeSet<String> {
    codes.iter().map(|&code| code.to_owned()).collect()
}

/// Flavours on which the hook sees every pull once `setup` has done its part.
#[test]
fn what_setup_writes_enforces_pulls_on_flavours_that_import_it() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::flavours-import")? else { return Ok(()) };
    let local = format!("{IMAGES}use_local_image_pull = true\ndisable_snapshot_annotations = true\n");
    let cases = [
        Laid::new("debian", Some("/etc/containerd/conf.d"), ""),
        Laid::new("kubeadm", Some("/etc/containerd/conf.d"), "")
            .marked(&[("etc/kubernetes/kubelet.conf", "")]),
        // Their templates pull locally; the drop-in overrules that.
        Laid::new("k3s", Some("/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.d"), &local)
            .marked(&[("var/lib/rancher/k3s/server/token", "")]),
        Laid::new("rke2", Some("/var/lib/rancher/rke2/agent/etc/containerd/config-v3.toml.d"), &local)
            .marked(&[("var/lib/rancher/rke2/server/token", "")]),
        Laid::new("k0s", Some("/etc/k0s/containerd.d"), "").marked(&[("etc/k0s/k0s.yaml", "")]),
    ];
    for laid in cases {
        assert_eq!(try_out(&ground, &laid, Unsigned::Refused)?, set(&[]), "{}", laid.flavour);
    }
    ran("e2e::flavours-import")
}

/// k3s and RKE2 turn the credentials of registries.yaml into `registry.configs`: CRI then pulls round the hook, and no
/// import can take that away.
#[test]
fn registry_credentials_of_k3s_open_the_way_around() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::flavours-k3s")? else { return Ok(()) };
    let credentials = format!(
        "{IMAGES}use_local_image_pull = true\nregistry.configs.'registry.example'.auth = {{ username = 'u', password = 'p' }}\n"
    );
    for (flavour, folder, marks) in [
        (
            "k3s",
            "/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.d",
            &[("etc/rancher/k3s/registries.yaml", "")],
        ),
        (
            "rke2",
            "/var/lib/rancher/rke2/agent/etc/containerd/config-v3.toml.d",
            &[("etc/rancher/rke2/registries.yaml", "")],
        ),
    ] {
        let laid = Laid::new(flavour, Some(folder), &credentials).marked(marks);
        assert_eq!(try_out(&ground, &laid, Unsigned::Pulled)?, set(&["local-pull"]));
    }
    // Archives that k3s imports at its start, and its kubelet, which goes to its own containerd.
    let laid = Laid::new("k3s", Some("/var/lib/rancher/k3s/agent/etc/containerd/config-v3.toml.d"), "")
        .marked(&[
            ("var/lib/rancher/k3s/agent/images/airgap.tar.zst", ""),
            ("proc/12/cmdline", "/usr/local/bin/k3s\0server\0"),
        ]);
    assert_eq!(try_out(&ground, &laid, Unsigned::Refused)?, set(&["kubelet-direct", "preload"]));
    ran("e2e::flavours-k3s")
}

/// Flavours whose configuration is put together by something else: our lines are in it, and one of theirs may be too.
#[test]
fn flavours_that_write_their_own_configuration_enforce_as_far_as_it_lets_them() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::flavours-own")? else { return Ok(()) };
    let amazon: &[(&str, &str)] = &[("etc/os-release", "ID=\"amzn\"\n"), ("etc/eks/release", "")];
    let discard = format!("{IMAGES}discard_unpacked_layers = true\n");
    // NodeConfig's own lines are laid over nodeadm's, so the drop-in's values count.
    let laid = Laid::new("eks-al2023", None, &discard).marked(amazon);
    assert_eq!(try_out(&ground, &laid, Unsigned::Refused)?, set(&[]));
    // With the hook alone, as an image of before would have it, nodeadm's line opens the way.
    let late = format!("{discard}[plugins.'io.containerd.image-verifier.v1.bindir']\nmax_verifiers = 10\n");
    assert_eq!(plain(&ground, &late)?, (Unsigned::Pulled, set(&["local-pull"])));

    let talos: &[(&str, &str)] = &[("etc/os-release", "NAME=\"Talos\"\nID=talos\n")];
    let laid = Laid::new("talos", None, &discard).marked(talos);
    assert_eq!(try_out(&ground, &laid, Unsigned::Refused)?, set(&[]));
    let bottlerocket: &[(&str, &str)] = &[("etc/os-release", "ID=bottlerocket\n")];
    let laid = Laid::new("bottlerocket", None, &format!("{IMAGES}use_local_image_pull = false\n"))
        .marked(bottlerocket);
    assert_eq!(try_out(&ground, &laid, Unsigned::Refused)?, set(&[]));

    let laid = Laid::new("microk8s", None, "").marked(&[("var/snap/microk8s/current/args/x", "")]);
    let laid = Laid { version: ContainerdVersion::V1_7, ..laid };
    assert_eq!(try_out(&ground, &laid, Unsigned::Pulled)?, set(&["verifier-unsupported"]));
    ran("e2e::flavours-own")
}

/// A containerd with the hook, configured without our drop-in.
fn plain(ground: &Ground, main: &str) -> Result<(Unsigned, BTreeSet<String>), Error> {
    let ground = ground.again()?;
    let mut scene = Scene::set(&ground)?;
    let image = ground.push(&scene.registry, "unsigned")?;
    let (folder, _) = scene.node.set_up()?;
    let settings = Settings::new(ContainerdVersion::V2).verifiers(&folder).extra(main);
    let containerd = Containerd::start(&ground.peers, &ground.workspace, settings)?;
    scene.node.configure(&format!("[containerd]\naddress = '{}'", containerd.socket().display()));
    scene.node.start()?;
    let pulled = if containerd.cri()?.pull(&image).is_ok() { Unsigned::Pulled } else { Unsigned::Refused };
    let (config, root) = (scene.node.path("config.toml"), ground.workspace.folder("host")?);
    ground.workspace.folder("host/proc")?;
    let words = ["doctor", "--config", &config, "--root", &root.display().to_string(), "-o", "json"];
    let ran = ground.pullward.run(&ground.workspace, &words)?;
    let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.all()));
    let findings = report["findings"].as_array().unwrap();
    let open = findings.iter().filter(|finding| finding["severity"] == "open");
    Ok((pulled, open.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()))
}

/// Correction for emergencies: the hook goes away without the agent, and only what is ours does.
#[test]
fn setup_is_undone_without_agent_and_configuration() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::undo")? else { return Ok(()) };
    let mut scene = Scene::set(&ground)?;
    let (folder, drop_in) = scene.node.set_up()?;
    let settings = Settings::new(ContainerdVersion::V2);
    let mut containerd = Containerd::start(
        &ground.peers,
        &ground.workspace,
        settings.import(&drop_in.parent().unwrap().join("1*.toml")),
    )?;
    scene.node.stop()?;
    refused(containerd.cri()?.pull(&scene.tag()), "agent-unreachable");
    let (bin, file) = (folder.display().to_string(), drop_in.display().to_string());
    let words = [
        "setup",
        "containerd",
        "--config",
        "/nonexistent/config.toml",
        "--bin-dir",
        &bin,
        "--write",
        &file,
        "--undo",
    ];
    let kept = fs::read(&drop_in).unwrap();
    // Somebody else's drop-in stays, and so does the hook.
    fs::write(&drop_in, "# mine\n").unwrap();
    let foreign = ground.pullward.run(&ground.workspace, &words)?;
    assert_eq!(foreign.code, 2, "{}", foreign.all());
    assert!(drop_in.exists() && folder.join("00-pullward-verifier").exists());
    fs::write(&drop_in, kept).unwrap();
    let undone = ground.pullward.run(&ground.workspace, &words)?;
    assert_eq!(undone.code, 0, "{}", undone.all());
    assert!(undone.err.contains("without being judged"), "{}", undone.all());
    assert!(!drop_in.exists() && !folder.join("00-pullward-verifier").exists());
    assert_eq!(ground.pullward.run(&ground.workspace, &words)?.code, 0, "again");
    containerd.restart()?;
    containerd.cri()?.pull(&scene.tag())?;
    ran("e2e::undo")
}
