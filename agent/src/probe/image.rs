//! An image with nothing in it: one layer, which is an empty archive, and a configuration that runs nothing.

use pullward_core::oci::Digest;
use serde_json::json;

use super::REPOSITORY;

/// Media type of the manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Two blocks of zeros: the end of an archive, POSIX.1-2017 `ustar`.
const EMPTY_ARCHIVE: [u8; 1024] = [0; 1024];

/// One of the two images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    repository: &'static str,
    tag: String,
    /// Its manifest.
    pub manifest: Vec<u8>,
    /// Its configuration.
    pub config: Vec<u8>,
    /// Digest of its manifest.
    pub digest: Digest,
}

impl Image {
    /// The image of this repository, for `platform` (`os/arch[/variant]`). With another `nonce` it is another image.
    #[must_use]
    pub fn new(repository: &'static str, nonce: &str, platform: &str) -> Self {
        let mut parts = platform.split('/');
        let mut part = || parts.next().unwrap_or_default().to_owned();
        let (os, architecture, variant) = (part(), part(), part());
        let mut config = json!({
            "os": os,
            "architecture": architecture,
            "config": {"Labels": {"pullward-probe": format!("{repository} {nonce}")}},
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(&EMPTY_ARCHIVE).to_string()]},
        });
        if !variant.is_empty() {
            config["variant"] = variant.into();
        }
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": Digest::of(&config).to_string(), "size": config.len()},
            "layers": [{
                "mediaType": LAYER,
                "digest": Digest::of(&EMPTY_ARCHIVE).to_string(),
                "size": EMPTY_ARCHIVE.len(),
            }],
        });
        let manifest = manifest.to_string().into_bytes();
        Self { repository, tag: nonce.to_owned(), digest: Digest::of(&manifest), manifest, config }
    }

    /// Its name on a host.
    #[must_use]
    pub fn name(&self, host: &str) -> String {
        format!("{}:{}", self.stem(host), self.tag)
    }

    /// Whether a name on that host is this image's, by tag or by its own digest.
    #[must_use]
    pub fn is_called(&self, name: &str, host: &str) -> bool {
        let Some(rest) = name.strip_prefix(&self.stem(host)) else { return false };
        let (tag, digest) = match rest.split_once('@') {
            Some((tag, digest)) => (tag, Some(digest)),
            None => (rest, None),
        };
        let tagged = match tag.strip_prefix(':') {
            Some(tag) => tag == self.tag,
            None => tag.is_empty() && digest.is_some(),
        };
        tagged && digest.is_none_or(|digest| digest == self.digest.to_string())
    }

    /// What the registry answers under a path: media type and bytes.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<(&'static str, &[u8])> {
        let rest = path.strip_prefix("/v2/")?.strip_prefix(REPOSITORY)?.strip_prefix('/')?;
        let (kind, name) = rest.strip_prefix(self.repository)?.strip_prefix('/')?.split_once('/')?;
        match kind {
            "manifests" if name == self.tag || name == self.digest.to_string() => {
                Some((MANIFEST, &self.manifest))
            }
            "blobs" if name == Digest::of(&self.config).to_string() => {
                Some(("application/octet-stream", &self.config))
            }
            "blobs" if name == Digest::of(&EMPTY_ARCHIVE).to_string() => {
                Some(("application/octet-stream", &EMPTY_ARCHIVE))
            }
            _ => None,
        }
    }

    fn stem(&self, host: &str) -> String {
        format!("{host}/{REPOSITORY}/{}", self.repository)
    }
}

#[cfg(test)]
mod tests {
    use super::Image;
    use pullward_core::oci::Digest;

    #[test]
    fn it_is_called_by_its_own_name_on_the_rounds_own_host_only() {
        let image = Image::new("allowed", "n1", "linux/arm/v7");
        let host = "127.0.0.1:4711";
        let (name, digest) = (image.name(host), image.digest);
        assert_eq!(name, "127.0.0.1:4711/pullward-probe/allowed:n1");
        assert!(image.is_called(&name, host));
        assert!(image.is_called(&format!("{name}@{digest}"), host));
        assert!(image.is_called(&format!("127.0.0.1:4711/pullward-probe/allowed@{digest}"), host));
        let other = Digest::of(b"other");
        for foreign in [
            "127.0.0.1:4711/pullward-probe/allowed:n2".to_owned(),
            "127.0.0.1:4711/pullward-probe/allowed".to_owned(),
            "127.0.0.1:4711/pullward-probe/allowedx:n1".to_owned(),
            "127.0.0.1:4711/pullward-probe/allowed/x:n1".to_owned(),
            "127.0.0.1:47110/pullward-probe/allowed:n1".to_owned(),
            "127.0.0.1:4712/pullward-probe/allowed:n1".to_owned(),
            format!("127.0.0.1:4711/pullward-probe/allowed@{other}"),
            format!("127.0.0.1:4711/pullward-probe/allowed:n1@{other}"),
        ] {
            assert!(!image.is_called(&foreign, host), "{foreign}");
        }
    }

    #[test]
    fn it_is_served_under_its_own_paths_and_another_nonce_is_another_image() {
        let image = Image::new("refused", "n1", "linux/amd64");
        assert_ne!(image.digest, Image::new("refused", "n2", "linux/amd64").digest);
        let by_tag = image.at("/v2/pullward-probe/refused/manifests/n1").unwrap();
        assert_eq!(Digest::of(by_tag.1), image.digest);
        for path in [
            "/v2/pullward-probe/allowed/manifests/n1",
            "/v2/pullward-probe/refused/manifests/n2",
            "/v2/pullward-probe/refused/blobs/n1",
            "/v2/pullward-probe/refused/manifests/../../n1",
            "/v2/",
            "",
        ] {
            assert_eq!(image.at(path), None, "{path}");
        }
        let manifest: serde_json::Value = serde_json::from_slice(&image.manifest).unwrap();
        for descriptor in [&manifest["config"], &manifest["layers"][0]] {
            let digest = descriptor["digest"].as_str().unwrap();
            let (_, bytes) = image.at(&format!("/v2/pullward-probe/refused/blobs/{digest}")).unwrap();
            assert_eq!(Digest::of(bytes).to_string(), digest);
            assert_eq!(descriptor["size"], bytes.len());
        }
    }
}
