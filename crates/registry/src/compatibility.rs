//! Whether a plugin fits this platform and what a tenant has installed.

use std::collections::BTreeMap;

use model::Violation;

use crate::manifest::Manifest;
use crate::version::{Version, parse_range};

/// What a dependency is held against: the tenant's installations.
#[derive(Debug, Clone)]
pub(crate) struct InstalledVersion {
    pub(crate) version: String,
    pub(crate) enabled: bool,
}

/// Every reason why `manifest` does not fit; empty if it does.
pub(crate) fn issues(
    manifest: &Manifest,
    platform: &Version,
    installed: &BTreeMap<String, InstalledVersion>,
) -> Vec<Violation> {
    let mut issues = platform_issues(manifest, platform);
    issues.extend(manifest.dependencies.iter().filter_map(|(id, range)| {
        let problem = dependency_issue(range, installed.get(id))?;
        Some(Violation::new(format!("/dependencies/{id}"), format!("needs plugin {id} {range}, {problem}")))
    }));
    issues
}

fn platform_issues(manifest: &Manifest, platform: &Version) -> Vec<Violation> {
    let mut issues = Vec::new();
    let bound = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<Version>().ok());
    if let Some(least) = bound(&manifest.min_platform_version)
        && *platform < least
    {
        let detail = format!("needs platform {least} or newer, this is {platform}");
        issues.push(Violation::new("/minPlatformVersion", detail));
    }
    if let Some(most) = bound(&manifest.max_platform_version)
        && *platform > most
    {
        let detail = format!("needs platform {most} or older, this is {platform}");
        issues.push(Violation::new("/maxPlatformVersion", detail));
    }
    let ranges = &manifest.compatible_versions;
    if !ranges.is_empty()
        && !ranges.iter().filter_map(|text| parse_range(text)).any(|range| platform.satisfies(&range))
    {
        let detail = format!("needs platform {}, this is {platform}", ranges.join(" or "));
        issues.push(Violation::new("/compatibleVersions", detail));
    }
    issues
}

fn dependency_issue(range: &str, installed: Option<&InstalledVersion>) -> Option<String> {
    let Some(installed) = installed else { return Some("which is not installed".to_owned()) };
    let fits = parse_range(range)
        .zip(installed.version.parse::<Version>().ok())
        .is_some_and(|(range, version)| version.satisfies(&range));
    if !fits {
        Some(format!("{} is installed", installed.version))
    } else if installed.enabled {
        None
    } else {
        Some("which is disabled".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_told() {
        let manifest = Manifest {
            min_platform_version: Some("2.0.0".into()),
            max_platform_version: Some("0.9.0".into()),
            compatible_versions: vec!["3.x".into(), "4.x".into()],
            dependencies: BTreeMap::from([
                ("absent".into(), "1.x".into()),
                ("old".into(), "^2".into()),
                ("off".into(), "1.x".into()),
                ("good".into(), "1.x".into()),
            ]),
            ..Manifest::default()
        };
        let version = |version: &str, enabled| InstalledVersion { version: version.into(), enabled };
        let installed = BTreeMap::from([
            ("old".into(), version("1.0.0", true)),
            ("off".into(), version("1.2.0", false)),
            ("good".into(), version("1.2.0", true)),
        ]);
        let issues = issues(&manifest, &"1.0.0".parse().unwrap(), &installed);
        let pointers: Vec<&str> = issues.iter().map(|issue| issue.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/minPlatformVersion",
                "/maxPlatformVersion",
                "/compatibleVersions",
                "/dependencies/absent",
                "/dependencies/off",
                "/dependencies/old"
            ]
        );
    }

    #[test]
    fn bounds_are_inclusive() {
        let manifest = Manifest {
            min_platform_version: Some("1.0.0".into()),
            max_platform_version: Some("1.0.0".into()),
            ..Manifest::default()
        };
        assert!(issues(&manifest, &"1.0.0".parse().unwrap(), &BTreeMap::new()).is_empty());
    }
}
