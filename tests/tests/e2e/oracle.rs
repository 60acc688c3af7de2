//! cosign's opinion and ours, on the same images, and the same verdict again from its record.

use pullward_tests::{Cosign, CosignVersion, Error, KeyPair, ran};

use crate::stage::{Ground, Outcome, digest_of, reason};

/// Where we refuse what cosign accepts, image and key. One that no longer differs fails the test.
///
/// cosign 3 takes any attestation by the key for a signature of the image: its search for bundles does not look at
/// the predicate type. For us an image is signed by what says so.
const STRICTER: [(&str, &str, &str); 2] = [
    ("three-attested", "a-three", "predicate-not-signature"),
    // Signed by A and only attested by B.
    ("three-both-kinds", "b-three", "untrusted-key"),
];

/// Images by how they are signed, keys A and B, both cosigns: each pair is allowed by both or refused by both, and
/// nothing is allowed that cosign refuses.
#[test]
fn verify_with_a_key_agrees_with_cosign() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::oracle")? else { return Ok(()) };
    let registry = ground.registry()?;
    let crane = ground.crane();
    let predicate = ground.workspace.write("predicate.json", r#"{"builder":{"id":"x"},"buildType":"y"}"#)?;
    let kind = "https://slsa.dev/provenance/v0.2";
    let (mut allowed, mut refused, mut differ) = (0, 0, 0);
    for version in [CosignVersion::Three, CosignVersion::Two] {
        let cosign = ground.cosign(version)?;
        let generation = format!("{version:?}").to_lowercase();
        let a = cosign.generate_key_pair(&format!("a-{generation}"))?;
        let b = cosign.generate_key_pair(&format!("b-{generation}"))?;
        let push = |name: &str| ground.push(&registry, &format!("{generation}-{name}"));

        let unsigned = push("unsigned")?;
        let by_a = push("by-a")?;
        cosign.sign(&a, &by_a)?;
        let by_b = push("by-b")?;
        cosign.sign(&b, &by_b)?;
        let by_both = push("by-both")?;
        cosign.sign(&a, &by_both)?;
        cosign.sign(&b, &by_both)?;
        let attested = push("attested")?;
        cosign.attest(&a, &attested, kind, &predicate)?;
        let both_kinds = push("both-kinds")?;
        cosign.attest(&b, &both_kinds, kind, &predicate)?;
        cosign.sign(&a, &both_kinds)?;
        let annotated = push("annotated")?;
        cosign.sign_with(
            &a,
            &annotated,
            &["--annotations", "team=x", "--annotations", "note=a<b>&'c' \\ d"],
        )?;
        let twice = push("twice")?;
        cosign.sign(&a, &twice)?;
        cosign.sign(&a, &twice)?;
        // Another tag for the same digest: signed. New content under the signed tag: not.
        let tag = registry.reference(&format!("team/{generation}-by-a:again"));
        crane.copy(&by_a, &tag)?;
        let moved = registry.reference(&format!("team/{generation}-by-b:v1"));
        crane.mutate(&by_b, "x=y", &moved)?;
        // The same digest in another repository, where nothing is attached to it.
        let elsewhere = registry.reference(&format!("team/{generation}-elsewhere:v1"));
        crane.copy(&by_a, &elsewhere)?;

        let images =
            [unsigned, by_a, by_b, by_both, attested, both_kinds, annotated, twice, tag, moved, elsewhere];
        for image in &images {
            for key in [&a, &b] {
                let (theirs, ours) = (opinion(&cosign, key, image)?, ground.verify_key(&key.public, image)?);
                let asked = format!("{image} with {}: {ours:?}", key.public.display());
                let stricter = STRICTER.iter().find(|(image, key, _)| {
                    asked.contains(&format!("/{image}@")) && asked.contains(&format!("/{key}.pub"))
                });
                if let Some((.., reason)) = stricter {
                    assert!(theirs, "{asked}: cosign refuses it now, too");
                    assert_eq!(ours, (1, (*reason).to_owned()), "{asked}");
                    differ += 1;
                    continue;
                }
                assert_eq!(ours.0 == 0, theirs, "{asked}");
                assert!(ours.0 == 0 || ours.0 == 1, "{asked}");
                if theirs { allowed += 1 } else { refused += 1 }
            }
        }
    }
    assert_eq!((allowed, refused, differ), (16, 26, STRICTER.len()));
    ran("e2e::oracle")
}

fn opinion(cosign: &Cosign<'_>, key: &KeyPair, image: &str) -> Result<bool, Error> {
    match cosign.verify(&key.public, image) {
        Ok(_) => Ok(true),
        Err(Error::Failed { .. }) => Ok(false),
        Err(other) => Err(other),
    }
}

/// Why, for those that cosign only calls "no signatures found".
#[test]
fn a_refusal_says_which_kind_it_is() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::reasons")? else { return Ok(()) };
    let registry = ground.registry()?;
    let cosign = ground.cosign(CosignVersion::Three)?;
    let (key, stranger) = (cosign.generate_key_pair("release")?, cosign.generate_key_pair("stranger")?);
    let predicate = ground.workspace.write("predicate.json", "{}")?;
    let unsigned = ground.push(&registry, "unsigned")?;
    let foreign = ground.push(&registry, "foreign")?;
    cosign.sign(&stranger, &foreign)?;
    let attested = ground.push(&registry, "attested")?;
    cosign.attest(&key, &attested, "https://example.org/review", &predicate)?;
    for (image, code, reason) in [
        (unsigned.as_str(), 1, "unsigned"),
        (&foreign, 1, "untrusted-key"),
        (&attested, 1, "predicate-not-signature"),
        (&registry.reference("team/unsigned:none"), 2, "tag-not-resolved"),
        ("127.0.0.1:9/team/app:v1", 2, "tag-not-resolved"),
        (&format!("127.0.0.1:9/team/app@{}", digest_of(&unsigned)), 2, "evidence-unreachable"),
        ("Not/An Image", 2, "reference-invalid"),
    ] {
        assert_eq!(ground.verify_key(&key.public, image)?, (code, reason.to_owned()), "{image}");
    }
    ran("e2e::reasons")
}

/// A record decides the same again: without registry, without key file, in another folder, byte for byte.
#[test]
fn a_record_decides_the_same_again_elsewhere() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::record")? else { return Ok(()) };
    let mut registry = ground.registry()?;
    let cosign = ground.cosign(CosignVersion::Three)?;
    let (key, stranger) = (cosign.generate_key_pair("release")?, cosign.generate_key_pair("stranger")?);
    let signed = ground.push(&registry, "signed")?;
    cosign.sign(&key, &signed)?;
    let foreign = ground.push(&registry, "foreign")?;
    cosign.sign(&stranger, &foreign)?;
    let public = key.public.display().to_string();
    let mut recorded = Vec::new();
    for (image, name, code) in [(&signed, "signed", 0), (&foreign, "foreign", 1)] {
        let record = ground.workspace.join(format!("{name}.json")).display().to_string();
        let (exit, verdict) = ground.verify(&["--key", &public, "--record", &record, image])?;
        assert_eq!(exit, code);
        recorded.push((record, code, verdict));
    }
    registry.stop()?;
    std::fs::remove_file(&key.public).unwrap();
    let elsewhere = pullward_tests::Workspace::new()?;
    for (record, code, verdict) in recorded {
        let copy = elsewhere.join("copy.json");
        std::fs::copy(&record, &copy).unwrap();
        let path = copy.display().to_string();
        let first = ground.pullward.run(&elsewhere, &["replay", "-o", "json", &path])?;
        let second = ground.pullward.run(&elsewhere, &["replay", "-o", "json", &path])?;
        assert_eq!((first.code, &first), (code, &second));
        let mut replayed: serde_json::Value = serde_json::from_str(&first.out).unwrap();
        let mut original = verdict;
        // The one thing that is measured and not decided.
        for verdict in [&mut replayed, &mut original] {
            verdict["elapsed_us"] = 0.into();
        }
        assert_eq!(replayed, original);

        // A record that was changed does not pass for the original.
        let text = std::fs::read_to_string(&record).unwrap();
        let reason = reason(&original);
        let changed = text.replace(&format!("\"{reason}\""), "\"allowed-by-rule\"");
        assert_ne!(changed, text);
        std::fs::write(&copy, changed).unwrap();
        assert_eq!(ground.pullward.run(&elsewhere, &["replay", &path])?.code, 2);
    }
    ran("e2e::record")
}

/// A digest that is given beside a tag has to be the tag's: a tag that was pushed again is a conflict, not an old yes.
#[test]
fn a_digest_beside_a_tag_has_to_be_the_tags() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::conflict")? else { return Ok(()) };
    let mut registry = ground.registry()?;
    let cosign = ground.cosign(CosignVersion::Three)?;
    let key = cosign.generate_key_pair("release")?;
    let signed = ground.push(&registry, "app")?;
    cosign.sign(&key, &signed)?;
    let public = key.public.display().to_string();
    let tag = registry.reference("team/app:v1");
    let digest = digest_of(&signed).to_owned();
    let ask = |image: &str| ground.verify(&["--key", &public, "--digest", &digest, image]);
    assert_eq!(ask(&tag)?.0, 0);
    ground.crane().mutate(&signed, "x=y", &tag)?;
    let (code, verdict) = ask(&tag)?;
    assert_eq!((code, reason(&verdict)), (2, "digest-conflict".to_owned()));
    // By digest alone it is still what was signed.
    assert_eq!(ground.verify(&["--key", &public, &signed])?.0, 0);
    // A tag that nobody can be asked about is not known: the digest says what is meant, and then evidence is missing.
    registry.stop()?;
    let (code, verdict) = ask(&tag)?;
    assert_eq!((code, reason(&verdict)), (2, "evidence-unreachable".to_owned()));
    ran("e2e::conflict")
}

/// Exit 2 still prints a verdict, so that programs read a refusal and not nothing.
#[test]
fn a_command_that_cannot_judge_prints_a_verdict() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::undecided")? else { return Ok(()) };
    let image = "127.0.0.1:9/team/app:v1";
    let junk = ground.workspace.write("junk.json", "{}")?.display().to_string();
    let root = ground.cosign(CosignVersion::Three)?.generate_key_pair("root")?.public.display().to_string();
    for (flags, expected) in [
        (vec!["--key", "absent.pub", image], "trust-missing"),
        (vec!["--key", &junk, image], "trust-invalid"),
        (vec!["--trust", "absent.json", "--root", &root, image], "trust-missing"),
        (vec!["--trust", &junk, "--root", &root, image], "trust-invalid"),
        (vec!["--config", "absent.toml", image], "trust-missing"),
    ] {
        let (code, verdict) = ground.verify(&flags)?;
        assert_eq!((code, reason(&verdict)), (2, expected.to_owned()), "{flags:?}");
        assert_eq!(verdict["decision"], "deny");
    }
    for usage in [
        vec!["verify", image],
        vec!["verify", "--trust", &junk, "--root", &root, "--threshold", "0", image],
        vec!["verify", "--trust", &junk, "--root", &root, "--threshold", "2", image],
    ] {
        let ran = ground.pullward.run(&ground.workspace, &usage)?;
        assert_eq!((ran.code, ran.out.as_str()), (64, ""), "{usage:?}: {}", ran.err);
    }
    ran("e2e::undecided")
}
