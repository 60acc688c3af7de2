//! Trusted roots and identities: `[authority.keyless]`, and keys whose signatures a log has to have seen.
//!
//! A trusted root goes into the bundle byte for byte. It is read whole here, so that a node never meets one that it cannot
//! read, and one that can vouch for nothing is refused: without logs and timestamp authorities there is no time to
//! hold a certificate against, and no field of the policy that would do without.

use base64ct::{Base64, Encoding as _};
use pullward_core::identity::IdentityPattern;
use pullward_core::limits;
use pullward_core::oci::Digest;
use pullward_core::trusted_root::{self, TrustedRoot};
use pullward_core::x509::fulcio::FulcioField;
use toml::Spanned;

use super::check::Check;
use super::file;
use super::problem::{Fault, nearest};
use super::text::Text;
use crate::trust::payload::{self, Identity};

/// What a trusted root is named for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RootFor {
    /// To vouch for certificates, and for when they have signed.
    Identities,
    /// To vouch for when keys have signed.
    Keys,
}

/// Checks a keyless authority: the place of its trusted root, its identities, and a digest for each that stands for it
/// where signers are counted.
pub(super) fn identities(
    check: &mut Check<'_>,
    keyless: &Spanned<file::Keyless>,
) -> (Option<u64>, Vec<Identity>, Vec<Digest>) {
    let file::Keyless { trusted_root: root, identity } = keyless.get_ref();
    if identity.is_empty() {
        check.report(
            keyless.span(),
            Fault::EmptyList {
                list: "`identity`",
                meaning: "be an authority that nobody can be, or that anybody is",
                next: "write an [[authority.keyless.identity]] with `issuer` and `subject`",
            },
        );
    }
    let next = "use a wildcard in `subject`";
    check.bound(
        keyless.span(),
        "identities of one authority",
        identity.len(),
        limits::AUTHORITY_IDENTITIES,
        next,
    );
    let place = trusted_root(check, root, RootFor::Identities);
    let mut identities = Vec::new();
    let mut stand_ins = Vec::new();
    for identity in identity {
        pattern(check, &identity.issuer);
        pattern(check, &identity.subject);
        for (field, text) in &identity.fields {
            pattern(check, text);
            if !FulcioField::NAMES.contains(&field.as_str()) {
                let fault = Fault::UnknownField {
                    field: field.clone(),
                    nearest: nearest(field, FulcioField::NAMES.into_iter()).map(str::to_owned),
                    known: FulcioField::NAMES.join(", "),
                };
                check.report(text.span(), fault);
            }
        }
        let identity = Identity {
            issuer: identity.issuer.get_ref().clone(),
            subject: identity.subject.get_ref().clone(),
            fields: identity
                .fields
                .iter()
                .map(|(field, text)| (field.clone(), text.get_ref().clone()))
                .collect(),
        };
        let stand_in = Digest::of(format!("{place:?} {identity:?}").as_bytes());
        if identities.contains(&identity) {
            let entry = format!("{} {}", identity.issuer, identity.subject);
            check.report(keyless.span(), Fault::DuplicateEntry { entry, list: "the authority's identities" });
        }
        identities.push(identity);
        stand_ins.push(stand_in);
    }
    (place, identities, stand_ins)
}

/// Checks a pattern for identities.
pub(super) fn pattern(check: &mut Check<'_>, text: &Spanned<String>) {
    check.text(text.span(), Text::Identity, text.get_ref());
    if let Err(error) = IdentityPattern::parse(text.get_ref()) {
        let fault =
            Fault::Pattern { pattern: text.get_ref().clone(), reason: error.to_string(), suggestion: None };
        check.report(text.span(), fault);
    }
}

/// Reads a trusted root, once however often it is named, and returns its place in the bundle.
pub(super) fn trusted_root(check: &mut Check<'_>, file: &Spanned<String>, of: RootFor) -> Option<u64> {
    let place = match check.root_files.get(file.get_ref()) {
        Some(known) => *known,
        None => {
            let read = read(check, file);
            check.root_files.insert(file.get_ref().clone(), read);
            read
        }
    }?;
    let root = usize::try_from(place).ok().and_then(|place| check.trusted_roots.get(place))?;
    let reason = Base64::decode_vec(&root.content).ok().and_then(|bytes| useless(&bytes, of));
    if let Some(reason) = reason {
        let fault = Fault::TrustedRoot { file: file.get_ref().clone(), reason: reason.to_owned() };
        check.report(file.span(), fault);
        return None;
    }
    Some(place)
}

fn read(check: &mut Check<'_>, file: &Spanned<String>) -> Option<u64> {
    let name = file.get_ref();
    let cap = u64::try_from(limits::TRUSTED_ROOT_BYTES).unwrap_or(u64::MAX);
    let bytes = match check.file(file, cap) {
        Ok(bytes) => bytes,
        Err(reason) => {
            check.report(file.span(), Fault::KeyFile { file: name.clone(), reason });
            return None;
        }
    };
    let mut scratch = vec![0; limits::CHAIN_BYTES];
    if let Err(error) = TrustedRoot::check(&bytes, &mut scratch) {
        let reason = in_words(error);
        check.report(file.span(), Fault::TrustedRoot { file: name.clone(), reason });
        return None;
    }
    let root = payload::TrustedRoot {
        digest: Digest::of(&bytes).to_string(),
        content: Base64::encode_string(&bytes),
    };
    let place = check.trusted_roots.iter().position(|known| *known == root);
    let place = place.unwrap_or_else(|| {
        check.trusted_roots.push(root);
        check.trusted_roots.len() - 1
    });
    let next = "use one trusted root for several authorities";
    check.bound(file.span(), "trusted roots", place + 1, limits::TRUSTED_ROOTS, next);
    u64::try_from(place).ok()
}

/// Why a root that reads well is of no use.
fn useless(bytes: &[u8], of: RootFor) -> Option<&'static str> {
    let root = TrustedRoot::read(bytes).ok()?;
    if of == RootFor::Identities && root.certificate_authorities().next().is_none() {
        return Some("it lists no certificate authority, so it vouches for nobody; name the root that does");
    }
    if !root.lists_transparency_logs() && !root.lists_timestamp_authorities() {
        return Some(
            "it lists neither a transparency log nor a timestamp authority, so nothing can say when something was \
             signed; add one of them to the instance and to its root",
        );
    }
    None
}

fn in_words(error: trusted_root::Error) -> String {
    match error {
        trusted_root::Error::TooLarge => "it is larger than nodes read".to_owned(),
        trusted_root::Error::Json(error) => {
            format!(
                "it is no trusted root ({error:?}); get it with `cosign trusted-root create` or from the instance"
            )
        }
        trusted_root::Error::MediaType => {
            "its mediaType is not that of a Sigstore trusted root, version 0.1 or 0.2".to_owned()
        }
        trusted_root::Error::TooMany(list) => format!("it has more `{list}` than nodes read"),
        trusted_root::Error::ValidFor => {
            "a `validFor` in it has no start, or ends before it starts; write when the key came into use"
                .to_owned()
        }
        trusted_root::Error::LogId => {
            "a `logId` in it is not 4 or 32 bytes, or not that of its certificate log's key".to_owned()
        }
        trusted_root::Error::DuplicateLogId => "two of its logs have one `logId`; remove one".to_owned(),
        trusted_root::Error::Key(error) => {
            format!("the key of a log in it is not what `keyDetails` says ({error:?})")
        }
        trusted_root::Error::Certificate(error) => {
            format!("an authority in it has no certificate, or one that cannot be read ({error:?})")
        }
        trusted_root::Error::Base64(error) => format!("a text in it is not base64 ({error:?})"),
        trusted_root::Error::Scratch => {
            "the certificates of an authority in it are larger than any".to_owned()
        }
    }
}
