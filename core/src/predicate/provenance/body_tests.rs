//! Bodies as each builder writes them, and bodies that say two things.

use super::{Completeness, Provenance, Version};
use crate::json::{Text, parse};
use crate::oci::Digest;
use crate::predicate::provenance::{Summary, summarise};
use crate::predicate::{Attestation, Context, Finding, Unmet};
use crate::time::UnixTime;
use crate::verdict::Reason;

extern crate std;
use std::format;
use std::string::{String, ToString};

pub(super) const V02: &str = "https://slsa.dev/provenance/v0.2";
pub(super) const V1: &str = "https://slsa.dev/provenance/v1";

const COMMIT: &str = "1111111111111111111111111111111111111111";
const OTHER: &str = "2222222222222222222222222222222222222222";

fn with<R>(kind: &str, predicate: &str, then: impl FnOnce(&Attestation<'_>, &Context<'_>) -> R) -> R {
    let kind = format!("\"{kind}\"");
    let attestation = Attestation {
        predicate_type: parse(kind.as_bytes()).unwrap().string().unwrap(),
        predicate: parse(predicate.as_bytes()).unwrap(),
    };
    let context =
        Context { time: UnixTime(1_800_000_000), digest: Digest::of(b"image"), platform: "linux/amd64" };
    then(&attestation, &context)
}

fn shown(text: Option<Text<'_>>) -> Option<String> {
    text.map(|text| text.chars().collect())
}

/// Source, commit and entry point.
type Said = (Option<String>, Option<String>, Option<String>);

fn said(kind: &str, predicate: &str) -> Result<Said, (Reason, String)> {
    with(kind, predicate, |attestation, context| {
        Provenance::read(attestation, context)
            .map(|read| (shown(read.source()), shown(read.commit()), shown(read.entry_point())))
            .map_err(|unmet| (unmet.reason, unmet.finding.to_string()))
    })
}

fn some(source: &str, commit: &str, entry_point: &str) -> Result<Said, (Reason, String)> {
    let text = |text: &str| Some(text.to_string()).filter(|text| !text.is_empty());
    Ok((text(source), text(commit), text(entry_point)))
}

fn error(kind: &str, predicate: &str) -> (Reason, String) {
    said(kind, predicate).expect_err(predicate)
}

fn summary<R>(kind: &str, predicate: &str, then: impl FnOnce(Result<Summary<'_>, Unmet<'_>>) -> R) -> R {
    with(kind, predicate, |attestation, context| then(summarise(attestation, context)))
}

/// `BuildKit`'s v0.2 of a build from a Git context.
fn buildkit(config: &str, vcs: &str) -> String {
    format!(
        r#"{{"builder":{{"id":"https://github.com/acme/app/actions/runs/1"}},"buildType":"https://mobyproject.org/buildkit@v1",
        "materials":[{{"uri":"pkg:docker/alpine@3.19?platform=linux%2Famd64","digest":{{"sha256":"aa"}}}},{{"uri":"https://x.example/y"}}],
        "invocation":{{"configSource":{config},"parameters":{{"frontend":"dockerfile.v0","args":{{"build-arg:A":"1"}}}},"environment":{{"platform":"linux/amd64"}}}},
        "metadata":{{"buildStartedOn":"2026-11-24T12:00:00.5Z","buildFinishedOn":"2026-11-24T12:01:00Z","completeness":{{"parameters":true}},
        "https://mobyproject.org/buildkit@v1#metadata":{{"vcs":{vcs}}}}}}}"#
    )
}

/// `BuildKit`'s v1 of the same.
fn buildkit_v1(config: &str, vcs: &str) -> String {
    format!(
        r#"{{"buildDefinition":{{"buildType":"https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
        "externalParameters":{{"configSource":{config},"request":{{"frontend":"dockerfile.v0","args":{{"build-arg:A":"1"}}}}}},
        "internalParameters":{{"builderPlatform":"linux/amd64"}},"resolvedDependencies":[]}},
        "runDetails":{{"builder":{{"id":""}},"metadata":{{"invocationId":"x","startedOn":"2026-11-24T12:00:00Z",
        "buildkit_metadata":{{"vcs":{vcs}}},"buildkit_completeness":{{"request":false,"resolvedDependencies":true}}}}}}}}"#
    )
}

/// Makes a predicate of a configuration's source and what a client says.
type Make = fn(&str, &str) -> String;

/// Both, with the types that they are.
const MAKERS: [(&str, Make); 2] = [(V02, buildkit), (V1, buildkit_v1)];

/// v1 with these external parameters and dependencies.
fn v1(build_type: &str, external: &str, dependencies: &str) -> String {
    format!(
        r#"{{"buildDefinition":{{"buildType":"{build_type}","externalParameters":{external},"resolvedDependencies":{dependencies}}},"runDetails":{{"builder":{{"id":"b"}}}}}}"#
    )
}

fn dependency(uri: &str, algorithm: &str, commit: &str) -> String {
    format!(r#"{{"uri":"{uri}","digest":{{"{algorithm}":"{commit}"}}}}"#)
}

fn git_context() -> String {
    format!(
        r#"{{"uri":"https://github.com/acme/app.git#main","digest":{{"sha1":"{COMMIT}"}},"entryPoint":"Dockerfile","path":"Dockerfile"}}"#
    )
}

fn vcs(source: &str, revision: &str) -> String {
    format!(r#"{{"source":"{source}","revision":"{revision}","localdir:context":"."}}"#)
}

#[test]
fn buildkit_names_a_git_context_or_what_its_client_says_of_a_folder() {
    let folder = r#"{"entryPoint":"Dockerfile","path":"Dockerfile"}"#;
    let local = vcs("git@github.com:acme/app.git", COMMIT);
    for (kind, make) in MAKERS {
        let url = "https://github.com/acme/app.git#main";
        assert_eq!(said(kind, &make(&git_context(), "null")), some(url, COMMIT, "Dockerfile"));
        assert_eq!(said(kind, &make(&git_context(), "{}")), some(url, COMMIT, "Dockerfile"));
        assert_eq!(said(kind, &make(&git_context(), &local)), some(url, COMMIT, "Dockerfile"));
        assert_eq!(
            said(kind, &make(folder, &local)),
            some("git@github.com:acme/app.git", COMMIT, "Dockerfile")
        );
        assert_eq!(said(kind, &make("{}", &vcs("", COMMIT))), some("", COMMIT, ""));
        assert_eq!(said(kind, &make("{}", "{}")), some("", "", ""));
        assert_eq!(said(kind, &make("null", "null")), some("", "", ""));
        // The context has no commit of its own: its client's.
        let bare = r#"{"uri":"https://github.com/acme/app"}"#;
        assert_eq!(said(kind, &make(bare, &local)), some("https://github.com/acme/app", COMMIT, ""));
    }
}

#[test]
fn context_and_client_that_disagree_contradict() {
    for (kind, make) in MAKERS {
        let context = git_context();
        let (reason, words) = error(kind, &make(&context, &vcs("https://github.com/evil/app", COMMIT)));
        assert_eq!(reason, Reason::ProvenanceContradiction);
        assert_eq!(
            words,
            "its source is https://github.com/acme/app.git#main in one place and https://github.com/evil/app in another"
        );
        let (reason, words) = error(kind, &make(&context, &vcs("git@github.com:acme/app", OTHER)));
        assert_eq!(reason, Reason::ProvenanceContradiction);
        assert_eq!(words, format!("its commit is {COMMIT} in one place and {OTHER} in another"));
        let dirty = format!("{COMMIT}-dirty");
        assert_eq!(error(kind, &make(&context, &vcs("", &dirty))).0, Reason::ProvenanceContradiction);
        for source in
            ["http://github.com/acme/app", "https://github.com/Acme/app", "https://github.com:8443/acme/app"]
        {
            let reason = error(kind, &make(&context, &vcs(source, COMMIT))).0;
            assert_eq!(reason, Reason::ProvenanceContradiction, "{source}");
        }
    }
    let two =
        format!(r#"{{"uri":"https://x.example/y","digest":{{"sha1":"{COMMIT}","gitCommit":"{OTHER}"}}}}"#);
    assert_eq!(error(V02, &buildkit(&two, "{}")).0, Reason::ProvenanceContradiction);
    let before = buildkit_v1(&git_context(), "{}").replace(
        "\"buildkit_completeness\"",
        &format!(
            "\"https://mobyproject.org/buildkit@v1#metadata\":{{\"vcs\":{}}},\"buildkit_completeness\"",
            vcs("https://github.com/evil/app", COMMIT)
        ),
    );
    assert_eq!(error(V1, &before).0, Reason::ProvenanceContradiction);
}

#[test]
fn a_file_is_not_a_commit() {
    let tarball =
        format!(r#"{{"uri":"https://x.example/y.tar.gz","digest":{{"sha256":"{}"}}}}"#, "a".repeat(64));
    assert_eq!(said(V02, &buildkit(&tarball, "{}")), some("https://x.example/y.tar.gz", "", ""));
}

#[test]
fn github_names_the_workflow_and_a_dependency_has_its_commit() {
    let workflow = r#"{"workflow":{"ref":"refs/heads/main","repository":"https://github.com/acme/app","path":".github/workflows/x.yml"}}"#;
    let kind = "https://actions.github.io/buildtypes/workflow/v1";
    let own = dependency("git+https://github.com/acme/app@refs/heads/main", "gitCommit", COMMIT);
    let others = dependency("git+https://github.com/acme/tools@refs/heads/main", "gitCommit", OTHER);
    let expected = some("https://github.com/acme/app", COMMIT, ".github/workflows/x.yml");
    for dependencies in [format!("[{own}]"), format!("[{others},{own}]"), format!("[{own},{own},{others}]")] {
        assert_eq!(said(V1, &v1(kind, workflow, &dependencies)), expected);
    }
    let none = some("https://github.com/acme/app", "", ".github/workflows/x.yml");
    for dependencies in ["[]", "null", &format!("[{others}]")] {
        assert_eq!(said(V1, &v1(kind, workflow, dependencies)), none);
    }
    let later = dependency("https://github.com/acme/app.git", "sha1", OTHER);
    let two = v1(kind, workflow, &format!("[{own},{later}]"));
    assert_eq!(error(V1, &two).0, Reason::ProvenanceContradiction);
}

#[test]
fn google_cloud_build_names_configuration_and_source() {
    let kind = "https://cloud.google.com/build/gcb-buildtypes/google-worker/v1";
    let config = r#""buildConfigSource":{"ref":"refs/heads/main","repository":"git+https://github.com/acme/app","path":"cloudbuild.yaml"}"#;
    let to_build = |name: &str| {
        format!(r#""sourceToBuild":{{"dir":"/","repository":"https://github.com/acme/{name}"}}"#)
    };
    let own = dependency("git+https://github.com/acme/app@refs/heads/main", "gitCommit", COMMIT);
    let expected = some("git+https://github.com/acme/app", COMMIT, "cloudbuild.yaml");
    let one = format!("{{{config}}}");
    assert_eq!(said(V1, &v1(kind, &one, &format!("[{own}]"))), expected);
    let both = format!("{{{config},{}}}", to_build("app"));
    assert_eq!(said(V1, &v1(kind, &both, &format!("[{own}]"))), expected);
    let apart = format!("{{{config},{}}}", to_build("other"));
    assert_eq!(error(V1, &v1(kind, &apart, &format!("[{own}]"))).0, Reason::ProvenanceContradiction);
}

#[test]
fn gitlab_and_the_container_builder_name_their_source() {
    let own = dependency("git+https://gitlab.com/acme/app", "gitCommit", COMMIT);
    let gitlab = r#"{"source":"https://gitlab.com/acme/app","entryPoint":"build","variables":{}}"#;
    let read = said(V1, &v1("https://docs.gitlab.com/x", gitlab, &format!("[{own}]")));
    assert_eq!(read, some("https://gitlab.com/acme/app", COMMIT, "build"));
    let container = format!(
        r#"{{"source":{},"configPath":"build.toml"}}"#,
        dependency("git+https://github.com/acme/app@refs/tags/v1", "sha1", COMMIT)
    );
    let read = said(V1, &v1("https://slsa.dev/container-based-build/v0.1?draft", &container, "[]"));
    assert_eq!(read, some("git+https://github.com/acme/app@refs/tags/v1", COMMIT, "build.toml"));
}

#[test]
fn only_a_delegated_builders_first_dependency_is_a_source() {
    let first = dependency("git+https://github.com/acme/app@refs/heads/main", "gitCommit", COMMIT);
    let second = dependency("git+https://github.com/evil/app@refs/heads/main", "gitCommit", OTHER);
    let dependencies = format!("[{first},{second}]");
    let delegated = "https://github.com/slsa-framework/slsa-github-generator/delegator-generic@v0";
    let external = r#"{"inputs":{},"vars":{}}"#;
    let read = said(V1, &v1(delegated, external, &dependencies));
    assert_eq!(read, some("git+https://github.com/acme/app@refs/heads/main", COMMIT, ""));
    // ADD in a Dockerfile makes such a dependency.
    for kind in [
        "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
        "https://github.com/slsa-framework/slsa-github-generator-go@v1",
        "",
    ] {
        assert_eq!(said(V1, &v1(kind, external, &dependencies)), some("", "", ""), "{kind}");
    }
    assert_eq!(said(V1, &v1(delegated, external, "[]")), some("", "", ""));
}

#[test]
fn entry_points_that_disagree_contradict() {
    let external =
        r#"{"workflow":{"repository":"https://github.com/acme/app","path":"a.yml"},"configPath":"b.toml"}"#;
    let (reason, words) = error(V1, &v1("x", external, "[]"));
    assert_eq!(reason, Reason::ProvenanceContradiction);
    assert_eq!(words, "its entry point is a.yml in one place and b.toml in another");
}

#[test]
fn parameters_of_other_builders_under_known_names_say_nothing() {
    let external = r#"{"workflow":"x","source":["y"],"configSource":1,"request":[],"buildConfigSource":"z","configPath":{},"entryPoint":2}"#;
    assert_eq!(said(V1, &v1("x", external, "[]")), some("", "", ""));
}

#[test]
fn a_summary_says_what_is_judged() {
    summary(V02, &buildkit(&git_context(), "{}"), |summary| {
        let summary = summary.unwrap();
        assert_eq!(summary.version, Version::V02);
        assert_eq!(summary.version.name(), "v0.2");
        assert_eq!(shown(summary.builder).as_deref(), Some("https://github.com/acme/app/actions/runs/1"));
        assert_eq!(shown(summary.build_type).as_deref(), Some("https://mobyproject.org/buildkit@v1"));
        assert_eq!(summary.made_at, UnixTime::parse("2026-11-24T12:01:00Z"));
        assert_eq!((summary.materials, summary.base_images), (2, 1));
    });
    summary(V1, &buildkit_v1(&git_context(), "{}"), |summary| {
        let summary = summary.unwrap();
        assert_eq!((summary.version, summary.builder), (Version::V1, None));
        assert_eq!(summary.made_at, UnixTime::parse("2026-11-24T12:00:00Z"));
        assert_eq!((summary.materials, summary.base_images), (0, 0));
    });
    let timeless =
        buildkit(&git_context(), "{}").replace("buildFinishedOn", "x").replace("buildStartedOn", "y");
    summary(V02, &timeless, |summary| assert_eq!(summary.unwrap().made_at, None));
}

#[test]
fn a_time_that_is_none_is_not_passed_over() {
    for time in ["2026-11-24T12:01:00", "yesterday", "2026-13-01T00:00:00Z", ""] {
        for member in ["2026-11-24T12:01:00Z", "2026-11-24T12:00:00.5Z"] {
            let text = buildkit(&git_context(), "{}").replace(member, time);
            summary(V02, &text, |summary| {
                assert_eq!(summary.unwrap_err().reason, Reason::PredicateMalformed, "{time}");
            });
        }
    }
    let number = buildkit(&git_context(), "{}").replace("\"2026-11-24T12:01:00Z\"", "1");
    let unmet = Unmet::malformed("time of the build's end");
    summary(V02, &number, |summary| assert_eq!(summary.unwrap_err(), unmet));
}

#[test]
fn a_wrapped_body_is_read_in_the_version_that_it_is_written_in() {
    let (old, new) = (buildkit(&git_context(), "{}"), buildkit_v1(&git_context(), "{}"));
    for kind in [V02, V1] {
        for (body, version) in [(&old, Version::V02), (&new, Version::V1)] {
            for wrapped in [
                format!(r#"{{"SLSA":{body}}}"#),
                format!(r#"{{"linux/amd64":{{"SLSA":{body}}},"linux/arm64":{{"SLSA":{{}}}}}}"#),
            ] {
                let found = with(kind, &wrapped, |attestation, context| {
                    Provenance::read(attestation, context).map(|read| read.version).ok()
                });
                assert_eq!(found, Some(version), "{kind}");
            }
        }
    }
    let (reason, _) = error(V02, &format!(r#"{{"linux/arm64":{{"SLSA":{old}}}}}"#));
    assert_eq!(reason, Reason::PlatformMissing);
    // One wrapper, not two.
    let (reason, words) = error(V02, &format!(r#"{{"SLSA":{{"SLSA":{old}}}}}"#));
    assert_eq!(reason, Reason::PredicateMalformed);
    assert_eq!(words, "its SLSA version (it has the members of none) cannot be read");
    let statement = format!(r#"{{"SLSA":{{"_type":"x","predicateType":"{V02}","predicate":{old}}}}}"#);
    assert_eq!(error(V02, &statement).0, Reason::PredicateMalformed);
}

#[test]
fn a_bare_body_is_of_its_own_version() {
    let (old, new) = (buildkit(&git_context(), "{}"), buildkit_v1(&git_context(), "{}"));
    for (kind, body) in [(V02, &new), (V1, &old)] {
        let (reason, words) = error(kind, body);
        assert_eq!(reason, Reason::PredicateMalformed);
        assert_eq!(words, "its predicate (it has the members of another SLSA version) cannot be read");
    }
    for kind in [V02, V1] {
        for body in [r#"{"builder":{},"runDetails":{}}"#, r#"{"buildDefinition":{},"materials":[]}"#] {
            assert_eq!(error(kind, body).0, Reason::ProvenanceContradiction, "{body}");
            assert_eq!(error(kind, &format!(r#"{{"SLSA":{body}}}"#)).0, Reason::ProvenanceContradiction);
        }
        for body in ["{}", r#"{"x":1}"#, "[]", "null", "1", "\"x\"", r#"{"SLSA":null}"#, r#"{"SLSA":[]}"#] {
            assert_eq!(error(kind, body).0, Reason::PredicateMalformed, "{body}");
        }
    }
}

#[test]
fn another_predicate_type_is_not_provenance() {
    for kind in ["https://slsa.dev/provenance/v0.1", "https://slsa.dev/provenance/v1.0?draft", "", "x"] {
        let reason = error(kind, &buildkit(&git_context(), "{}")).0;
        assert_eq!(reason, Reason::PredicateUnsupported, "{kind}");
    }
    // Escapes do not make another type.
    assert!(said("https:\\/\\/slsa.dev\\/provenance\\/v0.2", &buildkit(&git_context(), "{}")).is_ok());
}

#[test]
fn members_of_another_type_are_malformed() {
    let good = buildkit(&git_context(), "{}");
    for (from, to, what) in [
        (r#"{"id":"https://github.com/acme/app/actions/runs/1"}"#, "1", "builder"),
        (r#""https://github.com/acme/app/actions/runs/1""#, "1", "builder"),
        (r#""https://mobyproject.org/buildkit@v1","#, "1,", "build type"),
        (r#""https://github.com/acme/app.git#main""#, "{}", "source"),
        (&format!("\"{COMMIT}\""), "1", "commit"),
        (&format!("{{\"sha1\":\"{COMMIT}\"}}"), "[]", "digest of the source"),
        (r#""Dockerfile","path""#, "1,\"path\"", "entry point"),
        (r#"{"vcs":{}}"#, "1", "metadata"),
        (r#"{"vcs":{}}"#, r#"{"vcs":"x"}"#, "vcs"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        let (reason, words) = error(V02, &text);
        assert_eq!((reason, words), (Reason::PredicateMalformed, format!("its {what} cannot be read")));
    }
}

#[test]
fn twins_and_duplicates_at_every_level_are_ambiguous() {
    let good = buildkit(&git_context(), &vcs("git@github.com:acme/app", COMMIT));
    for name in [
        "builder",
        "id",
        "buildType",
        "invocation",
        "configSource",
        "uri",
        "digest",
        "sha1",
        "entryPoint",
        "parameters",
        "args",
        "metadata",
        "buildFinishedOn",
        "completeness",
        "https://mobyproject.org/buildkit@v1#metadata",
        "vcs",
        "source",
        "revision",
        "materials",
    ] {
        let key = format!("\"{name}\":");
        for twin in
            [name.to_string(), name.to_uppercase(), format!("\\u00{:02x}{}", name.as_bytes()[0], &name[1..])]
        {
            // The second occurrence of `uri` and `digest` is the configuration's, the first is a material's.
            let at = good.rfind(&key).unwrap();
            let text = format!("{}\"{twin}\":null,{}", &good[..at], &good[at..]);
            assert_eq!(error(V02, &text).0, Reason::PayloadAmbiguous, "{twin}");
        }
    }
}

#[test]
fn more_materials_than_are_read_are_not_counted() {
    let material = r#"{"uri":"https://x.example/y"}"#;
    let list = |count: usize| {
        let list = std::vec![material; count].join(",");
        format!(r#"{{"materials":[{list}]}}"#)
    };
    let most = crate::limits::PROVENANCE_MATERIALS;
    summary(V02, &list(most), |summary| assert_eq!(summary.unwrap().materials, 4096));
    summary(V02, &list(most + 1), |summary| {
        let unmet = summary.unwrap_err();
        assert_eq!(unmet.reason, Reason::PredicateMalformed);
        assert_eq!(unmet.finding, Finding::TooLarge("list of materials"));
    });
    for (materials, what) in
        [("{}", "materials"), ("1", "materials"), ("[1]", "materials"), ("[{\"uri\":1}]", "material's uri")]
    {
        summary(V02, &format!(r#"{{"materials":{materials}}}"#), |summary| {
            assert_eq!(summary.unwrap_err(), Unmet::malformed(what), "{materials}");
        });
    }
}

#[test]
fn only_a_builder_that_says_so_lists_every_parameter() {
    let completeness = |kind: &str, text: &str| {
        with(kind, text, |attestation, context| Provenance::read(attestation, context).unwrap().completeness)
    };
    let v02 = |value: &str| {
        let text = buildkit("{}", "{}").replace(r#"{"parameters":true}"#, value);
        completeness(V02, &text)
    };
    assert_eq!(v02(r#"{"parameters":true}"#), Completeness::Claimed);
    for value in [r#"{"parameters":false}"#, r#"{"parameters":"true"}"#, r#"{"parameters":1}"#] {
        assert_eq!(v02(value), Completeness::Denied, "{value}");
    }
    for value in ["{}", "null", r#"{"parameters":null}"#] {
        assert_eq!(v02(value), Completeness::Unsaid, "{value}");
    }
    assert_eq!(completeness(V1, &buildkit_v1("{}", "{}")), Completeness::Denied);
    let claimed = buildkit_v1("{}", "{}").replace(r#""request":false"#, r#""request":true"#);
    assert_eq!(completeness(V1, &claimed), Completeness::Claimed);
    assert_eq!(completeness(V1, &v1("x", "{}", "[]")), Completeness::Unsaid);
}
