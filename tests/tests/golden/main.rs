//! The golden verdicts: questions made from real cosign output, answers written by hand, decided on this machine.
//!
//! The same files are left in `target/golden`, where `tests/bare-metal/run` takes them from and compares every line on three
//! boards with the ones of this machine.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "what the test shares fails as it does; clippy excepts only functions marked as tests"
)]

mod attestation_cases;
mod bundle_cases;
mod cases;
mod fixed;
mod forge;
mod trust;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cases::{Draft, DraftTrust, Keys};
use forge::{Forge, Piece};
use pullward_core::verdict::Reason;
use pullward_core::verify::{Annotations, Evidence};
use pullward_golden::container::Container;
use pullward_golden::runner::{self, Memory};
use pullward_golden::writer::{Row, RowTrust, write};
use pullward_tests::{Error, Peers, Registry, Workspace, ran};

/// What the core can say. The other reasons are the agent's: no source, no socket, no time, no trust bundle.
const REASONS_OF_CORE: [Reason; 58] = [
    Reason::Signed,
    Reason::AllowedByRule,
    Reason::DeniedByRule,
    Reason::NoRule,
    Reason::Unsigned,
    Reason::UntrustedKey,
    Reason::ThresholdNotMet,
    Reason::DigestMismatch,
    Reason::PredicateNotSignature,
    Reason::SignatureMalformed,
    Reason::PayloadMalformed,
    Reason::PayloadAmbiguous,
    Reason::PayloadType,
    Reason::PayloadDigest,
    Reason::StatementSubjects,
    Reason::StatementVersion,
    Reason::EnvelopeSignatures,
    Reason::EnvelopeMalformed,
    Reason::BundleVersion,
    Reason::CertificateUnsupported,
    Reason::MessageSignatureUnsupported,
    Reason::EvidenceTooLarge,
    Reason::KeyRevoked,
    Reason::AuthorityRevoked,
    Reason::EvidenceRevoked,
    Reason::KeyRetired,
    Reason::KeyWindowNoTime,
    Reason::DigestRevoked,
    Reason::TrustExpired,
    Reason::NamespaceUnknown,
    Reason::ReferenceInvalid,
    Reason::DigestInvalid,
    Reason::DigestConflict,
    Reason::EvidenceUnreachable,
    Reason::SignatureLimit,
    Reason::AttestationMissing,
    Reason::AttestationSigner,
    Reason::PredicateMalformed,
    Reason::PredicateUnsupported,
    Reason::AttestationTooOld,
    Reason::AttestationFromFuture,
    Reason::AttestationNoTime,
    Reason::VulnerabilitiesExceeded,
    Reason::ReportOtherImage,
    Reason::BuilderMismatch,
    Reason::BuildTypeMismatch,
    Reason::SourceMismatch,
    Reason::CommitMismatch,
    Reason::EntryPointMismatch,
    Reason::ParameterMismatch,
    Reason::BaseMismatch,
    Reason::MaterialsMissing,
    Reason::ProvenanceContradiction,
    Reason::PlatformMissing,
    Reason::ConditionEngineAbsent,
    Reason::PackageDenied,
    Reason::LicenseDenied,
    Reason::PackagesMissing,
];

#[test]
fn every_golden_verdict_is_the_one_that_was_written_down() -> Result<(), Error> {
    let test = "every_golden_verdict_is_the_one_that_was_written_down";
    let Some(peers) = Peers::at_hand(test)? else { return Ok(()) };
    let workspace = Workspace::new()?;
    let registry = Registry::start(&peers, &workspace)?;
    let mut drafts = fixed::measured();
    drafts.extend(cases::all(&Forge::new(&peers, &workspace, &registry)?)?);

    let folder = folder();
    std::fs::create_dir_all(&folder).unwrap();
    leave(&folder.join("verdicts.golden"), &drafts, |_| true);
    leave(&folder.join("verdicts-key.golden"), &drafts, |draft| {
        draft.keys == Keys::P256 && matches!(draft.trust, DraftTrust::Key(_))
    });

    let file = std::fs::read(folder.join("verdicts.golden")).unwrap();
    let mut memory = Box::new(Memory::new());
    let mut different = Vec::new();
    let mut words = BTreeSet::new();
    let (mut rows, mut denied) = (0, 0);
    for case in Container::open(&file).unwrap().cases() {
        let case = case.unwrap();
        let line = runner::run(&case, &mut memory);
        if line.answer() != case.expected {
            different.push(format!("{}: {line} and not {}", case.name, case.expected));
        }
        words.extend(case.expected.split(' ').map(str::to_owned));
        rows += 1;
        denied += usize::from(!case.expected.starts_with("allow "));
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(rows >= 60 && denied >= 40, "{rows} rows, {denied} denied");
    let missing: Vec<_> = REASONS_OF_CORE.iter().filter(|reason| !words.contains(reason.code())).collect();
    assert!(missing.is_empty(), "no row gives {missing:?}");
    ran(test)
}

/// Writes the rows that are wanted. The bare-metal run takes what this leaves, so a half-written file must not be found.
fn leave(path: &Path, drafts: &[Draft], wanted: impl Fn(&Draft) -> bool) {
    let drafts: Vec<_> = drafts.iter().filter(|draft| wanted(draft)).collect();
    let evidence: Vec<Vec<_>> =
        drafts.iter().map(|draft| draft.evidence.iter().map(evidence_of).collect()).collect();
    let roots: Vec<Vec<&str>> = drafts
        .iter()
        .map(|draft| match &draft.trust {
            DraftTrust::Envelope { roots, .. } => roots.iter().map(String::as_str).collect(),
            DraftTrust::Key(_) | DraftTrust::Payload(_) => Vec::new(),
        })
        .collect();
    let rows: Vec<_> = drafts
        .iter()
        .zip(&evidence)
        .zip(&roots)
        .map(|((draft, evidence), roots)| Row {
            name: draft.name,
            expected: draft.expected,
            reference: draft.reference.as_deref(),
            digest: &draft.digest,
            time: draft.time,
            pod_namespace: draft.pod_namespace,
            trust: match &draft.trust {
                DraftTrust::Key(pem) => RowTrust::Key(pem),
                DraftTrust::Payload(payload) => RowTrust::Payload(payload.as_bytes()),
                DraftTrust::Envelope { file, threshold, .. } => {
                    RowTrust::Envelope { file: file.as_bytes(), threshold: *threshold, roots }
                }
            },
            trouble: draft.trouble,
            evidence,
        })
        .collect();
    let file = write(&rows).unwrap();
    let half = path.with_extension("new");
    std::fs::write(&half, file).unwrap();
    std::fs::rename(&half, path).unwrap();
}

fn evidence_of(piece: &Piece) -> Evidence<'_> {
    match piece {
        Piece::Simple { payload, signature } => {
            Evidence::SimpleSigning { payload, signature, annotations: Annotations::default() }
        }
        Piece::Envelope(document) => Evidence::Envelope { document, annotations: Annotations::default() },
        Piece::Bundle(bytes) => Evidence::Bundle(bytes),
    }
}

/// `golden` in the build's target folder.
fn folder() -> PathBuf {
    // The test runs from `<target>/<profile>/deps`.
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(3).unwrap().join("golden")
}
