//! What a name in containerd's image store is.
//!
//! containerd takes any text for a name. Clients write full references; CRI adds `sha256:<hex>` for the image's id;
//! `ctr image import` makes names up (`import-2026-11-24@sha256:…`). A rule is about a repository on a host, so only
//! a name that has both, written out, is judged: what docker would make of a short name is a guess, and who wrote
//! `nginx` may have meant anything.

use pullward_core::oci::Digest;
use pullward_core::reference::Reference;

/// How the paths of the probe's images begin; its host is loopback, so nothing else is ever pulled from there.
const PROBE: &str = "pullward-probe/";

/// What a name is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A reference with its host: it is judged.
    Reference,
    /// CRI's `sha256:<hex>`: another name of an image that has proper ones beside it.
    Id,
    /// `HOST/PATH:sha256-<hex>`, `.sig` or `.att`: by its name it holds evidence for this digest.
    Evidence(Digest),
    /// An image of the agent's own probe, which is refused or let in to prove something, and removed again.
    Probe,
    /// A name that no rule could match.
    Unfit(Unfit),
}

/// Why there is nothing to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unfit {
    /// The name is no reference with a host.
    NameNotQualified,
    /// An image id, and no name beside it.
    IdWithoutName,
    /// The name stands for something that is no SHA-256 digest.
    TargetInvalid,
    /// The container has no image in containerd.
    ContainerWithoutImage,
    /// The container's image has no name any more.
    ImageGone,
}

impl Unfit {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NameNotQualified => "name-not-qualified",
            Self::IdWithoutName => "id-without-name",
            Self::TargetInvalid => "target-invalid",
            Self::ContainerWithoutImage => "container-without-image",
            Self::ImageGone => "image-gone",
        }
    }

    /// The reason in words, and what to do.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::NameNotQualified => {
                "the name has no host, so no rule can be about it; give it its full name (ctr image tag OLD \
                 HOST/PATH:TAG) and remove this one (ctr image rm OLD)"
            }
            Self::IdWithoutName => {
                "an image id with no name beside it in this namespace; pull it by its name, or remove it"
            }
            Self::TargetInvalid => {
                "the name does not stand for a SHA-256 digest; remove it and pull the image again"
            }
            Self::ContainerWithoutImage => {
                "the container was not made from an image that containerd knows, so nobody can say what runs; docker \
                 without containerd's image store and ctr run --rootfs do that; start it through kubelet"
            }
            Self::ImageGone => {
                "the name of the container's image is gone, so nobody can say what runs; pull the image again and \
                 start the container anew"
            }
        }
    }
}

impl Name {
    /// Looks at a name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        if name.strip_prefix("sha256:").is_some_and(|hex| Digest::from_hex(hex).is_ok()) {
            return Self::Id;
        }
        let Ok(reference) = Reference::parse(name) else { return Self::Unfit(Unfit::NameNotQualified) };
        // What parsing had to add was not in the name.
        let written = name.strip_prefix(reference.name());
        if !written.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@'])) {
            return Self::Unfit(Unfit::NameNotQualified);
        }
        if reference.host().starts_with("127.0.0.1:") && reference.path().starts_with(PROBE) {
            return Self::Probe;
        }
        match reference.tag().and_then(evidence_of) {
            Some(subject) if reference.digest().is_none() => Self::Evidence(subject),
            _ => Self::Reference,
        }
    }
}

/// The digest that a tag holds evidence for, if it is written like one that does.
fn evidence_of(tag: &str) -> Option<Digest> {
    let hex = tag.strip_prefix("sha256-")?;
    let hex = hex.strip_suffix(".sig").or_else(|| hex.strip_suffix(".att")).unwrap_or(hex);
    Digest::from_hex(hex).ok()
}

#[cfg(test)]
mod tests {
    use pullward_core::oci::Digest;

    use super::{Name, Unfit};

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn full_references_are_judged() {
        for name in [
            "docker.io/library/nginx:1".to_owned(),
            "registry.example/app".to_owned(),
            "127.0.0.1:5000/team/app:v1".to_owned(),
            format!("registry.example/app@sha256:{HEX}"),
            format!("registry.example/app:v1@sha256:{HEX}"),
            "registry.example/app:sha256-abc.sig".to_owned(),
        ] {
            assert_eq!(Name::of(&name), Name::Reference, "{name}");
        }
    }

    /// Each of these parses as a reference below docker.io/library.
    #[test]
    fn names_without_a_host_are_not_taken_for_docker_hubs() {
        for name in [
            "nginx".to_owned(),
            "nginx:1".to_owned(),
            "library/nginx".to_owned(),
            format!("import-2026-11-24@sha256:{HEX}"),
            "index.docker.io/library/nginx:1".to_owned(),
            String::new(),
            "../x".to_owned(),
            "registry.example/App".to_owned(),
        ] {
            assert_eq!(Name::of(&name), Name::Unfit(Unfit::NameNotQualified), "{name}");
        }
    }

    #[test]
    fn an_id_is_one_only_with_all_its_digits() {
        assert_eq!(Name::of(&format!("sha256:{HEX}")), Name::Id);
        assert_eq!(Name::of("sha256:abc"), Name::Unfit(Unfit::NameNotQualified));
    }

    #[test]
    fn images_of_the_probe_are_its_own_on_loopback_alone() {
        assert!(super::PROBE.strip_suffix('/') == Some(crate::probe::REPOSITORY));
        assert_eq!(Name::of("127.0.0.1:4711/pullward-probe/refused:1"), Name::Probe);
        assert_eq!(Name::of("registry.example/pullward-probe/refused:1"), Name::Reference);
        assert_eq!(Name::of("127.0.0.1:4711/team/pullward-probe:1"), Name::Reference);
    }

    #[test]
    fn holders_of_evidence_are_told_by_their_tag() {
        let subject = Digest::from_hex(HEX).unwrap();
        for suffix in ["", ".sig", ".att"] {
            let name = format!("registry.example/app:sha256-{HEX}{suffix}");
            assert_eq!(Name::of(&name), Name::Evidence(subject), "{name}");
        }
        let pinned = format!("registry.example/app:sha256-{HEX}.sig@sha256:{HEX}");
        assert_eq!(Name::of(&pinned), Name::Reference);
    }
}
