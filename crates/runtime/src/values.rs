//! What plugins keep from one call to the next: JSON values by key, for each tenant and plugin, within a quota that is exact
//! however many write at once.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use model::{Ambient, Timestamp};
use registry::{Departure, is_current};
use serde_json::{Number, Value};
use storage::{Database, Tx};

use crate::Installations;
use crate::store::usage::{self, Usage};
use crate::store::values::{self, Kept};
use crate::store::{Place, Tenure};

/// The longest key, in bytes.
pub(crate) const MAX_KEY: usize = 256;

/// The largest value as JSON, in bytes.
pub(crate) const MAX_VALUE: usize = 256 * 1024;

/// The most keys that one page of a list has.
pub(crate) const MAX_PAGE: u32 = 1000;

/// The longest that a value may be kept for: ten years.
const MAX_TTL: Duration = Duration::from_hours(10 * 366 * 24);

/// How many values one transaction deletes.
pub(crate) const SWEPT_AT_ONCE: i64 = 500;

/// How long one round of deleting what has expired may take.
const SWEEP_TIME: Duration = Duration::from_secs(20);

/// Numbers up to here are exact in JavaScript.
const MAX_SAFE: i64 = (1 << 53) - 1;
const MAX_SAFE_F64: f64 = 9_007_199_254_740_991.0;

/// How much one installation may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The most values.
    pub values: u32,
    /// The most bytes, keys included.
    pub bytes: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { values: 10_000, bytes: 10 << 20 }
    }
}

/// Why a value is not kept, in sentences for the plugin's author.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The key is none.
    #[error("a key is a text of 1 to {MAX_KEY} bytes")]
    Key,
    /// The value is too large.
    #[error("the value has {0} bytes as JSON; one value may have at most {MAX_VALUE}: keep it in parts")]
    TooLarge(usize),
    /// The value is none that can be read again.
    #[error(
        "the value is no JSON that can be kept: it nests at most 127 deep, and its texts are whole UTF-16"
    )]
    NotJson,
    /// The installation has ended.
    #[error("the plugin was uninstalled meanwhile, and keeps nothing more here")]
    Uninstalled,
    /// There is no room.
    #[error("there is no room for it: this plugin may keep {} values and {} bytes here: delete some, or give them a ttl", .0.values, .0.bytes)]
    Full(Quota),
    /// The lifetime is none.
    #[error("ttl is a number of seconds from 1 to {}", MAX_TTL.as_secs())]
    Ttl,
    /// What is there is no number.
    #[error("what is kept under this key is no number, so it cannot be incremented")]
    NotANumber,
    /// The sum is none that JavaScript can tell from others.
    #[error("the sum is beyond the numbers that JavaScript tells apart")]
    Overflow,
    /// The database failed.
    #[error("the storage cannot be reached at the moment: try again")]
    Storage(#[from] storage::Error),
}

/// What is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewValue<'a> {
    pub(crate) key: &'a str,
    /// JSON.
    pub(crate) json: &'a str,
    /// In seconds.
    pub(crate) ttl: Option<u64>,
}

/// The values of all installations. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Values {
    database: Database,
    quota: Quota,
    ambient: Ambient,
}

impl Values {
    pub(crate) const fn new(database: Database, quota: Quota, ambient: Ambient) -> Self {
        Self { database, quota, ambient }
    }

    /// The JSON under `key`.
    pub(crate) async fn get(&self, place: &Place, key: &str) -> Result<Option<String>, Refusal> {
        check_key(key)?;
        let mut conn = self.database.read().await?;
        let found = values::find(&mut conn, place, key).await?;
        Ok(found.filter(|kept| kept.is_live(self.ambient.now())).map(|kept| kept.value))
    }

    /// Keeps a value in place of what is there.
    pub(crate) async fn set(&self, place: &Tenure, value: &NewValue<'_>) -> Result<(), Refusal> {
        let kept = self.kept(value)?;
        let mut tx = self.database.begin().await?;
        let usage = usage::lock(&mut tx, place).await?;
        let before = values::find(&mut tx, place, value.key).await?;
        self.put(&mut tx, place, (value.key, &kept), (usage, before.as_ref())).await?;
        Ok(tx.commit().await?)
    }

    /// Deletes what is under `key`; tells whether there was anything to be seen.
    pub(crate) async fn delete(&self, place: &Place, key: &str) -> Result<bool, Refusal> {
        check_key(key)?;
        let mut tx = self.database.begin().await?;
        let usage = usage::lock(&mut tx, place).await?;
        let Some(before) = values::find(&mut tx, place, key).await? else { return Ok(false) };
        values::delete(&mut tx, place, key).await?;
        usage::set(&mut tx, place, usage.changed(-1, -before.size)).await?;
        tx.commit().await?;
        Ok(before.is_live(self.ambient.now()))
    }

    /// A page of the keys that begin with `prefix`, after the key `after`, and whether there are more.
    pub(crate) async fn list(
        &self,
        place: &Place,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<String>, bool), Refusal> {
        let limit = i64::from(limit.clamp(1, MAX_PAGE));
        let mut conn = self.database.read().await?;
        let wanted = (self.ambient.now(), limit + 1);
        let mut keys = values::keys(&mut conn, place, (prefix, after), wanted).await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let is_more = keys.len() > limit;
        keys.truncate(limit);
        Ok((keys, is_more))
    }

    /// Adds `by` to the number under `key`, which is 0 where there is none, and gives the sum. Its lifetime stays.
    pub(crate) async fn increment(&self, place: &Tenure, key: &str, by: &Number) -> Result<Number, Refusal> {
        check_key(key)?;
        let mut tx = self.database.begin().await?;
        let usage = usage::lock(&mut tx, place).await?;
        let before = values::find(&mut tx, place, key).await?;
        let live = before.as_ref().filter(|kept| kept.is_live(self.ambient.now()));
        let former = live.map_or(Ok(Number::from(0)), |kept| number(&kept.value))?;
        let sum = add(&former, by)?;
        let json = sum.to_string();
        let kept =
            Kept { size: size(key, &json)?, value: json, expires_at: live.and_then(|kept| kept.expires_at) };
        self.put(&mut tx, place, (key, &kept), (usage, before.as_ref())).await?;
        tx.commit().await?;
        Ok(sum)
    }

    /// Keeps a value if what is there equals `expected`; `null` is what is not there. Tells whether it did.
    pub(crate) async fn compare_and_set(
        &self,
        place: &Tenure,
        expected: &Value,
        value: &NewValue<'_>,
    ) -> Result<bool, Refusal> {
        let kept = self.kept(value)?;
        let mut tx = self.database.begin().await?;
        let usage = usage::lock(&mut tx, place).await?;
        let before = values::find(&mut tx, place, value.key).await?;
        let live = before.as_ref().filter(|kept| kept.is_live(self.ambient.now()));
        let is_expected = match live {
            None => expected.is_null(),
            Some(kept) => serde_json::from_str::<Value>(&kept.value).is_ok_and(|value| value == *expected),
        };
        if !is_expected {
            return Ok(false);
        }
        self.put(&mut tx, place, (value.key, &kept), (usage, before.as_ref())).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Deletes what has expired, in small steps, and tells how much. Several replicas may do so at the same time. Installations
    /// take turns, so that none with much of it keeps others waiting, and what fails for one is logged.
    pub(crate) async fn sweep(&self) -> Result<u64, storage::Error> {
        let (now, end) = (self.ambient.now(), Instant::now() + SWEEP_TIME);
        let mut places: VecDeque<Place> = {
            let mut conn = self.database.read().await?;
            values::with_expired(&mut conn, now).await?.into()
        };
        let mut deleted = 0;
        while let Some(place) = places.pop_front().filter(|_| Instant::now() < end) {
            match self.sweep_some(&place, now).await {
                Ok(count) => {
                    deleted += count.unsigned_abs();
                    places.extend((count >= SWEPT_AT_ONCE).then_some(place));
                }
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error, tenant = %place.tenant,
                    "what has expired of a plugin's values cannot be deleted"
                ),
            }
        }
        Ok(deleted)
    }

    async fn sweep_some(&self, place: &Place, now: Timestamp) -> Result<i64, storage::Error> {
        let mut tx = self.database.begin().await?;
        let usage = usage::lock(&mut tx, place).await?;
        let (values, bytes) = values::delete_expired(&mut tx, place, (now, SWEPT_AT_ONCE)).await?;
        usage::set(&mut tx, place, usage.changed(-values, -bytes)).await?;
        tx.commit().await?;
        Ok(values)
    }

    /// Deletes all that an installation had kept until it departed, in small steps, for as long as there is no other.
    pub(crate) async fn erase(
        &self,
        place: &Place,
        (installations, departure): (&dyn Installations, &Departure),
    ) -> Result<(), storage::Error> {
        loop {
            let mut tx = self.database.begin().await?;
            let usage = usage::lock(&mut tx, place).await?;
            // Under the lock: whatever a later installation keeps, it had been installed before.
            if installations.has_successor(&mut tx, departure).await? {
                return Ok(());
            }
            let (values, bytes) = values::delete_some(&mut tx, place, SWEPT_AT_ONCE).await?;
            if values == 0 {
                usage::delete(&mut tx, place).await?;
                return tx.commit().await;
            }
            usage::set(&mut tx, place, usage.changed(-values, -bytes)).await?;
            tx.commit().await?;
        }
    }

    fn kept(&self, value: &NewValue<'_>) -> Result<Kept, Refusal> {
        check_key(value.key)?;
        if value.json.len() > MAX_VALUE {
            return Err(Refusal::TooLarge(value.json.len()));
        }
        // What came in one piece may still be nothing that can be read: too deep, or with half a character.
        serde_json::from_str::<Value>(value.json).map_err(|_| Refusal::NotJson)?;
        let expires_at = value.ttl.map(|seconds| self.end(seconds)).transpose()?;
        Ok(Kept { value: value.json.to_owned(), size: size(value.key, value.json)?, expires_at })
    }

    fn end(&self, seconds: u64) -> Result<i64, Refusal> {
        let ttl = Duration::from_secs(seconds);
        if ttl.is_zero() || ttl > MAX_TTL {
            return Err(Refusal::Ttl);
        }
        Ok(self.ambient.now().plus(ttl).as_millisecond())
    }

    /// Writes a value in place of `before`, if there is room; what has expired makes room. Whoever deletes what an installation
    /// has left waits for its usage, so nothing is written after that.
    async fn put(
        &self,
        tx: &mut Tx,
        place: &Tenure,
        (key, kept): (&str, &Kept),
        (usage, before): (Usage, Option<&Kept>),
    ) -> Result<(), Refusal> {
        if !is_current(tx, (&place.tenant, &place.plugin), place.incarnation).await? {
            return Err(Refusal::Uninstalled);
        }
        let now = self.ambient.now();
        values::put(tx, place, (key, kept), now).await?;
        let mut usage = match before {
            Some(before) => usage.changed(0, kept.size - before.size),
            None => usage.changed(1, kept.size),
        };
        if !self.has_room(usage) {
            let (values, bytes) = values::delete_expired(tx, place, (now, i64::MAX)).await?;
            usage = usage.changed(-values, -bytes);
        }
        // What makes less of it is always let through, also after the operator has lowered the quota.
        if !self.has_room(usage) && before.is_none_or(|before| kept.size > before.size) {
            return Err(Refusal::Full(self.quota));
        }
        Ok(usage::set(tx, place, usage).await?)
    }

    fn has_room(&self, usage: Usage) -> bool {
        usage.values <= i64::from(self.quota.values)
            && u64::try_from(usage.bytes).is_ok_and(|bytes| bytes <= self.quota.bytes)
    }
}

fn check_key(key: &str) -> Result<(), Refusal> {
    if (1..=MAX_KEY).contains(&key.len()) { Ok(()) } else { Err(Refusal::Key) }
}

fn size(key: &str, json: &str) -> Result<i64, Refusal> {
    i64::try_from(key.len() + json.len()).map_err(|_| Refusal::TooLarge(json.len()))
}

fn number(json: &str) -> Result<Number, Refusal> {
    serde_json::from_str(json).map_err(|_| Refusal::NotANumber)
}

/// The sum: a whole number is one, however it was come by.
fn add(left: &Number, right: &Number) -> Result<Number, Refusal> {
    if let (Some(left), Some(right)) = (left.as_i64(), right.as_i64()) {
        let sum = left.checked_add(right).filter(|sum| sum.abs() <= MAX_SAFE);
        return sum.map(Number::from).ok_or(Refusal::Overflow);
    }
    let sum = left.as_f64().zip(right.as_f64()).map(|(left, right)| left + right);
    let sum = sum.filter(|sum| sum.abs() <= MAX_SAFE_F64).ok_or(Refusal::Overflow)?;
    #[expect(clippy::cast_possible_truncation, reason = "a whole number that is not beyond what is exact")]
    let number = if sum.fract() == 0.0 { Some(Number::from(sum as i64)) } else { Number::from_f64(sum) };
    number.ok_or(Refusal::Overflow)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sum(left: &Value, right: &Value) -> Option<Value> {
        let number = |value: &Value| number(&value.to_string()).unwrap();
        add(&number(left), &number(right)).ok().map(Value::Number)
    }

    #[test]
    fn whole_numbers_stay_whole_and_none_is_beyond_what_javascript_knows() {
        assert_eq!(sum(&json!(1), &json!(2)), Some(json!(3)));
        assert_eq!(sum(&json!(1), &json!(-2)), Some(json!(-1)));
        assert_eq!(sum(&json!(1), &json!(0.5)), Some(json!(1.5)));
        assert_eq!(sum(&json!(MAX_SAFE), &json!(1)), None);
        assert_eq!(sum(&json!(i64::MAX), &json!(1)), None);
        assert_eq!(sum(&json!(1.7e308), &json!(1.7e308)), None);
        assert_eq!(sum(&json!(0.5), &json!(0.5)).unwrap().to_string(), "1");
        assert_eq!(sum(&json!(1.0), &json!(1)).unwrap().to_string(), "2");
        assert_eq!(sum(&json!(-0.25), &json!(0.25)).unwrap().to_string(), "0");
        assert_eq!(sum(&json!(9_007_199_254_740_991.0), &json!(1)), None);
        assert_eq!(sum(&json!(-1e300), &json!(1)), None);
    }

    #[test]
    fn a_key_has_a_length() {
        assert!(check_key("a").is_ok() && check_key(&"a".repeat(256)).is_ok());
        assert!(check_key("").is_err() && check_key(&"\u{e9}".repeat(129)).is_err());
    }
}
