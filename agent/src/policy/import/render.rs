//! A translation as the text of a policy file.

use super::attestor::Signer;
use super::finding::{Code, Weight};
use super::{Rule, Translation};
use crate::trust::payload::Mode;
use crate::verdict::printable;

/// Longest comment line, in bytes.
const LINE: usize = 1000;

pub(super) fn policy(translation: &Translation, name: &str) -> String {
    let mut out = String::new();
    let comment = |out: &mut String, text: &str| {
        out.push_str("# ");
        out.push_str(&printable(text, LINE));
        out.push('\n');
    };
    let origins: Vec<&str> = translation.rules.iter().map(|rule| rule.origin.as_str()).collect();
    comment(&mut out, &format!("Made by `pullward policy import` from {name}: {}.", origins.join(", ")));
    comment(&mut out, "Images that no rule matches are denied. Check it with `pullward policy check`.");
    let findings = &translation.findings.0;
    for finding in findings.iter().filter(|finding| finding.code.weight() == Weight::Remark) {
        comment(&mut out, &format!("remark: {}: {} [{}]", finding.path, finding.text, finding.code.as_str()));
    }
    for finding in findings.iter().filter(|finding| finding.code == Code::NotNeeded) {
        comment(&mut out, &format!("not needed: {}: {}", finding.path, finding.text));
    }
    out.push_str("schema = 1\n");
    for authority in &translation.authorities {
        out.push_str("\n[[authority]]\n");
        field(&mut out, "name", &text(&authority.name));
        match &authority.signer {
            Signer::Key(_) => field(&mut out, "key", &text(&authority.file)),
            Signer::Identities(identities) => {
                let root = translation.root.as_ref().map(|root| root.path.as_str()).unwrap_or_default();
                out.push_str("[authority.keyless]\n");
                field(&mut out, "trusted_root", &text(root));
                for identity in identities {
                    out.push_str("[[authority.keyless.identity]]\n");
                    field(&mut out, "issuer", &text(&identity.issuer));
                    field(&mut out, "subject", &text(&identity.subject));
                }
            }
        }
    }
    for rule in &translation.rules {
        one(&mut out, rule);
    }
    out
}

fn one(out: &mut String, rule: &Rule) {
    out.push_str("\n[[rule]]\n");
    field(out, "name", &text(&rule.name));
    field(out, "match", &list(&rule.patterns));
    if !rule.namespaces.is_empty() {
        field(out, "namespaces", &list(&rule.namespaces));
    }
    match rule.mode {
        Mode::Enforce => {}
        Mode::Audit => field(out, "mode", "\"audit\""),
        Mode::Allow => field(out, "mode", "\"allow\""),
        Mode::Deny => field(out, "mode", "\"deny\""),
    }
    if !rule.signed_by.is_empty() {
        field(out, "signed_by", &list(&rule.signed_by));
    }
    if rule.at_least > 1 {
        field(out, "at_least", &rule.at_least.to_string());
    }
    for attestation in &rule.attestations {
        out.push_str("\n[[rule.attestation]]\n");
        let types = match attestation.types.as_slice() {
            [one] => text(one),
            all => list(all),
        };
        field(out, "type", &types);
        field(out, "signed_by", &list(&attestation.signed_by));
        if let Some(condition) = &attestation.condition {
            field(out, "cel", &text(condition));
        }
    }
}

fn field(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str(" = ");
    out.push_str(value);
    out.push('\n');
}

fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|one| text(one)).collect::<Vec<_>>().join(", "))
}

/// A string of TOML: as it is in single quotes where that is possible and helps, else in double ones.
fn text(value: &str) -> String {
    let literal = value.contains(['"', '\\']) && !value.contains('\'') && !value.contains(char::is_control);
    if literal {
        return format!("'{value}'");
    }
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn any_text_is_read_back_as_it_was() {
        for value in
            ["a", "a\"b", "a'b", "a\"b'c\\d", "tab\there", "line\nline", "\u{1}\u{7f}\u{85}", "é", ""]
        {
            let table: toml::Table = format!("x = {}\n", text(value)).parse().unwrap();
            assert_eq!(table["x"].as_str(), Some(value), "{}", text(value));
        }
    }
}
