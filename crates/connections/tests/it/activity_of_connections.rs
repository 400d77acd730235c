//! What is done with connections leaves its entries, each with who, whose, where and how it ended.

use std::collections::BTreeMap;
use std::time::Duration;

use connections::activity::Recorded;
use connections::{Begin, Callback, Changes, Direct, DirectGrant, Whose};
use model::Coded as _;

use crate::broker::Broker;
use crate::hostile_provider::Step;
use crate::place::{Place, on_both_databases};

on_both_databases!(
    renewals_and_their_end_are_recorded,
    what_callers_do_is_recorded,
    what_came_to_nothing_is_recorded,
);

fn whose(id: &str) -> Whose {
    Whose {
        tenant: "acme".parse().unwrap(),
        user_email: format!("{id}@example.com"),
        provider: "honest".into(),
        connection: None,
    }
}

/// An entry in short: who, what, how it ended, at which provider, whose.
fn line(recorded: &Recorded) -> String {
    let ending = recorded.error_code.as_deref().unwrap_or(&recorded.outcome);
    let user_email = recorded.user_email.as_deref().unwrap_or("-");
    format!("{} {} {ending} {} {user_email}", recorded.actor, recorded.action, recorded.provider)
}

async fn lines(broker: &Broker) -> Vec<String> {
    let mut lines: Vec<String> = broker.activity("acme").await.iter().map(line).collect();
    lines.sort();
    lines
}

async fn renewals_and_their_end_are_recorded(place: Place) {
    let broker = Broker::new(&place).await;
    let key = broker.connect("acme", "honest", "c1").await;
    let vault = broker.connections.vault();
    broker.clock.advance(Duration::from_hours(2));
    vault.access_token(&key).await.unwrap();
    broker.clock.advance(Duration::from_hours(2));
    broker.hostile.script("/token", [Step::error(400, "invalid_grant")]);
    let error = vault.access_token(&key).await.unwrap_err();
    assert_eq!(error.code(), model::ErrorCode::ReauthorizationRequired);
    assert_eq!(
        lines(&broker).await,
        [
            "jackfield needs_reauth ok honest c1@example.com",
            "jackfield refresh ok honest c1@example.com",
            "jackfield refresh reauthorization_required honest c1@example.com",
        ]
    );
    let all = broker.activity("acme").await;
    assert!(all.iter().all(|recorded| recorded.connection.as_deref() == Some("c1")), "{all:?}");
    assert!(
        all.iter().filter(|recorded| recorded.action == "refresh").all(|each| each.duration_ms.is_some())
    );
}

async fn what_callers_do_is_recorded(place: Place) {
    let broker = Broker::new(&place).await;
    let key = broker.connect("acme", "honest", "c1").await;
    broker.clock.advance(Duration::from_secs(1));
    let connections = &broker.connections;
    assert!(connections.validate(&whose("c1"), "u1").await.unwrap().reason.is_none());
    broker.hostile.script("/userinfo", [Step::say(500, "text/plain", "no")]);
    assert!(connections.validate(&whose("c1"), "u1").await.unwrap().reason.is_some());
    connections.refresh(&whose("c1"), "u2").await.unwrap();
    let changes = Changes { label: Some("work".into()), ..Changes::default() };
    connections.update(&key.tenant, "c1", changes, "u3").await.unwrap();
    connections.revoke(&key.tenant, "c1", "u4").await.unwrap();
    assert_eq!(
        lines(&broker).await,
        [
            "jackfield refresh ok honest c1@example.com",
            "u1 validate ok honest c1@example.com",
            "u1 validate upstream_unavailable honest c1@example.com",
            "u2 refresh ok honest c1@example.com",
            "u3 update ok honest c1@example.com",
            "u4 revoke ok honest c1@example.com",
        ]
    );
}

async fn what_came_to_nothing_is_recorded(place: Place) {
    let broker = Broker::new(&place).await;
    let state = |user_email: &str| {
        let begin = Begin {
            tenant: "acme".parse().unwrap(),
            actor: "u1".into(),
            provider: "honest".into(),
            user_email: Some(user_email.into()),
            scopes: Vec::new(),
            further_scopes: Default::default(),
            return_to: None,
            app_state: None,
            variables: BTreeMap::new(),
            session: None,
        };
        async { broker.connections.begin(begin, None).await.unwrap().state }
    };
    let refused = state("ann@example.com").await;
    let callback = || Callback {
        provider: "honest",
        state: Some(&refused),
        error: Some("access_denied"),
        ..Callback::default()
    };
    assert!(broker.connections.complete(callback()).await.unwrap().result.is_err());
    assert!(broker.connections.complete(callback()).await.is_err(), "it can be completed once");
    let failed = state("bob@example.com").await;
    let callback = Callback {
        provider: "honest",
        state: Some(&failed),
        code: Some("a code that was never given".into()),
        ..Callback::default()
    };
    assert!(broker.connections.complete(callback).await.unwrap().result.is_err());
    let direct = Direct {
        tenant: "acme".parse().unwrap(),
        actor: "u2".into(),
        provider: "keyed".into(),
        user_email: "cat@example.com".into(),
        label: None,
        variables: BTreeMap::new(),
        grant: DirectGrant::ApiKey("no-such-key".into()),
    };
    assert!(broker.connections.connect(direct).await.is_err());
    let all = broker.activity("acme").await;
    assert!(all.iter().all(|recorded| !format!("{recorded:?}").contains("never given")), "{all:?}");
    let denied: Vec<_> = all.iter().filter(|recorded| recorded.outcome == "denied").map(line).collect();
    assert_eq!(denied, ["u1 authorize access_denied honest ann@example.com"]);
    let failed: Vec<_> = all.iter().filter(|recorded| recorded.outcome == "failed").map(line).collect();
    for expected in [
        "u1 authorize conflict honest ann@example.com",
        "u1 authorize reauthorization_required honest bob@example.com",
        "u2 connect reauthorization_required keyed cat@example.com",
    ] {
        assert!(failed.iter().any(|line| line == expected), "{expected}: {failed:?}");
    }
    assert_eq!(all.len(), 4);
}
