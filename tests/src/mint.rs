//! A small signing world: keys, evidence and trust bundles made at run time, and wrong ones on purpose.
//!
//! Nothing here is a fixed byte: keys come from the operating system's randomness, so no private key is ever in the
//! repository and no test can pass because a signature was copied. The seed is printed, and `PULLWARD_SEED` brings
//! a run back.
//!
//! - [`Signer`] makes keys of every kind and signs with the right hash or a wrong one;
//! - [`Forge`] makes one piece of evidence, honest until a step of it is overridden: what is signed, how, and what
//!   is done to it afterwards. An attack is one line;
//! - [`Trust`] makes the payload of a trust bundle in exactly the order of its members, and [`sign_trust`] its
//!   envelope;
//! - [`certificate`] makes certificates and SCTs, [`trusted_root()`] what they are held against;
//! - [`Node`] is the core with a bundle loaded, asked one question.
//!
//! The formats are written here a second time, from their specifications and from what cosign writes, and share no
//! code with the core: a misreading in one shows as a disagreement with the other. What this does *not* do: decide
//! what the right answer is. Tests write it down.

pub mod certificate;
mod forge;
mod index;
mod judge;
mod random;
mod requirement;
mod rsa;
mod signer;
mod trust;
mod trusted_root;
mod world;

pub use forge::{Forge, Form, Minted, attestation, edit, pae, payload, statement};
pub use index::{Index, MintedChain};
pub use judge::{Answer, Ask, Node, ask_key};
pub use random::Random;
pub use requirement::{PROVENANCE, Requirement, VULN};
pub use rsa::{der, rsa_spki};
pub use signer::{Scheme, Signer, pem};
pub use trust::{Authority, Key, Revoked, Rule, Trust, sign_trust, trust_envelope};
pub use trusted_root::{trusted_authority, trusted_log, trusted_root};
pub use world::{World, digest, instant, world};
