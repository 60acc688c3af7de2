//! `cri-pull SOCKET REFERENCE`: pulls an image as kubelet does, through CRI, and prints its id.
//!
//! For the demo and for people who look into a node without `crictl`. A refusal goes to standard error in the
//! runtime's own words. Exit code: 0 pulled, 1 refused, 64 usage.

use std::path::Path;
use std::process::ExitCode;

use pullward_tests::Cri;

const USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [socket, reference] = arguments.as_slice() else {
        say(&mut std::io::stderr(), "usage: cri-pull SOCKET REFERENCE");
        return ExitCode::from(USAGE);
    };
    match Cri::connect(Path::new(socket)).and_then(|cri| cri.pull(reference)) {
        Ok(id) => {
            say(&mut std::io::stdout(), &id);
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&mut std::io::stderr(), &error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// A closed output is no reason to give another exit code.
fn say(to: &mut dyn std::io::Write, line: &str) {
    drop(writeln!(to, "{line}").and_then(|()| to.flush()));
}
