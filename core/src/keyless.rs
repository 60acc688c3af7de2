//! Keyless signatures, and keys with a log: what a trusted root has to say about a signature.
//!
//! Three steps, each with a type that nothing else can make:
//!
//! 1. [`witness()`] asks the root's logs and timestamp authorities *when* a signature was there: [`Witnessed`].
//! 2. [`verify_certificate`] holds the signer's certificate against the root at all of these times:
//!    [`VerifiedCertificate`].
//! 3. [`verify_signature`] puts them together with the signature itself: [`CertifiedSignature`].
//!
//! # What is asked for
//!
//! It follows from the root, and there is no word in a policy that asks for less:
//!
//! | the root lists | a signature needs |
//! |---|---|
//! | transparency logs | an entry in one of them: a proof, or in bundle 0.1 and cosign's annotations a promise |
//! | certificate logs | an SCT of one of them |
//! | timestamp authorities | a timestamp of one of them, unless a log has promised a time |
//! | neither logs nor timestamp authorities | nothing can help: there is no time to hold a certificate against |
//!
//! Whoever runs a private instance without a log lists none in its root. What the root does list must verify wherever it
//! is brought, all of it: one bad entry or timestamp beside a good one is a refusal (T-03, T-06, T-25). What the root does
//! not list is not looked at; whoever sends evidence could as well have left it out.
//!
//! There is no clock here: times come from logs and authorities, and `now`, the time of the verdict, only says what would
//! lie in the future (T-33).

mod certificate;
mod signature;
mod witness;

pub use certificate::{Error, SelfIssued, SentCertificates, VerifiedCertificate, verify_certificate};
pub use signature::{CertifiedSignature, SentSignature, SignatureError, verify_signature};
pub use witness::{SentProofs, WitnessError, Witnessed, witness};
