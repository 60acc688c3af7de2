//! What others are told to believe of an instance: its trusted root, as JSON that a test may edit.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Generation, Rekor, Sigstore};
use crate::mint::{Signer, trusted_authority, trusted_log, trusted_root};

/// The first second of everything.
const START: &str = "2024-01-01T00:00:00Z";
/// The last second of what was retired.
const RETIRED: &str = "2025-02-01T00:00:00Z";

impl Sigstore {
    /// Everything that this instance has, each in its place and for its time.
    #[must_use]
    pub fn trusted_root(&self) -> Value {
        let mut root = trusted_root();
        root["certificateAuthorities"] = vec![trusted_authority(&self.fulcio.certificates(), START)].into();
        root["ctlogs"] =
            vec![self.ct_log(&self.retired_ct, RETIRED.into()), self.ct_log(&self.ct, Value::Null)].into();
        let logs = self.rekor_v1.iter().chain(&self.rekor_v2).map(trusted_rekor);
        root["tlogs"] = logs.collect::<Vec<Value>>().into();
        let mut retired = trusted_authority(&self.retired_tsa.certificates(), START);
        retired["validFor"]["end"] = RETIRED.into();
        let tsa = trusted_authority(&self.tsa.certificates(), START);
        root["timestampAuthorities"] = vec![retired, tsa].into();
        root
    }

    /// A root of a deployment with neither logs nor a CT log, as GitHub's own: timestamps are all there is.
    #[must_use]
    pub fn trusted_root_without_logs(&self) -> Value {
        let mut root = self.trusted_root();
        root["tlogs"] = Value::Array(Vec::new());
        root["ctlogs"] = Value::Array(Vec::new());
        root
    }

    fn ct_log(&self, key: &Signer, end: Value) -> Value {
        let mut log = trusted_log(key, &format!("https://ct.{}", self.name), START);
        if !end.is_null() {
            log["publicKey"]["validFor"]["end"] = end;
        }
        log
    }
}

fn trusted_rekor(rekor: &Rekor) -> Value {
    let mut log = trusted_log(&rekor.key, &format!("https://{}", rekor.host), START);
    if rekor.generation == Generation::Two {
        log["logId"]["keyId"] = STANDARD.encode(rekor.id()).into();
    }
    log
}
