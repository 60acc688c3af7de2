//! Every bound of pullward, each with where its number comes from. There is no second list.
//!
//! A bound is checked before the thing it bounds is parsed or kept. A bound that is reached is a denial, never a
//! truncation: half of a list is not the list.

// --- names -----------------------------------------------------------------------------------------------

/// Longest repository path, in bytes. `RepositoryNameTotalLengthMax` of the `distribution/reference` package.
pub const REPOSITORY_LENGTH: usize = 255;

/// Longest host with its port, in bytes: a DNS name has at most 253 (RFC 1035 section 2.3.4, without the root's
/// dot), or an IPv6 address in brackets, then `:65535`.
pub const HOST_LENGTH: usize = 259;

/// Longest tag, in bytes. The tag grammar of OCI distribution-spec 1.1, "Pulling manifests": 1 and 127 characters.
pub const TAG_LENGTH: usize = 128;

/// Length of a digest as text: `sha256:` and 64 hexadecimal digits.
pub const DIGEST_LENGTH: usize = 71;

/// Longest normalised reference: host, `/`, path, `:`, tag, `@`, digest.
pub const REFERENCE_LENGTH: usize = HOST_LENGTH + 1 + REPOSITORY_LENGTH + 1 + TAG_LENGTH + 1 + DIGEST_LENGTH;

/// Longest pattern in a policy, in bytes. A pattern longer than the longest reference cannot match anything.
pub const PATTERN_LENGTH: usize = REFERENCE_LENGTH;

// --- what a registry or a layout may send ----------------------------------------------------------------

/// Largest manifest or index, in bytes. The same number as containers/image (`internal/iolimits`), notation and
/// containerd (`MaxManifestSize`); distribution-spec 1.1 asks registries to accept at least 4 MiB.
pub const MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

/// Largest signature blob (simple signing payload), in bytes. Real ones have under 1 KiB; the number is ours.
pub const SIGNATURE_BYTES: u64 = 1024 * 1024;

/// Largest attestation blob or sigstore bundle, in bytes: the base64 of [`PAYLOAD_BYTES`] (22.4 MB), the envelope
/// around it, and room.
pub const ATTESTATION_BYTES: u64 = 24 * 1024 * 1024;

/// Largest decoded payload (an in-toto statement), in bytes. A vulnerability report of a large image has 10 MB.
pub const PAYLOAD_BYTES: u64 = 16 * 1024 * 1024;

/// Most bytes that all sources together may send for one verdict, one piece of evidence after another.
pub const VERDICT_BYTES: u64 = 64 * 1024 * 1024;

/// Content of this many bytes is noted in memory while its verdict is made; larger content goes to the store's staging folder.
/// Bundles of signatures have 2 to 10 KB.
pub const STAGE_FROM_BYTES: u64 = 64 * 1024;

/// Most bytes of content that one verdict notes in memory for the evidence store; with 8 workers 4 MiB.
pub const PAD_BYTES: u64 = 512 * 1024;

/// Most fetches that go on at a time without the verdict that began them. Each holds one thread, one connection, and up to
/// [`VERDICT_BYTES`] on disk; the number is ours.
pub const BACKGROUND_FETCHES: usize = 4;

/// Longest that a fetch may go on without its verdict, in seconds: what `[limits] fetch_deadline` may say at most.
pub const FETCH_SECONDS_MOST: u64 = 1800;

/// How long a fetch goes on unless the configuration says otherwise, in seconds: 13 MB over 1 Mbit/s take 107 s.
pub const FETCH_SECONDS: u64 = 120;

/// How long evidence that no verdict has used stays in the store, in seconds: a day of retries.
pub const UNUSED_SECONDS: u64 = 86_400;

/// Most bytes of evidence that wait to be written into the store. What comes while they wait is not kept.
pub const KEEP_WAITING_BYTES: u64 = 8 * 1024 * 1024;

/// Most pieces of evidence that are written into the store in one step.
pub const KEEP_BATCH: usize = 256;

/// Most referrers that one source may list for one image. container-libs scans the same number.
pub const REFERRERS_SCANNED: usize = 1024;

/// Most attached manifests that one source may make us read for one image. container-libs reads the same number.
pub const REFERRERS_FETCHED: usize = 512;

/// Most pieces of evidence that one source may hand over for one image. container-libs processes the same number;
/// cosign stops at 100 signatures.
pub const EVIDENCE_PROCESSED: usize = 64;

/// Most pages of one referrers list. [`REFERRERS_SCANNED`] entries, and a registry that sends fewer than 16 per
/// page (the smallest page size seen in the wild is 50) is not worth following.
pub const REFERRER_PAGES: usize = 64;

/// Largest answer of a token service, in bytes. Tokens of large registries have 2 to 5 KB.
pub const TOKEN_BYTES: u64 = 64 * 1024;

/// Part of an error answer that is read for its message, in bytes. The rest is not read.
pub const ERROR_BODY_BYTES: u64 = 4 * 1024;

/// Largest `WWW-Authenticate`, `Link` or `Location` value that is looked at, in bytes; as long as a URL may be in
/// most servers.
pub const HEADER_VALUE_BYTES: usize = 8 * 1024;

/// Most redirects that one request follows; all of them on the same scheme, host and port.
pub const REDIRECTS: usize = 4;

/// Most retries of one request after 429 or a 5xx answer, inside the same deadline.
pub const RETRIES: usize = 2;

/// Most annotations of one manifest or descriptor that are kept; cosign writes at most 6.
pub const ANNOTATIONS: usize = 64;

/// Most bytes of keys and values in the annotations of one descriptor: a certificate chain (8 KiB) and a log entry
/// (cosign's legacy `dev.sigstore.cosign/bundle`, 4 KiB), and room.
pub const ANNOTATION_BYTES: usize = 256 * 1024;

/// Deepest nesting of a JSON document from outside. OCI documents nest 6 deep, CycloneDX 20.
pub const JSON_DEPTH: usize = 64;

/// Most layers of one signature or attestation manifest that are looked at; each is a piece of evidence.
pub const EVIDENCE_LAYERS: usize = EVIDENCE_PROCESSED;

/// Largest docker `config.json`, in bytes.
pub const AUTH_FILE_BYTES: u64 = 1024 * 1024;

/// Most manifests that `index.json` of a layout may list. A layout holds many images, and each image may have
/// [`REFERRERS_SCANNED`] referrers; the file itself is bounded by [`MANIFEST_BYTES`].
pub const LAYOUT_MANIFESTS: usize = 16 * 1024;

// --- signatures and statements -----------------------------------------------------------------------------

/// Most public key operations for one verdict: 64 pieces of evidence against 8 keys each; an Ed25519 key costs one more for
/// each MiB, because it hashes the message anew. At 0.2 ms for P-256 this
/// is 0.1 s of the 7 s that the agent has.
pub const SIGNATURE_OPERATIONS: u16 = 512;

/// Longest signature value, in bytes: RSA 4,096.
pub const SIGNATURE_VALUE_BYTES: usize = 512;

/// Longest SPKI, in bytes: an RSA key of 4,096 bits has 550.
pub const SPKI_BYTES: usize = 600;

/// Most signatures on a trust bundle or another document of ours.
pub const THRESHOLD_SIGNATURES: usize = 16;

/// Most subjects of one statement. goreleaser's provenance names some hundred.
pub const STATEMENT_SUBJECTS: usize = 1024;

// --- certificates ------------------------------------------------------------------------------------------------

/// Deepest nesting of a DER value. A timestamp with its certificates nests 12 deep.
pub const DER_DEPTH: u8 = 24;

/// Longest certificate, in bytes. The longest of 268 that are in use by Sigstore clients and their private deployments
/// has 2,549.
pub const CERTIFICATE_BYTES: usize = 8 * 1024;

/// Most extensions of one certificate. A leaf of Fulcio has up to 27.
pub const EXTENSIONS: usize = 48;

/// Most key purposes of one certificate. The number is ours; Sigstore's have one.
pub const KEY_PURPOSES: usize = 16;

/// Longest path from a leaf to its anchor, both counted. Fulcio's have 3, timestamp authorities 3; one more for a
/// company's root above its own.
pub const PATH_LENGTH: usize = 5;

/// Most certificates beside the leaf that one path may be built from: an authority's chain and a bundle's chain, each of
/// up to [`PATH_LENGTH`], and room.
pub const PATH_CANDIDATES: usize = 12;

/// Scratch for the certificates of one authority of a trusted root, in bytes. The longest chain in use, three
/// certificates with RSA keys, has 5 KB.
pub const CHAIN_BYTES: usize = 2 * CERTIFICATE_BYTES;

/// Most logs in one list of a trusted root. Sigstore's staging root has 4; the number is ours.
pub const TRUSTED_LOGS: usize = 32;

/// Most authorities in one list of a trusted root. GitHub's has 6; the number is ours.
pub const TRUSTED_AUTHORITIES: usize = 64;

/// Most signatures that the search for one path checks. An honest one checks 3; twins of names add a few.
pub const PATH_OPERATIONS: u16 = 24;

/// Most names that one name constraints extension lists.
pub const NAME_CONSTRAINTS: usize = 32;

/// Longest identity (subject alternative name) of a certificate, in bytes, and longest pattern for one. Those of GitHub
/// workflows have 150.
pub const IDENTITY_BYTES: usize = 1024;

/// Scratch for what a certificate log signs, in bytes: 48 of an SCT's fields, and less than the whole certificate, which
/// has the SCT's extensions in it already.
pub const PRECERTIFICATE_BYTES: usize = CERTIFICATE_BYTES + 64;

/// Scratch for verifying one certificate against a trusted root, in bytes.
pub const VERIFY_CERTIFICATE_BYTES: usize = CHAIN_BYTES + PRECERTIFICATE_BYTES;

/// Most times that one signature is held to. Sigstore's signatures have one or two, of a log and a timestamp authority.
pub const VERIFIED_TIMES: usize = 32;

/// Scratch for asking a trusted root when a signature was there: one timestamp, decoded, and the certificates of one
/// authority.
pub const WITNESS_BYTES: usize = TIMESTAMP_BYTES + CHAIN_BYTES;

/// Scratch for verifying one signature by a certificate against a trusted root, in bytes; what it is used for one after
/// the other.
pub const VERIFY_SIGNATURE_BYTES: usize = WITNESS_BYTES;

/// Most SCTs in one certificate. Fulcio writes one; browsers ask for three.
pub const SCTS: usize = 8;

// --- transparency logs -------------------------------------------------------------------------------------

/// Most log entries of one bundle. sigstore-go stops at the same number (CVE-2024-45395).
#[cfg(feature = "keyless")]
pub const LOG_ENTRIES: usize = 32;

/// Longest entry of a log as base64, in bytes. Real ones have 2 to 10 KB, nearly all of it a certificate, whose encodings
/// within encodings take 2.5 times its size; the number is ours.
#[cfg(feature = "keyless")]
pub const LOG_ENTRY_TEXT_BYTES: usize = 128 * 1024;

/// Most hashes of one Merkle proof: a tree has at most 2^64 leaves.
#[cfg(feature = "keyless")]
pub const PROOF_HASHES: usize = 64;

/// Longest checkpoint note, decoded, in bytes. Three lines of text, and a line of about 150 bytes for each of
/// [`NOTE_SIGNATURES`]; real ones have 200 to 900.
#[cfg(feature = "keyless")]
pub const NOTE_BYTES: usize = 8 * 1024;

/// Most signatures on one checkpoint note. Go's `note` package stops at 100; a log and the witnesses of a large
/// network are under 20.
#[cfg(feature = "keyless")]
pub const NOTE_SIGNATURES: usize = 32;

// --- what attestations say ---------------------------------------------------------------------------------

/// Findings of one report that are remembered to count a repeated one once: 16 KiB. Only those of a limited severity are;
/// the ones that find no place are counted without looking for repeats, so that a full table never lowers a count.
pub const FINDINGS_REMEMBERED: usize = 1024;

/// Places of that table that are looked at for one finding, so that filling it costs no more than linear time.
pub const FINDING_PROBES: usize = 16;

/// Longest package URL that is compared, in bytes: a name and version with qualifiers have under 300. The number is
/// ours.
pub const PURL_BYTES: usize = 1024;

/// Longest name of a package that has to be put together or unescaped, in bytes; a package URL bounds it too.
pub const PACKAGE_NAME_BYTES: usize = PURL_BYTES;

/// Most packages of one list. A Linux distribution has 70,000; a statement of [`PAYLOAD_BYTES`] has room for as many of
/// 80 bytes each.
pub const PACKAGES: usize = 200_000;

/// Longest licence expression with escapes in it, in bytes. Those that syft puts together of the files of a package
/// have some hundred.
pub const LICENSE_BYTES: usize = 4096;

/// Deepest parentheses in a licence expression: the bits of a machine word. Real ones have 3.
pub const LICENSE_DEPTH: usize = 64;

/// Most licences of one list that are named in the document itself and denied by that name. Where there are more, every
/// such licence of the document counts as denied.
pub const DENIED_LICENSE_REFS: usize = 64;

/// Most licences of one SPDX 3 document, each an element of its own: 16 KiB. The images of a distribution come with some
/// hundred.
pub const SPDX3_LICENSES: usize = 2048;

/// Packages of an SPDX 3 document whose licences are looked up in one pass over it: 48 KiB.
pub const SPDX3_BATCH: usize = 2048;

/// Most licences of one package of an SPDX 3 document. The format has one that is declared and one that is concluded.
pub const SPDX3_PACKAGE_LICENSES: usize = 4;

/// Most comparisons of packages and licences of one list with what a requirement denies, beyond those that a look at the
/// beginning and the end of a name spares. At half a microsecond each this is 2 s of the 7 s that the agent has.
pub const PACKAGE_COMPARISONS: u32 = 4_000_000;

/// Deepest nesting of `CycloneDX` components. Each takes two of [`JSON_DEPTH`].
pub const COMPONENT_DEPTH: usize = JSON_DEPTH / 2;

// --- the trust bundle --------------------------------------------------------------------------------------

/// Largest decoded trust bundle payload, in bytes: room for the lists below.
pub const TRUST_PAYLOAD_BYTES: u64 = 128 * 1024 * 1024;

/// Most rules of a trust bundle. The node's view of them is 16 bytes each.
pub const RULES: usize = 1000;

/// Most patterns of one rule.
pub const RULE_PATTERNS: usize = 64;

/// Most authorities of a trust bundle.
pub const AUTHORITIES: usize = 512;

/// Most keys of a trust bundle, over all authorities.
pub const KEYS: usize = 512;

/// Most keys of one authority.
pub const AUTHORITY_KEYS: usize = 64;

/// Most identities of one keyless authority. Rules are checked against their authorities one by one, so what an
/// authority holds is bounded; the number is ours.
pub const AUTHORITY_IDENTITIES: usize = 256;

/// Most trusted roots of a trust bundle.
pub const TRUSTED_ROOTS: usize = 16;

/// Largest trusted root, in bytes. Sigstore's have 7 to 10 KB, GitHub's list has 35.
pub const TRUSTED_ROOT_BYTES: usize = 256 * 1024;

/// Most keys that are revoked, and most authorities; each key of a rule is looked up in them for each piece of
/// evidence. As many as there can be ([`KEYS`], [`AUTHORITIES`]).
pub const REVOKED_KEYS: usize = 512;

/// Most identities that are revoked, and most serials. The number is ours.
pub const REVOKED_IDENTITIES: usize = 4096;

/// Most authorities that one rule names in `signed_by`: who has signed is one machine word.
pub const SIGNED_BY: usize = 64;

/// Most requirements on attestations of one rule: what a verdict remembers of them is one bit each.
pub const RULE_ATTESTATIONS: usize = 16;

/// Indexes and other manifests that one image is tied to, in one verdict: a platform's manifest stands in the index of its
/// tag, and after a few releases that left it unchanged in a few more. Each costs the requests of one image. Ours.
pub const RELATED: usize = 8;

/// Most predicate types of one requirement: provenance has 2, package lists 2 and their versions.
pub const ATTESTATION_TYPES: usize = 8;

/// Longest predicate type in a policy, in bytes. Real ones have under 100.
pub const PREDICATE_TYPE_BYTES: usize = 512;

/// Longest condition in CEL, in bytes. A Kubernetes validation rule has at most 10 KiB
/// (`StaticEstimatedCostLimit` aside); what fits into a policy that people review is shorter.
pub const CONDITION_BYTES: usize = 4096;

/// Most attestation manifests that an image's own index may list for one platform. `BuildKit` writes one.
pub const INDEX_ATTESTATIONS: usize = 8;

/// Most manifests that an index may list where attestations are looked for in it: each is compared with each.
pub const INDEX_MANIFESTS: usize = 256;

/// Most VEX claims that one verdict remembers, each 100 bytes, and most of one document. A claim is one name of a
/// vulnerability in one package; the documents that come with images make ten.
pub const VEX_CLAIMS: usize = 128;

/// Most conditions of one trust bundle, by the builder: a policy whose every rule has one.
pub const CONDITIONS: usize = 1000;

/// Most parts of one condition: names, literals, operators, calls. What fits into [`CONDITION_BYTES`] has fewer, but for
/// what was written to have many.
pub const CONDITION_NODES: usize = 512;

/// Most loops of one condition within each other: a report lists findings per target, and that is two.
pub const CONDITION_LOOPS: usize = 2;

/// Deepest nesting of one condition. The evaluator's stack is bounded by it.
pub const CONDITION_DEPTH: usize = 48;

/// Most steps that all conditions of one verdict may take together: each part that is evaluated is one, and each 64 bytes
/// of a statement that are walked over. Measured at 40 to 200 ns a step, this is under a second; a condition on every
/// finding of a 10 MB report takes a third of it.
pub const CONDITION_STEPS: u64 = 4_000_000;

/// Most bytes that one condition may make (texts, lists), all together and nothing given back.
pub const CONDITION_MEMORY: usize = 8 * 1024 * 1024;

/// Most rules that stay open at once where a hook is not told the pod's namespace.
pub const OPEN_RULES: usize = 8;

/// Most namespaces that one rule names.
pub const RULE_NAMESPACES: usize = 64;

/// Most digests in one list of a trust bundle: a text of 64 MB.
pub const LISTED_DIGESTS: usize = 1_000_000;

/// Longest name in our own documents (rules, authorities, audiences), in bytes.
pub const NAME_BYTES: usize = 128;

/// Longest contact of a rule as it stands in the bundle, escapes included: [`WORDS_BYTES`], four bytes each.
pub const CONTACT_BYTES: usize = 4 * WORDS_BYTES;

// --- provenance --------------------------------------------------------------------------------------------

/// Most materials or resolved dependencies of one provenance that are looked at. A large image build lists under a hundred
/// images, repositories and downloads; the number is ours.
pub const PROVENANCE_MATERIALS: usize = 4096;

/// Most parameters, and most build arguments, of one provenance that a condition is held against. All that a command
/// line holds on Linux (`MAX_ARG_STRLEN` and a stack of 8 MiB) is more; builds have tens. The number is ours.
pub const PROVENANCE_PARAMETERS: usize = 1024;

/// Longest name of a parameter or build argument that a condition is held against, in bytes: each is held against each
/// glob. Names of environment variables have tens. The number is ours.
pub const PROVENANCE_NAME_BYTES: usize = 256;

/// Longest value or identifier in provenance that a glob is held against, in bytes: glob times text is the time
/// that it takes. As long as a URL may be in most servers.
pub const PROVENANCE_TEXT_BYTES: usize = 8 * 1024;

/// Longest URL of a source repository or of a base image in provenance that is compared, in bytes. GitHub's longest
/// possible one has under 200, and a normalised image reference [`REFERENCE_LENGTH`].
pub const SOURCE_BYTES: usize = 1024;

// --- files that people write and commands read ---------------------------------------------------------------

/// Largest policy file, in bytes: a million revocations of 128 bytes.
pub const POLICY_FILE_BYTES: u64 = 128 * 1024 * 1024;

/// Most problems that are reported for one policy file; the rest is likely to follow from them.
pub const POLICY_PROBLEMS: usize = 50;

/// Largest file of a neighbour's policies that is imported, in bytes. etcd takes objects of 1.5 MiB; a file may hold a few.
pub const IMPORT_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Deepest nesting in a neighbour's policy. Kyverno's deepest field stands at 9.
pub const IMPORT_DEPTH: usize = 64;

/// Most values in a file of neighbours' policies; a policy has about 60. The number is ours.
pub const IMPORT_VALUES: usize = 100_000;

/// Most policies in one file that is imported: each is compared with each. The number is ours.
pub const IMPORT_POLICIES: usize = 100;

/// Longest expression of a neighbour's policy, in bytes, and most tokens in it: what one condition of ours may hold,
/// several times over.
pub const IMPORT_EXPRESSION_BYTES: usize = 16 * 1024;

/// Deepest nesting in an expression: what a person can read has fewer than ten.
pub const IMPORT_EXPRESSION_DEPTH: usize = 40;

/// Most operators and members in an expression: a condition of ours has at most 512 nodes.
pub const IMPORT_EXPRESSION_LINKS: usize = 512;

/// Most patterns that one glob becomes: each of its stars may cross a `/`, or not.
pub const IMPORT_GLOB_PATTERNS: usize = 16;

/// Largest public or private key file, in bytes. RSA 4,096 in PEM has 800, cosign's encrypted P-256 key 700.
pub const KEY_FILE_BYTES: u64 = 64 * 1024;

/// Longest name of a key file in a policy, in bytes.
pub const FILE_NAME_BYTES: usize = 1024;

/// Longest text for people (contact, reason), in bytes: a quarter of the line that a hook hands to containerd.
pub const WORDS_BYTES: usize = 256;

/// Longest pattern for a pod namespace: a namespace is a DNS label (RFC 1123 section 2.1).
pub const NAMESPACE_BYTES: usize = 63;

/// Longest glob of a requirement on an attestation, in bytes: as long as the longest name that it is compared with is
/// worth writing down. A source or a workflow has under 300; the number is ours.
pub const GLOB_BYTES: usize = 1024;

/// Most entries of one list of globs about provenance. As many as a rule has patterns.
pub const PROVENANCE_GLOBS: usize = 64;

/// Most denied packages, and most denied licences, of one requirement. Lists of known bad packages that people keep
/// by hand have some dozen entries; the number is ours.
pub const DENIED_PACKAGES: usize = 1000;

/// Most vulnerabilities that one requirement ignores by name. A list that is longer than this is nobody's decision any
/// more; the number is ours.
pub const IGNORED_VULNERABILITIES: usize = 1000;

/// Longest identifier of a vulnerability in a policy, in bytes. `GHSA-` and `CVE-` ones have under 24.
pub const VULNERABILITY_ID_BYTES: usize = 128;

/// Longest validity that a bundle may allow an override, in seconds: a week is a decision, not an emergency.
pub const OVERRIDE_SECONDS: u64 = 7 * 86_400;

/// Largest trust bundle file, in bytes: base64 of the payload, and 64 KiB for 16 signatures and the frame.
pub const TRUST_FILE_BYTES: u64 = TRUST_PAYLOAD_BYTES.div_ceil(3) * 4 + 64 * 1024;

/// Largest step from one installed version to the next (T-105): versions counted by builds never come close, and
/// a version far ahead would lock out every later bundle.
pub const TRUST_VERSION_STEP: u64 = 1_000_000;

/// Longest passphrase, in bytes.
pub const PASSPHRASE_BYTES: u64 = 4096;

/// Most memory for one passphrase derivation, in bytes; scrypt takes 128 * N * r. cosign writes N = 65,536 and
/// r = 8, which is 64 MiB.
pub const SCRYPT_BYTES: u64 = 256 * 1024 * 1024;

// --- timestamps ------------------------------------------------------------------------------------------

/// Largest timestamp response, in bytes. Those of Sigstore's authority have 1.2 KB without and 3 KB with certificates.
pub const TIMESTAMP_BYTES: usize = 32 * 1024;

/// Most bytes of the signed attributes of a timestamp. Real ones have some 200.
pub const TIMESTAMP_ATTRIBUTES_BYTES: usize = 1024;

/// Most certificates that a timestamp may bring: a path and room for what some authorities add.
pub const TIMESTAMP_CERTIFICATES: usize = 6;

// --- the agent and its hook ------------------------------------------------------------------------------

/// Most bytes of the descriptor on the hook's standard input. containerd writes about 150; annotations may add
/// some. The number is ours.
pub const DESCRIPTOR_BYTES: usize = 64 * 1024;

/// Longest reference as somebody asks for it, in bytes. It is not normalised yet; what is longer than this cannot
/// become a normalised one.
pub const ASKED_REFERENCE_BYTES: usize = REFERENCE_LENGTH;

/// Largest gRPC request to the agent: a descriptor, a reference, and room.
pub const REQUEST_BYTES: usize = DESCRIPTOR_BYTES + 32 * 1024;

/// Largest answer that the hook reads: one line of 1 KiB, a code, an id, and room.
pub const RESPONSE_BYTES: usize = 16 * 1024;

/// Largest answer on the admin socket: a whole verdict with a row for each piece of evidence, and room.
pub const ADMIN_RESPONSE_BYTES: usize = 4 * 1024 * 1024;

/// Seconds from a request's arrival at the agent to its verdict, waiting included. Below [`HOOK_SECONDS`], so that
/// the agent's reason reaches containerd.
pub const VERDICT_SECONDS: u64 = 7;

/// Seconds from the start of the hook to its answer. Below containerd's `per_verifier_timeout` of 10 s, after which
/// it kills the hook and shows no reason.
pub const HOOK_SECONDS: u64 = 8;

/// Seconds that one connection to the agent may last. A hook needs at most [`HOOK_SECONDS`]; whoever holds a
/// connection longer only holds it.
pub const CONNECTION_SECONDS: u64 = 30;

/// Most connections to the admin socket at a time: people and their scripts.
pub const ADMIN_CONNECTIONS: usize = 16;

/// Most HTTP/2 streams of one connection at a time. The hook opens one.
pub const STREAMS: u32 = 32;

/// Largest HTTP/2 header list of one request, in bytes. A gRPC request has under 500.
pub const HEADER_LIST_BYTES: u32 = 8 * 1024;

/// Streams reset by the peer before the agent saw them, after which the connection is closed: h2's own default
/// against "rapid reset" (CVE-2023-44487).
pub const PENDING_RESETS: usize = 20;

/// Images that were let in and are no longer, which `status` names; of more it says how many. The admin socket's answer is
/// bounded, and the journal has all.
pub const REJUDGED_LISTED: usize = 200;

/// Largest configuration file, in bytes. A complete one has 2 KB.
pub const CONFIG_BYTES: u64 = 1024 * 1024;

/// Largest containerd configuration that is read, in bytes, each file and a dump of all. A dump has 20 KB.
pub const CONTAINERD_CONFIG_BYTES: u64 = 4 * 1024 * 1024;

/// Longest `#!` line that Linux executes, its line end not counted: `BINPRM_BUF_SIZE` is 256.
pub const SHEBANG_BYTES: usize = 255;

// --- CRI proxy ---------------------------------------------------------------------------------------------

/// Most names under which one image is judged when it starts. Images on nodes have one to five; the number is ours.
pub const HELD_NAMES: usize = 64;

/// Largest CRI request that is judged, in bytes. A pod in etcd has at most 1.5 MiB; kubelet and containerd take 16 MiB.
pub const CRI_REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// Most CRI requests that are judged at a time; the next ones wait. A node that comes back after a reboot starts some
/// hundred containers at once, and a request has some 10 KB.
pub const CRI_JUDGED: usize = 256;

/// Seconds from the start of a judged CRI request to its last byte. kubelet sends it at once.
pub const CRI_REQUEST_SECONDS: u64 = 10;

/// Most connections to the CRI socket at a time. kubelet has two, and people have a few.
pub const CRI_CONNECTIONS: usize = 64;

/// Most HTTP/2 streams of one CRI connection at a time: a probe by `exec` holds one while it runs, and a node has some
/// hundred pods.
pub const CRI_STREAMS: u32 = 1024;

/// Largest answer of containerd about one image or about itself that the proxy reads, in bytes: kubelet's own bound.
pub const CRI_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Seconds that the proxy waits for containerd's answer about what it holds. A node that starts answers slowly.
pub const CRI_ANSWER_SECONDS: u64 = 30;
