//! Writing a golden file: the only place besides the reader that knows its layout.

extern crate std;

use std::{collections::BTreeSet, string::String, vec::Vec};

use crate::container::{Authority, Case, Container, ContainerError, Evidence, MAGIC, Tag};

/// A case before it is written; the fields are those of [`Case`].
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// The claim; unique.
    pub name: &'a str,
    /// The answer, written by hand.
    pub expected: &'a str,
    /// The reference as a hook would get it.
    pub reference: &'a str,
    /// The digest as a hook would get it.
    pub digest: &'a str,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub time: i64,
    /// Which hook asks.
    pub hook: &'a str,
    /// The pod's namespace, where the hook knows it.
    pub pod_namespace: Option<&'a str>,
    /// Trust bundle or key.
    pub authority: Authority<'a>,
    /// The state of a prior receipt, where there is one.
    pub receipt: Option<&'a str>,
    /// The pieces of evidence in the order in which a node would find them.
    pub evidence: &'a [Evidence<'a>],
}

/// Why rows cannot become a golden file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// Two rows have this name: a line of the output would not say which.
    NameTwice(String),
    /// A name is empty or has something else than `a-z`, `0-9` and `-`: it is one word of a line.
    Name(String),
    /// This row is larger than a file can say (4 GiB).
    Size(String),
    /// What was written does not read back.
    ReadBack(ContainerError),
}

/// Lays the rows out as one golden file, and reads it back before handing it over.
///
/// # Errors
/// [`WriteError`]; nothing is returned then.
pub fn write(rows: &[Row<'_>]) -> Result<Vec<u8>, WriteError> {
    let mut names = BTreeSet::new();
    let mut file = Vec::from(MAGIC.as_slice());
    file.extend(length(rows.len(), "all rows")?);
    for row in rows {
        if row.name.is_empty() || !row.name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
            return Err(WriteError::Name(row.name.into()));
        }
        if !names.insert(row.name) {
            return Err(WriteError::NameTwice(row.name.into()));
        }
        let mut fields = Vec::new();
        let mut field = |tag: Tag, bytes: &[u8]| {
            fields.push(tag as u8);
            part(&mut fields, bytes, row.name)
        };
        field(Tag::Name, row.name.as_bytes())?;
        field(Tag::Expected, row.expected.as_bytes())?;
        field(Tag::Reference, row.reference.as_bytes())?;
        field(Tag::Digest, row.digest.as_bytes())?;
        field(Tag::Time, &row.time.to_le_bytes())?;
        field(Tag::Hook, row.hook.as_bytes())?;
        if let Some(namespace) = row.pod_namespace {
            field(Tag::PodNamespace, namespace.as_bytes())?;
        }
        match row.authority {
            Authority::Trust(payload) => field(Tag::Trust, payload)?,
            Authority::Key(pem) => field(Tag::Key, pem)?,
        }
        if let Some(receipt) = row.receipt {
            field(Tag::Receipt, receipt.as_bytes())?;
        }
        for evidence in row.evidence {
            let mut value = Vec::from([evidence.format()]);
            match *evidence {
                Evidence::SimpleSigning { payload, signature } => {
                    part(&mut value, payload, row.name)?;
                    part(&mut value, signature.as_bytes(), row.name)?;
                }
                Evidence::Bundle(json) => part(&mut value, json, row.name)?,
            }
            field(Tag::Evidence, &value)?;
        }
        part(&mut file, &fields, row.name)?;
    }
    read_back(&file).map_err(WriteError::ReadBack)?;
    Ok(file)
}

fn read_back(file: &[u8]) -> Result<(), ContainerError> {
    Container::open(file)?.cases().try_for_each(|case: Result<Case<'_>, _>| case.map(drop))
}

fn part(out: &mut Vec<u8>, bytes: &[u8], row: &str) -> Result<(), WriteError> {
    out.extend(length(bytes.len(), row)?);
    out.extend(bytes);
    Ok(())
}

fn length(length: usize, row: &str) -> Result<[u8; 4], WriteError> {
    u32::try_from(length).map(u32::to_le_bytes).map_err(|_| WriteError::Size(row.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    const EVIDENCE: &[Evidence<'_>] = &[
        Evidence::SimpleSigning { payload: b"{}", signature: "MEUC" },
        Evidence::Bundle(b"{\"mediaType\":\"x\"}"),
    ];

    fn full() -> Row<'static> {
        Row {
            name: "signed-by-the-key",
            expected: "allow",
            reference: "docker.io/library/nginx:1",
            digest: "sha256:00",
            time: -1,
            hook: "verifier",
            pod_namespace: Some("demo"),
            authority: Authority::Trust(b"{\"schema\":1}"),
            receipt: Some("allow"),
            evidence: EVIDENCE,
        }
    }

    fn least() -> Row<'static> {
        Row {
            name: "least",
            pod_namespace: None,
            authority: Authority::Key(b"-----BEGIN"),
            receipt: None,
            evidence: &[],
            ..full()
        }
    }

    fn read(file: &[u8]) -> Result<Vec<Case<'_>>, ContainerError> {
        Container::open(file)?.cases().collect()
    }

    /// One case made of raw fields.
    fn file_of(fields: &[(u8, &[u8])]) -> Vec<u8> {
        let mut case = Vec::new();
        for (tag, bytes) in fields {
            case.push(*tag);
            part(&mut case, bytes, "").unwrap();
        }
        let mut file = Vec::from(MAGIC.as_slice());
        file.extend(1u32.to_le_bytes());
        part(&mut file, &case, "").unwrap();
        file
    }

    const LEAST: [(u8, &[u8]); 7] =
        [(1, b"n"), (2, b"e"), (3, b"r"), (4, b"d"), (5, &[0; 8]), (6, b"h"), (8, b"t")];

    #[test]
    fn every_field_comes_back() {
        let file = write(&[full(), least()]).unwrap();
        let cases = read(&file).unwrap();
        let (first, second) = (&cases[0], &cases[1]);
        assert_eq!((first.name, first.expected), ("signed-by-the-key", "allow"));
        assert_eq!((first.reference, first.digest), ("docker.io/library/nginx:1", "sha256:00"));
        assert_eq!((first.time, first.hook, first.pod_namespace), (-1, "verifier", Some("demo")));
        assert_eq!(first.authority, Authority::Trust(b"{\"schema\":1}"));
        assert_eq!(first.receipt, Some("allow"));
        assert_eq!(first.evidence().collect::<Vec<_>>(), EVIDENCE);
        assert_eq!((second.pod_namespace, second.receipt), (None, None));
        assert_eq!(second.authority, Authority::Key(b"-----BEGIN"));
        assert_eq!(second.evidence().count(), 0);
        assert_eq!(cases.len(), 2);
    }

    #[test]
    fn every_truncation_is_refused() {
        let file = write(&[full(), least()]).unwrap();
        for end in 0..file.len() {
            let error = read(&file[..end]).err();
            let expected = if end < MAGIC.len() { ContainerError::Magic } else { ContainerError::Truncated };
            assert_eq!(error, Some(expected), "cut at {end}");
        }
    }

    #[test]
    fn no_changed_byte_makes_the_reader_panic() {
        let file = write(&[full(), least()]).unwrap();
        for at in 0..file.len() {
            for value in [0, 1, 2, 0x7f, 0x80, 0xff] {
                let mut damaged = file.clone();
                damaged[at] = value;
                if let Ok(cases) = read(&damaged) {
                    assert!(cases.iter().map(|case| case.evidence().count()).sum::<usize>() <= 2);
                }
            }
        }
    }

    #[test]
    fn a_case_that_is_shorter_than_its_length_is_refused() {
        let mut file = write(&[least()]).unwrap();
        let last = file.len() - 1;
        file.truncate(last);
        let case = file[13] - 1;
        file[13] = case;
        assert_eq!(read(&file).err(), Some(ContainerError::Truncated));
    }

    #[test]
    fn bytes_behind_the_last_case_are_refused() {
        let mut file = write(&[least()]).unwrap();
        file.push(0);
        assert_eq!(read(&file).err(), Some(ContainerError::Trailing));
    }

    #[test]
    fn nothing_follows_an_error() {
        let mut file = write(&[least()]).unwrap();
        file.push(0);
        let results: Vec<_> = Container::open(&file).unwrap().cases().take(9).collect();
        assert_eq!(results.len(), 2);
    }

    #[test]
    fn another_version_is_refused() {
        let mut file = write(&[least()]).unwrap();
        file[8] = 2;
        assert_eq!(read(&file).err(), Some(ContainerError::Magic));
    }

    #[test]
    fn the_smallest_case_is_read() {
        assert_eq!(read(&file_of(&LEAST)).map(|cases| cases.len()), Ok(1));
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let mut fields = vec![(0, &b""[..])];
        fields.extend(LEAST);
        assert_eq!(read(&file_of(&fields)).err(), Some(ContainerError::UnknownField(0)));
        let mut fields = Vec::from(LEAST);
        fields.push((12, b""));
        assert_eq!(read(&file_of(&fields)).err(), Some(ContainerError::UnknownField(12)));
    }

    #[test]
    fn a_repeated_field_is_refused() {
        let mut fields = Vec::from(LEAST);
        fields.insert(1, (1, b"n"));
        assert_eq!(read(&file_of(&fields)).err(), Some(ContainerError::Order(1)));
    }

    #[test]
    fn a_field_behind_the_evidence_is_refused() {
        let mut fields = Vec::from(LEAST);
        fields.extend([(11, &[2, 0, 0, 0, 0][..]), (10, b"")]);
        assert_eq!(read(&file_of(&fields)).err(), Some(ContainerError::Order(10)));
    }

    #[test]
    fn each_required_field_is_required() {
        for (at, (tag, _)) in LEAST.iter().enumerate().take(6) {
            let mut fields = Vec::from(LEAST);
            fields.remove(at);
            assert_eq!(read(&file_of(&fields)).err(), Some(ContainerError::Missing(*tag)));
        }
    }

    #[test]
    fn a_case_without_trust_and_key_is_refused() {
        assert_eq!(read(&file_of(&LEAST[..6])).err(), Some(ContainerError::Authority));
    }

    #[test]
    fn a_case_with_trust_and_key_is_refused() {
        let mut fields = Vec::from(LEAST);
        fields.push((9, b"k"));
        assert_eq!(read(&file_of(&fields)).err(), Some(ContainerError::Authority));
    }

    #[test]
    fn a_time_of_seven_bytes_is_refused() {
        let mut fields = Vec::from(LEAST);
        fields[4] = (5, &[0; 7]);
        assert_eq!(read(&file_of(&fields)).err(), Some(ContainerError::Value(5)));
    }

    #[test]
    fn a_text_that_is_not_utf8_is_refused() {
        let mut fields = Vec::from(LEAST);
        fields[2] = (3, b"\xff");
        assert_eq!(read(&file_of(&fields)).err(), Some(ContainerError::Value(3)));
    }

    #[test]
    fn evidence_of_an_unknown_format_is_refused() {
        let mut fields = Vec::from(LEAST);
        fields.push((11, &[3, 0, 0, 0, 0]));
        assert_eq!(read(&file_of(&fields)).err(), Some(ContainerError::UnknownFormat(3)));
    }

    #[test]
    fn evidence_without_a_format_is_refused() {
        let mut fields = Vec::from(LEAST);
        fields.push((11, b""));
        assert_eq!(read(&file_of(&fields)).err(), Some(ContainerError::Truncated));
    }

    #[test]
    fn evidence_with_a_part_too_many_is_refused() {
        let mut fields = Vec::from(LEAST);
        fields.push((11, &[2, 0, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(read(&file_of(&fields)).err(), Some(ContainerError::Trailing));
    }

    #[test]
    fn two_rows_of_one_name_are_refused() {
        assert_eq!(write(&[least(), least()]), Err(WriteError::NameTwice("least".into())));
    }

    #[test]
    fn a_name_of_two_words_is_refused() {
        for name in ["two words", "", "Upper", "line\n"] {
            assert_eq!(write(&[Row { name, ..least() }]), Err(WriteError::Name(name.into())));
        }
    }
}
