//! A vulnerability report of 10 MB.

use pullward_core::oci::Digest;

/// How long a report is at least.
pub(crate) const REPORT_BYTES: usize = 10 * 1024 * 1024;

/// A `cosign-vuln` predicate as large as those of large images: some 3,000 findings, each with the members, the lengths
/// and the escapes that Trivy and cosign write. `severities` go round; `line` stands between members, `blank` behind
/// colons.
pub(crate) fn trivy(image: &Digest, severities: &[&str], line: &str, blank: &str) -> String {
    let mut text = format!(
        r#"{{"invocation":{{"parameters":null,"uri":"","event_id":"","builder.id":""}},"scanner":{{"uri":"pkg:github/aquasecurity/trivy@0.50.0","version":"0.50.0","db":{{"uri":"","version":""}},"result":{{"ArtifactName":"localhost:5000/myapp:v1","ArtifactType":"container_image","Metadata":{{"RepoDigests":["localhost:5000/myapp@{image}"]}},"Results":[{{"Class":"os-pkgs","Target":"localhost:5000/myapp:v1 (debian 12.1)","Type":"debian","Vulnerabilities":["#
    );
    for (number, severity) in severities.iter().cycle().enumerate() {
        if text.len() > REPORT_BYTES {
            break;
        }
        if number > 0 {
            text.push(',');
        }
        let package = format!("libexample{}", number % 211);
        let mut members = vec![
            ("DataSource", r#"{"ID":"debian","Name":"Debian Security Tracker","URL":"https://salsa.debian.org/security-tracker-team/security-tracker"}"#.to_owned()),
            ("Description", format!("\"{}\"", "A flaw was found in the parser of \\\"things\\\" \\u003c 1.2.3: an attacker who can make it read a crafted file can write beyond the end of a buffer. ".repeat(6))),
            ("Fingerprint", format!("\"sha256:{}\"", image.hex())),
            ("InstalledVersion", r#""1.2.3-4+deb12u1""#.to_owned()),
            ("Layer", format!(r#"{{"DiffID":"{image}","Digest":"{image}"}}"#)),
            ("PkgID", format!("\"{package}@1.2.3-4+deb12u1\"")),
            ("PkgIdentifier", format!(r#"{{"PURL":"pkg:deb/debian/{package}@1.2.3-4%2Bdeb12u1?arch=amd64\u0026distro=debian-12.1","UID":"be7e0e99d0e7acf6"}}"#)),
            ("PkgName", format!("\"{package}\"")),
            ("PrimaryURL", format!("\"https://avd.aquasec.com/nvd/cve-2024-{number}\"")),
            ("PublishedDate", r#""2024-11-28T01:15:00Z""#.to_owned()),
            ("References", format!("[{}]", (0..12).map(|place| format!("\"https://example.com/advisories/{number}/{place}/details-of-the-matter\"")).collect::<Vec<_>>().join(","))),
            ("Severity", format!("\"{severity}\"")),
            ("SeveritySource", r#""debian""#.to_owned()),
            ("Status", r#""affected""#.to_owned()),
            ("Title", r#""example: a buffer overflow in the parser""#.to_owned()),
            ("VulnerabilityID", format!("\"CVE-2024-{number}\"")),
            ("CVSS", r#"{"nvd":{"V2Score":7.2,"V2Vector":"AV:L/AC:L/Au:N/C:C/I:C/A:C","V3Score":7.8,"V3Vector":"CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"},"redhat":{"V3Score":7.8,"V3Vector":"CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"}}"#.to_owned()),
        ];
        if number % 3 == 0 {
            members.push(("FixedVersion", r#""1.2.4""#.to_owned()));
        }
        let members: Vec<String> =
            members.iter().map(|(name, value)| format!("{line}\"{name}\":{blank}{value}")).collect();
        text.push_str(&format!("{{{}{line}}}", members.join(",")));
    }
    text.push_str(r#"]}],"SchemaVersion":2}},"metadata":{"scanStartedOn":"2025-12-01T00:00:00Z","scanFinishedOn":"2025-12-01T00:00:00Z"}}"#);
    text
}
