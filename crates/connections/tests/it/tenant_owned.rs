//! Connections that are the tenant's: one for all its users, whoever is named and whoever has consented.

use std::collections::BTreeMap;
use std::time::Duration;

use connections::catalog::Owner;
use connections::connection::{Connection, Status};
use connections::{
    Begin, Browser, Callback, Changes, Connected, Consent, Direct, DirectGrant, Error, Listing, NewSession,
    RunFilter, Whose,
};
use model::{Coded as _, ErrorCode, TenantId};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use storage::{Rotation, Tenants, on};
use url::Url;

use crate::broker::Broker;
use crate::hostile_provider::Step;
use crate::place::{Place, on_both_databases};

on_both_databases!(
    all_users_of_a_tenant_share_one,
    another_admin_renews_it,
    another_account_is_another_connection,
    a_new_key_takes_the_place_of_the_former,
    nobody_is_named_in_what_is_told_of_it,
    it_outlives_the_end_of_a_user,
    it_goes_with_its_tenant_and_outlives_new_keys,
    a_link_reaches_it_only_if_its_provider_was_named,
    whose_it_was_before_the_entry_changed_is_not_what_is_meant,
);

const ANN: &str = "ann@acme.example";
const BEN: &str = "ben@acme.example";

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn begin(tenant: &str, provider: &str, user_email: Option<&str>) -> Begin {
    Begin {
        tenant: self::tenant(tenant),
        actor: format!("admin of {tenant}"),
        provider: provider.into(),
        user_email: user_email.map(Into::into),
        scopes: Vec::new(),
        further_scopes: BTreeMap::new(),
        return_to: None,
        app_state: None,
        variables: BTreeMap::new(),
        session: None,
    }
}

fn whose(tenant: &str, provider: &str, user_email: &str) -> Whose {
    let (tenant, provider) = (self::tenant(tenant), provider.to_owned());
    Whose { tenant, user_email: user_email.to_owned(), provider, connection: None }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Consents at `provider` for `tenant`, with or without somebody being named.
async fn consent(broker: &Broker, tenant: &str, provider: &str, user_email: Option<&str>) -> Connected {
    let browser = Browser::from_cookie(None, &broker.ambient);
    let begun = broker.connections.begin(begin(tenant, provider, user_email), Some(&browser)).await.unwrap();
    assert_eq!(parameter(&begun.auth_url, "login_hint"), None, "whoever begins is not who is meant");
    let redirect_uri = parameter(&begun.auth_url, "redirect_uri").unwrap();
    let challenge = parameter(&begun.auth_url, "code_challenge").unwrap();
    let code = broker.hostile.grants(|grants| grants.code(&challenge, &redirect_uri));
    let callback = Callback {
        provider,
        browser: Some(&browser),
        state: Some(&begun.state),
        code: Some(code.into()),
        ..Callback::default()
    };
    broker.connections.complete(callback).await.unwrap().result.unwrap()
}

/// The access token that a call on behalf of `user_email` is made with.
async fn token(broker: &Broker, tenant: &str, provider: &str, user_email: &str) -> Result<String, Error> {
    let connection = broker.connections.meant(&whose(tenant, provider, user_email)).await?;
    let key = broker.connections.credential(&self::tenant(tenant), &connection);
    let token = broker.connections.vault().access_token(&key).await?;
    Ok(token.secret.expose_secret().to_owned())
}

async fn listed(broker: &Broker, tenant: &str, user_email: Option<&str>) -> Vec<Connection> {
    let listing = Listing { user_email: user_email.map(Into::into), ..Listing::default() };
    broker.connections.list(&self::tenant(tenant), &listing).await.unwrap().connections
}

fn ids(connections: &[Connection]) -> Vec<&str> {
    connections.iter().map(|each| each.id.as_str()).collect()
}

async fn all_users_of_a_tenant_share_one(place: Place) {
    let broker = Broker::new(&place).await;
    broker.connect("acme", "honest", "own-of-ann").await;
    let connected = consent(&broker, "acme", "shop", Some(ANN)).await.connection;
    assert_eq!((connected.user(), connected.owner(), connected.is_default), (None, Owner::Tenant, true));
    assert_eq!(
        connected.account.email.as_deref(),
        Some("ada@example.com"),
        "who consented is known all the same"
    );
    for user_email in [ANN, BEN, "", "own-of-ann@example.com"] {
        let meant = broker.connections.meant(&whose("acme", "shop", user_email)).await.unwrap();
        assert_eq!(meant.id, connected.id, "{user_email}");
        let named = Whose { connection: Some(connected.id.clone()), ..whose("acme", "shop", user_email) };
        let validity = broker.connections.validate(&named, user_email).await.unwrap();
        assert!(validity.reason.is_none(), "{user_email}");
        let access = token(&broker, "acme", "shop", user_email).await.unwrap();
        assert!(broker.hostile.grants(|grants| grants.is_live(&access)));
        let status = broker.connections.status(&tenant("acme"), user_email).await.unwrap();
        assert_eq!(status["shop"].as_ref().map(|found| found.id.as_str()), Some(connected.id.as_str()));
    }
    // A user's list has it beside the user's own; an admin's has each once.
    assert_eq!(ids(&listed(&broker, "acme", Some(BEN)).await), [&connected.id]);
    let own = listed(&broker, "acme", Some("own-of-ann@example.com")).await;
    assert_eq!(own.len(), 2, "{own:?}");
    assert!(own.iter().all(|each| each.credentials.len() == 1), "{own:?}");
    assert_eq!(listed(&broker, "acme", None).await.len(), 2);

    // Another tenant has nothing of it, by name or by id, until it has one itself.
    let error = token(&broker, "other", "shop", ANN).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ConnectionRequired);
    assert!(error.to_string().starts_with("this tenant has no connection to shop"), "{error}");
    let named = Whose { connection: Some(connected.id.clone()), ..whose("other", "shop", ANN) };
    assert!(matches!(broker.connections.meant(&named).await, Err(Error::ConnectionNotFound(_))));
    assert!(listed(&broker, "other", Some(ANN)).await.is_empty());
    assert!(broker.connections.status(&tenant("other"), ANN).await.unwrap()["shop"].is_none());
    let of_other = consent(&broker, "other", "shop", None).await.connection;
    assert_ne!(of_other.id, connected.id);
    let tokens = [
        token(&broker, "other", "shop", ANN).await.unwrap(),
        token(&broker, "acme", "shop", ANN).await.unwrap(),
    ];
    assert_ne!(tokens[0], tokens[1]);
}

async fn another_admin_renews_it(place: Place) {
    let broker = Broker::new(&place).await;
    let first = consent(&broker, "acme", "store", Some(ANN)).await.connection;
    assert_eq!(first.account.id, "", "the provider tells none");
    let former = token(&broker, "acme", "store", BEN).await.unwrap();
    broker.clock.advance(Duration::from_hours(2));
    broker.hostile.script("/token", [Step::error(400, "invalid_grant")]);
    let error = token(&broker, "acme", "store", BEN).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ReauthorizationRequired);
    let dead = broker.connections.meant(&whose("acme", "store", ANN)).await.unwrap();
    assert_eq!(dead.status, Status::NeedsReauth);

    let again = consent(&broker, "acme", "store", Some(BEN)).await.connection;
    assert_eq!((again.id.as_str(), again.status), (first.id.as_str(), Status::Active));
    assert_eq!(listed(&broker, "acme", None).await.len(), 1);
    let newer = token(&broker, "acme", "store", ANN).await.unwrap();
    assert_ne!(newer, former);
    assert!(broker.hostile.grants(|grants| grants.is_live(&newer)));

    // Two who consent at once bring about one.
    let (one, two) = tokio::join!(
        consent(&broker, "other", "store", Some(ANN)),
        consent(&broker, "other", "store", Some(BEN))
    );
    assert_eq!(one.connection.id, two.connection.id);
    assert_eq!(listed(&broker, "other", None).await.len(), 1);
    let refreshed = broker.connections.refresh(&whose("other", "store", BEN), "ben").await.unwrap();
    assert_eq!(refreshed.id, one.connection.id);
}

async fn another_account_is_another_connection(place: Place) {
    let broker = Broker::new(&place).await;
    let first = consent(&broker, "acme", "shop", None).await.connection;
    assert_eq!(consent(&broker, "acme", "shop", Some(BEN)).await.connection.id, first.id, "the same account");
    broker.hostile.set_userinfo(json!({"sub": "u-2", "email": "second@example.com"}));
    let second = consent(&broker, "acme", "shop", None).await.connection;
    assert_ne!(second.id, first.id);
    assert!(!second.is_default);
    let meant = async || broker.connections.meant(&whose("acme", "shop", ANN)).await.unwrap().id;
    assert_eq!(meant().await, first.id);
    let changes = Changes { make_default: true, ..Changes::default() };
    broker.connections.update(&tenant("acme"), &second.id, changes, "ann").await.unwrap();
    assert_eq!(meant().await, second.id);
    broker.connections.revoke(&tenant("acme"), &second.id, "ann").await.unwrap();
    assert_eq!(meant().await, first.id, "what is left is the default");
}

async fn a_new_key_takes_the_place_of_the_former(place: Place) {
    let broker = Broker::new(&place).await;
    let connect = async |user_email: &str, key: &str| {
        let direct = Direct {
            tenant: tenant("acme"),
            actor: user_email.into(),
            provider: "depot".into(),
            user_email: user_email.into(),
            label: None,
            variables: BTreeMap::new(),
            grant: DirectGrant::ApiKey(key.into()),
        };
        broker.connections.connect(direct).await.unwrap().connection
    };
    let first = connect(ANN, "key-1").await;
    let second = connect(BEN, "key-2").await;
    assert_eq!((second.id.as_str(), second.user()), (first.id.as_str(), None));
    assert_eq!(token(&broker, "acme", "depot", ANN).await.unwrap(), "key-2");
    assert_eq!(listed(&broker, "acme", None).await.len(), 1);
}

async fn nobody_is_named_in_what_is_told_of_it(place: Place) {
    let broker = Broker::new(&place).await;
    let connection = consent(&broker, "acme", "store", Some(ANN)).await.connection;
    let changes = Changes { label: Some("ours".into()), ..Changes::default() };
    broker.connections.update(&tenant("acme"), &connection.id, changes, "ann").await.unwrap();
    broker.clock.advance(Duration::from_hours(2));
    token(&broker, "acme", "store", ANN).await.unwrap();
    broker.clock.advance(Duration::from_hours(2));
    broker.hostile.script("/token", [Step::error(400, "invalid_grant")]);
    token(&broker, "acme", "store", BEN).await.unwrap_err();
    let revocation = broker.connections.revoke(&tenant("acme"), &connection.id, "ann").await.unwrap();
    assert!(!revocation.is_complete(), "store has no way to revoke");
    // One that comes to nothing.
    let browser = Browser::from_cookie(None, &broker.ambient);
    let begun = broker.connections.begin(begin("acme", "store", Some(ANN)), Some(&browser)).await.unwrap();
    let denied = Callback {
        provider: "store",
        browser: Some(&browser),
        state: Some(&begun.state),
        error: Some("access_denied"),
        ..Callback::default()
    };
    assert!(broker.connections.complete(denied).await.unwrap().result.is_err());

    let recorded = broker.activity("acme").await;
    let mut actions: Vec<&str> = recorded.iter().map(|each| each.action.as_str()).collect();
    actions.sort_unstable();
    assert_eq!(
        actions,
        ["authorize", "connect", "needs_reauth", "refresh", "refresh", "revoke", "update"],
        "{recorded:?}"
    );
    assert!(
        recorded.iter().all(|each| each.user_email.is_none() && each.provider == "store"),
        "{recorded:?}"
    );
    let mut conn = broker.database.read().await.unwrap();
    let sql = "SELECT kind, data FROM event WHERE kind LIKE 'jackfield.connection.%' ORDER BY seq";
    let rows: Vec<(String, String)> = on!(conn, |c| sqlx::query_as(sql).fetch_all(c).await).unwrap();
    let kinds: Vec<&str> = rows.iter().filter_map(|(kind, _)| kind.rsplit('.').next()).collect();
    assert_eq!(kinds, ["created", "updated", "needs_reauth", "revoked"]);
    for (kind, data) in &rows {
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data.get("user_email"), Some(&Value::Null), "{kind} {data}");
    }
}

async fn it_outlives_the_end_of_a_user(place: Place) {
    let broker = Broker::new(&place).await;
    broker.connect("acme", "honest", "ann").await;
    let connection = consent(&broker, "acme", "shop", Some("ann@example.com")).await.connection;
    broker.clock.advance(Duration::from_secs(1));
    let counted = async |filter: RunFilter| broker.connections.count_revocations(&filter).await.unwrap();
    let of_ann = RunFilter {
        tenant: Some(tenant("acme")),
        user_email: Some("ann@example.com".into()),
        ..RunFilter::default()
    };
    assert_eq!(counted(of_ann).await, BTreeMap::from([("honest".to_owned(), 1)]));
    let of_all = RunFilter { tenant: Some(tenant("acme")), ..RunFilter::default() };
    let both = BTreeMap::from([("honest".to_owned(), 1), ("shop".to_owned(), 1)]);
    assert_eq!(counted(of_all).await, both);
    let access = token(&broker, "acme", "shop", BEN).await.unwrap();
    let revocation = broker.connections.revoke(&tenant("acme"), &connection.id, "ann").await.unwrap();
    assert!(revocation.is_complete());
    assert!(!broker.hostile.grants(|grants| grants.is_live(&access)));
    let error = token(&broker, "acme", "shop", BEN).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ConnectionRequired);
}

async fn it_goes_with_its_tenant_and_outlives_new_keys(place: Place) {
    let broker = Broker::new(&place).await;
    for tenant in ["acme", "other"] {
        consent(&broker, tenant, "shop", None).await;
    }
    let before = token(&broker, "other", "shop", ANN).await.unwrap();
    let sealer = broker.sealer().await;
    let rotation = Rotation::begin(&broker.database, &sealer, &[connections::SEALED], None).await.unwrap();
    let mut rotation = rotation.with_grace(Duration::ZERO);
    while rotation.step().await.unwrap() {}
    assert_eq!(rotation.report().tenants, 2);
    let replica = broker.replica().await;
    for connections in [&broker.connections, &replica] {
        let connection = connections.meant(&whose("other", "shop", BEN)).await.unwrap();
        let key = connections.credential(&tenant("other"), &connection);
        assert_eq!(connections.vault().access_token(&key).await.unwrap().secret.expose_secret(), &before);
    }

    let data = [connections::TENANT_DATA, storage::TENANT_DATA];
    let tenants = Tenants::new(broker.database.clone(), &data, Vec::new(), broker.ambient.clone());
    let deleted = tenants.delete(&tenant("acme"), "operator").await.unwrap().unwrap();
    assert_eq!((deleted["connections"], deleted["credentials"]), (1, 1), "{deleted:?}");
    assert!(listed(&broker, "acme", None).await.is_empty());
    let error = token(&broker, "acme", "shop", ANN).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ConnectionRequired);
    assert_eq!(token(&broker, "other", "shop", ANN).await.unwrap(), before);
}

async fn a_link_reaches_it_only_if_its_provider_was_named(place: Place) {
    let broker = Broker::new(&place).await;
    let connection = consent(&broker, "acme", "shop", None).await.connection;
    let link = async |providers: &[&str]| {
        let new = NewSession {
            tenant: tenant("acme"),
            user_email: BEN.into(),
            providers: providers.iter().map(|&name| name.to_owned()).collect(),
            return_to: None,
            created_by: "key1".into(),
        };
        broker.connections.create_session(new).await.unwrap().token
    };
    let browser = Browser::from_cookie(None, &broker.ambient);
    let consent_at = |name: &str| Consent::Account { provider: name.to_owned(), variables: BTreeMap::new() };
    for providers in [&[][..], &["honest", "store"]] {
        let token = link(providers).await;
        let token = token.expose_secret();
        let view = broker.connections.session(token).await.unwrap();
        assert!(view.providers.iter().all(|each| each.provider.id.as_str() != "shop"), "{providers:?}");
        let begun = broker.connections.begin_in_session(token, consent_at("shop"), &browser).await;
        assert!(matches!(begun, Err(Error::UnknownProvider(_))), "{providers:?}: {begun:?}");
        let again = Consent::Again(connection.id.clone());
        let begun = broker.connections.begin_in_session(token, again, &browser).await;
        assert!(matches!(begun, Err(Error::ConnectionNotFound(_))), "{providers:?}: {begun:?}");
        let revoked = broker.connections.revoke_in_session(token, &connection.id).await;
        assert!(matches!(revoked, Err(Error::ConnectionNotFound(_))), "{providers:?}: {revoked:?}");
    }
    let token = link(&["honest", "shop"]).await;
    let token = token.expose_secret();
    let view = broker.connections.session(token).await.unwrap();
    let shop = view.providers.iter().find(|each| each.provider.id.as_str() == "shop").unwrap();
    assert_eq!((shop.provider.owner, ids(&shop.connections)), (Owner::Tenant, vec![connection.id.as_str()]));
    let url = broker.connections.begin_in_session(token, consent_at("shop"), &browser).await.unwrap();
    assert_eq!(parameter(&url, "login_hint"), None);
    broker.connections.revoke_in_session(token, &connection.id).await.unwrap();
}

async fn whose_it_was_before_the_entry_changed_is_not_what_is_meant(place: Place) {
    let broker = Broker::new(&place).await;
    // Ann's own, of when the entry said nothing of the tenant; and a tenant's own, of when another entry did.
    broker.connect("acme", "shop", "ann").await;
    broker.connect("acme", "honest", "ours").await;
    broker.run_sql("UPDATE connection SET user_email = '' WHERE id = 'ours'").await;
    let ann = "ann@example.com";
    for provider in ["shop", "honest"] {
        let meant = broker.connections.meant(&whose("acme", provider, ann)).await;
        assert!(matches!(meant, Err(Error::ConnectionRequired { .. })), "{provider}: {meant:?}");
    }
    let status = broker.connections.status(&tenant("acme"), ann).await.unwrap();
    assert!(status["shop"].is_none() && status["honest"].is_none(), "{status:?}");
    let view = {
        let new = NewSession {
            tenant: tenant("acme"),
            user_email: ann.into(),
            providers: vec!["honest".into(), "shop".into()],
            return_to: None,
            created_by: "key1".into(),
        };
        let token = broker.connections.create_session(new).await.unwrap().token;
        broker.connections.session(token.expose_secret()).await.unwrap()
    };
    assert!(view.providers.iter().all(|each| each.connections.is_empty()), "{view:?}");
    // They are still seen, and can be ended.
    assert_eq!(ids(&listed(&broker, "acme", Some(ann)).await), ["ann", "ours"]);
    let named = Whose { connection: Some("ann".into()), ..whose("acme", "shop", ann) };
    assert_eq!(broker.connections.meant(&named).await.unwrap().id, "ann");
    for id in ["ann", "ours"] {
        broker.connections.revoke(&tenant("acme"), id, "admin").await.unwrap();
    }
}
