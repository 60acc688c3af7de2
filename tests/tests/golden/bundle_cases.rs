//! The cases that a trust bundle decides: its rules, what it takes back, and when it is not taken itself.

use pullward_tests::Error;

use super::cases::{Draft, DraftTrust, Material};
use super::forge::{Forge, IN_TOTO, Piece, envelope_of, hex_of, pae};
use super::trust::{EXPIRES, ISSUED, Payload, Rule, authority, authority_with, revocation};

const TRUST: &str = "application/vnd.pullward.trust-bundle.v1+json";

/// All cases.
/// A requirement on an attestation that nothing is said about.
const ATTESTATION: &str = r#"{"types":["https://cosign.sigstore.dev/attestation/vuln/v1"],"signed_by":["release"],"covered":false,"max_age":null,"max_age_at":"first","vulnerabilities":null,"provenance":null,"packages":null,"condition":null}"#;

pub(crate) fn all(forge: &Forge<'_>, m: &Material) -> Result<Vec<Draft>, Error> {
    let mut drafts = rules(m);
    drafts.extend(revocations(m));
    drafts.extend(refused_payloads(m));
    drafts.extend(signed_bundles(forge, m)?);
    Ok(drafts)
}

/// Rules of a trust bundle.
fn rules(m: &Material) -> Vec<Draft> {
    let release = authority("release", &m.release);
    let app = Rule::new("app", "docker.io/kcandidate/**");
    let one = |rule: Rule<'_>| Payload::new(std::slice::from_ref(&release), &[rule.text()]);
    let base = one(app);
    let both = Payload::new(
        &[release.clone(), authority("second", &m.second)],
        &[Rule { signed_by: r#""release","second""#, at_least: 2, ..app }.text()],
    );
    let twins = Payload::new(
        &[release.clone(), authority("twin", &m.release)],
        &[Rule { signed_by: r#""release","twin""#, at_least: 2, ..app }.text()],
    );
    let demo = Rule { name: "demo", namespaces: r#""demo","team-*""#, signed_by: r#""second""#, ..app };
    let namespaced =
        Payload::new(&[release.clone(), authority("second", &m.second)], &[demo.text(), app.text()]);
    let allow = Rule { mode: "allow", signed_by: "", ..app };
    let hex = m.digest.trim_start_matches("sha256:");
    let mut listed = one(Rule { digests: "0", ..allow });
    listed.digest_lists.push(hex.to_owned());
    let mut unlisted = listed.clone();
    unlisted.digest_lists = vec!["0".repeat(64)];
    let audit = one(Rule { mode: "audit", ..app });
    let pinned = format!("docker.io/kcandidate/app@{}", m.digest);
    let pinned_elsewhere = format!("docker.io/kcandidate/app@sha256:{}", "0".repeat(64));
    let legacy = std::slice::from_ref(&m.legacy);
    let bundle = std::slice::from_ref(&m.bundle);
    let stranger = std::slice::from_ref(&m.bundle_by_stranger);
    let two = [m.legacy.clone(), m.legacy_by_second.clone()];
    let same = [m.legacy.clone(), m.bundle.clone()];
    let case = |name, expected, payload: &Payload, pieces: &[Piece]| {
        m.payload_case(name, expected, payload).with(pieces)
    };
    let tag_rule = one(Rule::new("v1", "docker.io/kcandidate/app:v1"));
    vec![
        case("rule-met-by-a-legacy-signature", "allow signed app", &base, legacy),
        case("rule-met-by-a-bundle", "allow signed app", &base, bundle),
        case("rule-with-nothing-found", "deny unsigned app", &base, &[]),
        case("rule-with-a-stranger", "deny untrusted-key app", &base, stranger),
        case(
            "rule-with-another-image",
            "deny digest-mismatch app",
            &base,
            std::slice::from_ref(&m.bundle_of_other),
        ),
        case("no-rule-for-this-host", "deny no-rule -", &base, legacy).named("ghcr.io/kcandidate/app:v1"),
        case("no-rule-for-this-port", "deny no-rule -", &base, legacy)
            .named("docker.io:443/kcandidate/app:v1"),
        case("no-rule-for-the-folder-itself", "deny no-rule -", &base, legacy).named("docker.io/kcandidate"),
        case("no-rules-at-all", "deny no-rule -", &Payload::new(&[], &[]), legacy),
        case("short-name-is-normalised", "allow signed app", &base, legacy).named("kcandidate/app"),
        case("pinned-name", "allow signed app", &base, legacy).named(&pinned),
        case("name-pinned-to-another-digest", "deny digest-conflict -", &base, legacy)
            .named(&pinned_elsewhere),
        case("tag-rule-and-its-tag", "allow signed v1", &tag_rule, legacy),
        case("tag-rule-and-another-tag", "deny no-rule -", &tag_rule, legacy).named("kcandidate/app:v2"),
        case("tag-rule-and-no-tag", "deny no-rule -", &tag_rule, legacy).named(&pinned),
        case("name-is-needed-with-a-bundle", "deny reference-invalid -", &base, legacy).nameless(),
        case("rule-that-denies", "deny denied-by-rule app", &one(Rule { mode: "deny", ..allow }), legacy),
        case("rule-that-allows", "allow allowed-by-rule app", &one(allow), &[]),
        case("rule-that-allows-this-digest", "allow allowed-by-rule app", &listed, &[]),
        case("rule-that-allows-another-digest", "deny no-rule -", &unlisted, &[]),
        case("audit-with-nothing-found", "allow unsigned app would-deny", &audit, &[]),
        case("audit-with-a-stranger", "allow untrusted-key app would-deny", &audit, stranger),
        case("audit-with-a-signature", "allow signed app", &audit, legacy),
        case("two-of-two", "allow signed app", &both, &two),
        case("one-of-two", "deny threshold-not-met app", &both, legacy),
        case("one-authority-twice-is-one", "deny threshold-not-met app", &both, &same),
        case("one-key-under-two-names-is-one", "deny threshold-not-met app", &twins, &same),
        case("namespace-unknown-and-rules-differ", "deny namespace-unknown demo", &namespaced, legacy),
        case("namespace-unknown-and-rules-agree", "allow signed app", &namespaced, &two),
        case("namespace-of-the-rule", "deny untrusted-key demo", &namespaced, legacy).inside("demo"),
        case("namespace-by-glob", "deny untrusted-key demo", &namespaced, legacy).inside("team-a"),
        case("namespace-of-no-rule", "allow signed app", &namespaced, legacy).inside("prod"),
        case(
            "rule-asks-for-an-attestation",
            "deny attestation-missing app",
            &one(Rule { attestations: ATTESTATION, ..app }),
            legacy,
        ),
        case(
            "rule-takes-a-parent-index-and-the-image-is-signed",
            "allow signed app",
            &one(Rule { index: "parent", ..app }),
            legacy,
        ),
        case("last-second-of-the-bundle", "allow signed app", &base, legacy).at(EXPIRES - 1),
        case("first-second-after-the-bundle", "deny trust-expired -", &base, legacy).at(EXPIRES),
        case("expired-bundle-allows-nothing", "deny trust-expired -", &one(allow), &[]).at(u64::MAX),
        case("clock-before-the-issue-counts-as-the-issue", "allow signed app", &base, legacy).at(ISSUED - 1),
    ]
}

/// What a trust bundle takes back.
fn revocations(m: &Material) -> Vec<Draft> {
    let rule = [Rule::new("app", "docker.io/kcandidate/**").text()];
    let release = [authority("release", &m.release)];
    let base = Payload::new(&release, &rule);
    let hex = m.digest.trim_start_matches("sha256:").to_owned();
    let Piece::Bundle(bundle) = &m.bundle else { panic!("cosign 3 wrote no bundle") };
    let mut digest = base.clone();
    digest.revoked_digests = hex;
    let mut evidence = base.clone();
    evidence.revoked_evidence = hex_of(bundle);
    let mut key = base.clone();
    key.revoked_keys = vec![revocation("key", &m.release.id())];
    let mut other_key = base.clone();
    other_key.revoked_keys = vec![revocation("key", &m.second.id())];
    let mut name = base;
    name.revoked_authorities = vec![revocation("authority", "release")];
    let retired = Payload::new(&[authority_with("release", &m.release, "null", "true")], &rule);
    let windowed =
        Payload::new(&[authority_with("release", &m.release, "\"2026-12-01T00:00:00Z\"", "false")], &rule);
    let case = |name, expected, payload: &Payload, pieces: &[&Piece]| {
        m.payload_case(name, expected, payload).with(&pieces.iter().copied().cloned().collect::<Vec<_>>())
    };
    vec![
        case("digest-revoked", "deny digest-revoked -", &digest, &[&m.bundle]),
        case("evidence-revoked", "deny evidence-revoked app", &evidence, &[&m.bundle]),
        case("evidence-revoked-beside-another", "allow signed app", &evidence, &[&m.bundle, &m.legacy]),
        case("key-revoked", "deny key-revoked app", &key, &[&m.bundle]),
        case("another-key-revoked", "allow signed app", &other_key, &[&m.bundle]),
        case("authority-revoked", "deny authority-revoked app", &name, &[&m.legacy]),
        case("key-retired", "deny key-retired app", &retired, &[&m.legacy]),
        case("key-in-a-window-without-time", "deny key-window-no-time app", &windowed, &[&m.legacy]),
    ]
}

/// Payloads that are not taken at all.
fn refused_payloads(m: &Material) -> Vec<Draft> {
    let app = Rule::new("app", "docker.io/kcandidate/**");
    let release = [authority("release", &m.release)];
    let base = Payload::new(&release, &[app.text()]);
    let with = |rule: Rule<'_>| Payload::new(&release, &[rule.text()]).text();
    let unsorted = {
        let mut payload = base.clone();
        payload.revoked_digests = "1".repeat(64) + &"0".repeat(64);
        payload.text()
    };
    let text = base.text();
    let invalid = "refused trust-invalid";
    [
        ("bundle-of-another-schema", "refused trust-schema", Payload { schema: 2, ..base.clone() }.text()),
        (
            "bundle-for-a-newer-engine",
            "refused engine-too-old",
            Payload { min_engine: 99, ..base.clone() }.text(),
        ),
        ("bundle-of-version-0", invalid, Payload { version: 0, ..base }.text()),
        ("bundle-with-an-unknown-member", invalid, text.replacen('{', "{\"extra\":1,", 1)),
        (
            "bundle-with-a-member-twice",
            invalid,
            text.replacen("\"version\":7", "\"version\":7,\"version\":8", 1),
        ),
        ("bundle-payload-cut-short", invalid, text[..text.len() - 1].to_owned()),
        ("bundle-that-expires-before-its-issue", invalid, text.replace("2027-01-01", "2025-01-01")),
        ("bundle-with-an-unsorted-digest-list", invalid, unsorted),
        ("rule-that-asks-for-nothing", invalid, with(Rule { signed_by: "", ..app })),
        ("rule-with-a-threshold-of-0", invalid, with(Rule { at_least: 0, ..app })),
        ("rule-with-a-threshold-out-of-reach", invalid, with(Rule { at_least: 2, ..app })),
        ("rule-signed-by-nobody-we-know", invalid, with(Rule { signed_by: "\"nobody\"", ..app })),
        ("rule-of-an-unknown-mode", invalid, with(Rule { mode: "warn", ..app })),
        ("rule-with-a-pattern-without-host", invalid, with(Rule { pattern: "kcandidate/*", ..app })),
    ]
    .into_iter()
    .map(|(name, expected, text)| {
        m.case(name, expected, DraftTrust::Payload(text)).with(std::slice::from_ref(&m.legacy))
    })
    .collect()
}

/// Trust bundles as files, opened with root keys.
fn signed_bundles(forge: &Forge<'_>, m: &Material) -> Result<Vec<Draft>, Error> {
    let (root, second_root) = (forge.key("root")?, forge.key("second-root")?);
    let payload = Payload::new(
        &[authority("release", &m.release)],
        &[Rule::new("app", "docker.io/kcandidate/**").text()],
    )
    .text();
    let signed = pae(TRUST, &payload);
    let (by_root, by_second) = (forge.sign(&root, &signed)?, forge.sign(&second_root, &signed)?);
    let (id, second_id) = (root.id(), second_root.id());
    let once = envelope_of(TRUST, &payload, &[(&id, &by_root)]);
    let twice = envelope_of(TRUST, &payload, &[(&id, &by_root), (&second_id, &by_second)]);
    let same = envelope_of(TRUST, &payload, &[(&id, &by_root), (&id, &by_root)]);
    let junk = envelope_of(TRUST, &payload, &[(&second_id, &by_root), (&id, &by_root)]);
    let changed = envelope_of(TRUST, &payload.replace("\"version\":7", "\"version\":8"), &[(&id, &by_root)]);
    let relabelled = forge.envelope(&root, IN_TOTO, &payload)?;
    let unsigned = envelope_of(TRUST, &payload, &[]);
    let cut = once[..once.len() - 2].to_owned();
    let wrong = "refused trust-wrong-root";
    let short = "refused trust-threshold";
    let pems = [root.pem.clone(), second_root.pem.clone()];
    Ok([
        ("file-signed-by-the-root", "allow signed app", once.clone(), 1, &pems[..1]),
        ("file-signed-by-one-of-two-roots", "allow signed app", once.clone(), 1, &pems[..]),
        ("file-signed-by-both-roots", "allow signed app", twice.clone(), 2, &pems[..]),
        ("file-with-a-signature-that-does-not-verify", "allow signed app", junk, 1, &pems[..]),
        ("file-signed-by-another-root", wrong, once.clone(), 1, &pems[1..]),
        ("file-without-a-pinned-root", wrong, once.clone(), 1, &pems[..0]),
        ("file-signed-by-one-where-two-are-due", short, once.clone(), 2, &pems[..]),
        ("file-signed-twice-by-one-root", short, same, 2, &pems[..]),
        ("file-with-a-threshold-of-0", short, twice, 0, &pems[..]),
        ("file-changed-after-signing", wrong, changed, 1, &pems[..]),
        ("file-of-another-payload-type", "refused trust-envelope", relabelled, 1, &pems[..]),
        ("file-without-signatures", "refused trust-envelope", unsigned, 1, &pems[..]),
        ("file-cut-short", "refused trust-invalid", cut, 1, &pems[..]),
    ]
    .into_iter()
    .map(|(name, expected, file, threshold, roots)| {
        let trust = DraftTrust::Envelope { file, threshold, roots: roots.to_vec() };
        m.case(name, expected, trust).with(std::slice::from_ref(&m.legacy))
    })
    .collect())
}
