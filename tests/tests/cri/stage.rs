//! A registry, a node with agent and proxy, and a containerd behind it.

use pullward_tests::{
    Containerd, ContainerdVersion, Cosign, CosignVersion, Crane, Cri, Error, Image, KeyPair, Node, Peers,
    Proxy, Pullward, Registry, Settings, Workspace, run,
};

/// Without CAP_SYS_RESOURCE nobody lowers a pod's score below their own.
const OOM: &str = "restrict_oom_score_adj = true\n";

pub(crate) type Outcome = Result<(), Error>;

pub(crate) struct Ground {
    pub(crate) peers: Peers,
    pub(crate) pullward: Pullward,
    pub(crate) workspace: Workspace,
}

impl Ground {
    pub(crate) fn at_hand(name: &str) -> Result<Option<Self>, Error> {
        let Some(peers) = Peers::at_hand_as_root(name)? else { return Ok(None) };
        Ok(Some(Self { peers, pullward: Pullward::built()?, workspace: Workspace::new()? }))
    }
}

/// The order matters: what is dropped first stops first.
pub(crate) struct Scene<'a> {
    pub(crate) ground: &'a Ground,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) containerd: Containerd,
    pub(crate) node: Node<'a>,
    pub(crate) registry: Registry,
    pub(crate) key: KeyPair,
    ctr: &'static str,
}

impl<'a> Scene<'a> {
    /// containerd of `version`, with `extra` configuration and without the verifier hook.
    pub(crate) fn set(ground: &'a Ground, version: ContainerdVersion, extra: &str) -> Result<Self, Error> {
        Self::with(ground, version, |_, _, settings| Ok(settings.extra(extra)))
    }

    /// The same with settings that look at registry and node.
    pub(crate) fn with(
        ground: &'a Ground,
        version: ContainerdVersion,
        change: impl FnOnce(&Registry, &Node<'_>, Settings) -> Result<Settings, Error>,
    ) -> Result<Self, Error> {
        let registry = Registry::start(&ground.peers, &ground.workspace)?;
        let cosign = Cosign::new(&ground.peers, &ground.workspace, CosignVersion::Three)?;
        let key = cosign.generate_key_pair("release")?;
        let mut node = Node::new(&ground.pullward, &ground.workspace)?;
        let pause = registry.reference("infra/pause:v1");
        let sandbox = match version {
            ContainerdVersion::V2 => {
                format!(
                    "[plugins.'io.containerd.cri.v1.images'.pinned_images]\nsandbox = '{pause}'\n[plugins.'io.containerd.cri.v1.runtime']\n{OOM}"
                )
            }
            _ => format!("[plugins.'io.containerd.grpc.v1.cri']\nsandbox_image = '{pause}'\n{OOM}"),
        };
        let settings = change(&registry, &node, Settings::new(version).extra(&sandbox))?;
        let containerd = Containerd::start(&ground.peers, &ground.workspace, settings)?;
        let shown = if version == ContainerdVersion::V2 {
            format!("sandbox_image = '{pause}'")
        } else {
            String::new()
        };
        node.configure(&format!(
            "[containerd]\naddress = '{}'\n[cri]\nsocket = '{}'\n{shown}",
            containerd.socket().display(),
            node.path("run/cri.sock"),
        ));
        let policy = policy(&registry, &key);
        node.trust(1, &policy)?;
        node.start()?;
        let ctr = match version {
            ContainerdVersion::V1_6 => "ctr-1.6",
            ContainerdVersion::V1_7 => "ctr-1.7",
            ContainerdVersion::V2 => "ctr-2",
        };
        let mut scene = Self { ground, proxy: None, containerd, node, registry, key, ctr };
        scene.push_pause(&pause)?;
        scene.start_proxy()?;
        Ok(scene)
    }

    pub(crate) fn start_proxy(&mut self) -> Outcome {
        self.proxy = None;
        let config = self.node.config()?;
        let socket = self.node.join("run/cri.sock");
        self.proxy = Some(Proxy::start(&self.ground.pullward, &self.ground.workspace, &config, socket)?);
        Ok(())
    }

    fn push_pause(&self, pause: &str) -> Outcome {
        self.crane().push(pause, &Image::runnable("pause", &self.ground.peers)?)?;
        let mut command = self.ground.peers.command("crane", &self.ground.workspace)?;
        command.args(["--insecure", "mutate", "--entrypoint", "/bin/sleep,1000", "--tag", pause, pause]);
        run(command).map(drop)
    }

    pub(crate) fn crane(&self) -> Crane<'_> {
        Crane::new(&self.ground.peers, &self.ground.workspace)
    }

    pub(crate) fn proxy(&mut self) -> &mut Proxy {
        self.proxy.as_mut().expect("started")
    }

    pub(crate) fn cri(&mut self) -> Result<Cri, Error> {
        self.proxy().cri()
    }

    /// Pushes a runnable image `team/NAME:v1`; gives it pinned.
    pub(crate) fn push(&self, name: &str) -> Result<String, Error> {
        let image = Image::runnable(name, &self.ground.peers)?;
        self.crane().push(&self.tag(name), &image)
    }

    /// The same, signed.
    pub(crate) fn push_signed(&self, name: &str) -> Result<String, Error> {
        let pinned = self.push(name)?;
        self.sign(&pinned)?;
        Ok(pinned)
    }

    pub(crate) fn sign(&self, pinned: &str) -> Outcome {
        Cosign::new(&self.ground.peers, &self.ground.workspace, CosignVersion::Three)?.sign(&self.key, pinned)
    }

    pub(crate) fn tag(&self, name: &str) -> String {
        self.registry.reference(&format!("team/{name}:v1"))
    }

    /// `ctr` of this containerd: the way round, in CRI's namespace.
    pub(crate) fn ctr(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.ground.peers.command(self.ctr, &self.ground.workspace)?;
        command.arg("--address").arg(self.containerd.socket()).args(["-n", "k8s.io"]).args(arguments);
        run(command).map(drop)
    }
}

/// A signature for `team/**`; the pause image as it is pulled; nothing else.
pub(crate) fn policy(registry: &Registry, key: &KeyPair) -> String {
    format!(
        "{}[[rule]]\nname = \"pause\"\nmatch = [\"{}/infra/pause\"]\nmode = \"allow\"\n",
        pullward_tests::policy_for(&registry.host(), &key.public),
        registry.host()
    )
}

/// The message of a refusal that carries this code.
#[track_caller]
pub(crate) fn refused(result: Result<impl std::fmt::Debug, Error>, reason: &str) -> String {
    let message = match result {
        Err(Error::Rpc { message, .. }) => message,
        other => panic!("not refused for {reason}: {other:?}"),
    };
    assert!(message.contains(&format!(": {reason}: ")), "not for {reason}: {message}");
    assert!(message.contains("denied: "), "not by us: {message}");
    message
}
