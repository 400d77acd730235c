//! Deleting a tenant, over HTTP and at the command line: all that it had goes, nothing of others does.

use std::time::Duration;

use model::Role;
use reqwest::Method;
use serde_json::{Value, json};
use storage::Engine;
use testkit::{Backend, ManualClock};

use crate::consistency;
use crate::deployment::{ADMIN, Deployment, PLATFORM, Who, on_both_backends, plugin, with};

on_both_backends!(
    all_that_a_tenant_had_goes_and_nothing_else,
    the_command_line_asks_and_deletes,
    a_deletion_that_was_interrupted_goes_on_by_itself,
);

const OTHER: Who = ("other", Role::Admin);

/// `acme` and `other` with plugins of their own, a shared one with a secret, ratings and API keys.
async fn furnished(backend: Backend) -> Deployment {
    let deployment = Deployment::start(backend);
    let schema = json!({"properties": {"secretKey": {"type": "string"}}, "sensitiveFields": ["secretKey"]});
    let shared = with(plugin("shared", "1.0.0"), &json!({"configSchema": schema}));
    deployment.post(PLATFORM, "/plugins", &shared).await.expect(201);
    for who in [ADMIN, OTHER] {
        for version in ["1.0.0", "1.1.0"] {
            deployment.publish(who, &format!("own-{}", who.0), version).await;
        }
        deployment.install(who, &format!("own-{}", who.0)).await;
        deployment.install(who, "shared").await;
        deployment.put(who, "/plugins/shared/config", &json!({"secretKey": "hush"})).await.expect(200);
        deployment
            .post(who, "/plugins/shared/ratings", &json!({"rating": if who == ADMIN { 1 } else { 5 }}))
            .await
            .expect(201);
        deployment.post(who, "/api-keys", &json!({"name": "key", "role": "admin"})).await.expect(201);
        // A file for a version that never comes.
        let fields = [("pluginId", "early"), ("version", "1.0.0")];
        let file = format!("export default {{ name: '{}', extensionPoints: {{}} }};", who.0);
        deployment.upload(who, "/plugins/storage/upload", file, &fields).await.expect(201);
    }
    deployment
}

/// Every place in the database that holds exactly this text, as `table.column`.
async fn places_of(deployment: &Deployment, text: &str) -> Vec<String> {
    let database = deployment.database().await;
    let mut conn = database.read().await.unwrap();
    let columns: Vec<(String, String)> = match conn.engine() {
        Engine::Sqlite(c) => sqlx::query_as(
            "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c \
             WHERE t.type = 'table' AND c.type = 'TEXT' ORDER BY 1, 2",
        )
        .fetch_all(c)
        .await
        .unwrap(),
        Engine::Postgres(c) => sqlx::query_as(
            "SELECT table_name::text, column_name::text FROM information_schema.columns \
             WHERE table_schema = 'public' AND data_type = 'text' ORDER BY 1, 2",
        )
        .fetch_all(c)
        .await
        .unwrap(),
    };
    let mut found = Vec::new();
    for (table, column) in columns {
        let sql = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table} WHERE {column} = $1"));
        let (count,): (i64,) =
            storage::on!(conn, |c| sqlx::query_as(sql).bind(text).fetch_one(c).await).unwrap();
        if count > 0 {
            found.push(format!("{table}.{column}"));
        }
    }
    drop(conn);
    database.close().await;
    found
}

async fn all_that_a_tenant_had_goes_and_nothing_else(backend: Backend) {
    let deployment = furnished(backend).await;
    let key = deployment.post(ADMIN, "/api-keys", &json!({"name": "k", "role": "admin"})).await.expect(201);
    let bundle = deployment.get_as(ADMIN, "/plugins/own-acme").await.expect(200)["bundleUrl"].clone();
    let bundle = bundle.as_str().unwrap().strip_prefix(deployment.base()).unwrap().to_owned();
    assert_eq!(deployment.get(&bundle).await.status, 200);
    let other_before = others(&deployment).await;
    let named = places_of(&deployment, "acme").await;
    for place in ["installation.tenant", "tenant_key.tenant", "api_key.tenant", "bundle_file.owner"] {
        assert!(named.contains(&place.to_owned()), "{place} is not in {named:?}");
    }

    // An admin of the tenant cannot; nor can one of another.
    for who in [ADMIN, OTHER, ("acme", Role::Owner)] {
        deployment.delete(who, "/tenants/acme").await.problem("insufficient_role");
    }
    let deleted = deployment.delete(PLATFORM, "/tenants/acme").await.expect(200);
    assert_eq!(deleted["tenantId"], "acme");
    let counts = [
        ("API keys", 2),
        ("data keys", 1),
        ("installations", 2),
        ("ratings", 1),
        ("plugins", 1),
        ("plugin versions", 2),
    ];
    for (name, count) in counts {
        assert_eq!(deleted["deleted"][name], count, "{deleted:#}");
    }
    deployment.delete(PLATFORM, "/tenants/acme").await.problem("not_found");

    // Its name is in the one line that tells of it, and nowhere else.
    assert_eq!(places_of(&deployment, "acme").await, ["event.subject"]);
    let events = deployment.events().await;
    assert_eq!(events.iter().filter(|line| *line == "- tenant.deleted acme").count(), 1, "{events:?}");
    assert!(!events.iter().any(|line| line.starts_with("acme ")), "{events:?}");
    assert_eq!(deployment.get(&bundle).await.status, 404, "this process serves it no more");
    let secret = key["secret"].as_str().unwrap();
    let refused = deployment.server.get("/api-keys").bearer_auth(secret).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(deployment.get_as(ADMIN, "/plugins/installed").await.expect(200), json!([]));
    assert_eq!(others(&deployment).await, other_before);
    let rated = deployment.get("/marketplace/shared").await.expect(200);
    assert_eq!(
        (&rated["metadata"]["rating"], &rated["metadata"]["installCount"]),
        (&json!(5.0), &json!(1)),
        "{rated:#}"
    );
    // Blobs, versions, counts and the log agree once leftovers are swept.
    consistency::check(&deployment).await;
    assert!(!deployment.blob_keys().iter().any(|key| key.contains("own-acme")), "no blob is left");

    // The name may be used again, by a tenant that has nothing yet.
    deployment.install(ADMIN, "shared").await;
    let config = deployment.get_as(ADMIN, "/plugins/shared/config").await.expect(200);
    assert_eq!(config, json!({}));
    deployment.put(ADMIN, "/plugins/shared/config", &json!({"secretKey": "new"})).await.expect(200);
}

/// All that the other tenant sees.
async fn others(deployment: &Deployment) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in ["/plugins/installed", "/plugins/shared/config", "/plugins/own-other", "/api-keys"] {
        let mut answer = deployment.get_as(OTHER, path).await.expect(200);
        // How often others have installed and rated is not the tenant's.
        for item in answer.as_array_mut().into_iter().flatten() {
            item.as_object_mut().unwrap().remove("metadata");
        }
        seen.push(answer);
    }
    // Its secret opens: a mask keeps what is there.
    deployment.put(OTHER, "/plugins/shared/config", &json!({"secretKey": "********"})).await.expect(200);
    seen.iter_mut().for_each(forget_times);
    seen
}

fn forget_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !["updatedAt", "lastUpdated"].contains(&name.as_str()));
            fields.values_mut().for_each(forget_times);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_times),
        _ => {}
    }
}

async fn the_command_line_asks_and_deletes(backend: Backend) {
    let deployment = furnished(backend).await;
    let run = |arguments: &[&str]| {
        let command = deployment
            .backend
            .configure(crate::server())
            .command(arguments)
            .current_dir(deployment.folder())
            .output();
        let output = command.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, _, told) = run(&["tenants", "delete", "acme"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("--yes"), "{told}");
    assert!(!places_of(&deployment, "acme").await.is_empty());
    let (code, report, told) = run(&["tenants", "delete", "acme", "--yes", "--json"]);
    assert_eq!(code, Some(0), "{told}");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(
        (&report["tenantId"], &report["deleted"]["data keys"]),
        (&json!("acme"), &json!(1)),
        "{report}"
    );
    assert_eq!(places_of(&deployment, "acme").await, ["event.subject"]);
    let (code, _, told) = run(&["tenants", "delete", "acme", "--yes"]);
    assert_eq!(code, Some(1));
    assert!(told.contains("nothing here"), "{told}");
    consistency::check(&deployment).await;
}

async fn a_deletion_that_was_interrupted_goes_on_by_itself(backend: Backend) {
    let deployment = furnished(backend).await;
    let database = deployment.database().await;
    let (_, ambient) = ManualClock::ambient();
    // The first step alone: the key is destroyed, and all rows are there.
    let tenants = storage::Tenants::new(database.clone(), &[], Vec::new(), ambient);
    tenants.begin(&"acme".parse().unwrap(), "me").await.unwrap();
    database.close().await;
    let secret = json!({"secretKey": "********"});
    let refused = deployment.put(ADMIN, "/plugins/shared/config", &secret).await;
    assert!(refused.status >= 400, "nothing opens: {}", refused.text);
    let refused = deployment.put(ADMIN, "/plugins/shared/config", &json!({"secretKey": "x"})).await;
    assert!(refused.status >= 400, "nothing is sealed: {}", refused.text);
    // A server does so at its start, and every minute.
    let Deployment { server, backend } = deployment;
    let deployment = Deployment { server: server.crash_and_restart().unwrap(), backend };
    for _ in 0..200 {
        if places_of(&deployment, "acme").await == ["event.subject"] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(places_of(&deployment, "acme").await, ["event.subject"]);
    assert_eq!(
        deployment
            .request_as("other", Role::Admin, Method::GET, "/plugins/own-other")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    consistency::check(&deployment).await;
}
