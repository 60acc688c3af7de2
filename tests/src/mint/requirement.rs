//! Requirements on attestations, as a trust bundle has them.

use std::fmt;

/// cosign's type of vulnerability reports.
pub const VULN: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";

/// SLSA provenance v0.2.
pub const PROVENANCE: &str = "https://slsa.dev/provenance/v0.2";

/// One requirement. `Display` is its JSON; the conditions are their JSON text.
#[derive(Debug, Clone)]
pub struct Requirement {
    /// Predicate types.
    pub types: Vec<String>,
    /// Authorities.
    pub signed_by: Vec<String>,
    /// Whether the image's own signature covers statements in its index.
    pub covered: bool,
    /// Greatest age in seconds.
    pub max_age: Option<u64>,
    /// `first` or `always`.
    pub max_age_at: String,
    /// Bounds on vulnerabilities.
    pub vulnerabilities: String,
    /// What provenance must say.
    pub provenance: String,
    /// Denied packages.
    pub packages: String,
    /// A condition in CEL.
    pub condition: String,
}

impl Requirement {
    /// Such an attestation by this authority, whatever is in it.
    #[must_use]
    pub fn of(predicate_type: &str, authority: &str) -> Self {
        Self {
            types: vec![predicate_type.into()],
            signed_by: vec![authority.into()],
            covered: false,
            max_age: None,
            max_age_at: "first".into(),
            vulnerabilities: "null".into(),
            provenance: "null".into(),
            packages: "null".into(),
            condition: "null".into(),
        }
    }

    /// Changes something.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// A list of this alone, as a rule has it.
    #[must_use]
    pub fn alone(&self) -> String {
        format!("[{self}]")
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let max_age = self.max_age.map_or_else(|| "null".into(), |seconds| seconds.to_string());
        write!(
            f,
            r#"{{"types":{},"signed_by":{},"covered":{},"max_age":{max_age},"max_age_at":{},"vulnerabilities":{},"provenance":{},"packages":{},"condition":{}}}"#,
            super::trust::texts(&self.types),
            super::trust::texts(&self.signed_by),
            self.covered,
            super::trust::text(&self.max_age_at),
            self.vulnerabilities,
            self.provenance,
            self.packages,
            self.condition
        )
    }
}
