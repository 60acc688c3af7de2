//! Merkle trees of transparency logs (RFC 9162 section 2.1, with SHA-256): inclusion and consistency proofs.
//!
//! A proof is only ever folded into a root, and the root compared with one that came from elsewhere: no hash that a
//! proof brings is believed for itself (T-36). The length of a proof is fixed by index and size, and another length is
//! an error (T-37, T-38). All sizes are `u64` and all arithmetic is total: there is no size that panics.
//!
//! Subtrees are those of the Merkle tree certificates draft (draft-ietf-plants-merkle-tree-certs, "Subtrees"): a range
//! `[start, end)` whose start is a multiple of the smallest power of two that holds it. A whole tree is the subtree
//! that starts at 0, so there is one algorithm for both.
//!
//! What this does *not* check: that a log has signed the root. That is `checkpoint`.

use core::ops::Range;

use sha2::{Digest as _, Sha256};

/// A node's hash.
pub type Hash = [u8; 32];

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// An index that the tree does not have, a tree that is smaller than it was, or a range that is no subtree.
    Range,
    /// More or fewer hashes than index and size demand.
    Length,
    /// The hashes lead to another root.
    Root,
}

/// The hash of a leaf: SHA-256 over a zero byte and the entry.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new_with_prefix([0]).chain_update(entry).finalize().into()
}

/// The hash of an inner node.
fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new_with_prefix([1]).chain_update(left).chain_update(right).finalize().into()
}

/// Checks that the tree of `size` leaves with this `root` has `leaf` at `index` (RFC 9162 section 2.1.3.2).
///
/// # Errors
/// [`Error`].
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), Error> {
    let mut last = size.checked_sub(1).filter(|last| index <= *last).ok_or(Error::Range)?;
    let mut at = index;
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(Error::Length);
        }
        if is_right(at) || at == last {
            hash = node_hash(sibling, &hash);
            // The last node of an odd level moves up without a sibling.
            let levels = if is_right(at) { 0 } else { at.trailing_zeros() };
            at = shift(at, levels);
            last = shift(last, levels);
        } else {
            hash = node_hash(&hash, sibling);
        }
        at = shift(at, 1);
        last = shift(last, 1);
    }
    if last != 0 {
        return Err(Error::Length);
    }
    if hash == *root { Ok(()) } else { Err(Error::Root) }
}

/// Checks that the subtree `range` with this `root` has `leaf` at `index` of the whole tree.
///
/// # Errors
/// [`Error`].
pub fn verify_subtree_inclusion(
    leaf: &Hash,
    index: u64,
    range: &Range<u64>,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), Error> {
    let size = subtree_size(range)?;
    let index = index.checked_sub(range.start).ok_or(Error::Range)?;
    verify_inclusion(leaf, index, size, proof, root)
}

/// Checks that the tree of `size` leaves with `root` continues the one of `old_size` leaves with `old_root` (RFC 9162
/// section 2.1.4.2). The empty tree has no root that could be continued.
///
/// # Errors
/// [`Error`].
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    size: u64,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), Error> {
    if old_size == 0 {
        return Err(Error::Range);
    }
    verify_subtree_consistency(&(0..old_size), old_root, size, root, proof)
}

/// Checks that the tree of `size` leaves with `root` contains the subtree `range` with `old_root`. Every tree contains
/// the empty subtree, whose root is the hash of nothing; that says nothing about `root`.
///
/// # Errors
/// [`Error`].
pub fn verify_subtree_consistency(
    range: &Range<u64>,
    old_root: &Hash,
    size: u64,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), Error> {
    if range.start == range.end && range.end <= size {
        let nothing: Hash = Sha256::digest([]).into();
        return match (proof, *old_root == nothing) {
            ([], true) => Ok(()),
            ([], false) => Err(Error::Root),
            _ => Err(Error::Length),
        };
    }
    subtree_size(range)?;
    let mut first = range.start;
    let mut last = range.end.checked_sub(1).ok_or(Error::Range)?;
    let mut top = size.checked_sub(1).filter(|top| last <= *top).ok_or(Error::Range)?;
    // Up to the largest node of the subtree that is a node of the tree too: the proof starts there.
    while first != last && (last == top || is_right(last)) {
        (first, last, top) = (shift(first, 1), shift(last, 1), shift(top, 1));
    }
    let (mut old, rest) = if first == last {
        (*old_root, proof)
    } else {
        let (start, rest) = proof.split_first().ok_or(Error::Length)?;
        (*start, rest)
    };
    let mut new = old;
    for sibling in rest {
        if top == 0 {
            return Err(Error::Length);
        }
        if is_right(last) || last == top {
            if first < last {
                old = node_hash(sibling, &old);
            }
            new = node_hash(sibling, &new);
            let levels = if is_right(last) { 0 } else { last.trailing_zeros() };
            (first, last, top) = (shift(first, levels), shift(last, levels), shift(top, levels));
        } else {
            new = node_hash(&new, sibling);
        }
        (first, last, top) = (shift(first, 1), shift(last, 1), shift(top, 1));
    }
    if top != 0 {
        return Err(Error::Length);
    }
    if old == *old_root && new == *root { Ok(()) } else { Err(Error::Root) }
}

/// Leaves of a subtree; an error for a range that is none.
fn subtree_size(range: &Range<u64>) -> Result<u64, Error> {
    let size = range.end.checked_sub(range.start).filter(|size| *size > 0).ok_or(Error::Range)?;
    // Beyond 2^63 leaves only the range that starts at 0 is a subtree.
    let aligned = match size.checked_next_power_of_two() {
        Some(width) => range.start & width.wrapping_sub(1) == 0,
        None => range.start == 0,
    };
    if aligned { Ok(size) } else { Err(Error::Range) }
}

/// Whether a node is the right child of its parent.
fn is_right(index: u64) -> bool {
    index & 1 == 1
}

/// A node's ancestor, `levels` up. Past the top there is only the root.
fn shift(index: u64, levels: u32) -> u64 {
    index.checked_shr(levels).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{
        Error, Hash, leaf_hash, verify_consistency, verify_inclusion, verify_subtree_consistency,
        verify_subtree_inclusion,
    };
    use crate::tlog::test_log::{proof_of, root_of, sha256};

    extern crate std;
    use std::vec::Vec;

    fn leaves(size: usize) -> Vec<Hash> {
        (0..size).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    fn wide(number: usize) -> u64 {
        u64::try_from(number).unwrap()
    }

    #[test]
    fn every_leaf_of_every_small_tree_is_proven_in_its_place_only() {
        for size in 1..=65 {
            let leaves = leaves(size);
            let root = root_of(&leaves);
            for (index, leaf) in leaves.iter().enumerate() {
                let proof = proof_of(index, &leaves);
                let ask = |leaf, at: usize, size: usize| {
                    verify_inclusion(leaf, wide(at), wide(size), &proof, &root)
                };
                assert_eq!(ask(leaf, index, size), Ok(()), "{index} of {size}");
                for other in (0..size).filter(|other| *other != index) {
                    assert_ne!(ask(leaf, other, size), Ok(()), "{index} as {other} of {size}");
                    assert_eq!(ask(&leaves[other], index, size), Err(Error::Root), "{other} at {index}");
                }
                assert_eq!(ask(leaf, size, size), Err(Error::Range));
            }
        }
    }

    #[test]
    fn no_bit_and_no_hash_of_a_proof_may_change() {
        for (index, size) in [(0, 4096), (4095, 4096), (2731, 4095), (4000, 4001), (5, 11), (0, 1)] {
            let leaves = leaves(size);
            let root = root_of(&leaves);
            let (index_, size_) = (wide(index), wide(size));
            let ask = |proof: &[Hash]| verify_inclusion(&leaves[index], index_, size_, proof, &root);
            let good = proof_of(index, &leaves);
            assert_eq!(ask(&good), Ok(()));
            for place in 0..good.len() {
                for bit in 0..256 {
                    let mut bad = good.clone();
                    bad[place][bit / 8] ^= 1 << (bit % 8);
                    assert_eq!(ask(&bad), Err(Error::Root), "{place} {bit}");
                }
                let mut missing = good.clone();
                missing.remove(place);
                assert_eq!(ask(&missing), Err(Error::Length));
                let mut twice = good.clone();
                twice.insert(place, good[place]);
                assert_eq!(ask(&twice), Err(Error::Length));
                let mut reordered = good.clone();
                reordered.rotate_left(1);
                assert!(good.len() == 1 || ask(&reordered) == Err(Error::Root));
            }
            let longer = [&good[..], &[root]].concat();
            assert_eq!(ask(&longer), Err(Error::Length));
        }
    }

    #[test]
    fn no_size_and_no_index_panics() {
        let hashes = [sha256("x"); 65];
        let edges = [0, 1, 2, 3, 1 << 62, 1 << 63, (1 << 63) + 1, u64::MAX - 1, u64::MAX];
        for size in edges {
            for index in edges {
                for length in [0, 1, 62, 63, 64, 65] {
                    let proof = &hashes[..length];
                    let root = sha256("root");
                    assert_ne!(verify_inclusion(&hashes[0], index, size, proof, &root), Ok(()));
                    assert_ne!(verify_consistency(index, &hashes[0], size, &root, proof), Ok(()));
                    for end in edges {
                        let range = &(index..end);
                        assert_ne!(verify_subtree_inclusion(&hashes[0], size, range, proof, &root), Ok(()));
                        assert_ne!(verify_subtree_consistency(range, &hashes[0], size, &root, proof), Ok(()));
                    }
                }
            }
        }
        // The longest proof there is.
        let last = u64::MAX - 1;
        assert_eq!(verify_inclusion(&hashes[0], 0, u64::MAX, &hashes[..64], &hashes[0]), Err(Error::Root));
        assert_eq!(verify_inclusion(&hashes[0], 0, u64::MAX, &hashes[..63], &hashes[0]), Err(Error::Length));
        assert_eq!(verify_inclusion(&hashes[0], last, last, &hashes, &hashes[0]), Err(Error::Range));
    }

    #[test]
    fn a_tree_continues_only_what_it_was() {
        for size in 1..=33_usize {
            let leaves = leaves(size);
            let (root, other) = (root_of(&leaves), sha256("other"));
            for old in 1..=size {
                let old_root = root_of(&leaves[..old]);
                let proof = consistency_of(old, &leaves, true);
                let ask = |old: usize, old_root, size: usize, proof: &[Hash]| {
                    verify_consistency(wide(old), old_root, wide(size), &root, proof)
                };
                assert_eq!(ask(old, &old_root, size, &proof), Ok(()), "{old} to {size}");
                assert_eq!(ask(old, &other, size, &proof), Err(Error::Root), "{old} to {size}");
                assert_eq!(ask(old, &old_root, size, &[&proof[..], &[root]].concat()), Err(Error::Length));
                for place in 0..proof.len() {
                    let mut bad = proof.clone();
                    bad[place][0] ^= 1;
                    assert_eq!(ask(old, &old_root, size, &bad), Err(Error::Root), "{old} to {size}");
                    bad.remove(place);
                    assert_eq!(ask(old, &old_root, size, &bad), Err(Error::Length), "{old} to {size}");
                }
                assert_eq!(ask(size + 1, &old_root, size, &proof), Err(Error::Range));
                assert_eq!(ask(0, &old_root, size, &proof), Err(Error::Range));
            }
        }
    }

    /// RFC 9162 section 2.1.4.1, by its definition.
    fn consistency_of(old: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
        if old == leaves.len() {
            return if known { Vec::new() } else { std::vec![root_of(leaves)] };
        }
        let half = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(half);
        let (mut proof, sibling) = if old <= half {
            (consistency_of(old, left, known), root_of(right))
        } else {
            (consistency_of(old.wrapping_sub(half), right, false), root_of(left))
        };
        proof.push(sibling);
        proof
    }
}
