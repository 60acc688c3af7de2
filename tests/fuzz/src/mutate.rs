//! Changes an input by the structure that it has, down through base64.

mod binary;
mod text;
mod value;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::der::Node;

/// SplitMix64: libFuzzer gives the seed of each step, and writes it down.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Of this seed.
    #[must_use]
    pub fn new(seed: u32) -> Self {
        Self(u64::from(seed))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`; 0 where that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.next() % bound as u64) as usize }
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }
}

/// A changed `input`. Parts of `donors`, honest inputs of the same kind, may be in it.
#[must_use]
pub fn mutate(input: &[u8], donors: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut out = input.to_vec();
    // Some findings need several changes at once; most need one.
    for _ in 0..=(random.below(8) / 6) {
        out = once(&out, donors, random, 0);
    }
    out
}

fn once(input: &[u8], donors: &[Vec<u8>], random: &mut Random, depth: usize) -> Vec<u8> {
    if depth < 4 && random.below(16) > 0 {
        let changed = match input.first() {
            Some(b'{' | b'[') => value::change(input, donors, random, depth),
            Some(0x30) => Node::read(input).map(|node| binary::change(node, donors, random)),
            _ if input.windows(2).any(|pair| pair == b"\n\n") => text::change(input, donors, random),
            _ => None,
        };
        if let Some(changed) = changed {
            return changed;
        }
    }
    bytes(input, random)
}

/// What base64 holds, changed, in base64 again; the donors' parts are looked for in what they hold.
fn encoded(text: &str, donors: &[Vec<u8>], random: &mut Random, depth: usize) -> Option<String> {
    let inside = STANDARD.decode(text).ok().filter(|bytes| bytes.len() > 3)?;
    Some(STANDARD.encode(once(&inside, donors, random, depth + 1)))
}

/// Bytes without a structure.
fn bytes(input: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = input.to_vec();
    let place = random.below(out.len());
    match random.below(8) {
        0 => out.insert(place, random.below(256) as u8),
        1 => out.truncate(place),
        2 if !out.is_empty() => drop(out.remove(place)),
        3 => {
            let until = place + random.below(out.len() - place + 1);
            let part = out[place..until].to_vec();
            let other = random.below(out.len());
            drop(out.splice(other..other, part));
        }
        4 if !out.is_empty() => out[place] = [0x00, 0x01, 0x7f, 0x80, 0xff][random.below(5)],
        _ if !out.is_empty() => out[place] ^= 1 << random.below(8),
        _ => out.push(random.below(256) as u8),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Random, mutate};

    #[test]
    fn a_seed_makes_the_same_change_twice() {
        let honest = br#"{"a":"MAMCAQc=","b":[1,2,{"c":"text"}]}"#;
        let donors = [br#"{"a":"MAMCAQg=","d":null}"#.to_vec()];
        let all: Vec<Vec<u8>> =
            (0..500).map(|seed| mutate(honest, &donors, &mut Random::new(seed))).collect();
        let again: Vec<Vec<u8>> =
            (0..500).map(|seed| mutate(honest, &donors, &mut Random::new(seed))).collect();
        assert_eq!(all, again);
        let mut different = all.clone();
        different.sort();
        different.dedup();
        assert!(different.len() > 100, "{}", different.len());
        // The number in the base64 is reached without breaking anything around it.
        assert!(
            all.iter().any(
                |input| input.starts_with(br#"{"a":"MAMCAQ"#) && !input.starts_with(br#"{"a":"MAMCAQc="#)
            )
        );
    }

    #[test]
    fn every_kind_of_input_can_be_changed_and_none_breaks_the_engine() {
        for honest in
            [&b""[..], b"\x30\x00", b"\x30\x03\x02\x01\x07", b"a\n1\n\n\xe2\x80\x94 a AAAA\n", b"{}", b"x"]
        {
            for seed in 0..2_000 {
                drop(mutate(honest, &[b"{\"k\":[1]}".to_vec()], &mut Random::new(seed)));
            }
        }
    }
}
