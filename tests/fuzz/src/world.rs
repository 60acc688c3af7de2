//! The honest material of a run, as `fuzz-world` of the tests has minted it.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullward_core::signature::PublicKey;
use pullward_core::time::UnixTime;
use serde_json::Value;

/// What is honest, and what is believed.
#[derive(Debug)]
pub struct World {
    /// When everything was signed and logged.
    pub signed_at: UnixTime,
    /// When it is judged.
    pub now: UnixTime,
    /// Who signed.
    pub issuer: String,
    /// Who signed.
    pub subject: String,
    /// What was signed.
    pub artifact: Vec<u8>,
    /// Two trusted roots: one with logs, one without.
    pub roots: [String; 2],
    /// Trusted root of an instance that nobody has told anybody to believe.
    pub stranger_root: String,
    /// Honest bundles: the place of their root, and what they are.
    pub bundles: Vec<(usize, Value)>,
    /// Bundles of the stranger.
    pub strangers: Vec<Value>,
    /// A signed trust bundle.
    pub trust: String,
    /// Its payload.
    pub payload: String,
    /// Its root key.
    pub root_key: PublicKey,
    /// The signers' certificates of the bundles.
    pub leaves: Vec<Vec<u8>>,
    /// Their checkpoints.
    pub checkpoints: Vec<Vec<u8>>,
    /// Their timestamps, and the signature that each is over.
    pub timestamps: Vec<(Vec<u8>, Vec<u8>)>,
    /// The bundles as text.
    pub texts: Vec<Vec<u8>>,
    /// The timestamps alone.
    pub tokens: Vec<Vec<u8>>,
}

/// The world of this run: `PULLWARD_FUZZ_WORLD` names its file.
#[must_use]
pub fn world() -> &'static World {
    static WORLD: LazyLock<World> = LazyLock::new(|| {
        let path = std::env::var("PULLWARD_FUZZ_WORLD").expect("PULLWARD_FUZZ_WORLD names the world's file");
        World::read(&std::fs::read(&path).expect("the world's file can be read"))
    });
    &WORLD
}

impl World {
    fn read(bytes: &[u8]) -> Self {
        let world: Value = serde_json::from_slice(bytes).expect("the world is JSON");
        let text = |name: &str| world[name].as_str().expect("a text of the world").to_owned();
        let time = |name: &str| UnixTime(world[name].as_u64().expect("a time of the world"));
        let list = |name: &str| world[name].as_array().expect("a list of the world").clone();
        let bundles = list("bundles");
        let place = |row: &Value| row["root"].as_u64().and_then(|n| usize::try_from(n).ok()).expect("a root");
        let bundles: Vec<(usize, Value)> =
            bundles.iter().map(|row| (place(row), row["bundle"].clone())).collect();
        const NOTE: &str = "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint/envelope";
        const TOKEN: &str =
            "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";
        let each = || bundles.iter().map(|(_, bundle)| bundle);
        let timestamps: Vec<(Vec<u8>, Vec<u8>)> =
            each().filter_map(|bundle| Some((bytes_at(bundle, TOKEN)?, Self::signature(bundle)?))).collect();
        Self {
            leaves: each().filter_map(Self::leaf).collect(),
            checkpoints: each().filter_map(|bundle| text_at(bundle, NOTE)).map(Into::into).collect(),
            tokens: timestamps.iter().map(|(token, _)| token.clone()).collect(),
            texts: each().map(|bundle| bundle.to_string().into()).collect(),
            timestamps,
            signed_at: time("signedAt"),
            now: time("now"),
            issuer: text("issuer"),
            subject: text("subject"),
            artifact: text("artifact").into_bytes(),
            roots: [text("root"), text("rootWithoutLogs")],
            stranger_root: text("strangerRoot"),
            bundles,
            strangers: list("strangers"),
            trust: text("trust"),
            payload: text("payload"),
            root_key: PublicKey::from_pem(&text("rootKey")).expect("a key"),
        }
    }

    /// The signer's certificate of a bundle.
    #[must_use]
    pub fn leaf(bundle: &Value) -> Option<Vec<u8>> {
        const PLACES: [&str; 2] = [
            "/verificationMaterial/certificate/rawBytes",
            "/verificationMaterial/x509CertificateChain/certificates/0/rawBytes",
        ];
        PLACES.into_iter().find_map(|place| bytes_at(bundle, place))
    }

    /// The signature of a bundle.
    #[must_use]
    pub fn signature(bundle: &Value) -> Option<Vec<u8>> {
        ["/messageSignature/signature", "/dsseEnvelope/signatures/0/sig"]
            .into_iter()
            .find_map(|place| bytes_at(bundle, place))
    }
}

/// A text of a document.
#[must_use]
pub fn text_at<'v>(document: &'v Value, place: &str) -> Option<&'v str> {
    document.pointer(place)?.as_str()
}

/// What a text of a document encodes.
#[must_use]
pub fn bytes_at(document: &Value, place: &str) -> Option<Vec<u8>> {
    decode(text_at(document, place)?)
}

/// Base64 of either alphabet, as protobuf's JSON may have it.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.replace('-', "+").replace('_', "/");
    let text = text.trim_end_matches('=');
    let padding = ["", "", "==", "="][text.len() % 4];
    STANDARD.decode(format!("{text}{padding}")).ok()
}
