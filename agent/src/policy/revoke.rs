//! `[[revoke]]`: what no longer counts.

use std::collections::BTreeSet;

use pullward_core::limits;
use pullward_core::oci::Digest;
use toml::Spanned;

use super::check::Check;
use super::file::{Revocation, RevokedIdentity};
use super::keyless;
use super::problem::Fault;
use super::text::Text;
use crate::trust::payload::{
    self, DigestList, DigestReason, Revoked, RevokedAuthority, RevokedKey, RevokedSerial,
};
use crate::trust::time::Time;

/// Checks every revocation and sorts them into the lists of the payload.
pub(super) fn revoked(check: &mut Check<'_>, revocations: &[Spanned<Revocation>]) -> Revoked {
    let mut lists = Lists::default();
    for revocation in revocations {
        lists.add(check, revocation);
    }
    let mut revoked = lists.revoked;
    revoked.digests = DigestList::of(lists.digests);
    revoked.evidence = DigestList::of(lists.evidence);
    revoked.digest_reasons.sort_by(|one, other| one.digest.cmp(&other.digest));
    revoked
}

#[derive(Default)]
struct Lists {
    digests: BTreeSet<Digest>,
    evidence: BTreeSet<Digest>,
    keys: BTreeSet<Digest>,
    authorities: BTreeSet<String>,
    revoked: Revoked,
}

impl Lists {
    fn add(&mut self, check: &mut Check<'_>, spanned: &Spanned<Revocation>) {
        let revocation = spanned.get_ref();
        let kinds = [
            revocation.digest.is_some(),
            revocation.evidence.is_some(),
            revocation.key.is_some(),
            revocation.authority.is_some(),
            revocation.identity.is_some(),
            revocation.serial.is_some(),
        ];
        match kinds.iter().filter(|present| **present).count() {
            0 => check.report(spanned.span(), Fault::RevocationKind { found: "none of them" }),
            1 => {}
            _ => check.report(spanned.span(), Fault::RevocationKind { found: "more than one of them" }),
        }
        let from = revocation.from.as_ref().and_then(|from| check.time(from));
        let reason = revocation.reason.as_ref().map(|reason| {
            check.text(reason.span(), Text::Words, reason.get_ref());
            reason.get_ref().clone()
        });
        if let Some(text) = &revocation.digest {
            self.digest(check, revocation, text, reason);
        } else if let Some(text) = &revocation.evidence {
            self.evidence(check, revocation, text);
        } else if let Some(key) = &revocation.key {
            if let Some(id) = key_id(check, key) {
                unique(check, key, self.keys.insert(id));
                let reason = reason.unwrap_or_default();
                self.revoked.keys.push(RevokedKey { key: id.hex().as_str().to_owned(), from, reason });
                check.bound(key.span(), "revoked keys", self.keys.len(), limits::KEYS, "drop the oldest");
            }
        } else if let Some(authority) = &revocation.authority {
            check.known_authority(authority);
            unique(check, authority, self.authorities.insert(authority.get_ref().clone()));
            let authority = authority.get_ref().clone();
            self.revoked.authorities.push(RevokedAuthority {
                authority,
                from,
                reason: reason.unwrap_or_default(),
            });
        } else if let Some(identity) = &revocation.identity {
            self.identity(check, identity, from, reason.unwrap_or_default());
        } else if let Some(serial) = &revocation.serial {
            self.serial(check, serial, from, reason.unwrap_or_default());
        }
    }

    fn identity(
        &mut self,
        check: &mut Check<'_>,
        identity: &Spanned<RevokedIdentity>,
        from: Option<Time>,
        reason: String,
    ) {
        let RevokedIdentity { issuer, subject } = identity.get_ref();
        keyless::pattern(check, issuer);
        keyless::pattern(check, subject);
        let (issuer, subject) = (issuer.get_ref().clone(), subject.get_ref().clone());
        if self.revoked.identities.iter().any(|known| known.issuer == issuer && known.subject == subject) {
            let entry = format!("{issuer} {subject}");
            check.report(identity.span(), Fault::DuplicateEntry { entry, list: "[[revoke]]" });
        }
        self.revoked.identities.push(payload::RevokedIdentity { issuer, subject, from, reason });
        let count = self.revoked.identities.len();
        let next = "use a wildcard in `subject`";
        check.bound(identity.span(), "revoked identities", count, limits::REVOKED_IDENTITIES, next);
    }

    fn serial(
        &mut self,
        check: &mut Check<'_>,
        serial: &Spanned<String>,
        from: Option<Time>,
        reason: String,
    ) {
        // As openssl and browsers write them: upper case, colons, zeros in front.
        let digits = serial.get_ref().replace(':', "").to_ascii_lowercase();
        let digits = digits.trim_start_matches('0').to_owned();
        if !(1..=40).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            check.report(serial.span(), Fault::Serial { serial: serial.get_ref().clone() });
            return;
        }
        unique(check, serial, !self.revoked.serials.iter().any(|known| known.serial == digits));
        self.revoked.serials.push(RevokedSerial { serial: digits, from, reason });
        let count = self.revoked.serials.len();
        check.bound(
            serial.span(),
            "revoked serials",
            count,
            limits::REVOKED_IDENTITIES,
            "revoke the identity",
        );
    }

    fn digest(
        &mut self,
        check: &mut Check<'_>,
        revocation: &Revocation,
        text: &Spanned<String>,
        reason: Option<String>,
    ) {
        no_from(check, revocation, "digest");
        let Some(digest) = check.digest(text) else { return };
        unique(check, text, self.digests.insert(digest));
        if let Some(reason) = reason {
            self.revoked
                .digest_reasons
                .push(DigestReason { digest: digest.hex().as_str().to_owned(), reason });
        }
        let count = self.digests.len();
        check.bound(text.span(), "revoked digests", count, limits::LISTED_DIGESTS, "revoke the key instead");
    }

    fn evidence(&mut self, check: &mut Check<'_>, revocation: &Revocation, text: &Spanned<String>) {
        no_from(check, revocation, "piece of evidence");
        if let Some(reason) = &revocation.reason {
            let next = "the bundle carries no reason for it; write it as a comment";
            let fault = Fault::RevocationField { field: "reason", what: "piece of evidence", next };
            check.report(reason.span(), fault);
        }
        let Some(digest) = check.digest(text) else { return };
        unique(check, text, self.evidence.insert(digest));
        let count = self.evidence.len();
        check.bound(text.span(), "revoked evidence", count, limits::LISTED_DIGESTS, "revoke the key instead");
    }
}

/// The id of a key: of the file that is named, or as it is written.
fn key_id(check: &mut Check<'_>, key: &Spanned<String>) -> Option<Digest> {
    if key.get_ref().starts_with("sha256:") {
        return check.digest(key);
    }
    check.key_file(key).map(|file| file.id())
}

fn no_from(check: &mut Check<'_>, revocation: &Revocation, what: &'static str) {
    if let Some(from) = &revocation.from {
        let next = "its content never changes, so it is revoked as a whole; remove the field";
        check.report(from.span(), Fault::RevocationField { field: "from", what, next });
    }
}

fn unique(check: &mut Check<'_>, entry: &Spanned<String>, new: bool) {
    if !new {
        let fault = Fault::DuplicateEntry { entry: entry.get_ref().clone(), list: "[[revoke]]" };
        check.report(entry.span(), fault);
    }
}
