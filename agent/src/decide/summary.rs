//! Summaries of predicates as the verdict's JSON has them: one reading, the core's, for what is judged and what is shown.

use pullward_core::json::Text;
use pullward_core::predicate::{Attestation, Summary, Unmet, Words, packages};
use pullward_core::time::UnixTime;
use serde_json::{Value, json};

/// Longest string of a summary, in characters: it is for reading.
const WORDS: usize = 512;

/// The summary of one predicate.
pub(super) fn to_json(summary: &Result<Summary<'_>, Unmet<'_>>) -> Value {
    match summary {
        Ok(Summary::Vulnerabilities(report)) => {
            let [critical, high, medium, low, unknown] = report.counts;
            json!({
                "critical": critical, "high": high, "medium": medium, "low": low, "unknown": unknown,
                "scanner": words(report.scanner),
                "scanned": time(report.made_at),
            })
        }
        Ok(Summary::Provenance(provenance)) => json!({
            "builder": words(provenance.builder),
            "build_type": words(provenance.build_type),
            // Not as it stands there: builders leave passwords in URLs.
            "source": provenance.source.map(|source| Words(source).to_string()),
            "commit": words(provenance.commit),
            "entry_point": words(provenance.entry_point),
            "built": time(provenance.made_at),
            "materials": provenance.materials,
            "base_images": provenance.base_images,
            "slsa": provenance.version.name(),
        }),
        Ok(Summary::Packages(packages)) => json!({
            "format": packages.format,
            "packages": packages.packages,
            "tool": words(packages.tool),
            "created": time(packages.made_at),
        }),
        Ok(Summary::Vex(vex)) => json!({
            "author": words(vex.author),
            "removing": vex.removing,
            "others": vex.others,
            "created": time(vex.made_at),
        }),
        Ok(_) => Value::Null,
        Err(unmet) => json!({ "unreadable": unmet.reason.code(), "detail": unmet.finding.to_string() }),
    }
}

/// When the predicate was made, by its own word.
pub(super) fn made_at(summary: &Summary<'_>) -> Option<UnixTime> {
    match summary {
        Summary::Vulnerabilities(report) => report.made_at,
        Summary::Provenance(provenance) => provenance.made_at,
        Summary::Packages(packages) => packages.made_at,
        Summary::Vex(vex) => vex.made_at,
        _ => None,
    }
}

/// The packages that a predicate lists, one text each: name, version and licences. None where it is no list; of a list
/// that cannot be read to its end, what stands before.
pub(super) fn packages(attestation: &Attestation<'_>) -> Vec<String> {
    let mut listed = Vec::new();
    if packages::TYPES.iter().any(|known| attestation.predicate_type.is(known)) {
        // Where it cannot be read, the summary says so, and why.
        let _read = packages::each(attestation, &mut |package| {
            if package.place == packages::Place::Listed {
                listed.push(package_words(package));
            }
            Ok(())
        });
    }
    listed
}

fn package_words(package: &packages::Package<'_>) -> String {
    let purl = || package.purls().find_map(Result::ok);
    let mut text: String = package.group.map(|group| format!("{}/", Words(group))).unwrap_or_default();
    text += &package.name.or_else(purl).map(|name| Words(name).to_string()).unwrap_or_default();
    if let Some(version) = package.version {
        text += &format!(" {}", Words(version));
    }
    let mut licenses: Vec<String> =
        package.licenses().filter_map(Result::ok).map(|license| Words(license).to_string()).collect();
    licenses.retain(|license| license != "NOASSERTION" && license != "NONE");
    licenses.dedup();
    if !licenses.is_empty() {
        text += &format!(" ({})", licenses.join(", "));
    }
    text
}

fn words(text: Option<Text<'_>>) -> Option<String> {
    text.map(|text| text.chars().take(WORDS).collect())
}

fn time(time: Option<UnixTime>) -> Option<String> {
    time.map(|time| time.to_string())
}
