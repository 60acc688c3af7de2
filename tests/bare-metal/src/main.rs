//! The verification core alone on a board: no operating system, no heap, no crate besides the core and its golden runner.
//!
//! It decides the embedded golden cases with the runner that Linux uses, prints for each a `golden` line, which must equal
//! Linux's, and a `cost` line, and ends QEMU with an exit status that is the verdict of the whole run.
#![no_std]
#![no_main]

mod machine;

use core::fmt::{self, Write};

use machine::{Console, Exit, measured};
use pullward_golden::{
    container::{Case, Container, ContainerError},
    runner::{Comparison, Line, Memory},
};

/// What ended the run before its last case.
enum Stop {
    Damaged(ContainerError),
    Console,
}

impl From<ContainerError> for Stop {
    fn from(error: ContainerError) -> Self {
        Self::Damaged(error)
    }
}

impl From<fmt::Error> for Stop {
    fn from(_: fmt::Error) -> Self {
        Self::Console
    }
}

fn run(console: &mut Console, memory: &mut Memory) -> Exit {
    match decide_all(console, memory) {
        Ok(exit) => exit,
        Err(Stop::Damaged(error)) => match writeln!(console, "damaged {error}") {
            Ok(()) | Err(fmt::Error) => Exit::Damaged,
        },
        Err(Stop::Console) => Exit::Console,
    }
}

fn decide_all(console: &mut Console, memory: &mut Memory) -> Result<Exit, Stop> {
    let mut exit = Exit::Equal;
    for case in Container::open(machine::golden())?.cases() {
        let case = case?;
        let (line, cost) = measured(|| answer(&case, memory));
        writeln!(console, "golden {} {line}", case.name)?;
        writeln!(console, "cost {} instructions={} stack={}", case.name, cost.instructions, cost.stack)?;
        if line.compare(&case) == Comparison::Different {
            writeln!(console, "different {} is {line} and not {}", case.name, case.expected)?;
            exit = Exit::Different;
        }
    }
    Ok(exit)
}

#[cfg(not(feature = "harness-only"))]
fn answer(case: &Case<'_>, memory: &mut Memory) -> Line {
    pullward_golden::runner::run(case, memory)
}

/// Every case comes out different here: this image is weighed and not run.
#[cfg(feature = "harness-only")]
fn answer(_: &Case<'_>, _: &mut Memory) -> Line {
    core::hint::black_box(Line::default())
}
