//! Transparency logs, by others' data: every row of the Merkle corpus, and every log entry of every bundle and legacy
//! signature in the corpora, put to the core with the trusted root beside it.
//!
//! What is judged here is the log entry alone: that it speaks about the row's signature, artifact and certificate, and
//! that a log of the root has it. A row that has to fail for another reason (its certificate, its identity, its
//! timestamp, the signature itself) is listed with that reason, and must stay so.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a row that does not read fails its test")]

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullward_core::dsse::{self, Envelope, PAE_ROOM};
use pullward_core::json;
use pullward_core::operations::Operations;
use pullward_core::signature::{Message, PublicKey};
use pullward_core::time::{UnixTime, Window};
use pullward_core::tlog::entry::{Entry, Inclusion};
use pullward_core::tlog::leaf::{Content, Error as LeafError, SignedDigest, SignedMaterial, Verifier};
use pullward_core::tlog::merkle::{self, Hash};
use pullward_core::tlog::{self, Error, LogKey, Logs, ShownBy};
use pullward_tests::Corpora;
use serde_json::Value;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

fn decode(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

// --- Merkle trees ------------------------------------------------------------------------------------------

/// A hash; a few rows have a short word in its place ("don't care 1"), which becomes a hash of its own.
fn hash(value: &Value) -> Option<Hash> {
    let mut bytes = STANDARD.decode(value.as_str()?).ok()?;
    if (1..16).contains(&bytes.len()) {
        bytes.resize(32, 0);
    }
    bytes.try_into().ok()
}

fn proof(value: &Value) -> Option<Vec<Hash>> {
    value["proof"].as_array().map_or(Some(Vec::new()), |items| items.iter().map(hash).collect())
}

/// Whether the core accepts a row of the Merkle corpus; one with hashes of another length cannot even be asked.
fn accepts(kind: &str, row: &Value) -> bool {
    let number = |name: &str| row[name].as_u64();
    let verified = || -> Option<Result<(), merkle::Error>> {
        let proof = proof(row)?;
        Some(match kind {
            "rfc6962-inclusion" => merkle::verify_inclusion(
                &hash(&row["leafHash"])?,
                number("leafIdx")?,
                number("treeSize")?,
                &proof,
                &hash(&row["root"])?,
            ),
            "rfc6962-subtreeinclusion" => merkle::verify_subtree_inclusion(
                &hash(&row["leafHash"])?,
                number("leafIdx")?,
                &(number("start")?..number("end")?),
                &proof,
                &hash(&row["root"])?,
            ),
            "rfc6962-consistency" => merkle::verify_consistency(
                number("size1")?,
                &hash(&row["root1"])?,
                number("size2")?,
                &hash(&row["root2"])?,
                &proof,
            ),
            "rfc6962-subtreeconsistency" => merkle::verify_subtree_consistency(
                &(number("start")?..number("end")?),
                &hash(&row["root1"])?,
                number("size")?,
                &hash(&row["root2"])?,
                &proof,
            ),
            other => panic!("{other} is no kind of the Merkle corpus"),
        })
    };
    verified().is_some_and(|verified| verified.is_ok())
}

/// T-38.
#[test]
fn every_row_of_the_merkle_corpus_is_answered_as_expected() {
    let Some(corpora) = Corpora::at_hand("merkle") else { return };
    let mut counts: BTreeMap<(String, bool), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for row in corpora.manifest("merkle") {
        let file = corpora.json(text(&row["inputs"], "file").unwrap());
        let kind = text(&row, "kind").unwrap();
        let expected = text(&row, "expect") == Some("pass");
        if accepts(kind, &file) != expected {
            wrong.push(text(&row, "id").unwrap().to_owned());
        }
        *counts.entry((kind.to_owned(), expected)).or_default() += 1;
    }
    for ((kind, pass), count) in &counts {
        println!("tlog corpus={kind} expect={} rows={count}", if *pass { "pass" } else { "fail" });
    }
    assert_eq!(counts.values().sum::<usize>(), 379);
    assert_eq!(wrong, Vec::<String>::new());
}

// --- log entries -------------------------------------------------------------------------------------------

/// The logs of a trusted root.
#[derive(Debug, Clone)]
struct Root(Vec<LogKey<'static>>);

impl Logs for Root {
    fn log(&self, id: &[u8; 32]) -> Option<LogKey<'_>> {
        self.0.iter().find(|log| log.id == *id).cloned()
    }
}

impl Root {
    fn read(root: &Value) -> Self {
        let logs = root["tlogs"].as_array().into_iter().flatten();
        Self(
            logs.map(|log| {
                let id: [u8; 32] = decode(text(&log["logId"], "keyId").unwrap()).try_into().unwrap();
                let key = &log["publicKey"];
                let time = |name| {
                    text(&key["validFor"], name)
                        .map(|text| UnixTime::parse(&text.replace(".000Z", "Z")).unwrap())
                };
                LogKey {
                    id,
                    checkpoint_hint: *id.first_chunk().unwrap(),
                    key: PublicKey::from_spki(&decode(text(key, "rawBytes").unwrap())).unwrap(),
                    window: Window { start: time("start").unwrap(), end: time("end") },
                    operator: "",
                }
            })
            .collect(),
        )
    }
}

/// The content of the DER value at the front of `bytes`, all of the value, and what follows it.
fn der(bytes: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let (header, length) = match bytes[1] {
        short @ 0..=0x7f => (2, usize::from(short)),
        0x81 => (3, usize::from(bytes[2])),
        0x82 => (4, usize::from(bytes[2]) << 8 | usize::from(bytes[3])),
        other => panic!("length {other:x}"),
    };
    let end = header + length;
    (&bytes[header..end], &bytes[..end], &bytes[end..])
}

/// The SPKI in a certificate: behind version, serial number, algorithm, issuer, validity and subject.
fn spki(certificate: &[u8]) -> &[u8] {
    let mut rest = der(der(certificate).0).0;
    for _ in 0..6 {
        rest = der(rest).2;
    }
    der(rest).1
}

/// What a row's entries have to speak about.
#[derive(Debug, Clone)]
struct Signed {
    content: Owned,
    signature: Vec<u8>,
    certificate: Option<Vec<u8>>,
    key: PublicKey,
}

#[derive(Debug, Clone)]
enum Owned {
    Sha256([u8; 32]),
    Sha384([u8; 48]),
    Sha512([u8; 64]),
    Envelope { message: Vec<u8>, payload_at: usize, document: Option<Vec<u8>> },
}

impl Signed {
    fn with<R>(&self, ask: impl FnOnce(&SignedMaterial<'_>) -> R) -> R {
        let bytes = match &self.content {
            Owned::Envelope { message, .. } => message,
            _ => &Vec::new(),
        };
        let message = Message::new(bytes);
        let content = match &self.content {
            Owned::Sha256(digest) => Content::Digest(SignedDigest::Sha256(digest)),
            Owned::Sha384(digest) => Content::Digest(SignedDigest::Sha384(digest)),
            Owned::Sha512(digest) => Content::Digest(SignedDigest::Sha512(digest)),
            Owned::Envelope { message: bytes, payload_at, document } => Content::Envelope {
                payload_type: dsse::IN_TOTO,
                payload: &bytes[*payload_at..],
                message: &message,
                document: document.as_deref(),
            },
        };
        let verifier = match &self.certificate {
            Some(der) => Verifier::Certificate { der, key: &self.key },
            None => Verifier::Key(&self.key),
        };
        ask(&SignedMaterial { content, signature: &self.signature, verifier })
    }

    fn of_envelope(document: &[u8], legacy: bool) -> Result<(Owned, Vec<u8>), String> {
        let say = |error: dsse::Error| format!("{error:?}");
        let envelope =
            Envelope::read(json::parse(document).map_err(|error| format!("{error:?}"))?).map_err(say)?;
        let mut scratch = vec![0; document.len() + PAE_ROOM];
        let opened = envelope.open(dsse::IN_TOTO, &mut scratch).map_err(say)?;
        let message = opened.message().to_vec();
        let payload_at = message.len() - opened.payload().len();
        let document = legacy.then(|| document.to_vec());
        let signature = envelope.signature().map_err(say)?.bytes().to_vec();
        Ok((Owned::Envelope { message, payload_at, document }, signature))
    }
}

/// One row: its bundle or annotation, the root, and what the entries have to speak about.
struct Row {
    /// The whole bundle, or the annotation's value.
    document: Value,
    signed: Signed,
    root: Root,
}

impl Row {
    fn entries(&self) -> &[Value] {
        self.document["verificationMaterial"]["tlogEntries"].as_array().map_or(&[], Vec::as_slice)
    }
}

/// What cannot be put to the log code, and why.
type Skipped = String;

fn read_key(corpora: &Corpora, inputs: &Value, material: &Value) -> Result<PublicKey, Skipped> {
    let unsupported = |error| format!("key: {error:?}");
    if let Some(path) = text(inputs, "key") {
        return PublicKey::from_pem(&String::from_utf8(corpora.bytes(path)).unwrap()).map_err(unsupported);
    }
    let hint = text(&material["publicKey"], "hint").ok_or("no verifier")?;
    let keys = corpora.json(text(inputs, "keys").ok_or("no keys to choose from")?);
    let found = keys["keys"].as_array().unwrap().iter().find(|key| text(key, "keyId") == Some(hint));
    let bytes = found.and_then(|key| text(&key["publicKey"], "rawBytes")).ok_or("no key of this hint")?;
    PublicKey::from_spki(&decode(bytes)).map_err(unsupported)
}

fn read_bundle(corpora: &Corpora, inputs: &Value, bundle: &Value) -> Result<Signed, Skipped> {
    let material = &bundle["verificationMaterial"];
    let chain = &material["x509CertificateChain"]["certificates"][0];
    let certificate =
        text(&material["certificate"], "rawBytes").or_else(|| text(chain, "rawBytes")).map(decode);
    let key = match &certificate {
        Some(certificate) => {
            PublicKey::from_spki(spki(certificate)).map_err(|error| format!("key: {error:?}"))?
        }
        None => read_key(corpora, inputs, material)?,
    };
    let (content, signature) = match bundle.get("dsseEnvelope") {
        Some(envelope) => Signed::of_envelope(envelope.to_string().as_bytes(), false)?,
        None => {
            let message = &bundle["messageSignature"];
            let signature = decode(text(message, "signature").ok_or("nothing is signed")?);
            (read_digest(corpora, inputs, message)?, signature)
        }
    };
    Ok(Signed { content, signature, certificate, key })
}

/// The artifact's digest: of the artifact where it is at hand, else as the row gives it, else as the bundle hints.
fn read_digest(corpora: &Corpora, inputs: &Value, message: &Value) -> Result<Owned, Skipped> {
    let algorithm = text(&message["messageDigest"], "algorithm").unwrap_or("SHA2_256");
    if let Some(path) = text(inputs, "artifact") {
        let artifact = corpora.bytes(path);
        return Ok(match algorithm {
            "SHA2_256" => Owned::Sha256(Sha256::digest(&artifact).into()),
            "SHA2_384" => Owned::Sha384(Sha384::digest(&artifact).into()),
            _ => Owned::Sha512(Sha512::digest(&artifact).into()),
        });
    }
    if let Some(digest) = text(inputs, "artifact_digest").filter(|_| algorithm == "SHA2_256") {
        return Ok(Owned::Sha256(*pullward_core::oci::Digest::parse(digest).unwrap().as_bytes()));
    }
    let hint = decode(text(&message["messageDigest"], "digest").ok_or("no digest at all")?);
    hint.try_into().map(Owned::Sha256).map_err(|_| "a digest of another length".to_owned())
}

/// The rows of a bundle corpus.
fn read_row(corpora: &Corpora, row: &Value) -> Result<Row, Skipped> {
    let inputs = &row["inputs"];
    let bundle = match (text(inputs, "bundle"), text(inputs, "document")) {
        (Some(path), _) => {
            serde_json::from_slice(&corpora.bytes(path)).map_err(|error| format!("bundle: {error}"))?
        }
        (None, Some(path)) => {
            corpora.json(path).pointer(text(inputs, "json_pointer").unwrap()).unwrap().clone()
        }
        (None, None) => return Err("no bundle".to_owned()),
    };
    let signed = read_bundle(corpora, inputs, &bundle)?;
    let path = text(inputs, "trusted_root").ok_or("no trusted root")?;
    let document = corpora.bytes(path);
    let mut roots = serde_json::Deserializer::from_slice(&document).into_iter::<Value>();
    let root = Root::read(&roots.next().unwrap().unwrap());
    Ok(Row { document: bundle, signed, root })
}

fn inclusion(bundle: &Value) -> Inclusion {
    match text(bundle, "mediaType") {
        Some("application/vnd.dev.sigstore.bundle+json;version=0.1") => Inclusion::ProofOrPromise,
        _ => Inclusion::Proof,
    }
}

/// Every entry verified: what shows it, and whether it has a time.
fn verify(row: &Row, entries: &Value) -> Result<Vec<(ShownBy, Option<UnixTime>)>, Error> {
    let entries = entries.to_string();
    let value = json::parse(entries.as_bytes()).unwrap();
    row.signed.with(|signed| {
        tlog::verify_entries(value, inclusion(&row.document), signed, &row.root, &mut Operations::new()).map(
            |verified| {
                assert!(tlog::count_logs(&verified) <= verified.len());
                verified.iter().map(|entry| (entry.shown_by(), entry.integrated_time())).collect()
            },
        )
    })
}

/// The corpora of bundles.
const BUNDLES: [&str; 5] = ["conformance", "cosign-v3-capture", "npm", "sigstore-clients", "slsa-bundles"];

/// Rows that must fail, and not because of their log entry: it is there, and speaks about what was signed.
const ELSEWHERE: &[(&str, &str)] = &[
    ("conformance/intoto-expired-certificate_fail", "the certificate is of another year than the entry"),
    (
        "conformance/intoto-tsa-timestamp-outside-cert-validity_fail",
        "the timestamp is outside the certificate's time",
    ),
    ("conformance/invalid-ct-key_fail", "the SCT is by another key"),
    ("conformance/rekor2-no-timestamp_fail", "Rekor v2 has no time, and there is no timestamp"),
    (
        "conformance/rekor2-timestamp-outside-trust-root-tsa-validity_fail",
        "the timestamp authority was not in use",
    ),
    (
        "conformance/rekor2-timestamp-outside-tsa-cert-validity_fail",
        "the authority's certificate was not valid",
    ),
    ("conformance/rekor2-timestamp-untrusted-tsa-with-embedded-cert_fail", "the authority is not trusted"),
    (
        "conformance/rekor2-timestamp-with-incorrect-time_fail",
        "the timestamp is outside the certificate's time",
    ),
    ("cosign-v3-capture/key/wrong-digest", "the statement is about another image"),
    ("cosign-v3-capture/kubewarden/platform-manifest-digest", "the statement is about the index"),
    ("cosign-v3-capture/kubewarden/wrong-issuer", "the certificate is of another issuer"),
    ("cosign-v3-capture/kubewarden/wrong-tag", "the certificate is of another identity"),
    ("sigstore-clients/go/othername#email", "the certificate is of another identity"),
    ("sigstore-clients/python-tsa/bundle.duplicate.sigstore", "a timestamp stands twice"),
    ("sigstore-clients/python-tsa/bundle.many_timestamp.sigstore", "there are too many timestamps"),
    ("sigstore-clients/python/bundle_invalid_version.txt.sigstore", "the bundle's version is unknown"),
];

/// Rows that pass elsewhere and cannot be put to the log code.
const NOT_ASKED: &[(&str, &str)] = &[
    ("sigstore-clients/go/public-key-validity#unbounded", "it has no log entry, and asks for none"),
    ("sigstore-clients/java/PKIX_ECDSA_P521_SHA_512.sigstore.json", "keys on P-521 are not read"),
];

#[test]
fn every_log_entry_of_the_corpora_is_judged_as_its_row_says() {
    let Some(corpora) = Corpora::at_hand("log entries") else { return };
    let elsewhere: BTreeMap<_, _> = ELSEWHERE.iter().copied().collect();
    let not_asked: BTreeMap<_, _> = NOT_ASKED.iter().copied().collect();
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for corpus in BUNDLES {
        let (mut verified, mut refused, mut others, mut skipped) = (0, 0, 0, 0);
        for row in corpora.manifest(corpus) {
            let id = text(&row, "id").unwrap().to_owned();
            let expected = text(&row, "expect").unwrap();
            let answer = read_row(&corpora, &row).and_then(|read| {
                let entries = &read.document["verificationMaterial"]["tlogEntries"];
                match entries.as_array().map_or(0, Vec::len) {
                    0 => Err("no entry".to_owned()),
                    _ => Ok(verify(&read, entries)),
                }
            });
            match (&answer, expected, elsewhere.contains_key(id.as_str())) {
                (Ok(Ok(_)), "pass" | "either" | "parse-only", false) => verified += 1,
                (Ok(Err(error)), "fail" | "either", false) => {
                    refused += 1;
                    *reasons.entry(format!("{error:?}")).or_default() += 1;
                }
                (Ok(Ok(_)), "fail", true) => others += 1,
                (Err(_), "fail" | "either", false) => skipped += 1,
                (Err(_), "pass", false) if not_asked.contains_key(id.as_str()) => skipped += 1,
                _ => wrong.push(format!("{id}: {expected}, {answer:?}")),
            }
            seen.insert(id);
        }
        println!(
            "tlog corpus={corpus} verified={verified} refused={refused} refused-elsewhere={others} \
             not-asked={skipped}"
        );
    }
    for (reason, count) in reasons {
        println!("tlog refused={count} reason={reason}");
    }
    for id in elsewhere.keys().chain(not_asked.keys()) {
        assert!(seen.contains(*id), "{id} is listed and is no row");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The readable rows of the bundle corpora that have an entry and have to pass.
fn passing_rows(corpora: &Corpora) -> Vec<Row> {
    let rows = BUNDLES.iter().flat_map(|corpus| corpora.manifest(corpus));
    let passing = rows.filter(|row| text(row, "expect") == Some("pass"));
    passing.filter_map(|row| read_row(corpora, &row).ok()).filter(|row| !row.entries().is_empty()).collect()
}

/// T-01, T-02, T-05.
#[test]
fn no_entry_speaks_about_another_signature() {
    let Some(corpora) = Corpora::at_hand("foreign log entries") else { return };
    let rows = passing_rows(&corpora);
    let mut asked = 0;
    for entry in &rows {
        for signed in &rows {
            if entry.signed.signature == signed.signed.signature {
                continue;
            }
            let spliced = Row {
                document: entry.document.clone(),
                signed: signed.signed.clone(),
                root: entry.root.clone(),
            };
            let answer = verify(&spliced, &spliced.document["verificationMaterial"]["tlogEntries"]);
            assert_eq!(answer, Err(Error::Body(LeafError::Differs)));
            asked += 1;
        }
    }
    println!("tlog spliced={asked} accepted=0");
    assert!(asked > 5000, "{asked}");
}

/// T-21.
#[test]
fn no_entry_is_taken_from_a_log_of_another_root() {
    let Some(corpora) = Corpora::at_hand("foreign logs") else { return };
    let roots = [
        "trust/public-good/trusted_root.json",
        "trust/staging/trusted_root.json",
        "trust/scaffolding/trusted_root.json",
    ];
    let mut asked = 0;
    for row in passing_rows(&corpora) {
        for root in roots.map(|path| Root::read(&corpora.json(path))) {
            let entries = &row.document["verificationMaterial"]["tlogEntries"];
            let id: [u8; 32] = decode(text(&entries[0]["logId"], "keyId").unwrap()).try_into().unwrap();
            if root.log(&id).is_some() {
                continue;
            }
            let other = Row { root, document: row.document.clone(), signed: row.signed.clone() };
            assert_eq!(verify(&other, entries), Err(Error::UnknownLog));
            asked += 1;
        }
    }
    println!("tlog foreign-roots={asked} accepted=0");
    assert!(asked > 100, "{asked}");
}

#[test]
fn legacy_annotations_of_the_corpora_verify_with_their_signatures_alone() {
    let Some(corpora) = Corpora::at_hand("legacy annotations") else { return };
    let root = Root::read(&corpora.json("trust/public-good/trusted_root.json"));
    let mut all = Vec::new();
    for name in
        ["containers-image/dir-img-cosign-fulcio-rekor-valid", "ratify/successful-keyless-verification"]
    {
        let id = format!("cosign-sig/{name}");
        let row =
            corpora.manifest("cosign-sig").into_iter().find(|row| text(row, "id") == Some(&id)).unwrap();
        let annotations = corpora.json(text(&row["inputs"], "annotations").unwrap());
        let payload = corpora.bytes(text(&row["inputs"], "payload").unwrap());
        let signature = decode(text(&annotations, "dev.cosignproject.cosign/signature").unwrap());
        all.push(legacy(&annotations, Owned::Sha256(Sha256::digest(&payload).into()), signature));
    }
    for row in corpora.manifest("slsa-oci-att") {
        if text(&row, "expect") != Some("pass") {
            continue;
        }
        let blobs = format!("{}/blobs/sha256", text(&row["inputs"], "oci_layout").unwrap());
        for blob in corpora.files(&blobs) {
            let Ok(manifest) = serde_json::from_slice::<Value>(&blob) else { continue };
            for layer in manifest["layers"].as_array().into_iter().flatten() {
                if text(&layer["annotations"], "dev.sigstore.cosign/bundle").is_none() {
                    continue;
                }
                let digest = text(layer, "digest").unwrap().trim_start_matches("sha256:").to_owned();
                let (content, signature) =
                    Signed::of_envelope(&corpora.layer(&blobs, &digest), true).unwrap();
                all.push(legacy(&layer["annotations"], content, signature));
            }
        }
    }
    let mut asked = 0;
    for (place, (annotation, _)) in all.iter().enumerate() {
        for (other, (_, signed)) in all.iter().enumerate() {
            let entry = Entry::read_annotation(annotation.as_bytes()).unwrap();
            let verified = signed.with(|signed| {
                tlog::verify_entry(&entry, signed, &root, &mut Operations::new())
                    .map(|entry| (entry.shown_by(), entry.integrated_time().is_some()))
            });
            if place == other {
                assert_eq!(verified, Ok((ShownBy::Promise, true)));
            } else if signed.signature != all[place].1.signature {
                assert_eq!(verified, Err(Error::Body(LeafError::Differs)));
            }
            asked += 1;
        }
    }
    println!("tlog annotations={} pairs={asked}", all.len());
    assert!(all.len() >= 8, "{}", all.len());
}

fn legacy(annotations: &Value, content: Owned, signature: Vec<u8>) -> (String, Signed) {
    let pem = text(annotations, "dev.sigstore.cosign/certificate").unwrap();
    let digits: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let certificate = decode(&digits);
    let key = PublicKey::from_spki(spki(&certificate)).unwrap();
    let bundle = text(annotations, "dev.sigstore.cosign/bundle").unwrap().to_owned();
    (bundle, Signed { content, signature, certificate: Some(certificate), key })
}

/// Rows of each kind of entry and log, whose entries are damaged byte by byte.
const DAMAGED: [&str; 6] = [
    "conformance/happy-path-v0.3",
    "conformance/managed-key-happy-path",
    "conformance/rekor2-dsse-happy-path",
    "conformance/rekor2-happy-path",
    "npm/gundam-visor-cli-v1-tag.tgz.json#0",
    "slsa-bundles/gha_go/v2.1.0/binary-linux-amd64-push-v14.2.intoto.jsonl",
];

/// Parts of an entry that nobody has signed, each with what it is.
fn unsigned(entry: &str) -> Vec<(std::ops::Range<usize>, &'static str)> {
    let mut parts = Vec::new();
    if let Some(at) = entry.find("\"inclusionPromise\"") {
        parts.push((at..at + 18, "a promise under another name is no promise, and the entry has no time"));
    }
    // Signatures of witnesses stand behind the log's own, which is the first.
    let lines: Vec<usize> = entry.match_indices('\u{2014}').map(|(at, _)| at).collect();
    if let (Some(second), Some(last)) = (lines.get(1), lines.last()) {
        let end = last + entry[*last..].find('"').unwrap();
        parts.push((*second..end, "the signature of a witness, which decides nothing"));
    }
    parts
}

/// T-04, T-24, T-36.
#[test]
fn no_damaged_byte_of_an_entry_passes_unless_nobody_signed_it() {
    let Some(corpora) = Corpora::at_hand("damaged log entries") else { return };
    let rows = BUNDLES.iter().flat_map(|corpus| corpora.manifest(corpus));
    let rows: Vec<Value> = rows.filter(|row| DAMAGED.contains(&text(row, "id").unwrap())).collect();
    assert_eq!(rows.len(), DAMAGED.len());
    for row in rows {
        let read = read_row(&corpora, &row).unwrap();
        let entries = read.document["verificationMaterial"]["tlogEntries"].to_string();
        let free = unsigned(&entries);
        let ask = |bytes: &[u8]| {
            let value = json::parse(bytes).ok()?;
            read.signed.with(|signed| {
                let inclusion = inclusion(&read.document);
                let verified =
                    tlog::verify_entries(value, inclusion, signed, &read.root, &mut Operations::new())
                        .ok()?;
                Some(
                    verified
                        .iter()
                        .map(|entry| (entry.shown_by(), entry.integrated_time()))
                        .collect::<Vec<_>>(),
                )
            })
        };
        let whole = ask(entries.as_bytes()).unwrap();
        let (mut flipped, mut passed) = (0, 0);
        for at in 0..entries.len() {
            for bit in [0x01, 0x20] {
                let mut bytes = entries.clone().into_bytes();
                bytes[at] ^= bit;
                flipped += 1;
                let Some(answer) = ask(&bytes) else { continue };
                passed += 1;
                let part = free.iter().find(|(part, _)| part.contains(&at));
                let Some((_, what)) = part else {
                    panic!("{}: byte {at} is not signed: {answer:?}", row["id"]);
                };
                if what.contains("promise") {
                    assert_eq!(answer, [(ShownBy::Proof, None)]);
                } else {
                    assert_eq!(answer, whole);
                }
            }
        }
        println!(
            "tlog damaged={} flipped={flipped} passed={passed} (of parts that nobody signed)",
            row["id"]
        );
    }
}
