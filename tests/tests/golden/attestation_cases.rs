//! The cases that attestations decide: a rule that asks for a signature and for what a report or a build's provenance says.
//!
//! Each case changes one thing against the first of its kind, which is allowed. What the image's own index holds, and what a
//! condition in CEL gives, is the agent's part: a board has neither, and says so.

use pullward_tests::Error;

use super::cases::{Draft, Material};
use super::forge::{Forge, Key, Piece, statement_with, subject_of};
use super::trust::{Payload, Rule, authority};

const VULN: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";
const PROVENANCE: &str = "https://slsa.dev/provenance/v0.2";
const OPENVEX: &str = "https://openvex.dev/ns/v0.2.0";
const SPDX: &str = "https://spdx.dev/Document";
const CYCLONEDX: &str = "https://cyclonedx.org/bom";
const COMMIT: &str = "c27d339ee6075c1f744c5d4b200f7901aad2c369";

/// All cases.
pub(crate) fn all(forge: &Forge<'_>, m: &Material) -> Result<Vec<Draft>, Error> {
    let attest = Attest { forge, m };
    let mut drafts = attest.who_signed()?;
    drafts.extend(attest.reports()?);
    drafts.extend(attest.ages()?);
    drafts.extend(attest.provenance()?);
    drafts.extend(attest.packages()?);
    Ok(drafts)
}

struct Attest<'a, 'f> {
    forge: &'a Forge<'f>,
    m: &'a Material,
}

/// What differs from a report without findings, of this image and of the day before the question.
#[derive(Clone, Copy)]
struct Report<'r> {
    findings: &'r str,
    finished: &'r str,
    digest: Option<&'r str>,
}

const CLEAN: Report<'static> = Report { findings: "", finished: "\"2026-05-27T20:26:40Z\"", digest: None };
const CRITICAL: &str = r#"{"VulnerabilityID":"CVE-2026-1","PkgName":"libgolden","PkgIdentifier":{"PURL":"pkg:deb/debian/libgolden@1"},"InstalledVersion":"1","Severity":"CRITICAL"}"#;

/// No critical vulnerability; `ignore` and `vex` as given.
fn limits(ignore: &str, vex: &str) -> String {
    format!(
        r#"{{"critical":0,"high":null,"medium":null,"low":null,"unknown":null,"fixable_only":false,"ignore":[{ignore}],"vex":[{vex}]}}"#
    )
}

/// Conditions on provenance that are empty but for these members.
fn expected(members: &[(&str, &str)]) -> String {
    let names = r#"{"require":[],"forbid":[]}"#;
    let all = [
        ("builder", "[]"),
        ("build_type", "[]"),
        ("source", "[]"),
        ("commit", "[]"),
        ("entry_point", "[]"),
        ("parameters", names),
        ("arguments", names),
        ("materials", r#""optional""#),
        ("base", "[]"),
    ];
    let all = all.map(|(name, value)| {
        let value = members.iter().find(|(known, _)| *known == name).map_or(value, |(_, value)| value);
        format!(r#""{name}":{value}"#)
    });
    format!("{{{}}}", all.join(","))
}

/// A requirement as a trust bundle has it.
struct Asks<'r> {
    kind: &'r str,
    signed_by: &'r str,
    max_age: &'r str,
    vulnerabilities: &'r str,
    provenance: &'r str,
    packages: &'r str,
    condition: &'r str,
}

impl Default for Asks<'_> {
    fn default() -> Self {
        Self {
            kind: VULN,
            signed_by: r#""release""#,
            max_age: "null",
            vulnerabilities: "null",
            provenance: "null",
            packages: "null",
            condition: "null",
        }
    }
}

impl Asks<'_> {
    fn text(&self) -> String {
        let Self { kind, signed_by, max_age, vulnerabilities, provenance, packages, condition } = self;
        format!(
            r#"{{"types":["{kind}"],"signed_by":[{signed_by}],"covered":false,"max_age":{max_age},"max_age_at":"first","vulnerabilities":{vulnerabilities},"provenance":{provenance},"packages":{packages},"condition":{condition}}}"#
        )
    }
}

impl Attest<'_, '_> {
    /// A rule that asks for a signature by `release` and for these attestations.
    fn case(&self, name: &'static str, expected: &'static str, asks: &str, pieces: &[&Piece]) -> Draft {
        let authorities = [authority("release", &self.m.release), authority("second", &self.m.second)];
        let rule = Rule { attestations: asks, ..Rule::new("app", "docker.io/kcandidate/**") };
        let pieces: Vec<Piece> =
            [&self.m.bundle].into_iter().chain(pieces.iter().copied()).cloned().collect();
        self.m.payload_case(name, expected, &Payload::new(&authorities, &[rule.text()])).with(&pieces)
    }

    fn signed(&self, key: &Key, kind: &str, predicate: &str) -> Result<Piece, Error> {
        self.forge.statement(key, &statement_with("v1", &subject_of(&self.m.digest), kind, predicate))
    }

    fn report_predicate(&self, report: Report<'_>) -> String {
        let digest = report.digest.unwrap_or(&self.m.digest);
        let Report { findings, finished, .. } = report;
        format!(
            r#"{{"invocation":{{"parameters":null,"uri":"","event_id":"","builder.id":""}},"scanner":{{"uri":"pkg:github/aquasecurity/trivy@0.57.0","version":"0.57.0","db":{{"uri":"","version":""}},"result":{{"SchemaVersion":2,"ArtifactName":"docker.io/kcandidate/app","Metadata":{{"RepoDigests":["docker.io/kcandidate/app@{digest}"]}},"Results":[{{"Target":"golden","Class":"os-pkgs","Type":"debian","Vulnerabilities":[{findings}]}}]}}}},"metadata":{{"scanStartedOn":{finished},"scanFinishedOn":{finished}}}}}"#
        )
    }

    fn report(&self, key: &Key, report: Report<'_>) -> Result<Piece, Error> {
        self.signed(key, VULN, &self.report_predicate(report))
    }

    fn who_signed(&self) -> Result<Vec<Draft>, Error> {
        let m = self.m;
        let clean = self.report_predicate(CLEAN);
        let by_cosign_3 = self.forge.attestation_of(&m.release, "vuln", &clean)?;
        let by_cosign_2 = self.forge.legacy_attestation_of(&m.release, "vuln", &clean)?;
        let by_second = self.report(&m.second, CLEAN)?;
        let by_stranger = self.report(&m.stranger, CLEAN)?;
        let other_type = self.signed(&m.release, PROVENANCE, &clean)?;
        let other_subject = statement_with("v1", &subject_of(self.forge.other()), VULN, &clean);
        let other_subject = self.forge.statement(&m.release, &other_subject)?;
        let limits = limits("", "");
        let asks = Asks { vulnerabilities: &limits, ..Asks::default() }.text();
        // The second authority is one whose attestations count, for something else.
        let two = format!(
            "{asks},{}",
            Asks { kind: PROVENANCE, signed_by: r#""second""#, ..Asks::default() }.text()
        );
        let missing = "deny attestation-missing app";
        Ok(vec![
            self.case("attested-by-cosign-3", "allow signed app", &asks, &[&by_cosign_3]),
            self.case("attested-by-cosign-2", "allow signed app", &asks, &[&by_cosign_2]),
            self.case("attested-with-another-type", missing, &asks, &[&other_type]),
            self.case("attested-of-another-image", missing, &asks, &[&other_subject]),
            self.case("attested-by-a-stranger", missing, &asks, &[&by_stranger]),
            self.case("attested-by-another-authority", "deny attestation-signer app", &two, &[&by_second]),
        ])
    }

    fn reports(&self) -> Result<Vec<Draft>, Error> {
        let m = self.m;
        let clean = self.report(&m.release, CLEAN)?;
        let critical = self.report(&m.release, Report { findings: CRITICAL, ..CLEAN })?;
        let nothing = "0".repeat(64);
        let of_another =
            self.report(&m.release, Report { digest: Some(&format!("sha256:{nothing}")), ..CLEAN })?;
        let no_report = self.signed(&m.release, VULN, r#"{"scanner":{"result":[]}}"#)?;
        let twice = self.report_predicate(CLEAN).replacen("\"metadata\"", "\"scanner\":{},\"metadata\"", 1);
        let twice = self.signed(&m.release, VULN, &twice)?;
        let vex = format!(
            r#"{{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://golden.example/vex","author":"golden","timestamp":"2026-05-27T20:26:40Z","version":1,"statements":[{{"vulnerability":{{"name":"CVE-2026-1"}},"products":[{{"@id":"pkg:oci/app@{}"}}],"status":"not_affected","justification":"vulnerable_code_not_present"}}]}}"#,
            m.digest.replace(':', "%3A")
        );
        let by_second = self.signed(&m.second, OPENVEX, &vex)?;
        let by_release = self.signed(&m.release, OPENVEX, &vex)?;
        let asks = |ignore: &str, vex: &str| {
            let limits = limits(ignore, vex);
            Asks { vulnerabilities: &limits, ..Asks::default() }.text()
        };
        let plain = asks("", "");
        let exceeded = "deny vulnerabilities-exceeded app";
        let condition =
            Asks { condition: r#"{"engine":"cel@0.15.0","expression":"true"}"#, ..Asks::default() };
        let limits = limits("", "");
        let unsupported =
            Asks { kind: "https://example.org/review", vulnerabilities: &limits, ..Asks::default() };
        let review = self.signed(&m.release, "https://example.org/review", r#"{"by":"golden"}"#)?;
        Ok(vec![
            self.case("report-with-a-critical-finding", exceeded, &plain, &[&critical]),
            self.case("clean-report-beside-another", "allow signed app", &plain, &[&critical, &clean]),
            self.case(
                "report-with-an-ignored-finding",
                "allow signed app",
                &asks(r#"{"id":"CVE-2026-1","until":"2026-05-28T20:26:41Z"}"#, ""),
                &[&critical],
            ),
            self.case(
                "report-with-a-finding-ignored-until-now",
                exceeded,
                &asks(r#"{"id":"CVE-2026-1","until":"2026-05-28T20:26:40Z"}"#, ""),
                &[&critical],
            ),
            self.case(
                "report-with-a-finding-that-vex-removes",
                "allow signed app",
                &asks("", r#""second""#),
                &[&by_second, &critical],
            ),
            self.case("vex-by-nobody-who-may", exceeded, &asks("", r#""second""#), &[&by_release, &critical]),
            self.case("report-of-another-image", "deny report-other-image app", &plain, &[&of_another]),
            self.case("report-that-is-none", "deny predicate-malformed app", &plain, &[&no_report]),
            self.case("report-with-two-scanners", "deny payload-ambiguous app", &plain, &[&twice]),
            self.case(
                "limits-on-another-type",
                "deny predicate-unsupported app",
                &unsupported.text(),
                &[&review],
            ),
            // Marked: the same row is decided by the condition where there is an engine.
            self.case(
                "condition-without-engine",
                "deny condition-engine-absent app",
                &condition.text(),
                &[&clean],
            ),
        ])
    }

    fn ages(&self) -> Result<Vec<Draft>, Error> {
        let report = |finished| self.report(&self.m.release, Report { finished, ..CLEAN });
        let (clean, future) = (report(CLEAN.finished)?, report("\"2026-05-28T20:26:41Z\"")?);
        let (absent, no_zone) = (report("null")?, report("\"2026-05-27T20:26:40\"")?);
        let asks = |max_age| Asks { max_age, ..Asks::default() }.text();
        let day = asks("86400");
        Ok(vec![
            self.case("report-of-the-last-second", "allow signed app", &day, &[&clean]),
            self.case("report-a-second-too-old", "deny attestation-too-old app", &asks("86399"), &[&clean]),
            self.case("report-from-the-future", "deny attestation-from-future app", &day, &[&future]),
            self.case("report-without-a-time", "deny attestation-no-time app", &day, &[&absent]),
            self.case("report-without-a-zone", "deny predicate-malformed app", &day, &[&no_zone]),
        ])
    }

    fn provenance(&self) -> Result<Vec<Draft>, Error> {
        let build = format!(
            r#"{{"builder":{{"id":"https://builds.example/one"}},"buildType":"https://mobyproject.org/buildkit@v1","invocation":{{"configSource":{{"uri":"git+https://github.com/kcandidate/app.git@refs/heads/main","digest":{{"sha1":"{COMMIT}"}},"entryPoint":"Dockerfile"}},"parameters":{{"frontend":"dockerfile.v0","args":{{"build-arg:VERSION":"1.2"}}}}}},"materials":[{{"uri":"pkg:docker/alpine@3.20?platform=linux%2Famd64","digest":{{"sha256":"{}"}}}}],"metadata":{{"buildFinishedOn":"2026-05-27T20:26:40Z","completeness":{{"parameters":true}}}}}}"#,
            "1".repeat(64)
        );
        let signed = |predicate: &str| self.signed(&self.m.release, PROVENANCE, predicate);
        let good = signed(&build)?;
        let elsewhere = r#""https://mobyproject.org/buildkit@v1#metadata":{"vcs":{"source":"git@github.com:kcandidate/fork"}},"completeness""#;
        let two_sources = signed(&build.replace("\"completeness\"", elsewhere))?;
        let here = elsewhere.replace("fork", "app");
        let twice_the_same = signed(&build.replace("\"completeness\"", &here))?;
        let no_materials = signed(&build.replace("\"materials\"", "\"other\""))?;
        let other_platform = signed(&format!(r#"{{"linux/arm64":{{"SLSA":{build}}}}}"#))?;
        let this_platform = signed(&format!(r#"{{"linux/amd64":{{"SLSA":{build}}}}}"#))?;
        let case = |name, verdict, members: &[(&str, &str)], piece: &Piece| {
            let provenance = expected(members);
            let asks = Asks { kind: PROVENANCE, provenance: &provenance, ..Asks::default() };
            self.case(name, verdict, &asks.text(), &[piece])
        };
        let all = [
            ("builder", r#"["https://builds.example/*"]"#),
            ("build_type", r#"["https://mobyproject.org/buildkit@v1"]"#),
            ("source", r#"["https://github.com/kcandidate/*"]"#),
            ("commit", r#"["c27d339ee6075c1f744c5d4b200f7901aad2c369"]"#),
            ("entry_point", r#"["Dockerfile"]"#),
            ("parameters", r#"{"require":[{"name":"frontend","value":"dockerfile.*"}],"forbid":["ssh"]}"#),
            ("arguments", r#"{"require":[{"name":"VERSION","value":"1.*"}],"forbid":["HTTP_PROXY"]}"#),
            ("materials", r#""required""#),
            ("base", r#"["docker.io/library/alpine@*"]"#),
        ];
        let other = r#"["https://elsewhere.example/*"]"#;
        let parameters = "deny parameter-mismatch app";
        Ok(vec![
            case("build-that-meets-everything", "allow signed app", &all, &good),
            case("build-for-this-platform", "allow signed app", &all, &this_platform),
            case("build-that-names-its-source-twice", "allow signed app", &all, &twice_the_same),
            case("build-by-another-builder", "deny builder-mismatch app", &[("builder", other)], &good),
            case("build-of-another-type", "deny build-type-mismatch app", &[("build_type", other)], &good),
            case("build-from-another-source", "deny source-mismatch app", &[("source", other)], &good),
            case("build-from-another-commit", "deny commit-mismatch app", &[("commit", r#"["0*"]"#)], &good),
            case(
                "build-from-another-file",
                "deny entry-point-mismatch app",
                &[("entry_point", r#"["*.sh"]"#)],
                &good,
            ),
            case(
                "build-that-lacks-an-argument",
                parameters,
                &[("arguments", r#"{"require":[{"name":"version","value":null}],"forbid":[]}"#)],
                &good,
            ),
            case(
                "build-with-a-forbidden-argument",
                parameters,
                &[("arguments", r#"{"require":[],"forbid":["VER*"]}"#)],
                &good,
            ),
            case(
                "build-on-another-base",
                "deny base-mismatch app",
                &[("base", r#"["docker.io/library/debian@*"]"#)],
                &good,
            ),
            case(
                "build-without-materials",
                "deny materials-missing app",
                &[("materials", r#""required""#)],
                &no_materials,
            ),
            case("build-from-two-sources", "deny provenance-contradiction app", &[], &two_sources),
            case("build-for-another-platform", "deny platform-missing app", &[], &other_platform),
        ])
    }

    fn packages(&self) -> Result<Vec<Draft>, Error> {
        let spdx = r#"{"spdxVersion":"SPDX-2.3","creationInfo":{"created":"2026-05-27T20:26:40Z","creators":["Tool: golden"]},"packages":[{"name":"log4j-core","versionInfo":"2.14.1","licenseConcluded":"Apache-2.0","licenseDeclared":"Apache-2.0","externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1"}]}]}"#;
        let cyclonedx = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"library","name":"event-stream","version":"3.3.6","purl":"pkg:npm/event-stream@3.3.6","licenses":[{"license":{"id":"AGPL-3.0-only"}}]}]}"#;
        let spdx = self.signed(&self.m.release, SPDX, spdx)?;
        let cyclonedx = self.signed(&self.m.release, CYCLONEDX, cyclonedx)?;
        let empty = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"component":{"type":"container","name":"app"}},"components":[]}"#;
        let empty = self.signed(&self.m.release, CYCLONEDX, empty)?;
        let no_list = self.signed(&self.m.release, SPDX, r#"{"spdxVersion":"SPDX-2.3"}"#)?;
        let case = |name, verdict, kind, packages: &str, piece: &Piece| {
            self.case(name, verdict, &Asks { kind, packages, ..Asks::default() }.text(), &[piece])
        };
        let log4j = r#"{"deny":[{"name":"log4j-core","version":"2.14.*"}],"licenses":[]}"#;
        let stream = r#"{"deny":[{"purl":"pkg:npm/event-stream@*"}],"licenses":[]}"#;
        let agpl = r#"{"deny":[],"licenses":["AGPL-3.0*"]}"#;
        let malformed = "deny predicate-malformed app";
        Ok(vec![
            case("package-that-is-not-denied", "allow signed app", SPDX, stream, &spdx),
            case("package-denied-by-name", "deny package-denied app", SPDX, log4j, &spdx),
            case("package-denied-by-purl", "deny package-denied app", CYCLONEDX, stream, &cyclonedx),
            case("licence-that-is-not-denied", "allow signed app", SPDX, agpl, &spdx),
            case("licence-denied", "deny license-denied app", CYCLONEDX, agpl, &cyclonedx),
            case("list-of-no-packages", "deny packages-missing app", CYCLONEDX, stream, &empty),
            case("list-of-packages-that-is-none", malformed, SPDX, log4j, &no_list),
        ])
    }
}
