//! cosign's opinion of what the virtual Sigstore mints.

use pullward_tests::sigstore::{
    BundleVersion, Case, Cell, EntryKind, Form, Honesty, KeylessForge, Sent, Shape, Sigstore, Tally,
    TimeSource,
};
use pullward_tests::{Cosign, CosignVersion, Error, KeylessBlob, Peers, Workspace, ran};

fn ask(cosign: &Cosign<'_>, workspace: &Workspace, shape: Shape, case: &Case) -> Result<(), Error> {
    let Sent::Bundle(bundle) = &case.sent else { return Ok(()) };
    let artifact = workspace.write("artifact", &case.artifact)?;
    let bundle = workspace.write("bundle.json", bundle)?;
    let trusted_root = workspace.write("root.json", &case.root)?;
    let blob = KeylessBlob {
        bundle: &bundle,
        trusted_root: &trusted_root,
        artifact: &artifact,
        issuer: &case.identity.issuer,
        subject: &case.identity.subject,
    };
    let mut options = Vec::new();
    if shape.time == TimeSource::Timestamp {
        options.push("--use-signed-timestamps");
    }
    if shape.kind.is_none() {
        options.extend(["--insecure-ignore-tlog", "--insecure-ignore-sct"]);
    }
    cosign.verify_keyless_blob(&blob, &options)
}

#[test]
fn cosign_accepts_every_honest_bundle() -> Result<(), Error> {
    let Some(peers) = Peers::at_hand("cosign_accepts_every_honest_bundle")? else { return Ok(()) };
    let workspace = Workspace::new()?;
    let cosign = Cosign::new(&peers, &workspace, CosignVersion::Three)?;
    let (sigstore, stranger) = (Sigstore::new("virtual"), Sigstore::new("stranger"));
    let shapes: Vec<Shape> =
        Shape::all().into_iter().filter(|shape| shape.form.version().is_some()).collect();
    let mut refused = Vec::new();
    for shape in &shapes {
        let case = KeylessForge::new(&sigstore, &stranger, *shape, "app").mint();
        if let Err(error) = ask(&cosign, &workspace, *shape, &case) {
            refused.push(format!("{shape:?}: {error}"));
        }
    }
    println!("cosign 3 accepts {} of {} shapes", shapes.len() - refused.len(), shapes.len());
    assert_eq!(refused, Vec::<String>::new());
    ran("cosign_accepts_every_honest_bundle")
}

/// Forgeries that cosign 3 takes in some of these forms. Either they say nothing false about who signed what (a member
/// that cosign does not read, where it reads another that says the same), or cosign is more lenient than we are: it
/// takes any leaf that Go's verifier takes for any purpose, has no present, and one good timestamp is enough for it.
const TAKEN: [&str; 17] = [
    "leaf without a purpose",
    "leaf for any purpose",
    "leaf is an authority",
    "leaf may only sign certificates",
    "body with a space in it (T-04)",
    "body with a member more (T-04)",
    "entry that says it is of another kind",
    "log not believed at that time",
    "proof in a larger tree",
    "proof of the leaf before",
    "proof of a leaf outside of the tree",
    "proof of another root",
    "checkpoint of another size",
    "timestamp in the future (T-33)",
    "log's time in the future (T-33)",
    "two timestamps, the second outside of the certificate (T-25)",
    "timestamp that names another certificate as its signer's (T-27)",
];

/// Honest bundles that cosign 3 refuses: in a checkpoint of Rekor v1 it looks at the first signature only.
const REFUSED: &str = "checkpoint with a cosignature in";

#[test]
fn cosign_agrees_about_every_fault_of_a_bundle() -> Result<(), Error> {
    let Some(peers) = Peers::at_hand("cosign_agrees_about_every_fault_of_a_bundle")? else { return Ok(()) };
    let workspace = Workspace::new()?;
    let cosign = Cosign::new(&peers, &workspace, CosignVersion::Three)?;
    let (sigstore, stranger) = (Sigstore::new("virtual"), Sigstore::new("stranger"));
    // Of bundles v0.3, one of each kind of entry: a program started a thousand times takes its time.
    let asked = |cell: &Cell| {
        let shape = cell.shape;
        shape.form.version() == Some(BundleVersion::Three)
            && match shape.kind {
                Some(EntryKind::Dsse1) => shape.time == TimeSource::Log,
                Some(EntryKind::HashedRekord2) => matches!(shape.form, Form::Envelope(_)),
                Some(EntryKind::HashedRekord1) => shape.time == TimeSource::Timestamp,
                Some(EntryKind::Intoto1 | EntryKind::Intoto2) | None => false,
            }
    };
    let cells: Vec<Cell> = Cell::all().into_iter().filter(asked).collect();
    let forged = cells.iter().filter(|cell| cell.honest == Honesty::Forged).count();
    let tally = Tally::of(&cells, &sigstore, &stranger, |cell, case| {
        ask(&cosign, &workspace, cell.shape, case).map_err(|error| error.to_string())
    });
    println!(
        "cosign 3 agrees: {} honest accepted, {} of {forged} forged refused",
        tally.accepted, tally.refused
    );
    let listed = |name: &&String| TAKEN.iter().any(|listed| name.starts_with(listed));
    let unlisted: Vec<&String> = tally.wrongly_allowed.iter().filter(|name| !listed(name)).collect();
    assert_eq!(unlisted, Vec::<&String>::new());
    // A listed one that cosign has learned to refuse is no difference any more.
    for listed in TAKEN {
        assert!(tally.wrongly_allowed.iter().any(|name| name.starts_with(listed)), "{listed}");
    }
    let (known, unknown): (Vec<&String>, Vec<&String>) =
        tally.wrongly_refused.iter().partition(|name| name.starts_with(REFUSED));
    assert_eq!(unknown, Vec::<&String>::new());
    assert_eq!(known.len(), 2, "both of Rekor v1");
    ran("cosign_agrees_about_every_fault_of_a_bundle")
}
