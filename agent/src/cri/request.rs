//! The judged requests of CRI, as far as they are read: names of images, whose pod, and what kubelet has for the registry.
//!
//! The numbers are written for `runtime.v1` and used for `runtime.v1alpha2` as well. No test compares them with
//! containerd's descriptors: a new field that names an image has to be added here by hand.

use std::fmt;

use base64ct::{Base64, Encoding as _};
use zeroize::Zeroizing;

use super::message::{Unreadable, every, only, text};

/// An image as CRI names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSpec {
    /// A name, or at a start the id that containerd gave.
    pub image: String,
    /// What the pod says; empty from kubelets that do not tell.
    pub user_specified: String,
}

/// `PullImage`.
#[derive(Debug)]
pub struct Pull {
    /// What is pulled.
    pub image: ImageSpec,
    /// For the registry.
    pub auth: Option<Auth>,
    /// The pod's namespace; empty where nobody says.
    pub namespace: String,
}

/// A user of a registry: never printed.
pub struct Auth {
    /// The user's name.
    pub username: Zeroizing<String>,
    /// The password.
    pub password: Zeroizing<String>,
    /// The registry that they are for; empty: the one in the image's name.
    pub server: String,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Auth(…)")
    }
}

/// `CreateContainer`.
#[derive(Debug, PartialEq, Eq)]
pub struct Create {
    /// The container's image, then those that are mounted.
    pub images: Vec<ImageSpec>,
    /// The pod's namespace.
    pub namespace: String,
}

/// `RunPodSandbox`.
#[derive(Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod as it came.
    pub config: Vec<u8>,
}

impl ImageSpec {
    fn read(message: &[u8]) -> Result<Self, Unreadable> {
        Ok(Self { image: text(message, 1)?.to_owned(), user_specified: text(message, 18)?.to_owned() })
    }
}

impl Pull {
    /// Reads a `PullImageRequest`.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(message: &[u8]) -> Result<Self, Unreadable> {
        let image = ImageSpec::read(only(message, 1)?.unwrap_or_default())?;
        let auth = only(message, 2)?.map(Auth::read).transpose()?.flatten();
        let namespace = namespace(only(message, 3)?.unwrap_or_default())?;
        Ok(Self { image, auth, namespace })
    }
}

impl Auth {
    /// `None` where there is no name and password: tokens are not shown to anybody.
    fn read(message: &[u8]) -> Result<Option<Self>, Unreadable> {
        let (username, password) = (text(message, 1)?, text(message, 2)?);
        let (encoded, server) = (text(message, 3)?, text(message, 4)?.to_owned());
        if !username.is_empty() {
            let (username, password) = (username.to_owned().into(), password.to_owned().into());
            return Ok(Some(Self { username, password, server }));
        }
        let decoded = Base64::decode_vec(encoded.trim()).map(Zeroizing::new).unwrap_or_default();
        let Some((username, password)) = str::from_utf8(&decoded).ok().and_then(|pair| pair.split_once(':'))
        else {
            return Ok(None);
        };
        let password = password.trim_end_matches('\0').to_owned().into();
        Ok(Some(Self { username: username.to_owned().into(), password, server }))
    }
}

impl Create {
    /// Reads a `CreateContainerRequest`.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(message: &[u8]) -> Result<Self, Unreadable> {
        let config = only(message, 2)?.unwrap_or_default();
        let mut images = vec![ImageSpec::read(only(config, 2)?.unwrap_or_default())?];
        for mount in every(config, 7)? {
            if let Some(image) = only(mount, 9)? {
                images.push(ImageSpec::read(image)?);
            }
        }
        let namespace = namespace(only(message, 3)?.unwrap_or_default())?;
        Ok(Self { images, namespace })
    }
}

impl Sandbox {
    /// Reads a `RunPodSandboxRequest`.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(message: &[u8]) -> Result<Self, Unreadable> {
        let config = only(message, 1)?.unwrap_or_default();
        Ok(Self { namespace: namespace(config)?, config: config.to_vec() })
    }
}

/// The namespace in a `PodSandboxConfig`.
fn namespace(config: &[u8]) -> Result<String, Unreadable> {
    Ok(text(only(config, 1)?.unwrap_or_default(), 3)?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Create, ImageSpec, Pull, Sandbox};
    use crate::cri::message::{Unreadable, put};

    fn message(fields: &[(u32, &[u8])]) -> Vec<u8> {
        let mut message = Vec::new();
        fields.iter().for_each(|(number, value)| put(&mut message, *number, value));
        message
    }

    fn pod() -> Vec<u8> {
        message(&[(1, &message(&[(1, b"name"), (3, b"team-a")]))])
    }

    #[test]
    fn names_and_namespace_are_read_and_secrets_never_printed() {
        let image = message(&[(1, b"r.io/a:1"), (18, b"a:1"), (99, b"new")]);
        for auth in [message(&[(1, b"alice"), (2, b"s3cret")]), message(&[(3, b"YWxpY2U6czNjcmV0")])] {
            let pull = Pull::read(&message(&[(1, &image), (2, &auth), (3, &pod())])).unwrap();
            assert_eq!((pull.image.image.as_str(), pull.namespace.as_str()), ("r.io/a:1", "team-a"));
            let printed = format!("{pull:?}");
            assert!(!printed.contains("alice") && !printed.contains("s3cret"), "{printed}");
            let auth = pull.auth.unwrap();
            assert_eq!((auth.username.as_str(), auth.password.as_str()), ("alice", "s3cret"));
        }
    }

    #[test]
    fn every_image_of_a_container_is_found() {
        let mounted = message(&[(1, b"/data"), (9, &message(&[(1, b"sha256:v")]))]);
        let plain = message(&[(1, b"/tmp"), (2, b"/tmp")]);
        let image = message(&[(1, b"sha256:i"), (18, b"app")]);
        let config = message(&[(2, &image), (7, &plain), (7, &mounted)]);
        let create = Create::read(&message(&[(1, b"pod"), (2, &config), (3, &pod())])).unwrap();
        let spec = |image: &str, user: &str| ImageSpec { image: image.into(), user_specified: user.into() };
        assert_eq!(create.images, [spec("sha256:i", "app"), spec("sha256:v", "")]);
        assert_eq!(create.namespace, "team-a");
        assert_eq!(Sandbox::read(&message(&[(1, &pod())])).unwrap().namespace, "team-a");
    }

    #[test]
    fn what_could_be_merged_into_another_image_is_refused() {
        let good = message(&[(1, b"good")]);
        let evil = message(&[(1, b"evil")]);
        let twice = |number| Err::<(), _>(Unreadable::Twice(number));
        assert_eq!(Pull::read(&message(&[(1, &good), (1, &evil)])).map(drop), twice(1));
        let spec = message(&[(1, b"good"), (1, b"evil")]);
        assert_eq!(Pull::read(&message(&[(1, &spec)])).map(drop), twice(1));
        let of = |config: &[u8]| Create::read(&message(&[(2, config)])).map(drop);
        assert_eq!(of(&message(&[(2, &good), (2, &evil)])), twice(2));
        let config = message(&[(2, &good)]);
        assert_eq!(Create::read(&message(&[(2, &config), (2, &config)])).map(drop), twice(2));
        assert_eq!(of(&message(&[(7, &message(&[(9, &good), (9, &evil)]))])), twice(9));
        assert_eq!(Create::read(&message(&[(3, &pod()), (3, &pod())])).map(drop), twice(3));
        let users = message(&[(1, b"good"), (18, b"a"), (18, b"b")]);
        assert_eq!(of(&message(&[(2, &users)])), twice(18));
    }
}
