//! Two processes on one PostgreSQL: at once, and one dying at each step of a renewal.
//!
//! The other process is this same test binary, told by standard input what to do. It dies at a step by listening to the
//! trace of the steps, so that the program itself knows nothing of this.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use axum::routing::post;
use connections::catalog::{Flow, ProviderId, Rotation};
use connections::connection::Tokens;
use connections::protocol::{CallError, Sent};
use connections::vault::{Grant, Redeem, Settings, Vault};
use model::Ambient;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use storage::Database;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::provider::{Fault, Provider};
use super::{FORGIVING, LASTING, MIGRATIONS, Place, ROTATING, World, get, key, outcome, sealer, tokens};

const CALLERS: usize = 500;
const DEADLINE: Duration = Duration::from_mins(1);

/// What the other process is told.
#[derive(Serialize, Deserialize)]
struct Orders {
    database_url: String,
    token_url: String,
    rotates: bool,
    leeway_s: Option<u64>,
    /// Where to die.
    dies_at: Option<String>,
}

/// The provider over HTTP.
struct Remote {
    token_url: String,
    rotation: Rotation,
    client: reqwest::Client,
}

#[async_trait]
impl Redeem for Remote {
    async fn redeem(&self, grant: &Grant) -> Result<Tokens, CallError> {
        let refresh = grant.refresh.as_ref().map(ExposeSecret::expose_secret);
        let lost = |_| CallError::Unreachable(Sent::Maybe);
        let answer = self.client.post(&self.token_url).json(&json!({"refresh": refresh})).send();
        let answer: Value = answer.await.map_err(lost)?.json().await.map_err(lost)?;
        let text = |name: &str| answer[name].as_str().map(Into::into);
        Ok(Tokens {
            access: text("access").ok_or(CallError::InvalidGrant)?,
            refresh: text("refresh"),
            expires_in: answer["expires_in"].as_u64().map(Duration::from_secs),
            scopes: None,
        })
    }

    fn rotation(&self, _: &ProviderId) -> Rotation {
        self.rotation
    }
}

/// Serves `provider` on loopback and gives the URL of its token endpoint.
async fn serve(provider: Arc<Provider>) -> String {
    let answer = async |State(provider): State<Arc<Provider>>, Json(call): Json<Value>| {
        Json(match provider.answer(call["refresh"].as_str()).await {
            Ok(tokens) => json!({
                "access": tokens.access.expose_secret(),
                "refresh": tokens.refresh.as_ref().map(ExposeSecret::expose_secret),
                "expires_in": tokens.expires_in.map(|lifetime| lifetime.as_secs()),
            }),
            Err(error) => json!({"error": error.to_string()}),
        })
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().route("/token", post(answer)).with_state(provider);
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/token")
}

/// The other process, as this one holds it.
struct Other {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Other {
    async fn start(orders: &Orders) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "vault::processes::the_other_process", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut other = Self {
            stdin: child.stdin.take().unwrap(),
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        };
        other.tell(&serde_json::to_string(orders).unwrap()).await;
        assert_eq!(other.hear().await.as_deref(), Some("ready"));
        other
    }

    async fn tell(&mut self, line: &str) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// What it says next; nothing if it died.
    async fn hear(&mut self) -> Option<String> {
        let hearing = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                // What the test harness prints stands on the same line as the first word.
                if let Some((_, said)) = line.split_once("other process: ") {
                    return Some(said.to_owned());
                }
            }
            None
        };
        tokio::time::timeout(DEADLINE, hearing).await.unwrap()
    }
}

/// Has many callers ask for the token again and again for five seconds; how often each answer was given.
async fn besiege(vault: &Vault) -> BTreeMap<String, usize> {
    let end = Instant::now() + Duration::from_secs(5);
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let vault = vault.clone();
        callers.spawn(async move {
            let mut seen = BTreeMap::<String, usize>::new();
            while Instant::now() < end {
                *seen.entry(get(&vault, &key("c1")).await).or_default() += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            seen
        });
    }
    let mut all = BTreeMap::new();
    for seen in callers.join_all().await {
        for (answer, times) in seen {
            *all.entry(answer).or_default() += times;
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_of_two_processes_have_one_redemption_made() {
    let world = World::new(Place::postgres(), ROTATING).await;
    let token_url = serve(Arc::clone(&world.provider)).await;
    let orders = Orders {
        database_url: world.place.url.clone(),
        token_url: token_url.clone(),
        rotates: true,
        leeway_s: None,
        dies_at: None,
    };
    let mut other = Other::start(&orders).await;
    let here = vault(&orders).await;
    // The token is due after half a second and ends after two, while the provider takes two and a half to answer.
    world.provider.fail(Fault::Delay(Duration::from_millis(2500)));
    let short = Tokens { expires_in: Some(Duration::from_secs(2)), ..tokens("c1") };
    let ambient = Ambient::system();
    world.clock.advance(Duration::from_millis(
        u64::try_from(ambient.now().as_millisecond() - world.ambient.now().as_millisecond()).unwrap(),
    ));
    world.connect_with("c1", short, Flow::AuthorizationCode).await;
    other.tell("besiege").await;
    let own = besiege(&here).await;
    let others: BTreeMap<String, usize> = serde_json::from_str(&other.hear().await.unwrap()).unwrap();
    for seen in [&own, &others] {
        assert_eq!(
            seen.keys().collect::<Vec<_>>(),
            ["access-c1-0", "access-c1-1"],
            "no caller failed: {seen:?}"
        );
        assert!(seen.values().all(|times| *times >= CALLERS), "{seen:?}");
    }
    assert_eq!((world.provider.calls(), world.provider.redemptions(), world.provider.reuses()), (1, 1, 0));
}

/// What must be found after a death.
struct Expected {
    /// What a forced refresh answers once the lease has ended.
    refreshed: &'static str,
    redemptions: usize,
    /// What there is after the first token's end.
    later: &'static str,
}

fn expected(step: &str, rotation: Rotation) -> Expected {
    let lost = "reauthorization_required";
    let (refreshed, redemptions, later) = match (step, rotation == ROTATING) {
        ("leased", _) | ("marked", false) => ("access-c1-1", 1, "access-c1-2"),
        // Whether it was sent is not known, so it may not be sent again.
        ("marked", true) => ("upstream_timeout", 0, lost),
        ("redeemed", true) => ("upstream_timeout", 1, lost),
        ("redeemed", false) | ("written", _) => ("access-c1-2", 2, "access-c1-3"),
        _ => unreachable!("there is no such step"),
    };
    Expected { refreshed, redemptions, later }
}

async fn dies_at(step: &str, rotation: Rotation) {
    let world = World::new(Place::postgres(), rotation).await;
    let key = world.connect("c1").await;
    let orders = Orders {
        database_url: world.place.url.clone(),
        token_url: serve(Arc::clone(&world.provider)).await,
        rotates: rotation.rotates,
        leeway_s: rotation.reuse_leeway.map(|leeway| leeway.as_secs()),
        dies_at: Some(step.to_owned()),
    };
    let mut other = Other::start(&orders).await;
    other.tell("refresh").await;
    let status = tokio::time::timeout(DEADLINE, other.child.wait()).await.unwrap().unwrap();
    assert_eq!(status.signal(), Some(6), "it died at {step}");

    let old = if step == "written" { "access-c1-1" } else { "access-c1-0" };
    assert_eq!(get(&world.vault, &key).await, old, "{step}: what holds is served at once");
    world.advance(120);
    let expected = expected(step, rotation);
    let refreshed = outcome(&world.vault.refresh(&key).await);
    assert_eq!(refreshed, expected.refreshed, "{step}, {rotation:?}");
    assert_eq!(world.provider.redemptions(), expected.redemptions, "{step}, {rotation:?}");
    world.advance(3600);
    assert_eq!(get(&world.vault, &key).await, expected.later, "{step}, {rotation:?}");
    assert_eq!(world.provider.reuses(), 0, "{step}, {rotation:?}: nothing that ends a grant was done");
    let told = world.events("jackfield.connection.needs_reauth").await.len();
    assert_eq!(told, usize::from(expected.later == "reauthorization_required"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_at_any_step_loses_no_grant_that_can_be_kept_and_redeems_none_twice() {
    for rotation in [ROTATING, FORGIVING, LASTING] {
        for step in ["leased", "marked", "redeemed", "written"] {
            dies_at(step, rotation).await;
        }
    }
}

async fn vault(orders: &Orders) -> Vault {
    let ambient = Ambient::system();
    let url = orders.database_url.parse().unwrap();
    let database = Database::open(&url, MIGRATIONS, ambient.clone()).await.unwrap();
    let sealer = sealer(&database, &ambient).await;
    let rotation = Rotation {
        rotates: orders.rotates,
        reuse_leeway: orders.leeway_s.map(Duration::from_secs),
        ..Rotation::default()
    };
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
    let remote = Remote { token_url: orders.token_url.clone(), rotation, client };
    Vault::new(database, sealer, Arc::new(remote), ambient, Settings::default())
}

/// Ends the process at a step of the renewal.
struct DieAt(String);

impl<S: tracing::Subscriber> Layer<S> for DieAt {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        event.record(&mut Listener(&self.0));
    }
}

struct Listener<'a>(&'a str);

impl Visit for Listener<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "refresh.step" && value == self.0 {
            std::process::abort();
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the other process of the tests above, which start it"]
async fn the_other_process() {
    // Blocking reads: nothing else goes on in this process meanwhile.
    let mut lines = std::io::stdin().lines();
    let Some(line) = lines.next() else { return };
    let orders: Orders = serde_json::from_str(&line.unwrap()).unwrap();
    if let Some(step) = orders.dies_at.clone() {
        let subscriber = tracing_subscriber::registry().with(DieAt(step));
        tracing::subscriber::set_global_default(subscriber).unwrap();
    }
    let vault = vault(&orders).await;
    println!("other process: ready");
    match lines.next().transpose().unwrap().as_deref() {
        Some("besiege") => {
            let seen = besiege(&vault).await;
            println!("other process: {}", serde_json::to_string(&seen).unwrap());
        }
        Some("refresh") => {
            let refreshed = vault.refresh(&key("c1")).await;
            println!("other process: {}", outcome(&refreshed));
        }
        order => panic!("unknown order {order:?}"),
    }
}
