//! Whether what was begun with a plugin's server may go on.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use model::{PluginId, TenantId};
use outbound::Guard;
use registry::{BackendKind, Deployment, Registry};

use super::{Error, Passage, target};

/// Tells how an installation stands.
#[async_trait]
pub trait Standing: Send + Sync {
    /// The installation of `plugin` in `tenant`, as it is now.
    async fn deployment(
        &self,
        tenant: &TenantId,
        plugin: &PluginId,
    ) -> Result<Arc<Deployment>, registry::Error>;
}

#[async_trait]
impl Standing for Registry {
    async fn deployment(
        &self,
        tenant: &TenantId,
        plugin: &PluginId,
    ) -> Result<Arc<Deployment>, registry::Error> {
        self.deployment(tenant, plugin).await
    }
}

/// Judges, whenever it is called, whether the server of `passage` may still be called.
pub(super) fn judge(
    standing: &Arc<dyn Standing>,
    passage: &Passage<'_>,
    guard: &Guard,
) -> impl Fn() -> BoxFuture<'static, Result<(), Error>> + Send + 'static {
    let (standing, guard) = (Arc::clone(standing), guard.clone());
    let begun = Arc::clone(passage.deployment);
    move || {
        let (standing, guard, begun) = (Arc::clone(&standing), guard.clone(), Arc::clone(&begun));
        Box::pin(async move {
            match standing.deployment(&begun.tenant, &begun.plugin).await {
                Ok(now) => goes_on(&begun, &now, &guard),
                Err(registry::Error::NotInstalled(_)) => Err(Error::Withdrawn),
                // That nobody can tell now is no reason to break off what was allowed.
                Err(error) => {
                    tracing::warn!(%error, "whether a WebSocket may stay open cannot be told");
                    Ok(())
                }
            }
        })
    }
}

fn goes_on(begun: &Deployment, now: &Deployment, guard: &Guard) -> Result<(), Error> {
    match (&begun.kind, &now.kind) {
        (Some(BackendKind::Upstream(called)), Some(BackendKind::Upstream(upstream)))
            if called == upstream
                && now.enabled
                && (&now.plugin_key, now.incarnation) == (&begun.plugin_key, begun.incarnation) =>
        {
            target::may_be_called(upstream, &now.grants, guard)
        }
        _ => Err(Error::Withdrawn),
    }
}

#[cfg(test)]
mod tests {
    use registry::Grants;
    use serde_json::Map;

    use super::*;

    fn deployment(upstream: &str) -> Deployment {
        Deployment {
            tenant: "acme".parse().unwrap(),
            plugin: "notes".parse().unwrap(),
            plugin_key: "k1".into(),
            version_key: "v1".into(),
            version: "1.0.0".into(),
            enabled: true,
            departed: false,
            incarnation: 1,
            kind: Some(BackendKind::Upstream(upstream.parse().unwrap())),
            routes: Vec::new(),
            hooks: Vec::new(),
            listeners: [].into(),
            handlers: [].into(),
            hosts: Vec::new(),
            emits: [].into(),
            webhook: None,
            grants: Grants { hosts: ["a.example".into()].into(), ..Grants::default() },
            configuration: Map::new(),
            sensitive: [].into(),
        }
    }

    #[test]
    fn what_was_begun_goes_on_for_as_long_as_it_could_be_begun() {
        let guard = Guard::new("".parse().unwrap(), Vec::new()).unwrap();
        let begun = deployment("https://a.example");
        let judged = |now: Deployment| goes_on(&begun, &now, &guard);
        assert!(judged(Deployment { version_key: "v2".into(), ..begun.clone() }).is_ok());
        for withdrawn in [
            Deployment { enabled: false, ..begun.clone() },
            Deployment { kind: None, ..begun.clone() },
            Deployment { plugin_key: "k2".into(), ..begun.clone() },
            Deployment { incarnation: 2, ..begun.clone() },
            deployment("https://b.example"),
        ] {
            assert!(matches!(judged(withdrawn), Err(Error::Withdrawn)));
        }
        let refused = judged(Deployment { grants: Grants::default(), ..begun.clone() });
        assert!(matches!(refused, Err(Error::NotConsented)));
    }
}
