//! DER: elements are removed, doubled, exchanged and replaced, with the lengths around them right or wrong.

use super::{Random, bytes};
use crate::der::{Content, Node};

pub(super) fn change(mut node: Node, donors: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let count = node.count();
    let place = random.below(count);
    match random.below(10) {
        0 => within(&mut node, place, random, |nodes, n, _| drop(nodes.remove(n))),
        1 => within(&mut node, place, random, |nodes, n, _| nodes.insert(n, nodes[n].clone())),
        2 => within(&mut node, place, random, |nodes, n, random| {
            let other = random.below(nodes.len());
            nodes.swap(n, other);
        }),
        3 => {
            let other = node.at(random.below(count)).cloned();
            if let (Some(here), Some(other)) = (node.at(place), other) {
                *here = other;
            }
        }
        4 => {
            let donor = random.pick(donors).and_then(|donor| Node::read(donor));
            if let (Some(mut donor), Some(here)) = (donor, node.at(place)) {
                // The same kind of element fits where any other would be refused by its tag alone.
                let alike: Vec<usize> = (0..donor.count())
                    .filter(|n| donor.at(*n).is_some_and(|node| node.tag == here.tag))
                    .collect();
                if let Some(taken) = random.pick(&alike).and_then(|n| donor.at(*n)) {
                    *here = taken.clone();
                }
            }
        }
        5 => {
            if let Some(here) = node.at(place) {
                let tags =
                    [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x17, 0x18, 0x30, 0x31, 0x80, 0xa0, 0xa3];
                here.tag = tags[random.below(tags.len())];
            }
        }
        6 => {
            // A length that is longer than it has to be, or wrong.
            let mut out = node.write();
            let until = out.len().min(40 + random.below(out.len().max(1)));
            let at = random.below(until);
            if let Some(byte) = out.get_mut(at) {
                *byte = byte.wrapping_add([1, 0xff, 0x80][random.below(3)]);
            }
            return out;
        }
        _ => {
            if let Some(here) = node.at(place) {
                if let Content::Bytes(content) = &here.content {
                    here.content = Content::Bytes(bytes(content, random));
                } else if let Some(nodes) = here.nodes_mut() {
                    nodes.push(Node { tag: 0x05, content: Content::Bytes(Vec::new()) });
                }
            }
        }
    }
    node.write()
}

fn within(
    node: &mut Node,
    place: usize,
    random: &mut Random,
    change: impl FnOnce(&mut Vec<Node>, usize, &mut Random),
) {
    let nodes = node.at(place).and_then(Node::nodes_mut).filter(|nodes| !nodes.is_empty());
    if let Some(nodes) = nodes {
        let n = random.below(nodes.len());
        change(nodes, n, random);
    }
}
