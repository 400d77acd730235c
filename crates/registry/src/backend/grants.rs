//! What a plugin asks for, and how that compares with what an admin has consented to.

use std::collections::BTreeSet;

use model::{EventPattern, Violation};
use serde::{Deserialize, Serialize};

use super::{Access, ConnectionAsk, HostRule, Whose, hosts};
use crate::Manifest;

/// What a plugin asks for, and what an admin consents to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Grants {
    /// What it may do in the host product.
    pub permissions: BTreeSet<String>,
    /// The hosts that it may call; of an upstream, the upstream's own.
    pub hosts: BTreeSet<String>,
    /// The secrets that it may read.
    pub secrets: BTreeSet<String>,
    /// The secrets that are put into its requests on the way out, which it does not see.
    pub secret_uses: BTreeSet<SecretUse>,
    /// The connectors that it may use.
    pub connections: BTreeSet<ConnectionAsk>,
    /// The events of the tenant that it and its pages may see, as patterns of types.
    pub events: BTreeSet<String>,
}

/// A secret that is put into requests to a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretUse {
    /// The secret's name.
    pub secret: String,
    /// The host that gets it.
    pub host: String,
}

impl Grants {
    /// What a version with this manifest asks for.
    pub fn asked(manifest: &Manifest) -> Self {
        let upstream = manifest.backend.as_ref().and_then(|backend| backend.upstream.as_deref());
        Self {
            permissions: manifest.required_permissions.iter().cloned().collect(),
            hosts: (manifest.hosts.iter().map(|rule| rule.host.clone()))
                .chain(upstream.and_then(hosts::of_url))
                .collect(),
            secrets: manifest.required_secrets.iter().cloned().collect(),
            secret_uses: manifest.hosts.iter().flat_map(HostRule::secret_uses).collect(),
            connections: manifest.connections.iter().cloned().collect(),
            events: manifest.listens.iter().cloned().collect(),
        }
    }

    /// What of this `consented` does not cover.
    #[must_use]
    pub fn missing_from(&self, consented: &Self) -> Self {
        self.retain(consented, false)
    }

    /// What of this `consented` covers.
    #[must_use]
    pub fn within(&self, consented: &Self) -> Self {
        self.retain(consented, true)
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn retain(&self, consented: &Self, covered: bool) -> Self {
        let keep = |is_covered: bool| is_covered == covered;
        Self {
            permissions: kept(&self.permissions, |each| keep(consented.permissions.contains(each))),
            hosts: kept(&self.hosts, |each| keep(consented.covers_host(each))),
            secrets: kept(&self.secrets, |each| keep(consented.secrets.contains(each))),
            secret_uses: kept(&self.secret_uses, |each| keep(consented.covers_use(each))),
            connections: kept(&self.connections, |each| keep(consented.covers_connection(each))),
            events: kept(&self.events, |each| keep(consented.covers_events(each))),
        }
    }

    /// Whether events of this type, or all that this pattern wants, may be seen.
    pub fn covers_events(&self, wanted: &str) -> bool {
        let Ok(wanted) = wanted.parse::<EventPattern>() else { return false };
        let known = self.events.iter().filter_map(|known| known.parse::<EventPattern>().ok());
        known.into_iter().any(|known| known.covers(&wanted))
    }

    fn covers_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|known| hosts::covers(known, host))
    }

    fn covers_use(&self, wanted: &SecretUse) -> bool {
        let covers =
            |known: &SecretUse| known.secret == wanted.secret && hosts::covers(&known.host, &wanted.host);
        self.secret_uses.iter().any(covers)
    }

    fn covers_connection(&self, wanted: &ConnectionAsk) -> bool {
        let covers = |known: &ConnectionAsk| {
            known.connector == wanted.connector
                && known.access >= wanted.access
                && known.whose >= wanted.whose
        };
        self.connections.iter().any(covers)
    }

    /// One sentence for each, in words for the tenant's admin.
    pub(crate) fn sentences(&self) -> Vec<Violation> {
        let at = |list: &str, detail: String| Violation::new(format!("/consent/{list}"), detail);
        let permissions = self.permissions.iter();
        let permissions =
            permissions.map(|each| at("permissions", format!("has the permission {each} in the product")));
        let hosts = self.hosts.iter().map(|each| at("hosts", format!("may call {each}")));
        let secrets = self.secrets.iter().map(|each| at("secrets", format!("may read the secret {each}")));
        let uses = self.secret_uses.iter().map(|SecretUse { secret, host }| {
            at("secretUses", format!("sends the secret {secret} to {host}, without reading it"))
        });
        let connections = self.connections.iter().map(|each| at("connections", connection(each)));
        let events = self.events.iter().map(|each| at("events", events(each)));
        permissions.chain(hosts).chain(secrets).chain(uses).chain(connections).chain(events).collect()
    }
}

fn events(pattern: &str) -> String {
    if pattern == "*" {
        "sees every event of the tenant".to_owned()
    } else {
        format!("sees the tenant's events of type {pattern}")
    }
}

fn connection(ask: &ConnectionAsk) -> String {
    let connector = &ask.connector;
    match (ask.access, ask.whose) {
        (Access::Read, Whose::Caller) => format!("may read in {connector} for the user who calls it"),
        (Access::Write, Whose::Caller) => {
            format!("may change things in {connector} for the user who calls it")
        }
        (Access::Read, Whose::Tenant) => format!("may read in {connector} for anybody in the tenant"),
        (Access::Write, Whose::Tenant) => {
            format!("may change things in {connector} for anybody in the tenant")
        }
    }
}

fn kept<T: Clone + Ord>(set: &BTreeSet<T>, keep: impl Fn(&T) -> bool) -> BTreeSet<T> {
    set.iter().filter(|each| keep(each)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn grants(value: serde_json::Value) -> Grants {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_manifest_asks_for_what_its_parts_need() {
        let manifest = Manifest::from_json(json!({
            "id": "card", "name": "Card", "version": "1.0.0", "category": "payment",
            "requiredPermissions": ["orders:read"], "requiredSecrets": ["pin"], "connections": ["gmail"],
            "listens": ["orders.*"], "backend": {"upstream": "https://card.example.com:8443/api"},
            "hosts": ["api.tax.example.com",
                      {"host": "API.stripe.com:443", "headers": {"authorization": "Bearer ${secretKey}"}}],
        }));
        assert_eq!(
            Grants::asked(&manifest.unwrap()),
            grants(json!({
                "permissions": ["orders:read"], "secrets": ["pin"],
                "hosts": ["api.stripe.com", "api.tax.example.com", "card.example.com:8443"],
                "secretUses": [{"secret": "secretKey", "host": "api.stripe.com"}],
                "connections": [{"connector": "gmail", "access": "read", "whose": "caller"}],
                "events": ["orders.*"],
            })),
        );
    }

    #[test]
    fn more_is_missing_and_less_is_covered() {
        let consented = grants(json!({
            "hosts": ["*.example.com"], "secrets": ["a"],
            "secretUses": [{"secret": "key", "host": "*.example.com"}],
            "connections": [{"connector": "slack", "access": "write", "whose": "caller"}],
            "events": ["orders.*"],
        }));
        let asked = grants(json!({
            "permissions": ["orders:write"], "hosts": ["api.example.com", "example.com", "api.example.com:8443"],
            "secrets": ["a", "b"],
            "secretUses": [{"secret": "key", "host": "api.example.com"}, {"secret": "pin", "host": "api.example.com"}],
            "connections": [{"connector": "slack"}, {"connector": "slack", "access": "write", "whose": "tenant"}],
            "events": ["orders.paid", "orders.*", "payments.settled"],
        }));
        let missing = asked.missing_from(&consented);
        let sentences: Vec<String> = missing.sentences().into_iter().map(|each| each.detail).collect();
        assert_eq!(
            sentences,
            [
                "has the permission orders:write in the product",
                "may call api.example.com:8443",
                "may call example.com",
                "may read the secret b",
                "sends the secret pin to api.example.com, without reading it",
                "may change things in slack for anybody in the tenant",
                "sees the tenant's events of type payments.settled",
            ]
        );
        let within = asked.within(&consented);
        assert_eq!(within.hosts, ["api.example.com".to_owned()].into());
        assert_eq!(within.connections.len(), 1);
        assert!(asked.missing_from(&asked).is_empty() && asked.within(&Grants::default()).is_empty());
    }
}
