//! `ctx.storage`: what a plugin keeps in a tenant. No argument names a tenant or a plugin: both are the call's own.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Number, Value, json};

use super::argument::read;
use crate::invocation::Invocation;
use crate::values::{MAX_KEY, MAX_PAGE, NewValue};

/// How many operations of storage one call may do.
const MAX_OPERATIONS: u32 = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set<'a> {
    key: String,
    #[serde(borrow)]
    value: &'a RawValue,
    #[serde(default, deserialize_with = "number")]
    ttl: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    prefix: String,
    limit: Option<u32>,
    after: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Increment {
    key: String,
    #[serde(default = "one")]
    by: Number,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CompareAndSet<'a> {
    key: String,
    #[serde(default)]
    expected: Value,
    #[serde(borrow)]
    value: &'a RawValue,
    #[serde(default, deserialize_with = "number")]
    ttl: Option<f64>,
}

/// A number that is there: `null` is what JSON makes of one that is none.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    f64::deserialize(deserializer).map(Some)
}

fn one() -> Number {
    Number::from(1)
}

fn count(call: &Invocation) -> Result<(), String> {
    call.used.storage.take(MAX_OPERATIONS, "operations of storage")
}

fn told(operation: &'static str) -> impl Fn(crate::values::Refusal) -> String {
    move |refusal| {
        if let crate::values::Refusal::Storage(error) = &refusal {
            tracing::warn!(error = error as &dyn std::error::Error, "the storage of a plugin failed");
        }
        format!("{operation}: {refusal}")
    }
}

/// A lifetime: whole seconds, rounded up.
fn seconds(ttl: Option<f64>) -> Option<u64> {
    // What is no number of seconds becomes none that is taken.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "casting saturates, and both ends are refused"
    )]
    ttl.map(|ttl| ttl.ceil() as u64)
}

pub(super) async fn get(call: &Invocation, argument: &str) -> Result<String, String> {
    count(call)?;
    let Key { key } = read("storage.get", argument)?;
    let _share = call.shared.shares.read(&call.place).await;
    let found = call.shared.values.get(&call.place, &key).await.map_err(told("storage.get"))?;
    Ok(found.unwrap_or_else(|| "null".to_owned()))
}

pub(super) async fn set(call: &Invocation, argument: &str) -> Result<String, String> {
    count(call)?;
    let Set { key, value, ttl } = read("storage.set", argument)?;
    let value = NewValue { key: &key, json: value.get(), ttl: seconds(ttl) };
    let _share = call.shared.shares.write(&call.place).await;
    call.shared.values.set(&call.place, &value).await.map_err(told("storage.set"))?;
    Ok("null".to_owned())
}

pub(super) async fn delete(call: &Invocation, argument: &str) -> Result<String, String> {
    count(call)?;
    let Key { key } = read("storage.delete", argument)?;
    let _share = call.shared.shares.write(&call.place).await;
    let was_there = call.shared.values.delete(&call.place, &key).await.map_err(told("storage.delete"))?;
    Ok(was_there.to_string())
}

pub(super) async fn list(call: &Invocation, argument: &str) -> Result<String, String> {
    count(call)?;
    let List { prefix, limit, after } = read("storage.list", argument)?;
    if prefix.len() > MAX_KEY {
        return Err(format!("storage.list: a prefix has at most {MAX_KEY} bytes"));
    }
    let limit = limit.unwrap_or(MAX_PAGE);
    let _share = call.shared.shares.read(&call.place).await;
    let listed = call.shared.values.list(&call.place, &prefix, after.as_deref(), limit).await;
    let (keys, is_more) = listed.map_err(told("storage.list"))?;
    let next = keys.last().filter(|_| is_more);
    Ok(match next {
        Some(next) => json!({"keys": keys, "next": next}),
        None => json!({"keys": keys}),
    }
    .to_string())
}

pub(super) async fn increment(call: &Invocation, argument: &str) -> Result<String, String> {
    count(call)?;
    let Increment { key, by } = read("storage.increment", argument)?;
    let _share = call.shared.shares.write(&call.place).await;
    let sum = call.shared.values.increment(&call.place, &key, &by).await;
    Ok(sum.map_err(told("storage.increment"))?.to_string())
}

pub(super) async fn compare_and_set(call: &Invocation, argument: &str) -> Result<String, String> {
    count(call)?;
    let CompareAndSet { key, expected, value, ttl } = read("storage.compareAndSet", argument)?;
    let value = NewValue { key: &key, json: value.get(), ttl: seconds(ttl) };
    let _share = call.shared.shares.write(&call.place).await;
    let swapped = call.shared.values.compare_and_set(&call.place, &expected, &value).await;
    Ok(swapped.map_err(told("storage.compareAndSet"))?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_refused_and_not_left_out() {
        let ttl = |text: &str| read::<Set<'_>>("storage.set", text).map(|set| set.ttl);
        assert_eq!(ttl(r#"{"key":"a","value":1}"#), Ok(None));
        assert_eq!(ttl(r#"{"key":"a","value":1,"ttl":2.5}"#), Ok(Some(2.5)));
        assert!(ttl(r#"{"key":"a","value":1,"ttl":null}"#).is_err());
        let by = |text: &str| read::<Increment>("storage.increment", text).map(|increment| increment.by);
        assert_eq!(by(r#"{"key":"a"}"#), Ok(one()));
        assert!(by(r#"{"key":"a","by":null}"#).is_err());
    }
}
