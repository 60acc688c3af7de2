//! Real signatures by an identity, and by a key with a log, as a node judges them: what is changed around them (the
//! policy, the root, the time, a byte) changes the answer. The forged ones are minted elsewhere.

#![expect(clippy::unwrap_used, reason = "what does not read fails its test")]

use pullward_core::judge::Ruling;
use pullward_core::oci::Digest;
use pullward_core::signature::PublicKey;
use pullward_core::verdict::Reason;
use pullward_tests::Corpora;
use pullward_tests::mint::{Answer, Ask, Authority, Key, Minted, Node, Rule, Trust, instant};

const ISSUER: &str = "https://token.actions.githubusercontent.com";
const SUBJECT: &str =
    "https://github.com/kubewarden/kubewarden-controller/.github/workflows/release.yml@refs/tags/v1.34.0";
const IMAGE: &str = "sha256:c811d58de79c92f03214e63aa339484e488d694ae8a6283b5f3f17a9faf50172";
const PUBLIC: &str = "trust/public-good/trusted_root.json";
const STAGING: &str = "trust/staging/trusted_root.json";
/// What log and timestamp authority say.
const SIGNED_AT: &str = "2026-04-09T07:23:29Z";

/// A real image: the bundle that cosign 3 wrote for it, and the roots.
struct Real {
    bundle: Vec<u8>,
    public: Vec<u8>,
    staging: Vec<u8>,
}

impl Real {
    fn at_hand() -> Option<Self> {
        let corpora = Corpora::at_hand("keyless")?;
        Some(Self {
            bundle: corpora.bytes("cosign-v3-capture/kubewarden/bundle.json"),
            public: corpora.bytes(PUBLIC),
            staging: corpora.bytes(STAGING),
        })
    }

    /// A bundle that asks for `at_least` of these authorities; its roots are the public one and staging's.
    fn trust(&self, authorities: Vec<Authority>, at_least: u64) -> Trust {
        let names: Vec<String> = authorities.iter().map(|authority| authority.name.clone()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Trust::new(authorities, vec![Rule::enforce("app", &names, at_least)])
            .with_roots(&[&self.public, &self.staging])
    }

    fn ask(&self, trust: &Trust) -> Answer {
        Node::new(trust).ask(&self.question())
    }

    fn question(&self) -> Ask {
        Ask::about("app").of(Digest::parse(IMAGE).unwrap()).with(Minted::Bundle(self.bundle.clone()))
    }
}

fn identified(issuer: &str, subject: &str) -> Authority {
    Authority::identified("github", 0, &[(issuer, subject)])
}

#[test]
fn a_real_image_by_the_identity_that_the_policy_names_is_allowed() {
    let Some(real) = Real::at_hand() else { return };
    let answer = real.ask(&real.trust(vec![identified(ISSUER, SUBJECT)], 1));
    assert_eq!(answer.verdict(), (Ruling::Allow, Reason::Signed));
    let row = &answer.rows[0];
    assert_eq!(row.authority.as_deref(), Some("github"));
    assert_eq!(row.identity.as_deref(), Some(format!("{ISSUER} {SUBJECT}").as_str()));
    assert_eq!((row.key, row.time), (None, Some(instant(SIGNED_AT))));
}

#[test]
fn t68_issuer_and_subject_both_match_as_a_whole() {
    let Some(real) = Real::at_hand() else { return };
    let ours = "https://github.com/kubewarden/*/.github/workflows/release.yml@refs/tags/*";
    for (issuer, subject, reason) in [
        (ISSUER, ours, Reason::Signed),
        ("https://*", ours, Reason::Signed),
        (ISSUER, "https://github.com/kubewarden/**", Reason::Signed),
        (ISSUER, "https://github.com/kubewarden/*", Reason::IdentityMismatch),
        (ISSUER, "https://github.com/Kubewarden/**", Reason::IdentityMismatch),
        (ISSUER, "https://github.com/kubewarden/**@refs/heads/*", Reason::IdentityMismatch),
        (ISSUER, &SUBJECT[..SUBJECT.len() - 1], Reason::IdentityMismatch),
        ("https://accounts.google.com", SUBJECT, Reason::IdentityMismatch),
        (SUBJECT, ISSUER, Reason::IdentityMismatch),
    ] {
        let answer = real.ask(&real.trust(vec![identified(issuer, subject)], 1));
        assert_eq!(answer.reason, reason, "{issuer} {subject}");
    }
}

#[test]
fn every_field_that_is_asked_for_is_met_or_it_is_another_identity() {
    let Some(real) = Real::at_hand() else { return };
    for (fields, reason) in [
        (r#"{"runner_environment":"github-hosted"}"#, Reason::Signed),
        (
            r#"{"runner_environment":"github-hosted","source_repository_uri":"https://github.com/kubewarden/*"}"#,
            Reason::Signed,
        ),
        (r#"{"runner_environment":"self-hosted"}"#, Reason::IdentityMismatch),
        (
            r#"{"runner_environment":"github-hosted","source_repository_ref":"refs/heads/**"}"#,
            Reason::IdentityMismatch,
        ),
    ] {
        let members = format!(
            r#""trusted_root":0,"identities":[{{"issuer":"{ISSUER}","subject":"{SUBJECT}","fields":{fields}}}]"#
        );
        let authority = Authority { name: "github".into(), keys: Err(members) };
        assert_eq!(real.ask(&real.trust(vec![authority], 1)).reason, reason, "{fields}");
    }
}

/// T-21: a root vouches for the identities of its own authorities only.
#[test]
fn t21_two_roots_are_never_pooled() {
    let Some(real) = Real::at_hand() else { return };
    let public = |name: &str, subject: &str| Authority::identified(name, 0, &[(ISSUER, subject)]);
    let staging = |name: &str| Authority::identified(name, 1, &[(ISSUER, SUBJECT)]);
    let alone = real.ask(&real.trust(vec![staging("s")], 1));
    assert_eq!(alone.verdict(), (Ruling::Deny, Reason::LogUnknown));
    // The public root vouches for the certificate, and staging's authority has the identity: nobody has both.
    let crossed = real.ask(&real.trust(vec![public("p", "https://other.example/*"), staging("s")], 1));
    assert_eq!(crossed.verdict(), (Ruling::Deny, Reason::IdentityMismatch));
    let beside = real.ask(&real.trust(vec![staging("s"), public("p", SUBJECT)], 1));
    assert_eq!(beside.verdict(), (Ruling::Allow, Reason::Signed));
    assert_eq!(beside.rows[0].authority.as_deref(), Some("p"));
}

/// T-19: one signature is one signer, however many authorities have its identity.
#[test]
fn t19_an_identity_under_two_names_counts_once() {
    let Some(real) = Real::at_hand() else { return };
    let authorities = ["a", "b"].map(|name| Authority::identified(name, 0, &[(ISSUER, SUBJECT)]));
    let answer = real.ask(&real.trust(authorities.to_vec(), 2));
    assert_eq!(answer.verdict(), (Ruling::Deny, Reason::ThresholdNotMet));
    assert_eq!(answer.signed, (1, 2));
}

#[test]
fn what_is_revoked_is_revoked_from_its_time_on() {
    let Some(real) = Real::at_hand() else { return };
    let (before, at, after) =
        ("\"2026-04-09T07:23:28Z\"", "\"2026-04-09T07:23:29Z\"", "\"2026-04-09T07:23:30Z\"");
    for (from, holds) in [("null", true), (before, true), (at, true), (after, false)] {
        let of = |reason| if holds { reason } else { Reason::Signed };
        let identity = |subject: &str| {
            format!(r#"[{{"issuer":"{ISSUER}","subject":"{subject}","from":{from},"reason":""}}]"#)
        };
        let authority = format!(r#"[{{"authority":"github","from":{from},"reason":""}}]"#);
        let trust = || real.trust(vec![identified(ISSUER, SUBJECT)], 1);
        let revoked = |change: &dyn Fn(&mut Trust)| real.ask(&trust().with(|trust| change(trust))).reason;
        let all = identity("https://github.com/kubewarden/**");
        assert_eq!(revoked(&|t| t.revoked.identities = all.clone()), of(Reason::IdentityRevoked), "{from}");
        let other = identity("https://github.com/kubewarden/other/**");
        assert_eq!(revoked(&|t| t.revoked.identities = other.clone()), Reason::Signed, "{from}");
        assert_eq!(
            revoked(&|t| t.revoked.authorities = authority.clone()),
            of(Reason::AuthorityRevoked),
            "{from}"
        );
        let serial = format!(r#"[{{"serial":"{}","from":{from},"reason":""}}]"#, real.serial());
        assert_eq!(
            revoked(&|t| t.revoked.serials = serial.clone()),
            of(Reason::CertificateRevoked),
            "{from}"
        );
    }
}

impl Real {
    /// The serial number of the certificate, in hex without zeros in front.
    fn serial(&self) -> String {
        use base64::Engine as _;
        let bundle: serde_json::Value = serde_json::from_slice(&self.bundle).unwrap();
        let text = bundle["verificationMaterial"]["certificate"]["rawBytes"].as_str().unwrap();
        let der = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
        let certificate = pullward_core::x509::Certificate::read(&der).unwrap();
        let hex: String = certificate.serial().iter().map(|byte| format!("{byte:02x}")).collect();
        hex.trim_start_matches('0').to_owned()
    }
}

/// T-33: nothing is believed that lies in the future, and the verdict's time is never before the bundle's issue.
#[test]
fn t33_a_signature_from_the_future_is_refused() {
    let Some(real) = Real::at_hand() else { return };
    let trust = real.trust(vec![identified(ISSUER, SUBJECT)], 1).with(|trust| {
        trust.issued = "2026-01-01T00:00:00Z".into();
    });
    let node = Node::new(&trust);
    for (now, reason) in [
        ("2026-04-09T07:23:28Z", Reason::TimeFromFuture),
        ("2026-04-09T07:23:29Z", Reason::Signed),
        ("2026-12-31T00:00:00Z", Reason::Signed),
    ] {
        assert_eq!(node.ask(&real.question().at(instant(now))).reason, reason, "{now}");
    }
}

/// T-33 for keys: what a log says of a key's signature must have happened.
#[test]
fn t33_a_keys_signature_from_the_future_is_refused() {
    let Some(corpora) = Corpora::at_hand("keyless") else { return };
    let bundle = corpora.bytes("cosign-v3-capture/key/bundle.json");
    let pem = String::from_utf8(corpora.bytes("cosign-v3-capture/key/cosign.pub")).unwrap();
    let key = Key::of_public(&PublicKey::from_pem(&pem).unwrap());
    let public = corpora.bytes(PUBLIC);
    let authority = Authority::logged("k", 0, &[key]);
    let trust = Trust::new(vec![authority], vec![Rule::enforce("app", &["k"], 1)]);
    let node =
        Node::new(&trust.with_roots(&[&public]).with(|trust| trust.issued = "2020-01-01T00:00:00Z".into()));
    let image = "sha256:eb0668a2f70bcaf199212c1a65769a4824007f10acfb5ec06b612bb47c2454c4";
    let question = Ask::about("app").of(Digest::parse(image).unwrap()).with(Minted::Bundle(bundle));
    let time = node.ask(&question).rows[0].time.unwrap();
    let at = |seconds| node.ask(&question.clone().at(pullward_core::time::UnixTime(seconds))).reason;
    assert_eq!((at(time.0 - 1), at(time.0)), (Reason::TimeFromFuture, Reason::Signed));
}

/// T-31: the window of a key is held against what a log and a timestamp authority say, and never against a clock.
#[test]
fn t31_a_key_with_a_window_counts_by_verified_time() {
    let Some(corpora) = Corpora::at_hand("keyless") else { return };
    let bundle = corpora.bytes("cosign-v3-capture/key/bundle.json");
    let pem = String::from_utf8(corpora.bytes("cosign-v3-capture/key/cosign.pub")).unwrap();
    let image = "sha256:eb0668a2f70bcaf199212c1a65769a4824007f10acfb5ec06b612bb47c2454c4";
    let key = Key::of_public(&PublicKey::from_pem(&pem).unwrap());
    let (public, staging) = (corpora.bytes(PUBLIC), corpora.bytes(STAGING));
    let ask = |authority: Authority| {
        let trust = Trust::new(vec![authority], vec![Rule::enforce("app", &["k"], 1)]);
        let node = Node::new(&trust.with_roots(&[&public, &staging]));
        let question = Ask::about("app").of(Digest::parse(image).unwrap());
        node.ask(&question.with(Minted::Bundle(bundle.clone())))
    };
    let windowed = |from: Option<&str>, until: Option<&str>| Key {
        valid_from: from.map(str::to_owned),
        valid_until: until.map(str::to_owned),
        ..key.clone()
    };
    let signed = ask(Authority::logged("k", 0, std::slice::from_ref(&key)));
    assert_eq!(signed.verdict(), (Ruling::Allow, Reason::Signed));
    let time = signed.rows[0].time.unwrap();
    let (before, at, after) = (time.0 - 60, time.0, time.0 + 60);
    let text = |seconds: u64| pullward_core::time::UnixTime(seconds).to_string();
    for (from, until, reason) in [
        (Some(before), Some(after), Reason::Signed),
        (Some(before), Some(at), Reason::Signed),
        (Some(after), None, Reason::KeyWindowOutside),
        (None, Some(before), Reason::KeyWindowOutside),
        (None, Some(after), Reason::Signed),
    ] {
        let key = windowed(from.map(text).as_deref(), until.map(text).as_deref());
        assert_eq!(
            ask(Authority::logged("k", 0, std::slice::from_ref(&key))).reason,
            reason,
            "{from:?} {until:?}"
        );
        // Without a root nothing says when.
        let plain = Authority { name: "k".into(), keys: Ok(vec![key]) };
        assert_eq!(ask(plain).reason, Reason::KeyWindowNoTime);
    }
    // A root that does not know the log vouches for nothing, window or not.
    assert_eq!(ask(Authority::logged("k", 1, &[key])).reason, Reason::LogUnknown);
}

/// Every byte of the bundle is flipped, and what is accepted all the same is listed: what no signature covers and what
/// nothing is concluded from.
///
/// - The names of three members. Under another name a member is not there, as if the sender had left it out: without the
///   promise there are still the proof and a timestamp, without timestamps the promise still tells a time.
/// - In the timestamp, the list of digest algorithms (RFC 5652 section 5.1): a hint for readers that hash while they read,
///   outside of what is signed; the algorithm that counts stands beside the signature and is signed.
#[test]
fn no_byte_of_a_real_bundle_can_be_changed_unless_it_says_nothing() {
    let Some(real) = Real::at_hand() else { return };
    let node = Node::new(&real.trust(vec![identified(ISSUER, SUBJECT)], 1));
    let text = std::str::from_utf8(&real.bundle).unwrap();
    let listed = [
        "\"inclusionPromise\":",
        "\"timestampVerificationData\":",
        "\"rfc3161Timestamps\":",
        "TALBglghkgBZQMEAgEw",
    ]
    .map(|unsigned| {
        let start = text.find(unsigned).unwrap();
        start..start + unsigned.len()
    });
    let mut accepted = Vec::new();
    for at in 0..real.bundle.len() {
        for bit in [0x01, 0x20, 0x80] {
            let mut bytes = real.bundle.clone();
            bytes[at] ^= bit;
            let question = Ask::about("app").of(Digest::parse(IMAGE).unwrap()).with(Minted::Bundle(bytes));
            if node.ask(&question).ruling == Ruling::Allow && !listed.iter().any(|range| range.contains(&at))
            {
                accepted.push((at, bit, text[at.saturating_sub(30)..(at + 30).min(text.len())].to_owned()));
            }
        }
    }
    println!("keyless flips: {} bytes, 3 bits each, {} listed as unsigned", text.len(), listed.len());
    assert!(accepted.is_empty(), "{accepted:?}");
}
