//! What is known: one row for each name, one for each container that runs.
//!
//! Two looks at the same thing may overlap. Each takes a number before it asks containerd, and a row is replaced only by
//! a look that began later: the last one to begin has seen the newest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pullward_core::oci::Digest;

use super::listing::Listing;
use super::name::{Name, Unfit};
use super::standing::{Finding, Standing};

/// A namespace, and a name or an id in it.
pub type Key = (String, String);

/// A name and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRow {
    /// What it stands for; none where that is no digest.
    pub digest: Option<Digest>,
    /// What is known.
    pub finding: Finding,
}

/// A container that runs and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningRow {
    /// The name of its image; empty where it has none.
    pub image: String,
    /// The digest that the name stood for when the container was first seen.
    pub digest: Option<Digest>,
    /// The id of its first process; 0 where that is not known.
    pub pid: u32,
    /// What is known.
    pub finding: Finding,
}

/// How many there are of what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Names.
    pub images: u64,
    /// Names that may be here.
    pub allowed: u64,
    /// Names that may be here because a rule only audits.
    pub audited: u64,
    /// Names that were judged and refused.
    pub denied: u64,
    /// Names that could not be judged now.
    pub undecided: u64,
    /// Names that have nothing that could be judged.
    pub unverifiable: u64,
    /// Names that hold evidence.
    pub evidence: u64,
    /// Containers that run.
    pub running: u64,
    /// Containers that run and are denied, undecided or unverifiable.
    pub running_unverified: u64,
}

/// Whether a row says something new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It differs from the row before, or there was none.
    Changed,
    /// It says the same.
    Same,
    /// A later look was faster.
    Late,
}

#[derive(Debug)]
struct Entry<R> {
    row: R,
    look: u64,
    judged: Instant,
    trust: Option<Digest>,
}

#[derive(Debug, Default)]
struct Rows {
    images: BTreeMap<Key, Entry<ImageRow>>,
    running: BTreeMap<Key, Entry<RunningRow>>,
    /// What is gone, by the look that saw it go, so that an older look does not bring it back.
    looks: u64,
}

/// All rows. Nothing blocks while it is locked.
#[derive(Debug, Default)]
pub struct Stock {
    rows: Mutex<Rows>,
}

impl Stock {
    /// Begins a look: its number.
    pub fn begin(&self) -> u64 {
        let mut rows = self.rows();
        rows.looks = rows.looks.saturating_add(1);
        rows.looks
    }

    /// What is known of a name with a digest, if it was decided in this state of trust and since `after`.
    #[must_use]
    pub fn known(
        &self,
        key: &Key,
        digest: &Digest,
        trust: Option<Digest>,
        after: Option<Instant>,
    ) -> Option<Finding> {
        let rows = self.rows();
        let entry = rows.images.get(key)?;
        let fresh = entry.row.digest == Some(*digest)
            && entry.trust == trust
            && entry.row.finding.standing != Standing::Undecided
            && after.is_none_or(|after| entry.judged >= after);
        fresh.then(|| entry.row.finding.clone())
    }

    /// Puts a row for a name in place. Ids that stand for the same digest are settled with it.
    pub fn put_image(&self, key: Key, row: ImageRow, trust: Option<Digest>, look: u64) -> News {
        let mut rows = self.rows();
        let digest = row.digest;
        let news = put(&mut rows.images, key.clone(), row, trust, look);
        if let (Some(digest), true) = (digest, news != News::Late) {
            rows.settle(&key.0, &digest);
        }
        news
    }

    /// Puts a row for a container in place.
    pub fn put_running(&self, key: Key, row: RunningRow, trust: Option<Digest>, look: u64) -> News {
        put(&mut self.rows().running, key, row, trust, look)
    }

    /// What is known of a name.
    #[must_use]
    pub fn image(&self, key: &Key) -> Option<ImageRow> {
        self.rows().images.get(key).map(|entry| entry.row.clone())
    }

    /// What is known of a container.
    #[must_use]
    pub fn running(&self, key: &Key) -> Option<RunningRow> {
        self.rows().running.get(key).map(|entry| entry.row.clone())
    }

    /// Forgets a name.
    pub fn drop_image(&self, key: &Key) {
        let mut rows = self.rows();
        if let Some(digest) = rows.images.remove(key).and_then(|entry| entry.row.digest) {
            rows.settle(&key.0, &digest);
        }
    }

    /// Forgets a container.
    pub fn drop_running(&self, key: &Key) {
        self.rows().running.remove(key);
    }

    /// Forgets what a list that was asked for in `look` does not have.
    pub fn keep_only(&self, listing: &Listing, look: u64) {
        let mut rows = self.rows();
        let images: BTreeSet<(&str, &str)> = listing
            .images
            .iter()
            .map(|(namespace, image)| (namespace.as_str(), image.name.as_str()))
            .collect();
        rows.images.retain(|key, entry| entry.look > look || images.contains(&(&*key.0, &*key.1)));
        let running: BTreeSet<(&str, &str)> = listing
            .running
            .iter()
            .map(|(namespace, it)| (namespace.as_str(), it.container.as_str()))
            .collect();
        rows.running.retain(|key, entry| entry.look > look || running.contains(&(&*key.0, &*key.1)));
        let digests: BTreeSet<(String, Digest)> =
            rows.images.iter().filter_map(|(key, entry)| Some((key.0.clone(), entry.row.digest?))).collect();
        for (namespace, digest) in digests {
            rows.settle(&namespace, &digest);
        }
    }

    /// Whether another name of the same digest may be here: then the digest's id is no name to remove.
    #[must_use]
    pub fn has_fine_name(&self, namespace: &str, digest: &Digest) -> bool {
        self.rows().names(namespace, digest).any(|finding| finding.standing.is_fine())
    }

    /// All names but those of the agent's own probe, in order.
    #[must_use]
    pub fn images(&self) -> Vec<(Key, ImageRow)> {
        let rows = self.rows();
        let shown = rows.images.iter().filter(|(_, entry)| !entry.row.finding.is_probe());
        shown.map(|(key, entry)| (key.clone(), entry.row.clone())).collect()
    }

    /// All containers, in order.
    #[must_use]
    pub fn all_running(&self) -> Vec<(Key, RunningRow)> {
        self.rows().running.iter().map(|(key, entry)| (key.clone(), entry.row.clone())).collect()
    }

    /// Whether a name is undecided: something has to be asked again.
    #[must_use]
    pub fn has_undecided(&self) -> bool {
        let counts = self.counts();
        counts.undecided > 0
    }

    /// How many there are of what.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let rows = self.rows();
        let mut counts = Counts::default();
        for entry in rows.images.values().filter(|entry| !entry.row.finding.is_probe()) {
            counts.images += 1;
            *match entry.row.finding.standing {
                Standing::Evidence => &mut counts.evidence,
                Standing::Allowed => &mut counts.allowed,
                Standing::Audited => &mut counts.audited,
                Standing::Undecided => &mut counts.undecided,
                Standing::Unverifiable => &mut counts.unverifiable,
                Standing::Denied => &mut counts.denied,
            } += 1;
        }
        for entry in rows.running.values() {
            counts.running += 1;
            counts.running_unverified += u64::from(!entry.row.finding.standing.is_fine());
        }
        counts
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows {
    /// What is known of the proper names of a digest.
    fn names(&self, namespace: &str, digest: &Digest) -> impl Iterator<Item = &Finding> {
        let digest = *digest;
        self.images
            .range((namespace.to_owned(), String::new())..)
            .take_while(move |(key, _)| key.0 == namespace)
            .filter(move |(key, entry)| entry.row.digest == Some(digest) && Name::of(&key.1) != Name::Id)
            .map(|(_, entry)| &entry.row.finding)
    }

    /// An id is judged by the names beside it, and the strictest verdict counts.
    fn settle(&mut self, namespace: &str, digest: &Digest) {
        let strictest = self.names(namespace, digest).max_by_key(|finding| finding.standing).cloned();
        let finding = strictest.unwrap_or_else(|| Finding::unfit(Unfit::IdWithoutName));
        let first = (namespace.to_owned(), "sha256:".to_owned());
        let ids = self
            .images
            .range_mut(first..)
            .take_while(|(key, _)| key.0 == namespace && key.1.starts_with("sha256:"));
        for (key, entry) in ids {
            if entry.row.digest == Some(*digest) && Name::of(&key.1) == Name::Id {
                entry.row.finding = finding.clone();
            }
        }
    }
}

fn put<R: PartialEq>(
    rows: &mut BTreeMap<Key, Entry<R>>,
    key: Key,
    row: R,
    trust: Option<Digest>,
    look: u64,
) -> News {
    let news = match rows.get(&key) {
        Some(entry) if entry.look > look => return News::Late,
        Some(entry) if entry.row == row => News::Same,
        _ => News::Changed,
    };
    rows.insert(key, Entry { row, look, judged: Instant::now(), trust });
    news
}

#[cfg(test)]
mod tests {
    use pullward_core::oci::Digest;

    use super::{ImageRow, Key, News, Stock};
    use crate::inventory::listing::Listing;
    use crate::inventory::name::Unfit;
    use crate::inventory::standing::{Finding, Standing};

    fn key(name: &str) -> Key {
        ("k8s.io".to_owned(), name.to_owned())
    }

    fn row(standing: Standing) -> ImageRow {
        let finding = Finding { standing, ..Finding::evidence() };
        ImageRow { digest: Some(Digest::of(b"image")), finding }
    }

    fn id() -> String {
        Digest::of(b"config").to_string()
    }

    fn id_row() -> ImageRow {
        ImageRow { digest: Some(Digest::of(b"image")), finding: Finding::unfit(Unfit::IdWithoutName) }
    }

    #[test]
    fn an_id_stands_as_the_strictest_of_the_names_beside_it() {
        let stock = Stock::default();
        let standing = || stock.image(&key(&id())).unwrap().finding.standing;
        stock.put_image(key(&id()), id_row(), None, 1);
        assert_eq!(standing(), Standing::Unverifiable);
        stock.put_image(key("a.example/x:1"), row(Standing::Allowed), None, 1);
        assert_eq!(standing(), Standing::Allowed);
        stock.put_image(key("b.example/x:1"), row(Standing::Denied), None, 1);
        assert_eq!(standing(), Standing::Denied);
        assert!(stock.has_fine_name("k8s.io", &Digest::of(b"image")));
        stock.drop_image(&key("b.example/x:1"));
        assert_eq!(standing(), Standing::Allowed);
        // A name in another namespace is another image.
        stock.drop_image(&key("a.example/x:1"));
        let other = ("default".to_owned(), "a.example/x:1".to_owned());
        stock.put_image(other, row(Standing::Allowed), None, 1);
        assert_eq!(standing(), Standing::Unverifiable);
        assert!(!stock.has_fine_name("k8s.io", &Digest::of(b"image")));
    }

    #[test]
    fn images_of_the_probe_are_neither_listed_nor_counted_and_other_names_of_them_are() {
        let stock = Stock::default();
        let probe = ImageRow { digest: Some(Digest::of(b"image")), finding: Finding::probe() };
        stock.put_image(key(&id()), id_row(), None, 1);
        stock.put_image(key("127.0.0.1:1/pullward-probe/refused:1"), probe, None, 1);
        assert_eq!((stock.images().len(), stock.counts().images), (0, 0));
        assert!(stock.has_fine_name("k8s.io", &Digest::of(b"image")));
        stock.put_image(key("b.example/x:1"), row(Standing::Denied), None, 1);
        assert_eq!((stock.images().len(), stock.counts().denied), (2, 2));
    }

    #[test]
    fn an_older_look_does_not_replace_a_newer_one() {
        let stock = Stock::default();
        let (old, new) = (stock.begin(), stock.begin());
        assert_eq!(stock.put_image(key("a.example/x:1"), row(Standing::Denied), None, new), News::Changed);
        assert_eq!(stock.put_image(key("a.example/x:1"), row(Standing::Allowed), None, old), News::Late);
        assert_eq!(stock.counts().denied, 1);
        // Nor does an older list forget it.
        stock.keep_only(&Listing::default(), old);
        assert_eq!(stock.counts().images, 1);
        stock.keep_only(&Listing::default(), new);
        assert_eq!(stock.counts().images, 0);
    }

    #[test]
    fn a_verdict_is_known_for_its_digest_and_its_trust_alone() {
        let stock = Stock::default();
        let (image, trust) = (Digest::of(b"image"), Some(Digest::of(b"trust")));
        let name = key("a.example/x:1");
        stock.put_image(name.clone(), row(Standing::Allowed), trust, 1);
        assert!(stock.known(&name, &image, trust, None).is_some());
        assert!(stock.known(&name, &Digest::of(b"other"), trust, None).is_none());
        assert!(stock.known(&name, &image, None, None).is_none());
        assert!(stock.known(&name, &image, trust, Some(std::time::Instant::now())).is_none());
        stock.put_image(name.clone(), row(Standing::Undecided), trust, 1);
        assert!(stock.known(&name, &image, trust, None).is_none());
    }
}
