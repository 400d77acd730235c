//! kill -9 in the middle of publishes and installs: after a restart the catalog, the blobs and the log agree, and
//! nothing that was answered is lost.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use model::{Ambient, Role};
use reqwest::Method;
use serde_json::json;
use testkit::{Backend, TestServer};

use crate::consistency;
use crate::deployment::{Answer, Deployment, on_both_backends, plugin};

on_both_backends!(a_kill_at_any_moment_loses_nothing);

/// How often the server is killed.
const KILLS: usize = 12;
/// Authors who publish at the same time.
const AUTHORS: usize = 3;
/// A publish and an install take about this long, so that a kill meets every part of them.
const LONGEST_LIFE: Duration = Duration::from_millis(500);
/// How long the first publish of a round may take.
const FIRST_PUBLISH: Duration = Duration::from_secs(30);

/// What the server said it did.
#[derive(Default)]
struct Answered {
    published: Mutex<Vec<String>>,
    installed: Mutex<Vec<String>>,
}

/// Publishes and installs until the server is gone.
async fn work(server: &TestServer, round: usize, author: usize, answered: &Answered) {
    for number in 0.. {
        // New plugins and new versions of one, tenants' own and shared.
        let (tenant, role) = [("acme", Role::Admin), ("other", Role::PlatformAdmin)][author % 2];
        let id = if number % 2 == 0 { format!("p{author}") } else { format!("p{author}-{round}-{number}") };
        let version = format!("1.{round}.{number}");
        let send = |path, body| server.request_as(tenant, role, Method::POST, path).json(&body).send();
        let Ok(response) = send("/plugins", plugin(&id, &version)).await else { return };
        assert_eq!(response.status(), 201);
        answered.published.lock().unwrap().push(format!("{id} {version}"));
        let install = json!({"pluginId": id, "version": version});
        let Ok(response) = send("/plugins/install", install).await else { return };
        match response.status().as_u16() {
            201 => answered.installed.lock().unwrap().push(format!("{tenant} {id} {version}")),
            status => assert_eq!((status, number % 2), (409, 0), "only what is installed already"),
        }
    }
}

async fn a_kill_at_any_moment_loses_nothing(backend: Backend) {
    let mut deployment = Deployment::start(backend);
    let answered = Answered::default();
    for round in 0..KILLS {
        let life = LONGEST_LIFE.mul_f64(f64::from(u16::from_be_bytes(Ambient::system().bytes())) / 65_536.0);
        let authors = (0..AUTHORS).map(|author| work(&deployment.server, round, author, &answered));
        let working = futures::future::join_all(authors);
        let pid = deployment.process_id().to_string();
        let killing = async {
            // However slow the machine is, something was done first.
            let started = Instant::now();
            while answered.published.lock().unwrap().len() <= round {
                assert!(started.elapsed() < FIRST_PUBLISH, "no publish gets anywhere: {}", deployment.log());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(life).await;
            let killed =
                std::process::Command::new("sh").args(["-c", &format!("kill -9 {pid}")]).status().unwrap();
            assert!(killed.success());
        };
        tokio::join!(working, killing);
        let Deployment { server, backend } = deployment;
        deployment = Deployment { server: server.crash_and_restart().unwrap(), backend };
        consistency::check(&deployment).await;
    }
    let versions = deployment
        .column("SELECT p.id || ' ' || v.version FROM plugin p JOIN plugin_version v ON v.plugin_key = p.key")
        .await;
    let published = answered.published.into_inner().unwrap();
    assert!(published.len() >= KILLS, "enough was done to be lost: {}", published.len());
    let lost: Vec<_> = published.iter().filter(|version| !versions.contains(version)).collect();
    assert!(lost.is_empty(), "answered with 201 and lost: {lost:?}");
    let installations = deployment
        .column(
            "SELECT i.tenant || ' ' || p.id || ' ' || v.version FROM installation i \
             JOIN plugin p ON p.key = i.plugin_key JOIN plugin_version v ON v.key = i.version_key",
        )
        .await;
    let installed = answered.installed.into_inner().unwrap();
    let lost: Vec<_> = installed.iter().filter(|installed| !installations.contains(installed)).collect();
    assert!(lost.is_empty(), "answered with 201 and lost: {lost:?}");

    // It goes on as if nothing had been.
    let body = plugin("afterwards", "1.0.0");
    let request = deployment.request_as("acme", Role::Admin, Method::POST, "/plugins").json(&body);
    Answer::of(request).await.expect(201);
    consistency::check(&deployment).await;
}
