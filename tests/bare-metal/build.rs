//! Hands the linker the memory map of the target's board, and names the golden file to embed.

use std::{env, path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    let target = env::var("TARGET").unwrap_or_default();
    let script = match target.as_str() {
        "thumbv7em-none-eabi" => "thumbv7em.ld",
        "riscv32imac-unknown-none-elf" => "riscv32imac.ld",
        "aarch64-unknown-none" => "aarch64.ld",
        other => {
            eprintln!(
                "no board is described for {other}: add a linker script under link/ and start code under src/machine/"
            );
            return ExitCode::FAILURE;
        }
    };
    let path = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("link");
    println!("cargo:rustc-link-search={}", path.display());
    println!("cargo:rustc-link-arg=-T{script}");
    // The relocations stay in the file (they are not loaded), so that `run` can count the calls of panic functions.
    println!("cargo:rustc-link-arg=--emit-relocs");
    println!("cargo:rerun-if-changed=link");
    println!("cargo:rerun-if-changed=src/machine");
    println!("cargo:rerun-if-env-changed=PULLWARD_GOLDEN");
    ExitCode::SUCCESS
}
