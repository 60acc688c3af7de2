//! The receipts of a node in one embedded database.
//!
//! A database that cannot be opened is moved aside and a new one begun: receipts can only make a verdict milder for what
//! was allowed before, so losing them denies and never allows.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use pullward_core::judge::Admission;
use pullward_core::oci::Digest;
use pullward_core::time::UnixTime;
use redb::{
    Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, StorageError, TableDefinition,
};

use super::Receipt;
use super::node_key::NodeKey;
use crate::verdict::Verdict;

/// Name of the database in the state folder.
pub const FILE: &str = "receipts.redb";

/// Digest and name, then the sealed receipt.
const RECEIPTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("receipts/v1");

/// Memory that the database may use for its pages, in bytes. Receipts have some 500 bytes, and few are asked for twice.
const CACHE_BYTES: usize = 512 * 1024;

/// The receipts of this node. Opened when first asked, which is after the agent has taken its lock on the state folder.
#[derive(Debug)]
pub struct Receipts {
    state_dir: PathBuf,
    machine: String,
    opened: OnceLock<Option<Opened>>,
}

struct Opened {
    key: NodeKey,
    database: Database,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opened")
    }
}

/// What this node has let in, by a receipt of its own.
#[derive(Debug, Clone)]
pub struct Known {
    /// The image.
    pub digest: Digest,
    /// Its name.
    pub reference: String,
    /// When it was let in first, and by what.
    pub admission: Admission,
    /// Digests of the evidence that counted last.
    pub evidence: Vec<String>,
    receipt: Receipt,
}

/// What came of judging an image again.
#[derive(Debug, Clone)]
pub struct Settled {
    known: Known,
    outcome: Outcome,
}

#[derive(Debug, Clone)]
enum Outcome {
    Renewed(Box<Verdict>),
    Refused,
    Left,
}

impl Settled {
    /// It is allowed, by this verdict.
    #[must_use]
    pub fn renewed(known: &Known, verdict: Verdict) -> Self {
        Self { known: known.clone(), outcome: Outcome::Renewed(Box::new(verdict)) }
    }

    /// It is denied.
    #[must_use]
    pub fn refused(known: &Known) -> Self {
        Self { known: known.clone(), outcome: Outcome::Refused }
    }

    /// Nobody knows: its receipt stays as it is.
    #[must_use]
    pub fn left(known: &Known) -> Self {
        Self { known: known.clone(), outcome: Outcome::Left }
    }
}

impl Receipts {
    /// The receipts in a state folder. Nothing is read yet.
    #[must_use]
    pub fn new(state_dir: &Path) -> Self {
        Self { state_dir: state_dir.to_owned(), machine: machine_id(), opened: OnceLock::new() }
    }

    /// When this node first allowed the image under this name; `None` also where its receipt is not this node's own.
    #[must_use]
    pub fn first_allowed(&self, digest: &Digest, reference: &str) -> Option<Admission> {
        self.find(digest, reference)?.first_allowed()
    }

    /// The same for a verdict by this bundle: where the image was judged again by it and denied, it was never let in.
    #[must_use]
    pub fn admitted_under(&self, digest: &Digest, reference: &str, trust: &Digest) -> Option<Admission> {
        self.find(digest, reference).filter(|receipt| !receipt.is_refused_by(trust))?.first_allowed()
    }

    /// Whether this bundle let the image in under this name, at a pull or when it was judged again. Only then does the
    /// receipt answer for the bundle; it still says nothing about namespaces.
    #[must_use]
    pub fn serves(&self, digest: &Digest, reference: &str, trust: &Digest) -> bool {
        self.find(digest, reference).is_some_and(|receipt| receipt.serves(trust))
    }

    /// What this node let in under other bundles than this one, and has not judged by it yet. Receipts that are not this
    /// node's own are none. `None`: they cannot be read.
    #[must_use]
    pub fn of_other_bundles(&self, trust: &Digest) -> Option<Vec<Known>> {
        let opened = self.opened()?;
        let known = opened.all(|key, sealed| {
            let (digest, reference) = key.split_first_chunk::<32>()?;
            let (digest, reference) = (Digest::from_sha256(*digest), std::str::from_utf8(reference).ok()?);
            let receipt = Receipt::open(sealed, &opened.key, &self.machine, &digest, reference)?;
            if receipt.serves(trust) || receipt.is_refused_by(trust) {
                return None;
            }
            let admission = receipt.first_allowed()?;
            Some(Known {
                digest,
                reference: reference.to_owned(),
                admission,
                evidence: receipt.evidence.clone(),
                receipt,
            })
        });
        known.map_err(|error| tracing::error!("receipts cannot be read: {error}")).ok()
    }

    /// Writes what came of judging again, in one step. A receipt that another verdict has changed meanwhile stays.
    pub fn settle(&self, settled: &[&Settled], trust: &Digest) {
        let Some(opened) = self.opened() else { return };
        let changes = settled.iter().filter_map(|settled| {
            let known = &settled.known;
            let receipt = match &settled.outcome {
                Outcome::Left => return None,
                Outcome::Refused => Receipt { refused_by: Some(trust.to_string()), ..known.receipt.clone() },
                Outcome::Renewed(verdict) => {
                    Receipt::of(verdict, &self.machine, known.admission.at)?.renewing(&known.receipt)
                }
            };
            let place = key(&known.digest, &known.reference);
            Some((place, known.receipt.seal(&opened.key)?, receipt.seal(&opened.key)?))
        });
        if let Err(error) = opened.replace(changes) {
            // Then they are judged once more at the next start.
            tracing::error!("receipts not renewed: {error}");
        }
    }

    /// Keeps a receipt for a verdict that allows. One that says the same is not written again.
    pub fn remember(&self, verdict: &Verdict) {
        let (Ok(digest), Some(time)) = (Digest::parse(&verdict.digest), UnixTime::parse(&verdict.time))
        else {
            return;
        };
        let Some(receipt) = Receipt::of(verdict, &self.machine, time) else { return };
        let trust = verdict.trust.as_ref().and_then(|trust| Digest::parse(&trust.digest).ok());
        let refused = |receipt: &Receipt| trust.as_ref().is_some_and(|trust| receipt.is_refused_by(trust));
        // What this very bundle has refused in between comes for the first time.
        let known = self.find(&digest, &verdict.reference).filter(|receipt| !refused(receipt));
        let receipt = match &known {
            Some(known) => receipt.renewing(known),
            None => receipt,
        };
        if known.as_ref() == Some(&receipt) {
            return;
        }
        let Some(opened) = self.opened() else { return };
        let Some(sealed) = receipt.seal(&opened.key) else { return };
        if let Err(error) = opened.write(&key(&digest, &verdict.reference), &sealed) {
            // The image stays allowed: it was judged. What is lost is the memory of it.
            tracing::error!("receipt not kept: {error}");
        }
    }

    /// The receipt of this digest under this name, if it is this node's own.
    #[must_use]
    pub fn find(&self, digest: &Digest, reference: &str) -> Option<Receipt> {
        let opened = self.opened()?;
        let sealed = opened.read(&key(digest, reference)).unwrap_or_else(|error| {
            tracing::error!("receipts cannot be read: {error}");
            None
        })?;
        let receipt = Receipt::open(&sealed, &opened.key, &self.machine, digest, reference);
        if receipt.is_none() {
            tracing::warn!(%digest, "a receipt that is not this node's own is ignored");
        }
        receipt
    }

    fn opened(&self) -> Option<&Opened> {
        self.opened
            .get_or_init(|| match Opened::open(&self.state_dir) {
                Ok(opened) => Some(opened),
                Err(error) => {
                    tracing::error!("no receipts: {error}");
                    None
                }
            })
            .as_ref()
    }
}

impl Opened {
    fn open(state_dir: &Path) -> Result<Self, String> {
        let key = NodeKey::open(state_dir).map_err(|error| error.to_string())?;
        let path = state_dir.join(FILE);
        // Unasked, the database believes a file that was closed well, and panics at each verdict where it has changed
        // since (F-43). A receipt has some 500 bytes, and all are read once, when the first is asked for.
        let create = || {
            Database::builder().set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true).create(&path)
        };
        let database = match create() {
            Ok(database) => database,
            // Whoever has no descriptors left today reads the same file tomorrow.
            Err(error) if !is_corrupt(&error) => return Err(format!("{}: {error}", path.display())),
            Err(error) => {
                let aside = state_dir.join(format!("{FILE}.unreadable"));
                tracing::error!(
                    "{}: {error}; moved to {}, images are judged as if they came for the first time",
                    path.display(),
                    aside.display()
                );
                fs::rename(&path, &aside).map_err(|error| error.to_string())?;
                create().map_err(|error| error.to_string())?
            }
        };
        Ok(Self { key, database })
    }

    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, redb::Error> {
        let reading = self.database.begin_read()?;
        let table = match reading.open_table(RECEIPTS) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(table.get(key)?.map(|value| value.value().to_vec()))
    }

    /// Everything that `read` makes something of.
    fn all<T>(&self, read: impl Fn(&[u8], &[u8]) -> Option<T>) -> Result<Vec<T>, redb::Error> {
        let reading = self.database.begin_read()?;
        let table = match reading.open_table(RECEIPTS) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut all = Vec::new();
        for row in table.iter()? {
            let (key, value) = row?;
            all.extend(read(key.value(), value.value()));
        }
        Ok(all)
    }

    /// Puts the last of three where the second still stands behind the first.
    fn replace(&self, changes: impl Iterator<Item = (Vec<u8>, Vec<u8>, Vec<u8>)>) -> Result<(), redb::Error> {
        let writing = self.database.begin_write()?;
        {
            let mut table = writing.open_table(RECEIPTS)?;
            for (key, before, after) in changes {
                let same = table.get(key.as_slice())?.is_some_and(|value| value.value() == before);
                if same {
                    table.insert(key.as_slice(), after.as_slice())?;
                }
            }
        }
        writing.commit()?;
        Ok(())
    }

    fn write(&self, key: &[u8], value: &[u8]) -> Result<(), redb::Error> {
        let writing = self.database.begin_write()?;
        writing.open_table(RECEIPTS)?.insert(key, value)?;
        writing.commit()?;
        Ok(())
    }
}

/// Whether it is the file that is wrong, and not the moment.
fn is_corrupt(error: &DatabaseError) -> bool {
    match error {
        DatabaseError::RepairAborted
        | DatabaseError::UpgradeRequired(_)
        | DatabaseError::Storage(StorageError::Corrupted(_)) => true,
        DatabaseError::Storage(StorageError::Io(error)) => {
            matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
        }
        _ => false,
    }
}

fn key(digest: &Digest, reference: &str) -> Vec<u8> {
    [digest.as_bytes(), reference.as_bytes()].concat()
}

/// What systemd calls this machine (`machine-id(5)`): a state folder that is copied to another one takes no receipts along.
/// Empty where there is none.
fn machine_id() -> String {
    fs::read_to_string("/etc/machine-id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::time::Duration;

    use pullward_core::judge::AdmittedBy;
    use pullward_core::oci::Digest;
    use pullward_core::time::UnixTime;

    use super::{FILE, Receipts, Settled};
    use crate::decide::Question;
    use crate::server::denial::Denial;
    use crate::verdict::{Decision, EvidenceRow, Hook, Outcome, Place, Trust, Verdict};

    const NAME: &str = "registry.example/app:1";

    fn verdict(time: &str, decision: Decision) -> Verdict {
        let question = Question {
            reference: NAME.to_owned(),
            digest: Some(image().to_string()),
            media_type: None,
            place: Place { hook: Hook::ImageVerifier, containerd_namespace: None, pod_namespace: None },
            platform: "linux/amd64".to_owned(),
        };
        let trust = Trust { version: 7, digest: "sha256:t".to_owned(), expires: String::new() };
        let denied = Denial::NoTrust.verdict(&question, None, Duration::ZERO);
        Verdict {
            decision,
            time: time.to_owned(),
            trust: Some(trust),
            reference: NAME.to_owned(),
            digest: image().to_string(),
            ..denied
        }
    }

    fn image() -> Digest {
        Digest::of(b"image")
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        folder
    }

    fn first(folder: &Path) -> Option<UnixTime> {
        Receipts::new(folder).first_allowed(&image(), NAME).map(|first| first.at)
    }

    /// The verdict of a rule that asks for a signature.
    fn signed(time: &str) -> Verdict {
        let row = EvidenceRow {
            format: "bundle".to_owned(),
            source: "store".to_owned(),
            digest: Digest::of(b"evidence").to_string(),
            predicate_type: None,
            authority: None,
            identity: None,
            time: None,
            outcome: Outcome::Accepted,
            code: None,
            detail: None,
            covered_by: None,
        };
        Verdict { evidence: vec![row], ..verdict(time, Decision::Allow) }
    }

    #[test]
    fn the_first_admission_by_evidence_is_remembered_apart_from_one_without() {
        let folder = folder();
        let receipts = Receipts::new(folder.path());
        let first = || receipts.first_allowed(&image(), NAME).map(|first| (first.at.to_string(), first.by));
        receipts.remember(&verdict("2026-11-24T13:00:00Z", Decision::Allow));
        assert_eq!(first(), Some(("2026-11-24T13:00:00Z".to_owned(), AdmittedBy::Rule)));
        receipts.remember(&signed("2026-11-25T13:00:00Z"));
        let by_evidence = Some(("2026-11-25T13:00:00Z".to_owned(), AdmittedBy::Evidence));
        assert_eq!(first(), by_evidence);
        receipts.remember(&signed("2026-11-26T13:00:00Z"));
        receipts.remember(&verdict("2026-11-27T13:00:00Z", Decision::Allow));
        assert_eq!(first(), by_evidence);
    }

    /// F-43: what changes behind the database's back makes it corrupt, and never a panic at each verdict.
    #[test]
    fn a_flipped_bit_in_the_database_costs_receipts_at_most() {
        let reference = folder();
        Receipts::new(reference.path()).remember(&signed("2026-11-24T13:00:00Z"));
        let whole = fs::read(reference.path().join(FILE)).unwrap();
        let key = fs::read(reference.path().join("node.key")).unwrap();
        // Every page has its share of them.
        for place in (0..whole.len()).step_by(509).take(64) {
            let folder = folder();
            let mut changed = whole.clone();
            changed[place] ^= 0x10;
            for (name, bytes) in [(FILE, &changed), ("node.key", &key)] {
                fs::write(folder.path().join(name), bytes).unwrap();
                let private = fs::Permissions::from_mode(0o600);
                fs::set_permissions(folder.path().join(name), private).unwrap();
            }
            let kept = first(folder.path());
            assert!(kept.is_none() || kept == UnixTime::parse("2026-11-24T13:00:00Z"), "{place}");
            Receipts::new(folder.path()).remember(&signed("2026-11-24T13:00:00Z"));
            assert_eq!(first(folder.path()), UnixTime::parse("2026-11-24T13:00:00Z"), "{place}");
        }
    }

    #[test]
    fn a_database_that_cannot_be_opened_now_is_left_where_it_is() {
        let folder = folder();
        let receipts = Receipts::new(folder.path());
        receipts.remember(&signed("2026-11-24T13:00:00Z"));
        // Another process has it open.
        assert_eq!(first(folder.path()), None);
        assert!(!folder.path().join("receipts.redb.unreadable").exists());
        assert!(receipts.first_allowed(&image(), NAME).is_some());
    }

    #[test]
    fn the_first_admission_is_remembered_across_restarts_and_later_ones_do_not_move_it() {
        let folder = folder();
        assert_eq!(first(folder.path()), None);
        Receipts::new(folder.path()).remember(&verdict("2026-11-24T13:00:00Z", Decision::Allow));
        Receipts::new(folder.path()).remember(&verdict("2026-12-24T13:00:00Z", Decision::Allow));
        assert_eq!(first(folder.path()), UnixTime::parse("2026-11-24T13:00:00Z"));
        assert_eq!(Receipts::new(folder.path()).first_allowed(&Digest::of(b"other"), NAME), None);
        assert_eq!(Receipts::new(folder.path()).first_allowed(&image(), "registry.example/app:2"), None);
    }

    #[test]
    fn what_is_denied_or_only_let_through_by_audit_leaves_no_receipt() {
        let folder = folder();
        let receipts = Receipts::new(folder.path());
        receipts.remember(&verdict("2026-11-24T13:00:00Z", Decision::Deny));
        let audited = Verdict { would_deny: true, ..verdict("2026-11-24T13:00:00Z", Decision::Allow) };
        receipts.remember(&audited);
        let keyed = Verdict { trust: None, ..verdict("2026-11-24T13:00:00Z", Decision::Allow) };
        receipts.remember(&keyed);
        assert_eq!(receipts.first_allowed(&image(), NAME), None);
    }

    fn trust(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn signed_under(text: &str, time: &str) -> Verdict {
        let digest = trust(text).to_string();
        Verdict { trust: Some(Trust { version: 7, digest, expires: String::new() }), ..signed(time) }
    }

    #[test]
    fn a_receipt_serves_the_bundle_that_gave_it_and_no_other() {
        let folder = folder();
        let receipts = Receipts::new(folder.path());
        receipts.remember(&signed_under("one", "2026-11-24T13:00:00Z"));
        assert!(receipts.serves(&image(), NAME, &trust("one")));
        assert!(!receipts.serves(&image(), NAME, &trust("two")));
        assert_eq!(receipts.of_other_bundles(&trust("one")).unwrap().len(), 0);
        let older = receipts.of_other_bundles(&trust("two")).unwrap();
        assert_eq!((older.len(), older[0].reference.as_str(), older[0].digest), (1, NAME, image()));
        // Renewed: the first admission stays what it was.
        let later = Settled::renewed(&older[0], signed_under("two", "2026-12-24T13:00:00Z"));
        receipts.settle(&[&later], &trust("two"));
        assert!(receipts.serves(&image(), NAME, &trust("two")));
        assert_eq!(receipts.of_other_bundles(&trust("two")).unwrap().len(), 0);
        let first = receipts.admitted_under(&image(), NAME, &trust("two")).unwrap();
        assert_eq!(first.at.to_string(), "2026-11-24T13:00:00Z");
    }

    #[test]
    fn a_refused_receipt_says_nothing_under_its_bundle_and_is_judged_again_by_the_next() {
        let folder = folder();
        let receipts = Receipts::new(folder.path());
        receipts.remember(&signed_under("one", "2026-11-24T13:00:00Z"));
        let older = receipts.of_other_bundles(&trust("two")).unwrap();
        receipts.settle(&[&Settled::left(&older[0])], &trust("two"));
        assert_eq!(receipts.of_other_bundles(&trust("two")).unwrap().len(), 1);
        receipts.settle(&[&Settled::refused(&older[0])], &trust("two"));
        assert!(!receipts.serves(&image(), NAME, &trust("two")));
        assert_eq!(receipts.admitted_under(&image(), NAME, &trust("two")), None);
        assert_eq!(receipts.of_other_bundles(&trust("two")).unwrap().len(), 0);
        assert_eq!(receipts.of_other_bundles(&trust("three")).unwrap().len(), 1);
        // Let in by the same bundle later, it comes for the first time.
        receipts.remember(&signed_under("two", "2026-12-24T13:00:00Z"));
        let first = receipts.admitted_under(&image(), NAME, &trust("two")).unwrap();
        assert_eq!(first.at.to_string(), "2026-12-24T13:00:00Z");
    }

    /// A verdict that was given meanwhile knows more than the one that was judged again.
    #[test]
    fn a_receipt_that_changed_meanwhile_is_not_overwritten() {
        let folder = folder();
        let receipts = Receipts::new(folder.path());
        receipts.remember(&signed_under("one", "2026-11-24T13:00:00Z"));
        let older = receipts.of_other_bundles(&trust("two")).unwrap();
        receipts.remember(&signed_under("two", "2026-12-24T13:00:00Z"));
        receipts.settle(&[&Settled::refused(&older[0])], &trust("two"));
        assert!(receipts.serves(&image(), NAME, &trust("two")));
    }

    /// T-119, F-45: foreign and forged receipts are not judged again either.
    #[test]
    fn receipts_of_another_node_and_forged_ones_are_not_listed() {
        let (ours, theirs) = (folder(), folder());
        for folder in [&ours, &theirs] {
            Receipts::new(folder.path()).remember(&signed_under("one", "2026-11-24T13:00:00Z"));
        }
        let (from, to) = (theirs.path().join(FILE), ours.path().join(FILE));
        fs::copy(from, to).unwrap();
        let receipts = Receipts::new(ours.path());
        assert_eq!(receipts.of_other_bundles(&trust("two")).unwrap().len(), 0);
        assert_eq!(receipts.first_allowed(&image(), NAME), None);
        // A receipt behind another image's key is none.
        let opened = receipts.opened().unwrap();
        receipts.remember(&signed_under("one", "2026-11-24T13:00:00Z"));
        let sealed = opened.read(&super::key(&image(), NAME)).unwrap().unwrap();
        opened.write(&super::key(&Digest::of(b"other"), NAME), &sealed).unwrap();
        opened.write(b"short", &sealed).unwrap();
        opened.write(&super::key(&Digest::of(b"more"), NAME), b"").unwrap();
        assert_eq!(receipts.of_other_bundles(&trust("two")).unwrap().len(), 1);
    }

    #[test]
    fn a_new_key_forgets_all_receipts() {
        let folder = folder();
        Receipts::new(folder.path()).remember(&verdict("2026-11-24T13:00:00Z", Decision::Allow));
        fs::remove_file(folder.path().join("node.key")).unwrap();
        assert_eq!(first(folder.path()), None);
    }

    #[test]
    fn a_corrupt_database_is_moved_aside_and_a_new_one_begun() {
        let folder = folder();
        Receipts::new(folder.path()).remember(&verdict("2026-11-24T13:00:00Z", Decision::Allow));
        fs::write(folder.path().join(FILE), vec![0xff; 8192]).unwrap();
        assert_eq!(first(folder.path()), None);
        Receipts::new(folder.path()).remember(&verdict("2026-11-25T13:00:00Z", Decision::Allow));
        assert_eq!(first(folder.path()), UnixTime::parse("2026-11-25T13:00:00Z"));
        assert!(folder.path().join("receipts.redb.unreadable").exists());
    }

    #[test]
    fn a_folder_without_a_usable_key_gives_no_receipts_and_fails_nothing() {
        let folder = folder();
        fs::write(folder.path().join("node.key"), b"short").unwrap();
        fs::set_permissions(folder.path().join("node.key"), fs::Permissions::from_mode(0o600)).unwrap();
        Receipts::new(folder.path()).remember(&verdict("2026-11-24T13:00:00Z", Decision::Allow));
        assert_eq!(first(folder.path()), None);
    }
}
