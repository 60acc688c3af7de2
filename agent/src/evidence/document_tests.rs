use super::*;

const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn descriptor() -> String {
    format!(r#"{{"mediaType":"a/b","digest":"{D}","size":7}}"#)
}

fn manifest(extra: &str) -> String {
    format!(r#"{{"schemaVersion":2{extra},"config":{0},"layers":[{0}]}}"#, descriptor())
}

fn index(extra: &str) -> String {
    format!(r#"{{"schemaVersion":2{extra},"manifests":[{}]}}"#, descriptor())
}

fn entry_error(text: &str) -> DescriptorError {
    let document = format!(r#"{{"schemaVersion":2,"manifests":[{text},{}]}}"#, descriptor());
    match Document::parse(document.as_bytes(), MEDIA_TYPE_INDEX).unwrap().shape {
        Shape::Index { manifests } => {
            // The entry beside it is still read.
            assert!(manifests.entries[1].is_ok());
            manifests.entries[0].clone().unwrap_err()
        }
        Shape::Manifest { .. } => panic!("an index"),
    }
}

fn syntax(text: &str, claimed: &str) -> String {
    match Document::parse(text.as_bytes(), claimed) {
        Err(DocumentError::Syntax(message)) => message,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_manifest_and_an_index_are_read() {
    let read = Document::parse(manifest("").as_bytes(), MEDIA_TYPE_MANIFEST).unwrap();
    assert!(matches!(&read.shape, Shape::Manifest { layers } if layers.listed == 1));
    let read = Document::parse(index("").as_bytes(), MEDIA_TYPE_INDEX).unwrap();
    assert!(matches!(&read.shape, Shape::Index { manifests } if manifests.listed == 1));
}

#[test]
fn unknown_fields_are_skipped_however_deep() {
    let deep = format!(r#","x-new":{}1{}"#, "[".repeat(200), "]".repeat(200));
    let result = Document::parse(manifest(&deep).as_bytes(), MEDIA_TYPE_MANIFEST);
    assert!(matches!(result, Ok(_) | Err(DocumentError::Syntax(_))), "{result:?}");
    assert!(
        Document::parse(manifest(r#","x":{"a":[1,{"b":null}]}"#).as_bytes(), MEDIA_TYPE_MANIFEST).is_ok()
    );
}

#[test]
fn ten_thousand_levels_end_in_an_error_or_are_skipped_without_recursion() {
    let deep = format!(r#"{{"schemaVersion":2,"x":{}"#, "[".repeat(100_000));
    assert!(matches!(Document::parse(deep.as_bytes(), MEDIA_TYPE_MANIFEST), Err(DocumentError::Syntax(_))));
    let deep = format!(r#"{{"schemaVersion":2,"annotations":{}"#, r#"{"a":"#.repeat(100_000));
    assert!(matches!(Document::parse(deep.as_bytes(), MEDIA_TYPE_MANIFEST), Err(DocumentError::Syntax(_))));
}

#[test]
fn a_document_that_is_both_is_refused_whatever_it_came_as() {
    for claimed in [MEDIA_TYPE_MANIFEST, MEDIA_TYPE_INDEX] {
        let both = format!(r#"{{"schemaVersion":2,"layers":[{0}],"manifests":[{0}]}}"#, descriptor());
        assert_eq!(Document::parse(both.as_bytes(), claimed), Err(DocumentError::Ambiguous));
        let both = format!(r#"{{"schemaVersion":2,"config":{0},"manifests":[{0}]}}"#, descriptor());
        assert_eq!(Document::parse(both.as_bytes(), claimed), Err(DocumentError::Ambiguous));
        let both = r#"{"schemaVersion":2,"layers":[],"manifests":[]}"#;
        assert_eq!(Document::parse(both.as_bytes(), claimed), Err(DocumentError::Ambiguous));
    }
}

#[test]
fn a_document_that_is_neither_is_refused() {
    let neither = r#"{"schemaVersion":2,"layers":null}"#;
    assert_eq!(Document::parse(neither.as_bytes(), MEDIA_TYPE_MANIFEST), Err(DocumentError::Shapeless));
}

#[test]
fn a_media_type_that_differs_from_what_it_came_as_is_refused() {
    let text = manifest(&format!(r#","mediaType":"{MEDIA_TYPE_INDEX}""#));
    assert_eq!(
        Document::parse(text.as_bytes(), MEDIA_TYPE_MANIFEST),
        Err(DocumentError::TypeMismatch {
            claimed: MEDIA_TYPE_MANIFEST.into(),
            found: MEDIA_TYPE_INDEX.into()
        })
    );
    assert_eq!(
        Document::parse(text.as_bytes(), MEDIA_TYPE_INDEX),
        Err(DocumentError::ShapeMismatch(MEDIA_TYPE_INDEX.into()))
    );
    assert_eq!(
        Document::parse(index("").as_bytes(), MEDIA_TYPE_MANIFEST),
        Err(DocumentError::ShapeMismatch(MEDIA_TYPE_MANIFEST.into()))
    );
    assert_eq!(
        Document::parse(manifest("").as_bytes(), MEDIA_TYPE_DOCKER_LIST),
        Err(DocumentError::ShapeMismatch(MEDIA_TYPE_DOCKER_LIST.into()))
    );
}

#[test]
fn other_media_types_are_refused() {
    for claimed in [
        "",
        "text/html",
        "application/json",
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.oci.image.manifest.v2+json",
        "Application/vnd.oci.image.manifest.v1+json",
    ] {
        assert_eq!(
            Document::parse(manifest("").as_bytes(), claimed),
            Err(DocumentError::UnknownType(claimed.into()))
        );
    }
}

#[test]
fn another_schema_version_is_refused() {
    for text in
        [r#"{"layers":[]}"#, r#"{"schemaVersion":1,"layers":[]}"#, r#"{"schemaVersion":3,"layers":[]}"#]
    {
        assert_eq!(Document::parse(text.as_bytes(), MEDIA_TYPE_MANIFEST), Err(DocumentError::SchemaVersion));
    }
}

#[test]
fn a_field_that_is_read_occurs_once_and_in_one_spelling() {
    let twice = [
        r#"{"schemaVersion":2,"layers":[],"layers":[]}"#,
        r#"{"schemaVersion":2,"schemaVersion":2,"layers":[]}"#,
        r#"{"schemaVersion":2,"layers":[],"\u006cayers":[]}"#,
        r#"{"schemaVersion":2,"layers":[],"subject":null,"subject":null}"#,
    ];
    for text in twice {
        assert!(syntax(text, MEDIA_TYPE_MANIFEST).contains("occurs twice"), "{text}");
    }
    let twins = [
        r#"{"schemaVersion":2,"Layers":[]}"#,
        r#"{"schemaVersion":2,"layers":[],"LAYERS":[]}"#,
        r#"{"schemaVersion":2,"layers":[],"Manifests":[]}"#,
        r#"{"schemaVersion":2,"layers":[],"manife\u017ft\u017f":[]}"#,
        r#"{"schemaVersion":2,"layers":[],"MediaType":"x"}"#,
    ];
    for text in twins {
        assert!(syntax(text, MEDIA_TYPE_MANIFEST).contains("in another case"), "{text}");
    }
    let inside = format!(
        r#"{{"schemaVersion":2,"layers":[{{"mediaType":"a","digest":"{D}","digest":"{D}","size":1}}]}}"#
    );
    assert!(syntax(&inside, MEDIA_TYPE_MANIFEST).contains("occurs twice"));
    let annotation = r#"{"schemaVersion":2,"layers":[],"annotations":{"a":"1","a":"2"}}"#;
    assert!(syntax(annotation, MEDIA_TYPE_MANIFEST).contains("occurs twice"));
}

#[test]
fn annotations_of_two_spellings_are_data() {
    let text = r#"{"schemaVersion":2,"layers":[],"annotations":{"HTTP_PROXY":"1","http_proxy":"2"}}"#;
    let read = Document::parse(text.as_bytes(), MEDIA_TYPE_MANIFEST).unwrap();
    assert_eq!(read.annotations.map.len(), 2);
}

#[test]
fn what_is_not_one_json_object_is_refused() {
    for text in [
        "",
        "null",
        "[]",
        "7",
        "\"x\"",
        "{}{}",
        "{\"schemaVersion\":2,\"layers\":[]} x",
        "<html>",
        "\u{feff}{}",
    ] {
        syntax(text, MEDIA_TYPE_MANIFEST);
    }
    assert!(matches!(Document::parse(b"{\"\xff\":1}", MEDIA_TYPE_MANIFEST), Err(DocumentError::Syntax(_))));
}

#[test]
fn a_bad_entry_is_an_error_of_its_own() {
    let sha512 = format!("sha512:{}", "0".repeat(128));
    let cases = [
        (r#"{"digest":"sha256:x","size":1}"#.to_owned(), DescriptorError::Missing("mediaType")),
        (r#"{"mediaType":"a","size":1}"#.to_owned(), DescriptorError::Missing("digest")),
        (format!(r#"{{"mediaType":"a","digest":"{D}"}}"#), DescriptorError::Missing("size")),
        (format!(r#"{{"mediaType":"a","digest":"{D}","size":-1}}"#), DescriptorError::Size),
        (format!(r#"{{"mediaType":"a","digest":"{D}","size":1.5}}"#), DescriptorError::Size),
        (format!(r#"{{"mediaType":"a","digest":"{D}","size":1e300}}"#), DescriptorError::Size),
        (format!(r#"{{"mediaType":"a","digest":"{D}","size":18446744073709551616}}"#), DescriptorError::Size),
        (
            r#"{"mediaType":"a","digest":"sha256:../../x","size":1}"#.to_owned(),
            DescriptorError::Digest(DigestError::Length),
        ),
        (
            format!(r#"{{"mediaType":"a","digest":"{sha512}","size":1}}"#),
            DescriptorError::Digest(DigestError::Algorithm),
        ),
        (
            format!(r#"{{"mediaType":"a","digest":"{}","size":1}}"#, D.to_uppercase().replace("SHA", "sha")),
            DescriptorError::Digest(DigestError::Hex),
        ),
    ];
    for (text, error) in cases {
        assert_eq!(entry_error(&text), error, "{text}");
    }
}

#[test]
fn a_list_past_its_bound_is_counted_and_not_kept() {
    let count = limits::REFERRERS_SCANNED + 5;
    let entries = vec!["{}"; count].join(",");
    let text = format!(r#"{{"schemaVersion":2,"manifests":[{entries}]}}"#);
    match Document::parse(text.as_bytes(), MEDIA_TYPE_INDEX).unwrap().shape {
        Shape::Index { manifests } => {
            assert_eq!((manifests.entries.len(), manifests.listed), (limits::REFERRERS_SCANNED, count));
        }
        Shape::Manifest { .. } => panic!("an index"),
    }
}

#[test]
fn annotations_past_their_bound_are_marked() {
    let many: Vec<_> = (0..=limits::ANNOTATIONS).map(|n| format!(r#""k{n}":"v""#)).collect();
    let text = format!(r#"{{"schemaVersion":2,"layers":[],"annotations":{{{}}}}}"#, many.join(","));
    let read = Document::parse(text.as_bytes(), MEDIA_TYPE_MANIFEST).unwrap();
    assert_eq!((read.annotations.map.len(), read.annotations.overflow), (limits::ANNOTATIONS, Overflow::Yes));
    let long = "v".repeat(limits::ANNOTATION_BYTES);
    let text = format!(r#"{{"schemaVersion":2,"layers":[],"annotations":{{"k":"{long}"}}}}"#);
    let read = Document::parse(text.as_bytes(), MEDIA_TYPE_MANIFEST).unwrap();
    assert_eq!(read.annotations.overflow, Overflow::Yes);
}
