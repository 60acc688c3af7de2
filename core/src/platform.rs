//! Platforms as containerd spells them: `os/arch[/variant]`, with a normal form.
//!
//! buildx writes the normal form, into provenance and into an image's index, and what asks may not: `linux/arm64/v8` is `linux/arm64`, `linux/amd64/v1` is
//! `linux/amd64`, `linux/arm` is `linux/arm/v7`, and the kernel's names of architectures (`aarch64`, `x86_64`) are
//! the same as Go's. Nothing else is the same as anything: an image for `linux/arm/v6` runs on v7, but its provenance
//! is not v7's. The version of Windows that may stand behind the system, `windows(10.0.20348.1)/amd64`, does not count.

/// A platform in its normal form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Platform<'p> {
    os: &'p str,
    architecture: &'p str,
    variant: &'p str,
}

impl<'p> Platform<'p> {
    /// Reads `os/arch` or `os/arch/variant`; `None` for anything else.
    pub(crate) fn read(text: &'p str) -> Option<Self> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-()".contains(&byte);
        if !text.bytes().all(known) {
            return None;
        }
        let mut parts = text.split('/');
        let (os, architecture) = (parts.next()?, parts.next()?);
        let variant = parts.next().unwrap_or("");
        let whole = parts.next().is_none() && !text.ends_with('/');
        if whole { Self::of(os, architecture, variant) } else { None }
    }

    /// Puts one together from its parts, the variant empty where there is none; `None` where one of the others is.
    pub(crate) fn of(os: &'p str, architecture: &'p str, variant: &'p str) -> Option<Self> {
        let os = os.split('(').next().unwrap_or(os);
        if os.is_empty() || architecture.is_empty() {
            return None;
        }
        let (architecture, variant) = normalise(architecture, variant);
        Some(Self { os: if os.eq_ignore_ascii_case("macos") { "darwin" } else { os }, architecture, variant })
    }

    /// Whether both are one platform.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.os.eq_ignore_ascii_case(other.os)
            && self.architecture.eq_ignore_ascii_case(other.architecture)
            && self.variant.eq_ignore_ascii_case(other.variant)
    }
}

/// Architecture and variant as containerd's `platforms.Normalize` has them.
fn normalise<'p>(architecture: &'p str, variant: &'p str) -> (&'p str, &'p str) {
    let is = |names: &[&str]| names.iter().any(|name| architecture.eq_ignore_ascii_case(name));
    let variant_is = |names: &[&str]| names.iter().any(|name| variant.eq_ignore_ascii_case(name));
    if is(&["amd64", "x86_64", "x86-64"]) {
        ("amd64", if variant_is(&["v1"]) { "" } else { variant })
    } else if is(&["arm64", "aarch64"]) {
        ("arm64", if variant_is(&["8", "v8"]) { "" } else { variant })
    } else if is(&["armhf"]) {
        ("arm", "v7")
    } else if is(&["armel"]) {
        ("arm", "v6")
    } else if is(&["arm"]) {
        let variant = match variant {
            "" | "7" => "v7",
            "5" => "v5",
            "6" => "v6",
            "8" => "v8",
            other => other,
        };
        ("arm", variant)
    } else if is(&["386", "i386"]) {
        ("386", "")
    } else {
        (architecture, variant)
    }
}

#[cfg(test)]
mod tests {
    use super::Platform;

    fn same(one: &str, other: &str) -> bool {
        Platform::read(one).unwrap().is(&Platform::read(other).unwrap())
    }

    #[test]
    fn spellings_of_one_platform_are_equal() {
        for (one, other) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/amd64", "linux/amd64/v1"),
            ("linux/amd64", "Linux/x86_64"),
            ("linux/arm64", "linux/arm64/v8"),
            ("linux/arm64/8", "linux/aarch64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/armhf", "linux/arm/7"),
            ("linux/i386", "linux/386"),
            ("windows(10.0.20348.1)/amd64", "windows/amd64"),
            ("macos/arm64", "darwin/arm64"),
        ] {
            assert!(same(one, other), "{one} {other}");
            assert!(same(other, one), "{other} {one}");
        }
    }

    #[test]
    fn another_architecture_variant_or_system_is_another_platform() {
        for (one, other) in [
            ("linux/amd64", "linux/amd64/v2"),
            ("linux/arm64", "linux/arm64/v9"),
            ("linux/arm", "linux/arm/v6"),
            ("linux/arm/v7", "linux/arm64"),
            ("linux/amd64", "windows/amd64"),
            ("linux/amd64", "linux/386"),
            ("linux/amd64", "unknown/unknown"),
            ("linux/riscv64", "linux/riscv64/rva22"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_platform_is_not_read() {
        for text in [
            "",
            "linux",
            "/",
            "linux/",
            "/amd64",
            "linux/amd64/",
            "linux/amd64/v1/x",
            "(10)/amd64",
            "https://slsa.dev/provenance",
            "linux amd64",
            "lin\u{fc}x/amd64",
        ] {
            assert!(Platform::read(text).is_none(), "{text}");
        }
    }
}
