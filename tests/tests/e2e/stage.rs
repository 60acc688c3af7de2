//! What the tests of this folder stand on.

use std::path::Path;

use pullward_tests::{
    Containerd, ContainerdVersion, Cosign, CosignVersion, Crane, Error, Image, KeyPair, Node, Peers,
    Pullward, Registry, Settings, Workspace, descriptor,
};
use serde_json::Value;

pub(crate) type Outcome = Result<(), Error>;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The peers, pullward and a folder.
pub(crate) struct Ground {
    pub(crate) peers: Peers,
    pub(crate) pullward: Pullward,
    // Last, so that everything that runs in it has been stopped before it goes.
    pub(crate) workspace: Workspace,
}

impl Ground {
    pub(crate) fn at_hand(name: &str) -> Result<Option<Self>, Error> {
        Self::with(Peers::at_hand(name)?)
    }

    pub(crate) fn at_hand_as_root(name: &str) -> Result<Option<Self>, Error> {
        Self::with(Peers::at_hand_as_root(name)?)
    }

    fn with(peers: Option<Peers>) -> Result<Option<Self>, Error> {
        let Some(peers) = peers else { return Ok(None) };
        Ok(Some(Self { peers, pullward: Pullward::built()?, workspace: Workspace::new()? }))
    }

    /// The same in another folder, for what has the same names.
    pub(crate) fn again(&self) -> Result<Self, Error> {
        Self::with(Some(self.peers.clone())).map(|again| again.expect("peers are at hand"))
    }

    pub(crate) fn registry(&self) -> Result<Registry, Error> {
        Registry::start(&self.peers, &self.workspace)
    }

    pub(crate) fn cosign(&self, version: CosignVersion) -> Result<Cosign<'_>, Error> {
        Cosign::new(&self.peers, &self.workspace, version)
    }

    pub(crate) fn crane(&self) -> Crane<'_> {
        Crane::new(&self.peers, &self.workspace)
    }

    /// Pushes an image `team/NAME:v1` and gives it pinned.
    pub(crate) fn push(&self, registry: &Registry, name: &str) -> Result<String, Error> {
        self.crane().push(&registry.reference(&format!("team/{name}:v1")), &Image::named(name))
    }

    /// A private containerd that asks this node's hook.
    pub(crate) fn containerd(&self, node: &Node<'_>) -> Result<Containerd, Error> {
        let (_, drop_in) = node.set_up()?;
        let settings = Settings::new(ContainerdVersion::V2).import(&drop_in);
        Containerd::start(&self.peers, &self.workspace, settings)
    }

    /// `pullward verify … -o json`: the exit code and the verdict.
    pub(crate) fn verify(&self, arguments: &[&str]) -> Result<(i32, Value), Error> {
        let mut words = vec!["verify", "-o", "json"];
        words.extend(arguments);
        let ran = self.pullward.run(&self.workspace, &words)?;
        match serde_json::from_str(&ran.out) {
            Ok(verdict) => Ok((ran.code, verdict)),
            Err(error) => panic!("pullward {}: {error}: {}", words.join(" "), ran.all()),
        }
    }

    /// Exit code and reason of `pullward verify --key`.
    pub(crate) fn verify_key(&self, key: &Path, image: &str) -> Result<(i32, String), Error> {
        let (code, verdict) = self.verify(&["--key", &key.display().to_string(), image])?;
        Ok((code, reason(&verdict)))
    }
}

/// A registry with a key, a signed image in it, and a node whose agent asks for that key.
pub(crate) struct Scene<'a> {
    pub(crate) node: Node<'a>,
    pub(crate) registry: Registry,
    pub(crate) key: KeyPair,
    /// The signed image, `repository@digest`; its tag is `team/app:v1`.
    pub(crate) signed: String,
}

impl<'a> Scene<'a> {
    pub(crate) fn set(ground: &'a Ground) -> Result<Self, Error> {
        let registry = ground.registry()?;
        let cosign = ground.cosign(CosignVersion::Three)?;
        let key = cosign.generate_key_pair("release")?;
        let signed = ground.push(&registry, "app")?;
        cosign.sign(&key, &signed)?;
        let mut node = Node::new(&ground.pullward, &ground.workspace)?;
        node.trust(1, &pullward_tests::policy_for(&registry.host(), &key.public))?;
        node.start()?;
        Ok(Self { node, registry, key, signed })
    }

    /// The signed image by its tag.
    pub(crate) fn tag(&self) -> String {
        self.registry.reference("team/app:v1")
    }

    /// What the hook says of an image, called as containerd calls it.
    pub(crate) fn hook(&self, image: &str) -> Result<(i32, String), Error> {
        hook(&self.node, image)
    }
}

/// Exit code and line of the hook for `repository@digest`.
pub(crate) fn hook(node: &Node<'_>, image: &str) -> Result<(i32, String), Error> {
    let (name, digest) = image.split_once('@').expect("pinned");
    let ran = node.hook(name, digest, &descriptor(MANIFEST, digest, 426))?;
    assert_eq!(ran.out.lines().count(), 1, "{}", ran.all());
    assert!(ran.out.len() <= 1025, "{}", ran.all());
    Ok((ran.code, ran.out.trim_end().to_owned()))
}

/// The image's digest.
pub(crate) fn digest_of(pinned: &str) -> &str {
    pinned.rsplit('@').next().unwrap()
}

pub(crate) fn reason(verdict: &Value) -> String {
    verdict["reason"].as_str().unwrap_or("none").to_owned()
}

/// containerd's refusal carries our line, for this reason.
#[track_caller]
pub(crate) fn refused(result: Result<impl std::fmt::Debug, Error>, reason: &str) -> String {
    let message = match result {
        Err(Error::Rpc { message, .. }) => message,
        other => panic!("not refused for {reason}: {other:?}"),
    };
    assert!(message.contains("00-pullward-verifier"), "not by us: {message}");
    assert!(message.contains(&format!(": {reason}: ")), "not for {reason}: {message}");
    assert!(!message.chars().any(char::is_control), "{message:?}");
    message
}

/// A line of the hook is a denial for this reason.
#[track_caller]
pub(crate) fn denied(answer: &(i32, String), code: i32, reason: &str) {
    assert_eq!(answer.0, code, "{}", answer.1);
    assert!(answer.1.starts_with("denied: "), "{}", answer.1);
    assert!(answer.1.contains(&format!(": {reason}: ")), "not for {reason}: {}", answer.1);
}

#[track_caller]
pub(crate) fn allowed(answer: &(i32, String)) {
    assert_eq!(answer.0, 0, "{}", answer.1);
    assert!(answer.1.starts_with("allowed: ") && answer.1.contains(": signed: "), "{}", answer.1);
}
