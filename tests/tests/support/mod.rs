//! What the tests of the registry client share.

use std::time::{Duration, Instant};

use pullward::registry::{Client, Settings};

/// A deadline that no test should reach.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A client without any settings.
pub(crate) fn client() -> Client {
    Client::new(Settings::default()).unwrap()
}

/// Runs something that must end well before the longest deadline of a test.
pub(crate) fn in_time<T>(run: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let result = run();
    assert!(begin.elapsed() < Duration::from_secs(8), "it took {:?}", begin.elapsed());
    result
}
