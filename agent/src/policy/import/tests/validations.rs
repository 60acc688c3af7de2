//! What validations ask for.

use super::super::{Code, Translation};
use super::{Document, KEY, ONE, OTHER, attestor};
use crate::trust::root_key::{RootKey, RootKeyType};

const SIGNED: &str =
    "images.containers.all(i, verifyAttestationSignatures(i, attestations.x, [attestors.a]) > 0)";

#[test]
fn counts_of_signatures_become_signed_by_and_at_least() {
    let list = |condition: &str, attestors: &str| {
        format!("images.containers.map(i, verifyImageSignatures(i, [{attestors}])).all(e, {condition})")
    };
    for (condition, at_least) in
        [("e > 0", 1), ("e >= 1", 1), ("e != 0", 1), ("0 < e", 1), ("e == 2", 2), ("e > 1", 2), ("2 <= e", 2)]
    {
        let rule = Document::new().validation(&list(condition, "attestors.a, attestors['b']")).rule();
        let wanted = if at_least == 1 {
            "signed_by = [\"a\", \"b\"]\n".to_owned()
        } else {
            format!("signed_by = [\"a\", \"b\"]\nat_least = {at_least}\n")
        };
        assert!(rule.ends_with(&wanted), "{condition}: {rule}");
    }
    // All of these and all of those is all of both; any of these or any of those is any of both.
    let both = Document::new().and(&list("e > 0", "attestors.b")).rule();
    assert!(both.ends_with("signed_by = [\"a\", \"b\"]\nat_least = 2\n"), "{both}");
    for any in [
        "images.containers.all(i, verifyImageSignatures(i, [attestors.a]) > 0 || verifyImageSignatures(i, [attestors.b]) > 0)",
        "(images.containers + images.?initContainers.orValue([])).all(i, verifyImageSignatures(i, [attestors.a, attestors.b]) >= 1u)",
    ] {
        assert!(Document::new().validation(any).rule().ends_with("signed_by = [\"a\", \"b\"]\n"), "{any}");
    }
    let two = "images.containers.all(x, verifyImageSignatures(x, [attestors.a]) > 0 && verifyImageSignatures(x, [attestors.b]) > 0)";
    assert!(Document::new().validation(two).rule().ends_with("at_least = 2\n"));
}

#[test]
fn a_validation_in_another_form_is_refused_with_its_text() {
    let path = "spec.validations[0].expression";
    for (expression, words) in [
        ("true", "none of the forms"),
        ("size(images.containers) > 0", "`size(images.containers) > 0`"),
        (
            "images.containers.map(i, verifyImageSignatures(i, [attestors.a])).exists(e, e > 0)",
            "none of the forms",
        ),
        ("!images.containers.all(i, verifyImageSignatures(i, [attestors.a]) > 0)", "none of the forms"),
        ("images.containers.all(i, verifyImageSignatures(i, [attestors.a]) < 1)", "few signatures"),
        ("images.containers.all(i, verifyImageSignatures(i, [attestors.a]) == 0)", "exactly so many"),
        ("images.containers.all(i, verifyImageSignatures(i, [attestors.a]) >= 0)", "whatever is signed"),
        ("images.containers.all(i, verifyImageSignatures(i, [attestors.a]) > -1)", "none of the forms"),
        ("images.containers.all(i, verifyImageSignatures(i, [attestors.a]) > 1)", "never true"),
        ("images.containers.all(i, verifyImageSignatures(i, []) > 0)", "never true"),
        ("images.containers.all(i, verifyImageSignatures(i, [attestors.a, attestors.a]) > 1)", "twice"),
        (
            "images.containers.all(i, verifyImageSignatures(i, [attestors.a, attestors.b]) == 1)",
            "exactly so many",
        ),
        ("images.containers.all(i, verifyImageSignatures(i, [attestors.nobody]) > 0)", "no entry"),
        ("images.containers.all(i, verifyImageSignatures(i, attestors) > 0)", "another way"),
        ("images.containers.all(i, verifyImageSignatures(i, [x]) > 0)", "another way"),
        (
            "images.containers.all(i, verifyImageSignatures('docker.io/x', [attestors.a]) > 0)",
            "than the image at hand",
        ),
        (
            "images.containers.map(i, i).all(e, verifyImageSignatures(i, [attestors.a]) > 0)",
            "none of the forms",
        ),
        ("images.bar.all(i, verifyImageSignatures(i, [attestors.a]) > 0)", "`images.bar`"),
        ("images['bar'].all(i, verifyImageSignatures(i, [attestors.a]) > 0)", "`images.bar`"),
        (
            "object.spec.containers.all(i, verifyImageSignatures(i.image, [attestors.a]) > 0)",
            "none of the forms",
        ),
        ("[].all(i, verifyImageSignatures(i, [attestors.a]) > 0)", "none of the forms"),
        ("images.containers.all(i, i.startsWith('x'))", "none of the forms"),
        (
            "images.containers.all(i, verifyImageSignatures(i, [attestors.a]) > 0 || i == 'x')",
            "joins by `||`",
        ),
        ("images.containers.all(i, verifyImageSignatures(i, [attestors.a]) > 0 || true)", "joins by `||`"),
        (
            "has(object.x) || images.containers.all(i, verifyImageSignatures(i, [attestors.a]) > 0)",
            "none of the forms",
        ),
        (
            "images.containers.all(i, verifyImageSignatures(i, [attestors.a]) > 0) ? true : false",
            "none of the forms",
        ),
        (
            "images.containers.all(i, verifyAttestationSignatures(i, attestations.x, [attestors.a]) > 0)",
            "no entry",
        ),
        ("images.containers.all(i, extractPayload(i, attestations.x).a)", "no entry"),
        (
            "images.containers.all(attestors, verifyImageSignatures(attestors, [attestors.a]) > 0)",
            "name of something else",
        ),
        ("images.containers.all(", "cannot be read"),
        ("\"", "cannot be read"),
    ] {
        Document::new().validation(expression).refused(Code::ImportExpression, path, words);
    }
    // A good one does not save a bad one, whichever comes first.
    Document::new().and("true").refused(
        Code::ImportExpression,
        "spec.validations[1].expression",
        "none of the forms",
    );
    Document::new().validation(&format!("{ONE} && object.x == 1")).refused(
        Code::ImportExpression,
        path,
        "object.x == 1",
    );
}

#[test]
fn signatures_that_one_list_cannot_say_are_refused() {
    let three = attestor("a", &KEY)
        + &attestor("b", &OTHER)
        + &attestor("c", &RootKey::generate(RootKeyType::P256).unwrap().public_pem().unwrap());
    let document = Document { attestors: three, ..Document::new() };
    let any = "images.containers.all(i, verifyImageSignatures(i, [attestors.b, attestors.c]) > 0)";
    document.and(any).refused(Code::ImportNotEnforced, "spec.validations", "one list");
}

#[test]
fn signed_attestations_become_requirements() {
    let rule = |kind: &str| Document::new().attestation("x", kind).and(SIGNED).unchecked();
    for (kind, ours) in [
        ("vuln", "vuln"),
        ("slsaprovenance", "slsaprovenance02"),
        ("slsaprovenance02", "slsaprovenance02"),
        ("slsaprovenance1", "slsaprovenance1"),
        ("spdx", "spdx"),
        ("cyclonedx", "cyclonedx"),
        ("https://example.org/review", "https://example.org/review"),
    ] {
        let wanted =
            format!("signed_by = [\"a\"]\n\n[[rule.attestation]]\ntype = \"{ours}\"\nsigned_by = [\"a\"]\n");
        assert!(rule(kind).ends_with(&wanted), "{kind}: {}", rule(kind));
    }
    let by = |condition: &str| {
        SIGNED.replace("[attestors.a]) > 0", &format!("[attestors.a, attestors.b]) {condition}"))
    };
    let two = |condition: &str| Document::new().attestation("x", "vuln").and(&by(condition)).unchecked();
    assert_eq!(two("> 0").matches("[[rule.attestation]]").count(), 1);
    assert!(two("> 0").ends_with("signed_by = [\"a\", \"b\"]\n"));
    assert_eq!(two("== 2").matches("[[rule.attestation]]").count(), 2);
    // The same question twice is one.
    assert_eq!(
        Document::new()
            .attestation("x", "vuln")
            .and(SIGNED)
            .and(SIGNED)
            .unchecked()
            .matches("[[rule.att")
            .count(),
        1
    );
}

#[test]
fn an_attestation_alone_makes_the_rule_ask_for_a_signature_too() {
    let document = Document::new().attestation("x", "vuln").validation(SIGNED);
    assert!(document.unchecked().contains("signed_by = [\"a\"]\n\n[[rule.attestation]]"));
    let translation = Translation::read(&document.text());
    assert!(translation.findings.0.iter().any(|f| f.code == Code::Stricter && f.path == "spec.validations"));
    let other = "images.containers.all(i, verifyAttestationSignatures(i, attestations.y, [attestors.a, attestors.b]) > 0)";
    let two = document.attestation("y", "spdx").and(other);
    two.refused(Code::ImportNotEnforced, "spec.validations", "verifyImageSignatures");
}

#[test]
fn conditions_on_statements_are_carried_over() {
    let with = |condition: &str| {
        let map = format!("images.containers.map(image, {condition}).all(e, e)");
        Document::new().attestation("x", "vuln").and(SIGNED).and(&map)
    };
    let x = "extractPayload(image, attestations.x)";
    for (condition, ours) in [
        (format!("{x}.predicate.a == 1"), "\"statement.predicate.a == 1\""),
        (format!("{x}.predicate.a == 'v'"), "'statement.predicate.a == \"v\"'"),
        (
            format!("{x}.predicate.a == 1 && {x}.predicate.b"),
            "\"(statement.predicate.a == 1) && (statement.predicate.b)\"",
        ),
        (
            format!(
                "{x}.predicate.scanner.result.Results.all(r, !has(r.V) || r.V.all(v, v.S != 'CRITICAL'))"
            ),
            "'statement.predicate.scanner.result.Results.all(r, !has(r.V) || r.V.all(v, v.S != \"CRITICAL\"))'",
        ),
        (
            format!("size({x}.predicate.list.filter(l, l in ['a'])) > 0 ? true : false"),
            "'size(statement.predicate.list.filter(l, l in [\"a\"])) > 0 ? true : false'",
        ),
    ] {
        let rule = with(&condition).unchecked();
        assert!(rule.ends_with(&format!("\ncel = {ours}\n")), "{rule}");
    }
    // What stands under a name of its own means the same.
    let element = format!("images.containers.map(image, {x}).all(e, e.predicate.ok)");
    let document = Document::new().attestation("x", "vuln").and(SIGNED).and(&element);
    assert!(document.unchecked().ends_with("cel = \"statement.predicate.ok\"\n"));
    let translation = Translation::read(&document.text());
    assert!(
        translation.findings.0.iter().any(|f| f.code == Code::Differs && f.path == "spec.attestations[0]")
    );

    for (condition, words) in [
        (format!("{x}.predicate.a == object.spec.x"), "`object`"),
        (format!("{x}.predicate.a == image"), "`image`"),
        (format!("{x}.predicate.a == request.namespace"), "`request`"),
        (format!("{x}.predicate.a == statement"), "`statement`"),
        (format!("{x}.predicate.a == extractPayload('docker.io/y', attestations.x).b"), "`attestations`"),
        (format!("{x}.predicate.a == extractPayload(image, 'x').b"), "`image`"),
        (format!("{x}.predicate.a.matches('.*')"), "matches"),
        (format!("{x}.predicate.?a.orValue(1) == 1"), ".?"),
        (format!("{x}.predicate.a == time.now()"), "`time`"),
        (format!("http.Get({x}.predicate.url).ok"), "`http`"),
        (format!("{x}.predicate.a.all(image, true)"), "two things"),
        (format!("{x}.predicate.a.all(statement, statement)"), "`statement`"),
        (format!("{x}.predicate.a.all(k, v, v)"), "another way"),
        (format!("type({x}.predicate.a) == string"), "`string`"),
        (format!("{x}.predicate.a == extractPayload(image, attestations.y).b"), "with each other"),
        (format!("{x}.predicate.a == 1 || verifyImageSignatures(image, [attestors.a]) > 0"), "joins by `||`"),
        (format!("{x}.predicate.a / 2 == 1"), "divides"),
        (format!("sha256({x}.predicate.a) == 'x'"), "sha256"),
        (format!("{x}.predicate.a.b.c.map(v, v + 1)"), "true or false"),
        ("getImageData(image).config.x == 1".to_owned(), "none of the forms"),
    ] {
        let path = "spec.validations[2].expression";
        with(&condition).attestation("y", "spdx").refused(Code::ImportExpression, path, words);
    }
    let long = |length: usize| format!("{x}.predicate.a == '{}'", "y".repeat(length));
    with(&long(5000)).refused(Code::ImportExpression, "spec.validations[2].expression", "5027 bytes");
    // Each alone would do, and both together are one condition.
    let both = with(&format!("{} && {}", long(2500), long(2501)));
    both.refused(Code::ImportExpression, "spec.attestations[0]", "together");
}

#[test]
fn a_condition_without_a_signer_or_on_what_is_not_signed_is_refused() {
    let condition = "images.containers.all(i, extractPayload(i, attestations.x).predicate.ok)";
    let path = "spec.validations[1].expression";
    let before = Document::new().attestation("x", "vuln").and(condition).and(SIGNED);
    before.refused(Code::ImportExpression, path, "before a validation says who");
    Document::new().attestation("x", "vuln").and(condition).refused(
        Code::ImportExpression,
        path,
        "before a validation",
    );
    for (attestation, code, path, words) in [
        (
            "- name: x\n  referrer: {type: sbom/cyclone-dx}\n",
            Code::ImportNotEnforced,
            "spec.attestations[0]",
            "cosign attest",
        ),
        ("- name: x\n", Code::ImportField, "spec.attestations[0]", "exactly one"),
        (
            "- name: x\n  intoto: {type: a}\n  referrer: {type: b}\n",
            Code::ImportField,
            "spec.attestations[0]",
            "exactly one",
        ),
        ("- name: x\n  intoto: {}\n", Code::ImportField, "spec.attestations[0].intoto.type", "is missing"),
        (
            "- name: x\n  intoto: {type: slsa}\n",
            Code::ImportValue,
            "spec.attestations[0].intoto.type",
            "\"slsa\"",
        ),
        (
            "- name: x\n  intoto: {type: \"a b:c\"}\n",
            Code::ImportValue,
            "spec.attestations[0].intoto.type",
            "alias",
        ),
        (
            "- name: x\n  intoto: {typ: vuln}\n",
            Code::ImportField,
            "spec.attestations[0].intoto.typ",
            "did you mean `type`",
        ),
        ("- intoto: {type: vuln}\n", Code::ImportField, "spec.attestations[0].name", "is missing"),
    ] {
        Document { attestations: attestation.to_owned(), ..Document::new() }
            .and(SIGNED)
            .refused(code, path, words);
    }
    let twice = Document::new().attestation("x", "vuln").attestation("x", "spdx").and(SIGNED);
    twice.refused(Code::ImportValue, "spec.attestations[1]", "two attestations");
    let unused = Document::new().attestation("x", "slsa:odd");
    assert!(unused.remarks().contains(&(Code::Unused, "spec.attestations[0]".to_owned())));
}

#[test]
fn variables_are_written_out() {
    let document = Document::new()
        .spec("variables: [{name: n, expression: \"2 - 1\"}, {name: ok, expression: \"images.containers.all(i, verifyImageSignatures(i, [attestors.a]) > 0)\"}]")
        .validation("variables.ok");
    assert!(document.rule().ends_with("signed_by = [\"a\"]\n"));
    let loops =
        Document::new().spec("variables: [{name: x, expression: variables.x}]").validation("variables.x");
    loops.refused(Code::ImportExpression, "spec.validations[0].expression", "`variables.x`");
    let mut bomb = String::from(
        "variables:\n- {name: v0, expression: \"images.containers.all(i, verifyImageSignatures(i, [attestors.a]) > 0)\"}\n",
    );
    for n in 1..40 {
        bomb += &format!("- {{name: v{n}, expression: \"variables.v{0} && variables.v{0}\"}}\n", n - 1);
    }
    Document::new().spec(&bomb).validation("variables.v39").refused(
        Code::ImportExpression,
        "spec.validations[0].expression",
        "",
    );
}
