//! Signed notes: lines are removed, doubled, exchanged and replaced, and what their last word encodes is changed.

use super::{Random, bytes, encoded};

pub(super) fn change(input: &[u8], donors: &[Vec<u8>], random: &mut Random) -> Option<Vec<u8>> {
    let text = core::str::from_utf8(input).ok()?;
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let place = random.below(lines.len());
    match random.below(7) {
        0 => drop(lines.remove(place)),
        1 => lines.insert(place, lines[place].clone()),
        2 => {
            let other = random.below(lines.len());
            lines.swap(place, other);
        }
        3 => {
            let donor = random.pick(donors).and_then(|donor| core::str::from_utf8(donor).ok())?;
            let theirs: Vec<&str> = donor.split('\n').collect();
            let line = if random.below(2) == 0 { theirs.get(place) } else { random.pick(&theirs) };
            lines[place] = (*line?).to_owned();
        }
        4 => {
            let (before, word) = lines[place].rsplit_once(' ').unwrap_or(("", &lines[place]));
            let word = encoded(word, donors, random, 3)?;
            lines[place] = if before.is_empty() { word } else { format!("{before} {word}") };
        }
        5 => {
            let number: u64 = lines[place].parse().unwrap_or(0);
            lines[place] = number.wrapping_add(random.below(3) as u64).wrapping_sub(1).to_string();
        }
        _ => lines[place] = String::from_utf8(bytes(lines[place].as_bytes(), random)).ok()?,
    }
    Some(lines.join("\n").into_bytes())
}
