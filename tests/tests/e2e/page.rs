//! The commands of `docs/attestations.md`, as they stand there.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use pullward_tests::{CosignVersion, Error, finish, ran};

use crate::stage::{Ground, Outcome};
use crate::supply::{BUILDER, MILD, SOURCE, ago, buildkit_02, spdx, trivy};

/// The part of the page between this title and the next one, by the language of its blocks.
fn blocks(title: &str, language: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/attestations.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once(&format!("\n## {title}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```").skip(1).step_by(2);
    blocks.filter_map(|block| block.strip_prefix(&format!("{language}\n"))).map(str::to_owned).collect()
}

/// Programs by the names that the page has for them, with what keeps them offline and on plain HTTP.
fn programs(ground: &Ground) -> Outcome {
    let files = ground.workspace.join("cosign");
    let peer =
        |name: &str| -> Result<String, Error> { Ok(ground.peers.program(name)?.display().to_string()) };
    for (name, line) in [
        (
            "cosign",
            format!(
                "case $1 in generate-key-pair) exec {0} \"$@\";; esac\n\
                 exec {0} \"$1\" --signing-config {1}/signing-config.json --trusted-root {1}/trusted-root.json \"${{@:2}}\"",
                peer("cosign3")?,
                files.display()
            ),
        ),
        ("crane", format!("exec {} --insecure \"$@\"", peer("crane")?)),
        ("oras", format!("exec {} \"$1\" --from-plain-http --to-plain-http \"${{@:2}}\"", peer("oras")?)),
        ("pullward", format!("exec {} \"$@\"", ground.pullward.program().display())),
    ] {
        ground.workspace.folder("bin")?;
        let file = ground.workspace.write(format!("bin/{name}"), format!("#!/bin/bash\n{line}\n"))?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    Ok(())
}

#[test]
fn the_pages_commands_bring_an_image_to_a_node() -> Outcome {
    let Some(ground) = Ground::at_hand("e2e::page")? else { return Ok(()) };
    let (build, production) = (ground.registry()?, ground.registry()?);
    // Writes cosign's files; the page makes the key.
    ground.cosign(CosignVersion::Three)?;
    programs(&ground)?;
    let image = ground.push(&build, "app")?;
    let here = |text: &str| {
        text.replace("build.example", &build.host()).replace("registry.example", &production.host())
    };
    ground
        .workspace
        .write("provenance.json", serde_json::json!({"SLSA": buildkit_02(SOURCE, BUILDER)}).to_string())?;
    ground.workspace.write("vuln.json", trivy(&image, &ago(60), &MILD).to_string())?;
    ground.workspace.write("sbom.json", spdx(&image, &[("express", "4.19.2")]).to_string())?;
    let policy = blocks("From the build to the pull", "toml");
    assert_eq!(policy.len(), 1);
    ground.workspace.write("policy.toml", here(&policy[0]))?;

    let scripts = blocks("From the build to the pull", "sh");
    assert_eq!(scripts.len(), 3);
    let script = ground.workspace.write("page.bash", format!("set -eux\n{}", here(&scripts.concat())))?;
    let mut command = Command::new("bash");
    command
        .arg(&script)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", ground.workspace.join("bin").display()))
        .env("HOME", ground.workspace.path())
        .env("COSIGN_PASSWORD", "")
        .current_dir(ground.workspace.path());
    let ran_page = finish(command, b"")?;
    assert_eq!(ran_page.code, 0, "{}", ran_page.all());
    let tag = production.reference("team/app:v1");
    assert!(ran_page.out.contains(&format!("allowed: {tag}\n")), "{}", ran_page.all());
    assert!(ran_page.out.contains("counts      0 critical, 1 high"), "{}", ran_page.all());
    ran("e2e::page")
}
