//! The core's opinion of a cell: of an image as a node judges it, of an artifact as the conformance client does.

use pullward::conformance::{Asked, check};
use pullward_core::judge::Ruling;
use pullward_core::oci::Digest;
use pullward_core::verify::Artifact;
use pullward_tests::mint::{Answer, Ask, Authority, Minted, Node, Rule, Trust};
use pullward_tests::sigstore::bundle::{BUNDLE, CERTIFICATE, CHAIN, SIGNATURE, TIMESTAMP};
use pullward_tests::sigstore::{Case, Form, Opinion, Sent, Shape};

/// What the core says.
pub(crate) fn opinion(shape: Shape, case: &Case) -> Opinion {
    if let (Form::Message(_), Sent::Bundle(bundle)) = (shape.form, &case.sent) {
        let asked = Asked::Identity { issuer: &case.identity.issuer, subject: &case.identity.subject };
        let artifact = Artifact::Content(&case.artifact);
        let checked = check(bundle, case.root.as_bytes(), asked, &artifact, case.now);
        return checked.map(drop).map_err(|error| format!("{error:?}"));
    }
    match judge(case) {
        Ok(answer) if answer.ruling == Ruling::Allow => Ok(()),
        Ok(answer) => Err(format!("{:?} {:?}", answer.reason, answer.error())),
        Err(refusal) => Err(refusal),
    }
}

/// Judges an image by a policy that names the identity and nothing else.
pub(crate) fn judge(case: &Case) -> Result<Answer, String> {
    let identity = [(case.identity.issuer.as_str(), case.identity.subject.as_str())];
    let authority = Authority::identified("team", 0, &identity);
    let rule = Rule::enforce("app", &["team"], 1);
    let trust = Trust::new(vec![authority], vec![rule]).with_roots(&[case.root.as_bytes()]);
    let node = Node::load(&trust.payload()).map_err(|error| format!("{error:?}"))?;
    let ask = Ask::about("app").of(Digest::of(&case.artifact)).at(case.now);
    Ok(node.ask(&ask.with(minted(&case.sent))))
}

fn minted(sent: &Sent) -> Minted {
    let (layer, annotations) = match sent {
        Sent::Bundle(bundle) => return Minted::Bundle(bundle.clone()),
        Sent::Signature { payload, annotations } => {
            let signature = annotations.get(SIGNATURE).cloned().unwrap_or_default();
            (Minted::SimpleSigning { payload: payload.clone(), signature }, annotations)
        }
        Sent::Attestation { envelope, annotations } => (Minted::Envelope(envelope.clone()), annotations),
    };
    let texts = [CERTIFICATE, CHAIN, BUNDLE, TIMESTAMP].map(|name| annotations.get(name).cloned());
    Minted::Annotated(Box::new(layer), texts)
}
