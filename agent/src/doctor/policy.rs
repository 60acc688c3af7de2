//! The trust bundle on disk: its age, its rules, the pause image, the registries that it speaks of.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pullward_core::pattern::Pattern;
use pullward_core::reference::Reference;
use pullward_core::time::UnixTime;
use pullward_core::trust::{Mode, Rule, TrustBundle, TrustError};

use super::code::Code;
use super::{Finding, Scope};
use crate::containerd::bypass;
use crate::containerd::effective::Effective;
use crate::trust::installed::InstalledTrust;
use crate::trust::node::{FloorUpdate, TrustSettings};

/// A bundle that expires sooner than this is a finding: a week, so that a weekend is in it.
const EXPIRES_SOON: Duration = Duration::from_secs(7 * 86_400);

/// Looks at the bundle, and at what depends on it.
pub fn look(scope: &Scope<'_>, effective: Option<&Effective>, findings: &mut Vec<Finding>) {
    let loaded = match TrustSettings::from(scope.config).load(FloorUpdate::Leave) {
        Ok(loaded) => loaded,
        Err(refused) => {
            let remedy = "pullward trust install FILE, with a bundle signed by this node's roots".to_owned();
            let finding = Finding::of(Code::TrustUnreadable, refused.to_string(), remedy);
            findings.push(finding.at(&scope.config.trust.bundle));
            return;
        }
    };
    let trust = &loaded.trust;
    age(trust, findings);
    let bundle = trust.bundle();
    if let Err(error) = rules(scope, &bundle, effective, findings) {
        let what = format!("{}: {}", loaded.path.display(), error.code());
        findings.push(Finding::of(Code::TrustUnreadable, what, "pullward trust install FILE".to_owned()));
    }
    registries(scope, &bundle, findings);
}

fn age(trust: &InstalledTrust, findings: &mut Vec<Finding>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now = now.max(trust.clock_floor.0);
    let (version, expires) = (trust.version, UnixTime(trust.expires));
    if trust.expires <= now {
        // Where the agent says so too, it is the same finding.
        let what = format!("the trust bundle expired {expires}: install a newer one");
        findings.push(Finding::of(Code::TrustExpired, what, "pullward trust install FILE".to_owned()));
    } else if trust.expires.saturating_sub(now) < EXPIRES_SOON.as_secs() {
        let what = format!("trust bundle version {version} expires {expires}");
        findings.push(Finding::of(Code::TrustExpiring, what, "install a newer one before".to_owned()));
    } else {
        let issued = UnixTime(trust.issued);
        let what = format!("trust bundle version {version}, issued {issued}, until {expires}");
        findings.push(Finding::fine("trust", what));
    }
}

fn rules(
    scope: &Scope<'_>,
    bundle: &TrustBundle<'_>,
    effective: Option<&Effective>,
    findings: &mut Vec<Finding>,
) -> Result<(), TrustError> {
    let mut audits = Vec::new();
    for rule in bundle.rules() {
        let rule = rule?;
        if rule.mode() == Mode::Audit {
            audits.push(rule.name().to_owned());
        }
    }
    if !audits.is_empty() {
        let what = format!("{} rule(s) with mode = \"audit\": {}", audits.len(), audits.join(", "));
        findings.push(Finding::of(
            Code::PolicyAudit,
            what,
            "mode = \"enforce\" once the journal is quiet".to_owned(),
        ));
    }
    let Some(image) = effective.and_then(|effective| bypass::sandbox_image(&effective.table)) else {
        return Ok(());
    };
    let ruled = match Reference::parse(image) {
        Ok(reference) => {
            let mut ruled = false;
            for rule in bundle.rules() {
                let rule = rule?;
                if governs(&rule, &reference)? {
                    ruled = rule.mode() != Mode::Deny;
                    break;
                }
            }
            ruled
        }
        Err(_) => false,
    };
    findings.push(if ruled {
        Finding::fine("pause-image", format!("{image}: a rule speaks of it"))
    } else {
        let remedy = format!("a rule whose match covers {image}");
        Finding::of(Code::PauseUnruled, format!("{image}: no rule lets it in"), remedy)
            .at(&scope.config.trust.bundle)
    });
    Ok(())
}

fn governs(rule: &Rule<'_>, reference: &Reference) -> Result<bool, TrustError> {
    for pattern in rule.patterns()? {
        if Pattern::parse(pattern?).is_ok_and(|pattern| pattern.matches(reference)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Without network code no registry is ever asked.
#[cfg(not(feature = "network"))]
fn registries(_: &Scope<'_>, _: &TrustBundle<'_>, _: &mut Vec<Finding>) {}

#[cfg(feature = "network")]
fn registries(scope: &Scope<'_>, bundle: &TrustBundle<'_>, findings: &mut Vec<Finding>) {
    use std::collections::BTreeSet;
    use std::time::Instant;

    use crate::registry::RegistryError;
    use crate::registry::{Which, configured};

    /// For all registries together: those that hang are asked one after the other.
    const PATIENCE: Duration = Duration::from_secs(8);
    /// For one of them.
    const EACH: Duration = Duration::from_secs(2);

    let registry = &scope.config.registry;
    let client = configured::read_auth_file(&registry.auth_file)
        .map_err(|error| error.to_string())
        .and_then(|credentials| configured::client(registry, credentials).map_err(|error| error.to_string()));
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            let remedy = "mend what it says".to_owned();
            let finding = Finding::of(Code::CredentialsUnreadable, error, remedy);
            findings.push(finding.at_key(scope.config_file, "[registry]"));
            return;
        }
    };
    if registry.offline {
        findings.push(Finding::fine("registries", "offline: none is asked"));
        return;
    }
    let mut hosts = BTreeSet::new();
    for rule in bundle.rules().flatten().filter(|rule| rule.mode() != Mode::Deny) {
        let Ok(patterns) = rule.patterns() else { continue };
        let host = |pattern: &str| pattern.split('/').next().map(str::to_owned);
        hosts.extend(patterns.flatten().filter_map(host).filter(|host| !host.contains('*')));
    }
    let end = Instant::now() + PATIENCE;
    for host in hosts {
        // Any answer will do: what is asked for need not exist.
        let Ok(reference) = Reference::parse(&format!("{host}/pullward/doctor:none")) else { continue };
        let deadline = end.min(Instant::now() + EACH);
        let asked = client
            .repository(&reference)
            .and_then(|repository| client.manifest(&repository, Which::Tag("none"), None, deadline));
        match asked {
            Err(
                error @ (RegistryError::Unreachable { .. }
                | RegistryError::Tls { .. }
                | RegistryError::Roots { .. }
                | RegistryError::Deadline { .. }),
            ) => findings.push(
                Finding::of(
                    Code::RegistryUnreachable,
                    error.to_string(),
                    "open the way there, set [registry] proxy, or put evidence into the store".to_owned(),
                )
                .at_key(scope.config_file, "[registry]"),
            ),
            _ => findings.push(Finding::fine("registries", format!("{host}: answers"))),
        }
    }
}
