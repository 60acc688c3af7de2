//! Summaries of predicates as the verdict's JSON has them: one reading, the core's, for what is judged and what is shown.

use pullward_core::json::Text;
use pullward_core::predicate::{Summary, Unmet, Words};
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

fn words(text: Option<Text<'_>>) -> Option<String> {
    text.map(|text| text.chars().take(WORDS).collect())
}

fn time(time: Option<UnixTime>) -> Option<String> {
    time.map(|time| time.to_string())
}
