//! pullward's own programs against the real parts: what the demo shows, and more, with exact reason codes.
//!
//! [`pulls`] has a real containerd and both ways to pull; [`faults`] what happens while the agent is gone, stands still,
//! or is not what it should be; [`trust`] bundles that come and are refused; [`formats`] every signature that cosign
//! makes; [`offline`] the store on disk; [`oracle`] whether cosign and we agree; [`load`] two hundred at a time.
//!
//! [`inventory`] is about what came round every hook: imports, other names, other namespaces, what runs already.
//!
//! Attestations: [`attestations`] has the production flow from build to pull, [`buildkit`] what an image's own index
//! holds, [`walkthrough`] a script of others beside our policy for it, [`page`] the commands of our own page, [`shown`] what
//! people are shown, [`age`] ages that run out, [`floods`] what a hostile registry serves, [`slow`] what takes
//! longer than a verdict and what is kept afterwards; [`supply`] is what they attest.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what the tests share fails as they do; clippy excepts only functions marked as tests"
)]

mod age;
mod attestations;
mod buildkit;
mod doctor;
mod faults;
mod flavours;
mod floods;
mod formats;
mod inventory;
mod load;
mod offline;
mod oracle;
mod page;
mod probe;
mod pulls;
mod related;
mod shown;
mod slow;
mod stage;
mod supply;
mod trust;
mod walkthrough;
