//! The cases. Each line of a table is a claim, the answer that a person expects, and what leads to it.
//!
//! The answers follow from the design's words (`docs/`), not from what the code says: where they differ, one of them is wrong.

use pullward_tests::Error;

use super::forge::{
    Forge, IN_TOTO, Key, Piece, Which, bundle_of, envelope_of, pae, payload_of, statement_of, subject_of,
};
use super::trust::Payload;
use super::{attestation_cases, bundle_cases};

pub(crate) const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
/// Between issue and expiry of every trust bundle.
pub(crate) const NOW: u64 = 1_780_000_000;

/// Which key types a case needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// P-256 alone: the image that the size budget is about runs it too, if it needs no trust bundle.
    P256,
    /// Another one.
    All,
}

/// What a case is decided with.
#[derive(Clone)]
pub(crate) enum DraftTrust {
    Key(String),
    Payload(String),
    Envelope { file: String, threshold: u8, roots: Vec<String> },
}

/// A case that owns its parts.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) name: &'static str,
    pub(crate) expected: &'static str,
    pub(crate) keys: Keys,
    pub(crate) reference: Option<String>,
    pub(crate) digest: String,
    pub(crate) time: u64,
    pub(crate) pod_namespace: Option<&'static str>,
    pub(crate) trust: DraftTrust,
    pub(crate) trouble: Option<&'static str>,
    pub(crate) evidence: Vec<Piece>,
}

impl Draft {
    pub(crate) fn with(mut self, pieces: &[Piece]) -> Self {
        self.evidence.extend_from_slice(pieces);
        self
    }

    pub(crate) fn named(mut self, reference: &str) -> Self {
        self.reference = Some(reference.to_owned());
        self
    }

    pub(crate) fn nameless(mut self) -> Self {
        self.reference = None;
        self
    }

    fn of_digest(mut self, digest: &str) -> Self {
        self.digest = digest.to_owned();
        self
    }

    pub(crate) fn at(mut self, time: u64) -> Self {
        self.time = time;
        self
    }

    pub(crate) fn inside(mut self, namespace: &'static str) -> Self {
        self.pod_namespace = Some(namespace);
        self
    }

    fn troubled(mut self, trouble: &'static str) -> Self {
        self.trouble = Some(trouble);
        self
    }

    fn needing(mut self, keys: Keys) -> Self {
        self.keys = keys;
        self
    }
}

/// The keys, and the evidence that cosign itself wrote.
pub(crate) struct Material {
    pub(crate) digest: String,
    pub(crate) release: Key,
    pub(crate) second: Key,
    pub(crate) stranger: Key,
    pub(crate) legacy: Piece,
    pub(crate) legacy_of_other: Piece,
    pub(crate) legacy_by_stranger: Piece,
    pub(crate) legacy_by_second: Piece,
    pub(crate) bundle: Piece,
    pub(crate) bundle_of_other: Piece,
    pub(crate) bundle_by_stranger: Piece,
}

impl Material {
    fn new(forge: &Forge<'_>) -> Result<Self, Error> {
        let (release, second, stranger) =
            (forge.key("release")?, forge.key("second")?, forge.key("stranger")?);
        Ok(Self {
            digest: forge.app().to_owned(),
            legacy: forge.legacy(&release, Which::App)?,
            legacy_of_other: forge.legacy(&release, Which::Other)?,
            legacy_by_stranger: forge.legacy(&stranger, Which::App)?,
            legacy_by_second: forge.legacy(&second, Which::App)?,
            bundle: forge.bundle(&release, Which::App)?,
            bundle_of_other: forge.bundle(&release, Which::Other)?,
            bundle_by_stranger: forge.bundle(&stranger, Which::App)?,
            release,
            second,
            stranger,
        })
    }

    pub(crate) fn case(&self, name: &'static str, expected: &'static str, trust: DraftTrust) -> Draft {
        Draft {
            name,
            expected,
            keys: Keys::P256,
            reference: Some("docker.io/kcandidate/app:v1".to_owned()),
            digest: self.digest.clone(),
            time: NOW,
            pod_namespace: None,
            trust,
            trouble: None,
            evidence: Vec::new(),
        }
    }

    /// Decided with the release key alone.
    pub(crate) fn key_case(&self, name: &'static str, expected: &'static str) -> Draft {
        self.case(name, expected, DraftTrust::Key(self.release.pem.clone()))
    }

    pub(crate) fn payload_case(
        &self,
        name: &'static str,
        expected: &'static str,
        payload: &Payload,
    ) -> Draft {
        self.case(name, expected, DraftTrust::Payload(payload.text()))
    }
}

/// All cases.
pub(crate) fn all(forge: &Forge<'_>) -> Result<Vec<Draft>, Error> {
    let material = Material::new(forge)?;
    let mut drafts = signatures(&material);
    drafts.extend(attestations(forge, &material)?);
    drafts.extend(payloads(forge, &material)?);
    drafts.extend(envelopes(forge, &material)?);
    drafts.extend(statements(forge, &material)?);
    drafts.extend(key_types(forge, &material)?);
    drafts.extend(questions(&material));
    drafts.extend(limits(&material));
    drafts.extend(bundle_cases::all(forge, &material)?);
    drafts.extend(attestation_cases::all(forge, &material)?);
    Ok(drafts)
}

/// What cosign 2 and 3 write, against one key.
fn signatures(m: &Material) -> Vec<Draft> {
    let case = |name, expected, pieces: &[&Piece]| {
        m.key_case(name, expected).with(&pieces.iter().copied().cloned().collect::<Vec<_>>())
    };
    vec![
        case("legacy-signature-by-the-key", "allow signed -", &[&m.legacy]),
        case("bundle-signature-by-the-key", "allow signed -", &[&m.bundle]),
        case("nothing-found", "deny unsigned -", &[]),
        case("legacy-signature-by-a-stranger", "deny untrusted-key -", &[&m.legacy_by_stranger]),
        case("bundle-signature-by-a-stranger", "deny untrusted-key -", &[&m.bundle_by_stranger]),
        case("legacy-signature-of-another-image", "deny digest-mismatch -", &[&m.legacy_of_other]),
        case("bundle-signature-of-another-image", "deny digest-mismatch -", &[&m.bundle_of_other]),
        case("a-stranger-and-then-the-key", "allow signed -", &[&m.bundle_by_stranger, &m.legacy]),
        case("the-key-and-then-a-stranger", "allow signed -", &[&m.bundle, &m.legacy_by_stranger]),
        case("another-image-and-then-this-one", "allow signed -", &[&m.legacy_of_other, &m.bundle]),
        case(
            "two-halves-are-no-whole",
            "deny digest-mismatch -",
            &[&m.legacy_of_other, &m.legacy_by_stranger],
        ),
    ]
}

/// Attestations are not signatures.
fn attestations(forge: &Forge<'_>, m: &Material) -> Result<Vec<Draft>, Error> {
    let bundle = forge.attestation(&m.release, PROVENANCE)?;
    let legacy = forge.legacy_attestation(&m.release, PROVENANCE)?;
    let by_stranger = forge.attestation(&m.stranger, PROVENANCE)?;
    let no = "deny predicate-not-signature -";
    Ok(vec![
        m.key_case("attestation-bundle-is-no-signature", no).with(std::slice::from_ref(&bundle)),
        m.key_case("legacy-attestation-is-no-signature", no).with(&[legacy]),
        m.key_case("attestation-by-a-stranger", "deny untrusted-key -").with(&[by_stranger]),
        m.key_case("attestation-beside-a-signature", "allow signed -").with(&[bundle, m.bundle.clone()]),
    ])
}

/// Simple-signing payloads that cosign would not write, signed by the right key.
fn payloads(forge: &Forge<'_>, m: &Material) -> Result<Vec<Draft>, Error> {
    let good = payload_of(&m.digest);
    let digest = m.digest.as_str();
    let hex = digest.trim_start_matches("sha256:");
    let deep = format!("{}1{}", "[".repeat(70), "]".repeat(70));
    let mut drafts = Vec::new();
    for (name, expected, payload) in [
        ("payload-with-annotations", "allow signed -", good.replace("null", r#"{"creator":"golden"}"#)),
        (
            "payload-of-another-type",
            "deny payload-type -",
            good.replace("cosign container image signature", "atomic container signature"),
        ),
        (
            "payload-with-a-key-twice",
            "deny payload-ambiguous -",
            good.replace(r#""optional":null"#, r#""critical":{},"optional":null"#),
        ),
        (
            "payload-with-a-twin-in-other-case",
            "deny payload-ambiguous -",
            good.replace(r#""optional":null"#, r#""Critical":{},"optional":null"#),
        ),
        (
            "payload-with-an-escaped-twin",
            "deny payload-ambiguous -",
            good.replace(r#""optional":null"#, r#""\u0063ritical":{},"optional":null"#),
        ),
        (
            "payload-with-an-upper-case-digest",
            "deny payload-digest -",
            good.replace(hex, &hex.to_uppercase()),
        ),
        ("payload-with-a-short-digest", "deny payload-digest -", good.replace(hex, &hex[..63])),
        ("payload-with-a-sha512-digest", "deny payload-digest -", good.replace("sha256:", "sha512:")),
        ("payload-with-trailing-bytes", "deny payload-malformed -", format!("{good}{{}}")),
        (
            "payload-with-an-unknown-key",
            "deny payload-malformed -",
            good.replace(r#""optional":null"#, r#""extra":1,"optional":null"#),
        ),
        (
            "payload-without-a-digest",
            "deny payload-malformed -",
            good.replace(&format!(r#""docker-manifest-digest":"{digest}""#), ""),
        ),
        ("payload-that-is-no-json", "deny payload-malformed -", "signed".to_owned()),
        ("payload-that-is-too-deep", "deny payload-malformed -", good.replace("null", &deep)),
        ("payload-with-a-byte-order-mark", "deny payload-malformed -", format!("\u{feff}{good}")),
    ] {
        drafts.push(m.key_case(name, expected).with(&[forge.simple(&m.release, &payload)?]));
    }
    let not_utf8 = [good.replace("null", "\"").as_bytes(), b"\xff\"}"].concat();
    let piece = forge.simple(&m.release, &not_utf8)?;
    drafts.push(m.key_case("payload-that-is-not-utf8", "deny payload-malformed -").with(&[piece]));

    let Piece::Simple { payload, signature } = &m.legacy else {
        panic!("cosign 2 wrote no legacy signature")
    };
    let mut changed = payload.clone();
    let last = changed.len() - 1;
    changed[last] ^= 0x20;
    drafts.push(
        m.key_case("payload-changed-after-signing", "deny untrusted-key -")
            .with(&[Piece::Simple { payload: changed, signature: signature.clone() }]),
    );
    let malformed = "deny signature-malformed -";
    for (name, signature) in [
        ("signature-that-is-not-base64", "%%%%".to_owned()),
        ("signature-with-stray-bits", "MEUCIQB=".to_owned()),
        ("signature-with-a-line-break", format!("{signature}\n")),
    ] {
        let piece = Piece::Simple { payload: payload.clone(), signature };
        drafts.push(m.key_case(name, malformed).with(&[piece]));
    }
    Ok(drafts)
}

/// Envelopes and bundles around a good statement.
fn envelopes(forge: &Forge<'_>, m: &Material) -> Result<Vec<Draft>, Error> {
    let statement = statement_of("v1", &subject_of(&m.digest), SIGN);
    let signature = forge.sign(&m.release, &pae(IN_TOTO, &statement))?;
    let by_stranger = forge.sign(&m.stranger, &pae(IN_TOTO, &statement))?;
    let good = envelope_of(IN_TOTO, &statement, &[("", &signature)]);
    let Piece::Bundle(bundle) = bundle_of(&good) else { panic!("a bundle is one") };
    let bundle = String::from_utf8(bundle).unwrap();
    let material = r#"{"publicKey":{"hint":""}}"#;
    let content = format!(r#""dsseEnvelope":{good}"#);
    let message =
        r#""messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":"AA=="},"signature":"AA=="}"#;
    let malformed = "deny envelope-malformed -";
    let mut drafts = Vec::new();
    for (name, expected, text) in [
        ("bundle-around-our-own-statement", "allow signed -", bundle.clone()),
        ("bundle-with-the-older-media-type", "allow signed -", {
            bundle.replace("sigstore.bundle.v0.3+json", "sigstore.bundle+json;version=0.3")
        }),
        ("bundle-of-an-unknown-version", "deny bundle-version -", bundle.replace("v0.3", "v0.4")),
        ("bundle-with-a-certificate", "deny certificate-unsupported -", {
            bundle.replace(material, r#"{"certificate":{"rawBytes":"MAA="}}"#)
        }),
        ("bundle-with-a-message-signature", "deny message-signature-unsupported -", {
            bundle.replace(&content, message)
        }),
        ("bundle-with-two-contents", malformed, bundle.replace(&content, &format!("{content},{message}"))),
        ("bundle-without-content", malformed, bundle.replace(&format!(",{content}"), "")),
        ("bundle-with-trailing-bytes", malformed, format!("{bundle}x")),
        ("bundle-cut-short", malformed, bundle[..bundle.len() - 1].to_owned()),
        ("bundle-with-an-envelope-twice", malformed, {
            bundle.replace(&content, &format!("{content},{content}"))
        }),
    ] {
        drafts.push(m.key_case(name, expected).with(&[Piece::Bundle(text.into_bytes())]));
    }
    let count = "deny envelope-signatures -";
    for (name, expected, envelope) in [
        ("envelope-without-signature", count, envelope_of(IN_TOTO, &statement, &[])),
        ("envelope-with-two-signatures", count, {
            envelope_of(IN_TOTO, &statement, &[("", &signature), ("", &by_stranger)])
        }),
        ("envelope-with-three-signatures", count, {
            envelope_of(IN_TOTO, &statement, &[("", &signature), ("", &signature), ("", &signature)])
        }),
        ("envelope-by-a-stranger", "deny untrusted-key -", {
            envelope_of(IN_TOTO, &statement, &[("", &by_stranger)])
        }),
        ("envelope-relabelled-after-signing", "deny payload-type -", {
            envelope_of("application/json", &statement, &[("", &signature)])
        }),
        ("envelope-with-stray-bits-in-the-payload", malformed, {
            envelope_of(IN_TOTO, "{", &[("", &signature)]).replace("ew==", "ex==")
        }),
        ("envelope-with-another-payload", "deny untrusted-key -", {
            envelope_of(IN_TOTO, &statement_of("v1", &subject_of(&m.digest), PROVENANCE), &[("", &signature)])
        }),
    ] {
        drafts.push(m.key_case(name, expected).with(&[bundle_of(&envelope)]));
    }
    let relabelled = forge.envelope(&m.release, "application/json", &statement)?;
    drafts.push(
        m.key_case("envelope-signed-as-another-type", "deny payload-type -").with(&[bundle_of(&relabelled)]),
    );
    Ok(drafts)
}

/// Statements that cosign would not write, signed by the right key.
fn statements(forge: &Forge<'_>, m: &Material) -> Result<Vec<Draft>, Error> {
    let ours = subject_of(&m.digest);
    let other = subject_of(forge.other());
    let both = format!("{},{}", other.trim_end_matches(']'), ours.trim_start_matches('['));
    let hex = m.digest.trim_start_matches("sha256:");
    let many = format!("[{}{{\"digest\":{{\"sha256\":\"{hex}\"}}}}]", "{\"digest\":{}},".repeat(1024));
    let subjects = "deny statement-subjects -";
    let mut drafts = Vec::new();
    for (name, expected, text) in [
        ("statement-of-version-0-1", "allow signed -", statement_of("v0.1", &ours, SIGN)),
        ("statement-with-two-subjects", "allow signed -", statement_of("v1", &both, SIGN)),
        ("statement-of-an-unknown-version", "deny statement-version -", statement_of("v2", &ours, SIGN)),
        ("statement-of-another-predicate", "deny predicate-not-signature -", {
            statement_of("v1", &ours, PROVENANCE)
        }),
        ("statement-without-subject", subjects, statement_of("v1", "[]", SIGN)),
        ("statement-with-too-many-subjects", subjects, statement_of("v1", &many, SIGN)),
        ("statement-about-another-image", "deny digest-mismatch -", statement_of("v1", &other, SIGN)),
        ("statement-about-a-sha512-digest", "deny digest-mismatch -", {
            statement_of("v1", &ours.replace("sha256", "sha512"), SIGN)
        }),
        ("statement-with-an-upper-case-digest", "deny payload-digest -", {
            statement_of("v1", &ours.replace(hex, &hex.to_uppercase()), SIGN)
        }),
        ("statement-with-a-predicate-type-twice", "deny payload-ambiguous -", {
            statement_of("v1", &ours, SIGN)
                .replace(r#""predicate":{}"#, &format!(r#""predicateType":"{PROVENANCE}","predicate":{{}}"#))
        }),
        ("statement-with-a-twin-of-subject", "deny payload-ambiguous -", {
            statement_of("v1", &other, SIGN)
                .replace(r#""predicate":{}"#, &format!(r#""Subject":{ours},"predicate":{{}}"#))
        }),
        ("statement-with-trailing-bytes", "deny payload-malformed -", {
            statement_of("v1", &ours, SIGN) + "{}"
        }),
    ] {
        drafts.push(m.key_case(name, expected).with(&[forge.statement(&m.release, &text)?]));
    }
    Ok(drafts)
}

/// The other key types, as cosign signs with them: legacy and bundle differ in the hash for P-384.
fn key_types(forge: &Forge<'_>, m: &Material) -> Result<Vec<Draft>, Error> {
    let p384 = forge.imported_key("p384", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"])?;
    let ed25519 = forge.imported_key("ed25519", &["-algorithm", "ed25519"])?;
    let rsa = forge.imported_key("rsa", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"])?;
    let case = |name, expected, key: &Key, piece| {
        m.case(name, expected, DraftTrust::Key(key.pem.clone())).needing(Keys::All).with(&[piece])
    };
    let (yes, mismatch) = ("allow signed -", "deny digest-mismatch -");
    Ok(vec![
        case("p384-legacy", yes, &p384, forge.legacy(&p384, Which::App)?),
        case("p384-bundle", yes, &p384, forge.bundle(&p384, Which::App)?),
        case("p384-legacy-of-another-image", mismatch, &p384, forge.legacy(&p384, Which::Other)?),
        case("p384-key-p256-signature", "deny untrusted-key -", &p384, m.legacy.clone()),
        case("ed25519-legacy", yes, &ed25519, forge.legacy(&ed25519, Which::App)?),
        case("ed25519-legacy-of-another-image", mismatch, &ed25519, forge.legacy(&ed25519, Which::Other)?),
        case("ed25519-statement", yes, &ed25519, {
            forge.statement(&ed25519, &statement_of("v1", &subject_of(&m.digest), SIGN))?
        }),
        case("ed25519-key-p256-signature", "deny untrusted-key -", &ed25519, m.bundle.clone()),
        case("rsa-legacy", yes, &rsa, forge.legacy(&rsa, Which::App)?),
        case("rsa-bundle", yes, &rsa, forge.bundle(&rsa, Which::App)?),
        case("rsa-bundle-of-another-image", mismatch, &rsa, forge.bundle(&rsa, Which::Other)?),
        case("rsa-key-p256-signature", "deny untrusted-key -", &rsa, m.legacy.clone()),
    ])
}

/// Questions that cannot be asked.
fn questions(m: &Material) -> Vec<Draft> {
    let digest = "deny digest-invalid -";
    let elsewhere = format!("docker.io/kcandidate/app@sha256:{}", "0".repeat(64));
    let reference = "deny reference-invalid -";
    let case = |name, expected| m.key_case(name, expected).with(std::slice::from_ref(&m.legacy));
    vec![
        case("name-that-carries-another-digest", "deny digest-conflict -").named(&elsewhere),
        case("a-key-needs-no-name", "allow signed -").nameless(),
        case("digest-in-upper-case", digest).of_digest(&m.digest.to_uppercase()),
        case("digest-without-algorithm", digest).of_digest(m.digest.trim_start_matches("sha256:")),
        case("digest-that-is-short", digest).of_digest(&m.digest[..70]),
        case("digest-of-another-algorithm", digest).of_digest(&m.digest.replace("sha256", "sha512")),
        case("reference-in-upper-case", reference).named("docker.io/Kcandidate/app:v1"),
        case("reference-with-a-blank", reference).named("docker.io/kcandidate/app v1"),
        case("reference-that-climbs", reference).named("docker.io/kcandidate/../app"),
        m.case("key-that-is-none", "refused key", DraftTrust::Key("release".to_owned())),
        m.case("key-that-is-cut-short", "refused key", DraftTrust::Key(m.release.pem.replacen("\n", "", 1))),
    ]
}

/// Sources that fail, and caps that are reached.
fn limits(m: &Material) -> Vec<Draft> {
    let Piece::Simple { payload, .. } = &m.legacy else { panic!("cosign 2 wrote no legacy signature") };
    let garbage = Piece::Simple { payload: b"{}".to_vec(), signature: "AAAA".to_owned() };
    let mut large = payload.clone();
    large.resize((1 << 20) + 1, b' ');
    let large = Piece::Simple { payload: large, signature: "AAAA".to_owned() };
    vec![
        m.key_case("a-source-failed-and-nothing-was-found", "deny evidence-unreachable -")
            .troubled("unreachable"),
        m.key_case("a-source-failed-and-a-stranger-signed", "deny evidence-unreachable -")
            .with(std::slice::from_ref(&m.legacy_by_stranger))
            .troubled("unreachable"),
        m.key_case("a-source-failed-after-the-signature", "allow signed -")
            .with(std::slice::from_ref(&m.legacy))
            .troubled("unreachable"),
        m.key_case("a-flood-hides-nothing", "deny evidence-limit -")
            .with(std::slice::from_ref(&m.legacy))
            .troubled("evidence-limit"),
        m.key_case("too-many-signatures-to-check", "deny signature-limit -").with(&vec![garbage; 513]),
        m.key_case("evidence-that-is-too-large", "deny evidence-too-large -").with(&[large]),
    ]
}
