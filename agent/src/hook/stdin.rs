//! Standard input, bounded in bytes and in time.

use std::io::Read;
use std::sync::mpsc;
use std::time::Instant;

use pullward_core::limits::DESCRIPTOR_BYTES;

/// Why standard input was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StdinError {
    /// More than [`DESCRIPTOR_BYTES`].
    #[error("the descriptor on standard input is larger than {DESCRIPTOR_BYTES} bytes")]
    TooLarge,
    /// The system's answer.
    #[error("standard input: {0}")]
    Read(std::io::ErrorKind),
    /// Nobody closed it in time.
    #[error("standard input was not closed in time")]
    Deadline,
}

/// Reads `input` to its end.
///
/// What is too large is not drained: whoever writes gets an error instead of a reader.
///
/// # Errors
/// [`StdinError`].
pub fn read<R: Read + Send + 'static>(input: R, deadline: Instant) -> Result<Vec<u8>, StdinError> {
    let (sender, receiver) = mpsc::sync_channel(1);
    // A blocking read cannot be cancelled. The thread is left to itself at the deadline: the process ends then.
    let reader = std::thread::Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        let bound = u64::try_from(DESCRIPTOR_BYTES + 1).unwrap_or(0);
        let read = input.take(bound).read_to_end(&mut bytes).map(|_| bytes);
        // Fails only where nobody waits any more.
        drop(sender.send(read.map_err(|error| error.kind())));
    });
    if let Err(error) = reader {
        return Err(StdinError::Read(error.kind()));
    }
    let bytes = receiver
        .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        .map_err(|_| StdinError::Deadline)?
        .map_err(StdinError::Read)?;
    if bytes.len() <= DESCRIPTOR_BYTES { Ok(bytes) } else { Err(StdinError::TooLarge) }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, repeat};
    use std::time::{Duration, Instant};

    use super::{StdinError, read};

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[test]
    fn the_largest_descriptor_is_read_and_one_byte_more_is_not() {
        assert_eq!(read(repeat(b' ').take(64 * 1024), soon()).map(|bytes| bytes.len()), Ok(64 * 1024));
        assert_eq!(read(repeat(b' ').take(64 * 1024 + 1), soon()), Err(StdinError::TooLarge));
    }

    #[test]
    fn an_endless_input_is_too_large() {
        assert_eq!(read(repeat(b' '), soon()), Err(StdinError::TooLarge));
    }

    #[test]
    fn an_input_that_stays_open_ends_at_the_deadline() {
        let (reader, _writer) = std::io::pipe().unwrap();
        let started = Instant::now();
        assert_eq!(read(reader, started + Duration::from_millis(20)), Err(StdinError::Deadline));
    }
}
