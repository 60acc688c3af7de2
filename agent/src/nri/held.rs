//! What the name of an image stands for, by containerd's own image store.
//!
//! containerd tells a plugin the name alone; the digest behind it is looked up here, in the namespace that CRI keeps its
//! images in. A name that is the image's id is replaced by every reference to the same content: the strictest of them
//! decides. A name that is moved between kubelet's look at it and this one is judged as it is now.

use std::path::PathBuf;

use pullward_core::limits::HELD_NAMES;
use pullward_core::oci::Digest;
use pullward_core::reference::Reference;
use pullward_proto::v1::HeldName;

use super::plugin::Refusal;
use crate::containerd::client::{Client, ClientError, Image};
use crate::verdict::printable;

/// The namespace of CRI's images.
const NAMESPACE: &str = "k8s.io";

/// containerd's image store.
#[derive(Debug)]
pub struct Store {
    address: PathBuf,
    client: Option<Client>,
}

impl Store {
    /// The store of the containerd that listens at `address`.
    #[must_use]
    pub fn new(address: PathBuf) -> Self {
        Self { address, client: None }
    }

    /// The names to be judged for an image, each with its digest: 1 to [`HELD_NAMES`].
    ///
    /// # Errors
    /// [`Refusal::Store`].
    pub async fn names(&mut self, image: &str) -> Result<Vec<HeldName>, Refusal> {
        let refused =
            |error: Lookup| Refusal::Store { image: printable(image, 300), detail: error.to_string() };
        if let Some(client) = self.client.take() {
            let looked = look_up(&client, image).await;
            if !matches!(looked, Err(Lookup::Client(_))) {
                self.client = Some(client);
                return looked.map_err(refused);
            }
        }
        // The first question, or containerd was restarted since the last one: that connection is gone.
        let client = Client::connect(&self.address).await.map_err(|error| refused(error.into()))?;
        let looked = look_up(&client, image).await;
        self.client = Some(client);
        looked.map_err(refused)
    }
}

/// Why there is no digest for a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Lookup {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("containerd's image store has no such name: pull the image by its name")]
    Absent,
    #[error("the name stands for {0}, which is no SHA-256 digest")]
    Target(String),
    #[error("no reference leads to this image: pull it by its name")]
    NoReference,
    #[error("more than {HELD_NAMES} references lead to this image")]
    TooMany,
}

async fn look_up(client: &Client, image: &str) -> Result<Vec<HeldName>, Lookup> {
    if Digest::parse(image).is_ok() { by_id(client, image).await } else { by_name(client, image).await }
}

async fn by_name(client: &Client, image: &str) -> Result<Vec<HeldName>, Lookup> {
    for name in spellings(image) {
        if let Some(found) = client.image(NAMESPACE, &name).await? {
            let digest = found.target.map_err(Lookup::Target)?;
            return Ok(vec![HeldName { reference: name, digest: digest.to_string() }]);
        }
    }
    Err(Lookup::Absent)
}

async fn by_id(client: &Client, id: &str) -> Result<Vec<HeldName>, Lookup> {
    let found = client.image(NAMESPACE, id).await?.ok_or(Lookup::Absent)?;
    let digest = found.target.map_err(Lookup::Target)?;
    references(&client.images(NAMESPACE).await?, digest)
}

/// The names under which containerd may hold what is asked for as `image`.
fn spellings(image: &str) -> Vec<String> {
    let Ok(reference) = Reference::parse(image) else { return Vec::new() };
    match reference.digest() {
        // CRI drops a tag beside a digest.
        Some(digest) => vec![format!("{}@{digest}", reference.name()), reference.as_str().to_owned()],
        None => vec![reference.as_str().to_owned()],
    }
}

/// Every reference to a digest.
fn references(images: &[Image], digest: Digest) -> Result<Vec<HeldName>, Lookup> {
    let names: Vec<HeldName> = images
        .iter()
        .filter(|image| image.target == Ok(digest))
        // Ids are names in the store, too.
        .filter(|image| Digest::parse(&image.name).is_err() && Reference::parse(&image.name).is_ok())
        .map(|image| HeldName { reference: image.name.clone(), digest: digest.to_string() })
        .collect();
    match names.len() {
        0 => Err(Lookup::NoReference),
        many if many > HELD_NAMES => Err(Lookup::TooMany),
        _ => Ok(names),
    }
}

#[cfg(test)]
mod tests {
    use pullward_core::oci::Digest;

    use super::{HELD_NAMES, Image, Lookup, references, spellings};

    fn image(name: &str, content: &[u8]) -> Image {
        Image { name: name.to_owned(), target: Ok(Digest::of(content)), media_type: String::new(), size: 1 }
    }

    #[test]
    fn a_short_name_is_looked_for_as_containerd_spells_it() {
        assert_eq!(spellings("nginx"), ["docker.io/library/nginx:latest"]);
    }

    #[test]
    fn a_tag_beside_a_digest_is_dropped_first() {
        let digest = Digest::of(b"x");
        let found = spellings(&format!("r.example/a:v1@{digest}"));
        assert_eq!(found, [format!("r.example/a@{digest}"), format!("r.example/a:v1@{digest}")]);
    }

    #[test]
    fn what_is_no_reference_has_no_spelling() {
        assert!(spellings("UPPER case").is_empty());
    }

    #[test]
    fn an_id_is_judged_under_every_reference_to_its_content_and_never_as_itself() {
        let id = Digest::of(b"config").to_string();
        let images = [
            image(&id, b"x"),
            image("r.example/a:1", b"x"),
            image("r.example/b:1", b"y"),
            image("r.example/c:1", b"x"),
        ];
        let found = references(&images, Digest::of(b"x")).unwrap();
        let names: Vec<_> = found.iter().map(|name| name.reference.as_str()).collect();
        assert_eq!(names, ["r.example/a:1", "r.example/c:1"]);
    }

    #[test]
    fn an_id_without_a_reference_is_refused() {
        let id = Digest::of(b"config").to_string();
        assert_eq!(references(&[image(&id, b"x")], Digest::of(b"x")), Err(Lookup::NoReference));
    }

    #[test]
    fn more_references_than_are_judged_are_refused() {
        let images: Vec<_> = (0..=HELD_NAMES).map(|n| image(&format!("r.example/a:{n}"), b"x")).collect();
        assert_eq!(references(&images, Digest::of(b"x")), Err(Lookup::TooMany));
    }
}
