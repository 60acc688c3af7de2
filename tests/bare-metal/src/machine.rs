//! The board: start code, console, exit, stack mark, instruction counter.
//!
//! All `unsafe` of the bare-metal proof is in this module and the three assembly files beside it. They hold nothing that
//! decides: what runs between [`run`]'s two ends is safe code over `pullward-core`.
//!
//! Console and exit are Arm's semihosting calls, which QEMU serves on all three machines ("Semihosting for AArch32 and
//! AArch64", and the RISC-V document that adopts it): the program needs no driver, and the exit status of QEMU is the verdict
//! of the run.

use core::{arch::global_asm, fmt};

use pullward_golden::runner::Memory;

#[cfg(target_arch = "arm")]
global_asm!(include_str!("machine/thumbv7em.s"));
#[cfg(target_arch = "riscv32")]
global_asm!(include_str!("machine/riscv32imac.s"));
#[cfg(target_arch = "aarch64")]
global_asm!(include_str!("machine/aarch64.s"));

/// What the run ends with; QEMU's exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Every case came out as expected.
    Equal = 0,
    /// A case came out otherwise.
    Different = 1,
    /// The program panicked.
    Panic = 2,
    /// The machine faulted: a stack overflow, or an access outside memory.
    Fault = 3,
    /// The embedded golden file is damaged.
    Damaged = 4,
    /// Nothing can be printed.
    Console = 5,
}

// Semihosting operations, with the document's numbers.
const SYS_OPEN: usize = 0x01;
const SYS_WRITE: usize = 0x05;
const SYS_EXIT_EXTENDED: usize = 0x20;
const STOPPED_APPLICATION_EXIT: usize = 0x20026;
/// SYS_OPEN's mode "w"; on the special file ":tt" it is standard output.
const MODE_WRITE: usize = 4;

/// What the stack is painted with; the start code writes the same.
const PAINT: u32 = 0xC5C5_C5C5;

unsafe extern "C" {
    /// The assembly files' trap into QEMU.
    fn semihosting(operation: usize, argument: usize) -> usize;
    safe fn counter_start();
    safe fn counter_read() -> u64;
    safe fn stack_pointer() -> usize;
    static __stack_bottom: u32;
    static __stack_top: u32;
    static __golden_start: u8;
    static __golden_end: u8;
}

/// Standard output of the QEMU that runs us.
pub struct Console {
    handle: usize,
}

impl Console {
    /// Opens QEMU's standard output. Nothing is checked: where it fails, writing fails too, and nothing is printed.
    pub fn open() -> Self {
        let block: [usize; 3] = [c":tt".as_ptr() as usize, MODE_WRITE, 3];
        // SAFETY: SYS_OPEN reads three words: the address of a NUL-ended name, a mode, the name's length. The block and the
        // name outlive the call, and QEMU writes to neither.
        let handle = unsafe { semihosting(SYS_OPEN, block.as_ptr() as usize) };
        Self { handle }
    }
}

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let block: [usize; 3] = [self.handle, text.as_ptr() as usize, text.len()];
        // SAFETY: SYS_WRITE reads three words (handle, address, length) and that many bytes at the address; `text` is borrowed
        // for the whole call. The result is the number of bytes that were not written.
        match unsafe { semihosting(SYS_WRITE, block.as_ptr() as usize) } {
            0 => Ok(()),
            _ => Err(fmt::Error),
        }
    }
}

/// Ends QEMU with this status.
pub fn exit(status: Exit) -> ! {
    let block: [usize; 2] = [STOPPED_APPLICATION_EXIT, status as usize];
    loop {
        // SAFETY: SYS_EXIT_EXTENDED reads two words, a reason and a status; the block outlives the call, which does not return.
        unsafe { semihosting(SYS_EXIT_EXTENDED, block.as_ptr() as usize) };
    }
}

/// What one call cost.
#[derive(Clone, Copy)]
pub struct Cost {
    /// Instructions executed: exact on RISC-V and AArch64, in steps of 40 on the Cortex-M4.
    pub instructions: u64,
    /// Bytes between the top of the stack and the lowest one written, so all frames above the call are included.
    pub stack: usize,
}

/// Runs `work` and measures it.
///
/// A frame that reserves room without writing to it is not seen below its lowest written byte.
pub fn measured<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    repaint();
    counter_start();
    let before = counter_read();
    let result = work();
    let instructions = counter_read().wrapping_sub(before);
    (result, Cost { instructions, stack: high_water() })
}

fn stack_bounds() -> (usize, usize) {
    (&raw const __stack_bottom as usize, &raw const __stack_top as usize)
}

/// Paints all of the stack that is not in use.
#[inline(never)]
fn repaint() {
    let (bottom, _) = stack_bounds();
    let mut at = bottom;
    let end = stack_pointer();
    while at < end {
        // SAFETY: `at` is a multiple of four between the stack's lowest address and this function's stack pointer. That memory
        // belongs to the stack and to no live frame: this function calls nothing here, no interrupt is enabled, and none of the
        // targets has a red zone.
        unsafe { (at as *mut u32).write_volatile(PAINT) };
        at += 4;
    }
}

/// How deep the stack has been since it was last painted.
fn high_water() -> usize {
    let (bottom, top) = stack_bounds();
    let mut at = bottom;
    // SAFETY: `at` is a multiple of four inside the stack's own region.
    while at < top && unsafe { (at as *const u32).read_volatile() } == PAINT {
        at += 4;
    }
    top - at
}

/// The golden cases, in a section of their own so that they do not count as code.
// SAFETY: the section is placed in CODE by link/sections.ld, is read-only and holds nothing else.
#[unsafe(link_section = ".golden")]
#[used]
static GOLDEN: [u8; include_bytes!(env!("PULLWARD_GOLDEN")).len()] = *include_bytes!(env!("PULLWARD_GOLDEN"));

/// The golden file that the build embedded.
///
/// It is reached by the linker's symbols and not by the static's name, so that the compiler cannot decide any part of a case
/// while it builds.
pub fn golden() -> &'static [u8] {
    let (start, end) = (&raw const __golden_start, &raw const __golden_end);
    // SAFETY: link/sections.ld sets both symbols around the section that holds GOLDEN and nothing else; it is never written.
    unsafe { core::slice::from_raw_parts(start, end as usize - start as usize) }
}

/// Where the start code arrives, with the stack painted, `.bss` cleared and `.data` copied.
// SAFETY: the name is this program's own and is defined once.
#[unsafe(no_mangle)]
extern "C" fn bare_main() -> ! {
    // The runner's memory is static, so that the stack's mark is that of the code alone.
    static mut MEMORY: Memory = Memory::new();
    let memory = &raw mut MEMORY;
    // SAFETY: the start code calls this function once, nothing else names the static, and there is one core and no interrupt.
    let memory = unsafe { &mut *memory };
    exit(crate::run(&mut Console::open(), memory))
}

/// Where every exception of the machine arrives, on a fresh stack.
// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn bare_fault() -> ! {
    use fmt::Write;
    match Console::open().write_str("fault\n") {
        // The exit status says it too, should the console be what faulted.
        Ok(()) | Err(fmt::Error) => exit(Exit::Fault),
    }
}

#[panic_handler]
fn panic(panic: &core::panic::PanicInfo<'_>) -> ! {
    use fmt::Write;
    let mut console = Console::open();
    let said = match panic.location() {
        Some(place) => writeln!(console, "panic file={} line={}", place.file(), place.line()),
        None => console.write_str("panic\n"),
    };
    match said {
        Ok(()) | Err(fmt::Error) => exit(Exit::Panic),
    }
}
