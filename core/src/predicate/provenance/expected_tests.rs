//! Conditions: what the trust bundle may say, and what each of them lets through.

use super::Expected;
use crate::json::{self, parse};
use crate::limits;
use crate::oci::Digest;
use crate::predicate::{Attestation, Context};
use crate::time::UnixTime;
use crate::trust::TrustError;
use crate::verdict::Reason;

extern crate std;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

const COMMIT: &str = "1111111111111111111111111111111111111111";
const HEX: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const NOTHING: &str = r#"{"builder":[],"build_type":[],"source":[],"commit":[],"entry_point":[],"parameters":{"require":[],"forbid":[]},"arguments":{"require":[],"forbid":[]},"materials":"optional","base":[]}"#;

/// The condition that asks for nothing, but for one member.
fn only(member: &str, value: &str) -> String {
    let empty = match member {
        "materials" => "\"optional\"",
        "parameters" | "arguments" => r#"{"require":[],"forbid":[]}"#,
        _ => "[]",
    };
    let (from, to) = (format!("\"{member}\":{empty}"), format!("\"{member}\":{value}"));
    let text = NOTHING.replace(&from, &to);
    assert!(text.contains(&to));
    text
}

fn read(text: &str) -> Result<(), TrustError> {
    Expected::read(parse(text.as_bytes()).unwrap()).map(drop)
}

fn judge_as(kind: &str, condition: &str, predicate: &str) -> Result<(), (Reason, String)> {
    let kind = format!("\"{kind}\"");
    let attestation = Attestation {
        predicate_type: parse(kind.as_bytes()).unwrap().string().unwrap(),
        predicate: parse(predicate.as_bytes()).unwrap(),
    };
    let context =
        Context { time: UnixTime(1_800_000_000), digest: Digest::of(b"image"), platform: "linux/amd64" };
    let expected = Expected::read(parse(condition.as_bytes()).unwrap()).unwrap();
    expected.judge(&attestation, &context).map_err(|unmet| (unmet.reason, unmet.finding.to_string()))
}

fn judge(condition: &str, predicate: &str) -> Result<(), (Reason, String)> {
    judge_as("https://slsa.dev/provenance/v0.2", condition, predicate)
}

fn deny(reason: Reason, words: &str) -> Result<(), (Reason, String)> {
    Err((reason, words.to_string()))
}

/// Provenance v0.2 with these materials, build arguments and claim of completeness.
fn built(materials: &str, arguments: &str, complete: &str) -> String {
    format!(
        r#"{{"builder":{{"id":"https://github.com/docker/buildx/actions"}},"buildType":"https://mobyproject.org/buildkit@v1","materials":{materials},
        "invocation":{{"configSource":{{"uri":"https://github.com/acme/app.git#refs/heads/main","digest":{{"sha1":"{COMMIT}"}},"entryPoint":"build/Dockerfile"}},
        "parameters":{{"frontend":"dockerfile.v0","args":{arguments},"count":2,"flag":true,"nothing":null}}}},"metadata":{{"completeness":{{"parameters":{complete}}}}}}}"#
    )
}

fn plain() -> String {
    built("[]", "{}", "true")
}

/// The same in v1.
fn built_v1(arguments: &str, completeness: &str) -> String {
    format!(
        r#"{{"buildDefinition":{{"buildType":"https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
        "externalParameters":{{"configSource":{{"path":"Dockerfile"}},"request":{{"args":{arguments}}},"mode":"max"}}}},
        "runDetails":{{"metadata":{{{completeness}}}}}}}"#
    )
}

#[test]
fn a_condition_that_asks_for_nothing_is_met_by_anything_readable() {
    assert_eq!(read(NOTHING), Ok(()));
    assert_eq!(judge(NOTHING, &plain()), Ok(()));
    assert_eq!(judge(NOTHING, "{\"builder\":{}}"), Ok(()));
    assert_eq!(judge(NOTHING, "{}").unwrap_err().0, Reason::PredicateMalformed);
    assert_eq!(judge_as("x", NOTHING, &plain()).unwrap_err().0, Reason::PredicateUnsupported);
}

#[test]
fn members_that_are_missing_unknown_or_of_another_type_are_refused() {
    let names = [
        "builder",
        "build_type",
        "source",
        "commit",
        "entry_point",
        "parameters",
        "arguments",
        "materials",
        "base",
    ];
    for name in names {
        let text = NOTHING.replacen(&format!("\"{name}\""), "\"x\"", 1);
        assert_eq!(read(&text), Err(TrustError::Json(json::Error::UnknownKey)), "{name}");
        assert_eq!(read(&only(name, "1")), Err(TrustError::Json(json::Error::WrongType)), "{name}");
        assert_eq!(read(&only(name, "null")), Err(TrustError::Json(json::Error::WrongType)), "{name}");
    }
    let without = NOTHING.replace("\"source\":[],", "");
    assert_eq!(read(&without), Err(TrustError::Json(json::Error::MissingKey("source"))));
    let twice = NOTHING.replace("\"source\":[],", "\"source\":[],\"source\":[],");
    assert_eq!(read(&twice), Err(TrustError::Json(json::Error::DuplicateKey("source"))));
    assert_eq!(read(&only("materials", "\"some\"")), Err(TrustError::Word("materials")));
    assert_eq!(read("[]"), Err(TrustError::Json(json::Error::WrongType)));
    for (value, error) in [
        (r#"{"require":[]}"#, json::Error::MissingKey("forbid")),
        (r#"{"forbid":[]}"#, json::Error::MissingKey("require")),
        (r#"{"require":[],"forbid":[],"x":1}"#, json::Error::UnknownKey),
        (r#"{"require":["x"],"forbid":[]}"#, json::Error::WrongType),
        (r#"{"require":[{"name":"x"}],"forbid":[]}"#, json::Error::MissingKey("value")),
        (r#"{"require":[{"value":"x"}],"forbid":[]}"#, json::Error::MissingKey("name")),
        (r#"{"require":[{"name":"x","value":1}],"forbid":[]}"#, json::Error::WrongType),
        (r#"{"require":[{"name":"x","value":null,"y":1}],"forbid":[]}"#, json::Error::UnknownKey),
        (r#"{"require":[],"forbid":[1]}"#, json::Error::WrongType),
    ] {
        for member in ["parameters", "arguments"] {
            assert_eq!(read(&only(member, value)), Err(TrustError::Json(error)), "{value}");
        }
    }
}

#[test]
fn globs_that_match_nothing_or_stand_twice_are_refused() {
    let list = |globs: &[&str]| format!("{globs:?}");
    for member in ["builder", "build_type", "commit", "entry_point"] {
        assert_eq!(read(&only(member, &list(&["a", "b*"]))), Ok(()));
        assert_eq!(read(&only(member, &list(&[""]))), Err(TrustError::Name(member)));
        assert_eq!(read(&only(member, &list(&["a", "a"]))), Err(TrustError::Duplicate(member)));
        let long = "a".repeat(limits::GLOB_BYTES + 1);
        assert_eq!(read(&only(member, &list(&[&long]))), Err(TrustError::Name(member)));
        let many: Vec<String> = (0..=limits::PROVENANCE_GLOBS).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(read(&only(member, &list(&many))), Err(TrustError::TooMany(member)));
        assert_eq!(read(&only(member, &list(&many[1..]))), Ok(()));
    }
    for glob in ["github.com/acme/*", "**", "https://github.com/acme/app#main", "git@github.com:acme/app"] {
        assert_eq!(read(&only("source", &list(&[glob]))), Err(TrustError::Pattern), "{glob}");
    }
    for pattern in ["alpine", "alpine@*", "docker.io/alpine@*", "@*", "docker.io/library/alpine@sha256:x"] {
        assert_eq!(read(&only("base", &list(&[pattern]))), Err(TrustError::Pattern), "{pattern}");
    }
    for member in ["parameters", "arguments"] {
        for (value, error) in [
            (
                r#"{"require":[{"name":"a","value":null},{"name":"a","value":"x"}],"forbid":[]}"#,
                TrustError::Duplicate(member),
            ),
            (r#"{"require":[],"forbid":["a","a"]}"#, TrustError::Duplicate(member)),
            (r#"{"require":[{"name":"","value":null}],"forbid":[]}"#, TrustError::Name(member)),
            (r#"{"require":[{"name":"a","value":""}],"forbid":[]}"#, TrustError::Name(member)),
            (r#"{"require":[],"forbid":[""]}"#, TrustError::Name(member)),
        ] {
            assert_eq!(read(&only(member, value)), Err(error), "{value}");
        }
        let many: Vec<String> =
            (0..=limits::PROVENANCE_GLOBS).map(|n| format!(r#"{{"name":"{n}","value":null}}"#)).collect();
        let many = format!(r#"{{"require":[{}],"forbid":[]}}"#, many.join(","));
        assert_eq!(read(&only(member, &many)), Err(TrustError::TooMany(member)));
    }
}

#[test]
fn strings_are_held_against_their_globs() {
    for (member, good, bad, reason, words) in [
        (
            "builder",
            r#"["x","https://github.com/docker/buildx/*"]"#,
            r#"["https://github.com/docker/*"]"#,
            Reason::BuilderMismatch,
            "its builder is https://github.com/docker/buildx/actions",
        ),
        (
            "build_type",
            r#"["https://mobyproject.org/buildkit@v1"]"#,
            r#"["https://mobyproject.org/buildkit@v2"]"#,
            Reason::BuildTypeMismatch,
            "its build type is https://mobyproject.org/buildkit@v1",
        ),
        (
            "source",
            r#"["https://gitlab.com/**","https://github.com/acme/*"]"#,
            r#"["https://github.com/acme/ap","https://github.com/*"]"#,
            Reason::SourceMismatch,
            "its source is https://github.com/acme/app.git#refs/heads/main",
        ),
        (
            "commit",
            r#"["1111*"]"#,
            r#"["2222*"]"#,
            Reason::CommitMismatch,
            "its commit is 1111111111111111111111111111111111111111",
        ),
        (
            "entry_point",
            r#"["build/*"]"#,
            r#"["*"]"#,
            Reason::EntryPointMismatch,
            "its entry point is build/Dockerfile",
        ),
    ] {
        assert_eq!(judge(&only(member, good), &plain()), Ok(()), "{member}");
        assert_eq!(judge(&only(member, bad), &plain()), deny(reason, words), "{member}");
        let what = member.replace('_', " ");
        let says_nothing = deny(reason, &format!("it says nothing about {what}"));
        for nothing in [
            r#"{"materials":[]}"#,
            r#"{"builder":{"id":""},"buildType":"","invocation":{"configSource":{"uri":"","digest":{"sha1":""},"entryPoint":""}}}"#,
        ] {
            assert_eq!(judge(&only(member, r#"["**"]"#.replace("**", if member == "source" { "https://**/**" } else { "**" }).as_str()), nothing), says_nothing, "{member}");
        }
    }
    let long = plain().replace("docker/buildx/actions", &"a".repeat(limits::PROVENANCE_TEXT_BYTES));
    assert_eq!(
        judge(&only("builder", r#"["**"]"#), &long),
        deny(Reason::BuilderMismatch, "its builder is larger than what is read")
    );
}

#[test]
fn every_spelling_of_the_source_is_compared_in_its_normal_form() {
    let source = "https://github.com/acme/app.git#refs/heads/main";
    for (spelling, glob) in [
        ("git@github.com:acme/app.git", "https://github.com/acme/app"),
        ("git+https://github.com/acme/app@refs/heads/main", "https://github.com/acme/app.git"),
        ("https://user:secret@GitHub.com/acme/app", "git+https://github.com/acme/*"),
        ("ssh://git@github.com/acme/app", "https://**/app"),
    ] {
        let text = plain().replace(source, spelling);
        assert_eq!(judge(&only("source", &format!("[\"{glob}\"]")), &text), Ok(()), "{spelling}");
    }
    for spelling in [
        "http://github.com/acme/app",
        "https://github.com/acme/../evil/app",
        "https://github.com/acme/app/../../evil",
        "https://evil.example/github.com/acme/app",
        "https://github.com@evil.example/acme/app",
        "https://evil.example#@github.com/acme/app",
        "https://github.com.evil.example/acme/app",
        "github.com/acme/app",
        "./app",
    ] {
        let text = plain().replace(source, spelling);
        let (reason, words) = judge(&only("source", r#"["https://github.com/acme/**"]"#), &text).unwrap_err();
        assert_eq!(reason, Reason::SourceMismatch, "{spelling}");
        assert!(words.starts_with("its source is "), "{words}");
    }
    let secret = plain().replace(source, "https://user:secret@evil.example/acme/app");
    assert_eq!(
        judge(&only("source", r#"["https://github.com/acme/*"]"#), &secret),
        deny(Reason::SourceMismatch, "its source is https://evil.example/acme/app")
    );
}

#[test]
fn a_second_source_that_cannot_be_compared_is_not_passed_over() {
    let vcs = r#""metadata":{"https://mobyproject.org/buildkit@v1#metadata":{"vcs":{"source":"/src/app"}},"#;
    let text = plain().replace(r#""metadata":{"#, vcs);
    assert_eq!(
        judge(&only("source", r#"["https://github.com/acme/*"]"#), &text),
        deny(Reason::SourceMismatch, "its source is /src/app")
    );
    // Nobody asks for the source: nothing contradicts.
    assert_eq!(judge(NOTHING, &text), Ok(()));
    let other = text.replace("/src/app", "https://github.com/evil/app");
    assert_eq!(judge(NOTHING, &other).unwrap_err().0, Reason::ProvenanceContradiction);
}

/// A condition on build arguments.
fn arguments(require: &str, forbid: &str) -> String {
    only("arguments", &format!(r#"{{"require":{require},"forbid":{forbid}}}"#))
}

#[test]
fn build_arguments_are_matched_by_name_and_value() {
    let text = built(
        "[]",
        r#"{"build-arg:VERSION":"1.2.3","build-arg:http_proxy":"x","label:A":"1","target":"t"}"#,
        "true",
    );
    for (require, forbid) in [
        (r#"[{"name":"VERSION","value":null}]"#, "[]"),
        (r#"[{"name":"VERSION","value":"1.*"}]"#, r#"["HTTP_PROXY","*-X"]"#),
        ("[]", r#"["label*","A","target","VERSIO","*N1"]"#),
    ] {
        assert_eq!(judge(&arguments(require, forbid), &text), Ok(()), "{require} {forbid}");
    }
    for (require, forbid, words) in [
        (r#"[{"name":"VERSION","value":"2.*"}]"#, "[]", "its build argument VERSION is 1.2.3"),
        (r#"[{"name":"version","value":null}]"#, "[]", "it lacks the build argument version"),
        (
            r#"[{"name":"build-arg:VERSION","value":null}]"#,
            "[]",
            "it lacks the build argument build-arg:VERSION",
        ),
        (r#"[{"name":"A","value":null}]"#, "[]", "it lacks the build argument A"),
        (r#"[{"name":"VERSION*","value":null}]"#, "[]", "it lacks the build argument VERSION*"),
        ("[]", r#"["http_proxy"]"#, "it has the build argument http_proxy"),
        ("[]", r#"["x","http_*"]"#, "it has the build argument http_proxy"),
        (r#"[{"name":"VERSION","value":null}]"#, r#"["**"]"#, "it has the build argument VERSION"),
    ] {
        let expected = deny(Reason::ParameterMismatch, words);
        assert_eq!(judge(&arguments(require, forbid), &text), expected, "{require} {forbid}");
    }
}

#[test]
fn names_are_data_and_are_compared_decoded() {
    let text = built("[]", r#"{"build-arg:HTTP_PROXY":"a","build-arg:http_proxy":"b"}"#, "true");
    let one = r#"[{"name":"http_proxy","value":"b"},{"name":"HTTP_PROXY","value":"a"}]"#;
    assert_eq!(judge(&arguments(one, "[]"), &text), Ok(()));
    let escaped = built("[]", r#"{"build-arg:\u0048TTP_PROXY":"a"}"#, "true");
    assert_eq!(
        judge(&arguments("[]", r#"["HTTP_PROXY"]"#), &escaped),
        deny(Reason::ParameterMismatch, "it has the build argument HTTP_PROXY")
    );
    assert_eq!(judge(&arguments(r#"[{"name":"HTTP_PROXY","value":"a"}]"#, "[]"), &escaped), Ok(()));
}

#[test]
fn a_name_that_stands_twice_is_ambiguous() {
    for twice in [
        r#"{"build-arg:A":"1","build-arg:A":"2"}"#,
        r#"{"build-arg:A":"1","x":1,"build\u002darg:\u0041":"1"}"#,
    ] {
        let text = built("[]", twice, "true");
        let (reason, words) = judge(&arguments(r#"[{"name":"A","value":"1"}]"#, "[]"), &text).unwrap_err();
        assert_eq!((reason, words.as_str()), (Reason::PayloadAmbiguous, "it has the build argument A"));
        // Forbidden is forbidden, however often.
        let reason = judge(&arguments("[]", r#"["A"]"#), &text).unwrap_err().0;
        assert_eq!(reason, Reason::ParameterMismatch);
    }
}

#[test]
fn what_is_not_listed_may_be_there_unless_the_list_is_whole() {
    let forbid = arguments("[]", r#"["HTTP_PROXY"]"#);
    let incomplete = deny(Reason::ParameterMismatch, "it does not say that it lists every build argument");
    assert_eq!(judge(&forbid, &built("[]", "{}", "true")), Ok(()));
    assert_eq!(judge(&forbid, &built("[]", "null", "true")), Ok(()));
    for complete in ["false", "null", "\"true\"", "1"] {
        assert_eq!(judge(&forbid, &built("[]", "{}", complete)), incomplete, "{complete}");
    }
    // Found is found, whole list or not.
    let there = built("[]", r#"{"build-arg:HTTP_PROXY":"a"}"#, "false");
    assert_eq!(
        judge(&forbid, &there),
        deny(Reason::ParameterMismatch, "it has the build argument HTTP_PROXY")
    );
    // What must be there must be listed.
    let require = arguments(r#"[{"name":"A","value":null}]"#, "[]");
    assert_eq!(judge(&require, &built("[]", r#"{"build-arg:A":"1"}"#, "false")), Ok(()));

    let v1 = "https://slsa.dev/provenance/v1";
    let whole = r#""buildkit_completeness":{"request":true}"#;
    assert_eq!(judge_as(v1, &forbid, &built_v1("{}", whole)), Ok(()));
    for completeness in ["", r#""buildkit_completeness":{"request":false}"#, r#""buildkit_completeness":{}"#]
    {
        assert_eq!(judge_as(v1, &forbid, &built_v1("{}", completeness)), incomplete, "{completeness}");
    }
    let there = built_v1(r#"{"build-arg:HTTP_PROXY":"a"}"#, whole);
    assert_eq!(
        judge_as(v1, &forbid, &there),
        deny(Reason::ParameterMismatch, "it has the build argument HTTP_PROXY")
    );
    assert_eq!(judge_as(v1, &require, &built_v1(r#"{"build-arg:A":"1"}"#, "")), Ok(()));
}

#[test]
fn external_parameters_are_matched_like_build_arguments() {
    let parameters = |require: &str, forbid: &str| {
        only("parameters", &format!(r#"{{"require":{require},"forbid":{forbid}}}"#))
    };
    let text = plain();
    for (require, forbid) in [
        (r#"[{"name":"frontend","value":"dockerfile.*"},{"name":"args","value":null}]"#, r#"["build-arg*"]"#),
        (
            r#"[{"name":"count","value":"2"},{"name":"flag","value":"true"},{"name":"nothing","value":null}]"#,
            "[]",
        ),
    ] {
        assert_eq!(judge(&parameters(require, forbid), &text), Ok(()), "{require}");
    }
    for (require, forbid, words) in [
        (r#"[{"name":"frontend","value":"gateway.v0"}]"#, "[]", "its parameter frontend is dockerfile.v0"),
        (r#"[{"name":"args","value":"**"}]"#, "[]", "its parameter args is {}"),
        (r#"[{"name":"nothing","value":"**"}]"#, "[]", "its parameter nothing is null"),
        (r#"[{"name":"count","value":"3"}]"#, "[]", "its parameter count is 2"),
        (r#"[{"name":"secrets","value":null}]"#, "[]", "it lacks the parameter secrets"),
        ("[]", r#"["front*"]"#, "it has the parameter frontend"),
    ] {
        let expected = deny(Reason::ParameterMismatch, words);
        assert_eq!(judge(&parameters(require, forbid), &text), expected, "{require} {forbid}");
    }
    // v1 lists every external parameter by definition, unless BuildKit says otherwise.
    let v1 = "https://slsa.dev/provenance/v1";
    let forbid = parameters(r#"[{"name":"mode","value":"max"}]"#, r#"["debug"]"#);
    assert_eq!(judge_as(v1, &forbid, &built_v1("{}", "")), Ok(()));
    let incomplete = deny(Reason::ParameterMismatch, "it does not say that it lists every parameter");
    let denied = built_v1("{}", r#""buildkit_completeness":{"request":false}"#);
    assert_eq!(judge_as(v1, &forbid, &denied), incomplete);
    assert_eq!(judge(&parameters("[]", r#"["debug"]"#), &built("[]", "{}", "false")), incomplete);
    // None at all.
    let none = r#"{"builder":{}}"#;
    let lacks = deny(Reason::ParameterMismatch, "it lacks the parameter mode");
    assert_eq!(judge(&parameters(r#"[{"name":"mode","value":null}]"#, "[]"), none), lacks);
}

#[test]
fn parameters_that_are_no_list_of_names_are_malformed() {
    for arguments_value in ["[]", "\"x\"", "1"] {
        let text = built("[]", arguments_value, "true");
        let condition = arguments(r#"[{"name":"A","value":null}]"#, "[]");
        assert_eq!(
            judge(&condition, &text),
            deny(Reason::PredicateMalformed, "its list of parameters cannot be read"),
            "{arguments_value}"
        );
        assert_eq!(judge(NOTHING, &text), Ok(()));
    }
}

#[test]
fn more_parameters_than_are_read_are_refused() {
    let list = |count: usize| {
        let list: Vec<String> = (0..count).map(|number| format!("\"build-arg:A{number}\":\"\"")).collect();
        built("[]", &format!("{{{}}}", list.join(",")), "true")
    };
    let condition = arguments(r#"[{"name":"A0","value":null}]"#, r#"["B"]"#);
    assert_eq!(judge(&condition, &list(limits::PROVENANCE_PARAMETERS)), Ok(()));
    let too_large = deny(Reason::ParameterMismatch, "its list of parameters is larger than what is read");
    assert_eq!(judge(&condition, &list(limits::PROVENANCE_PARAMETERS + 1)), too_large);
    let name = "a".repeat(limits::PROVENANCE_NAME_BYTES);
    let named = |name: &str| built("[]", &format!("{{\"{name}\":\"\",\"build-arg:A0\":\"\"}}"), "true");
    assert_eq!(judge(&condition, &named(&format!("build-arg:{name}"))), Ok(()));
    assert_eq!(judge(&condition, &named(&format!("build-arg:{name}a"))), too_large);
    assert_eq!(judge(&condition, &named(&format!("label:{name}a"))), Ok(()));
    let long = "a".repeat(limits::PROVENANCE_TEXT_BYTES + 1);
    let value = built("[]", &format!("{{\"build-arg:A0\":\"{long}\"}}"), "true");
    assert_eq!(judge(&condition, &value), Ok(()));
    let condition = arguments(r#"[{"name":"A0","value":"**"}]"#, "[]");
    assert_eq!(judge(&condition, &value).unwrap_err().0, Reason::ParameterMismatch);
}

#[test]
fn materials_must_be_listed_where_they_are_asked_for() {
    let required = only("materials", "\"required\"");
    assert_eq!(judge(&required, &built(r#"[{"uri":"x"}]"#, "{}", "true")), Ok(()));
    for materials in ["[]", "null"] {
        assert_eq!(judge(&required, &built(materials, "{}", "true")), deny(Reason::MaterialsMissing, ""));
    }
    assert_eq!(judge(&required, &built("{}", "{}", "true")).unwrap_err().0, Reason::PredicateMalformed);
    assert_eq!(judge(&required, r#"{"builder":{}}"#), deny(Reason::MaterialsMissing, ""));
}

/// An image among the materials.
fn material(uri: &str) -> String {
    format!(r#"{{"uri":"{uri}","digest":{{"sha256":"{HEX}"}}}}"#)
}

#[test]
fn every_base_image_must_be_allowed() {
    let base = only("base", r#"["docker.io/library/alpine@*","gcr.io/distroless/**"]"#);
    let on = |uris: &[&str]| {
        let list: Vec<String> = uris.iter().map(|uri| material(uri)).collect();
        judge(&base, &built(&format!("[{}]", list.join(",")), "{}", "true"))
    };
    let git = "https://github.com/acme/app.git#main";
    assert_eq!(on(&["pkg:docker/alpine@3.19?platform=linux%2Famd64", git]), Ok(()));
    assert_eq!(on(&["pkg:docker/gcr.io/distroless/static@x", "pkg:docker/alpine@3.19"]), Ok(()));
    for uris in [
        &["pkg:docker/debian@12"][..],
        &["pkg:docker/alpine@3.19", "pkg:docker/debian@12"],
        &["pkg:docker/alpine@3.19", "pkg:docker/evil.example/library/alpine@3.19"],
        &["pkg:docker/alpine@3.19", "pkg:docker/docker/dockerfile@1"],
        &["pkg:docker/alpine@3.19", "pkg:docker/Alpine@3.19"],
        &["pkg:docker/alpine@3.19", "pkg:oci/alpine@3.19"],
        &["pkg:docker/alpine@3.19", "docker.io/library/debian:12"],
    ] {
        let last = uris.last().unwrap();
        assert_eq!(on(uris), deny(Reason::BaseMismatch, &format!("its base image is {last}")), "{uris:?}");
    }
    let none = deny(Reason::BaseMismatch, "it says nothing about base images");
    assert_eq!(on(&[]), none);
    assert_eq!(on(&[git, "pkg:npm/left-pad@1"]), none);
    assert_eq!(judge(&base, r#"{"builder":{}}"#), none);
    assert_eq!(
        judge(&base, &built(r#"[{"digest":{}}]"#, "{}", "true")),
        deny(Reason::BaseMismatch, "it says nothing about what one of its materials is")
    );
    // Any digest, but one.
    let unpinned = built(r#"[{"uri":"pkg:docker/alpine@3.19"}]"#, "{}", "true");
    assert_eq!(judge(&base, &unpinned).unwrap_err().0, Reason::BaseMismatch);
    assert_eq!(judge(&only("base", r#"["docker.io/library/alpine"]"#), &unpinned), Ok(()));
}

#[test]
fn the_first_condition_that_is_not_met_is_the_finding() {
    let all = NOTHING
        .replace("\"builder\":[]", r#""builder":["x"]"#)
        .replace("\"source\":[]", r#""source":["https://x.example/y"]"#)
        .replace("\"base\":[]", r#""base":["docker.io/library/alpine@*"]"#);
    assert_eq!(judge(&all, &plain()).unwrap_err().0, Reason::BuilderMismatch);
    let builder = plain().replace("https://github.com/docker/buildx/actions", "x");
    assert_eq!(judge(&all, &builder).unwrap_err().0, Reason::SourceMismatch);
    let source = builder.replace("https://github.com/acme/app.git", "https://x.example/y");
    assert_eq!(judge(&all, &source).unwrap_err().0, Reason::BaseMismatch);
    let base =
        source.replace(r#""materials":[]"#, &format!(r#""materials":[{}]"#, material("pkg:docker/alpine@3")));
    assert_eq!(judge(&all, &base), Ok(()));
}

#[test]
fn the_walk_through_of_a_wrapped_provenance_is_judged() {
    let body = format!(
        r#"{{"builder":{{"id":""}},"buildType":"https://mobyproject.org/buildkit@v1","materials":[{}],
        "invocation":{{"configSource":{{"entryPoint":"Dockerfile.signed"}},"parameters":{{"frontend":"dockerfile.v0","locals":[{{"name":"context"}}]}},"environment":{{"platform":"linux/amd64"}}}},
        "metadata":{{"https://mobyproject.org/buildkit@v1#metadata":{{"vcs":{{"source":"git@github.com:acme/app.git","revision":"{COMMIT}"}}}}}}}}"#,
        material("pkg:docker/alpine@latest?platform=linux%2Famd64")
    );
    let condition = NOTHING
        .replace("\"source\":[]", r#""source":["https://github.com/acme/app"]"#)
        .replace("\"commit\":[]", &format!(r#""commit":["{COMMIT}"]"#))
        .replace("\"base\":[]", r#""base":["docker.io/library/alpine@*"]"#);
    assert_eq!(judge(&condition, &format!(r#"{{"SLSA":{body}}}"#)), Ok(()));
    let both = |mine: &str, other: &str| {
        format!(r#"{{"linux/amd64":{{"SLSA":{mine}}},"linux/arm64":{{"SLSA":{other}}}}}"#)
    };
    let evil = body.replace("acme/app", "evil/app");
    assert_eq!(judge(&condition, &both(&body, &evil)), Ok(()));
    assert_eq!(judge(&condition, &both(&evil, &body)).unwrap_err().0, Reason::SourceMismatch);
    let arm = format!(r#"{{"linux/arm64":{{"SLSA":{body}}}}}"#);
    assert_eq!(judge(&condition, &arm), deny(Reason::PlatformMissing, "it says nothing about this platform"));
    let beside = format!(r#"{{"SLSA":{body},"SPDX":{{}}}}"#);
    assert_eq!(judge(&condition, &beside).unwrap_err().0, Reason::PredicateMalformed);
}
