//! Logs of a trusted root (`TransparencyLogInstance`): Rekor's and certificate transparency's.

use super::{Error, items, need, present, text, window};
use crate::encoding::{self, Alphabet};
use crate::json::{Text, UnknownKeys, Value};
use crate::limits;
use crate::signature::{KeyType, PublicKey};
use crate::time::Window;

/// The id of a log or of its checkpoint key: 32 bytes of a hash, or the 4 that a note's key hint has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogId(heapless::Vec<u8, 32>);

impl LogId {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn read(value: Value<'_>) -> Result<Self, Error> {
        let [id] = value.object()?.fields(["keyId"], UnknownKeys::Skip)?.map(present);
        let mut bytes = [0_u8; 32];
        let length = base64(need(id, "keyId")?.string()?, &mut bytes).map_err(|error| match error {
            encoding::Error::TooLong => Error::LogId,
            error => Error::Base64(error),
        })?;
        let bytes = bytes.get(..length).filter(|bytes| matches!(bytes.len(), 4 | 32)).ok_or(Error::LogId)?;
        heapless::Vec::from_slice(bytes).map(Self).map_err(|_| Error::LogId)
    }
}

/// A log, and the key that it signs with.
#[derive(Debug, Clone)]
pub struct Log<'a> {
    base_url: Option<Text<'a>>,
    operator: Option<Text<'a>>,
    id: LogId,
    checkpoint_key_id: Option<LogId>,
    key: Text<'a>,
    key_type: KeyType,
    window: Window,
}

impl<'a> Log<'a> {
    /// Where it is served, which also tells one log of an operator from another.
    #[must_use]
    pub fn base_url(&self) -> Option<Text<'a>> {
        self.base_url
    }

    /// Who runs it, where the root says so.
    #[must_use]
    pub fn operator(&self) -> Option<Text<'a>> {
        self.operator
    }

    /// Its id, by which entries and SCTs name it.
    #[must_use]
    pub fn id(&self) -> &LogId {
        &self.id
    }

    /// The id of its checkpoint key, where the root gives one. Else that is its [`id`](Log::id).
    #[must_use]
    pub fn checkpoint_key_id(&self) -> Option<&LogId> {
        self.checkpoint_key_id.as_ref()
    }

    /// When its key is believed, both ends included.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }

    /// The kind of its key; always one that this build has.
    #[must_use]
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// Its key's SubjectPublicKeyInfo, decoded into the front of `out`, which needs [`SPKI_BYTES`](limits::SPKI_BYTES).
    ///
    /// # Errors
    /// [`Error::Base64`].
    pub fn spki<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8], Error> {
        let length = base64(self.key, out).map_err(Error::Base64)?;
        Ok(out.get(..length).unwrap_or_default())
    }

    /// Its key. Decodes it anew each time.
    ///
    /// # Errors
    /// [`Error::Base64`]; [`Error::Key`] where it is not of the kind that the root says.
    pub fn key(&self) -> Result<PublicKey, Error> {
        let mut spki = [0_u8; limits::SPKI_BYTES];
        let key = PublicKey::from_spki(self.spki(&mut spki)?).map_err(Error::Key)?;
        if key.key_type() == self.key_type {
            Ok(key)
        } else {
            Err(Error::Key(crate::signature::KeyError::Unsupported))
        }
    }
}

/// How the id of a log comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdRule {
    /// The root says it, and whoever checks a checkpoint holds it against the note's key hint.
    Named,
    /// SHA-256 of the SPKI (RFC 6962 section 3.2).
    HashOfKey,
}

/// One entry: what every log has, and the log where its key can be used.
struct Entry<'a> {
    id: LogId,
    usable: Option<Log<'a>>,
}

impl<'a> Entry<'a> {
    fn read(value: Value<'a>) -> Result<Self, Error> {
        let names = ["baseUrl", "hashAlgorithm", "publicKey", "logId", "checkpointKeyId", "operator"];
        let [base_url, hash, key, id, checkpoint_key_id, operator] =
            value.object()?.fields(names, UnknownKeys::Skip)?.map(present);
        let id = LogId::read(need(id, "logId")?)?;
        let checkpoint_key_id = checkpoint_key_id.map(LogId::read).transpose()?;
        let (base_url, operator) = (text(base_url)?, text(operator)?);
        let names = ["rawBytes", "keyDetails", "validFor"];
        let [raw, details, valid_for] =
            need(key, "publicKey")?.object()?.fields(names, UnknownKeys::Skip)?.map(present);
        let (raw, window) = (need(raw, "rawBytes")?.string()?, window(valid_for)?);
        // A kind may be a number too, in protobuf's JSON: an unknown one.
        let known = |value: Option<Value<'a>>| value.and_then(|value| value.string().ok()?.plain());
        let sha256 = known(hash) == Some("SHA2_256");
        let key_type = known(details).and_then(key_type).filter(|kind| sha256 && kind.is_built_in());
        let usable = key_type.map(|key_type| Log {
            base_url,
            operator,
            id: id.clone(),
            checkpoint_key_id,
            key: raw,
            key_type,
            window,
        });
        Ok(Self { id, usable })
    }
}

/// The kinds of `PublicKeyDetails` that have one meaning here. Deprecated ones and post-quantum ones have none.
fn key_type(details: &str) -> Option<KeyType> {
    match details {
        "PKIX_ECDSA_P256_SHA_256" => Some(KeyType::P256),
        "PKIX_ECDSA_P384_SHA_384" => Some(KeyType::P384),
        "PKIX_ED25519" => Some(KeyType::Ed25519),
        "PKIX_RSA_PKCS1V15_2048_SHA256"
        | "PKIX_RSA_PKCS1V15_3072_SHA256"
        | "PKIX_RSA_PKCS1V15_4096_SHA256" => Some(KeyType::Rsa),
        _ => None,
    }
}

pub(super) fn usable<'a>(item: Result<Value<'a>, Error>) -> Option<Result<Log<'a>, Error>> {
    item.and_then(Entry::read).map(|entry| entry.usable).transpose()
}

/// Reads a whole list.
pub(super) fn check(list: Option<Value<'_>>, name: &'static str, rule: IdRule) -> Result<(), Error> {
    let mut ids: heapless::Vec<LogId, { limits::TRUSTED_LOGS }> = heapless::Vec::new();
    for item in items(list) {
        let entry = Entry::read(item?)?;
        if let Some(log) = entry.usable {
            let key = log.key()?;
            if rule == IdRule::HashOfKey && entry.id.bytes() != key.id().0 {
                return Err(Error::LogId);
            }
        }
        if ids.contains(&entry.id) {
            return Err(Error::DuplicateLogId);
        }
        ids.push(entry.id).map_err(|_| Error::TooMany(name))?;
    }
    Ok(())
}

fn base64(text: Text<'_>, out: &mut [u8]) -> Result<usize, encoding::Error> {
    let bytes = text.chars().map(|c| u8::try_from(c).unwrap_or(b'\0'));
    encoding::base64(bytes, Alphabet::Standard, out)
}
