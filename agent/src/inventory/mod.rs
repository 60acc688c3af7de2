//! The inventory: every image and every running container that containerd holds, in every namespace, with its verdict.
//!
//! Hooks see what goes through them. An import, a preloaded archive, `ctr`, nerdctl, docker and an image that was there
//! before pullward was, do not. So the inventory looks at what is there, whoever brought it, and judges each name with
//! the digest that it stands for. It detects: what it finds has been pulled, and may have run for a moment.
//!
//! ```text
//! containerd ──list──▶ listing ─▶ name ─▶ judge ─▶ standing ─▶ stock ─▶ audit, status
//!      └────events───▶ watch ───────────────────────┘             └──▶ act: remove a name, stop a task
//! ```
//! - [`name`]: what a name in containerd is: a reference, an id, a holder of evidence, or none that could be judged;
//! - [`listing`]: what containerd holds now;
//! - [`standing`]: a verdict, as the inventory keeps it;
//! - [`judge`]: where verdicts come from;
//! - [`stock`]: what is known, one row for each name and each container;
//! - [`survey`]: looking it all over, one name or one container;
//! - [`act`]: what is done about it, if the operator wants that;
//! - [`watch`]: the agent's own loop: events, and a look over everything when it connects.
//!
//! Labels, annotations and whatever else says "verified" are not read (T-22). What could not be decided is shown as
//! such and never acted on: an outage of the registry must not empty a node.

pub mod act;
pub mod judge;
pub mod listing;
pub mod name;
pub mod standing;
pub mod stock;
pub mod survey;
pub mod watch;

/// How images and containers come into a namespace, for people. Names are conventions: nothing is decided by them.
#[must_use]
pub fn way(namespace: &str) -> &'static str {
    match namespace {
        "k8s.io" => "kubelet",
        "moby" => "docker",
        "default" => "ctr or nerdctl",
        "buildkit" => "buildkit",
        _ => "other",
    }
}

/// Whether images of a namespace come by way of a hook of ours, if hooks are set up. `ctr -n k8s.io` does not either.
#[must_use]
pub fn is_hooked(namespace: &str) -> bool {
    namespace == "k8s.io"
}
