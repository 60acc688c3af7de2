//! Every bound of the verifier, each with its source. A bound is checked before what it bounds is parsed.
//!
//! A bound that is reached is a denial with its own code, never a truncation: whoever can push more
//! than we read must not be able to choose what we see.

/// Nesting of JSON documents. Real bundles stay below 12; 64 is what one machine word of scanner state holds.
pub const JSON_DEPTH: u32 = 64;

/// Bytes of a manifest or index. containerd and containers/image read at most 4 MiB too.
pub const MANIFEST_BYTES: usize = 4 << 20;

/// Bytes of a signature blob (simple-signing payload, or a bundle around a signature statement). Real ones
/// are below 20 KiB; Talos and sigstore-go draw the line at 1 MiB too.
pub const SIGNATURE_BLOB_BYTES: usize = 1 << 20;

/// Bytes of an attestation blob: 16 MiB of payload as base64, and room for the verification material.
pub const ATTESTATION_BLOB_BYTES: usize = 24 << 20;

/// Bytes of a decoded DSSE payload. A 10 MB vulnerability report passes; 50 MB is refused before decoding.
pub const PAYLOAD_BYTES: usize = 16 << 20;

/// Bytes of evidence read for one verdict from one source, one blob after another.
pub const EVIDENCE_BYTES: usize = 64 << 20;

/// Referrers looked at for one image in one source (containers-libs scans 1,024).
pub const REFERRERS_SCANNED: usize = 1024;

/// Pieces of evidence read for one verdict from one source (containers-libs processes 64).
pub const EVIDENCE_PIECES: usize = 64;

/// Pages of a referrers list. 1,024 referrers at the smallest page size in use (50) are 21 pages.
pub const REFERRERS_PAGES: usize = 32;

/// Layers of one evidence manifest (Talos: 100; cosign 2 appends one layer per signature).
pub const MANIFEST_LAYERS: usize = 64;

/// Bytes of a bearer token answer. Real ones are below 8 KiB.
pub const TOKEN_BYTES: usize = 64 << 10;

/// Bytes of a registry's error body that are read for its message.
pub const ERROR_BODY_BYTES: usize = 4 << 10;

/// Bytes of a normalised reference: a repository name of 255 (distribution), a tag of 128, a digest of 71,
/// and the separators.
pub const REFERENCE_BYTES: usize = 512;

/// Public key signature operations for one verdict: 64 pieces against 8 keys each. At 0.2 ms for P-256
/// this is 0.1 s of the 7 s that the agent has.
pub const SIGNATURE_OPERATIONS: u16 = 512;

/// Signatures on a trust bundle or another document of ours.
pub const THRESHOLD_SIGNATURES: usize = 16;

/// Subjects of one statement. slsa-github-generator writes one per artifact, goreleaser some hundred.
pub const STATEMENT_SUBJECTS: usize = 1024;

/// Bytes of a decoded trust bundle payload.
pub const TRUST_PAYLOAD_BYTES: usize = 128 << 20;

/// Rules of a trust bundle.
pub const RULES: usize = 1000;

/// Patterns of one rule.
pub const RULE_PATTERNS: usize = 64;

/// Authorities of a trust bundle.
pub const AUTHORITIES: usize = 512;

/// Keys of a trust bundle, over all authorities.
pub const KEYS: usize = 512;

/// Authorities that one rule names in `signed_by`: one machine word of "who has signed".
pub const SIGNED_BY: usize = 64;

/// Namespaced rules that can be open at once where a hook is not told the pod's namespace.
pub const OPEN_RULES: usize = 8;

/// Digests in one revocation list: a blob of 64 MB.
pub const REVOKED_DIGESTS: usize = 1_000_000;

/// Bytes of a name in our own documents (rules, authorities, audiences, namespaces).
pub const NAME_BYTES: usize = 128;

/// Bytes of an SPKI: an RSA key of 4,096 bits has 550.
pub const SPKI_BYTES: usize = 600;

/// Bytes of one signature value: RSA 4,096 has 512.
pub const SIGNATURE_BYTES: usize = 512;
