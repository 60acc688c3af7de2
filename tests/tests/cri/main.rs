//! The CRI proxy in front of real containerds: what it judges, and what it leaves alone.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what the tests share fails as they do; clippy excepts only functions marked as tests"
)]

mod faults;
mod nri;
mod pulls;
mod recorder;
mod stage;
mod starts;
mod wire;
