//! The host-target proof that `pullward-core` and everything under it is `no_std` without an allocator.
//!
//! This library defines the panic handler itself. If anything below it links `std`, there are two and the build stops with
//! E0152 (duplicate lang item); if anything needs an allocator, there is none and the build stops with "no global memory
//! allocator found". Nothing is run: that it builds is the result. `tests/bare-metal` is the proof on machines.
#![no_std]

#[cfg(feature = "control-alloc")]
extern crate alloc as _;
#[cfg(feature = "control-std")]
extern crate std as _;

use pullward_core as _;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
