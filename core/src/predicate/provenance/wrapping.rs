//! What `docker buildx imagetools inspect --format '{{json .Provenance}}'` puts around provenance.
//!
//! For an image of one platform that is `{"SLSA": …}`, for an image of several
//! `{"linux/amd64": {"SLSA": …}, "linux/arm64": {"SLSA": …}}`. People sign this output as it is, under the predicate type
//! of SLSA. Only the entry of this image's platform counts, and nothing may stand beside `SLSA`: two readers must not
//! find two bodies in one predicate.

use crate::json::{self, Object, UnknownKeys, Value};
use crate::platform::Platform;
use crate::predicate::Unmet;
use crate::verdict::Reason;

/// Whether a predicate was wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrapping {
    /// It stands in the statement itself, and is of the statement's type.
    Bare,
    /// buildx wrapped it, and dropped the type that it had in the image.
    Buildx,
}

/// Members of SLSA provenance, none of which a wrapper has: v0.2's, then v1's.
const MEMBERS: [&str; 9] = [
    "SLSA",
    "builder",
    "buildType",
    "invocation",
    "buildConfig",
    "metadata",
    "materials",
    "buildDefinition",
    "runDetails",
];

/// Takes the wrapping off.
pub(super) fn unwrap<'s>(predicate: Value<'s>, platform: &str) -> Result<(Value<'s>, Wrapping), Unmet<'s>> {
    let object = predicate.object()?;
    let [slsa, body @ ..] = object.fields(MEMBERS, UnknownKeys::Skip)?;
    if slsa.is_some() {
        return only_member(object).map(|body| (body, Wrapping::Buildx));
    }
    if body.iter().any(Option::is_some) {
        return Ok((predicate, Wrapping::Bare));
    }
    match entry_of(object, platform)? {
        Some(entry) => {
            let entry = entry.object().map_err(|_| Unmet::malformed("entry for this platform"))?;
            only_member(entry).map(|body| (body, Wrapping::Buildx))
        }
        None => Ok((predicate, Wrapping::Bare)),
    }
}

/// The value of `SLSA`, beside which nothing stands.
fn only_member(wrapper: Object<'_>) -> Result<Value<'_>, Unmet<'_>> {
    match wrapper.fields(["SLSA"], UnknownKeys::Refuse) {
        Ok([Some(body)]) => Ok(body),
        Ok([None]) => Err(Unmet::malformed("SLSA")),
        Err(json::Error::UnknownKey) => Err(Unmet::malformed("wrapper with members beside SLSA")),
        Err(error) => Err(error.into()),
    }
}

/// The entry of a platform; `None` where no member is a platform, so that this is no wrapper.
fn entry_of<'s>(object: Object<'s>, platform: &str) -> Result<Option<Value<'s>>, Unmet<'s>> {
    let wanted = Platform::read(platform);
    let (mut platforms, mut others) = (false, false);
    let mut found = None;
    for member in object.members() {
        let (key, value) = member?;
        let Some(named) = key.plain().and_then(Platform::read) else {
            others = true;
            continue;
        };
        platforms = true;
        if wanted.is_some_and(|wanted| wanted.is(&named)) && found.replace(value).is_some() {
            return Err(Unmet::because(Reason::PayloadAmbiguous));
        }
    }
    match (platforms, others, found) {
        (false, ..) => Ok(None),
        (true, true, _) => Err(Unmet::malformed("wrapper with members beside its platforms")),
        (true, false, None) => Err(Unmet::missing(Reason::PlatformMissing, "this platform")),
        (true, false, found) => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::{Wrapping, unwrap};
    use crate::json::parse;
    use crate::predicate::Unmet;
    use crate::verdict::Reason;

    extern crate std;
    use std::format;

    fn on<'s>(text: &'s str, platform: &str) -> Result<(&'s str, Wrapping), Unmet<'s>> {
        unwrap(parse(text.as_bytes()).unwrap(), platform).map(|(body, wrapping)| (body.text(), wrapping))
    }

    #[test]
    fn the_bodies_of_both_wrappers_are_found() {
        assert_eq!(
            on(r#"{"SLSA":{"builder":1}}"#, "linux/amd64"),
            Ok((r#"{"builder":1}"#, Wrapping::Buildx))
        );
        let both = r#"{"linux/amd64":{"SLSA":{"a":1}},"linux/arm64":{"SLSA":{"b":1}}}"#;
        assert_eq!(on(both, "linux/amd64"), Ok((r#"{"a":1}"#, Wrapping::Buildx)));
        assert_eq!(on(both, "linux/arm64/v8"), Ok((r#"{"b":1}"#, Wrapping::Buildx)));
    }

    #[test]
    fn a_predicate_that_is_not_wrapped_stays_as_it_is() {
        for text in [
            r#"{"builder":{}}"#,
            r#"{"runDetails":{},"https://acme.example/x":1}"#,
            r#"{"builder":{},"linux/amd64":{"SLSA":{}}}"#,
            "{}",
            r#"{"x":1}"#,
        ] {
            assert_eq!(on(text, "linux/amd64"), Ok((text, Wrapping::Bare)));
        }
    }

    #[test]
    fn nothing_may_stand_beside_the_body() {
        let beside = Unmet::malformed("wrapper with members beside SLSA");
        for text in [
            r#"{"SLSA":{},"builder":{}}"#,
            r#"{"SLSA":{},"runDetails":{}}"#,
            r#"{"SLSA":{},"x":1}"#,
            r#"{"SLSA":{},"linux/amd64":{"SLSA":{}}}"#,
            r#"{"linux/amd64":{"SLSA":{},"SPDX":{}}}"#,
        ] {
            assert_eq!(on(text, "linux/amd64"), Err(beside), "{text}");
        }
        let platforms = Unmet::malformed("wrapper with members beside its platforms");
        assert_eq!(on(r#"{"linux/amd64":{"SLSA":{}},"x":1}"#, "linux/amd64"), Err(platforms));
        assert_eq!(
            on(r#"{"linux\/amd64":{"SLSA":{}},"linux/arm64":{"SLSA":{}}}"#, "linux/arm64"),
            Err(platforms)
        );
        assert_eq!(on(r#"{"linux/amd64":{}}"#, "linux/amd64"), Err(Unmet::malformed("SLSA")));
        assert_eq!(
            on(r#"{"linux/amd64":1}"#, "linux/amd64"),
            Err(Unmet::malformed("entry for this platform"))
        );
        assert_eq!(on("[]", "linux/amd64"), Err(Unmet::malformed("predicate")));
    }

    #[test]
    fn another_platform_does_not_count() {
        let missing = Unmet::missing(Reason::PlatformMissing, "this platform");
        for platform in ["linux/arm64", "linux/amd64/v2", "windows/amd64", "", "linux"] {
            assert_eq!(on(r#"{"linux/amd64":{"SLSA":{"a":1}}}"#, platform), Err(missing), "{platform}");
        }
    }

    #[test]
    fn two_bodies_are_ambiguous() {
        for (text, key) in [
            (r#"{"SLSA":{},"SLSA":{}}"#, "SLSA"),
            (r#"{"SLSA":{},"slsa":{}}"#, "SLSA"),
            (r#"{"slsa":{}}"#, "SLSA"),
            (r#"{"\u0053LSA":{}}"#, "SLSA"),
            (r#"{"builder":{},"builder":{}}"#, "builder"),
        ] {
            let unmet = on(text, "linux/amd64").unwrap_err();
            assert_eq!(unmet.reason, Reason::PayloadAmbiguous, "{text}");
            assert_eq!(unmet.finding, crate::predicate::Finding::Malformed(key), "{text}");
        }
        for other in ["linux/amd64", "linux/amd64/v1", "linux/x86_64"] {
            let text = format!(r#"{{"linux/amd64":{{"SLSA":{{}}}},"{other}":{{"SLSA":{{}}}}}}"#);
            assert_eq!(on(&text, "linux/amd64"), Err(Unmet::because(Reason::PayloadAmbiguous)), "{other}");
        }
    }
}
