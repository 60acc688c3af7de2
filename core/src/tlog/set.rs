//! Rekor v1's promise: the signed entry timestamp (SET), a signature over the entry and the time it came in.
//!
//! What is signed is canonical JSON (RFC 8785) of four members, written here from the entry:
//! `{"body":"…","integratedTime":N,"logID":"…","logIndex":N}`. It is hashed in pieces and never put together.
//!
//! Only a SET binds `integratedTime`; an inclusion proof does not (T-24). Nothing else makes that number a time.

use core::fmt::Write as _;

use super::entry::Entry;
use super::{Error, LogKey};
use crate::dsse::SignatureBytes;
use crate::encoding::{self, Alphabet};
use crate::operations::Operations;
use crate::signature::{Message, SignedFormat};

/// Checks the promise `set` (in base64) of an entry by the log's key.
///
/// # Errors
/// [`Error::Promise`] and [`Error::Budget`].
pub(super) fn verify(
    entry: &Entry<'_>,
    set: &str,
    log: &LogKey<'_>,
    operations: &mut Operations,
) -> Result<(), Error> {
    let signature =
        SignatureBytes::from_base64(set.bytes(), Alphabet::Standard).map_err(|_| Error::Promise)?;
    let (time, index) = (decimal(entry.integrated_time)?, decimal(entry.log_index)?);
    let id = encoding::to_hex32(&log.id);
    let pieces: [&[u8]; 9] = [
        br#"{"body":""#,
        // Base64 digits only, as rebuilding the body has shown: nothing that an escape or a quotation mark could change.
        entry.body.as_bytes(),
        br#"","integratedTime":"#,
        time.as_bytes(),
        br#","logID":""#,
        &id,
        br#"","logIndex":"#,
        index.as_bytes(),
        b"}",
    ];
    let message = Message::of_pieces(&pieces);
    operations.spend(log.key.operations(&message)).map_err(|_| Error::Budget)?;
    log.key.verify(SignedFormat::Log, &message, signature.bytes()).map_err(|_| Error::Promise)
}

/// 20 digits are the most that a `u64` has.
fn decimal(number: u64) -> Result<heapless::String<20>, Error> {
    let mut digits = heapless::String::new();
    write!(digits, "{number}").map_err(|_| Error::Promise)?;
    Ok(digits)
}

#[cfg(all(test, feature = "ed25519"))]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};

    use super::verify;
    use crate::operations::Operations;
    use crate::signature::PublicKey;
    use crate::tlog::entry::Entry;
    use crate::tlog::test_log::{TestLog, base64, hex};
    use crate::tlog::{Error, LogKey};

    extern crate std;
    use std::format;

    #[test]
    fn an_ed25519_log_signs_the_same_text() {
        let secret = SigningKey::from_bytes(&[9; 32]);
        let prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        let spki = [&prefix[..], &secret.verifying_key().to_bytes()].concat();
        let key = PublicKey::from_spki(&spki).unwrap();
        let log = LogKey { id: key.id().0, key, ..TestLog::new(1, "", "").key() };
        let id = hex(&log.id);
        let text =
            format!(r#"{{"body":"e30=","integratedTime":7,"logID":"{id}","logIndex":18446744073709551615}}"#);
        let annotation = |set: &[u8]| {
            let set = base64(set);
            format!(r#"{{"SignedEntryTimestamp":"{set}","Payload":{text}}}"#)
        };
        let ask = |annotation: &str| {
            let entry = Entry::read_annotation(annotation.as_bytes()).unwrap();
            verify(&entry, entry.promise.unwrap(), &log, &mut Operations::new())
        };
        let set = secret.sign(text.as_bytes()).to_bytes();
        let good = annotation(&set);
        assert_eq!(ask(&good), Ok(()));
        assert_eq!(ask(&good.replace("e30=", "e31=")), Err(Error::Promise));
        assert_eq!(ask(&good.replace("Time\":7", "Time\":8")), Err(Error::Promise));
        assert_eq!(ask(&good.replace("615}", "614}")), Err(Error::Promise));
        for at in 0..set.len() {
            let mut forged = set;
            forged[at] ^= 1;
            assert_eq!(ask(&annotation(&forged)), Err(Error::Promise), "{at}");
        }
        // A point of small order, which the strict form refuses: the identity.
        let mut weak = set;
        weak[..32].fill(0);
        weak[0] = 1;
        assert_eq!(ask(&annotation(&weak)), Err(Error::Promise));
        assert_eq!(ask(&annotation(&set[..63])), Err(Error::Promise));
    }
}
