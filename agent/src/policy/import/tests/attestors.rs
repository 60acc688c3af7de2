//! Attestors of Kyverno that are refused, each by the field that says what a node does not enforce.

use super::{Code, Document, KEY, OTHER, attestor, indented};

#[test]
fn what_an_attestor_asks_for_and_a_node_does_not_enforce_is_refused() {
    let key = indented(&KEY, 8);
    let log = "    ctlog: {url: \"https://log.example\", insecureIgnoreTlog: true}\n";
    let with_key = |rest: &str| format!("- name: a\n  cosign:\n    key:\n      data: |\n{key}{rest}");
    let p = "spec.attestors[0]";
    for (attestor, code, path, words) in [
        (with_key(""), Code::ImportNotEnforced, ".cosign.ctlog", "transparency log"),
        (with_key("    ctlog: {url: x}\n"), Code::ImportNotEnforced, ".cosign.ctlog", "transparency log"),
        (with_key("    ctlog: {insecureIgnoreTlog: false}\n"), Code::ImportNotEnforced, ".cosign.ctlog", "transparency log"),
        (with_key("    ctlog: {insecureIgnoreTlog: \"true\"}\n"), Code::ImportSyntax, ".cosign.ctlog.insecureIgnoreTlog", "true or false"),
        (with_key("    ctlog: {insecureIgnoreTlog: yes}\n"), Code::ImportSyntax, ".cosign.ctlog.insecureIgnoreTlog", "true or false"),
        (with_key("    ctlog: {insecureIgnoreTlog: true, tsaCertChain: x}\n"), Code::ImportNotEnforced, ".cosign.ctlog.tsaCertChain", "timestamps"),
        (with_key("    ctlog: {insecureIgnoreTlog: true, insecureIgnoreTlogs: true}\n"), Code::ImportField, ".cosign.ctlog.insecureIgnoreTlogs", "did you mean"),
        (with_key(&format!("{log}    annotations: {{a: b}}\n")), Code::ImportNotEnforced, ".cosign.annotations", "annotations"),
        (with_key(&format!("{log}    source: {{repository: x}}\n")), Code::ImportNotEnforced, ".cosign.source.repository", "oras copy"),
        (with_key(&format!("{log}    source: {{tagPrefix: x}}\n")), Code::ImportNotEnforced, ".cosign.source.tagPrefix", "oras copy"),
        (with_key(&format!("{log}    keyless: {{identities: []}}\n")), Code::ImportValue, ".cosign", "more than one"),
        (with_key(&format!("{log}    odd: 1\n")), Code::ImportField, ".cosign.odd", "no field"),
        (with_key(&format!("      hashAlgorithm: sha512\n{log}")), Code::ImportNotEnforced, ".cosign.key.hashAlgorithm", "sha512"),
        (with_key(&format!("      kms: \"gcpkms://x\"\n{log}")), Code::ImportKey, ".cosign.key.kms", "key management"),
        (with_key(&format!("      secretRef: {{name: x}}\n{log}")), Code::ImportKey, ".cosign.key.secretRef", "looked up"),
        (format!("- name: a\n  cosign:\n    key: {{kms: \"awskms://x\"}}\n{log}"), Code::ImportKey, ".cosign.key.kms", "key management"),
        (format!("- name: a\n  cosign:\n    key: {{expression: variables.cm.data.key}}\n{log}"), Code::ImportKey, ".cosign.key.expression", "looked up"),
        (format!("- name: a\n  cosign:\n    key: {{}}\n{log}"), Code::ImportField, ".cosign.key.data", "is missing"),
        (format!("- name: a\n  cosign:\n    key: {{data: \"hello\"}}\n{log}"), Code::ImportKey, ".cosign.key.data", "PEM"),
        (format!("- name: a\n  cosign:\n    key: {{data: [x]}}\n{log}"), Code::ImportSyntax, ".cosign.key.data", "must be a text"),
        (format!("- name: a\n  cosign:\n    key:\n      data: |\n{key}{key}{log}"), Code::ImportKey, ".cosign.key.data", "exactly one"),
        (format!("- name: a\n  cosign:\n{log}"), Code::ImportField, ".cosign", "none of"),
        (
            "- name: a\n  cosign:\n    keyless:\n      identities:\n      - {issuer: \"https://i\", subjectRegExp: \".*\"}\n".to_owned(),
            Code::ImportNotEnforced, ".cosign.keyless.identities[0]", "issuer \"https://i\", subjectRegExp \".*\"",
        ),
        ("- name: a\n  cosign: {keyless: {}}\n".to_owned(), Code::ImportNotEnforced, ".cosign.keyless", "keyless"),
        ("- name: a\n  cosign: {keyless: {roots: x, identities: [{}]}}\n".to_owned(), Code::ImportNotEnforced, ".cosign.keyless.roots", "keyless"),
        ("- name: a\n  cosign: {certificate: {cert: {value: x}}}\n".to_owned(), Code::ImportNotEnforced, ".cosign.certificate", "openssl x509"),
        ("- name: a\n  cosign: {certificate: {}, trustedRoot: {value: x}}\n".to_owned(), Code::ImportNotEnforced, ".cosign.trustedRoot", "certificates"),
        ("- name: a\n  notary: {certs: {value: x}}\n".to_owned(), Code::ImportNotEnforced, ".notary", "Notary"),
        ("- name: a\n".to_owned(), Code::ImportField, "", "neither"),
        ("- name: a\n  cosign: {}\n  notary: {}\n".to_owned(), Code::ImportValue, "", "both"),
        ("- name: a\n  other: {}\n".to_owned(), Code::ImportField, ".other", "no field"),
    ] {
        Document { attestors: attestor, ..Document::new() }.refused(code, &format!("{p}{path}"), words);
    }
    let twice = attestor("a", &KEY) + &attestor("a", &OTHER);
    Document { attestors: twice, ..Document::new() }.refused(
        Code::ImportValue,
        "spec.attestors[1]",
        "two attestors",
    );
    Document { attestors: "  {}".to_owned(), ..Document::new() }.refused(
        Code::ImportSyntax,
        "spec.attestors",
        "must be a list",
    );
}

#[test]
fn an_attestor_that_no_validation_names_may_be_anything() {
    let attestors = attestor("a", &KEY) + "- name: n\n  notary: {certs: {value: x}}\n";
    let document = Document { attestors, ..Document::new() };
    assert_eq!(document.remarks(), [(Code::Unused, "spec.attestors[1]".to_owned())]);
}
