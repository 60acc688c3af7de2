//! Writing a golden file: the only place besides the reader that knows its layout.

extern crate std;

use std::{collections::BTreeSet, string::String, vec::Vec};

use pullward_core::verify::{Annotations, Evidence};

use crate::container::{BUNDLE, Case, Container, ContainerError, ENVELOPE, MAGIC, SIMPLE_SIGNING, Tag};

/// A case before it is written; the fields are those of [`Case`].
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// The claim; unique.
    pub name: &'a str,
    /// The answer, written by hand.
    pub expected: &'a str,
    /// The reference as a hook would get it.
    pub reference: Option<&'a str>,
    /// The digest as a hook would get it.
    pub digest: &'a str,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub time: u64,
    /// The pod's namespace, where the hook knows it.
    pub pod_namespace: Option<&'a str>,
    /// Key or trust bundle.
    pub trust: RowTrust<'a>,
    /// What went wrong while evidence was gathered: `unreachable`, or the reason code of a limit.
    pub trouble: Option<&'a str>,
    /// The pieces of evidence in the order in which a node would find them.
    pub evidence: &'a [Evidence<'a>],
}

/// What a row is decided with; as [`crate::container::CaseTrust`].
#[derive(Clone, Copy, Debug)]
pub enum RowTrust<'a> {
    /// One public key in PEM.
    Key(&'a str),
    /// The payload of a trust bundle.
    Payload(&'a [u8]),
    /// A trust bundle as a file.
    Envelope {
        /// The DSSE envelope.
        file: &'a [u8],
        /// Distinct root keys that have to have signed it.
        threshold: u8,
        /// The root keys in PEM.
        roots: &'a [&'a str],
    },
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
        let case = fields_of(row)?;
        part(&mut file, &case, row.name)?;
    }
    read_back(&file).map_err(WriteError::ReadBack)?;
    Ok(file)
}

fn fields_of(row: &Row<'_>) -> Result<Vec<u8>, WriteError> {
    let mut fields = Vec::new();
    let mut field = |tag: Tag, bytes: &[u8]| {
        fields.push(tag as u8);
        part(&mut fields, bytes, row.name)
    };
    field(Tag::Name, row.name.as_bytes())?;
    field(Tag::Expected, row.expected.as_bytes())?;
    if let Some(reference) = row.reference {
        field(Tag::Reference, reference.as_bytes())?;
    }
    field(Tag::Digest, row.digest.as_bytes())?;
    field(Tag::Time, &row.time.to_le_bytes())?;
    if let Some(namespace) = row.pod_namespace {
        field(Tag::PodNamespace, namespace.as_bytes())?;
    }
    match row.trust {
        RowTrust::Key(pem) => field(Tag::Key, pem.as_bytes())?,
        RowTrust::Payload(payload) => field(Tag::Payload, payload)?,
        RowTrust::Envelope { file, threshold, roots } => {
            let mut value = Vec::from([threshold]);
            part(&mut value, file, row.name)?;
            for root in roots {
                part(&mut value, root.as_bytes(), row.name)?;
            }
            field(Tag::Envelope, &value)?;
        }
    }
    if let Some(trouble) = row.trouble {
        field(Tag::Trouble, trouble.as_bytes())?;
    }
    for evidence in row.evidence {
        field(Tag::Evidence, &value_of(evidence, row.name)?)?;
    }
    Ok(fields)
}

fn value_of(evidence: &Evidence<'_>, row: &str) -> Result<Vec<u8>, WriteError> {
    let mut value = Vec::new();
    match *evidence {
        Evidence::SimpleSigning { payload, signature, annotations } => {
            value.push(SIMPLE_SIGNING);
            part(&mut value, payload, row)?;
            part(&mut value, signature.as_bytes(), row)?;
            beside(&mut value, &annotations, row)?;
        }
        Evidence::Envelope { document, annotations } => {
            value.push(ENVELOPE);
            part(&mut value, document, row)?;
            beside(&mut value, &annotations, row)?;
        }
        Evidence::Bundle(json) => {
            value.push(BUNDLE);
            part(&mut value, json, row)?;
        }
    }
    Ok(value)
}

fn beside(out: &mut Vec<u8>, annotations: &Annotations<'_>, row: &str) -> Result<(), WriteError> {
    let Annotations { certificate, chain, bundle, timestamp } = *annotations;
    let texts = [certificate, chain, bundle, timestamp];
    if texts.iter().all(Option::is_none) {
        return Ok(());
    }
    texts.iter().try_for_each(|text| part(out, text.unwrap_or_default().as_bytes(), row))
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
    use crate::container::CaseTrust;
    use std::vec;

    const NONE: Annotations<'_> =
        Annotations { certificate: None, chain: None, bundle: None, timestamp: None };

    const EVIDENCE: &[Evidence<'_>] = &[
        Evidence::SimpleSigning { payload: b"{}", signature: "MEUC", annotations: NONE },
        Evidence::Envelope { document: b"{\"payload\":\"\"}", annotations: NONE },
        Evidence::Envelope {
            document: b"{\"payload\":\"\"}",
            annotations: Annotations { certificate: Some("pem"), timestamp: Some("{}"), ..NONE },
        },
        Evidence::Bundle(b"{\"mediaType\":\"x\"}"),
    ];

    fn full() -> Row<'static> {
        Row {
            name: "signed-by-the-key",
            expected: "allow signed app",
            reference: Some("nginx:1"),
            digest: "sha256:00",
            time: 1_700_000_000,
            pod_namespace: Some("demo"),
            trust: RowTrust::Envelope { file: b"{}", threshold: 2, roots: &["root-a", "root-b"] },
            trouble: Some("unreachable"),
            evidence: EVIDENCE,
        }
    }

    fn least() -> Row<'static> {
        Row {
            name: "least",
            reference: None,
            pod_namespace: None,
            trust: RowTrust::Key("-----BEGIN"),
            trouble: None,
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

    const LEAST: [(u8, &[u8]); 5] = [(1, b"n"), (2, b"e"), (4, b"d"), (5, &[0; 8]), (7, b"k")];

    #[test]
    fn every_field_comes_back() {
        let payload = Row { name: "payload", trust: RowTrust::Payload(b"{\"schema\":1}"), ..least() };
        let file = write(&[full(), least(), payload]).unwrap();
        let cases = read(&file).unwrap();
        let [first, second, third] = cases.as_slice() else { panic!("{} cases", cases.len()) };
        assert_eq!((first.name, first.expected), ("signed-by-the-key", "allow signed app"));
        assert_eq!((first.reference, first.digest), (Some("nginx:1"), "sha256:00"));
        assert_eq!((first.time, first.pod_namespace), (1_700_000_000, Some("demo")));
        let CaseTrust::Envelope(bundle) = &first.trust else { panic!("{:?}", first.trust) };
        assert_eq!((bundle.file, bundle.threshold), (&b"{}"[..], 2));
        assert_eq!(bundle.roots().collect::<Vec<_>>(), ["root-a", "root-b"]);
        assert_eq!(first.trouble, Some("unreachable"));
        let evidence: Vec<_> = first.evidence().map(|evidence| value_of(&evidence, "").unwrap()).collect();
        let written: Vec<_> = EVIDENCE.iter().map(|evidence| value_of(evidence, "").unwrap()).collect();
        assert_eq!(evidence, written);
        assert_eq!((second.reference, second.pod_namespace, second.trouble), (None, None, None));
        assert!(matches!(second.trust, CaseTrust::Key("-----BEGIN")));
        assert_eq!(second.evidence().count(), 0);
        assert!(matches!(third.trust, CaseTrust::Payload(b"{\"schema\":1}")));
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
                    assert!(
                        cases.iter().map(|case| case.evidence().count()).sum::<usize>() <= EVIDENCE.len()
                    );
                }
            }
        }
    }

    #[test]
    fn a_case_that_is_shorter_than_its_length_is_refused() {
        let mut file = write(&[least()]).unwrap();
        let last = file.len() - 1;
        file.truncate(last);
        // The case's own length, behind magic and count.
        file[13] -= 1;
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
        for (at, (tag, _)) in LEAST.iter().enumerate().take(4) {
            let mut fields = Vec::from(LEAST);
            fields.remove(at);
            assert_eq!(read(&file_of(&fields)).err(), Some(ContainerError::Missing(*tag)));
        }
    }

    #[test]
    fn a_case_without_trust_is_refused() {
        assert_eq!(read(&file_of(&LEAST[..4])).err(), Some(ContainerError::Trust));
    }

    #[test]
    fn a_case_with_two_kinds_of_trust_is_refused() {
        let mut fields = Vec::from(LEAST);
        fields.push((8, b"{}"));
        assert_eq!(read(&file_of(&fields)).err(), Some(ContainerError::Order(8)));
    }

    #[test]
    fn a_trust_bundle_without_a_threshold_is_refused() {
        let mut fields = Vec::from(LEAST);
        fields[4] = (9, b"");
        assert_eq!(read(&file_of(&fields)).err(), Some(ContainerError::Truncated));
    }

    #[test]
    fn a_root_key_that_is_cut_short_is_refused() {
        let mut fields = Vec::from(LEAST);
        fields[4] = (9, &[1, 0, 0, 0, 0, 2, 0, 0, 0, b'k']);
        assert_eq!(read(&file_of(&fields)).err(), Some(ContainerError::Truncated));
    }

    #[test]
    fn a_time_of_seven_bytes_is_refused() {
        let mut fields = Vec::from(LEAST);
        fields[3] = (5, &[0; 7]);
        assert_eq!(read(&file_of(&fields)).err(), Some(ContainerError::Value(5)));
    }

    #[test]
    fn a_text_that_is_not_utf8_is_refused() {
        let mut fields = Vec::from(LEAST);
        fields[2] = (4, b"\xff");
        assert_eq!(read(&file_of(&fields)).err(), Some(ContainerError::Value(4)));
    }

    #[test]
    fn evidence_of_an_unknown_format_is_refused() {
        let mut fields = Vec::from(LEAST);
        fields.push((11, &[4, 0, 0, 0, 0]));
        assert_eq!(read(&file_of(&fields)).err(), Some(ContainerError::UnknownFormat(4)));
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
        // A bundle has one part, a legacy layer that and four annotations or none.
        fields.push((11, &[3, 0, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(read(&file_of(&fields)).err(), Some(ContainerError::Trailing));
        fields.pop();
        fields.push((11, &[2, 0, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(read(&file_of(&fields)).err(), Some(ContainerError::Truncated));
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
