//! Predicate types by the short names that cosign has for them.

/// The predicate types that a name stands for.
///
/// # Errors
/// A name that is neither an alias nor a URI.
pub fn expand(name: &str) -> Result<Vec<String>, String> {
    let uris: &[&str] = match name {
        "custom" => &["https://cosign.sigstore.dev/attestation/v1"],
        "slsaprovenance" => &["https://slsa.dev/provenance/v0.2", "https://slsa.dev/provenance/v1"],
        "slsaprovenance02" => &["https://slsa.dev/provenance/v0.2"],
        "slsaprovenance1" => &["https://slsa.dev/provenance/v1"],
        "spdx" | "spdxjson" => &["https://spdx.dev/Document"],
        "cyclonedx" => &["https://cyclonedx.org/bom"],
        "link" => &["https://in-toto.io/Link/v1"],
        "vuln" => &["https://cosign.sigstore.dev/attestation/vuln/v1"],
        "openvex" => &["https://openvex.dev/ns"],
        uri if uri.contains(':') => return Ok(vec![uri.to_owned()]),
        other => {
            return Err(format!(
                "{other:?} is no predicate type; give a URI, or one of custom, slsaprovenance, slsaprovenance02, \
                 slsaprovenance1, spdx, spdxjson, cyclonedx, link, vuln, openvex"
            ));
        }
    };
    Ok(uris.iter().map(|uri| (*uri).to_owned()).collect())
}

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
