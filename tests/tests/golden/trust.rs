//! Trust bundle payloads, written out by hand: the builder is another part's code and tested there.

use super::forge::Key;

/// `issued` of every payload, in seconds.
pub(crate) const ISSUED: u64 = 1_767_225_600;
/// `expires` of every payload, in seconds.
pub(crate) const EXPIRES: u64 = 1_798_761_600;

/// The members of a payload, as JSON.
#[derive(Clone)]
pub(crate) struct Payload {
    pub(crate) schema: u64,
    pub(crate) min_engine: u64,
    pub(crate) version: u64,
    pub(crate) authorities: Vec<String>,
    pub(crate) rules: Vec<String>,
    pub(crate) digest_lists: Vec<String>,
    pub(crate) revoked_digests: String,
    pub(crate) revoked_evidence: String,
    pub(crate) revoked_keys: Vec<String>,
    pub(crate) revoked_authorities: Vec<String>,
}

impl Payload {
    pub(crate) fn new(authorities: &[String], rules: &[String]) -> Self {
        Self {
            schema: 1,
            min_engine: 1,
            version: 7,
            authorities: authorities.to_vec(),
            rules: rules.to_vec(),
            digest_lists: Vec::new(),
            revoked_digests: String::new(),
            revoked_evidence: String::new(),
            revoked_keys: Vec::new(),
            revoked_authorities: Vec::new(),
        }
    }

    pub(crate) fn text(&self) -> String {
        let lists: Vec<_> = self.digest_lists.iter().map(|list| format!("\"{list}\"")).collect();
        format!(
            r#"{{"schema":{},"min_engine":{},"audience":"default","version":{},"issued":"2026-01-01T00:00:00Z","expires":"2027-01-01T00:00:00Z","after_expiry":"deny-new","override":null,"authorities":[{}],"trusted_roots":[],"rules":[{}],"digest_lists":[{}],"revoked":{{"digests":"{}","digest_reasons":[],"evidence":"{}","keys":[{}],"authorities":[{}],"identities":[],"serials":[]}},"parts":[]}}"#,
            self.schema,
            self.min_engine,
            self.version,
            self.authorities.join(","),
            self.rules.join(","),
            lists.join(","),
            self.revoked_digests,
            self.revoked_evidence,
            self.revoked_keys.join(","),
            self.revoked_authorities.join(","),
        )
    }
}

/// An authority with one P-256 key.
pub(crate) fn authority(name: &str, key: &Key) -> String {
    authority_with(name, key, "null", "false")
}

/// As [`authority`], for a key in base64 SPKI.
pub(crate) fn authority_of_spki(name: &str, spki: &str) -> String {
    authority_text(name, spki, "null", "false")
}

/// As [`authority`], with the end of its window and whether it is retired, as JSON.
pub(crate) fn authority_with(name: &str, key: &Key, until: &str, retired: &str) -> String {
    authority_text(name, &key.spki(), until, retired)
}

fn authority_text(name: &str, spki: &str, until: &str, retired: &str) -> String {
    format!(
        r#"{{"name":"{name}","kind":"key","keys":[{{"type":"p256","spki":"{spki}","valid_from":null,"valid_until":{until},"retired":{retired}}}]}}"#
    )
}

/// A revocation: `what` is `key` or `authority`.
pub(crate) fn revocation(what: &str, name: &str) -> String {
    format!(r#"{{"{what}":"{name}","from":null,"reason":"golden"}}"#)
}

/// A rule; its fields start as those of a rule that asks for one signature by `release`.
#[derive(Clone, Copy)]
pub(crate) struct Rule<'r> {
    pub(crate) name: &'static str,
    pub(crate) pattern: &'static str,
    pub(crate) digests: &'static str,
    pub(crate) namespaces: &'static str,
    pub(crate) mode: &'static str,
    pub(crate) index: &'static str,
    pub(crate) signed_by: &'static str,
    pub(crate) at_least: u64,
    pub(crate) attestations: &'r str,
}

impl Rule<'_> {
    pub(crate) fn new(name: &'static str, pattern: &'static str) -> Self {
        Self {
            name,
            pattern,
            digests: "null",
            namespaces: "",
            mode: "enforce",
            index: "exact",
            signed_by: r#""release""#,
            at_least: 1,
            attestations: "",
        }
    }

    pub(crate) fn text(&self) -> String {
        format!(
            r#"{{"name":"{}","match":["{}"],"digests":{},"namespaces":[{}],"mode":"{}","index":"{}","signed_by":[{}],"at_least":{},"attestations":[{}],"contact":""}}"#,
            self.name,
            self.pattern,
            self.digests,
            self.namespaces,
            self.mode,
            self.index,
            self.signed_by,
            self.at_least,
            self.attestations,
        )
    }
}
