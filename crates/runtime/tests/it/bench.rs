//! A runtime with a database of its own, and plugins that are installed in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::storage::{Database, Tx};
use async_trait::async_trait;
use connectors::Asker;
use model::{Ambient, Clock, SystemRandom, Timestamp};
use registry::{BackendKind, ConnectionAsk, Departure, Deployment, Grants, HostRule, Program};
use runtime::{
    Installations, Log, LogQuery, Logged, Parts, Runtime, Settings, Sign, Unified, UnifiedError, User, Who,
};
use sandbox::Host;
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use crate::installed;
use crate::place::Place;

/// A clock that a test sets.
pub(crate) struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst))
    }
}

/// Secrets that an admin has set.
pub(crate) struct Vault {
    secrets: Mutex<BTreeMap<String, String>>,
    /// How often some were opened.
    pub(crate) opened: AtomicU32,
    /// Whether what has departed is installed again.
    pub(crate) is_back: AtomicBool,
    /// Who looks for that is held here first, where it is asked for.
    pub(crate) gate: Mutex<Option<Arc<Gate>>>,
}

/// Holds who comes to it until it is opened.
#[derive(Default)]
pub(crate) struct Gate {
    pub(crate) reached: Notify,
    pub(crate) opened: Notify,
}

#[async_trait]
impl Installations for Vault {
    async fn program(&self, _: &Deployment) -> Result<Program, registry::Error> {
        Err(registry::Error::BundleNotFound)
    }

    async fn secrets(
        &self,
        _: &Deployment,
        names: &[&str],
    ) -> Result<BTreeMap<String, SecretString>, registry::Error> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let secrets = self.secrets.lock().unwrap();
        let wanted = secrets.iter().filter(|(name, _)| names.contains(&name.as_str()));
        Ok(wanted.map(|(name, value)| (name.clone(), SecretString::from(value.as_str()))).collect())
    }

    async fn has_successor(&self, _: &mut Tx, _: &Departure) -> Result<bool, ::storage::Error> {
        let is_back = self.is_back.load(Ordering::SeqCst);
        let gate = self.gate.lock().unwrap().take();
        if let Some(gate) = gate {
            gate.reached.notify_one();
            gate.opened.notified().await;
        }
        Ok(is_back)
    }
}

/// What was asked of connectors.
#[derive(Default)]
pub(crate) struct Asked(pub(crate) Mutex<Vec<Question>>);

/// Which connector, which operation, whose connection, with what, and who has asked.
pub(crate) type Question = (String, String, String, Map<String, Value>, String);

#[async_trait]
impl Unified for Asked {
    async fn call(
        &self,
        asker: &Asker,
        connector: &str,
        operation: &str,
        arguments: Map<String, Value>,
    ) -> Result<Value, UnifiedError> {
        let question = (
            connector.to_owned(),
            operation.to_owned(),
            asker.user_email.clone(),
            arguments,
            asker.actor.clone(),
        );
        self.0.lock().unwrap().push(question);
        Ok(json!({"items": []}))
    }

    fn canonical(&self, name: &str) -> Option<&'static str> {
        [("notes", "notes"), ("jira", "jira"), ("atlassian", "jira")]
            .into_iter()
            .find_map(|(known, id)| (known == name).then_some(id))
    }
}

/// Writes what it is to sign where the product of a test can read it.
pub(crate) struct Plain;

#[async_trait]
impl Sign for Plain {
    async fn sign(
        &self,
        kind: &str,
        lifetime: Duration,
        claims: &Map<String, Value>,
    ) -> Result<SecretString, identity::Error> {
        let said = json!({"typ": kind, "lifetime": lifetime.as_secs(), "claims": claims}).to_string();
        Ok(SecretString::from(said))
    }
}

pub(crate) struct Bench {
    pub(crate) runtime: Runtime,
    pub(crate) database: Database,
    pub(crate) clock: Arc<Hands>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) asked: Arc<Asked>,
    place: Arc<Place>,
}

impl Bench {
    pub(crate) async fn new(place: Place) -> Self {
        Self::with(place, "", Settings::default()).await
    }

    /// A runtime with these settings; `allow` is what OUTBOUND_ALLOW would say.
    pub(crate) async fn with(place: Place, allow: &str, settings: Settings) -> Self {
        let bench = Self::on(Arc::new(place), allow, settings).await;
        installed::all(&bench.database).await;
        bench
    }

    /// Another process on the same database.
    pub(crate) async fn beside(&self) -> Self {
        Self::on(Arc::clone(&self.place), "", Settings::default()).await
    }

    async fn on(place: Arc<Place>, allow: &str, settings: Settings) -> Self {
        let clock = Arc::new(Hands(AtomicI64::new(1_800_000_000_000)));
        let ambient = Ambient::new(Arc::clone(&clock) as Arc<dyn Clock>, Arc::new(SystemRandom));
        let database = place.open(&ambient).await;
        let vault = Arc::new(Vault {
            secrets: Mutex::default(),
            opened: AtomicU32::new(0),
            is_back: AtomicBool::new(false),
            gate: Mutex::default(),
        });
        let asked = Arc::new(Asked::default());
        let runtime = Runtime::new(Parts {
            database: database.clone(),
            sandbox: sandbox::Sandbox::new(sandbox::Settings::default(), ambient.clone()).unwrap(),
            installations: Arc::clone(&vault) as Arc<dyn Installations>,
            guard: outbound::Guard::new(allow.parse().unwrap(), Vec::new()).unwrap(),
            unified: Arc::clone(&asked) as Arc<dyn Unified>,
            signer: Arc::new(Plain),
            log: Log::start(database.clone(), ambient.clone()),
            settings,
            ambient,
        });
        Self { runtime: runtime.unwrap(), database, clock, vault, asked, place }
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.clock.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn set_secret(&self, name: &str, value: &str) {
        self.vault.secrets.lock().unwrap().insert(name.into(), value.into());
    }

    /// A call of the plugin by nobody.
    pub(crate) fn call(&self, plugin: Deployment) -> Call {
        self.call_by(plugin, None)
    }

    /// A call of the plugin by the user of this address.
    pub(crate) fn call_by(&self, plugin: Deployment, email: Option<&str>) -> Call {
        let user = email.map(|email| User {
            id: "u1".into(),
            email: Some(email.to_owned()).filter(|email| !email.is_empty()),
            name: None,
            role: "user",
        });
        let who = Who { user, request_id: Some("r1".into()), hops: 0 };
        Call(self.runtime.host(&Arc::new(plugin), who, "test"))
    }

    /// The newest lines of a plugin's log, once `count` are there.
    pub(crate) async fn lines(&self, tenant: &str, key: &str, count: usize) -> Vec<Logged> {
        let tenant = tenant.parse().unwrap();
        for _ in 0..400 {
            let query = LogQuery { limit: Some(1000), ..LogQuery::default() };
            let lines = self.runtime.log().list(&tenant, key, query).await.unwrap().lines;
            if lines.len() >= count {
                return lines;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("fewer than {count} lines were written");
    }
}

/// A call that is under way.
pub(crate) struct Call(pub(crate) Arc<dyn Host>);

impl Call {
    pub(crate) async fn ask(&self, operation: &str, argument: Value) -> Result<Value, String> {
        let answer = self.0.call(operation, argument.to_string()).await?;
        Ok(serde_json::from_str(&answer).unwrap())
    }

    pub(crate) async fn get(&self, key: &str) -> Value {
        self.ask("storage.get", json!({"key": key})).await.unwrap()
    }

    pub(crate) async fn set(&self, key: &str, value: Value) -> Result<Value, String> {
        self.ask("storage.set", json!({"key": key, "value": value})).await
    }
}

/// A plugin in a tenant that asks for nothing.
pub(crate) fn plugin(tenant: &str, id: &str) -> Deployment {
    Deployment {
        tenant: tenant.parse().unwrap(),
        plugin: id.parse().unwrap(),
        plugin_key: format!("key-of-{id}"),
        version_key: format!("version-of-{id}"),
        version: "1.0.0".into(),
        enabled: true,
        departed: false,
        incarnation: 1,
        kind: Some(BackendKind::Script),
        routes: Vec::new(),
        hooks: Vec::new(),
        listeners: [].into(),
        handlers: BTreeSet::new(),
        hosts: Vec::new(),
        emits: BTreeSet::new(),
        webhook: None,
        grants: Grants::default(),
        configuration: Map::new(),
        sensitive: [].into(),
    }
}

/// The end of that plugin's installation.
pub(crate) fn departure(tenant: &str, id: &str) -> Departure {
    Departure {
        tenant: tenant.parse().unwrap(),
        plugin_key: format!("key-of-{id}"),
        at: Timestamp::from_millisecond(1),
    }
}

/// The plugin with a rule for a host, consented to.
pub(crate) fn with_host(
    mut plugin: Deployment,
    host: &str,
    headers: &[(&str, &str)],
    query: &[(&str, &str)],
) -> Deployment {
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    plugin.hosts.push(HostRule { host: host.into(), headers: pairs(headers), query: pairs(query) });
    plugin.grants.hosts.insert(host.into());
    plugin
}

pub(crate) fn with_connection(mut plugin: Deployment, ask: Value) -> Deployment {
    let ask: ConnectionAsk = serde_json::from_value(ask).unwrap();
    plugin.grants.connections.insert(ask);
    plugin
}
