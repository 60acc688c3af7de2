//! DER as a tree that can be changed and written again.

/// One element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) tag: u8,
    pub(crate) content: Content,
}

/// What is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Bytes(Vec<u8>),
    /// Elements, behind bytes that are none: the count of unused bits of a BIT STRING.
    Nodes(Vec<u8>, Vec<Node>),
}

impl Node {
    /// Reads exactly one element.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        match Self::read_all(bytes, 0)?.as_slice() {
            [node] => Some(node.clone()),
            _ => None,
        }
    }

    fn read_all(mut bytes: &[u8], depth: usize) -> Option<Vec<Self>> {
        let mut nodes = Vec::new();
        while let [tag, first, rest @ ..] = bytes {
            let (length, rest) = match first {
                0..=0x7f => (usize::from(*first), rest),
                0x81 => (usize::from(*rest.first()?), &rest[1..]),
                0x82 => (usize::from(u16::from_be_bytes(rest.get(..2)?.try_into().ok()?)), &rest[2..]),
                _ => return None,
            };
            let (content, rest) = rest.split_at_checked(length)?;
            nodes.push(Self { tag: *tag, content: Content::read(*tag, content, depth) });
            bytes = rest;
        }
        bytes.is_empty().then_some(nodes)
    }

    /// Its bytes, lengths in their shortest form.
    pub(crate) fn write(&self) -> Vec<u8> {
        let content = match &self.content {
            Content::Bytes(bytes) => bytes.clone(),
            Content::Nodes(before, nodes) => {
                before.iter().copied().chain(nodes.iter().flat_map(Self::write)).collect()
            }
        };
        let mut out = vec![self.tag];
        match content.len() {
            length @ 0..=0x7f => out.push(length as u8),
            length @ 0x80..=0xff => out.extend([0x81, length as u8]),
            length => out.extend([0x82, (length >> 8) as u8, length as u8]),
        }
        out.extend(content);
        out
    }

    /// The elements in it.
    pub(crate) fn nodes(&self) -> &[Self] {
        match &self.content {
            Content::Bytes(_) => &[],
            Content::Nodes(_, nodes) => nodes,
        }
    }

    /// The elements in it, for a change.
    pub(crate) fn nodes_mut(&mut self) -> Option<&mut Vec<Self>> {
        match &mut self.content {
            Content::Bytes(_) => None,
            Content::Nodes(_, nodes) => Some(nodes),
        }
    }

    /// How many elements it is, itself included.
    pub(crate) fn count(&self) -> usize {
        1 + self.nodes().iter().map(Self::count).sum::<usize>()
    }

    /// The element at a place in the order in which they are written.
    pub(crate) fn at(&mut self, place: usize) -> Option<&mut Self> {
        if place == 0 {
            return Some(self);
        }
        let mut left = place - 1;
        for node in self.nodes_mut()? {
            let count = node.count();
            if left < count {
                return node.at(left);
            }
            left -= count;
        }
        None
    }
}

impl Content {
    fn read(tag: u8, bytes: &[u8], depth: usize) -> Self {
        // Content that is no list of elements stays what it is: not every element of a token is read by whoever accepts it.
        if depth < 24 && tag & 0x20 != 0 {
            if let Some(nodes) = Node::read_all(bytes, depth + 1) {
                return Self::Nodes(Vec::new(), nodes);
            }
        }
        let inside = match tag {
            0x04 => Some((0, bytes)),
            0x03 => bytes.split_first().filter(|(unused, _)| **unused == 0).map(|(_, rest)| (1, rest)),
            _ => None,
        };
        if let Some((skipped, inside)) = inside.filter(|(_, inside)| depth < 24 && inside.len() > 1) {
            if let Some(nodes) = Node::read_all(inside, depth + 1) {
                return Self::Nodes(bytes[..skipped].to_vec(), nodes);
            }
        }
        Self::Bytes(bytes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::Node;

    #[test]
    fn what_is_read_is_written_again() {
        let der = [0x30, 0x0a, 0x04, 0x03, 0x02, 0x01, 0x07, 0x03, 0x03, 0x00, 0x05, 0x00];
        let mut node = Node::read(&der).unwrap();
        assert_eq!(node.count(), 5);
        assert_eq!(node.at(2).unwrap().tag, 0x02);
        assert_eq!(node.at(5), None);
        assert_eq!(node.write(), der);
        assert_eq!(Node::read(&der[..11]), None);
    }
}
