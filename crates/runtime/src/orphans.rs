//! What is left of installations that there are not any more: written by another process while it was being deleted, or of a
//! tenant whose deletion was cut off.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use registry::those_installed;
use storage::{Conn, Database};

use crate::log::Line;
use crate::store::places::{self, Kept};
use crate::store::{Place, lines, usage, values};
use crate::values::SWEPT_AT_ONCE;

/// How many installations are looked at in one round.
const PAGE: i64 = 250;

/// How many transactions one round makes to delete what it has found.
const MAX_STEPS: usize = 100;

/// How far the rounds have come.
#[derive(Debug, Default)]
pub(crate) struct Orphans {
    values: Mutex<Option<Place>>,
    lines: Mutex<Option<Place>>,
}

impl Orphans {
    /// Looks at the next installations, and deletes what is left of those that there are not.
    pub(crate) async fn sweep(&self, database: &Database) -> Result<(), storage::Error> {
        for (kept, reached) in [(Kept::Values, &self.values), (Kept::Lines, &self.lines)] {
            let after = lock(reached).clone();
            let page = {
                let mut conn = database.read().await?;
                places::after(&mut conn, kept, (after.as_ref(), PAGE)).await?
            };
            // Behind the last page the first comes again.
            let is_full = i64::try_from(page.len()).is_ok_and(|len| len >= PAGE);
            *lock(reached) = page.last().filter(|_| is_full).cloned();
            let known = installed(database, &page).await?;
            let mut steps = 0;
            for place in page.iter().filter(|place| !known.contains(&key(place))) {
                while steps < MAX_STEPS && delete_some(database, kept, place).await? {
                    steps += 1;
                }
            }
        }
        Ok(())
    }
}

/// The lines of installations that there are: a call may outlast its own.
pub(crate) async fn of_installed<'a>(
    conn: &mut Conn,
    lines: &[(&'a Place, &'a Line)],
) -> Result<Vec<(&'a Place, &'a Line)>, storage::Error> {
    let places: BTreeSet<_> =
        lines.iter().map(|(place, _)| (place.tenant.as_str(), &*place.plugin)).collect();
    let known = those_installed(conn, &Vec::from_iter(places)).await?;
    Ok(lines.iter().filter(|(place, _)| known.contains(&key(place))).copied().collect())
}

async fn installed(
    database: &Database,
    places: &[Place],
) -> Result<BTreeSet<(String, String)>, storage::Error> {
    let asked: Vec<_> = places.iter().map(|place| (place.tenant.as_str(), &*place.plugin)).collect();
    let mut conn = database.read().await?;
    those_installed(&mut conn, &asked).await
}

fn key(place: &Place) -> (String, String) {
    (place.tenant.to_string(), place.plugin.clone())
}

/// Deletes some of what is left, and tells whether there may be more. It is asked again whether it is nobody's: who installs
/// the plugin meanwhile keeps what is written from then on.
async fn delete_some(database: &Database, kept: Kept, place: &Place) -> Result<bool, storage::Error> {
    let mut tx = database.begin().await?;
    let usage = match kept {
        Kept::Values => Some(usage::lock(&mut tx, place).await?),
        Kept::Lines => None,
    };
    if !those_installed(&mut tx, &[(place.tenant.as_str(), &place.plugin)]).await?.is_empty() {
        return Ok(false);
    }
    let is_more = match usage {
        None => lines::delete_some(&mut tx, place, (i64::MAX, SWEPT_AT_ONCE)).await? > 0,
        Some(usage) => {
            let (values, bytes) = values::delete_some(&mut tx, place, SWEPT_AT_ONCE).await?;
            usage::set(&mut tx, place, usage.changed(-values, -bytes)).await?;
            if values == 0 {
                usage::delete(&mut tx, place).await?;
            }
            values > 0
        }
    };
    tx.commit().await?;
    Ok(is_more)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
