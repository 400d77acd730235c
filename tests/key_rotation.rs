//! `jackfield keys rotate` beside a running server: killed on its way, run again, and with the master key replaced.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use model::{Ambient, Role, TenantId};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use storage::{MasterKey, MasterKeys, Sealed, Sealer};
use testkit::Backend;

use crate::deployment::{Deployment, PLATFORM, on_both_backends, plugin, with};

on_both_backends!(
    a_rotation_that_is_killed_goes_on_under_load,
    a_given_master_key_is_replaced_by_its_instructions,
);

const TENANTS: usize = 60;

fn tenant(number: usize) -> &'static str {
    // A few short texts, for as long as the tests run.
    format!("tenant-{number:02}").leak()
}

async fn start(backend: Backend, settings: &[(&str, &str)]) -> Deployment {
    let deployment = Deployment::start_with(backend, |builder| {
        settings.iter().fold(builder, |builder, (name, value)| builder.set(name, *value))
    });
    let schema = json!({"properties": {"secretKey": {"type": "string"}}, "sensitiveFields": ["secretKey"]});
    let shared = with(plugin("shared", "1.0.0"), &json!({"configSchema": schema}));
    deployment.post(PLATFORM, "/plugins", &shared).await.expect(201);
    deployment
}

async fn configure(deployment: &Deployment, tenant: &'static str, secret: &str) {
    let body = json!({"secretKey": secret});
    deployment.put((tenant, Role::Admin), "/plugins/shared/config", &body).await.expect(200);
}

/// `jackfield …` with the server's settings and these, in its folder.
fn command(deployment: &Deployment, settings: &[(&str, &str)], arguments: &[&str]) -> Command {
    let builder =
        settings.iter().fold(deployment.backend.configure(crate::server()), |builder, (name, value)| {
            builder.set(name, *value)
        });
    let mut command = builder.command(arguments);
    command
        .current_dir(deployment.folder())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The report of a rotation that must succeed.
fn ended(child: Child) -> Value {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Waits for a child beside what else this thread does.
async fn ended_meanwhile(mut child: Child) -> Value {
    while child.try_wait().unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ended(child)
}

/// The secret of a tenant as it stands in the database.
async fn stored(deployment: &Deployment, masters: MasterKeys, tenants: &[&str]) -> Vec<String> {
    let database = deployment.database().await;
    let sealer = Sealer::open(&database, masters, Ambient::system()).await.unwrap();
    let mut conn = database.read().await.unwrap();
    let mut secrets = Vec::new();
    for tenant in tenants {
        let (key, bytes): (String, Vec<u8>) = storage::on!(conn, |c| sqlx::query_as(
            "SELECT plugin_key, secrets FROM installation WHERE tenant = $1"
        )
        .bind(tenant)
        .fetch_one(c)
        .await)
        .unwrap();
        let (id, purpose) = (tenant.parse::<TenantId>().unwrap(), registry::SEALED[0].purpose(&[key]));
        let opened = sealer.unseal(&mut conn, &id, &purpose, &Sealed::from_bytes(bytes)).await.unwrap();
        let opened: Value = serde_json::from_slice(opened.expose_secret()).unwrap();
        secrets.push(opened["secretKey"].as_str().unwrap().to_owned());
    }
    drop(conn);
    database.close().await;
    secrets
}

fn key_file(folder: &Path) -> MasterKeys {
    MasterKeys::load_or_create(&folder.join("data/encryption.key"), &Ambient::system()).unwrap()
}

async fn a_rotation_that_is_killed_goes_on_under_load(backend: Backend) {
    let deployment = start(backend, &[]).await;
    let tenants: Vec<&str> = (0..TENANTS).map(tenant).collect();
    for tenant in &tenants {
        deployment.install((tenant, Role::Admin), "shared").await;
        configure(&deployment, tenant, "0").await;
    }
    let versions = "SELECT tenant || ' ' || CAST(version AS TEXT) FROM tenant_key ORDER BY 1";
    let before = deployment.column(versions).await;
    let counts: Vec<AtomicU32> = tenants.iter().map(|_| AtomicU32::new(0)).collect();
    let is_over = AtomicBool::new(false);
    let working = async {
        // Each answer of 200 has opened the former secret in the same transaction, and sealed the next.
        for (number, tenant) in tenants.iter().enumerate().cycle() {
            if is_over.load(Ordering::SeqCst) {
                break;
            }
            let next = counts[number].load(Ordering::SeqCst) + 1;
            configure(&deployment, tenant, &next.to_string()).await;
            counts[number].store(next, Ordering::SeqCst);
        }
    };
    let rotating = async {
        let mut killed =
            command(&deployment, &[], &["keys", "rotate", "--master", "--json"]).spawn().unwrap();
        let started = Instant::now();
        loop {
            let now = deployment.column(versions).await;
            let is_under_way = now.len() > before.len() + 2;
            if is_under_way || killed.try_wait().unwrap().is_some() {
                break;
            }
            assert!(started.elapsed() < Duration::from_mins(1), "the rotation does not begin");
        }
        // kill -9.
        killed.kill().unwrap();
        assert!(!killed.wait().unwrap().success(), "it was on its way");
        assert!(deployment.column(versions).await.len() > before.len(), "former keys are there still");
        let file = std::fs::read_to_string(deployment.folder().join("data/encryption.key")).unwrap();
        assert_eq!(file.lines().count(), 2);
        let again = command(&deployment, &[], &["keys", "rotate", "--master", "--json"]).spawn().unwrap();
        let report = ended_meanwhile(again).await;
        is_over.store(true, Ordering::SeqCst);
        report
    };
    let (report, ()) = tokio::join!(rotating, working);
    assert_eq!(report["unreadable"], json!([]), "{report:#}");
    assert_eq!(report["formerKeysDestroyed"], TENANTS, "{report:#}");
    let after = deployment.column(versions).await;
    assert_eq!(after.len(), before.len());
    assert!(after.iter().all(|line| !before.contains(line)), "{after:?}");
    let file = std::fs::read_to_string(deployment.folder().join("data/encryption.key")).unwrap();
    assert_eq!(file.lines().count(), 1);

    let expected: Vec<String> = counts.iter().map(|count| count.load(Ordering::SeqCst).to_string()).collect();
    assert_eq!(
        stored(&deployment, key_file(deployment.folder()), &tenants).await,
        expected,
        "no write is lost"
    );
    assert!(!deployment.log().contains("\"http.status\":5"), "no request failed");
    // A restart finds the new key alone, and goes on.
    let Deployment { server, backend } = deployment;
    let deployment = Deployment { server: server.crash_and_restart().unwrap(), backend };
    configure(&deployment, tenants[0], "********").await;
    let told =
        "SELECT COALESCE(tenant, '-') || ' ' || subject FROM event WHERE kind = 'jackfield.keys.rotated'";
    let told = deployment.column(told).await;
    assert_eq!(told.iter().filter(|line| line.ends_with(" data_key")).count(), TENANTS, "{told:?}");
    assert_eq!(told.iter().filter(|line| *line == "- master_key").count(), 1, "{told:?}");
}

const FORMER: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=";

async fn a_given_master_key_is_replaced_by_its_instructions(backend: Backend) {
    let deployment = start(backend, &[("ENCRYPTION_KEY", FORMER)]).await;
    deployment.install(("acme", Role::Admin), "shared").await;
    configure(&deployment, "acme", "hush").await;
    let output = command(&deployment, &[("ENCRYPTION_KEY", FORMER)], &["keys", "rotate", "--master"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("ENCRYPTION_KEYS_ACCEPTED"));
    // A wrong one changes nothing, and neither does the right one too early.
    let wrong = [("ENCRYPTION_KEY", NEW)];
    for arguments in [&["serve"][..], &["keys", "rotate"]] {
        let output = command(&deployment, &wrong, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("nothing was changed") && !told.contains(NEW), "{told}");
    }
    let swapped = [("ENCRYPTION_KEY", NEW), ("ENCRYPTION_KEYS_ACCEPTED", FORMER)];
    // The server that runs knows the former key alone here, so it is stopped first; with both it would not have to be.
    let Deployment { mut server, backend } = deployment;
    server.kill().unwrap();
    let deployment = Deployment { server, backend };
    let report = ended(command(&deployment, &swapped, &["keys", "rotate", "--json"]).spawn().unwrap());
    assert_eq!(
        (&report["masterKeyReplaced"], &report["dataKeysRewrapped"]),
        (&json!(true), &json!(1)),
        "{report:#}"
    );
    let new: MasterKeys = MasterKey::from_base64(&NEW.into()).unwrap().into();
    assert_eq!(stored(&deployment, new, &["acme"]).await, ["hush"]);
    let output = command(&deployment, &[("ENCRYPTION_KEY", FORMER)], &["keys", "rotate"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing was changed"));
}
