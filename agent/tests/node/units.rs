//! The files under `systemd/` say the same as the program's defaults, and are as tight as promised.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pullward::config::Config;
use pullward::containerd::drop_in::{self, Format, Nri};

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("systemd")
}

fn unit(name: &str) -> String {
    fs::read_to_string(units().join(name)).unwrap()
}

fn value<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[test]
fn the_sockets_are_the_configurations_with_the_agents_modes() {
    let agent = Config::default().agent;
    for (name, path, mode) in
        [("pullward.socket", agent.socket, "0660"), ("pullward-admin.socket", agent.admin_socket, "0600")]
    {
        let unit = unit(name);
        assert_eq!(value(&unit, "ListenStream"), [path.to_str().unwrap()]);
        assert_eq!(value(&unit, "SocketMode"), [mode]);
        assert_eq!(value(&unit, "Service"), ["pullward.service"]);
    }
}

#[test]
fn the_proxy_has_roots_socket_of_its_own_and_no_network() {
    let socket = unit("pullward-cri.socket");
    assert_eq!(value(&socket, "ListenStream"), ["/run/pullward/cri.sock"]);
    assert_eq!(value(&socket, "SocketMode"), ["0600"]);
    assert_eq!(value(&socket, "Service"), ["pullward-cri.service"]);
    let service = unit("pullward-cri.service");
    assert_eq!(value(&service, "RestrictAddressFamilies"), ["AF_UNIX"]);
    assert_eq!(value(&service, "PrivateNetwork"), ["yes"]);
    assert_eq!(Config::default().cri.socket, None);
}

#[test]
fn the_service_outwaits_the_agents_own_drain() {
    let unit = unit("pullward.service");
    let seconds: u64 = value(&unit, "TimeoutStopSec")[0].strip_suffix('s').unwrap().parse().unwrap();
    // The most that the configuration accepts is 60 s.
    assert!(seconds > 60 && Config::default().limits.drain.0.as_secs() <= 60);
}

#[test]
fn the_example_is_what_setup_prints() {
    let folder = Path::new("/opt/containerd/image-verifier/bin");
    assert_eq!(unit("containerd-pullward.toml"), drop_in::text(Format::Three, folder, Nri::Unsaid));
}

/// The agent fetches evidence, so it has the network; the two hooks have unix sockets and nothing else.
#[test]
fn each_unit_is_exposed_no_more_than_it_needs() {
    const MOST_IN_TENTHS: [(&str, u8); 3] =
        [("pullward-cri.service", 10), ("pullward-nri.service", 10), ("pullward.service", 20)];
    let mut services: Vec<String> = fs::read_dir(units())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".service"))
        .collect();
    services.sort();
    assert_eq!(services, MOST_IN_TENTHS.map(|(name, _)| name), "a unit without a bound");
    for (service, most) in MOST_IN_TENTHS {
        // Where there is no systemd there is nothing to measure it with; CI has it.
        let measured = Command::new("systemd-analyze")
            .args(["security", "--offline=yes", "--no-pager", &format!("--threshold={most}")])
            .arg(units().join(service))
            .output();
        if let Ok(output) = measured {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
            assert!(text.contains("Overall exposure level"), "{text}");
        }
    }
}
