//! `oci:DIR[:TAG|@DIGEST]`: an image in a layout on disk, as a command line names it.

use std::path::PathBuf;
use std::str::FromStr;

use pullward_core::oci::{Digest, DigestError};

/// An image in an OCI image layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciTarget {
    /// The folder of the layout. It comes from the command line, never from a document.
    pub directory: PathBuf,
    /// Which image in it.
    pub image: OciImage,
}

/// Which image of a layout is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OciImage {
    /// The only one there is.
    Only,
    /// The one with this name in `org.opencontainers.image.ref.name`.
    Named(String),
    /// The one with this digest.
    Digest(Digest),
}

/// Why a text is not such a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OciTargetError {
    /// It does not start with `oci:`.
    #[error("a layout on disk is written oci:DIR, oci:DIR:TAG or oci:DIR@DIGEST")]
    Scheme,
    /// It starts with `oci://`, which names a registry elsewhere.
    #[error("oci:// names a registry; a layout on disk is written oci:DIR")]
    Registry,
    /// There is no folder.
    #[error("oci: is not followed by a folder")]
    NoDirectory,
    /// What follows `@` is not a digest.
    #[error("the digest behind @ is not usable: {0}")]
    Digest(DigestError),
    /// What follows the last colon is not a tag.
    #[error(
        "the tag behind the last colon is not usable; write the folder with a slash at its end if it has a colon"
    )]
    Tag,
}

impl FromStr for OciTarget {
    type Err = OciTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("oci:").ok_or(OciTargetError::Scheme)?;
        if rest.starts_with("//") {
            return Err(OciTargetError::Registry);
        }
        // A colon or an at sign counts only behind the last slash: folders may have them too.
        let last = rest.rfind('/').map_or(0, |slash| slash.saturating_add(1));
        let (folder, name) = rest.split_at_checked(last).unwrap_or((rest, ""));
        let (name, image) = if let Some((name, digest)) = name.split_once('@') {
            (name, OciImage::Digest(Digest::parse(digest).map_err(OciTargetError::Digest)?))
        } else if let Some((name, tag)) = name.split_once(':') {
            let word = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            if tag.is_empty() || !tag.bytes().all(word) {
                return Err(OciTargetError::Tag);
            }
            (name, OciImage::Named(tag.to_owned()))
        } else {
            (name, OciImage::Only)
        };
        let directory = format!("{folder}{name}");
        if directory.is_empty() {
            return Err(OciTargetError::NoDirectory);
        }
        Ok(Self { directory: directory.into(), image })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_folder_and_an_image_in_it_are_told_apart() {
        let cases = [
            ("oci:dir", "dir", OciImage::Only),
            ("oci:/a/b", "/a/b", OciImage::Only),
            ("oci:/a/b/", "/a/b/", OciImage::Only),
            ("oci:dir:v1", "dir", OciImage::Named("v1".into())),
            ("oci:./a:b/c:v1", "./a:b/c", OciImage::Named("v1".into())),
            ("oci:/a@b/c", "/a@b/c", OciImage::Only),
            ("oci:a:b/", "a:b/", OciImage::Only),
            (&format!("oci:dir@{D}"), "dir", OciImage::Digest(Digest::of(b""))),
        ];
        for (text, directory, image) in cases {
            assert_eq!(text.parse(), Ok(OciTarget { directory: directory.into(), image }), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_target_is_refused() {
        let cases = [
            ("nginx", OciTargetError::Scheme),
            ("", OciTargetError::Scheme),
            ("OCI:dir", OciTargetError::Scheme),
            ("oci:", OciTargetError::NoDirectory),
            ("oci::v1", OciTargetError::NoDirectory),
            ("oci://host/repo", OciTargetError::Registry),
            ("oci:dir:", OciTargetError::Tag),
            ("oci:dir:a:b", OciTargetError::Tag),
            ("oci:dir@", OciTargetError::Digest(DigestError::NoAlgorithm)),
            ("oci:dir@sha256:00", OciTargetError::Digest(DigestError::Length)),
            (&format!("oci:dir:v1@{D}x"), OciTargetError::Digest(DigestError::Length)),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<OciTarget>(), Err(error), "{text}");
        }
    }
}
