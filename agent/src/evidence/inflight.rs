//! The bytes of evidence that an agent holds at one time, over all its verdicts.
//!
//! One verdict is bounded by what it reads; a hundred at once are not. Whoever wants to read a blob takes its room
//! first, and waits for it within the verdict's own deadline: memory is bounded, and the wait counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

/// Room for evidence in memory, in bytes.
#[derive(Debug)]
pub struct Inflight {
    capacity: u64,
    taken: Mutex<Taken>,
    freed: Condvar,
}

/// What is taken of the room.
#[derive(Debug, Default)]
struct Taken {
    /// By blobs that are being read and judged: given back without waiting for anything else.
    reading: u64,
    /// By blobs that verdicts hold while they read others.
    held: u64,
}

/// What room is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Reading,
    Holding,
}

/// Room that was taken; it is given back when this is dropped, or before.
#[derive(Debug)]
pub struct Room {
    of: Arc<Inflight>,
    bytes: AtomicU64,
    purpose: Purpose,
}

impl Room {
    /// Gives the room back now.
    pub fn give_back(&self) {
        let bytes = self.bytes.swap(0, Ordering::Relaxed);
        let mut taken = self.of.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of = match self.purpose {
            Purpose::Reading => &mut taken.reading,
            Purpose::Holding => &mut taken.held,
        };
        *of = of.saturating_sub(bytes);
        self.of.freed.notify_all();
    }
}

impl Inflight {
    /// Room for so many bytes.
    #[must_use]
    pub fn new(capacity: u64) -> Arc<Self> {
        Arc::new(Self { capacity, taken: Mutex::default(), freed: Condvar::new() })
    }

    /// Takes room to read, waiting for it until the deadline; `None` where there was none by then. What is larger than
    /// all the room that nobody holds takes all of it, so that it is read alone and not never: a reader waits for readers
    /// only, so that no two verdicts can wait for each other.
    #[must_use]
    pub fn take(self: &Arc<Self>, bytes: u64, deadline: Instant) -> Option<Room> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = loop {
            let free = self.capacity.saturating_sub(taken.held);
            let bytes = bytes.min(free);
            if free.saturating_sub(taken.reading) >= bytes {
                break bytes;
            }
            let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            taken = self.freed.wait_timeout(taken, left).unwrap_or_else(PoisonError::into_inner).0;
        };
        taken.reading = taken.reading.saturating_add(bytes);
        Some(Room { of: Arc::clone(self), bytes: AtomicU64::new(bytes), purpose: Purpose::Reading })
    }

    /// Takes room for a blob that was read and stays, within three quarters of all room: readers need some. `None` where
    /// there is none now.
    #[must_use]
    pub fn hold(self: &Arc<Self>, bytes: u64) -> Option<Room> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let held = taken.held.checked_add(bytes)?;
        if held > self.capacity.saturating_sub(self.capacity.div_ceil(4)) {
            return None;
        }
        taken.held = held;
        Some(Room { of: Arc::clone(self), bytes: AtomicU64::new(bytes), purpose: Purpose::Holding })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::Inflight;

    #[test]
    fn what_does_not_fit_waits_until_its_deadline_and_no_longer() {
        let room = Inflight::new(10);
        let soon = || Instant::now() + Duration::from_millis(20);
        let first = room.take(6, soon());
        assert!(first.is_some());
        assert!(room.take(5, soon()).is_none());
        let second = room.take(4, soon());
        assert!(second.is_some());
        drop(first);
        assert!(room.take(6, soon()).is_some());
    }

    #[test]
    fn room_that_is_given_back_early_is_given_back_once() {
        let room = Inflight::new(10);
        let soon = || Instant::now() + Duration::from_millis(20);
        let first = room.take(10, soon()).unwrap();
        first.give_back();
        let second = room.take(6, soon());
        drop(first);
        assert!(room.take(5, soon()).is_none());
        drop(second);
        assert!(room.take(10, soon()).is_some());
    }

    #[test]
    fn what_is_larger_than_all_room_is_read_alone() {
        let room = Inflight::new(10);
        let soon = || Instant::now() + Duration::from_millis(20);
        let all = room.take(1000, soon());
        assert!(all.is_some());
        assert!(room.take(1, soon()).is_none());
        drop(all);
        assert!(room.take(1, soon()).is_some());
    }

    #[test]
    fn what_is_held_takes_room_from_readers_and_leaves_them_a_quarter() {
        let room = Inflight::new(100);
        let soon = || Instant::now() + Duration::from_millis(20);
        let held = room.hold(60);
        assert!(held.is_some());
        assert!(room.hold(16).is_none());
        let rest = room.hold(15);
        assert!(rest.is_some());
        // Whoever holds can still read, and only one at a time what would not fit.
        let reading = room.take(90, soon());
        assert!(reading.is_some());
        assert!(room.take(1, soon()).is_none());
        drop(held);
        assert!(room.take(60, soon()).is_some());
        drop((reading, rest));
        assert!(room.take(100, soon()).is_some());
    }

    #[test]
    fn many_at_once_never_hold_more_than_there_is() {
        let room = Inflight::new(100);
        let (now, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let threads: Vec<_> = (0..16)
            .map(|number| {
                let (room, now, most) = (Arc::clone(&room), Arc::clone(&now), Arc::clone(&most));
                thread::spawn(move || {
                    for step in 0..200 {
                        let bytes = 1 + (number * 7 + step) % 60;
                        let taken = room.take(bytes, Instant::now() + Duration::from_secs(10)).unwrap();
                        most.fetch_max(now.fetch_add(bytes, Ordering::SeqCst) + bytes, Ordering::SeqCst);
                        now.fetch_sub(bytes, Ordering::SeqCst);
                        drop(taken);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(most.load(Ordering::SeqCst) <= 100);
    }
}
