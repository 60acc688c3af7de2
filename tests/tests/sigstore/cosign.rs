//! cosign's opinion of what the virtual Sigstore mints.

use pullward_tests::sigstore::{Case, KeylessForge, Sent, Shape, Sigstore, TimeSource};
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
