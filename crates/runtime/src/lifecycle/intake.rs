//! Making runs of events.

use model::{TenantId, Timestamp};
use serde::Deserialize;
use storage::{Error, LoggedEvent, Tx};

use super::Hook;
use super::store::Of;
use super::store::runs::{self, NewRun};

/// How many runs of one plugin may wait. Who switches it on and off more often is not told of each time. An uninstall is always
/// told, and skips what waits.
const MAX_WAITING: i64 = 100;

/// How many finished runs of one plugin are kept.
const KEPT: i64 = 1000;

/// What the log tells of an installation. Before there were backends, it told less.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    plugin_key: String,
    version_key: String,
    version: String,
    /// Of an uninstall: which departure it was, in milliseconds since the Unix epoch.
    uninstalled_at: Option<i64>,
}

/// Makes the runs that `event` asks for.
pub(crate) async fn take(tx: &mut Tx, event: &LoggedEvent, now: Timestamp) -> Result<(), Error> {
    let Some(tenant) = event.tenant.as_deref().and_then(|tenant| tenant.parse::<TenantId>().ok()) else {
        return Ok(());
    };
    let Ok(told) = serde_json::from_str::<Told>(&event.data) else {
        tracing::debug!(event.id, "an event names no version of a plugin, so no hook is told of it");
        return Ok(());
    };
    let of = Of { tenant: &tenant, plugin_key: &told.plugin_key };
    for hook in Hook::of_event(&event.kind) {
        let is_last = *hook == Hook::Uninstall;
        let is_full = !is_last && runs::count_unfinished(tx, of).await? >= MAX_WAITING;
        let run = NewRun {
            of,
            plugin_id: &event.subject,
            version_key: &told.version_key,
            version: &told.version,
            event_id: &event.id,
            event_kind: &event.kind,
            hook: *hook,
            created_at: event.time(),
            uninstalled_at: told.uninstalled_at,
            skipped: is_full.then_some("too many earlier runs of this plugin wait"),
        };
        let is_new = runs::insert(tx, &run, now).await?;
        if is_new && is_last {
            runs::skip_waiting(tx, &run, super::turn::UNINSTALLED, now).await?;
        }
        runs::trim(tx, &tenant, &event.subject, KEPT).await?;
    }
    Ok(())
}
