//! Identities that an authority has: who vouched for whom, and what else has to be in the certificate.

use super::{TrustError, UnknownKeys, Value, need};
use crate::identity::IdentityPattern;
use crate::x509::fulcio::{FulcioField, Identity};

/// An identity of an authority.
#[derive(Debug, Clone, Copy)]
pub struct AuthorityIdentity<'a> {
    issuer: IdentityPattern<'a>,
    subject: IdentityPattern<'a>,
    /// Patterns for what Fulcio says beside, by the names of [`FulcioField`].
    fields: Option<Value<'a>>,
}

impl<'a> AuthorityIdentity<'a> {
    pub(super) fn read(value: Value<'a>) -> Result<Self, TrustError> {
        let names = ["issuer", "subject", "fields"];
        let [issuer, subject, fields] = value.object()?.fields(names, UnknownKeys::Refuse)?;
        let identity = Self {
            issuer: pattern(need(issuer, "issuer")?)?,
            subject: pattern(need(subject, "subject")?)?,
            fields,
        };
        for field in identity.fields()? {
            field?;
        }
        Ok(identity)
    }

    /// Whether a certificate is for it: issuer and subject, and every field that is asked for.
    #[must_use]
    pub fn matches(&self, identity: &Identity<'_>) -> bool {
        self.issuer.matches(identity.issuer())
            && self.subject.matches(identity.subject().text())
            && self.fields().is_ok_and(|mut fields| {
                fields.all(|field| {
                    field.is_ok_and(|(field, pattern)| {
                        identity.field(field).is_some_and(|said| pattern.matches(said))
                    })
                })
            })
    }

    fn fields(
        &self,
    ) -> Result<
        impl Iterator<Item = Result<(FulcioField, IdentityPattern<'a>), TrustError>> + use<'a>,
        TrustError,
    > {
        let found = match self.fields {
            Some(fields) => fields.object()?.fields(FulcioField::NAMES, UnknownKeys::Refuse)?,
            None => [None; FulcioField::ALL.len()],
        };
        let named = FulcioField::ALL.into_iter().zip(found);
        Ok(named.filter_map(|(field, value)| value.map(|value| Ok((field, pattern(value)?)))))
    }
}

fn pattern(value: Value<'_>) -> Result<IdentityPattern<'_>, TrustError> {
    IdentityPattern::parse(value.string()?.as_plain()?).map_err(|_| TrustError::Name("identities"))
}
