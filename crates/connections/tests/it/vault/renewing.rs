//! Tokens that are opened, kept, looked at again and renewed.

use std::time::Duration;

use connections::catalog::Flow;
use connections::connection::Tokens;

use super::{LASTING, Place, ROTATING, World, get, on_both_databases, outcome, secret, tokens, until};

on_both_databases!(
    a_token_in_memory_is_looked_at_again_after_half_a_minute,
    what_is_forgotten_is_read_again_at_once,
    a_token_that_ends_soon_is_given_out_while_it_is_renewed,
    a_token_that_ended_is_renewed_first,
    a_refresh_token_that_the_answer_lacks_stays,
    a_rejected_token_is_renewed_once_and_only_if_it_is_the_current_one,
    a_forced_refresh_renews_what_still_holds,
    what_cannot_be_renewed_is_served_till_its_end,
    a_grant_of_the_clients_own_is_redeemed_again,
    a_consent_without_refresh_token_keeps_the_former_one,
    a_row_of_another_tenant_does_not_open,
    bytes_that_were_sealed_anew_under_the_same_version_are_no_change,
);

async fn a_token_in_memory_is_looked_at_again_after_half_a_minute(place: Place) {
    let world = World::new(place, ROTATING).await;
    let key = world.connect("c1").await;
    let token = world.vault.access_token(&key).await.unwrap();
    assert_eq!(
        (secret(&token), token.version, token.scopes.as_slice()),
        ("access-c1-0", 1, &["read".to_owned()][..])
    );
    world.run("DELETE FROM credential").await;
    world.advance(29);
    assert_eq!(get(&world.vault, &key).await, "access-c1-0");
    world.advance(1);
    assert_eq!(get(&world.vault, &key).await, "connection_required");
    assert_eq!(world.provider.calls(), 0);
}

async fn what_is_forgotten_is_read_again_at_once(place: Place) {
    let world = World::new(place, ROTATING).await;
    let (one, two) = (world.connect("c1").await, world.connect("c2").await);
    for key in [&one, &two] {
        get(&world.vault, key).await;
    }
    world.run("DELETE FROM credential").await;
    world.vault.forget(&one.tenant, "c1");
    assert_eq!(get(&world.vault, &one).await, "connection_required");
    assert_eq!(get(&world.vault, &two).await, "access-c2-0");
    world.vault.forget_tenant(&"other".parse().unwrap());
    assert_eq!(get(&world.vault, &two).await, "access-c2-0");
    world.vault.forget_tenant(&two.tenant);
    assert_eq!(get(&world.vault, &two).await, "connection_required");
}

async fn a_token_that_ends_soon_is_given_out_while_it_is_renewed(place: Place) {
    let world = World::new(place, ROTATING).await;
    let key = world.connect("c1").await;
    world.advance(44 * 60);
    assert_eq!(get(&world.vault, &key).await, "access-c1-0");
    assert_eq!(world.provider.calls(), 0, "a quarter of an hour before its end, not earlier");
    world.advance(60);
    let gate = world.provider.hold();
    for _ in 0..5 {
        assert_eq!(get(&world.vault, &key).await, "access-c1-0", "nobody waits");
    }
    gate.add_permits(1);
    until("the token is renewed", async || get(&world.vault, &key).await == "access-c1-1").await;
    assert_eq!(world.provider.calls(), 1);
    let lasts = "SELECT CAST((expires_at - issued_at) / 1000 AS TEXT) FROM credential";
    assert_eq!(world.text(lasts).await, "3600");
}

async fn a_token_that_ended_is_renewed_first(place: Place) {
    let world = World::new(place, ROTATING).await;
    let key = world.connect("c1").await;
    assert_eq!(get(&world.vault, &key).await, "access-c1-0");
    // Within the tolerance of clocks it counts as ended.
    for (at, expected) in [(3571, "access-c1-1"), (3600, "access-c1-2"), (86_400, "access-c1-3")] {
        world.advance(at);
        assert_eq!(get(&world.vault, &key).await, expected);
    }
    assert_eq!((world.provider.redemptions(), world.provider.reuses()), (3, 0));
    let left =
        "SELECT CAST(COUNT(*) AS TEXT) FROM credential WHERE version = 4 AND fence = 3 AND sent_at IS NULL
        AND lease_owner IS NULL AND lease_until IS NULL AND failures = 0";
    assert_eq!(world.text(left).await, "1");
}

async fn a_refresh_token_that_the_answer_lacks_stays(place: Place) {
    let world = World::new(place, LASTING).await;
    let key = world.connect("c1").await;
    for n in 1..4 {
        world.advance(3600);
        assert_eq!(get(&world.vault, &key).await, format!("access-c1-{n}"));
    }
    let open = world.vault.open_tokens(&key).await.unwrap().unwrap();
    assert!(open.refresh.is_some());
}

async fn a_rejected_token_is_renewed_once_and_only_if_it_is_the_current_one(place: Place) {
    let world = World::new(place, ROTATING).await;
    let key = world.connect("c1").await;
    get(&world.vault, &key).await;
    let rejected = (0..20).map(|_| world.vault.rejected(&key, 1));
    for token in futures::future::join_all(rejected).await {
        assert_eq!(outcome(&token), "access-c1-1");
    }
    assert_eq!(world.provider.calls(), 1);
    assert_eq!(
        outcome(&world.vault.rejected(&key, 1).await),
        "access-c1-1",
        "it is no longer the current one"
    );
    assert_eq!(outcome(&world.replica().rejected(&key, 1).await), "access-c1-1");
    assert_eq!(world.provider.calls(), 1);
    assert_eq!(outcome(&world.vault.rejected(&key, 2).await), "access-c1-2");
}

async fn a_forced_refresh_renews_what_still_holds(place: Place) {
    let world = World::new(place, ROTATING).await;
    let key = world.connect("c1").await;
    assert_eq!(outcome(&world.vault.refresh(&key).await), "access-c1-1");
    assert_eq!(get(&world.vault, &key).await, "access-c1-1");
    // Those who force it at the same time share one.
    let gate = world.provider.hold();
    let (first, second, ()) = tokio::join!(world.vault.refresh(&key), world.vault.refresh(&key), async {
        until("the call has begun", async || world.provider.calls() == 2).await;
        gate.add_permits(1);
    });
    assert_eq!((outcome(&first), outcome(&second)), ("access-c1-2".into(), "access-c1-2".into()));
    assert_eq!(world.provider.calls(), 2);
}

async fn what_cannot_be_renewed_is_served_till_its_end(place: Place) {
    let world = World::new(place, ROTATING).await;
    let fixed = Tokens { refresh: None, ..tokens("c1") };
    let key = world.connect_with("c1", fixed, Flow::AuthorizationCode).await;
    world.advance(3599);
    assert_eq!(get(&world.vault, &key).await, "access-c1-0");
    assert_eq!(outcome(&world.vault.refresh(&key).await), "access-c1-0");
    world.advance(1);
    for _ in 0..3 {
        assert_eq!(get(&world.vault, &key).await, "reauthorization_required");
    }
    assert_eq!(world.events("jackfield.connection.needs_reauth").await.len(), 1);

    let forever = Tokens { refresh: None, expires_in: None, ..tokens("c2") };
    let key = world.connect_with("c2", forever, Flow::ApiKey).await;
    world.advance(1_000_000_000);
    assert_eq!(get(&world.vault, &key).await, "access-c2-0");
    assert_eq!(outcome(&world.vault.rejected(&key, 0).await), "access-c2-0");
    assert_eq!(outcome(&world.vault.rejected(&key, 1).await), "reauthorization_required");
    assert_eq!(get(&world.vault, &key).await, "reauthorization_required");
    assert_eq!(world.text("SELECT status FROM connection WHERE id = 'c2'").await, "needs_reauth");
    assert_eq!(world.provider.calls(), 0);
}

async fn a_grant_of_the_clients_own_is_redeemed_again(place: Place) {
    let world = World::new(place, LASTING).await;
    let own = Tokens { refresh: None, ..tokens("own") };
    let key = world.connect_with("c1", own, Flow::ClientCredentials).await;
    world.advance(3600);
    assert_eq!(get(&world.vault, &key).await, "access-own-1");
    world.advance(3600);
    assert_eq!(get(&world.vault, &key).await, "access-own-2");
}

async fn a_consent_without_refresh_token_keeps_the_former_one(place: Place) {
    let world = World::new(place, LASTING).await;
    let key = world.connect("c1").await;
    let bare = Tokens { refresh: None, ..tokens("c1") };
    world.reconnect(&key, &bare).await;
    assert_eq!(world.vault.access_token(&key).await.unwrap().version, 2);
    world.advance(3600);
    assert_eq!(get(&world.vault, &key).await, "access-c1-1");
    // A dead one does not stay.
    world.provider.revoke("c1");
    world.advance(3600);
    assert_eq!(get(&world.vault, &key).await, "reauthorization_required");
    world.reconnect(&key, &bare).await;
    assert_eq!(get(&world.vault, &key).await, "access-c1-0");
    assert!(world.vault.open_tokens(&key).await.unwrap().unwrap().refresh.is_none());
}

async fn a_row_of_another_tenant_does_not_open(place: Place) {
    let world = World::new(place, ROTATING).await;
    let key = world.connect("c1").await;
    let theirs = connections::connection::CredentialKey { tenant: "evil".parse().unwrap(), ..key.clone() };
    world
        .run(
            "INSERT INTO connection SELECT 'evil', id, provider, user_email, label, is_default, status, status_reason,
                account_id, account_email, account_name, variables, sites, site, client_id, authorized_at,
                created_at, updated_at, last_used_at FROM connection",
        )
        .await;
    world.run("UPDATE credential SET tenant = 'evil'").await;
    assert_eq!(get(&world.vault, &theirs).await, "internal");
    assert_eq!(get(&world.vault, &key).await, "connection_required");
    // Nor does one that was moved to another connection or under another name.
    world.run("UPDATE credential SET tenant = 'acme', name = 'bot'").await;
    let bot = connections::connection::CredentialKey { name: "bot".into(), ..key.clone() };
    assert_eq!(get(&world.vault, &bot).await, "internal");
    world.run("UPDATE credential SET name = 'main'").await;
    assert_eq!(get(&world.vault, &key).await, "access-c1-0");
}

async fn bytes_that_were_sealed_anew_under_the_same_version_are_no_change(place: Place) {
    let world = World::new(place, LASTING).await;
    let key = world.connect("c1").await;
    world.advance(3600);
    let gate = world.provider.hold();
    let getting = tokio::spawn({
        let (vault, key) = (world.vault.clone(), key.clone());
        async move { get(&vault, &key).await }
    });
    until("the call has begun", async || world.provider.calls() == 1).await;
    let mut tx = world.database.begin().await.unwrap();
    for (column, sql) in [
        ("access", "UPDATE credential SET sealed_access = $1"),
        ("refresh", "UPDATE credential SET sealed_refresh = $1"),
    ] {
        let purpose = format!("credential c1 main {column}");
        let text = format!("{column}-c1-0");
        let sealed = world.sealer.seal(&mut tx, &key.tenant, &purpose, text.as_bytes()).await.unwrap();
        storage::on!(tx, |c| sqlx::query(sql).bind(sealed.as_bytes()).execute(c).await.map(drop)).unwrap();
    }
    tx.commit().await.unwrap();
    gate.add_permits(1);
    assert_eq!(getting.await.unwrap(), "access-c1-1");
    world.advance(3600);
    assert_eq!(get(&world.vault, &key).await, "access-c1-2", "the refresh token as it was sealed anew");
    assert!(world.vault.settle(Duration::from_secs(5)).await);
}
