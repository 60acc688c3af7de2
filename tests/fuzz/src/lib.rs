//! What the fuzz targets share: a world of honest material, an engine that changes it, and oracles that know what was signed.
//!
//! libFuzzer looks for inputs that reach new code of the core; [`mutate()`] makes them out of honest ones, by the structure
//! that they have: JSON members, DER elements inside of base64, lines of notes. Each target hands its input to the core, and
//! where the core accepts it, an oracle reads the input once more with other code (`serde_json`, a DER reader of its own)
//! and holds it against [`World`]: what nobody has signed must not be there. Whatever is refused is right, because
//! everything that could be accepted is known.
//!
//! The world is minted anew for each run by `fuzz-world` of the tests, without private keys, and kept with a finding.

mod der;
mod mutate;
mod oracle;
mod signer;
mod world;

pub use mutate::{Random, mutate};
pub use oracle::{assert_bundle, assert_checkpoint, assert_root, assert_timestamp};
pub use signer::{Asked, verify_bundle};
pub use world::{World, bytes_at, text_at, world};
