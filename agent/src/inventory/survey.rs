//! Looking: all of it, one name, one container.

use std::sync::Arc;
use std::time::Instant;

use pullward_core::limits;
use pullward_core::oci::{Digest, MEDIA_TYPE_DSSE, MEDIA_TYPE_SIMPLE_SIGNING};
use pullward_core::verdict::Reason;
use tokio::task::JoinSet;

use super::act::{Acts, Sight};
use super::judge::Verdicts;
use super::listing::{Listing, Running};
use super::name::{Name, Unfit};
use super::standing::{Finding, Standing};
use super::stock::{ImageRow, Key, News, RunningRow, Stock};
use crate::containerd::client::{Client, ClientError, Image};
use crate::evidence::document::{Document, Shape};
use crate::verdict::printable;

/// Judgements that one look over everything asks for at a time: pulls come first.
const AT_A_TIME: usize = 4;

/// Listed manifests of a fallback index that are read to see that it is one.
const REFERRERS: usize = 64;

/// Looks, and keeps what it saw.
pub struct Survey<V> {
    verdicts: V,
    /// What is known.
    pub stock: Stock,
    /// What is done about it.
    pub acts: Acts,
}

impl<V: Verdicts> Survey<V> {
    /// A survey that has seen nothing yet.
    #[must_use]
    pub fn new(verdicts: V, acts: Acts) -> Self {
        Self { verdicts, stock: Stock::default(), acts }
    }

    /// What tells one state of trust from the next.
    #[must_use]
    pub fn trust(&self) -> Option<Digest> {
        self.verdicts.trust()
    }

    /// Looks at everything that containerd holds. What was decided for the same digest by the same trust since `after` is
    /// not judged again.
    ///
    /// # Errors
    /// [`ClientError`] where containerd could not be asked for its lists: what is known stays.
    pub async fn look_over(
        self: &Arc<Self>,
        client: &Client,
        after: Option<Instant>,
    ) -> Result<(), ClientError> {
        let look = self.stock.begin();
        let listing = Listing::take(client).await?;
        self.stock.keep_only(&listing, look);
        let mut looks = JoinSet::new();
        // What runs comes first.
        for (namespace, running) in listing.running {
            let (survey, client) = (Arc::clone(self), client.clone());
            room(&mut looks).await;
            looks.spawn(async move {
                survey.running(&client, namespace, running, look, Sight::List, after).await;
            });
        }
        drain(&mut looks).await;
        for (namespace, image) in listing.images {
            let (survey, client) = (Arc::clone(self), client.clone());
            room(&mut looks).await;
            looks.spawn(
                async move { survey.image(&client, namespace, image, look, Sight::List, after).await },
            );
        }
        drain(&mut looks).await;
        // Ids stand as the names beside them, all of which are known now.
        for (key, row) in self.stock.images() {
            if Name::of(&key.1) == Name::Id {
                self.acts.on_image(client, &self.stock, &key, &row).await;
            }
        }
        Ok(())
    }

    /// Looks at one name of which something was heard.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn look_at_image(
        &self,
        client: &Client,
        namespace: String,
        name: String,
    ) -> Result<(), ClientError> {
        let look = self.stock.begin();
        match client.image(&namespace, &name).await? {
            Some(image) => self.image(client, namespace, image, look, Sight::Event, None).await,
            None => self.stock.drop_image(&(namespace, name)),
        }
        Ok(())
    }

    /// Looks at one container that has started.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn look_at_task(
        &self,
        client: &Client,
        namespace: String,
        container: String,
    ) -> Result<(), ClientError> {
        let look = self.stock.begin();
        let Some(found) = client.container(&namespace, &container).await? else {
            self.stock.drop_running(&(namespace, container));
            return Ok(());
        };
        let running = Running { container, image: found.image, pid: 0 };
        self.running(client, namespace, running, look, Sight::Event, None).await;
        Ok(())
    }

    async fn image(
        &self,
        client: &Client,
        namespace: String,
        image: Image,
        look: u64,
        sight: Sight,
        after: Option<Instant>,
    ) {
        let trust = self.trust();
        let digest = image.target.clone().ok();
        let key = (namespace, image.name.clone());
        let known = match (&digest, sight) {
            // What was just written about is judged anew, also where it says what it said.
            (Some(digest), Sight::List) => self.stock.known(&key, digest, trust, after),
            _ => None,
        };
        if known.is_some() {
            // Known, and perhaps not dealt with: containerd may have refused.
            if let Some(row) = self.stock.image(&key).filter(|_| Name::of(&key.1) != Name::Id) {
                self.acts.on_image(client, &self.stock, &key, &row).await;
            }
            return;
        }
        let finding = self.find(client, &key, &image).await;
        let row = ImageRow { digest, finding };
        let news = self.stock.put_image(key.clone(), row.clone(), trust, look);
        if news == News::Changed {
            say_image(&key, &row);
        }
        // An id stands as the names beside it, which may not be known yet.
        if news != News::Late && Name::of(&key.1) != Name::Id {
            self.acts.on_image(client, &self.stock, &key, &row).await;
        }
    }

    async fn find(&self, client: &Client, key: &Key, image: &Image) -> Finding {
        let Ok(digest) = &image.target else { return Finding::unfit(Unfit::TargetInvalid) };
        match Name::of(&image.name) {
            Name::Reference => self.verdicts.judge(&key.0, &image.name, digest).await,
            Name::Id => Finding::unfit(Unfit::IdWithoutName),
            Name::Probe => Finding::probe(),
            Name::Unfit(unfit) => Finding::unfit(unfit),
            // A name is not enough: anybody could hide an image behind one.
            Name::Evidence(subject) if is_evidence(client, &key.0, image, digest, &subject).await => {
                Finding::evidence()
            }
            Name::Evidence(_) => self.verdicts.judge(&key.0, &image.name, digest).await,
        }
    }

    async fn running(
        &self,
        client: &Client,
        namespace: String,
        running: Running,
        look: u64,
        sight: Sight,
        after: Option<Instant>,
    ) {
        let trust = self.trust();
        let key = (namespace, running.container.clone());
        let before = self.stock.running(&key);
        let (digest, finding) = self.find_running(client, &key.0, &running, before.as_ref(), after).await;
        let pid = if running.pid == 0 { before.map_or(0, |row| row.pid) } else { running.pid };
        let row = RunningRow { image: running.image, digest, pid, finding };
        let known = self.stock.running(&key).map(|row| row.finding);
        let news = self.stock.put_running(key.clone(), row.clone(), trust, look);
        if news == News::Changed && known.as_ref() != Some(&row.finding) {
            say_running(&key, &row);
        }
        if news != News::Late {
            self.acts.on_running(client, &key, &row, sight).await;
        }
    }

    /// What a container runs: what its image's name stood for when it was first seen, or stands for now.
    async fn find_running(
        &self,
        client: &Client,
        namespace: &str,
        running: &Running,
        before: Option<&RunningRow>,
        after: Option<Instant>,
    ) -> (Option<Digest>, Finding) {
        if running.image.is_empty() {
            return (None, Finding::unfit(Unfit::ContainerWithoutImage));
        }
        let seen = before.filter(|row| row.image == running.image).and_then(|row| row.digest);
        let digest = match seen {
            Some(digest) => digest,
            None => match client.image(namespace, &running.image).await {
                Ok(Some(Image { target: Ok(digest), .. })) => digest,
                Ok(Some(_)) => return (None, Finding::unfit(Unfit::TargetInvalid)),
                Ok(None) => return (None, Finding::unfit(Unfit::ImageGone)),
                Err(error) => {
                    let finding = Finding::undecided(Reason::EvidenceUnreachable, &error.to_string());
                    return (None, finding);
                }
            },
        };
        let finding = match Name::of(&running.image) {
            Name::Id => self.find_by_id(client, namespace, &digest, after).await,
            Name::Unfit(unfit) => Finding::unfit(unfit),
            // Also what calls itself evidence or a probe: here it runs.
            Name::Reference | Name::Evidence(_) | Name::Probe => {
                self.judge_known(namespace, &running.image, &digest, after).await
            }
        };
        (Some(digest), finding)
    }

    /// An image that runs by its id: every proper name of it is judged, and the strictest verdict counts.
    async fn find_by_id(
        &self,
        client: &Client,
        namespace: &str,
        digest: &Digest,
        after: Option<Instant>,
    ) -> Finding {
        let images = match client.images(namespace).await {
            Ok(images) => images,
            Err(error) => return Finding::undecided(Reason::EvidenceUnreachable, &error.to_string()),
        };
        let mut strictest: Option<Finding> = None;
        for image in images.iter().filter(|image| image.target.as_ref() == Ok(digest)) {
            let finding = match Name::of(&image.name) {
                Name::Id => continue,
                Name::Unfit(unfit) => Finding::unfit(unfit),
                Name::Reference | Name::Evidence(_) | Name::Probe => {
                    self.judge_known(namespace, &image.name, digest, after).await
                }
            };
            if strictest.as_ref().is_none_or(|known| known.standing < finding.standing) {
                strictest = Some(finding);
            }
        }
        strictest.unwrap_or_else(|| Finding::unfit(Unfit::IdWithoutName))
    }

    async fn judge_known(
        &self,
        namespace: &str,
        name: &str,
        digest: &Digest,
        after: Option<Instant>,
    ) -> Finding {
        let key = (namespace.to_owned(), name.to_owned());
        let known = self.stock.known(&key, digest, self.trust(), after);
        match known.filter(|finding| finding.standing != Standing::Evidence) {
            Some(finding) => finding,
            None => self.verdicts.judge(namespace, name, digest).await,
        }
    }
}

/// Waits until there is room for one more look.
async fn room(looks: &mut JoinSet<()>) {
    while looks.len() >= AT_A_TIME {
        // A look that panicked leaves its row as it was, and is in the log.
        drop(looks.join_next().await);
    }
}

async fn drain(looks: &mut JoinSet<()>) {
    while looks.join_next().await.is_some() {}
}

/// Whether what stands behind a name of evidence is nothing else: layers of evidence alone, or a list of referrers all
/// of which name the digest. What cannot be read is an image until it can.
async fn is_evidence(
    client: &Client,
    namespace: &str,
    image: &Image,
    digest: &Digest,
    subject: &Digest,
) -> bool {
    let cap = limits::MANIFEST_BYTES;
    let Ok(bytes) = client.content(namespace, digest, cap).await else { return false };
    let Ok(document) = Document::parse(&bytes, &image.media_type) else { return false };
    match document.shape {
        Shape::Manifest { layers } => {
            let evidence =
                |media_type: &str| [MEDIA_TYPE_SIMPLE_SIGNING, MEDIA_TYPE_DSSE].contains(&media_type);
            layers.listed == layers.entries.len()
                && !layers.entries.is_empty()
                && layers.entries.iter().all(|it| it.as_ref().is_ok_and(|it| evidence(&it.media_type)))
        }
        Shape::Index { manifests } => {
            if manifests.listed > REFERRERS || manifests.entries.is_empty() {
                return false;
            }
            for entry in &manifests.entries {
                let Ok(entry) = entry else { return false };
                let Ok(bytes) = client.content(namespace, &entry.digest, cap).await else { return false };
                let Ok(document) = Document::parse(&bytes, &entry.media_type) else { return false };
                if !matches!(document.subject, Some(Ok(to)) if to.digest == *subject) {
                    return false;
                }
            }
            true
        }
    }
}

fn say_image(key: &Key, row: &ImageRow) {
    let (namespace, name) = (printable(&key.0, 100), printable(&key.1, 300));
    let digest = row.digest.map(|digest| digest.to_string()).unwrap_or_default();
    let Finding { standing, reason, message, .. } = &row.finding;
    if standing.is_fine() {
        tracing::debug!(namespace, name, digest, reason, "image in the inventory: {}", standing.as_str());
    } else if Name::of(&key.1) != Name::Id {
        tracing::warn!(
            target: crate::log::VERDICTS,
            namespace, name, digest, reason,
            "unverified image in containerd ({}): {message}",
            standing.as_str()
        );
    }
}

fn say_running(key: &Key, row: &RunningRow) {
    let (namespace, container) = (printable(&key.0, 100), printable(&key.1, 300));
    let image = printable(&row.image, 300);
    let Finding { standing, reason, message, .. } = &row.finding;
    if standing.is_fine() {
        tracing::debug!(namespace, container, image, reason, "container runs: {}", standing.as_str());
    } else {
        tracing::warn!(
            target: crate::log::VERDICTS,
            namespace, container, image, reason,
            way = super::way(&key.0),
            "a container of an unverified image runs ({}): {message}",
            standing.as_str()
        );
    }
}
