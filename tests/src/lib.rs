//! What pullward's tests stand on: the real parts, each private to one test, and what drives them.
//!
//! A test takes [`Peers`] (the programs that `make peers` unpacks), opens a [`Workspace`] (a folder
//! that goes away with the test) and starts in it what it needs: a [`Registry`] on a loopback port, a
//! private [`Containerd`] of any of three generations, keys and signatures by [`Cosign`], copies by
//! [`Oras`], images by [`Crane`]. Every process is a [`Process`]: it logs to a file, is waited for by
//! polling with a deadline, and is stopped by its id when it goes out of scope. Programs see none of
//! the environment of whoever runs the tests.
//!
//! pullward itself is in [`Pullward`], its programs, and [`Node`], which has a root key, a policy, an agent and
//! a hook.
//!
//! Nothing here judges anything: results come back as they are, and the tests compare. All calls
//! block; a test that is async itself calls them from `spawn_blocking`.
//!
//! ```no_run
//! # use pullward_tests::*;
//! # fn main() -> Result<(), Error> {
//! let Some(peers) = Peers::at_hand("signed_image_is_accepted")? else { return Ok(()) };
//! let workspace = Workspace::new()?;
//! let registry = Registry::start(&peers, &workspace)?;
//! let image = Crane::new(&peers, &workspace).push(&registry.reference("app:v1"), &Image::named("app"))?;
//! let cosign = Cosign::new(&peers, &workspace, CosignVersion::Three)?;
//! let key = cosign.generate_key_pair("release")?;
//! cosign.sign(&key, &image)?;
//! cosign.verify(&key.public, &image)?;
//! ran("signed_image_is_accepted")
//! # }
//! ```

#[expect(clippy::print_stdout, clippy::panic, reason = "only tests read corpora")]
mod corpora;
mod error;
pub mod hostile;
#[expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::missing_panics_doc,
    clippy::indexing_slicing,
    reason = "only tests mint, and what fails here fails them"
)]
pub mod mint;
mod node;
mod peers;
mod process;
mod program;
mod proxy;
mod report;
#[expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::indexing_slicing,
    reason = "only tests mint, and what fails here fails them"
)]
pub mod sigstore;
mod workspace;

pub use corpora::Corpora;
pub use error::Error;
pub use node::{Node, descriptor, policy_for};
pub use peers::Peers;
pub use peers::containerd::{Containerd, ContainerdVersion, Settings, Snapshotter};
pub use peers::cosign::{Cosign, CosignVersion, KeyPair, KeylessBlob, KeylessClient};
pub use peers::crane::{Crane, Image};
pub use peers::cri::{Cri, CriImage};
pub use peers::oras::Oras;
pub use peers::registry::{Access, Manifest, Registry};
pub use process::{Process, Signal, run, wait_until};
pub use program::{Pullward, Ran, finish};
pub use proxy::Proxy;
pub use report::ran;
pub use workspace::Workspace;
