//! What pages may emit and follow in a tenant: said by its admins.

use model::{Event, EventKind, EventPattern, TenantId, Timestamp, Violation};
use serde_json::{Value, json};
use storage::{Conn, Database, Tx, on};

use crate::Error;

/// The most patterns of a list.
const MAX_PATTERNS: usize = 100;

/// What a tenant lets pages do. Until its admins say otherwise, they emit nothing and follow what their plugins listen to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPolicy {
    /// The types that pages may emit, as far as their plugin declares them.
    pub emit: Vec<EventPattern>,
    /// The types that users may follow, as far as a plugin listens to them; `None` for all.
    pub follow: Option<Vec<EventPattern>>,
}

impl EventPolicy {
    /// What holds where nobody has said anything.
    pub const INITIAL: Self = Self { emit: Vec::new(), follow: None };

    /// The policy of these patterns.
    ///
    /// # Errors
    /// Each that is none, by its place.
    pub fn checked(emit: &[String], follow: Option<&[String]>) -> Result<Self, Error> {
        let mut wrong = Vec::new();
        let emit = patterns("/pages/emit", emit, &mut wrong);
        let follow = follow.map(|texts| patterns("/pages/follow", texts, &mut wrong));
        if wrong.is_empty() { Ok(Self { emit, follow }) } else { Err(Error::Invalid(wrong)) }
    }

    /// Whether pages may emit events of this type.
    pub fn lets_emit(&self, kind: &str) -> bool {
        self.emit.iter().any(|pattern| pattern.matches(kind))
    }

    fn to_value(&self) -> Value {
        let texts =
            |patterns: &[EventPattern]| patterns.iter().map(|each| json!(each.as_str())).collect::<Vec<_>>();
        match &self.follow {
            Some(follow) => json!({"emit": texts(&self.emit), "follow": texts(follow)}),
            None => json!({"emit": texts(&self.emit)}),
        }
    }

    /// What [`EventPolicy::to_value`] has written. What cannot be read allows nothing.
    fn from_text(text: &str) -> Self {
        let stored: Value = serde_json::from_str(text).unwrap_or_default();
        let read = |name: &str| {
            let texts = stored.get(name)?.as_array()?.iter();
            Some(texts.filter_map(|each| each.as_str()?.parse().ok()).collect::<Vec<EventPattern>>())
        };
        let follow = read("follow").or_else(|| (!stored.is_object()).then(Vec::new));
        Self { emit: read("emit").unwrap_or_default(), follow }
    }
}

fn patterns(pointer: &str, texts: &[String], wrong: &mut Vec<Violation>) -> Vec<EventPattern> {
    if texts.len() > MAX_PATTERNS {
        wrong.push(Violation::new(pointer, format!("must have at most {MAX_PATTERNS} patterns")));
        return Vec::new();
    }
    let mut patterns = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match text.parse() {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => wrong.push(Violation::new(format!("{pointer}/{index}"), format!("{error}"))),
        }
    }
    patterns
}

/// The policy of `tenant`.
pub(crate) async fn read(database: &Database, tenant: &TenantId) -> Result<EventPolicy, storage::Error> {
    let mut conn: Conn = database.read().await?;
    let row: Option<(String,)> =
        on!(conn, |c| sqlx::query_as("SELECT policy FROM event_policy WHERE tenant = $1")
            .bind(tenant.as_str())
            .fetch_optional(c)
            .await)?;
    Ok(row.map_or(EventPolicy::INITIAL, |(text,)| EventPolicy::from_text(&text)))
}

/// Puts `policy` in the place of the tenant's, and tells of it. Setting what there is changes nothing.
pub(crate) async fn write(
    database: &Database,
    tenant: &TenantId,
    policy: &EventPolicy,
    (by, now): (&str, Timestamp),
) -> Result<(), storage::Error> {
    let mut tx = database.begin().await?;
    let value = policy.to_value();
    let changed = on!(tx, |c| sqlx::query(
        "INSERT INTO event_policy (tenant, policy, changed_at) VALUES ($1, $2, $3) \
         ON CONFLICT (tenant) DO UPDATE SET policy = excluded.policy, changed_at = excluded.changed_at \
         WHERE event_policy.policy <> excluded.policy"
    )
    .bind(tenant.as_str())
    .bind(value.to_string())
    .bind(now.as_millisecond())
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    if changed == 0 {
        return Ok(());
    }
    tx.record(Event {
        tenant: Some(tenant.clone()),
        kind: EventKind::EventPolicyChanged,
        subject: "pages".into(),
        data: json!({"pages": value, "by": by}),
    });
    tx.commit().await
}

/// Deletes the tenant's policy.
pub(crate) async fn delete(tx: &mut Tx, tenant: &TenantId) -> Result<u64, storage::Error> {
    Ok(on!(tx, |c| sqlx::query("DELETE FROM event_policy WHERE tenant = $1")
        .bind(tenant.as_str())
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_as_it_was_written() {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let policy = EventPolicy::checked(&texts(&["cart.*"]), Some(&texts(&["*"]))).unwrap();
        assert!(policy.lets_emit("cart.filled") && !policy.lets_emit("order.paid"));
        for policy in [policy, EventPolicy::INITIAL, EventPolicy::checked(&[], Some(&[])).unwrap()] {
            assert_eq!(EventPolicy::from_text(&policy.to_value().to_string()), policy);
        }
        assert_eq!(EventPolicy::from_text("?"), EventPolicy { emit: Vec::new(), follow: Some(Vec::new()) });
    }

    #[test]
    fn every_wrong_pattern_is_named() {
        let wrong = EventPolicy::checked(&["a".into(), "*.b".into()], Some(&[String::new()])).unwrap_err();
        let Error::Invalid(violations) = wrong else { panic!("{wrong}") };
        let pointers: Vec<_> = violations.iter().map(|each| each.pointer.as_str()).collect();
        assert_eq!(pointers, ["/pages/emit/1", "/pages/follow/0"]);
        assert!(EventPolicy::checked(&vec!["a".into(); 101], None).is_err());
    }
}
