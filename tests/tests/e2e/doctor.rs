//! `pullward doctor` is proven by opening each way around on a real node: exactly this way is found, and none on a clean one.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pullward_tests::{Containerd, ContainerdVersion, Error, Image, Settings, policy_for, ran, wait_until};
use serde_json::Value;

use crate::stage::{Ground, Outcome, Scene, refused};

/// A node whose own places are below `host/`, with a containerd that is set up as it should be.
struct Ward<'a> {
    ground: &'a Ground,
    scene: Scene<'a>,
    containerd: Containerd,
    host: PathBuf,
}

impl<'a> Ward<'a> {
    fn clean(ground: &'a Ground) -> Result<Self, Error> {
        Self::with(ground, Settings::new(ContainerdVersion::V2))
    }

    fn with(ground: &'a Ground, settings: Settings) -> Result<Self, Error> {
        let mut scene = Scene::set(ground)?;
        let (_, drop_in) = scene.node.set_up()?;
        let settings = settings.import(&drop_in).extra(&pause(&scene.registry.reference("team/pause:1")));
        let containerd = Containerd::start(&ground.peers, &ground.workspace, settings)?;
        scene.node.configure(&format!(
            "[containerd]\naddress = '{}'\n[cri]\nsocket = '{}'",
            containerd.socket().display(),
            scene.node.path("run/cri.sock"),
        ));
        scene.node.start()?;
        let host = ground.workspace.folder("host")?;
        ground.workspace.folder("host/proc")?;
        Ok(Self { ground, scene, containerd, host })
    }

    /// Writes one of the system's own files.
    fn put(&self, path: &str, content: &str) -> PathBuf {
        let path = self.host.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn doctor(&self, flags: &[&str]) -> Result<(i32, Value), Error> {
        let (config, root) = (self.scene.node.path("config.toml"), self.host.display().to_string());
        let mut words = vec!["doctor", "--config", &config, "--root", &root, "-o", "json"];
        words.extend(flags);
        let ran = self.ground.pullward.run(&self.ground.workspace, &words)?;
        let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.all()));
        assert_eq!(report["exit"], ran.code, "{}", ran.all());
        Ok((ran.code, report))
    }

    /// The codes of what is not fine, and the exit code.
    fn found(&self, flags: &[&str]) -> Result<(i32, BTreeSet<String>), Error> {
        let (code, report) = self.doctor(flags)?;
        Ok((code, codes(&report)))
    }

    #[track_caller]
    fn finds(&self, exit: i32, codes: &[&str]) -> Outcome {
        self.finds_with(&[], exit, codes)
    }

    #[track_caller]
    fn finds_with(&self, flags: &[&str], exit: i32, wanted: &[&str]) -> Outcome {
        let (code, report) = self.doctor(flags)?;
        let wanted: BTreeSet<String> = wanted.iter().map(|&code| code.to_owned()).collect();
        assert_eq!((code, codes(&report)), (exit, wanted), "{report:#}");
        Ok(())
    }

    fn restart(&mut self) -> Outcome {
        self.containerd.restart()
    }

    fn hook_file(&self) -> PathBuf {
        self.scene.node.join("verifiers/00-pullward-verifier")
    }
}

fn codes(report: &Value) -> BTreeSet<String> {
    let findings = report["findings"].as_array().unwrap();
    let bad = findings.iter().filter(|finding| finding["severity"] != "fine");
    bad.map(|finding| {
        // Whatever is not fine says why it matters and what to do.
        assert_ne!(finding["why"], "", "{finding}");
        assert_ne!(finding["remedy"], "", "{finding}");
        finding["code"].as_str().unwrap().to_owned()
    })
    // Most of these nodes do without; the probe has tests of its own.
    .filter(|code| code != "probe-off")
    .collect()
}

fn pause(image: &str) -> String {
    format!("[plugins.'io.containerd.cri.v1.images'.pinned_images]\nsandbox = '{image}'\n")
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Nothing is open, and everything was looked at.
#[test]
fn a_clean_node_has_no_finding_and_says_what_it_looked_at() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::doctor-clean")? else { return Ok(()) };
    let mut ward = Ward::clean(&ground)?;
    ward.containerd.cri()?.pull(&ward.scene.tag())?;
    ward.finds(0, &[])?;
    assert!(ward.doctor(&[])?.1.to_string().contains("probe-off"));
    let address = ward.containerd.socket().display().to_string();
    ward.scene.node.configure(&format!("[containerd]\naddress = '{address}'\n[probe]\ninterval = '1h'"));
    ward.scene.node.start()?;
    wait_until("a proof", Duration::from_secs(60), || {
        ward.scene.node.status().is_ok_and(|status| status["probe"]["outcome"] == "proven")
    })?;
    let (exit, report) = ward.doctor(&[])?;
    assert_eq!(exit, 0, "{report:#}");
    assert!(!report.to_string().contains("probe-"), "{report:#}");
    assert_eq!(report["schema"], "pullward/doctor/v1");
    assert_eq!(report["flavour"], "debian");
    let looked: Vec<&str> =
        report["findings"].as_array().unwrap().iter().map(|row| row["code"].as_str().unwrap()).collect();
    for area in
        ["agent", "containerd", "containerd-configuration", "hook", "kubelet", "trust", "receipts", "sockets"]
    {
        assert!(looked.contains(&area), "{area}: {looked:?}");
    }
    // Run again it is the same, byte for byte.
    assert_eq!(ward.doctor(&[])?.1, report);
    ran("e2e::doctor-clean")
}

/// T-113: each of the settings really lets an unsigned image in, whatever the dump prints, and each is named with its file.
#[test]
fn each_setting_with_which_cri_pulls_round_the_hook_is_open_and_is_found() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::doctor-T-113")? else { return Ok(()) };
    let mut ward = Ward::clean(&ground)?;
    let unsigned = ground.push(&ward.scene.registry, "unsigned")?;
    let clean = ward.containerd.settings().clone();
    refused(ward.containerd.cri()?.pull(&unsigned), "unsigned");
    let host = ward.scene.registry.host();
    for (setting, key) in [
        ("use_local_image_pull = true".to_owned(), "use_local_image_pull"),
        ("discard_unpacked_layers = true".to_owned(), "discard_unpacked_layers"),
        ("disable_snapshot_annotations = false".to_owned(), "disable_snapshot_annotations"),
        ("max_concurrent_downloads = 5".to_owned(), "max_concurrent_downloads"),
        ("image_pull_with_sync_fs = true".to_owned(), "image_pull_with_sync_fs"),
        (
            format!("registry.configs.'{host}'.auth = {{ username = 'u', password = 'p' }}"),
            "registry.configs",
        ),
        (format!("registry.auths.'http://{host}' = {{ username = 'u', password = 'p' }}"), "registry.auths"),
        (
            format!("registry.config_path = ''\nregistry.mirrors.'{host}'.endpoint = ['http://{host}']"),
            "registry.mirrors",
        ),
    ] {
        let text = format!("[plugins.'io.containerd.cri.v1.images']\n{setting}\n");
        let late = ward.put("99-late.toml", &format!("version = 3\n{text}"));
        if !key.starts_with("registry") {
            // In the main file our drop-in overrules it.
            *ward.containerd.settings() = clean.clone().extra(&text);
            ward.restart()?;
            refused(ward.containerd.cri()?.pull(&unsigned), "unsigned");
            ward.finds(0, &[])?;
        }
        *ward.containerd.settings() = clean.clone().import(&late);
        ward.restart()?;
        let cri = ward.containerd.cri()?;
        cri.pull(&unsigned)?;
        cri.remove(&unsigned)?;
        let (exit, report) = ward.doctor(&[])?;
        let open: Vec<&Value> =
            report["findings"].as_array().unwrap().iter().filter(|row| row["severity"] == "open").collect();
        let local: Vec<&&Value> = open.iter().filter(|row| row["code"] == "local-pull").collect();
        assert_eq!((exit, local.len()), (1, 1), "{setting}: {report:#}");
        assert_eq!(local[0]["change"]["key"], key);
        assert_eq!(local[0]["change"]["file"], late.display().to_string());
    }
    *ward.containerd.settings() = clean;
    ward.restart()?;
    ward.finds(0, &[])?;
    ran("e2e::doctor-T-113")
}

/// T-110, T-111, T-75: whatever the folder holds instead of our hook.
#[test]
fn a_folder_without_our_hook_is_never_fine() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::doctor-folder")? else { return Ok(()) };
    let ward = Ward::clean(&ground)?;
    let unsigned = ground.push(&ward.scene.registry, "unsigned")?;
    let (folder, file) = (ward.scene.node.join("verifiers"), ward.hook_file());
    let hook = fs::read_to_string(&file).unwrap();
    let again = || {
        fs::create_dir_all(&folder).unwrap();
        mode(&folder, 0o755);
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
        fs::write(&file, &hook).unwrap();
        mode(&file, 0o755);
    };

    fs::remove_file(&file).unwrap();
    ward.finds(1, &["verifier-absent"])?;
    // Emptied, containerd asks nobody.
    ward.containerd.cri()?.pull(&unsigned)?;
    ward.containerd.cri()?.remove(&unsigned)?;
    fs::remove_dir(&folder).unwrap();
    ward.finds(1, &["verifier-folder"])?;
    again();
    ward.finds(0, &[])?;

    mode(&folder, 0o777);
    ward.finds(1, &["verifier-folder"])?;
    again();
    fs::remove_file(&file).unwrap();
    fs::create_dir(folder.join("sub")).unwrap();
    ward.finds(1, &["pulls-refused", "verifier-absent"])?;
    again();
    fs::remove_file(&file).unwrap();
    symlink("/nonexistent/verifier", &file).unwrap();
    ward.finds(1, &["verifier-foreign"])?;
    again();
    mode(&file, 0o777);
    ward.finds(1, &["verifier-foreign"])?;
    again();
    std::os::unix::fs::chown(&file, Some(1234), None).unwrap();
    ward.finds(1, &["verifier-foreign"])?;
    again();
    for foreign in [
        "#!/bin/true\n".to_owned(),
        String::new(),
        hook.replace("verifier.sock", "other.sock"),
        format!("{hook}exit 0\n"),
    ] {
        fs::write(&file, foreign).unwrap();
        ward.finds(1, &["verifier-foreign"])?;
    }
    again();
    mode(&file, 0o644);
    ward.finds(0, &["pulls-refused"])?;
    again();
    let verifier = ward.ground.pullward.verifier(&ward.ground.workspace)?;
    mode(&verifier, 0o777);
    ward.finds(1, &["verifier-foreign"])?;
    mode(&verifier, 0o644);
    ward.finds(0, &["pulls-refused"])?;
    mode(&verifier, 0o755);
    fs::write(folder.join("conf.toml"), "").unwrap();
    ward.finds(0, &["pulls-refused"])?;
    again();
    symlink("/bin/true", folder.join("zz")).unwrap();
    ward.finds(0, &["verifier-beside"])?;
    again();
    // Eleven, ours last.
    for number in 0..10 {
        symlink("/bin/true", folder.join(format!("00-a{number}"))).unwrap();
    }
    ward.finds(1, &["verifier-beside", "verifier-skipped"])?;
    ward.containerd.cri()?.pull(&unsigned)?;
    again();
    ward.finds(0, &[])?;
    ran("e2e::doctor-folder")
}

/// T-112 and the rest of containerd's own configuration.
#[test]
fn what_the_configuration_says_of_the_plugin_is_found() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::doctor-configuration")? else { return Ok(()) };
    let mut ward = Ward::clean(&ground)?;
    let clean = ward.containerd.settings().clone();
    let folder = ward.scene.node.join("verifiers");
    let image = ward.scene.registry.reference("team/pause:1");
    // Without the drop-in: what it says is said, or not said, in the main file.
    let bare = Settings::new(ContainerdVersion::V2).verifiers(&folder).extra(&pause(&image));
    let plugin = "io.containerd.image-verifier.v1.bindir";
    let required = format!("required_plugins = ['{plugin}']\n");
    let cases: [(Settings, i32, &[&str]); 6] = [
        (bare.clone(), 0, &["verifier-not-required"]),
        (
            bare.clone().extra(&format!("disabled_plugins = ['{plugin}']")).without_cri(),
            1,
            &["verifier-disabled", "verifier-not-loaded", "verifier-not-required"],
        ),
        (
            bare.clone().extra(&format!("{required}[plugins.'{plugin}']\nmax_verifiers = 0")),
            1,
            &["verifier-skipped"],
        ),
        (
            bare.clone().extra(&format!("{required}[plugins.'{plugin}']\nper_verifier_timeout = '5s'")),
            0,
            &["verifier-timeout"],
        ),
        (
            clean
                .clone()
                .extra("[plugins.'io.containerd.cri.v1.images']\nimage_pull_progress_timeout = '0s'"),
            0,
            &["pull-endless"],
        ),
        (clean.clone().extra("[grpc]\ntcp_address = '127.0.0.1:0'"), 1, &["containerd-tcp"]),
    ];
    for (settings, exit, codes) in cases {
        *ward.containerd.settings() = settings;
        ward.restart()?;
        ward.finds(exit, codes)?;
    }
    // Disabled and required: containerd does not start, so nothing is pulled unasked.
    *ward.containerd.settings() = clean.clone().extra(&format!("disabled_plugins = ['{plugin}']"));
    let error = ward.restart().unwrap_err().to_string();
    assert!(error.contains("required plugin") && error.contains("bindir"), "{error}");

    *ward.containerd.settings() =
        Settings::new(ContainerdVersion::V2).import(&ward.scene.node.join("10-pullward.toml"));
    ward.restart()?;
    ward.finds(0, &["pause-unruled"])?;

    *ward.containerd.settings() = clean;
    ward.restart()?;
    let config = ward.containerd.config_file();
    mode(&config, 0o666);
    ward.finds(1, &["config-writable"])?;
    mode(&config, 0o644);
    // A full second later: that is how exactly the kernel dates a process.
    let later = std::time::SystemTime::now() + Duration::from_secs(2);
    fs::File::options().write(true).open(&config).unwrap().set_modified(later).unwrap();
    ward.finds(2, &["restart-pending"])?;
    // What cannot be read is not fine.
    fs::write(&config, "[").unwrap();
    ward.finds(2, &["containerd-unknown"])?;
    ward.containerd.stop()?;
    let (exit, found) = ward.found(&[])?;
    assert_eq!(exit, 2);
    assert!(found.contains("containerd-unreachable") && found.contains("containerd-unknown"), "{found:?}");
    ran("e2e::doctor-configuration")
}

/// containerd 1.7 asks no verifier for CRI, and doctor does not take our hook for one.
#[test]
fn a_containerd_without_verifiers_is_open_without_the_proxy() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::doctor-old")? else { return Ok(()) };
    for version in [ContainerdVersion::V1_6, ContainerdVersion::V1_7] {
        let ground = ground.again()?;
        let mut scene = Scene::set(&ground)?;
        let unsigned = ground.push(&scene.registry, "unsigned")?;
        let containerd = Containerd::start(&ground.peers, &ground.workspace, Settings::new(version))?;
        containerd.cri()?.pull(&unsigned)?;
        scene.node.configure(&format!("[containerd]\naddress = '{}'", containerd.socket().display()));
        scene.node.start()?;
        let host = ground.workspace.folder("host")?;
        ground.workspace.folder("host/proc")?;
        let ward = Ward { ground: &ground, scene, containerd, host };
        ward.finds(1, &["pause-unruled", "verifier-unsupported"])?;
    }
    ran("e2e::doctor-old")
}

/// F-11: kubelet's way, by its process and by the files that it is started with.
#[test]
fn a_kubelet_that_goes_to_containerd_is_found_however_it_is_told_to() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::doctor-kubelet")? else { return Ok(()) };
    let ward = Ward::clean(&ground)?;
    let proxy = ward.scene.node.path("run/cri.sock");
    let direct = format!("unix://{}", ward.containerd.socket().display());
    let through = format!("unix://{proxy}");
    let cmdline = |words: &[&str]| ward.put("proc/4711/cmdline", &(words.join("\0") + "\0"));

    // Nobody answers at the proxy's socket.
    cmdline(&["/usr/bin/kubelet", "--container-runtime-endpoint", &through]);
    ward.finds(2, &["kubelet-unknown"])?;
    // containerd itself does, by a link.
    symlink(ward.containerd.socket(), &proxy).unwrap();
    let (exit, found) = ward.found(&[])?;
    assert!(exit == 1 && found.contains("kubelet-direct"), "{found:?}");
    fs::remove_file(&proxy).unwrap();
    // A process of root's that is not containerd.
    let _listening = UnixListener::bind(&proxy).unwrap();
    mode(Path::new(&proxy), 0o660);
    ward.finds(0, &[])?;
    mode(Path::new(&proxy), 0o666);
    ward.finds(1, &["socket-open"])?;
    mode(Path::new(&proxy), 0o660);

    let config = ward
        .put("kubelet.yaml", &format!("kind: KubeletConfiguration\ncontainerRuntimeEndpoint: {direct}\n"));
    let config = config.display().to_string();
    for words in [
        vec!["kubelet"],
        vec!["kubelet", "--config", &config],
        vec!["kubelet", "--container-runtime-endpoint", &direct],
        vec!["/var/lib/rancher/k3s/data/current/bin/k3s", "server"],
    ] {
        cmdline(&words);
        ward.finds(1, &["kubelet-direct"])?;
    }
    // The flag counts before the file, and the last drop-in before all of them.
    let flag = format!("--container-runtime-endpoint={through}");
    cmdline(&["kubelet", "--config", &config, &flag]);
    ward.finds(0, &[])?;
    ward.put("kubelet.d/10.conf", &format!("containerRuntimeEndpoint: {through}\n"));
    let drop_ins = ward.host.join("kubelet.d").display().to_string();
    cmdline(&["kubelet", "--config", &config, "--config-dir", &drop_ins]);
    ward.finds(0, &[])?;
    ward.put("kubelet.d/20.conf", "containerRuntimeEndpoint: unix:///run/containerd/containerd.sock\n");
    ward.finds(1, &["kubelet-direct"])?;
    // T-75: what cannot be read is not fine.
    ward.put("kubelet.d/20.conf", "containerRuntimeEndpoint: [");
    ward.finds(2, &["kubelet-unknown"])?;

    // Not running: by the files of its distribution.
    fs::remove_dir_all(ward.host.join("proc/4711")).unwrap();
    let flags = ward.put(
        "var/lib/kubelet/kubeadm-flags.env",
        &format!("KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint={direct}\"\n"),
    );
    ward.finds(1, &["kubelet-direct"])?;
    assert_eq!(ward.doctor(&[])?.1["flavour"], "kubeadm");
    fs::write(&flags, "KUBELET_KUBEADM_ARGS=\"\"\n").unwrap();
    ward.put("var/lib/kubelet/config.yaml", &format!("containerRuntimeEndpoint: {through}\n"));
    ward.finds(0, &[])?;
    ward.put(
        "var/lib/kubelet/instance-config.yaml",
        "containerRuntimeEndpoint: unix:///run/containerd/containerd.sock\n",
    );
    ward.finds(1, &["kubelet-direct"])?;
    fs::remove_dir(ward.host.join("proc")).unwrap();
    ward.finds(2, &["kubelet-unknown"])?;
    ran("e2e::doctor-kubelet")
}

/// Other runtimes, and archives that are imported at start.
#[test]
fn other_runtimes_and_preloaded_archives_are_found() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::doctor-beside")? else { return Ok(()) };
    let ward = Ward::clean(&ground)?;
    for path in [
        "usr/bin/dockerd",
        "run/docker.sock",
        "usr/local/bin/nerdctl",
        "usr/bin/podman",
        "run/podman/podman.sock",
        "run/crio/crio.sock",
        "usr/bin/crio",
        "usr/bin/buildkitd",
    ] {
        let path = ward.put(path, "");
        ward.finds(1, &["other-runtime"])?;
        fs::remove_file(path).unwrap();
    }
    ward.finds(0, &[])?;
    for (flavour, folder) in [
        ("k3s", "var/lib/rancher/k3s/agent/images"),
        ("rke2", "var/lib/rancher/rke2/agent/images"),
        ("k0s", "var/lib/k0s/images"),
        ("microk8s", "var/snap/microk8s/common/sideload"),
    ] {
        let archive = ward.put(&format!("{folder}/airgap.tar.zst"), "");
        ward.finds_with(&["--flavour", flavour], 1, &["preload"])?;
        fs::remove_file(archive).unwrap();
        ward.finds_with(&["--flavour", flavour], 0, &[])?;
    }
    ran("e2e::doctor-beside")
}

/// What is pullward's own: sockets, files, units, receipts, the agent.
#[test]
fn what_is_wrong_with_pullward_itself_is_found() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::doctor-node")? else { return Ok(()) };
    let mut ward = Ward::clean(&ground)?;
    ward.containerd.cri()?.pull(&ward.scene.tag())?;

    for socket in ["run/verifier.sock", "run/admin.sock"] {
        let socket = ward.scene.node.join(socket);
        let before = fs::metadata(&socket).unwrap().permissions().mode() & 0o777;
        mode(&socket, 0o666);
        let (exit, found) = ward.found(&[])?;
        assert!(exit == 1 && found.contains("socket-open"), "{found:?}");
        mode(&socket, before);
    }
    mode(&ward.containerd.socket(), 0o666);
    ward.finds(1, &["socket-open"])?;
    mode(&ward.containerd.socket(), 0o660);
    ward.finds(0, &[])?;

    let state = ward.scene.node.join("state");
    mode(&state, 0o777);
    let (exit, found) = ward.found(&[])?;
    assert!(exit == 1 && found.contains("config-writable"), "{found:?}");
    mode(&state, 0o700);
    let key = state.join("node.key");
    mode(&key, 0o644);
    ward.finds(0, &["receipts-unreadable"])?;
    mode(&key, 0o600);
    let receipts = state.join("receipts.redb");
    let good = fs::read(&receipts).unwrap();
    fs::write(&receipts, "no database").unwrap();
    ward.finds(0, &["receipts-unreadable"])?;
    fs::write(&receipts, good).unwrap();

    let unit = ward.host.join("etc/systemd/system/pullward.service");
    ward.put("usr/lib/systemd/system/pullward.service", "");
    ward.finds(0, &["unit-disabled"])?;
    let wanted = ward.host.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wanted).unwrap();
    symlink("/usr/lib/systemd/system/pullward.service", wanted.join("pullward.service")).unwrap();
    ward.finds(0, &[])?;
    symlink("/dev/null", &unit).unwrap();
    ward.finds(0, &["unit-masked"])?;
    fs::remove_file(&unit).unwrap();

    let auth = ward.scene.node.write("auth.json", "{}")?;
    mode(&auth, 0o644);
    ward.finds(0, &["credentials-unreadable"])?;
    fs::remove_file(auth).unwrap();

    ward.scene.registry.stop()?;
    ward.finds(0, &["registry-unreachable"])?;
    ward.scene.node.stop()?;
    let (exit, found) = ward.found(&[])?;
    assert!(exit == 2 && found.contains("agent-unreachable"), "{found:?}");

    fs::write(ward.scene.node.join("config.toml"), "[nonsense]").unwrap();
    ward.finds(2, &["config-unreadable"])?;
    ran("e2e::doctor-node")
}

/// The trust bundle: age, rules, and none at all.
#[test]
fn what_is_wrong_with_the_trust_bundle_is_found() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::doctor-trust")? else { return Ok(()) };
    let mut ward = Ward::clean(&ground)?;
    let policy = policy_for(&ward.scene.registry.host(), &ward.scene.key.public);
    let take = |ward: &mut Ward<'_>, version: u64, policy: &str, expires: &str| -> Outcome {
        ward.scene.node.build("trust.json", version, policy, "root", &["--expires", expires])?;
        ward.scene.node.start()
    };
    take(&mut ward, 2, &policy, "3d")?;
    ward.finds(0, &["trust-expiring"])?;
    let audit = format!(
        "{policy}[[rule]]\nname = \"rest\"\nmatch = [\"**\"]\nmode = \"audit\"\nsigned_by = [\"release\"]\n"
    );
    take(&mut ward, 3, &audit, "90d")?;
    ward.finds(0, &["policy-audit"])?;
    let denied = format!(
        "schema = 1\n[[rule]]\nname = \"none\"\nmatch = [\"{}/team/pause\"]\nmode = \"deny\"\n",
        ward.scene.registry.host()
    );
    let denied = format!("{denied}{}", policy.trim_start_matches("schema = 1\n"));
    take(&mut ward, 4, &denied, "90d")?;
    ward.finds(0, &["pause-unruled"])?;
    take(&mut ward, 5, &policy, "90d")?;
    ward.finds(0, &[])?;

    // A file that is no bundle stays out, and the agent says so.
    fs::write(ward.scene.node.join("root.pub"), "no key").unwrap();
    ward.scene.node.reload()?;
    let (exit, found) = ward.found(&[])?;
    assert_eq!(exit, 2);
    assert!(found.contains("trust-unreadable") && found.contains("reload-failed"), "{found:?}");
    ran("e2e::doctor-trust")
}

/// The words for people say the same as the document for programs.
#[test]
fn people_are_told_what_why_where_and_what_to_do() -> Outcome {
    let Some(ground) = Ground::at_hand_as_root("e2e::doctor-text")? else { return Ok(()) };
    let ward = Ward::clean(&ground)?;
    ground.crane().push(&ward.scene.registry.reference("team/x:1"), &Image::named("x"))?;
    fs::remove_file(ward.hook_file()).unwrap();
    let (config, root) = (ward.scene.node.path("config.toml"), ward.host.display().to_string());
    let words = ["doctor", "--config", &config, "--root", &root];
    let ran_ = ground.pullward.run(&ground.workspace, &words)?;
    assert_eq!(ran_.code, 1, "{}", ran_.all());
    let mut lines = ran_.out.lines();
    assert!(lines.next().unwrap().starts_with("open: verifier-absent: /"), "{}", ran_.out);
    assert!(lines.next().unwrap().starts_with("    why: "), "{}", ran_.out);
    assert!(lines.next().unwrap().starts_with("    where: /"), "{}", ran_.out);
    assert!(lines.next().unwrap().starts_with("    do: pullward setup containerd"), "{}", ran_.out);
    assert!(ran_.out.lines().last().unwrap().starts_with("debian: 1 open, 0 not known, "), "{}", ran_.out);
    ran("e2e::doctor-text")
}
