//! The timestamp authority over HTTP (RFC 3161 section 3.4): a request's imprint and nonce come back signed.

use super::read::elements;
use super::{Refusal, State, created, now};
use crate::hostile::{Reply, Request};

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;

pub(super) fn answer(state: &State, request: &Request) -> Result<Reply, Refusal> {
    if request.header("content-type") != Some("application/timestamp-query") {
        return Err("not a timestamp query".into());
    }
    let absent = |what: &str| format!("timestamp query: no {what}");
    let outer = elements(&request.body)?;
    // version, messageImprint, and what is optional behind them
    let fields = elements(outer.first().ok_or_else(|| absent("content"))?.2)?;
    let imprint = elements(fields.get(1).ok_or_else(|| absent("imprint"))?.2)?;
    let value = imprint.iter().find(|(tag, ..)| *tag == OCTET_STRING).ok_or_else(|| absent("hash"))?.2;
    if value.len() != 32 {
        return Err(absent("hash by SHA-256"));
    }
    let optional = fields.get(2..).unwrap_or_default();
    let nonce = optional.iter().find(|(tag, ..)| *tag == INTEGER).map(|(.., content)| content.to_vec());
    let certificates = optional.iter().any(|(tag, .., content)| *tag == BOOLEAN && content != &[0]);
    let sigstore = state.sigstore();
    let mut token = sigstore.tsa.token(&[], now());
    token.imprint.1 = value.to_vec();
    token.nonce = nonce;
    if !certificates {
        token.certificates.clear();
    }
    Ok(created("application/timestamp-reply", token.response()))
}
