//! Keyless signers, with a trusted root that vouches for them.

use super::super::{Code, Import, RootFile, Weight};
use super::{Document, KEY, ONE, attestor};

/// A root of one authority and, where asked for, of logs; its certificates are made in this run.
fn root(logs: &str, certificate_logs: &str) -> RootFile {
    let content = format!(
        r#"{{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","certificateAuthorities":[],"tlogs":[{logs}],"ctlogs":[{certificate_logs}],"timestampAuthorities":[]}}"#
    );
    RootFile { path: "root.json".to_owned(), content: content.into_bytes() }
}

fn keyless(identity: &str, more: &str) -> Document {
    let attestors =
        format!("- name: a\n  cosign:\n    keyless:\n      identities:\n      - {{{identity}}}\n{more}");
    Document { attestors, ..Document::new() }.validation(ONE)
}

/// What there is to say besides what the whole policy is found to be: this root has no certificates.
fn said(document: &Document, root: &RootFile) -> Vec<(Code, String, String)> {
    let import = Import::read_with("x.yaml", &document.text(), Some(root));
    let own = import.findings.into_iter().filter(|finding| finding.code != Code::ImportPolicy);
    own.map(|finding| (finding.code, finding.path, finding.text)).collect()
}

const LOG: &str = "{}";
const BOTH: &str = "issuer: \"https://i\", subject: \"https://s/x\"";

#[test]
fn identities_become_an_authority_with_the_root_that_was_named() {
    let document = keyless(BOTH, "");
    let translation = super::Translation::read_with(&document.text(), Some(root(LOG, LOG)));
    assert!(!translation.findings.refused(), "{:#?}", translation.findings);
    let text = super::render::policy(&translation, "x");
    let expected = "[[authority]]\nname = \"a\"\n[authority.keyless]\ntrusted_root = \"root.json\"\n\
                    [[authority.keyless.identity]]\nissuer = \"https://i\"\nsubject = \"https://s/x\"\n";
    assert!(text.contains(expected), "{text}");
    let expression = keyless("issuer: \"https://i\", subjectRegExp: '^https://github\\.com/acme/.*$'", "");
    let translation = super::Translation::read_with(&expression.text(), Some(root(LOG, LOG)));
    assert!(super::render::policy(&translation, "x").contains("subject = \"https://github.com/acme/**\"\n"));
}

#[test]
fn a_root_that_vouches_for_nobody_is_no_policy() {
    let import = Import::read_with("x.yaml", &keyless(BOTH, "").text(), Some(&root(LOG, LOG)));
    assert!(import.policy.is_none());
    assert!(import.of_weight(Weight::Refusal).all(|finding| finding.code == Code::ImportPolicy));
}

#[test]
fn identities_that_cannot_be_said_are_refused_by_what_they_are() {
    let at = "spec.attestors[0].cosign.keyless.identities[0]";
    for (identity, words) in [
        ("issuer: \"https://i\"", "subject is missing"),
        ("subject: s", "issuer is missing"),
        ("issuer: i, subject: s, subjectRegExp: s", "subject stands there twice"),
        ("issuer: i, subjectRegExp: \"a|b\"", "subjectRegExp \"a|b\" has no glob"),
        ("issuerRegExp: \"^(a|b)$\", subject: s", "issuerRegExp \"^(a|b)$\" has no glob"),
        ("issuer: i, subjectRegExp: \".*\"", "cannot be a pattern"),
        ("issuer: \"https://*\", subject: s", "wildcard"),
        ("issuer: i, subjectExpression: \"a\"", "subjectExpression"),
    ] {
        let said = said(&keyless(identity, ""), &root(LOG, LOG));
        let found = said
            .iter()
            .any(|(code, path, text)| *code == Code::ImportNotEnforced && path == at && text.contains(words));
        assert!(found, "{identity}: {said:#?}");
    }
}

#[test]
fn fields_beside_the_identities_are_remarked_on_or_refused() {
    let with = |more: &str| said(&keyless(BOTH, more), &root(LOG, LOG));
    let log = "spec.attestors[0].cosign.ctlog";
    for (more, code, path) in [
        ("    ctlog: {url: \"https://log\"}\n", Code::NotNeeded, ".url"),
        ("    ctlog: {rekorPubKey: x}\n", Code::ImportNotEnforced, ".rekorPubKey"),
        ("    ctlog: {ctLogPubKey: x}\n", Code::ImportNotEnforced, ".ctLogPubKey"),
        ("    ctlog: {tsaCertChain: x}\n", Code::ImportNotEnforced, ".tsaCertChain"),
    ] {
        let said = with(more);
        assert!(said.iter().any(|one| one.0 == code && one.1 == format!("{log}{path}")), "{more}: {said:#?}");
    }
    for (more, code, path) in [
        ("      roots: x\n", Code::ImportNotEnforced, "keyless.roots"),
        ("      additionalExtensions: {a: b}\n", Code::ImportNotEnforced, "keyless.additionalExtensions"),
        ("    tuf: {mirror: x}\n", Code::Differs, "tuf"),
        ("    trustedRoot: x\n", Code::Differs, "trustedRoot"),
        ("    ctlog: {insecureIgnoreTlog: true}\n", Code::Stricter, "keyless"),
        ("    ctlog: {insecureIgnoreSCT: true}\n", Code::Stricter, "keyless"),
    ] {
        let said = with(more);
        let path = format!("spec.attestors[0].cosign.{path}");
        assert!(said.iter().any(|one| one.0 == code && one.1 == path), "{more}: {said:#?}");
    }
    // A dot that is any character to an expression is a dot to a glob.
    let dots = said(&keyless("issuer: i, subjectRegExp: \"^a.b$\"", ""), &root(LOG, LOG));
    assert!(dots.iter().any(|one| one.0 == Code::Stricter), "{dots:#?}");
}

/// What is asked follows from the root: one without logs asks for less than the document.
#[test]
fn a_root_without_the_logs_that_are_asked_for_is_refused() {
    for (lists, more, refused) in [
        (root("", LOG), "", 1),
        (root(LOG, ""), "", 1),
        (root("", ""), "", 2),
        (root("", ""), "    ctlog: {insecureIgnoreTlog: true, insecureIgnoreSCT: true}\n", 0),
    ] {
        let said = said(&keyless(BOTH, more), &lists);
        let count = said.iter().filter(|one| one.0 == Code::ImportNotEnforced).count();
        assert_eq!(count, refused, "{said:#?}");
    }
}

#[test]
fn a_root_changes_nothing_for_keys_and_certificates() {
    let keys = Document { attestors: attestor("a", &KEY), ..Document::new() };
    let with = Import::read_with("x.yaml", &keys.text(), Some(&root(LOG, LOG)));
    assert_eq!(with.policy, Import::read("x.yaml", &keys.text()).policy);
    let certificate = "- name: a\n  cosign: {certificate: {cert: {value: x}}}\n".to_owned();
    let said = said(&Document { attestors: certificate, ..Document::new() }, &root(LOG, LOG));
    assert!(
        said.iter().any(|one| one.0 == Code::ImportNotEnforced && one.1.ends_with(".certificate")),
        "{said:#?}"
    );
}

#[test]
fn an_authority_of_a_cluster_image_policy_may_be_keyless() {
    let text = "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {name: p}\nspec:\n  \
                images: [{glob: \"ghcr.io/acme/*\"}]\n  authorities:\n  - name: ci\n    keyless:\n      \
                url: \"https://fulcio.example\"\n      identities: [{issuer: \"https://i\", subjectRegExp: \"^https://s/.*$\"}]\n    \
                ctlog: {url: \"https://rekor.example\"}\n";
    let translation = super::Translation::read_with(text, Some(root(LOG, LOG)));
    assert!(!translation.findings.refused(), "{:#?}", translation.findings);
    let policy = super::render::policy(&translation, "x");
    assert!(policy.contains("name = \"ci\"\n[authority.keyless]\n"), "{policy}");
    assert!(policy.contains("subject = \"https://s/**\"\n"), "{policy}");
    let without = Import::read("x.yaml", text);
    let refusals: Vec<_> = without.of_weight(Weight::Refusal).map(|finding| finding.text.as_str()).collect();
    assert!(refusals.iter().any(|text| text.contains("--trusted-root FILE")), "{refusals:#?}");
}
