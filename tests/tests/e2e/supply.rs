//! What a pipeline attests, in exactly the shape in which its tools write it: Trivy's reports and package lists,
//! `BuildKit`'s provenance. The tools themselves need a network; cosign, which signs it all, is real.

use pullward_core::time::UnixTime;
use serde_json::{Value, json};

/// The repository that everything is built from.
pub(crate) const SOURCE: &str = "https://github.com/acme/app";
/// The commit.
pub(crate) const COMMIT: &str = "9d5a8e2f0c1b4a7d6e3f2a1b0c9d8e7f6a5b4c3d";
/// The builder, as buildx names itself on a runner of GitHub.
pub(crate) const BUILDER: &str = "https://github.com/acme/app/actions/runs/4711/attempts/1";

/// Predicate types that a pipeline gives as URIs: for its short names of them cosign rewrites the predicate, and leaves
/// out what it does not know.
pub(crate) const SLSA_02: &str = "https://slsa.dev/provenance/v0.2";
/// The same for v1.
pub(crate) const SLSA_1: &str = "https://slsa.dev/provenance/v1";

/// A finding of a scan: vulnerability, severity, package, version.
pub(crate) type Finding = (&'static str, &'static str, &'static str, &'static str);

/// What is harmless enough.
pub(crate) const MILD: [Finding; 3] = [
    ("CVE-2024-1001", "HIGH", "libcrypto3", "3.1.4-r0"),
    ("CVE-2024-1002", "MEDIUM", "busybox", "1.36.1-r15"),
    ("CVE-2024-1003", "LOW", "zlib", "1.3-r2"),
];
/// What is not.
pub(crate) const SEVERE: Finding = ("CVE-2024-3094", "CRITICAL", "xz-libs", "5.6.1-r0");

/// The wall clock, so many seconds ago, as RFC 3339.
pub(crate) fn ago(seconds: u64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    UnixTime(now - seconds).to_string()
}

/// `trivy image --format cosign-vuln IMAGE`: both times are the moment at which it writes, and the database is empty.
pub(crate) fn trivy(image: &str, written: &str, findings: &[Finding]) -> Value {
    let vulnerabilities: Vec<Value> = findings
        .iter()
        .map(|(id, severity, package, version)| {
            json!({
                "VulnerabilityID": id,
                "PkgID": format!("{package}@{version}"),
                "PkgName": package,
                "PkgIdentifier": {"PURL": format!("pkg:apk/alpine/{package}@{version}?arch=x86_64&distro=3.19.0")},
                "InstalledVersion": version,
                "FixedVersion": "99.0-r0",
                "Status": "fixed",
                "Layer": {"DiffID": format!("sha256:{}", "d".repeat(64))},
                "SeveritySource": "nvd",
                "PrimaryURL": format!("https://avd.aquasec.com/nvd/{}", id.to_lowercase()),
                "Title": format!("{package}: something is wrong"),
                "Severity": severity,
                "CweIDs": ["CWE-787"],
                "CVSS": {"nvd": {"V3Vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "V3Score": 9.8}},
                "PublishedDate": "2024-03-29T17:15:21.15Z",
            })
        })
        .collect();
    let mut target =
        json!({"Target": format!("{image} (alpine 3.19.0)"), "Class": "os-pkgs", "Type": "alpine"});
    if !vulnerabilities.is_empty() {
        target["Vulnerabilities"] = vulnerabilities.into();
    }
    let digest = image.rsplit('@').next().unwrap();
    let repository = image.split('@').next().unwrap();
    json!({
        "invocation": {"parameters": null, "uri": "", "event_id": "", "builder.id": ""},
        "scanner": {
            "uri": "pkg:github/aquasecurity/trivy@0.57.1",
            "version": "0.57.1",
            "db": {"uri": "", "version": ""},
            "result": {
                "SchemaVersion": 2,
                "CreatedAt": written,
                "ArtifactName": image,
                "ArtifactType": "container_image",
                "Metadata": {
                    "OS": {"Family": "alpine", "Name": "3.19.0"},
                    "RepoTags": [format!("{repository}:v1")],
                    "RepoDigests": [format!("{repository}@{digest}")],
                },
                "Results": [target],
            },
        },
        "metadata": {"scanStartedOn": written, "scanFinishedOn": written},
    })
}

/// `BuildKit`'s provenance v0.2, `mode=max`.
pub(crate) fn buildkit_02(source: &str, builder: &str) -> Value {
    json!({
        "builder": {"id": builder},
        "buildType": "https://mobyproject.org/buildkit@v1",
        "materials": [{
            "uri": "pkg:docker/alpine@3.19?platform=linux%2Famd64",
            "digest": {"sha256": "51b67269f354137895d43f3b3d810bfacd3945438e94dc5ac55fdac340352f48"},
        }],
        "invocation": {
            "configSource": {"entryPoint": "Dockerfile"},
            "parameters": {
                "frontend": "dockerfile.v0",
                "args": {"build-arg:VERSION": "1.4.2"},
                "locals": [{"name": "context"}, {"name": "dockerfile"}],
            },
            "environment": {"platform": "linux/amd64"},
        },
        "metadata": {
            "buildInvocationID": "kv0y2h1n4m8x7q6w5e4r3t2z1",
            "buildStartedOn": ago(600),
            "buildFinishedOn": ago(540),
            "completeness": {"parameters": true, "environment": true, "materials": false},
            "reproducible": false,
            "https://mobyproject.org/buildkit@v1#metadata": {
                "vcs": {"localdir:context": ".", "localdir:dockerfile": ".", "revision": COMMIT, "source": source},
            },
        },
    })
}

/// `BuildKit`'s provenance v1.
pub(crate) fn buildkit_1(source: &str, builder: &str) -> Value {
    json!({
        "buildDefinition": {
            "buildType": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
            "externalParameters": {
                "configSource": {"path": "Dockerfile"},
                "request": {
                    "frontend": "dockerfile.v0",
                    "args": {"build-arg:VERSION": "1.4.2"},
                    "locals": [{"name": "context"}, {"name": "dockerfile"}],
                },
            },
            "internalParameters": {"builderPlatform": "linux/amd64"},
            "resolvedDependencies": [{
                "uri": "pkg:docker/alpine@3.19?platform=linux%2Famd64",
                "digest": {"sha256": "51b67269f354137895d43f3b3d810bfacd3945438e94dc5ac55fdac340352f48"},
            }],
        },
        "runDetails": {
            "builder": {"id": builder},
            "metadata": {
                "invocationId": "kv0y2h1n4m8x7q6w5e4r3t2z1",
                "startedOn": ago(600),
                "finishedOn": ago(540),
                "buildkit_metadata": {"vcs": {"revision": COMMIT, "source": source}},
                "buildkit_completeness": {"request": true, "resolvedDependencies": false},
                "buildkit_reproducible": false,
            },
        },
    })
}

/// `trivy image --format spdx-json IMAGE`.
pub(crate) fn spdx(image: &str, packages: &[(&str, &str)]) -> Value {
    let listed: Vec<Value> = packages
        .iter()
        .map(|(name, version)| {
            json!({
                "name": name,
                "SPDXID": format!("SPDXRef-Package-{name}"),
                "versionInfo": version,
                "supplier": "NOASSERTION",
                "downloadLocation": "NONE",
                "filesAnalyzed": false,
                "licenseConcluded": "MIT",
                "licenseDeclared": "MIT",
                "externalRefs": [{
                    "referenceCategory": "PACKAGE-MANAGER",
                    "referenceType": "purl",
                    "referenceLocator": format!("pkg:npm/{name}@{version}"),
                }],
                "primaryPackagePurpose": "LIBRARY",
            })
        })
        .collect();
    let related = packages.iter().map(|(name, _)| {
        json!({
            "spdxElementId": "SPDXRef-DOCUMENT",
            "relatedSpdxElement": format!("SPDXRef-Package-{name}"),
            "relationshipType": "DESCRIBES",
        })
    });
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": image,
        "documentNamespace": "https://aquasecurity.github.io/trivy/container_image/app-3ff14136-e09f-4df9-80ea-000000000001",
        "creationInfo": {"creators": ["Organization: aquasecurity", "Tool: trivy-0.57.1"], "created": ago(300)},
        "packages": listed,
        "relationships": related.collect::<Vec<_>>(),
    })
}

/// `trivy image --format cyclonedx IMAGE`.
pub(crate) fn cyclonedx(image: &str, packages: &[(&str, &str)]) -> Value {
    let components: Vec<Value> = packages
        .iter()
        .map(|(name, version)| {
            let purl = format!("pkg:npm/{name}@{version}");
            json!({
                "bom-ref": purl,
                "type": "library",
                "name": name,
                "version": version,
                "licenses": [{"license": {"id": "MIT"}}],
                "purl": purl,
            })
        })
        .collect();
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": "urn:uuid:3ff14136-e09f-4df9-80ea-000000000001",
        "version": 1,
        "metadata": {
            "timestamp": ago(300),
            "tools": {"components": [{"type": "application", "group": "aquasecurity", "name": "trivy", "version": "0.57.1"}]},
            "component": {"bom-ref": "image", "type": "container", "name": image},
        },
        "components": components,
        "dependencies": [],
        "vulnerabilities": [],
    })
}
