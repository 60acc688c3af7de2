//! When a signature was there, by the logs and timestamp authorities of one trusted root.

use crate::bundle;
use crate::encoding::{self, Alphabet};
use crate::json::{self, Text, UnknownKeys, Value};
use crate::limits;
use crate::operations::Operations;
use crate::threshold::count_distinct;
use crate::time::UnixTime;
use crate::timestamp;
use crate::tlog::entry::{self, Entry, Inclusion};
use crate::tlog::leaf::SignedMaterial;
use crate::tlog::{self, VerifiedEntry, verify_entry};
use crate::trusted_root::TrustedRoot;

/// Log entries and timestamps as they were sent, and not believed.
#[derive(Debug, Clone, Copy)]
pub enum SentProofs<'e> {
    /// Those of a bundle.
    Bundle(bundle::Version, bundle::Proofs<'e>),
    /// The texts of cosign's annotations `dev.sigstore.cosign/bundle` and `/rfc3161timestamp`.
    Annotations {
        /// One entry with its promise.
        entry: Option<&'e str>,
        /// One timestamp.
        timestamp: Option<&'e str>,
    },
}

/// Why nobody says when a signature was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WitnessError {
    /// The log entries or timestamps are not of the form of where they stand.
    Json(json::Error),
    /// The root lists logs, and no entry was sent.
    EntryMissing,
    /// An entry does not verify.
    Entry(tlog::Error),
    /// Nothing gives a time: no log has promised one, and no timestamp was sent.
    TimestampMissing,
    /// A timestamp is not base64.
    TimestampEncoding(encoding::Error),
    /// A timestamp does not verify.
    Timestamp(timestamp::Error),
    /// An entry without a time of its own, in a log whose key was not in use at a timestamp's time.
    LogKeyWindow,
    /// More times than [`VERIFIED_TIMES`](limits::VERIFIED_TIMES).
    TooManyTimes,
    /// A time that has not come yet (T-33).
    Future,
    /// The caller's buffer is too small: a fault of ours.
    Scratch,
}

/// The times at which a signature was there, each of which somebody of the trusted root vouches for. Only [`witness`]
/// makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    times: heapless::Vec<UnixTime, { limits::VERIFIED_TIMES }>,
    logs: usize,
}

impl Witnessed {
    /// The times, at least one.
    #[must_use]
    pub fn times(&self) -> &[UnixTime] {
        &self.times
    }

    /// The earliest and the latest of them.
    #[must_use]
    pub fn span(&self) -> (UnixTime, UnixTime) {
        let (first, last) = (self.times.iter().min(), self.times.iter().max());
        // There is one; should there be none, the span is such that nothing lies around it.
        (first.copied().unwrap_or(UnixTime(0)), last.copied().unwrap_or(UnixTime(u64::MAX)))
    }

    /// How many different logs have it: several entries in one are one (T-19).
    #[must_use]
    pub fn logs(&self) -> usize {
        self.logs
    }
}

/// Asks the logs and timestamp authorities of `root` about a signature.
///
/// `timestamped` is what a timestamp is over: the signature's bytes, or the whole layer for cosign's legacy attestations.
/// `scratch` needs [`WITNESS_BYTES`](limits::WITNESS_BYTES).
///
/// # Errors
/// [`WitnessError`], by what is wrong first: entries, timestamps, times.
pub fn witness(
    sent: &SentProofs<'_>,
    signed: &SignedMaterial<'_>,
    timestamped: &[u8],
    root: &TrustedRoot<'_>,
    now: UnixTime,
    operations: &mut Operations,
    scratch: &mut [u8],
) -> Result<Witnessed, WitnessError> {
    let mut times = Times::new();
    let mut entries: heapless::Vec<VerifiedEntry<'_>, { limits::LOG_ENTRIES }> = heapless::Vec::new();
    if root.lists_transparency_logs() {
        sent.entries(|entry| {
            let verified = verify_entry(&entry?, signed, root, operations).map_err(WitnessError::Entry)?;
            if let Some(time) = verified.integrated_time() {
                times.push(time).map_err(|_| WitnessError::TooManyTimes)?;
            }
            entries.push(verified).map_err(|_| WitnessError::TooManyTimes)
        })?;
        if entries.is_empty() {
            return Err(WitnessError::EntryMissing);
        }
    }
    if root.lists_timestamp_authorities() {
        sent.timestamps(|text| {
            let (token, room) =
                scratch.split_at_mut_checked(limits::TIMESTAMP_BYTES).ok_or(WitnessError::Scratch)?;
            let digits = text.chars().map(|c| u8::try_from(c).unwrap_or(u8::MAX));
            let length =
                encoding::base64(digits, Alphabet::Standard, token).map_err(|error| match error {
                    encoding::Error::TooLong => WitnessError::Timestamp(timestamp::Error::TooLarge),
                    error => WitnessError::TimestampEncoding(error),
                })?;
            let token = token.get(..length).unwrap_or_default();
            let verified = timestamp::verify(token, timestamped, root, operations, room);
            let time = verified.map_err(WitnessError::Timestamp)?.time();
            // A log that tells no time must have been in use at the time that stands for it.
            let timeless = |entry: &&VerifiedEntry<'_>| entry.integrated_time().is_none();
            if !entries.iter().filter(timeless).all(|entry| entry.log_key_covers(time)) {
                return Err(WitnessError::LogKeyWindow);
            }
            times.push(time).map_err(|_| WitnessError::TooManyTimes)
        })?;
    }
    if times.is_empty() {
        return Err(WitnessError::TimestampMissing);
    }
    if times.iter().any(|time| *time > now) {
        return Err(WitnessError::Future);
    }
    Ok(Witnessed { times, logs: count_distinct(entries.iter().map(VerifiedEntry::log_id)) })
}

type Times = heapless::Vec<UnixTime, { limits::VERIFIED_TIMES }>;

impl<'e> SentProofs<'e> {
    /// Calls `each` with every entry.
    fn entries(
        &self,
        mut each: impl FnMut(Result<Entry<'e>, WitnessError>) -> Result<(), WitnessError>,
    ) -> Result<(), WitnessError> {
        let unreadable = |error| WitnessError::Entry(tlog::Error::Entry(error));
        match self {
            Self::Bundle(version, proofs) => {
                let inclusion = match version {
                    bundle::Version::V0_1 => Inclusion::ProofOrPromise,
                    bundle::Version::V0_2 | bundle::Version::V0_3 => Inclusion::Proof,
                };
                let Some(entries) = proofs.entries else { return Ok(()) };
                entry::entries(entries, inclusion)
                    .map_err(unreadable)?
                    .try_for_each(|entry| each(entry.map_err(unreadable)))
            }
            Self::Annotations { entry: Some(text), .. } => {
                each(Entry::read_annotation(text.as_bytes()).map_err(unreadable))
            }
            Self::Annotations { entry: None, .. } => Ok(()),
        }
    }

    /// Calls `each` with every timestamp, in base64.
    fn timestamps(
        &self,
        mut each: impl FnMut(Text<'e>) -> Result<(), WitnessError>,
    ) -> Result<(), WitnessError> {
        let signed = |value: Value<'e>, name| {
            let [timestamp] = value.object()?.fields([name], UnknownKeys::Skip)?;
            let timestamp = timestamp.filter(|timestamp| !timestamp.is_null());
            timestamp.ok_or(json::Error::MissingKey(name))?.string()
        };
        match self {
            Self::Bundle(_, proofs) => {
                let Some(list) = proofs.timestamps else { return Ok(()) };
                let items = list.array().map_err(WitnessError::Json)?;
                if items.clone().count() > limits::VERIFIED_TIMES {
                    return Err(WitnessError::TooManyTimes);
                }
                for item in items {
                    let text = item.and_then(|item| signed(item, "signedTimestamp"));
                    each(text.map_err(WitnessError::Json)?)?;
                }
                Ok(())
            }
            Self::Annotations { timestamp: Some(text), .. } => {
                let text =
                    json::parse(text.as_bytes()).and_then(|value| signed(value, "SignedRFC3161Timestamp"));
                each(text.map_err(WitnessError::Json)?)
            }
            Self::Annotations { timestamp: None, .. } => Ok(()),
        }
    }
}
