//! Pulls through the proxy: credentials, the hook behind it, registries that answer differently, namespaces.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use pullward_tests::hostile::{Hostile, Reply, Request};
use pullward_tests::{ContainerdVersion, Error, ran};

use crate::stage::{Ground, Outcome, Scene, policy, refused};

/// What stands in front of the registry and may change what it says.
struct Front {
    server: Hostile,
    /// The registry, once there is one.
    behind: Arc<Mutex<String>>,
}

impl Front {
    fn start(change: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static) -> Self {
        let behind = Arc::new(Mutex::new(String::new()));
        let to = Arc::clone(&behind);
        let http = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
        let relay = move |request: &Request| {
            let url = format!("{}{}", to.lock().unwrap(), request.path);
            let call = if request.method == "HEAD" { http.head(&url) } else { http.get(&url) };
            let accept = request.header("accept").unwrap_or("*/*");
            let Ok(mut answer) = call.header("accept", accept).call() else { return Reply::status(502) };
            let header = |name: &str| {
                let value = answer.headers().get(name)?.to_str().ok()?;
                Some((name.to_owned(), value.to_owned()))
            };
            let names = ["content-type", "docker-content-digest", "docker-distribution-api-version"];
            let headers = names.into_iter().filter_map(header).collect();
            let status = answer.status().as_u16();
            let body = answer.body_mut().read_to_vec().unwrap();
            let length = answer.headers().get("content-length").and_then(|length| length.to_str().ok());
            let length = length.unwrap_or("0").to_owned();
            let reply = change(request, Reply::Answer { status, headers, body });
            if request.method == "HEAD" { bodiless(reply, length) } else { reply }
        };
        Self { server: Hostile::start(relay).unwrap(), behind }
    }

    fn host(&self) -> String {
        self.server.host()
    }
}

/// The head of an answer to HEAD: it promises what GET would bring.
fn bodiless(reply: Reply, length: String) -> Reply {
    let Reply::Answer { status, headers, body } = reply else { return reply };
    let length = if body.is_empty() { length } else { body.len().to_string() };
    let mut head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    Reply::Raw(format!("{head}\r\n").into_bytes())
}

/// kubelet's credentials let the agent in for this one verdict; the hook, which has none, is answered from the receipt.
/// They stand in no log and no file.
#[test]
fn credentials_of_a_pull_serve_its_verdict_and_the_hook_needs_none() -> Outcome {
    let Some(ground) = Ground::at_hand("cri::credentials")? else { return Ok(()) };
    // base64 of alice:0penSesame
    let front = Front::start(|request, reply| match request.header("authorization") {
        Some("Basic YWxpY2U6MHBlblNlc2FtZQ==") => reply,
        _ => Reply::status(401).with("www-authenticate", r#"Basic realm="registry""#),
    });
    let mut scene = Scene::with(&ground, ContainerdVersion::V2, |registry, node, settings| {
        *front.behind.lock().unwrap() = registry.address();
        let (_, drop_in) = node.set_up()?;
        Ok(settings.import(&drop_in).serve(&front.host(), &format!("http://{}", front.host())))
    })?;
    scene.push_signed("app")?;
    scene.push_signed("other")?;
    let rule = policy(&scene.registry, &scene.key).replace(&scene.registry.host(), &front.host());
    scene.node.trust(2, &rule)?;
    scene.node.reload()?;
    let cri = scene.cri()?;

    let (app, user) = (format!("{}/team/app:v1", front.host()), Some(("alice", "0penSesame")));
    refused(cri.pull_for(&app, "demo", None), "tag-not-resolved");
    refused(cri.pull_for(&app, "demo", Some(("alice", "wrong"))), "tag-not-resolved");
    cri.pull_for(&app, "demo", user)?;
    // What has let one pull in does not let in the next one without it.
    let other = format!("{}/team/other:v1", front.host());
    refused(cri.pull_for(&other, "demo", None), "tag-not-resolved");
    // Tag and digest: containerd keeps it, and asks for it, by digest alone.
    let digest = scene.crane().digest(&scene.tag("other"))?;
    cri.pull_for(&format!("{other}@{digest}"), "demo", user)?;

    let hooked = scene
        .node
        .log()
        .lines()
        .filter(|line| line.contains("ImageVerifier") && line.contains("allow"))
        .count();
    assert_eq!(hooked, 2, "{}", scene.node.log());
    for log in [scene.node.log(), scene.proxy().log()] {
        assert!(!log.contains("0penSesame") && !log.contains("YWxpY2U6"), "{log}");
    }
    let state = std::fs::read(scene.node.join("state/receipts.redb")).unwrap();
    for secret in [b"0penSesame".as_slice(), b"YWxpY2U6MHBl"] {
        assert!(!state.windows(secret.len()).any(|part| part == secret));
    }
    ran("cri::credentials")
}

/// T-76: the registry shows the signed image to whoever judges and another one to whoever pulls.
#[test]
fn an_image_that_changes_between_verdict_and_pull_is_refused_and_its_name_removed() -> Outcome {
    let Some(ground) = Ground::at_hand("cri::T-76")? else { return Ok(()) };
    let evil = Arc::new(Mutex::new(None::<(String, Vec<u8>)>));
    let flips = Arc::new(AtomicBool::new(false));
    let (other, flip) = (Arc::clone(&evil), Arc::clone(&flips));
    let front = Front::start(move |request, reply| {
        let containerd = request.header("user-agent").is_some_and(|agent| agent.contains("containerd"));
        let tag = request.path.ends_with("/team/app/manifests/v1");
        let Reply::Answer { status, headers, .. } = &reply else { return reply };
        let evil = other.lock().unwrap();
        match &*evil {
            Some((digest, body)) if flip.load(Ordering::SeqCst) && containerd && tag => {
                let headers = headers.iter().filter(|(name, _)| name != "docker-content-digest").cloned();
                let mut headers: Vec<_> = headers.collect();
                headers.push(("docker-content-digest".to_owned(), digest.clone()));
                Reply::Answer { status: *status, headers, body: body.clone() }
            }
            _ => reply,
        }
    });
    let mut scene = Scene::with(&ground, ContainerdVersion::V1_7, |registry, _, settings| {
        *front.behind.lock().unwrap() = registry.address();
        Ok(settings.serve(&front.host(), &format!("http://{}", front.host())))
    })?;
    scene.push_signed("app")?;
    let bad = scene.crane().push(
        &scene.registry.reference("team/app:evil"),
        &pullward_tests::Image::runnable("evil", &ground.peers)?,
    )?;
    let digest = bad.rsplit('@').next().unwrap().to_owned();
    let body = scene.registry.manifest("team/app", &digest)?.bytes;
    *evil.lock().unwrap() = Some((digest.clone(), body));
    let rule = policy(&scene.registry, &scene.key).replace(&scene.registry.host(), &front.host());
    scene.node.trust(2, &rule)?;
    scene.node.reload()?;

    let cri = scene.cri()?;
    let app = format!("{}/team/app:v1", front.host());
    flips.store(true, Ordering::SeqCst);
    let message = refused(cri.pull_for(&app, "demo", None), "pulled-other");
    assert!(message.contains(&digest), "{message}");
    assert!(!scene.containerd.image_names()?.contains(&app));
    flips.store(false, Ordering::SeqCst);
    cri.pull_for(&app, "demo", None)?;
    assert!(scene.containerd.image_names()?.contains(&app));
    ran("cri::T-76")
}

/// One image on the node, two namespaces, two answers; the hook is told no namespace and follows the proxy's verdict.
#[test]
fn the_same_cached_image_gets_the_answer_of_its_pods_namespace() -> Outcome {
    let Some(ground) = Ground::at_hand("cri::namespaces")? else { return Ok(()) };
    let mut scene = Scene::with(&ground, ContainerdVersion::V2, |_, node, settings| {
        let (_, drop_in) = node.set_up()?;
        Ok(settings.import(&drop_in))
    })?;
    scene.push_signed("app")?;
    let all = policy(&scene.registry, &scene.key);
    let (head, rules) = all.split_once("[[rule]]").unwrap();
    let restricted = format!(
        "{head}[[rule]]\nname = \"restricted\"\nmatch = [\"{}/team/**\"]\nnamespaces = [\"restricted\"]\nmode = \"deny\"\n[[rule]]{rules}",
        scene.registry.host()
    );
    scene.node.trust(2, &restricted)?;
    scene.node.reload()?;
    let cri = scene.cri()?;
    let app = scene.tag("app");
    refused(cri.pull_for(&app, "restricted", None), "denied-by-rule");
    let id = cri.pull_for(&app, "demo", None)?;
    let pod = cri.run_pod("pod", "demo")?;
    cri.create(&pod, "good", &id, &app, "demo")?;
    refused(cri.create(&pod, "bad", &id, &app, "restricted"), "denied-by-rule");
    cri.create(&pod, "again", &id, &app, "demo")?;
    let message = refused(cri.create(&pod, "nowhere", &id, &app, ""), "request-unreadable");
    assert!(message.contains("namespace"), "{message}");
    cri.remove_pod(&pod)?;
    ran("cri::namespaces")
}

/// T-113, F-09: whatever makes containerd pull round its hook, the proxy has judged before.
#[test]
fn settings_that_bypass_the_hook_do_not_bypass_the_proxy() -> Outcome {
    let images = "[plugins.'io.containerd.cri.v1.images']\n";
    for setting in [
        "use_local_image_pull = true",
        "discard_unpacked_layers = true",
        "disable_snapshot_annotations = false",
        "max_concurrent_downloads = 5",
        "image_pull_with_sync_fs = true",
        "registry.configs = {}",
    ] {
        // A folder of its own for each: the node in it has the same names.
        let Some(ground) = Ground::at_hand("cri::bypass")? else { return Ok(()) };
        let extra = format!("{images}{setting}\n");
        let mut scene = Scene::set(&ground, ContainerdVersion::V2, &extra)?;
        scene.push_signed("app")?;
        scene.push("unsigned")?;
        let cri = scene.cri()?;
        refused(cri.pull_for(&scene.tag("unsigned"), "demo", None), "unsigned");
        let names: Result<Vec<String>, Error> = scene.containerd.image_names();
        assert_eq!(names?, [""; 0], "{setting}");
        cri.pull_for(&scene.tag("app"), "demo", None)?;
    }
    ran("cri::bypass")
}
