#![no_std]
#![no_main]

mod machine;

use core::fmt::Write;
use machine::{Console, Exit};

fn run(console: &mut Console) -> Exit {
    use sha2::Digest;
    let (h, cost) = machine::measured(|| sha2::Sha256::digest(machine::golden()));
    let _ = writeln!(console, "hello {:?} {} {}", &h[..4], cost.instructions, cost.stack);
    let (_, cost) = machine::measured(|| ());
    let _ = writeln!(console, "nothing {} {}", cost.instructions, cost.stack);
    if machine::golden()[0] == b'!' { let a: fn(u32)->u32 = |x| if x == 0 {0} else {x+1}; fn r(n: u64) -> u64 { let mut b = [n; 64]; core::hint::black_box(&mut b); let x = r(n + 1); core::hint::black_box(&b); x + b[3] } let _ = writeln!(console, "{} {}", r(1), a(1)); }
    if machine::golden()[0] == b'?' { panic!("x") }
    Exit::Equal
}
