use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pullward_core::oci::{Digest, MEDIA_TYPE_MANIFEST};
use pullward_core::time::UnixTime;
use serde_json::{Value, json};

use super::collect::{Doing, Operators};
use super::keeper::Keeper;
use super::{Store, StoreError, Use};
use crate::config::{self, Time};
use crate::evidence::Source;
use crate::evidence::pad::{Attachment, Blob};

const DAY: u64 = 86_400;

struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn store(&self, max_bytes: u64) -> Store {
        let dir = self.folder.path().join("evidence");
        Store::of(&config::Store { dir, retain: Time(Duration::from_secs(10 * DAY)), max_bytes })
    }

    /// Names of everything in the store, without the lock and the staging folder.
    fn blobs(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("evidence/blobs/sha256"));
        let mut names: Vec<_> =
            entries.unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn index(&self) -> Value {
        serde_json::from_slice(&fs::read(self.folder.path().join("evidence/index.json")).unwrap()).unwrap()
    }
}

fn attachment(content: &str) -> Attachment {
    let blob = content.as_bytes();
    let entry = json!({"mediaType": "x", "digest": Digest::of(blob).to_string(), "size": blob.len()});
    let manifest = json!({"schemaVersion": 2, "mediaType": MEDIA_TYPE_MANIFEST, "layers": [entry]});
    let manifest = manifest.to_string().into_bytes();
    Attachment {
        source: Source::Registry,
        manifest: Digest::of(&manifest),
        media_type: MEDIA_TYPE_MANIFEST.to_owned(),
        size: u64::try_from(manifest.len()).unwrap(),
        name: None,
        pieces: vec![Digest::of(blob)],
        content: vec![
            (Digest::of(&manifest), Blob::Memory(manifest.into())),
            (Digest::of(blob), Blob::Memory(blob.into())),
        ],
    }
}

const ROOM: u64 = 1 << 20;

#[test]
fn what_is_put_is_listed_once_and_its_use_is_noted() {
    let folder = Folder::new();
    let store = folder.store(ROOM);
    let one = attachment("one");
    store.put(&[(one.clone(), Use::Fetched)], UnixTime(100)).unwrap();
    assert_eq!(store.list().unwrap()[0].used, None);
    store.put(&[(one.clone(), Use::Verdict)], UnixTime(200)).unwrap();
    // Within a day nothing is written for another use.
    store.put(&[(one, Use::Verdict)], UnixTime(300)).unwrap();
    let items = store.list().unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!((items[0].by, items[0].kept.clone()), ("pullward", Some(UnixTime(100).to_string())));
    assert_eq!(items[0].used, Some(UnixTime(200).to_string()));
    assert_eq!(folder.blobs().len(), 2);
}

#[test]
fn unused_evidence_goes_after_a_day_and_used_evidence_when_its_time_is_over() {
    let folder = Folder::new();
    let store = folder.store(ROOM);
    store.put(&[(attachment("used"), Use::Verdict)], UnixTime(0)).unwrap();
    store.put(&[(attachment("unused"), Use::Fetched)], UnixTime(0)).unwrap();
    let at = |days: u64, doing| store.collect(UnixTime(days * DAY + 1), Operators::Keep, doing).unwrap();
    assert_eq!(at(0, Doing::Really), []);
    assert_eq!(at(1, Doing::DryRun).len(), 1);
    assert_eq!(store.list().unwrap().len(), 2);
    let gone = at(1, Doing::Really);
    assert_eq!((gone.len(), gone[0].why), (1, "unused"));
    assert_eq!(gone[0].digest, attachment("unused").manifest.to_string());
    assert_eq!(folder.blobs().len(), 2);
    assert_eq!(at(10, Doing::Really)[0].why, "retain-over");
    assert_eq!(folder.blobs().len(), 0);
}

#[test]
fn what_an_operator_put_there_stays_and_so_does_content_that_it_shares() {
    let folder = Folder::new();
    let store = folder.store(ROOM);
    let ours = attachment("shared");
    store.put(&[(ours.clone(), Use::Verdict)], UnixTime(0)).unwrap();
    let mut index = folder.index();
    let path = folder.folder.path().join("evidence/index.json");
    // Another manifest of theirs with the same layer.
    let mut manifest: Value = json!({"schemaVersion": 2, "annotations": {"a": "b"}});
    manifest["layers"] = json!([{"digest": Digest::of(b"shared").to_string()}]);
    let bytes = manifest.to_string().into_bytes();
    let theirs = Digest::of(&bytes);
    fs::write(path.with_file_name("blobs").join("sha256").join(theirs.hex().as_str()), &bytes).unwrap();
    let entry =
        json!({"mediaType": MEDIA_TYPE_MANIFEST, "digest": theirs.to_string(), "size": bytes.len(), "x": 1});
    index["manifests"].as_array_mut().unwrap().push(entry.clone());
    fs::write(&path, index.to_string()).unwrap();
    let late = UnixTime(4_000_000_000);
    let gone = store.collect(late, Operators::Keep, Doing::Really).unwrap();
    assert_eq!(gone.len(), 1);
    assert_eq!(folder.index()["manifests"], json!([entry]));
    assert_eq!(folder.blobs().len(), 2);
    // Ours again beside theirs: an entry without our mark is never touched.
    store.put(&[(ours, Use::Verdict)], late).unwrap();
    assert_eq!(folder.index()["manifests"][0], entry);
    let later = UnixTime(late.0 + 20 * DAY);
    assert_eq!(store.collect(later, Operators::Collect, Doing::Really).unwrap().len(), 2);
    assert_eq!(folder.blobs().len(), 0);
}

#[test]
fn at_the_bound_the_unused_goes_first_and_then_what_was_used_longest_ago() {
    let folder = Folder::new();
    let body = |name: &str| format!("{name}{}", "x".repeat(1000));
    let one = attachment(&body("1"));
    let each: u64 = one.content.iter().map(|(_, blob)| blob.len()).sum();
    let store = folder.store(each * 3);
    store.put(&[(one, Use::Verdict)], UnixTime(100)).unwrap();
    store.put(&[(attachment(&body("2")), Use::Verdict)], UnixTime(200)).unwrap();
    store.put(&[(attachment(&body("3")), Use::Fetched)], UnixTime(300)).unwrap();
    let has = |name: &str| {
        let digest = attachment(&body(name)).manifest.to_string();
        store.list().unwrap().iter().any(|item| item.digest == digest)
    };
    store.put(&[(attachment(&body("4")), Use::Verdict)], UnixTime(400)).unwrap();
    assert_eq!(["1", "2", "3", "4"].map(has), [true, true, false, true]);
    store.put(&[(attachment(&body("5")), Use::Verdict)], UnixTime(500)).unwrap();
    assert_eq!(["1", "2", "4", "5"].map(has), [false, true, true, true]);
    assert_eq!(folder.blobs().len(), 6);
    let large = attachment(&"y".repeat(10_000));
    let before = folder.index();
    assert!(matches!(store.put(&[(large, Use::Verdict)], UnixTime(600)), Err(StoreError::Full { .. })));
    assert_eq!((folder.index(), folder.blobs().len()), (before, 6));
}

#[test]
fn an_index_that_is_none_is_not_overwritten() {
    let folder = Folder::new();
    let store = folder.store(ROOM);
    store.put(&[(attachment("one"), Use::Verdict)], UnixTime(0)).unwrap();
    let path = folder.folder.path().join("evidence/index.json");
    for bad in ["", "{", "[]", "{\"manifests\":{}}"] {
        fs::write(&path, bad).unwrap();
        let put = store.put(&[(attachment("two"), Use::Verdict)], UnixTime(0));
        assert!(matches!(put, Err(StoreError::Index { .. })), "{bad}");
        assert_eq!(fs::read_to_string(&path).unwrap(), bad);
        assert_eq!(folder.blobs().len(), 2);
    }
}

/// F-30: content that cannot be written leaves the index as it was, and nothing behind.
#[test]
fn a_write_that_fails_half_way_leaves_nothing() {
    let folder = Folder::new();
    let store = folder.store(ROOM);
    store.put(&[(attachment("one"), Use::Verdict)], UnixTime(0)).unwrap();
    let (index, blobs) = (folder.index(), folder.blobs());
    let two = attachment("two");
    // A folder with files in it stands where the second file has to go.
    let hex = Digest::of(b"two").hex();
    fs::create_dir_all(folder.folder.path().join("evidence/blobs/sha256").join(hex.as_str()).join("x"))
        .unwrap();
    assert!(matches!(store.put(&[(two, Use::Verdict)], UnixTime(0)), Err(StoreError::Io { .. })));
    fs::remove_dir_all(folder.folder.path().join("evidence/blobs/sha256").join(hex.as_str())).unwrap();
    assert_eq!((folder.index(), folder.blobs()), (index, blobs));
}

/// Two processes lose none of each other's entries: the lock is on the file, so two stores in one process are as good.
#[test]
fn two_writers_lose_no_entry() {
    let folder = Folder::new();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let store = folder.store(ROOM);
            std::thread::spawn(move || {
                for number in 0..10 {
                    store
                        .put(&[(attachment(&format!("{writer}-{number}")), Use::Verdict)], UnixTime(0))
                        .unwrap();
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert_eq!(folder.store(ROOM).list().unwrap().len(), 40);
    assert_eq!(folder.blobs().len(), 80);
}

#[test]
fn a_keeper_writes_what_it_was_given_and_ends_with_nothing_staged() {
    let folder = Folder::new();
    let keeper = Keeper::new(folder.store(ROOM));
    keeper.start();
    let soon = || Instant::now() + Duration::from_secs(20);
    let ticket = keeper.submit(vec![attachment("one"), attachment("two")], Use::Verdict);
    assert!(keeper.wait(ticket, soon()));
    assert_eq!(keeper.store().list().unwrap().len(), 2);
    let staged = Arc::clone(keeper.staging()).put(b"half").unwrap();
    keeper.end(soon());
    assert_eq!(fs::read_dir(folder.folder.path().join("evidence/.pullward")).unwrap().count(), 0);
    drop(staged);
    // After the end nothing is taken.
    let ticket = keeper.submit(vec![attachment("three")], Use::Verdict);
    assert!(keeper.wait(ticket, soon()));
    assert_eq!((keeper.store().list().unwrap().len(), keeper.dropped()), (2, 1));
}

/// F-30: a store that cannot be written costs evidence, and nothing waits for it.
#[test]
fn a_store_that_cannot_be_written_is_counted_and_holds_nobody() {
    let folder = Folder::new();
    // A file stands where the store should be.
    fs::write(folder.folder.path().join("evidence"), "").unwrap();
    let keeper = Keeper::new(folder.store(ROOM));
    keeper.start();
    let ticket = keeper.submit(vec![attachment("one")], Use::Verdict);
    assert!(keeper.wait(ticket, Instant::now() + Duration::from_secs(20)));
    assert_eq!(keeper.dropped(), 1);
    keeper.end(Instant::now() + Duration::from_secs(20));
}
