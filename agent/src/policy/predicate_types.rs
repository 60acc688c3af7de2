//! Predicate types by the short names that cosign has for them.

/// The short name of a predicate type, or the URI where there is none.
#[must_use]
pub fn short(uri: &str) -> &str {
    match uri {
        "https://cosign.sigstore.dev/attestation/v1" => "custom",
        "https://slsa.dev/provenance/v0.2" => "slsaprovenance02",
        "https://slsa.dev/provenance/v1" => "slsaprovenance1",
        "https://spdx.dev/Document" => "spdx",
        "https://cyclonedx.org/bom" => "cyclonedx",
        "https://in-toto.io/Link/v1" => "link",
        "https://cosign.sigstore.dev/attestation/vuln/v1" => "vuln",
        "https://openvex.dev/ns" => "openvex",
        other => other,
    }
}
