//! Trust bundles, written member by member in the order of the contract.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullward_core::oci::Digest;
use pullward_core::signature::{PublicKey, SignedFormat};

use super::{Signer, pae, world};

/// A trust bundle's payload. Members that a test rarely changes are their JSON text.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Schema.
    pub schema: u64,
    /// Least engine.
    pub min_engine: u64,
    /// Audience.
    pub audience: String,
    /// Version.
    pub version: u64,
    /// Issue.
    pub issued: String,
    /// Expiry.
    pub expires: String,
    /// What happens then.
    pub after_expiry: String,
    /// JSON of the overrides.
    pub override_: String,
    /// Authorities.
    pub authorities: Vec<Authority>,
    /// JSON of the trusted roots.
    pub trusted_roots: String,
    /// Rules.
    pub rules: Vec<Rule>,
    /// Digest lists.
    pub digest_lists: Vec<String>,
    /// Revocations.
    pub revoked: Revoked,
    /// JSON of the parts.
    pub parts: String,
}

/// An authority.
#[derive(Debug, Clone)]
pub struct Authority {
    /// Name.
    pub name: String,
    /// Keys; for a keyless one, or one whose keys need a log, its members after `kind`, as JSON.
    pub keys: Result<Vec<Key>, String>,
}

/// A key of an authority.
#[derive(Debug, Clone)]
pub struct Key {
    /// Kind.
    pub kind: String,
    /// SPKI in base64.
    pub spki: String,
    /// First second.
    pub valid_from: Option<String>,
    /// Last second.
    pub valid_until: Option<String>,
    /// Whether it only counts for digests with a receipt.
    pub retired: bool,
}

/// A rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Name.
    pub name: String,
    /// Patterns.
    pub patterns: Vec<String>,
    /// Place in the digest lists.
    pub digests: Option<usize>,
    /// Namespaces.
    pub namespaces: Vec<String>,
    /// Mode.
    pub mode: String,
    /// Index mode.
    pub index: String,
    /// Authorities.
    pub signed_by: Vec<String>,
    /// Threshold.
    pub at_least: u64,
    /// JSON of the attestations.
    pub attestations: String,
    /// Contact.
    pub contact: String,
}

/// Revocations. The lists of objects are their JSON text.
#[derive(Debug, Clone)]
pub struct Revoked {
    /// Digests, as one string.
    pub digests: String,
    /// Why.
    pub digest_reasons: String,
    /// Evidence, as one string.
    pub evidence: String,
    /// Keys.
    pub keys: String,
    /// Authorities.
    pub authorities: String,
    /// Identities.
    pub identities: String,
    /// Serials.
    pub serials: String,
}

impl Trust {
    /// A bundle that asks `rules` and knows `authorities`.
    #[must_use]
    pub fn new(authorities: Vec<Authority>, rules: Vec<Rule>) -> Self {
        Self {
            schema: 1,
            min_engine: 1,
            audience: "default".into(),
            version: 7,
            issued: "2026-11-24T13:00:00Z".into(),
            expires: "2027-02-22T13:00:00Z".into(),
            after_expiry: "deny-new".into(),
            override_: "null".into(),
            authorities,
            trusted_roots: "[]".into(),
            rules,
            digest_lists: Vec::new(),
            revoked: Revoked::nothing(),
            parts: "[]".into(),
        }
    }

    /// One authority `release` with this key, and one rule `app` that asks for it.
    #[must_use]
    pub fn of(signer: &Signer) -> Self {
        Self::new(vec![Authority::of("release", &[signer])], vec![Rule::enforce("app", &["release"], 1)])
    }

    /// Changes something.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// With these trusted roots, and the engine that reads them.
    #[must_use]
    pub fn with_roots(mut self, roots: &[&[u8]]) -> Self {
        self.min_engine = 3;
        let roots = roots.iter().map(|root| {
            let content = STANDARD.encode(root);
            format!(r#"{{"digest":"{}","content":"{content}"}}"#, Digest::of(root))
        });
        self.trusted_roots = format!("[{}]", roots.collect::<Vec<_>>().join(","));
        self
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> String {
        let rules: Vec<String> = self.rules.iter().map(Rule::json).collect();
        let authorities: Vec<String> = self.authorities.iter().map(Authority::json).collect();
        format!(
            r#"{{"schema":{},"min_engine":{},"audience":{},"version":{},"issued":{},"expires":{},"after_expiry":{},"override":{},"authorities":[{}],"trusted_roots":{},"rules":[{}],"digest_lists":{},"revoked":{},"parts":{}}}"#,
            self.schema,
            self.min_engine,
            text(&self.audience),
            self.version,
            text(&self.issued),
            text(&self.expires),
            text(&self.after_expiry),
            self.override_,
            authorities.join(","),
            self.trusted_roots,
            rules.join(","),
            texts(&self.digest_lists),
            self.revoked.json(),
            self.parts,
        )
    }
}

impl Authority {
    /// An authority with these keys.
    #[must_use]
    pub fn of(name: &str, signers: &[&Signer]) -> Self {
        Self { name: name.into(), keys: Ok(signers.iter().map(|signer| Key::of(signer)).collect()) }
    }

    /// A keyless authority.
    #[must_use]
    pub fn keyless(name: &str, trusted_root: usize) -> Self {
        let identities = r#"[{"issuer":"https://issuer.example","subject":"https://source.example/*"}]"#;
        Self {
            name: name.into(),
            keys: Err(format!(r#""trusted_root":{trusted_root},"identities":{identities}"#)),
        }
    }

    /// A keyless authority of these identities, each issuer and subject.
    #[must_use]
    pub fn identified(name: &str, trusted_root: usize, identities: &[(&str, &str)]) -> Self {
        let identities = identities
            .iter()
            .map(|(issuer, subject)| format!(r#"{{"issuer":{},"subject":{}}}"#, text(issuer), text(subject)));
        let identities = identities.collect::<Vec<_>>().join(",");
        Self {
            name: name.into(),
            keys: Err(format!(r#""trusted_root":{trusted_root},"identities":[{identities}]"#)),
        }
    }

    /// An authority whose keys' signatures a trusted root must have seen.
    #[must_use]
    pub fn logged(name: &str, trusted_root: usize, keys: &[Key]) -> Self {
        let keys = keys.iter().map(Key::json).collect::<Vec<_>>().join(",");
        Self { name: name.into(), keys: Err(format!(r#""keys":[{keys}],"trusted_root":{trusted_root}"#)) }
    }

    fn json(&self) -> String {
        let name = text(&self.name);
        match &self.keys {
            Err(members) if members.starts_with("\"keys\"") => {
                format!(r#"{{"name":{name},"kind":"key",{members}}}"#)
            }
            Ok(keys) => {
                let keys: Vec<String> = keys.iter().map(Key::json).collect();
                format!(r#"{{"name":{name},"kind":"key","keys":[{}]}}"#, keys.join(","))
            }
            Err(members) => format!(r#"{{"name":{name},"kind":"keyless",{members}}}"#),
        }
    }
}

impl Key {
    /// A key without conditions.
    #[must_use]
    pub fn of(signer: &Signer) -> Self {
        Self {
            kind: signer.kind().name().into(),
            spki: signer.spki_base64(),
            valid_from: None,
            valid_until: None,
            retired: false,
        }
    }

    /// A key without conditions, of which nobody here has the secret half.
    #[must_use]
    pub fn of_public(key: &PublicKey) -> Self {
        Self {
            kind: key.key_type().name().into(),
            spki: STANDARD.encode(&*key.spki()),
            valid_from: None,
            valid_until: None,
            retired: false,
        }
    }

    fn json(&self) -> String {
        let time = |time: &Option<String>| time.as_ref().map_or_else(|| "null".into(), |time| text(time));
        format!(
            r#"{{"type":{},"spki":{},"valid_from":{},"valid_until":{},"retired":{}}}"#,
            text(&self.kind),
            text(&self.spki),
            time(&self.valid_from),
            time(&self.valid_until),
            self.retired
        )
    }
}

impl Rule {
    /// A rule for everything, in this mode, that asks for nothing.
    #[must_use]
    pub fn mode(name: &str, mode: &str) -> Self {
        Self {
            name: name.into(),
            patterns: vec!["**".into()],
            digests: None,
            namespaces: Vec::new(),
            mode: mode.into(),
            index: "exact".into(),
            signed_by: Vec::new(),
            at_least: 1,
            attestations: "[]".into(),
            contact: String::new(),
        }
    }

    /// A rule for everything that asks for `at_least` of `signed_by`.
    #[must_use]
    pub fn enforce(name: &str, signed_by: &[&str], at_least: u64) -> Self {
        let signed_by = signed_by.iter().map(|name| (*name).into()).collect();
        Self { signed_by, at_least, ..Self::mode(name, "enforce") }
    }

    /// The same for these patterns only.
    #[must_use]
    pub fn matching(mut self, patterns: &[&str]) -> Self {
        self.patterns = patterns.iter().map(|pattern| (*pattern).into()).collect();
        self
    }

    /// Changes something.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn json(&self) -> String {
        format!(
            r#"{{"name":{},"match":{},"digests":{},"namespaces":{},"mode":{},"index":{},"signed_by":{},"at_least":{},"attestations":{},"contact":{}}}"#,
            text(&self.name),
            texts(&self.patterns),
            self.digests.map_or_else(|| "null".into(), |place| place.to_string()),
            texts(&self.namespaces),
            text(&self.mode),
            text(&self.index),
            texts(&self.signed_by),
            self.at_least,
            self.attestations,
            text(&self.contact)
        )
    }
}

impl Revoked {
    /// Nothing is.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            digests: String::new(),
            digest_reasons: "[]".into(),
            evidence: String::new(),
            keys: "[]".into(),
            authorities: "[]".into(),
            identities: "[]".into(),
            serials: "[]".into(),
        }
    }

    /// One string of a list of digests: sorted, without separators.
    #[must_use]
    pub fn list(digests: &[Digest]) -> String {
        let mut hex: Vec<String> = digests.iter().map(|digest| digest.hex().as_str().into()).collect();
        hex.sort_unstable();
        hex.concat()
    }

    /// One entry of `keys`, `authorities` or `serials`.
    #[must_use]
    pub fn entry(what: &str, value: &str) -> String {
        format!(r#"[{{{}:{},"from":null,"reason":"lost"}}]"#, text(what), text(value))
    }

    fn json(&self) -> String {
        format!(
            r#"{{"digests":{},"digest_reasons":{},"evidence":{},"keys":{},"authorities":{},"identities":{},"serials":{}}}"#,
            text(&self.digests),
            self.digest_reasons,
            text(&self.evidence),
            self.keys,
            self.authorities,
            self.identities,
            self.serials
        )
    }
}

/// The signed envelope around a payload.
#[must_use]
pub fn sign_trust(payload: &str, roots: &[&Signer]) -> String {
    let message = pae(PAYLOAD_TYPE, payload.as_bytes());
    let signatures: Vec<(String, String)> = roots
        .iter()
        .map(|root| {
            let signature = root.sign(SignedFormat::Ours, &message, &mut world().random());
            (root.id_hex(), STANDARD.encode(signature))
        })
        .collect();
    trust_envelope(payload, &signatures)
}

/// An envelope with any `keyid` and `sig` texts.
#[must_use]
pub fn trust_envelope(payload: &str, signatures: &[(String, String)]) -> String {
    let signatures: Vec<String> =
        signatures.iter().map(|(keyid, sig)| format!(r#"{{"keyid":"{keyid}","sig":"{sig}"}}"#)).collect();
    format!(
        r#"{{"payload":"{}","payloadType":"{PAYLOAD_TYPE}","signatures":[{}]}}"#,
        STANDARD.encode(payload),
        signatures.join(",")
    )
}

const PAYLOAD_TYPE: &str = "application/vnd.pullward.trust-bundle.v1+json";

pub(super) fn text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

pub(super) fn texts(values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|value| text(value)).collect();
    format!("[{}]", values.join(","))
}
