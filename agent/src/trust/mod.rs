//! The trust bundle: from a policy to what a node judges by.
//!
//! On the workstation: [`root_key`] makes and reads the keys ([`sealed`] is cosign's encrypted file, [`passphrase`]
//! where the passphrase comes from), [`payload`] is what is signed ([`requirement`] what a rule asks of attestations), [`envelope`] the
//! file with its signatures.
//! On the node: [`roots`] are the pinned keys, [`installed`] a bundle that they signed, [`floor`] the version below
//! which nothing is taken, [`node`] loads and installs. [`refused`] says why not. [`file`](mod@file) writes files
//! whole or not at all, [`time`] is the one spelling of times.
//!
//! What this does *not* do: judge. Signatures and content of a bundle are checked by the core.

pub mod envelope;
pub mod file;
pub mod floor;
pub mod installed;
pub mod node;
#[cfg(test)]
mod node_tests;
pub mod passphrase;
pub mod payload;
#[cfg(test)]
mod payload_tests;
pub mod refused;
pub mod requirement;
pub mod root_key;
pub mod roots;
pub mod sealed;
pub mod time;
