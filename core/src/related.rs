//! Other digests that an image's digest is tied to by bytes: the index that lists it as a platform, and another manifest
//! of the very same image.
//!
//! A signature is over one digest. Where an image of several platforms was signed, that is the index, and whoever asks
//! for one platform's manifest finds nothing signed: [`Relation::Parent`] proves from the index's bytes that it lists the
//! manifest. Where a tool has packed layers anew (docker save, another compression), the manifest has another digest and
//! the same configuration, which names the layers as they are unpacked: [`Relation::Rewritten`] proves that.
//!
//! What a relation is worth is for [`crate::judge`] to say: a signed parent counts where the rule has `index = "parent"`,
//! a rewritten image never does. Spec: OCI image-spec 1.1, `image-index.md` and `manifest.md`.
//!
//! What this does *not* check: signatures, and what is in the layers.

use crate::buildkit::{self, Error};
use crate::json::{self, UnknownKeys};
use crate::limits;
use crate::oci::{
    Digest, MEDIA_TYPE_DOCKER_LIST, MEDIA_TYPE_DOCKER_MANIFEST, MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST,
};

/// What may tie an image to another digest: blobs as they were stored.
#[derive(Debug, Clone, Copy)]
pub enum Relation<'e> {
    /// An index that lists the image as the manifest of a platform.
    Parent {
        /// The index.
        index: &'e [u8],
    },
    /// Another manifest of the same image.
    Rewritten {
        /// The image's own manifest.
        image: &'e [u8],
        /// The other manifest.
        other: &'e [u8],
    },
}

/// What a digest is to the image that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kinship {
    /// The index that lists it.
    Parent,
    /// Another manifest with the same configuration.
    Rewritten,
}

/// A digest and what it is to the image. Only [`Relation::check`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Related {
    digest: Digest,
    kinship: Kinship,
}

impl Related {
    /// The other digest.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// What it is to the image.
    #[must_use]
    pub fn kinship(&self) -> Kinship {
        self.kinship
    }
}

impl Relation<'_> {
    /// Checks that the bytes tie the image to another digest. `platform` is `os/arch[/variant]`.
    ///
    /// A parent lists the image exactly once, as a manifest, as the only one of the platform that is asked for, and not as
    /// attestations. An index within an index is no platform's manifest, so that parents have no parents.
    ///
    /// # Errors
    /// [`Error`], by what is wrong first.
    pub fn check(&self, image: &Digest, platform: &str) -> Result<Related, Error> {
        match *self {
            Self::Parent { index } => {
                check_size(index)?;
                let digest = Digest::of(index);
                if digest == *image {
                    return Err(Error::IndexDigest);
                }
                check_child(index, image, platform)?;
                Ok(Related { digest, kinship: Kinship::Parent })
            }
            Self::Rewritten { image: own, other } => {
                check_size(own)?;
                check_size(other)?;
                let digest = Digest::of(other);
                if Digest::of(own) != *image || digest == *image {
                    return Err(Error::IndexDigest);
                }
                if config_of(own)? != config_of(other)? {
                    return Err(Error::ManifestNotListed);
                }
                Ok(Related { digest, kinship: Kinship::Rewritten })
            }
        }
    }
}

fn check_size(bytes: &[u8]) -> Result<(), Error> {
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= limits::MANIFEST_BYTES);
    if fits { Ok(()) } else { Err(Error::TooLarge) }
}

fn check_child(index: &[u8], child: &Digest, platform: &str) -> Result<(), Error> {
    let entries = buildkit::read_list(index, &[MEDIA_TYPE_INDEX, MEDIA_TYPE_DOCKER_LIST], "manifests")?;
    let mut listed = 0_usize;
    for entry in entries.clone() {
        let entry = entry?;
        let [media_type, digest] = entry.object()?.fields(["mediaType", "digest"], UnknownKeys::Skip)?;
        if buildkit::parse_digest(digest.ok_or(json::Error::MissingKey("digest"))?.string()?) != Some(*child)
        {
            continue;
        }
        let media_type = media_type.ok_or(json::Error::MissingKey("mediaType"))?.string()?;
        if !media_type.is(MEDIA_TYPE_MANIFEST) && !media_type.is(MEDIA_TYPE_DOCKER_MANIFEST) {
            return Err(Error::MediaType);
        }
        listed = listed.saturating_add(1);
    }
    if listed != 1 {
        return Err(Error::ManifestNotListed);
    }
    if buildkit::only_for(entries, platform)? == Some(*child) { Ok(()) } else { Err(Error::Platform) }
}

/// The digest of a manifest's configuration.
fn config_of(manifest: &[u8]) -> Result<Digest, Error> {
    // With layers it is no index.
    buildkit::read_list(manifest, &[MEDIA_TYPE_MANIFEST, MEDIA_TYPE_DOCKER_MANIFEST], "layers")?;
    let [config] = json::parse(manifest)?.object()?.fields(["config"], UnknownKeys::Skip)?;
    let config = config.ok_or(json::Error::MissingKey("config"))?;
    let [digest] = config.object()?.fields(["digest"], UnknownKeys::Skip)?;
    let digest = digest.ok_or(json::Error::MissingKey("digest"))?.string()?;
    let digest = buildkit::parse_digest(digest).ok_or(Error::StatementNotListed)?;
    // The configuration of everything that is no image.
    if digest == Digest::of(b"{}") { Err(Error::StatementNotListed) } else { Ok(digest) }
}

#[cfg(test)]
mod tests {
    use super::{Error, Kinship, Relation};
    use crate::json;
    use crate::oci::Digest;

    extern crate std;
    use std::format;
    use std::string::String;

    const AMD64: &str = r#""platform":{"os":"linux","architecture":"amd64"}"#;
    const ARM64: &str = r#""platform":{"os":"linux","architecture":"arm64"}"#;
    const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";

    fn child() -> Digest {
        Digest::of(b"the child")
    }

    fn entry(kind: &str, digest: &Digest, members: &str) -> String {
        format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":9,{members}}}"#)
    }

    fn index(entries: &[String]) -> String {
        format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{}]}}"#, entries.join(","))
    }

    fn parent(index: &str) -> Result<(Digest, Kinship), Error> {
        let related = Relation::Parent { index: index.as_bytes() }.check(&child(), "linux/amd64")?;
        Ok((*related.digest(), related.kinship()))
    }

    #[test]
    fn an_index_that_lists_the_manifest_for_this_platform_is_its_parent() {
        let other = entry(MANIFEST, &Digest::of(b"other"), ARM64);
        for kind in [MANIFEST, "application/vnd.docker.distribution.manifest.v2+json"] {
            let text = index(&[other.clone(), entry(kind, &child(), AMD64)]);
            assert_eq!(parent(&text), Ok((Digest::of(text.as_bytes()), Kinship::Parent)));
            let list = text.replace(INDEX, "application/vnd.docker.distribution.manifest.list.v2+json");
            assert!(parent(&list).is_ok());
        }
    }

    #[test]
    fn what_does_not_list_it_as_this_platforms_only_manifest_is_not() {
        let own = entry(MANIFEST, &child(), AMD64);
        let alone = index(core::slice::from_ref(&own));
        let other = Digest::of(b"other");
        let attestation = format!(
            r#"{AMD64},"annotations":{{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":"{other}"}}"#
        );
        for (text, error) in [
            (index(&[]), Error::ManifestNotListed),
            (index(&[entry(MANIFEST, &other, AMD64)]), Error::ManifestNotListed),
            (index(&[own.clone(), own.clone()]), Error::ManifestNotListed),
            (index(&[own.clone(), entry(MANIFEST, &child(), ARM64)]), Error::ManifestNotListed),
            // A nested index, and what no list may hold.
            (index(&[entry(INDEX, &child(), AMD64)]), Error::MediaType),
            (index(&[entry("", &child(), AMD64)]), Error::MediaType),
            (index(&[entry(MANIFEST, &child(), ARM64)]), Error::Platform),
            (index(&[entry(MANIFEST, &child(), r#""platform":null"#)]), Error::Platform),
            (index(&[own.clone(), entry(MANIFEST, &other, AMD64)]), Error::Platform),
            (index(&[entry(MANIFEST, &child(), &attestation)]), Error::Platform),
            (alone.replace(INDEX, MANIFEST), Error::MediaType),
            (alone.replace(r#""manifests""#, r#""layers":[],"manifests""#), Error::MediaType),
            (
                alone.replace(r#""mediaType":"application/vnd.oci.image.index.v1+json","#, ""),
                Error::MediaType,
            ),
            (alone.replace("amd64", "a\\u006dd64"), Error::Json(json::Error::WrongType)),
        ] {
            assert_eq!(parent(&text), Err(error), "{text}");
        }
        let big = format!("{}{}", index(&[]), " ".repeat(4 << 20));
        assert_eq!(parent(&big), Err(Error::TooLarge));
    }

    fn manifest(config: &[u8], layer: &str) -> String {
        let (config, layer) = (Digest::of(config), Digest::of(layer.as_bytes()));
        format!(
            r#"{{"mediaType":"{MANIFEST}","config":{{"digest":"{config}"}},"layers":[{{"digest":"{layer}"}}]}}"#
        )
    }

    fn rewritten(image: &str, other: &str) -> Result<Digest, Error> {
        let relation = Relation::Rewritten { image: image.as_bytes(), other: other.as_bytes() };
        let related = relation.check(&Digest::of(image.as_bytes()), "linux/amd64")?;
        assert_eq!(related.kinship(), Kinship::Rewritten);
        Ok(*related.digest())
    }

    #[test]
    fn manifests_with_one_configuration_are_one_image() {
        let (image, other) = (manifest(b"config", "gzip"), manifest(b"config", "zstd"));
        assert_eq!(rewritten(&image, &other), Ok(Digest::of(other.as_bytes())));
        assert_eq!(rewritten(&image, &image), Err(Error::IndexDigest));
        assert_eq!(rewritten(&image, &manifest(b"another", "gzip")), Err(Error::ManifestNotListed));
        // The empty configuration is every artifact's.
        assert_eq!(rewritten(&manifest(b"{}", "a"), &manifest(b"{}", "b")), Err(Error::StatementNotListed));
        assert_eq!(rewritten(&image, &index(&[])), Err(Error::MediaType));
        let relation = Relation::Rewritten { image: image.as_bytes(), other: other.as_bytes() };
        assert_eq!(relation.check(&child(), "linux/amd64"), Err(Error::IndexDigest));
    }
}
