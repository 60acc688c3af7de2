//! What a node takes and what it does not, across restarts (T-19, T-93, T-100, T-103, T-105, T-106).

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::PathBuf;

use tempfile::TempDir;

use super::envelope::Envelope;
use super::installed::tests::payload;
use super::node::{Change, FloorUpdate, Installed, TrustSettings};
use super::payload::Payload;
use super::refused::{BundleFault, Refused};
use super::root_key::{RootKey, RootKeyType};
use super::roots::RootsError;
use super::time::Time;
use crate::guard::{self, GuardError};

/// A node with two root keys, of which one has to sign unless a test says otherwise.
struct Node {
    folder: TempDir,
    keys: [RootKey; 2],
    settings: TrustSettings,
}

impl Node {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = [RootKeyType::P256, RootKeyType::Ed25519].map(|kind| RootKey::generate(kind).unwrap());
        let roots: Vec<PathBuf> = (0..2).map(|place| folder.path().join(format!("{place}.pub"))).collect();
        for (root, key) in roots.iter().zip(&keys) {
            fs::write(root, key.public_pem().unwrap()).unwrap();
        }
        let settings = TrustSettings {
            state_dir: folder.path().join("state"),
            bundle: folder.path().join("first.json"),
            roots,
            threshold: Some(1),
            audience: "default".into(),
        };
        Self { folder, keys, settings }
    }

    fn signed(&self, payload: &Payload) -> Vec<u8> {
        sign(payload.to_bytes().unwrap(), &self.keys[..1])
    }

    fn version(&self, version: u64) -> Vec<u8> {
        self.signed(&payload("default", version))
    }

    fn install(&self, file: &[u8]) -> Result<Installed, Refused> {
        self.settings.install("new.json", file, Time::parse("2026-06-01T00:00:00Z").unwrap())
    }

    fn code(&self, file: &[u8]) -> &'static str {
        self.install(file).expect_err("the bundle should be refused").fault.code()
    }

    /// The version that a restarted agent uses, or the code of why there is none.
    fn in_use(&self) -> Result<u64, &'static str> {
        self.settings
            .load(FloorUpdate::Raise)
            .map(|loaded| loaded.trust.version)
            .map_err(|refused| refused.fault.code())
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.settings.folder()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn sign(payload: Vec<u8>, keys: &[RootKey]) -> Vec<u8> {
    let mut envelope = Envelope::unsigned(payload);
    for key in keys {
        envelope.sign(key).unwrap();
    }
    envelope.to_bytes().unwrap()
}

#[test]
fn a_bundle_is_installed_once_and_survives_a_restart() {
    let node = Node::new();
    assert_eq!(node.in_use(), Err("trust-missing"));
    let first = node.install(&node.version(7)).unwrap();
    assert_eq!((first.before, first.change), (None, Change::Replaced));
    let again = node.install(&node.version(7)).unwrap();
    assert_eq!((again.before, again.change), (Some(7), Change::Nothing));
    let next = node.install(&node.version(8)).unwrap();
    assert_eq!((next.before, next.change), (Some(7), Change::Replaced));
    assert_eq!(node.in_use(), Ok(8));
    assert_eq!(node.names(), ["default.floor", "default.json", "lock"]);
}

#[test]
fn an_older_version_never_comes_back() {
    let node = Node::new();
    node.install(&node.version(7)).unwrap();
    assert_eq!(node.code(&node.version(6)), "trust-older");
    assert_eq!(node.in_use(), Ok(7));
    // Nor by way of the configuration, after the installed bundle is gone.
    fs::write(&node.settings.bundle, node.version(6)).unwrap();
    assert_eq!(node.in_use(), Ok(7));
    fs::remove_file(node.settings.installed_path()).unwrap();
    assert_eq!(node.in_use(), Err("trust-older"));
    assert_eq!(node.code(&node.version(6)), "trust-older");
    assert_eq!(node.install(&node.version(7)).unwrap().change, Change::Replaced);
}

#[test]
fn the_floor_holds_when_the_bundle_it_came_from_has_expired() {
    let node = Node::new();
    node.install(&node.version(7)).unwrap();
    let late = Time::parse("2030-01-01T00:00:00Z").unwrap();
    let mut older = payload("default", 6);
    older.expires = Time::parse("2031-01-01T00:00:00Z").unwrap();
    let refused = node.settings.install("new.json", &node.signed(&older), late).unwrap_err();
    assert_eq!(refused.fault.code(), "trust-older");
    // An expired bundle still loads: what it does then is the core's to say.
    assert_eq!(node.in_use(), Ok(7));
}

#[test]
fn the_configured_bundle_raises_the_floor_at_the_agents_first_start_only() {
    let node = Node::new();
    fs::write(&node.settings.bundle, node.version(7)).unwrap();
    assert_eq!(node.settings.load(FloorUpdate::Leave).unwrap().trust.version, 7);
    assert!(!node.settings.folder().exists());
    assert_eq!(node.in_use(), Ok(7));
    fs::write(&node.settings.bundle, node.version(6)).unwrap();
    assert_eq!(node.in_use(), Err("trust-older"));
    // Before any start of the agent, what is configured counts for an installation too.
    let node = Node::new();
    fs::write(&node.settings.bundle, node.version(7)).unwrap();
    assert_eq!(node.code(&node.version(6)), "trust-older");
    assert_eq!(node.install(&node.version(8)).unwrap().before, Some(7));
    assert_eq!(node.in_use(), Ok(8));
}

#[test]
fn the_same_version_with_other_content_is_refused() {
    let node = Node::new();
    node.install(&node.version(7)).unwrap();
    let mut other = payload("default", 7);
    other.expires = Time::parse("2028-01-01T00:00:00Z").unwrap();
    assert_eq!(node.code(&node.signed(&other)), "trust-version-reused");
}

#[test]
fn versions_that_would_lock_out_all_later_ones_are_refused() {
    let node = Node::new();
    assert_eq!(node.code(&node.version(0)), "trust-invalid");
    assert_eq!(node.code(&node.version(u64::MAX)), "trust-invalid");
    node.install(&node.version(7)).unwrap();
    assert_eq!(node.code(&node.version(1_000_008)), "trust-version-jump");
    assert_eq!(node.install(&node.version(1_000_007)).unwrap().before, Some(7));
}

#[test]
fn every_other_bad_bundle_has_its_code_and_leaves_the_old_one() {
    let node = Node::new();
    node.install(&node.version(7)).unwrap();
    let good = node.version(8);
    let stranger = [RootKey::generate(RootKeyType::P256).unwrap()];
    let bytes = payload("default", 8).to_bytes().unwrap();
    let swapped = {
        // A part of another bundle under the signature of this one (T-106).
        let other = Envelope::parse(&node.version(9)).unwrap();
        let text = String::from_utf8(good.clone()).unwrap();
        let own = Envelope::parse(&good).unwrap();
        let base64 = |envelope: &Envelope| {
            use base64ct::{Base64, Encoding as _};
            Base64::encode_string(envelope.payload())
        };
        text.replace(&base64(&own), &base64(&other)).into_bytes()
    };
    let mut newer_engine = payload("default", 8);
    newer_engine.min_engine = 99;
    let mut newer_schema = payload("default", 8);
    newer_schema.schema = 2;
    let mut expired = payload("default", 8);
    expired.expires = Time::parse("2026-06-01T00:00:00Z").unwrap();
    for (file, code) in [
        (Vec::new(), "trust-invalid"),
        (b"{}".to_vec(), "trust-envelope"),
        (good[..good.len() / 2].to_vec(), "trust-invalid"),
        ([good.as_slice(), b"x"].concat(), "trust-invalid"),
        (sign(bytes.clone(), &[]), "trust-unsigned"),
        (sign(bytes.clone(), &stranger), "trust-wrong-root"),
        (swapped, "trust-wrong-root"),
        (sign([bytes.as_slice(), b" x"].concat(), &node.keys), "trust-invalid"),
        (sign(b"{}".to_vec(), &node.keys), "trust-invalid"),
        (node.signed(&payload("edge", 8)), "trust-audience"),
        (node.signed(&newer_engine), "engine-too-old"),
        (node.signed(&newer_schema), "trust-schema"),
        (node.signed(&expired), "trust-expired"),
        (vec![b' '; usize::try_from(pullward_core::limits::TRUST_FILE_BYTES).unwrap() + 1], "trust-limit"),
    ] {
        assert_eq!(node.code(&file), code, "{:?}", String::from_utf8_lossy(&file[..file.len().min(200)]));
        assert_eq!(node.in_use(), Ok(7));
        assert_eq!(node.names(), ["default.floor", "default.json", "lock"]);
    }
    assert_eq!(node.install(&good).unwrap().trust.version, 8);
}

#[test]
fn a_threshold_counts_distinct_roots() {
    let mut node = Node::new();
    node.settings.threshold = Some(2);
    let bytes = payload("default", 7).to_bytes().unwrap();
    assert_eq!(node.code(&sign(bytes.clone(), &node.keys[..1])), "trust-threshold");
    assert_eq!(node.install(&sign(bytes, &node.keys)).unwrap().trust.version, 7);
    for threshold in [None, Some(0), Some(3)] {
        node.settings.threshold = threshold;
        assert_eq!(node.in_use(), Err("trust-roots"), "{threshold:?}");
    }
}

#[test]
fn a_bundle_that_other_roots_signed_is_not_loaded_after_the_roots_change() {
    let mut node = Node::new();
    node.install(&node.version(7)).unwrap();
    node.settings.roots = vec![node.settings.roots[1].clone()];
    assert_eq!(node.in_use(), Err("trust-wrong-root"));
}

#[test]
fn a_damaged_installed_bundle_does_not_hide_a_good_configured_one() {
    let node = Node::new();
    node.install(&node.version(7)).unwrap();
    fs::write(node.settings.installed_path(), b"{").unwrap();
    assert_eq!(node.in_use(), Err("trust-invalid"));
    fs::write(&node.settings.bundle, node.version(7)).unwrap();
    let loaded = node.settings.load(FloorUpdate::Raise).unwrap();
    assert_eq!(loaded.trust.version, 7);
    assert_eq!(loaded.passed_over.first().unwrap().fault.code(), "trust-invalid");
}

#[test]
fn a_damaged_floor_lets_nothing_in() {
    let node = Node::new();
    node.install(&node.version(7)).unwrap();
    fs::write(node.settings.folder().join("default.floor"), b"").unwrap();
    assert_eq!(node.in_use(), Err("trust-floor"));
    assert_eq!(node.code(&node.version(8)), "trust-floor");
}

#[test]
fn what_a_killed_installation_left_is_cleared_away() {
    let node = Node::new();
    node.install(&node.version(7)).unwrap();
    fs::write(node.settings.folder().join(".default.json.0011223344556677.unfinished"), b"{").unwrap();
    assert_eq!(node.in_use(), Ok(7));
    node.install(&node.version(8)).unwrap();
    assert_eq!(node.names(), ["default.floor", "default.json", "lock"]);
}

#[test]
fn a_kill_between_bundle_and_floor_is_made_good_at_the_next_start() {
    let node = Node::new();
    node.install(&node.version(7)).unwrap();
    fs::write(node.settings.installed_path(), node.version(8)).unwrap();
    assert_eq!(node.in_use(), Ok(8));
    assert_eq!(node.code(&node.version(7)), "trust-older");
}

#[test]
fn a_state_folder_that_others_can_change_is_refused_or_tightened() {
    let mut node = Node::new();
    // Apart from the root keys, which are looked at first.
    let parent = node.folder.path().join("parent");
    fs::create_dir(&parent).unwrap();
    node.settings.state_dir = parent.join("state");
    fs::create_dir(&node.settings.state_dir).unwrap();
    fs::set_permissions(&node.settings.state_dir, fs::Permissions::from_mode(0o755)).unwrap();
    node.install(&node.version(7)).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&node.settings.state_dir), mode(&node.settings.folder())), (0o700, 0o700));
    // A parent that others can write is nothing that we may tighten.
    fs::set_permissions(&parent, fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(node.code(&node.version(8)), "state-dir-unsafe");
    assert_eq!(node.in_use(), Err("state-dir-unsafe"));
    fs::set_permissions(&parent, fs::Permissions::from_mode(0o700)).unwrap();
    // A linked folder is somebody else's idea.
    let mut linked = Node::new();
    let link = linked.folder.path().join("link");
    std::os::unix::fs::symlink(&node.settings.state_dir, &link).unwrap();
    linked.settings.state_dir = link;
    assert_eq!(linked.code(&linked.version(8)), "state-dir-unsafe");
}

#[test]
fn the_clock_floor_is_the_newest_issue() {
    let node = Node::new();
    assert_eq!(node.settings.clock_floor(), None);
    node.install(&node.version(7)).unwrap();
    assert_eq!(node.settings.clock_floor(), Some(Time::parse("2026-01-01T00:00:00Z").unwrap()));
    let mut earlier = payload("default", 8);
    earlier.issued = Time::parse("2025-01-01T00:00:00Z").unwrap();
    node.install(&node.signed(&earlier)).unwrap();
    assert_eq!(node.settings.clock_floor(), Some(Time::parse("2026-01-01T00:00:00Z").unwrap()));
}

/// T-93, T-108: whoever can replace a root key decides what the node trusts.
#[test]
fn a_root_key_that_others_could_replace_is_refused() {
    let node = Node::new();
    node.install(&node.version(7)).unwrap();
    let root = node.settings.roots[1].clone();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o646)).unwrap();
    let refused = node.settings.load(FloorUpdate::Raise).unwrap_err();
    let error = GuardError::Writable { path: root.clone(), mode: 0o646 };
    assert_eq!(refused.fault, BundleFault::Roots(RootsError::Unsafe { error }));
    assert_eq!(node.code(&node.version(8)), "trust-roots");
    fs::set_permissions(&root, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(node.in_use(), Ok(7));
    if guard::us() == 0 {
        chown(&root, Some(1234), None).unwrap();
        assert_eq!(node.in_use(), Err("trust-roots"));
    }
}
