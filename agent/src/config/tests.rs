use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Config, ConfigError, Time};
use crate::guard::GuardError;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("/c.toml"), text)
}

fn refused(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn an_empty_file_is_the_defaults() {
    assert_eq!(parse(""), Ok(Config::default()));
}

#[test]
fn the_file_of_the_manual_is_read() {
    let text = r#"
        [agent]
        socket = "/run/pullward/verifier.sock"
        admin_socket = "/run/pullward/admin.sock"
        state_dir = "/var/lib/pullward"
        [trust]
        bundle = "/etc/pullward/trust.json"
        roots = ["/etc/pullward/root.pub", "/etc/pullward/second.pub"]
        threshold = 2
        audience = "default"
        [containerd]
        flavour = "auto"
        address = "/run/containerd/containerd.sock"
        [registry]
        hosts_dir = "/etc/containerd/certs.d"
        auth_file = "/etc/pullward/auth.json"
        offline = false
        [store]
        dir = "/var/lib/pullward/evidence"
        retain = "400d"
    "#;
    let config = parse(text).unwrap();
    assert_eq!(config.trust.required_roots(), 2);
    assert_eq!(config.agent, Config::default().agent);
    assert_eq!(config.store, Config::default().store);
}

#[test]
fn what_is_printed_gives_the_same_configuration() {
    let mut config = Config::default();
    assert_eq!(parse(&config.print()), Ok(config.clone()));
    config.agent.socket_gid = Some(12);
    config.registry.proxy = Some("http://proxy.example:3128".into());
    config.registry.ca_file = Some("/etc/ca.pem".into());
    config.trust.roots.push("/etc/pullward/b.pub".into());
    config.trust.threshold = Some(1);
    config.limits.drain = Time(Duration::ZERO);
    assert_eq!(parse(&config.print()), Ok(config));
}

#[test]
fn unknown_keys_and_sections_are_refused_where_they_stand() {
    assert_eq!(
        refused("[agent]\nsocket = \"/a\"\n  sokcet = \"/b\"\n"),
        "/c.toml:3:3: unknown field `sokcet`, expected one of `socket`, `admin_socket`, `socket_gid`, `state_dir`"
    );
    assert!(refused("[agnet]\n").starts_with("/c.toml:1:2: unknown field `agnet`"));
    assert!(refused("[agent]\ncri_socket = \"/x\"\n").starts_with("/c.toml:2:1: unknown field `cri_socket`"));
}

#[test]
fn sections_of_later_versions_are_refused() {
    let text = refused("\n[metrics]\nsocket = \"/x\"\n");
    assert!(text.ends_with(": nothing in this version reads this section: remove it"), "{text}");
    assert!(text.starts_with("/c.toml:2:"), "{text}");
}

#[test]
fn a_flavour_fills_in_its_own_places_where_nothing_is_said_of_them() {
    let config = parse("[containerd]\nflavour = \"k3s\"\n").unwrap();
    assert_eq!(config.containerd.address, Path::new("/run/k3s/containerd/containerd.sock"));
    assert!(config.registry.hosts_dir.starts_with("/var/lib/rancher/k3s"));
    assert_eq!(parse(&config.print()), Ok(config));
    let said = parse("[containerd]\nflavour = \"rke2\"\naddress = \"/a\"\n[registry]\nhosts_dir = \"/h\"\n")
        .unwrap();
    assert_eq!((said.containerd.address, said.registry.hosts_dir), ("/a".into(), "/h".into()));
}

#[test]
fn the_probes_interval_is_bounded() {
    assert_eq!(parse("").unwrap().probe.interval, None);
    assert_eq!(
        parse("[probe]\ninterval = \"5m\"").unwrap().probe.interval,
        Some(Time(Duration::from_secs(300)))
    );
    for odd in ["9s", "2d", "soon"] {
        assert!(parse(&format!("[probe]\ninterval = \"{odd}\"")).is_err(), "{odd}");
    }
}

#[test]
fn relative_paths_are_refused() {
    assert_eq!(
        refused("[agent]\nsocket = \"run/x.sock\"\n"),
        "/c.toml:2:10: run/x.sock: not a plain absolute path: write it from / without . and .."
    );
    assert!(refused("[trust]\nroots = [\"/a\", \"../b\"]\n").starts_with("/c.toml:2:9: ../b: not a plain"));
    assert!(refused("[registry]\nca_file = \"ca.pem\"\n").starts_with("/c.toml:2:11: ca.pem: not a plain"));
}

#[test]
fn several_roots_need_a_threshold_that_they_can_meet() {
    assert_eq!(
        refused("[trust]\nroots = [\"/a\", \"/b\"]\n"),
        "/c.toml:2:9: 2 roots: add threshold = N, how many of them must have signed"
    );
    for (threshold, place) in [(0, "3:13"), (3, "3:13")] {
        assert_eq!(
            refused(&format!("[trust]\nroots = [\"/a\", \"/b\"]\nthreshold = {threshold}\n")),
            format!("/c.toml:{place}: threshold {threshold}: 1 to 2 are possible with 2 root(s)")
        );
    }
    assert_eq!(refused("trust.roots = []"), "/c.toml:1:15: no root: no trust bundle could ever be valid");
    assert_eq!(
        refused("trust.roots = [\"/a\", \"/a\"]\ntrust.threshold = 2"),
        "/c.toml:1:15: the same file is listed twice"
    );
}

#[test]
fn one_path_is_not_two_sockets() {
    assert_eq!(
        refused("[agent]\nadmin_socket = \"/run/pullward/verifier.sock\"\n"),
        "/c.toml:2:16: the same path as socket"
    );
}

#[test]
fn limits_have_limits() {
    for bad in [
        "workers = 0",
        "workers = 257",
        "workers = -1",
        "queue = 100001",
        "connections = 3",
        "inflight_bytes = 1",
        "deadline = \"8s\"",
        "deadline = \"0s\"",
        "drain = \"61s\"",
        "deadline = 7",
        "deadline = \"7\"",
        "deadline = \"7 s\"",
        "deadline = \"+7s\"",
    ] {
        let text = refused(&format!("[limits]\n{bad}\n"));
        assert!(text.starts_with("/c.toml:2:"), "{bad}: {text}");
    }
    assert!(refused("[limits]\nworkers = 0\n").ends_with(": 0: 1 to 256 are possible"));
}

#[test]
fn broken_toml_is_refused_where_it_breaks() {
    assert!(refused("[agent\n").starts_with("/c.toml:1:"));
    assert!(refused("[agent]\nsocket = \"/a\"\nsocket = \"/b\"\n").starts_with("/c.toml:3:1: duplicate key"));
    // What the builder of bundles takes, and nothing else: it becomes part of file names.
    for audience in ["a b", "", ".", "..", ".hidden", "Edge", "-a", "a/b"] {
        let said = refused(&format!("trust.audience = {audience:?}"));
        assert!(said.contains("an audience is"), "{audience}: {said}");
    }
    assert_eq!(parse("trust.audience = \"eu-1.edge_a\"").unwrap().trust.audience, "eu-1.edge_a");
    assert!(
        refused("containerd.flavour = \"k8s\"").contains("unknown variant `k8s`, expected one of `auto`")
    );
}

#[test]
fn times_overflow_into_an_error() {
    assert_eq!(Time::parse("18446744073709551615d"), None);
    assert_eq!(Time::parse("99999999999999999999s"), None);
    assert_eq!(Time::parse("400d"), Some(Time(Duration::from_secs(34_560_000))));
    assert_eq!(Time::parse("2w"), Some(Time(Duration::from_secs(1_209_600))));
    assert_eq!(Time::parse("0s"), Some(Time(Duration::ZERO)));
    assert_eq!(Time::parse("1\u{663}d"), None);
}

#[test]
fn a_file_that_others_write_or_that_is_absent_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    assert_eq!(Config::load(&path), Err(ConfigError::Guard(GuardError::Absent(path.clone()))));
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o646)).unwrap();
    assert_eq!(
        Config::load(&path),
        Err(ConfigError::Guard(GuardError::Writable { path: path.clone(), mode: 0o646 }))
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(Config::load(&path), Ok(Config::default()));
    fs::write(&path, " ".repeat(1024 * 1024 + 1)).unwrap();
    assert_eq!(Config::load(&path), Err(ConfigError::TooLarge(PathBuf::from(&path))));
}

#[test]
fn nothing_is_removed_or_stopped_unless_it_is_said_so() {
    use crate::inventory::act::{OnRunning, OnUnverified};
    let inventory = parse("").unwrap().inventory;
    assert_eq!((inventory.unverified, inventory.running), (OnUnverified::Report, OnRunning::Report));
    let inventory = parse("[inventory]\nunverified = \"remove\"\nrunning = \"stop\"\n").unwrap().inventory;
    assert_eq!((inventory.unverified, inventory.running), (OnUnverified::Remove, OnRunning::Stop));
    assert!(refused("inventory.unverified = \"stop\"").contains("expected `report` or `remove`"));
    assert!(refused("inventory.running = \"remove\"").contains("expected `report` or `stop`"));
    assert!(refused("inventory.containers = 1").contains("unknown field `containers`"));
}

#[test]
fn a_fetch_outlives_its_verdict_within_bounds() {
    let of = |text: &str| parse(&format!("[limits]\nfetch_deadline = \"{text}\"\n"));
    assert_eq!(Config::default().limits.fetch_deadline, Time(Duration::from_secs(120)));
    assert_eq!(of("30m").unwrap().limits.fetch_deadline, Time(Duration::from_secs(1800)));
    for text in ["6s", "31m"] {
        assert!(of(text).unwrap_err().to_string().ends_with("7s to 30m are possible"), "{text}");
    }
}

#[test]
fn the_store_has_a_bound_that_is_one() {
    let of = |bytes: u64| parse(&format!("[store]\nmax_bytes = {bytes}\n"));
    assert_eq!(Config::default().store.max_bytes, 2 << 30);
    assert_eq!(of(1 << 20).unwrap().store.max_bytes, 1 << 20);
    for bytes in [0, (1 << 20) - 1, (1 << 40) + 1] {
        assert!(of(bytes).is_err(), "{bytes}");
    }
}
