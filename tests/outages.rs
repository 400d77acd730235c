//! What the server stands on goes away in the middle of the work, and comes back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Backend, Builder, Ending, Postgres};

use crate::consistency;
use crate::deployment::{ADMIN, Answer, Deployment, PLATFORM, plugin, source, with};

/// How long a server may take to find what came back.
const RECOVERY: Duration = Duration::from_secs(20);

/// Repeats a request until it answers `status`.
async fn until(deployment: &Deployment, path: &str, status: u16) -> Answer {
    let started = Instant::now();
    loop {
        let answer = deployment.get(path).await;
        if answer.status == status {
            return answer;
        }
        assert!(started.elapsed() < RECOVERY, "{path} still answers {}: {}", answer.status, answer.text);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_database_that_goes_and_comes_back() {
    let mut postgres = Postgres::start().unwrap();
    let deployment = Deployment::start(Backend::servers(&postgres).unwrap());
    deployment.publish(PLATFORM, "card", "1.0.0").await;
    let bundle = deployment.get("/plugins/card").await.expect(200)["bundleUrl"].clone();
    let bundle = bundle.as_str().unwrap().strip_prefix(deployment.base()).unwrap().to_owned();
    assert_eq!(deployment.get(&bundle).await.status, 200);

    postgres.stop(Ending::Immediate).unwrap();
    let body = plugin("cash", "1.0.0");
    let install = json!({"pluginId": "card"});
    let (read, publish, installed) = tokio::join!(
        deployment.get("/plugins/card"),
        deployment.post(PLATFORM, "/plugins", &body),
        deployment.post(ADMIN, "/plugins/install", &install),
    );
    for answer in [read, publish, installed] {
        assert_eq!(answer.status, 503, "{}", answer.text);
        answer.problem("unavailable");
    }
    let unready = deployment.get("/health/ready").await;
    let detail = unready.problem("unavailable")["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("database") && !detail.contains("blobs"), "{detail}");
    assert_eq!(deployment.get("/health").await.status, 200);
    assert_eq!(deployment.get(&bundle).await.status, 200, "what is in memory is served on");

    postgres.resume().unwrap();
    until(&deployment, "/health/ready", 200).await;
    deployment.publish(PLATFORM, "cash", "1.0.0").await;
    deployment.install(ADMIN, "card").await;
    consistency::check(&deployment).await;
}

#[tokio::test]
async fn a_database_that_goes_in_the_middle_of_publishes() {
    let mut postgres = Postgres::start().unwrap();
    let deployment = Deployment::start(Backend::servers(&postgres).unwrap());
    deployment.publish(PLATFORM, "first", "1.0.0").await;
    let bodies: Vec<Value> = (0..12).map(|index| plugin(&format!("p{index}"), "1.0.0")).collect();
    let publishing =
        futures::future::join_all(bodies.iter().map(|body| deployment.post(PLATFORM, "/plugins", body)));
    let stopping = async {
        // In the middle: some are done, some are not.
        let started = Instant::now();
        while deployment.blob_keys().len() < 16 {
            assert!(started.elapsed() < RECOVERY, "no publish gets anywhere");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        postgres.stop(Ending::Fast).unwrap();
    };
    let (answers, ()) = tokio::join!(publishing, stopping);
    let mut published = Vec::new();
    for (index, answer) in answers.iter().enumerate() {
        match answer.status {
            201 => published.push(format!("p{index}")),
            _ => drop(answer.problem("unavailable")),
        }
    }
    assert!(published.len() < bodies.len(), "the database went too late");
    postgres.resume().unwrap();
    until(&deployment, "/health/ready", 200).await;
    consistency::check(&deployment).await;
    for id in published {
        deployment.get(&format!("/plugins/{id}")).await.expect(200);
    }
}

/// A plugin of at least `size` bytes of text, most of it random.
fn large(id: &str, size: usize) -> Value {
    let ambient = model::Ambient::system();
    let text: String = (0..=size / 26).map(|_| model::new_id(&ambient)).collect();
    with(plugin(id, "1.0.0"), &json!({"sourceCode": source(&text)}))
}

/// Sets the largest file that the server may write, as a disk that is full up to there would.
fn limit_file_size(deployment: &Deployment, limit: &str) {
    let set = Command::new("prlimit")
        .args(["--pid", &deployment.process_id().to_string(), &format!("--fsize={limit}")])
        .status()
        .expect("prlimit, of util-linux");
    assert!(set.success());
}

#[tokio::test]
async fn a_disk_that_is_full_leaves_nothing_half_written() {
    let deployment = Deployment::start_with(Backend::files(), Builder::surviving_file_limits);
    deployment.publish(PLATFORM, "card", "1.0.0").await;
    let before = (deployment.blob_keys(), deployment.events().await);

    // Less than the blobs, and enough for the pages of the database that the publish touches.
    let room = database_log(&deployment) + 100_000;
    let big = large("big", 3 * room);
    limit_file_size(&deployment, &format!("{room}:unlimited"));
    let refused = deployment.post(PLATFORM, "/plugins", &big).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    let told = refused.problem("unavailable").to_string();
    assert!(!told.contains("data/") && !told.contains("os error"), "{told}");
    deployment.get("/plugins/big").await.problem("not_found");

    limit_file_size(&deployment, "unlimited:unlimited");
    consistency::check(&deployment).await;
    assert_eq!((deployment.blob_keys(), deployment.events().await), before);
    assert_eq!(drafts(&deployment), 0);
    deployment.post(PLATFORM, "/plugins", &big).await.expect(201);
    consistency::check(&deployment).await;
}

#[tokio::test]
async fn a_database_that_cannot_grow_loses_nothing() {
    let deployment = Deployment::start_with(Backend::files(), Builder::surviving_file_limits);
    deployment.publish(PLATFORM, "card", "1.0.0").await;
    let before = deployment.events().await;
    limit_file_size(&deployment, &format!("{}:unlimited", database_log(&deployment)));
    for _ in 0..3 {
        let refused = deployment.post(PLATFORM, "/plugins", &plugin("cash", "1.0.0")).await;
        assert_eq!(refused.status, 503, "{}", refused.text);
        refused.problem("unavailable");
        let refused = deployment.post(ADMIN, "/plugins/install", &json!({"pluginId": "card"})).await;
        refused.problem("unavailable");
        deployment.get("/plugins/card").await.expect(200);
    }
    limit_file_size(&deployment, "unlimited:unlimited");
    assert_eq!(deployment.events().await, before);
    consistency::check(&deployment).await;
    deployment.publish(PLATFORM, "cash", "1.0.0").await;
    deployment.install(ADMIN, "card").await;
    consistency::check(&deployment).await;
}

/// The size of SQLite's write-ahead log, in bytes.
fn database_log(deployment: &Deployment) -> usize {
    let log = fs::metadata(deployment.folder().join("data/jackfield.db-wal")).unwrap();
    usize::try_from(log.len()).unwrap()
}

fn drafts(deployment: &Deployment) -> usize {
    fs::read_dir(deployment.folder().join("data/blobs/.drafts")).unwrap().count()
}

#[tokio::test]
async fn blobs_that_cannot_be_written_refuse_a_publish() {
    let deployment = Deployment::start(Backend::files());
    deployment.publish(PLATFORM, "card", "1.0.0").await;
    let before = deployment.events().await;
    let (folder, aside) = (deployment.folder().join("data/blobs"), deployment.folder().join("data/aside"));
    fs::rename(&folder, &aside).unwrap();
    // A file in its place: even root cannot make folders below it.
    fs::write(&folder, "").unwrap();
    let refused = deployment.post(PLATFORM, "/plugins", &plugin("cash", "1.0.0")).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    let health = deployment.get_as(ADMIN, "/plugins/storage-health").await.expect(200);
    assert_eq!(health["isConnected"], false);
    let unready = deployment.get("/health/ready").await.problem("unavailable");
    assert!(unready["detail"].as_str().unwrap().contains("blobs"), "{unready}");
    // The catalog is still there to be read and used.
    deployment.install(ADMIN, "card").await;

    fs::remove_file(&folder).unwrap();
    fs::rename(&aside, &folder).unwrap();
    until(&deployment, "/health/ready", 200).await;
    deployment.publish(PLATFORM, "cash", "1.0.0").await;
    assert_eq!(deployment.events().await.len(), before.len() + 3);
    consistency::check(&deployment).await;
}

#[tokio::test]
async fn the_files_of_the_server_are_its_owners_alone() {
    let deployment = Deployment::start(Backend::files());
    let mode =
        |path: &str| fs::metadata(deployment.folder().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("data"), mode("data/encryption.key")), (0o700, 0o600));
}
