//! The commands that would repair a denial: what is missing, made by the tools that make it.
//!
//! They are printed and never run. What only a decision of people can repair (a critical vulnerability, another
//! repository) has no command here but the one that attests the next build.

use std::io::{self, Write};

use pullward_core::reference::Reference;

use crate::decide::Believed;
use crate::policy::predicate_types::{self, Kind};
use crate::verdict::{Decision, RequirementRow, Verdict, printable};

/// Longest line, in bytes.
const LINE_BYTES: usize = 4096;
/// The build's provenance type, which cosign takes as a URI only.
const SLSA_02: &str = "https://slsa.dev/provenance/v0.2";
/// The name that stands for the image's own signature.
const IMAGE: &str = "image";

/// Codes that a signature of the image repairs.
const UNSIGNED: [&str; 8] = [
    "unsigned",
    "untrusted-key",
    "threshold-not-met",
    "predicate-not-signature",
    "digest-mismatch",
    "key-retired",
    "key-revoked",
    "index-unsigned",
];

/// Prints what would repair the denial; nothing for what is allowed, and why not for what no command repairs.
///
/// # Errors
/// Those of `out`.
pub fn print(verdict: &Verdict, believed: Believed<'_>, out: &mut dyn Write) -> io::Result<()> {
    if verdict.decision == Decision::Allow && !verdict.would_deny {
        return Ok(());
    }
    let image = Image::of(verdict);
    let mut steps = Vec::new();
    if UNSIGNED.contains(&verdict.reason.as_str()) {
        steps.extend(image.copied(".sig"));
        let keys = signers(verdict, believed);
        steps.push(format!("# sign it, with the private key of {}", list(&keys)));
        steps.extend(keys.iter().map(|key| format!("cosign sign --key {}.key {}", file(key), image.pinned)));
    }
    for asked in verdict.requirements.iter().filter(|asked| !asked.met) {
        image.attest(asked, &mut steps);
    }
    writeln!(out)?;
    if steps.is_empty() {
        let next = pullward_core::verdict::Reason::from_code(&verdict.reason);
        let next = next.map(pullward_core::verdict::Reason::next_step).unwrap_or_default();
        return writeln!(out, "No command repairs {}: {next}", verdict.reason);
    }
    writeln!(out, "To repair it")?;
    for step in steps {
        writeln!(out, "  {}", printable(&step, LINE_BYTES))?;
    }
    Ok(())
}

/// How commands name the image.
struct Image {
    /// `host/path`.
    repository: String,
    /// `host/path@digest`.
    pinned: String,
    digest: String,
}

impl Image {
    fn of(verdict: &Verdict) -> Self {
        // A layout on disk was copied from somewhere; only whoever did it knows from where.
        let parsed = Reference::parse(&verdict.reference).ok();
        let repository = parsed.map_or_else(|| "REPOSITORY".to_owned(), |parsed| parsed.name().to_owned());
        let digest = verdict.digest.clone();
        Self { pinned: format!("{repository}@{digest}"), repository, digest }
    }

    /// Copying along what was attached where the image was built.
    fn copied(&self, suffix: &str) -> [String; 3] {
        let Self { repository, pinned, digest } = self;
        let tag = format!("{}{suffix}", digest.replace(':', "-"));
        [
            "# if it was attached where the image was built: copy it along (the second line for cosign 2)"
                .to_owned(),
            format!("oras copy --recursive BUILD-REPOSITORY@{digest} {pinned}"),
            format!("crane copy BUILD-REPOSITORY:{tag} {repository}:{tag}"),
        ]
    }

    fn attest(&self, asked: &RequirementRow, steps: &mut Vec<String>) {
        let pinned = &self.pinned;
        let code = asked.code.as_deref().unwrap_or_default();
        let Some(uri) = asked.types.first() else { return };
        let short = predicate_types::short(uri);
        if code == "attestation-missing" {
            steps.extend(self.copied(".att"));
        }
        let by: Vec<String> = asked.signed_by.iter().filter(|name| *name != IMAGE).cloned().collect();
        let why = asked.detail.as_deref().unwrap_or_default();
        steps.push(format!("# {short}: {why}"));
        let (make, kind, predicate) = match predicate_types::kind(uri) {
            Kind::Vulnerabilities => {
                (format!("trivy image --format cosign-vuln --output vuln.json {pinned}"), "vuln", "vuln.json")
            }
            Kind::Provenance => (
                format!(
                    "docker buildx imagetools inspect {pinned} --format '{{{{json .Provenance}}}}' > provenance.json"
                ),
                if uri == SLSA_02 { SLSA_02 } else { "slsaprovenance1" },
                "provenance.json",
            ),
            Kind::Packages if uri.contains("cyclonedx") => (
                format!("trivy image --format cyclonedx --output sbom.json {pinned}"),
                "cyclonedx",
                "sbom.json",
            ),
            Kind::Packages => (
                format!("trivy image --format spdx-json --output sbom.json {pinned}"),
                "spdxjson",
                "sbom.json",
            ),
            Kind::Vex => ("# write vex.json (https://openvex.dev)".to_owned(), "openvex", "vex.json"),
            Kind::Other => (format!("# make predicate.json, of type {uri}"), uri.as_str(), "predicate.json"),
        };
        if by.is_empty() {
            // Only what the build puts into the image's own index counts.
            steps.push("# build with docker buildx build --provenance=mode=max --sbom=true --push, sign what it pushed".to_owned());
            return;
        }
        if ["vulnerabilities-exceeded", "package-denied", "license-denied"].contains(&code) {
            steps.push("# build and push an image without that, and for the new one:".to_owned());
        }
        steps.push(make);
        for key in by.iter().take(1) {
            let key = file(key);
            steps.push(format!(
                "cosign attest --key {key}.key --type {kind} --predicate {predicate} {pinned}"
            ));
        }
    }
}

/// Whoever the rule accepts signatures of the image from, as many as it asks for.
fn signers(verdict: &Verdict, believed: Believed<'_>) -> Vec<String> {
    let Believed::Bundle(installed) = believed else { return vec!["cosign".to_owned()] };
    let bundle = installed.bundle();
    let rule =
        bundle.rules().filter_map(Result::ok).find(|rule| Some(rule.name()) == verdict.rule.as_deref());
    let Some(rule) = rule else { return Vec::new() };
    let enough = usize::try_from(rule.at_least()).unwrap_or(usize::MAX);
    let names = rule.signed_by().ok().into_iter().flatten().filter_map(Result::ok);
    names.take(enough).map(str::to_owned).collect()
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(" and ")
}

/// An authority's name as part of a file's: whatever a shell would read as more than a word is not in it.
fn file(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    name.chars().map(plain).collect()
}
