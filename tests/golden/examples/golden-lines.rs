//! Usage: golden-lines FILE
//!
//! Decides the cases of a golden file on this machine and prints one line for each, as the bare-metal program does behind its
//! `golden ` mark. Exit: 0 all as expected, 1 one is not, 4 the file is damaged.

use std::{
    env, fs,
    io::{self, Write},
    process::ExitCode,
};

use pullward_golden::{
    container::Container,
    runner::{self, Comparison, Memory},
};

fn main() -> io::Result<ExitCode> {
    let Some(path) = env::args_os().nth(1) else {
        writeln!(io::stderr(), "usage: golden-lines FILE")?;
        return Ok(ExitCode::from(64));
    };
    let file = fs::read(&path)?;
    let mut memory = Box::new(Memory::new());
    let mut out = io::stdout().lock();
    let mut different = 0_usize;
    let cases = match Container::open(&file) {
        Ok(container) => container.cases(),
        Err(error) => return damaged(&error),
    };
    for case in cases {
        let case = match case {
            Ok(case) => case,
            Err(error) => return damaged(&error),
        };
        let line = runner::run(&case, &mut memory);
        writeln!(out, "{} {line}", case.name)?;
        if line.compare(&case) == Comparison::Different {
            writeln!(io::stderr(), "different {} is {line} and not {}", case.name, case.expected)?;
            different = different.saturating_add(1);
        }
    }
    Ok(if different == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn damaged(error: &dyn std::error::Error) -> io::Result<ExitCode> {
    writeln!(io::stderr(), "damaged: {error}")?;
    Ok(ExitCode::from(4))
}
