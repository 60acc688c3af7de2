//! Package lists and provenance of several MB, each with the members, the lengths and the order that its makers write.

use std::fmt::Write as _;

/// How long a minted document is at least.
const DOCUMENT_BYTES: usize = 5 * 1024 * 1024;

/// Licences of one list: as many as the images of a distribution have.
const LICENSES: usize = 300;

/// A list of the pieces that `piece` makes, up to a length.
fn list(bytes: usize, piece: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for number in 0.. {
        if text.len() > bytes {
            break;
        }
        if number > 0 {
            text.push(',');
        }
        text.push_str(&piece(number));
    }
    text
}

/// SHA-256 in hex, by its look.
fn hex(number: usize) -> String {
    format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).repeat(4)
}

/// SPDX 2.3 as Syft writes it: packages, their files, and who contains whom.
pub(crate) fn spdx2() -> String {
    let packages = list(DOCUMENT_BYTES / 2, |n| {
        format!(
            r#"{{"name":"libexample{n}","SPDXID":"SPDXRef-Package-deb-libexample{n}-{n:016x}","versionInfo":"1.2.{n}-4+deb12u1","supplier":"Person: Debian Maintainers","originator":"Person: Debian Maintainers","downloadLocation":"NOASSERTION","filesAnalyzed":true,"packageVerificationCode":{{"packageVerificationCodeValue":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}},"sourceInfo":"acquired package info from DPKG DB: /usr/share/doc/libexample{n}/copyright, /var/lib/dpkg/status","licenseConcluded":"NOASSERTION","licenseDeclared":"GPL-2.0-or-later AND LicenseRef-{}","copyrightText":"NOASSERTION","externalRefs":[{{"referenceCategory":"SECURITY","referenceType":"cpe23Type","referenceLocator":"cpe:2.3:a:libexample{n}:libexample{n}:1.2.{n}-4\\+deb12u1:*:*:*:*:*:*:*"}},{{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:deb/debian/libexample{n}@1.2.{n}-4%2Bdeb12u1?arch=amd64&distro=debian-12&upstream=example"}}]}}"#,
            n % LICENSES
        )
    });
    let files = list(DOCUMENT_BYTES / 4, |n| {
        format!(
            r#"{{"fileName":"/usr/share/doc/libexample{n}/copyright","SPDXID":"SPDXRef-File-{n:016x}","fileTypes":["TEXT"],"checksums":[{{"algorithm":"SHA256","checksumValue":"{}"}}],"licenseConcluded":"NOASSERTION","licenseInfoInFiles":["NOASSERTION"],"copyrightText":"NOASSERTION","comment":"layerID: sha256:{}"}}"#,
            hex(n),
            hex(7)
        )
    });
    let relations = list(DOCUMENT_BYTES / 4, |n| {
        format!(
            r#"{{"spdxElementId":"SPDXRef-Package-deb-libexample{n}-{n:016x}","relatedSpdxElement":"SPDXRef-File-{n:016x}","relationshipType":"OTHER","comment":"evident-by: indicates the package's existence is evident by the given file"}}"#
        )
    });
    let mut own = String::new();
    for n in 0..LICENSES {
        let comma = if n > 0 { "," } else { "" };
        let _ = write!(
            own,
            r#"{comma}{{"licenseId":"LicenseRef-{n}","extractedText":"Licence {n} of somebody","name":"Licence {n}"}}"#
        );
    }
    format!(
        r#"{{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"myapp","documentNamespace":"https://anchore.com/syft/image/myapp","creationInfo":{{"licenseListVersion":"3.23","creators":["Organization: Anchore, Inc","Tool: syft-1.4.1"],"created":"2025-12-01T00:00:00Z"}},"packages":[{packages}],"files":[{files}],"hasExtractedLicensingInfos":[{own}],"relationships":[{relations}]}}"#
    )
}

/// `CycloneDX` 1.6 as Trivy and Syft write it.
pub(crate) fn cyclonedx() -> String {
    let components = list(DOCUMENT_BYTES * 4 / 5, |n| {
        format!(
            r#"{{"bom-ref":"pkg:deb/debian/libexample{n}@1.2.{n}-4%2Bdeb12u1?package-id={n:016x}","type":"library","publisher":"Debian Maintainers","name":"libexample{n}","version":"1.2.{n}-4+deb12u1","licenses":[{{"license":{{"id":"GPL-2.0-or-later"}}}},{{"license":{{"name":"License {}"}}}}],"cpe":"cpe:2.3:a:libexample{n}:libexample{n}:1.2.{n}-4\\+deb12u1:*:*:*:*:*:*:*","purl":"pkg:deb/debian/libexample{n}@1.2.{n}-4%2Bdeb12u1?arch=amd64&distro=debian-12","properties":[{{"name":"syft:package:foundBy","value":"dpkg-db-cataloger"}},{{"name":"syft:package:type","value":"deb"}},{{"name":"syft:location:0:layerID","value":"sha256:{}"}},{{"name":"syft:location:0:path","value":"/var/lib/dpkg/status"}}]}}"#,
            n % LICENSES,
            hex(7)
        )
    });
    let relations = list(DOCUMENT_BYTES / 5, |n| {
        format!(
            r#"{{"ref":"pkg:deb/debian/libexample{n}@1.2.{n}-4%2Bdeb12u1?package-id={n:016x}","dependsOn":["pkg:deb/debian/libexample0@1.2.0-4%2Bdeb12u1?package-id={:016x}"]}}"#,
            0
        )
    });
    format!(
        r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"metadata":{{"timestamp":"2025-12-01T00:00:00Z","tools":{{"components":[{{"type":"application","name":"trivy","version":"0.50.0"}}]}},"component":{{"type":"container","name":"myapp"}}}},"components":[{components}],"dependencies":[{relations}]}}"#
    )
}

/// SPDX 3.0.1 in one graph: packages, each with its file and two relations to licences, then the licences. At the
/// largest there is room for in a payload, packages are several times as many as one batch of the reader.
pub(crate) fn spdx3(bytes: usize) -> String {
    const AT: &str = "https://spdx.org/spdxdocs/myapp-5e1c0c2e-8c3b-4f6a-9a55-2b8b9f0a3c11";
    let packages = list(bytes, |n| {
        let relation = |kind: &str, to: &str| {
            format!(
                r#"{{"type":"Relationship","spdxId":"{AT}/relation/{n}/{kind}","creationInfo":"_:creation","from":"{AT}/package/{n}","to":["{to}"],"relationshipType":"{kind}"}}"#
            )
        };
        let of = n % LICENSES;
        let declared = relation("hasDeclaredLicense", &format!("{AT}/license/{of}"));
        let concluded = relation("hasConcludedLicense", "https://spdx.org/licenses/Apache-2.0");
        let contains = relation("contains", &format!("{AT}/file/{n}"));
        format!(
            r#"{{"type":"software_Package","spdxId":"{AT}/package/{n}","creationInfo":"_:creation","name":"libexample{n}","software_packageVersion":"1.2.{n}-4+deb12u1","software_downloadLocation":"https://archive.example/debian/pool/main/e/example/libexample{n}.deb","software_primaryPurpose":"library","software_copyrightText":"NOASSERTION","suppliedBy":"{AT}/agent/debian","software_packageUrl":"pkg:deb/debian/libexample{n}@1.2.{n}-4%2Bdeb12u1?arch=amd64&distro=debian-12","externalIdentifier":[{{"type":"ExternalIdentifier","externalIdentifierType":"cpe23","identifier":"cpe:2.3:a:libexample{n}:libexample{n}:1.2.{n}:*:*:*:*:*:*:*"}}]}},{{"type":"software_File","spdxId":"{AT}/file/{n}","creationInfo":"_:creation","name":"/usr/lib/libexample{n}.so","verifiedUsing":[{{"type":"Hash","algorithm":"sha256","hashValue":"{}"}}]}},{declared},{concluded},{contains}"#,
            hex(n)
        )
    });
    let mut licenses = String::new();
    for n in 0..LICENSES {
        let _ = write!(
            licenses,
            r#",{{"type":"simplelicensing_LicenseExpression","spdxId":"{AT}/license/{n}","creationInfo":"_:creation","simplelicensing_licenseExpression":"MIT OR Licence-{n}"}}"#
        );
    }
    format!(
        r#"{{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[{{"type":"CreationInfo","@id":"_:creation","specVersion":"3.0.1","created":"2025-12-01T00:00:00Z","createdBy":["{AT}/agent/debian"]}},{{"type":"SpdxDocument","spdxId":"{AT}","creationInfo":"_:creation","rootElement":["{AT}/package/0"]}},{packages}{licenses}]}}"#
    )
}

/// Materials: as many as are read, most of them files that the build downloaded.
fn materials() -> String {
    let piece = |n: usize| {
        let digest = hex(n);
        if n.is_multiple_of(64) {
            format!(
                r#"{{"uri":"pkg:docker/base{n}@1.{n}?platform=linux%2Famd64","digest":{{"sha256":"{digest}"}}}}"#
            )
        } else {
            format!(
                r#"{{"uri":"https://archive.example/debian/pool/main/e/example/libexample{n}_1.2.{n}-4+deb12u1_amd64.deb","digest":{{"sha256":"{digest}"}}}}"#
            )
        }
    };
    (0..4000).map(piece).collect::<Vec<_>>().join(",")
}

/// Steps of the build, which `BuildKit` adds with `mode=max`.
fn steps() -> String {
    list(DOCUMENT_BYTES / 2, |n| {
        format!(
            r#"{{"id":"step{n}","op":{{"Op":{{"Exec":{{"meta":{{"args":["/bin/sh","-c","apt-get update \u0026\u0026 apt-get install -y libexample{n}"],"env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","DEBIAN_FRONTEND=noninteractive"],"cwd":"/","removeMountStubsRecursive":true}},"mounts":[{{"input":0,"dest":"/","output":0}}]}}}},"platform":{{"Architecture":"amd64","OS":"linux"}},"constraints":{{}}}},"inputs":["step{n}:0"]}}"#
        )
    })
}

/// What provenance asks for in every row: all that the minted documents say.
pub(crate) const PROVENANCE: &str = r#"{"builder":["https://github.com/**"],"build_type":["https://**"],"source":["https://github.com/**"],"commit":["**"],"entry_point":["**"],"parameters":{"require":[],"forbid":[]},"arguments":{"require":[],"forbid":[]},"materials":"required","base":["docker.io/**"]}"#;

/// SLSA v0.2.
pub(crate) fn slsa_v02() -> String {
    format!(
        r#"{{"builder":{{"id":"https://github.com/acme/app/actions/runs/1"}},"buildType":"https://mobyproject.org/buildkit@v1","materials":[{}],"invocation":{{"configSource":{{"uri":"https://github.com/acme/app.git#refs/heads/main","digest":{{"sha1":"{COMMIT}"}},"entryPoint":"Dockerfile"}},"parameters":{{"frontend":"dockerfile.v0","args":{{"build-arg:A":"b"}}}},"environment":{{"platform":"linux/amd64"}}}},"buildConfig":{{"llbDefinition":[{}]}},"metadata":{{"buildStartedOn":"2025-12-01T00:00:00Z","buildFinishedOn":"2025-12-01T00:10:00Z","completeness":{{"parameters":true,"environment":true,"materials":false}},"reproducible":false}}}}"#,
        materials(),
        steps()
    )
}

/// SLSA v1.
pub(crate) fn slsa_v1() -> String {
    format!(
        r#"{{"buildDefinition":{{"buildType":"https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md","externalParameters":{{"configSource":{{"uri":"https://github.com/acme/app.git#refs/heads/main","digest":{{"sha1":"{COMMIT}"}},"path":"Dockerfile"}},"request":{{"frontend":"dockerfile.v0","args":{{"build-arg:A":"b"}}}}}},"internalParameters":{{"buildConfig":{{"llbDefinition":[{}]}},"builderPlatform":"linux/amd64"}},"resolvedDependencies":[{}]}},"runDetails":{{"builder":{{"id":"https://github.com/acme/app/actions/runs/1"}},"metadata":{{"invocationId":"x","startedOn":"2025-12-01T00:00:00Z","finishedOn":"2025-12-01T00:10:00Z"}}}}}}"#,
        steps(),
        materials()
    )
}

const COMMIT: &str = "693130cb6cb840a7bc9cb18c6510d536a95dc7e6";
