//! How many distinct authorities can sign, where some share a key.

use std::collections::{BTreeMap, BTreeSet};

use pullward_core::oci::Digest;

/// The most authorities that can each sign with a key of their own.
///
/// A key that stands under two names counts once (T-19), so the question is how many pairs of one
/// authority and one key there can be with nobody in two pairs: a maximum matching, found by
/// giving a key away whenever its holder can take another.
pub(super) fn distinct_signers(authorities: &[&BTreeSet<Digest>]) -> usize {
    let mut holder: BTreeMap<Digest, usize> = BTreeMap::new();
    (0..authorities.len())
        .filter(|&authority| take(authority, authorities, &mut holder, &mut BTreeSet::new()))
        .count()
}

fn take(
    authority: usize,
    authorities: &[&BTreeSet<Digest>],
    holder: &mut BTreeMap<Digest, usize>,
    asked: &mut BTreeSet<Digest>,
) -> bool {
    let Some(keys) = authorities.get(authority) else { return false };
    for &key in *keys {
        if !asked.insert(key) {
            continue;
        }
        let free = match holder.get(&key).copied() {
            None => true,
            // Depth is bounded by the authorities of one rule: each step asks for another key.
            Some(other) => take(other, authorities, holder, asked),
        };
        if free {
            holder.insert(key, authority);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::distinct_signers;
    use pullward_core::oci::Digest;

    #[test]
    fn shared_keys_count_once() {
        let keys =
            |names: &[&str]| names.iter().map(|name| Digest::of(name.as_bytes())).collect::<BTreeSet<_>>();
        for (authorities, possible) in [
            (vec![], 0),
            (vec![keys(&[])], 0),
            (vec![keys(&["1"]), keys(&["2"])], 2),
            (vec![keys(&["1"]), keys(&["1"])], 1),
            (vec![keys(&["1"]), keys(&["1"]), keys(&["2", "3"])], 2),
            (vec![keys(&["1", "2"]), keys(&["1"])], 2),
            (vec![keys(&["1", "2"]), keys(&["1"]), keys(&["2"])], 2),
            (vec![keys(&["1", "2"]), keys(&["1", "3"]), keys(&["1"])], 3),
        ] {
            let sets: Vec<&BTreeSet<Digest>> = authorities.iter().collect();
            assert_eq!(distinct_signers(&sets), possible, "{authorities:?}");
        }
    }
}
