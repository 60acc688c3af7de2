//! Evidence: honest, or wrong in exactly one step.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullward_core::oci::Digest;
use pullward_core::signature::SignedFormat;
use pullward_core::verify::{Annotations, Evidence};

use super::{Scheme, Signer, world};

/// What evidence comes as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A legacy `.sig` layer: cosign's payload, the signature in an annotation.
    SimpleSigning,
    /// A legacy `.att` layer: a bare DSSE envelope around a statement.
    Envelope,
    /// A Sigstore bundle v0.3 as cosign 3 writes it for a key pair.
    Bundle,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::SimpleSigning, Self::Envelope, Self::Bundle];
    /// Those that are a DSSE envelope.
    pub const DSSE: [Self; 2] = [Self::Envelope, Self::Bundle];

    /// What the core calls it.
    #[must_use]
    pub fn format(self) -> SignedFormat {
        match self {
            Self::SimpleSigning | Self::Envelope => SignedFormat::CosignLegacy,
            Self::Bundle => SignedFormat::Bundle,
        }
    }
}

/// One piece of evidence, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Minted {
    /// Payload and signature.
    SimpleSigning {
        /// The layer.
        payload: Vec<u8>,
        /// The annotation.
        signature: String,
    },
    /// A bare envelope.
    Envelope(Vec<u8>),
    /// A bundle.
    Bundle(Vec<u8>),
    /// One of the first two, with cosign's annotations about certificate, chain, log entry and timestamp beside it.
    Annotated(Box<Self>, [Option<String>; 4]),
}

impl Minted {
    /// As the core takes it.
    #[must_use]
    pub fn evidence(&self) -> Evidence<'_> {
        match self {
            Self::SimpleSigning { payload, signature } => {
                Evidence::SimpleSigning { payload, signature, annotations: Annotations::default() }
            }
            Self::Envelope(document) => Evidence::Envelope { document, annotations: Annotations::default() },
            Self::Bundle(bytes) => Evidence::Bundle(bytes),
            Self::Annotated(minted, texts) => {
                let [certificate, chain, bundle, timestamp] = texts.each_ref().map(Option::as_deref);
                let annotations = Annotations { certificate, chain, bundle, timestamp };
                match minted.evidence() {
                    Evidence::SimpleSigning { payload, signature, .. } => {
                        Evidence::SimpleSigning { payload, signature, annotations }
                    }
                    Evidence::Envelope { document, .. } => Evidence::Envelope { document, annotations },
                    bundle @ Evidence::Bundle(_) => bundle,
                }
            }
        }
    }

    /// The digest of the blob that it lies in.
    #[must_use]
    pub fn source(&self) -> Digest {
        match self {
            Self::SimpleSigning { payload: bytes, .. } | Self::Envelope(bytes) | Self::Bundle(bytes) => {
                Digest::of(bytes)
            }
            Self::Annotated(minted, _) => minted.source(),
        }
    }

    /// The JSON of an envelope or bundle; of a legacy signature the payload.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::SimpleSigning { payload: bytes, .. } | Self::Envelope(bytes) | Self::Bundle(bytes) => {
                core::str::from_utf8(bytes).unwrap()
            }
            Self::Annotated(minted, _) => minted.text(),
        }
    }
}

/// Replaces `from`, which must be there exactly once: an attack that changes nothing tests nothing.
#[must_use]
pub fn edit(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    text.replacen(from, to, 1)
}

/// cosign's legacy payload.
#[must_use]
pub fn payload(digest: &Digest) -> String {
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"registry.example/team/app"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":null}}"#
    )
}

/// The statement that cosign 3 signs: one subject without a name.
#[must_use]
pub fn statement(digest: &Digest) -> String {
    let hex = digest.hex();
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{hex}"}},"annotations":{{}}}}],"predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{{}}}}"#
    )
}

/// A statement of this type about an image; `predicate` is JSON.
#[must_use]
pub fn attestation(digest: &Digest, predicate_type: &str, predicate: &str) -> String {
    let hex = digest.hex();
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"{predicate_type}","subject":[{{"name":"app","digest":{{"sha256":"{hex}"}}}}],"predicate":{predicate}}}"#
    )
}

/// What a DSSE signature is over (`protocol.md`).
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

type Step<'s> = Box<dyn Fn(String) -> String + 's>;

/// One piece of evidence in the making. Each method overrides one step; what none overrides is honest.
pub struct Forge<'s> {
    form: Form,
    signer: &'s Signer,
    payload: Vec<u8>,
    payload_type: String,
    scheme: Scheme,
    /// What is signed instead of the right bytes.
    message: Option<Vec<u8>>,
    /// What stands there instead of a signature.
    signature: Option<Vec<u8>>,
    hint: String,
    after: Vec<Step<'s>>,
}

impl<'s> Forge<'s> {
    /// Says honestly that `signer` signed `digest`.
    #[must_use]
    pub fn new(form: Form, signer: &'s Signer, digest: &Digest) -> Self {
        let payload = if form == Form::SimpleSigning { payload(digest) } else { statement(digest) };
        Self {
            form,
            signer,
            payload: payload.into_bytes(),
            payload_type: "application/vnd.in-toto+json".into(),
            scheme: Scheme::of(signer.kind(), form.format()),
            message: None,
            signature: None,
            hint: signer.hint(),
            after: Vec::new(),
        }
    }

    /// Another payload, signed rightly.
    #[must_use]
    pub fn payload(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.payload = payload.into();
        self
    }

    /// An attestation instead of a signature, signed rightly.
    #[must_use]
    pub fn attesting(self, digest: &Digest, predicate_type: &str, predicate: &str) -> Self {
        self.payload(attestation(digest, predicate_type, predicate))
    }

    /// The payload with one thing changed in it, signed rightly.
    #[must_use]
    pub fn payload_edit(self, from: &str, to: &str) -> Self {
        let payload = edit(core::str::from_utf8(&self.payload).unwrap(), from, to);
        self.payload(payload)
    }

    /// Another payload type, signed rightly.
    #[must_use]
    pub fn payload_type(mut self, payload_type: &str) -> Self {
        self.payload_type = payload_type.into();
        self
    }

    /// Another scheme than the format's.
    #[must_use]
    pub fn scheme(mut self, scheme: Scheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// Signs these bytes instead of the right ones.
    #[must_use]
    pub fn message(mut self, message: impl Into<Vec<u8>>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Puts these bytes where the signature belongs.
    #[must_use]
    pub fn signature(mut self, signature: impl Into<Vec<u8>>) -> Self {
        self.signature = Some(signature.into());
        self
    }

    /// Another key hint in the bundle.
    #[must_use]
    pub fn hint(mut self, hint: &str) -> Self {
        self.hint = hint.into();
        self
    }

    /// Changes the outer text after signing: the JSON, or the signature annotation of the legacy form.
    #[must_use]
    pub fn after(mut self, step: impl Fn(String) -> String + 's) -> Self {
        self.after.push(Box::new(step));
        self
    }

    /// Changes one thing in the outer text after signing.
    #[must_use]
    pub fn after_edit(self, from: &'s str, to: &'s str) -> Self {
        self.after(move |text| edit(&text, from, to))
    }

    /// The bytes that the signature is over.
    #[must_use]
    pub fn message_bytes(&self) -> Vec<u8> {
        match (&self.message, self.form) {
            (Some(message), _) => message.clone(),
            (None, Form::SimpleSigning) => self.payload.clone(),
            (None, Form::Envelope | Form::Bundle) => pae(&self.payload_type, &self.payload),
        }
    }

    /// Signs and writes.
    #[must_use]
    pub fn mint(self) -> Minted {
        let message = self.message_bytes();
        let signature = match &self.signature {
            Some(signature) => signature.clone(),
            None => self.signer.sign_by(self.scheme, &message, &mut world().random()),
        };
        let signature = STANDARD.encode(signature);
        let (payload, payload_type) = (STANDARD.encode(&self.payload), &self.payload_type);
        let text = match self.form {
            Form::SimpleSigning => signature,
            Form::Envelope => format!(
                r#"{{"payloadType":"{payload_type}","payload":"{payload}","signatures":[{{"keyid":"","sig":"{signature}"}}]}}"#
            ),
            Form::Bundle => format!(
                r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{{"publicKey":{{"hint":"{}"}}}},"dsseEnvelope":{{"payload":"{payload}","payloadType":"{payload_type}","signatures":[{{"sig":"{signature}"}}]}}}}"#,
                self.hint
            ),
        };
        let text = self.after.iter().fold(text, |text, step| step(text));
        match self.form {
            Form::SimpleSigning => Minted::SimpleSigning { payload: self.payload, signature: text },
            Form::Envelope => Minted::Envelope(text.into_bytes()),
            Form::Bundle => Minted::Bundle(text.into_bytes()),
        }
    }
}

impl core::fmt::Debug for Forge<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Forge").field("form", &self.form).field("signer", &self.signer.kind()).finish()
    }
}
