//! Randomness that can be had a second time.

use core::convert::Infallible;

use sha2::{Digest as _, Sha256};

/// SHA-256 in counter mode over a seed.
#[derive(Debug, Clone)]
pub struct Random {
    seed: [u8; 32],
    counter: u64,
}

impl Random {
    /// A generator for the test `name`: from `PULLWARD_SEED` (64 hex digits) where it is set, else from the
    /// operating system. Prints the seed.
    #[must_use]
    pub fn for_test(name: &str) -> Self {
        let mut seed = [0; 32];
        match std::env::var("PULLWARD_SEED") {
            Ok(text) => {
                let digits = text.as_bytes();
                assert_eq!(digits.len(), 64, "PULLWARD_SEED has 64 hex digits");
                for (slot, pair) in seed.iter_mut().zip(text.as_bytes().chunks(2)) {
                    let pair = core::str::from_utf8(pair).unwrap();
                    *slot = u8::from_str_radix(pair, 16).unwrap();
                }
            }
            Err(_) => getrandom::fill(&mut seed).unwrap(),
        }
        println!("{name}: PULLWARD_SEED={}", hex(&seed));
        let seed = Sha256::new().chain_update(seed).chain_update(name).finalize().into();
        Self { seed, counter: 0 }
    }

    /// Bytes.
    #[must_use]
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut out = vec![0; count];
        self.fill(&mut out);
        out
    }

    /// Fills a buffer.
    pub fn fill(&mut self, out: &mut [u8]) {
        for part in out.chunks_mut(32) {
            let block =
                Sha256::new().chain_update(self.seed).chain_update(self.counter.to_le_bytes()).finalize();
            self.counter += 1;
            part.copy_from_slice(&block[..part.len()]);
        }
    }

    /// A number below `end`; slightly uneven, which no test minds.
    #[must_use]
    pub fn below(&mut self, end: usize) -> usize {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        let end = u64::try_from(end.max(1)).unwrap();
        usize::try_from(u64::from_le_bytes(bytes) % end).unwrap()
    }
}

impl rand_core::TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.fill(out);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Random {}

/// Lower-case hex.
#[must_use]
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
