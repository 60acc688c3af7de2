//! Which requests are passed, judged and refused, by their exact path.
//!
//! A path that only resembles a judged one is refused: routers behind us may be more lenient than this one (T-96).
//! containerd's own services answer on the same socket as CRI does and would be a way round: they are refused, like every
//! service that is not listed.

/// CRI's services that are served, in both versions that containerds here have, and the health service.
const SERVICES: [&str; 5] = [
    "runtime.v1.RuntimeService",
    "runtime.v1.ImageService",
    "runtime.v1alpha2.RuntimeService",
    "runtime.v1alpha2.ImageService",
    "grpc.health.v1.Health",
];

/// The judged paths.
const JUDGED: [(&str, Judged); 6] = [
    ("/runtime.v1.ImageService/PullImage", Judged::PullImage),
    ("/runtime.v1.RuntimeService/CreateContainer", Judged::CreateContainer),
    ("/runtime.v1.RuntimeService/RunPodSandbox", Judged::RunPodSandbox),
    ("/runtime.v1alpha2.ImageService/PullImage", Judged::PullImage),
    ("/runtime.v1alpha2.RuntimeService/CreateContainer", Judged::CreateContainer),
    ("/runtime.v1alpha2.RuntimeService/RunPodSandbox", Judged::RunPodSandbox),
];

/// Methods of CRI as this version knows it; others are passed as well, and said once.
const METHODS: [&str; 38] = [
    "Attach",
    "Check",
    "CheckpointContainer",
    "ContainerStats",
    "ContainerStatus",
    "CreateContainer",
    "Exec",
    "ExecSync",
    "GetContainerEvents",
    "ImageFsInfo",
    "ImageStatus",
    "ListContainerStats",
    "ListContainers",
    "ListImages",
    "ListMetricDescriptors",
    "ListPodSandbox",
    "ListPodSandboxMetrics",
    "ListPodSandboxStats",
    "PodSandboxStats",
    "PodSandboxStatus",
    "PortForward",
    "PullImage",
    "RemoveContainer",
    "RemoveImage",
    "RemovePodSandbox",
    "ReopenContainerLog",
    "RunPodSandbox",
    "RuntimeConfig",
    "StartContainer",
    "Status",
    "StopContainer",
    "StopPodSandbox",
    "UpdateContainerResources",
    "UpdatePodSandboxResources",
    "UpdateRuntimeConfig",
    "Version",
    "Watch",
    "List",
];

/// A judged method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// An image is pulled.
    PullImage,
    /// A container is made from an image, and images may be mounted.
    CreateContainer,
    /// A pod begins: its sandbox has an image of its own, which no field names.
    RunPodSandbox,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Handed on unread.
    Pass(Familiarity),
    /// Read and judged.
    Judge(Judged),
    /// Not served.
    Refuse,
}

/// Whether this version knows a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Familiarity {
    /// It was there when this version was made.
    Known,
    /// It is newer.
    New,
}

/// Sorts a request by its path, query and all. `pass` names more services whose every method is passed.
#[must_use]
pub fn route(path: &str, pass: &[String]) -> Route {
    if let Some((_, judged)) = JUDGED.iter().find(|(exact, _)| *exact == path) {
        return Route::Judge(*judged);
    }
    let folded = fold(path);
    if JUDGED.iter().any(|(exact, _)| fold(exact) == folded) {
        return Route::Refuse;
    }
    let mut parts = path.split('/');
    let (Some(""), Some(service), Some(method), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Route::Refuse;
    };
    let plain = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !plain {
        return Route::Refuse;
    }
    if pass.iter().any(|name| name == service) {
        return Route::Pass(Familiarity::Known);
    }
    match (SERVICES.contains(&service), METHODS.contains(&method)) {
        (true, true) => Route::Pass(Familiarity::Known),
        (true, false) => Route::Pass(Familiarity::New),
        (false, _) => Route::Refuse,
    }
}

/// Whether `name` can stand in `[cri] pass`: a service's full name, and none that is judged here.
#[must_use]
pub fn may_be_passed(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    name.contains('.') && name.split('.').all(plain) && !SERVICES.contains(&name)
}

/// What lenient readers could make of a path: without query, decoded, in lower case, with single slashes between.
fn fold(path: &str) -> String {
    let mut text = path.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    // Encoded twice is decoded twice; each round makes it shorter.
    while let Some(decoded) = decode(&text) {
        text = decoded.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    }
    let parts: Vec<&str> =
        text.split(['/', '\\']).map(str::trim).filter(|part| !["", "."].contains(part)).collect();
    parts.join("/")
}

/// `None` where nothing is encoded.
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        if *byte == b'%'
            && let (Some(high), Some(low)) = (hex(0), hex(1))
            && let Ok(decoded) = u8::try_from(high * 16 + low)
        {
            out.push(decoded);
            rest = after.get(2..).unwrap_or_default();
        } else {
            out.push(*byte);
            rest = after;
        }
    }
    (out.len() < text.len()).then(|| String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::{Familiarity, JUDGED, Route, may_be_passed, route};

    #[test]
    fn judged_paths_are_judged_and_all_others_of_cri_are_passed() {
        for (path, judged) in JUDGED {
            assert_eq!(route(path, &[]), Route::Judge(judged));
        }
        let known = Route::Pass(Familiarity::Known);
        assert_eq!(route("/runtime.v1.RuntimeService/GetContainerEvents", &[]), known);
        assert_eq!(route("/runtime.v1.ImageService/ListImages", &[]), known);
        assert_eq!(route("/grpc.health.v1.Health/Check", &[]), known);
        assert_eq!(route("/runtime.v1.RuntimeService/Sing", &[]), Route::Pass(Familiarity::New));
    }

    #[test]
    fn other_spellings_of_a_judged_path_are_refused() {
        for path in [
            "runtime.v1.ImageService/PullImage",
            "//runtime.v1.ImageService/PullImage",
            "/runtime.v1.ImageService//PullImage",
            "/runtime.v1.ImageService/PullImage/",
            "/runtime.v1.ImageService/./PullImage",
            "/runtime.v1.ImageService/pullimage",
            "/runtime.v1.imageservice/PullImage",
            "/RUNTIME.V1.ImageService/PullImage",
            "/runtime.v1.ImageService/Pull%49mage",
            "/runtime.v1.ImageService/%50ullImage",
            "/runtime.v1.ImageService/%2550ullImage",
            "/runtime.v1.ImageService%2FPullImage",
            "/runtime.v1.ImageService/PullImage?x=1",
            "/runtime.v1.ImageService/PullImage#x",
            "/runtime.v1.ImageService/PullImage%20",
            "/runtime.v1.RuntimeService\\CreateContainer",
            "/runtime.v1alpha2.RuntimeService/createContainer",
        ] {
            assert_eq!(route(path, &[]), Route::Refuse, "{path}");
            // Nor does a list of more services let them through.
            assert_eq!(route(path, &["runtime.v1.imageservice".to_owned()]), Route::Refuse, "{path}");
        }
    }

    #[test]
    fn every_service_that_is_not_listed_is_refused() {
        for path in [
            "/containerd.services.images.v1.Images/Create",
            "/containerd.services.transfer.v1.Transfer/Transfer",
            "/containerd.services.tasks.v1.Tasks/Start",
            "/runtime.v2.ImageService/PullImage",
            "/runtime.v1.OtherService/PullImage",
            "/runtime.v1.RuntimeService",
            "/runtime.v1.RuntimeService/",
            "/runtime.v1.RuntimeService/A/B",
            "/runtime.v1.RuntimeService/Vers?ion",
            "",
            "/",
            "*",
        ] {
            assert_eq!(route(path, &[]), Route::Refuse, "{path}");
        }
    }

    #[test]
    fn a_service_is_passed_by_its_exact_name_only() {
        let pass = ["containerd.services.version.v1.Version".to_owned()];
        let known = Route::Pass(Familiarity::Known);
        assert_eq!(route("/containerd.services.version.v1.Version/Version", &pass), known);
        assert_eq!(route("/containerd.services.version.v1.versioN/Version", &pass), Route::Refuse);
        assert!(may_be_passed(&pass[0]));
        for name in ["", "Version", "a..b", "a.b/C", "a.*", "runtime.v1.ImageService"] {
            assert!(!may_be_passed(name), "{name}");
        }
    }
}
