//! The core's verdicts: what is allowed, and how each way of being wrong is denied.
//!
//! Every denial is compared with its exact reason and, where a piece of evidence is at fault, with the exact error:
//! a denial for the wrong reason is a check that does not run.

#![expect(clippy::unwrap_used, reason = "what does not read fails its test")]

mod attested;
mod budget;
mod covered;
mod envelopes;
mod flips;
mod keys_and_time;
mod liveness;
mod matrix;
mod modes;
mod namespaces;
mod payloads;
mod related;
mod statements;
mod thresholds;

use pullward_core::judge::{Ruling, Standing};
use pullward_core::verdict::Reason;
use pullward_core::verify;
use pullward_tests::mint::{Ask, Forge, Form, Minted, Node, Signer, ask_key, digest};

/// Allowed because signed.
const SIGNED: (Ruling, Reason) = (Ruling::Allow, Reason::Signed);

/// Denied.
fn deny(reason: Reason) -> (Ruling, Reason) {
    (Ruling::Deny, reason)
}

/// Honest evidence for the image `app`.
fn good(form: Form, signer: &Signer) -> Minted {
    Forge::new(form, signer, &digest("app")).mint()
}

/// Checks that `bad` is refused with exactly this error and reason: alone, by a rule and by a bare key; and that
/// beside good evidence it never counts, never hides the good one, and is listed, in either order (T-06).
fn refused(trusted: &Signer, bad: &Minted, error: verify::Error, reason: Reason, what: &str) {
    let node = Node::from(trusted);
    let public = trusted.public();
    let alone = Ask::about("app").with(bad.clone());
    for answer in [node.ask(&alone), ask_key(&public, &alone)] {
        assert_eq!(answer.error(), Some(error), "{what}");
        assert_eq!(answer.verdict(), deny(reason), "{what}");
        assert_eq!(answer.signed.0, 0, "{what}");
    }
    let good = good(Form::Bundle, trusted);
    let rejected = Standing::Rejected(error);
    for (order, standings) in [
        ([bad.clone(), good.clone()], [rejected, Standing::Accepted]),
        ([good, bad.clone()], [Standing::Accepted, rejected]),
    ] {
        let both = order.into_iter().fold(Ask::about("app"), Ask::with);
        for answer in [node.ask(&both), ask_key(&public, &both)] {
            assert_eq!(answer.verdict(), SIGNED, "{what}, beside good evidence");
            assert_eq!(answer.standings(), standings, "{what}, beside good evidence");
        }
    }
}
