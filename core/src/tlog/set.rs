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
use crate::signature::{Message, SignedFormat};
use crate::verify::Budget;

/// Checks the promise `set` (in base64) of an entry by the log's key.
///
/// # Errors
/// [`Error::Promise`] and [`Error::Budget`].
pub(super) fn verify(
    entry: &Entry<'_>,
    set: &str,
    log: &LogKey<'_>,
    budget: &mut Budget,
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
    budget.spend(log.key.operations(&message)).map_err(|_| Error::Budget)?;
    log.key.verify(SignedFormat::Log, &message, signature.bytes()).map_err(|_| Error::Promise)
}

/// 20 digits are the most that a `u64` has.
fn decimal(number: u64) -> Result<heapless::String<20>, Error> {
    let mut digits = heapless::String::new();
    write!(digits, "{number}").map_err(|_| Error::Promise)?;
    Ok(digits)
}
