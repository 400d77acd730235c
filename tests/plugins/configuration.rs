//! How a tenant configures a plugin, and that its secrets stay secret.

use std::path::Path;
use std::process::Command;

use model::{Ambient, TenantId};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use storage::{MasterKeys, Sealed, Sealer};
use testkit::Backend;

use crate::deployment::{ADMIN, Deployment, PLATFORM, POSTGRES, USER, on_both_backends, plugin, with};

on_both_backends!(
    a_configuration_follows_its_schema,
    secrets_are_told_to_nobody_and_kept_through_masks,
    secrets_stand_nowhere_in_clear,
);

const MASK: &str = "********";

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
            "limits": {"type": "object", "properties": {"most": {"type": "integer", "minimum": 1}}},
            "secretKey": {"type": "string", "minLength": 8},
            "webhookSecret": {"type": "string", "writeOnly": true},
        },
        "required": ["currency"],
        "additionalProperties": false,
        "sensitiveFields": ["secretKey"],
    })
}

async fn installed(backend: Backend) -> Deployment {
    let deployment = Deployment::start_with(backend, |builder| builder.set("LOG_LEVEL", "trace"));
    let body = with(plugin("card", "1.0.0"), &json!({"configSchema": schema()}));
    deployment.post(PLATFORM, "/plugins", &body).await.expect(201);
    deployment.install(ADMIN, "card").await;
    deployment
}

async fn a_configuration_follows_its_schema(backend: Backend) {
    let deployment = installed(backend).await;
    let path = "/plugins/card/config";
    let events = deployment.events().await.len();
    for (body, mut pointers) in [
        (json!({"currency": "euro"}), vec!["/currency"]),
        (json!({}), vec![""]),
        (json!({"currency": "EUR", "curency": "x"}), vec![""]),
        (
            json!({"currency": "x", "limits": {"most": 0}, "secretKey": "s"}),
            vec!["/currency", "/limits/most", "/secretKey"],
        ),
    ] {
        let refused = deployment.put(ADMIN, path, &body).await;
        assert_eq!(refused.status, 422, "{body}");
        let mut found = refused.pointers("validation_failed");
        found.sort();
        pointers.sort_unstable();
        assert_eq!(found, pointers, "{body}: {}", refused.text);
    }
    deployment.put(ADMIN, path, &json!([])).await.problem("validation_failed");
    let large = json!({"currency": "EUR", "webhookSecret": "x".repeat(70_000)});
    deployment.put(ADMIN, path, &large).await.problem("validation_failed");
    assert_eq!(deployment.get_as(ADMIN, path).await.expect(200), json!({}), "nothing was kept");
    assert_eq!(deployment.events().await.len(), events);

    let good = json!({"currency": "EUR", "limits": {"most": 5}});
    let configured = deployment.put(ADMIN, path, &good).await.expect(200);
    assert_eq!(configured["configuration"], good);
    let replaced = json!({"currency": "USD"});
    deployment.put(ADMIN, path, &replaced).await.expect(200);
    assert_eq!(deployment.get_as(ADMIN, path).await.expect(200), replaced, "replaced as a whole");
    deployment
        .post(PLATFORM, "/plugins", &with(plugin("card", "1.1.0"), &json!({"configSchema": schema()})))
        .await
        .expect(201);
    let upgraded = deployment.post(ADMIN, "/plugins/upgrade", &json!({"pluginId": "card"})).await.expect(200);
    assert_eq!(upgraded["configuration"], replaced, "it stays with an upgrade");
}

/// The secrets of the one installation, opened with the server's own key.
async fn opened(deployment: &Deployment) -> Value {
    let ambient = Ambient::system();
    let database = deployment.database().await;
    let key = MasterKeys::load_or_create(&deployment.folder().join("data/encryption.key"), &ambient).unwrap();
    let sealer = Sealer::open(&database, key, ambient).await.unwrap();
    let mut conn = database.read().await.unwrap();
    let (plugin, secrets): (String, Vec<u8>) = storage::on!(conn, |c| {
        sqlx::query_as("SELECT plugin_key, secrets FROM installation").fetch_one(c).await
    })
    .unwrap();
    let tenant: TenantId = "acme".parse().unwrap();
    let purpose = format!("installation {plugin} configuration");
    let opened = sealer.unseal(&mut conn, &tenant, &purpose, &Sealed::from_bytes(secrets)).await.unwrap();
    serde_json::from_slice(opened.expose_secret()).unwrap()
}

async fn secrets_are_told_to_nobody_and_kept_through_masks(backend: Backend) {
    let deployment = installed(backend).await;
    let path = "/plugins/card/config";
    let first = json!({"currency": "EUR", "secretKey": "sk_live_first", "webhookSecret": "wh_first"});
    let configured = deployment.put(ADMIN, path, &first).await;
    let masked = json!({"currency": "EUR", "secretKey": MASK, "webhookSecret": MASK});
    assert_eq!(configured.expect(200)["configuration"], masked);
    assert_eq!(opened(&deployment).await, json!({"secretKey": "sk_live_first", "webhookSecret": "wh_first"}));

    // The page shows masks and sends them back with what its admin changed.
    let sent_back = with(masked.clone(), &json!({"currency": "USD", "webhookSecret": "wh_second"}));
    deployment.put(ADMIN, path, &sent_back).await.expect(200);
    assert_eq!(
        opened(&deployment).await,
        json!({"secretKey": "sk_live_first", "webhookSecret": "wh_second"})
    );
    deployment.put(ADMIN, path, &json!({"currency": "USD", "secretKey": MASK})).await.expect(200);
    assert_eq!(opened(&deployment).await, json!({"secretKey": "sk_live_first"}), "what is left out is gone");

    let answers = [
        deployment.get_as(ADMIN, path).await,
        deployment.get_as(USER, "/plugins/installed").await,
        deployment.get("/plugins/public/organizations/enabled?organizationId=acme").await,
        deployment.get("/plugins/public/organizations/payment?organizationId=acme").await,
        deployment.get_as(USER, "/plugins/by-extension-point?point=checkout").await,
        deployment
            .put(ADMIN, path, &json!({"currency": "x", "secretKey": "sk_live_first2", "more": 1}))
            .await,
    ];
    for answer in &answers {
        assert!(!answer.text.contains("sk_live"), "{}", answer.text);
    }
    for public in &answers[2..5] {
        let list: Value = serde_json::from_str(&public.text).unwrap();
        assert_eq!(list[0]["configuration"], json!({"currency": "USD"}), "not even that a secret is set");
    }
}

/// Whether `text` stands in any file below `folder`.
fn stands_in(folder: &Path, text: &str) -> bool {
    let found = Command::new("grep").args(["-rqF", "--", text]).arg(folder).status().unwrap();
    assert!(matches!(found.code(), Some(0 | 1)), "grep failed on {}", folder.display());
    found.success()
}

async fn secrets_stand_nowhere_in_clear(backend: Backend) {
    let deployment = installed(backend).await;
    // Unlike anything else that a database of another test may hold.
    let (open, secret) =
        (format!("open{}", model::new_id(&Ambient::system())), model::new_id(&Ambient::system()));
    let body = json!({"currency": "EUR", "limits": {"note": open}, "secretKey": secret});
    deployment.put(ADMIN, "/plugins/card/config", &body).await.expect(200);
    let key = deployment.post(ADMIN, "/api-keys", &json!({"name": "deploy"})).await.expect(201);
    let key = key["secret"].as_str().unwrap();

    let folders = [deployment.folder(), POSTGRES.folder()];
    assert!(folders.iter().any(|folder| stands_in(folder, &open)), "the search finds what is kept in clear");
    for folder in folders {
        assert!(!stands_in(folder, &secret), "the secret in {}", folder.display());
        assert!(!stands_in(folder, key), "the API key in {}", folder.display());
    }
    let log = deployment.log();
    assert!(log.contains("/plugins/{id}/config"), "{log}");
    assert!(!log.contains(&secret) && !log.contains(key), "the log has a secret");
    assert!(!log.contains(testkit::SECRET), "the log has JWT_SECRET");
    let events = deployment.column("SELECT data FROM event").await.join("\n");
    assert!(events.contains("secretKey") && !events.contains(&secret), "{events}");
}
