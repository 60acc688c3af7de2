//! Documents of sigstore's policy-controller, written here.

use super::super::{Code, Import, Translation, Weight, render};
use crate::trust::root_key::{RootKey, RootKeyType};

/// A policy with this text as images and authorities; `KEY` stands for a public key.
fn document(images: &str, authorities: &str, more: &str) -> String {
    let pem = RootKey::generate(RootKeyType::P256).unwrap().public_pem().unwrap();
    let key = format!("key: {{data: {pem:?}}}");
    format!(
        "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {{name: p}}\nspec:\n  images: {images}\n  \
         authorities:\n{}{more}",
        authorities.replace("KEY", &key)
    )
}

const ONE: &str = "  - name: a\n    KEY\n";

fn rule(images: &str, authorities: &str, more: &str) -> (String, Vec<(Code, String)>) {
    let translation = Translation::read(&document(images, authorities, more));
    let findings = &translation.findings.0;
    assert!(!translation.findings.refused(), "{findings:#?}");
    let remarks = findings.iter().filter(|finding| finding.code.weight() == Weight::Remark);
    let remarks = remarks.map(|finding| (finding.code, finding.path.clone())).collect();
    (render::policy(&translation, "x").split_once("[[rule]]\n").unwrap().1.to_owned(), remarks)
}

#[test]
fn a_key_becomes_an_authority() {
    let text = document("[{glob: \"ghcr.io/acme/**\"}, {glob: \"*\"}]", ONE, "");
    let import = Import::read("x.yaml", &text);
    let policy = import.policy.unwrap();
    assert!(
        policy
            .text
            .ends_with("match = [\"docker.io/library/*\", \"ghcr.io/acme/**\"]\nsigned_by = [\"a\"]\n"),
        "{}",
        policy.text
    );
    assert!(policy.keys.contains_key("a.pub"));
    assert!(import.findings.is_empty());
}

#[test]
fn authorities_are_alternatives() {
    let everything = "[{glob: \"**\"}]";
    let (two, remarks) = rule(everything, "  - KEY\n  - KEY\n", "  mode: enforce\n");
    assert_eq!(two, "name = \"p\"\nmatch = [\"**\"]\nsigned_by = [\"authority-0\", \"authority-1\"]\n");
    assert!(remarks.is_empty(), "{remarks:?}");
    let (warned, _) = rule(everything, ONE, "  mode: warn\n");
    assert!(warned.contains("mode = \"audit\"\n"));
    let (passed, remarks) = rule(everything, "  - KEY\n  - static: {action: pass}\n", "");
    assert!(passed.ends_with("match = [\"**\"]\nmode = \"allow\"\n"), "{passed}");
    assert_eq!(remarks, [(Code::Differs, "spec.authorities".to_owned())]);
    let (failed, remarks) = rule(everything, "  - static: {action: fail, message: no}\n", "");
    assert!(failed.ends_with("mode = \"deny\"\n") && remarks.is_empty(), "{failed}");
    let (other, remarks) = rule(everything, "  - KEY\n  - static: {action: fail}\n", "");
    assert!(other.ends_with("signed_by = [\"authority-0\"]\n"), "{other}");
    assert_eq!(remarks, [(Code::Unused, "spec.authorities".to_owned())]);
}

#[test]
fn attestations_of_a_lone_authority_become_requirements() {
    let attested = "  - name: a\n    KEY\n    attestations:\n    - {name: x, predicateType: vuln}\n    - {name: y, predicateType: slsaprovenance}\n";
    let (text, remarks) = rule("[{glob: \"ghcr.io/a/*\"}]", attested, "");
    assert!(
        text.contains("type = \"vuln\"\nsigned_by = [\"a\"]\n")
            && text.contains("type = \"slsaprovenance02\"\n"),
        "{text}"
    );
    assert_eq!(remarks, [(Code::Stricter, "spec.authorities".to_owned())]);
}

#[test]
fn what_a_rule_cannot_say_is_refused() {
    let images = "[{glob: \"ghcr.io/a/**\"}]";
    let authority = "spec.authorities[0]";
    let two = "  - KEY\n    attestations: [{name: x, predicateType: vuln}]\n  - KEY\n";
    let key = |more: &str| format!("  - KEY\n    {more}\n");
    for (images, authorities, more, code, path, words) in [
        (
            images,
            two.to_owned(),
            "",
            Code::ImportNotEnforced,
            "spec.authorities".to_owned(),
            "one rule cannot say",
        ),
        (
            images,
            key("ctlog: {url: \"https://log.example\"}"),
            "",
            Code::ImportNotEnforced,
            format!("{authority}.ctlog.url"),
            "transparency",
        ),
        (
            images,
            key("rfc3161timestamp: {trustRootRef: x}"),
            "",
            Code::ImportNotEnforced,
            format!("{authority}.rfc3161timestamp"),
            "timestamps",
        ),
        (
            images,
            key("source: [{oci: x}]"),
            "",
            Code::ImportNotEnforced,
            format!("{authority}.source[0].oci"),
            "oras copy",
        ),
        (images, key("static: {action: pass}"), "", Code::ImportField, authority.to_owned(), "exactly one"),
        (
            images,
            key("attestation: []"),
            "",
            Code::ImportField,
            format!("{authority}.attestation"),
            "did you mean",
        ),
        (
            images,
            key("attestations: [{name: x, predicateType: vuln, policy: {type: cue, data: x}}]"),
            "",
            Code::ImportNotEnforced,
            format!("{authority}.attestations[0].policy"),
            "CUE or Rego",
        ),
        (
            images,
            key("attestations: [{name: x, predicateType: odd}]"),
            "",
            Code::ImportValue,
            format!("{authority}.attestations[0].predicateType"),
            "alias",
        ),
        (
            images,
            "  - keyless: {identities: [{issuer: i, subject: s}]}\n".to_owned(),
            "",
            Code::ImportNotEnforced,
            format!("{authority}.keyless.identities[0]"),
            "issuer \"i\", subject \"s\"",
        ),
        (
            images,
            "  - key: {kms: \"awskms://x\"}\n".to_owned(),
            "",
            Code::ImportKey,
            format!("{authority}.key.kms"),
            "key management",
        ),
        (
            images,
            "  - key: {secretRef: {name: x}}\n".to_owned(),
            "",
            Code::ImportKey,
            format!("{authority}.key.secretRef"),
            "looked up",
        ),
        (
            images,
            "  - static: {action: pass}\n    attestations: [{name: x, predicateType: vuln}]\n".to_owned(),
            "",
            Code::ImportValue,
            authority.to_owned(),
            "nobody signs",
        ),
        (
            images,
            "  - static: {action: maybe}\n".to_owned(),
            "",
            Code::ImportValue,
            format!("{authority}.static.action"),
            "\"maybe\"",
        ),
        (images, "  - name: x\n".to_owned(), "", Code::ImportField, authority.to_owned(), "exactly one"),
        (
            images,
            "  - name: x\n    KEY\n  - name: x\n    KEY\n".to_owned(),
            "",
            Code::ImportValue,
            "spec.authorities".to_owned(),
            "two authorities",
        ),
        (
            images,
            ONE.to_owned(),
            "  policy: {type: cue}\n",
            Code::ImportNotEnforced,
            "spec.policy".to_owned(),
            "CUE or Rego",
        ),
        (images, ONE.to_owned(), "  mode: deny\n", Code::ImportValue, "spec.mode".to_owned(), "\"deny\""),
        (
            images,
            ONE.to_owned(),
            "  modes: warn\n",
            Code::ImportField,
            "spec.modes".to_owned(),
            "did you mean",
        ),
        ("[]", ONE.to_owned(), "", Code::ImportField, "spec.images".to_owned(), "is empty"),
        (
            "[{glob: \"*.gcr.io/**\"}]",
            ONE.to_owned(),
            "",
            Code::ImportPattern,
            "spec.images[0].glob".to_owned(),
            "reaches from",
        ),
        (
            "[{regex: \".*\"}]",
            ONE.to_owned(),
            "",
            Code::ImportField,
            "spec.images[0].regex".to_owned(),
            "no field",
        ),
    ] {
        let import = Import::read("x.yaml", &document(images, &authorities, more));
        assert_eq!(import.policy, None, "{path}");
        let found =
            import.findings.iter().any(|f| f.code == code && f.path == path && f.text.contains(words));
        assert!(found, "{path}: {words}: {:#?}", import.findings);
    }
    let none = document(images, ONE, "").replace("authorities:\n  - name: a", "odd:\n  - name: a");
    assert!(Import::read("x", &none).of_weight(Weight::Refusal).any(|f| f.path == "spec.authorities"));
    let version = document(images, ONE, "").replace("dev/v1beta1", "dev/v2");
    assert!(Import::read("x", &version).of_weight(Weight::Refusal).any(|f| f.code == Code::ImportKind));
}
