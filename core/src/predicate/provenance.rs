//! SLSA provenance v0.2 and v1: who built, from what.
//!
//! A predicate passes through four steps, each a module of its own:
//!
//! 1. `wrapping` takes off what `docker buildx imagetools inspect` puts around it, and picks this image's platform;
//! 2. `body` reads the members that matter, wherever `BuildKit`, GitHub, slsa-github-generator, Google Cloud Build and
//!    GitLab put them, and refuses a body that says two things;
//! 3. `repository` and `image` give what it says about sources and base images one spelling each;
//! 4. [`Expected`] holds the conditions of a requirement against it.
//!
//! What this does *not* check: whether what the builder says is true. A builder writes into `vcs` what its client told
//! it, and a requirement is as good as the authority that signed.

mod body;
mod expected;
mod image;
mod repository;
mod wrapping;

use super::{Attestation, Context, Unmet};
use crate::json::Text;
use crate::time::UnixTime;

use body::Provenance;
pub use body::Version;
pub use expected::Expected;

/// The predicate types that are read.
pub const TYPES: [&str; 2] = ["https://slsa.dev/provenance/v0.2", "https://slsa.dev/provenance/v1"];

/// Whether a glob of `source` can match a repository: it has a scheme, a host and a path, and nothing that is dropped
/// before repositories are compared. For whoever writes trust bundles; [`Expected::read`] checks the same.
#[must_use]
pub fn is_source(glob: &str) -> bool {
    repository::Repository::glob(glob).is_some()
}

/// What provenance says.
#[derive(Debug, Clone, Copy)]
pub struct Summary<'s> {
    /// Which version of the format it is written in.
    pub version: Version,
    /// The builder's identifier.
    pub builder: Option<Text<'s>>,
    /// The build type.
    pub build_type: Option<Text<'s>>,
    /// The source repository, as it is spelled there: with user and password, where the builder left them in. Show it
    /// through [`Words`](super::Words), which leaves them out.
    pub source: Option<Text<'s>>,
    /// The source's commit.
    pub commit: Option<Text<'s>>,
    /// The workflow or file that the build started from.
    pub entry_point: Option<Text<'s>>,
    /// When the build ended, or began where only that is said.
    pub made_at: Option<UnixTime>,
    /// Materials or resolved dependencies.
    pub materials: u32,
    /// Those of them that are images: base images, build stages, the frontend.
    pub base_images: u32,
}

/// Summarises provenance.
///
/// # Errors
/// [`Unmet`] with what cannot be read, or contradicts itself.
pub fn summarise<'s>(attestation: &Attestation<'s>, context: &Context<'_>) -> Result<Summary<'s>, Unmet<'s>> {
    let provenance = Provenance::read(attestation, context)?;
    let mut materials = 0_u32;
    let mut base_images = 0_u32;
    for material in provenance.materials() {
        materials = materials.saturating_add(1);
        if image::is_image(material?.uri) {
            base_images = base_images.saturating_add(1);
        }
    }
    Ok(Summary {
        version: provenance.version,
        builder: provenance.builder,
        build_type: provenance.build_type,
        source: provenance.source(),
        commit: provenance.commit(),
        entry_point: provenance.entry_point(),
        made_at: provenance.made_at()?,
        materials,
        base_images,
    })
}
