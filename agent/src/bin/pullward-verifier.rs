//! containerd's image verifier: asks the node agent, prints one line, exits 0, 1 or 2.
//!
//! See `pullward::hook` for what it does and what it leaves to the agent.

use std::io::Write as _;
use std::process::exit;
use std::time::Instant;

use pullward::hook::{self, HookError};

fn main() {
    let started = Instant::now();
    // A defect is a denial with a line to show; left alone it would be one without.
    let answer =
        std::panic::catch_unwind(|| hook::run(std::env::args_os().skip(1), std::io::stdin(), started))
            .unwrap_or_else(|_| hook::denial("", &HookError::Internal));
    let mut stdout = std::io::stdout().lock();
    let written = writeln!(stdout, "{}", answer.line).and_then(|()| stdout.flush());
    // Nobody reads: whoever asked is gone. Only a denial is safe then.
    exit(if written.is_ok() { i32::from(answer.exit_code) } else { 2 })
}
