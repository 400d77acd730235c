//! A server with what it keeps its data on, and the short forms that journeys speak in.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::LazyLock;

use model::Role;
use reqwest::header::HeaderMap;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use storage::{Database, Migration};
use testkit::{Backend, Builder, Postgres, TestServer};

/// One PostgreSQL server for all journeys; each has a database of its own in it.
pub(crate) static POSTGRES: LazyLock<Postgres> = LazyLock::new(|| Postgres::start().unwrap());

/// Every table of the program.
pub(crate) const MIGRATIONS: &[&[Migration]] = &[
    storage::MIGRATIONS,
    identity::MIGRATIONS,
    registry::MIGRATIONS,
    connections::MIGRATIONS,
    runtime::MIGRATIONS,
    runtime::lifecycle::MIGRATIONS,
    events::MIGRATIONS,
];

/// Somebody with a role in a tenant.
pub(crate) type Who = (&'static str, Role);

pub(crate) const ADMIN: Who = ("acme", Role::Admin);
pub(crate) const USER: Who = ("acme", Role::User);
pub(crate) const PLATFORM: Who = ("acme", Role::PlatformAdmin);

/// Makes a test of each function on SQLite with a folder, and one on PostgreSQL with S3.
macro_rules! on_both_backends {
    ($($journey:ident),* $(,)?) => {
        mod on_sqlite_and_a_folder {
            $(#[tokio::test]
            async fn $journey() {
                super::$journey(testkit::Backend::files()).await;
            })*
        }
        mod on_postgres_and_s3 {
            $(#[tokio::test]
            async fn $journey() {
                super::$journey(testkit::Backend::servers(&crate::deployment::POSTGRES).unwrap()).await;
            })*
        }
    };
}
pub(crate) use on_both_backends;

/// A running server and its storage.
pub(crate) struct Deployment {
    pub(crate) server: TestServer,
    pub(crate) backend: Backend,
}

impl Deref for Deployment {
    type Target = TestServer;

    fn deref(&self) -> &TestServer {
        &self.server
    }
}

impl Deployment {
    pub(crate) fn start(backend: Backend) -> Self {
        Self::start_with(backend, |builder| builder)
    }

    pub(crate) fn start_with(backend: Backend, set: impl FnOnce(Builder) -> Builder) -> Self {
        let server = set(backend.configure(crate::server())).start().unwrap();
        Self { server, backend }
    }

    pub(crate) async fn database(&self) -> Database {
        self.backend.database(self.folder(), MIGRATIONS).await.unwrap()
    }

    pub(crate) fn blob_keys(&self) -> BTreeSet<String> {
        self.backend.blob_keys(self.folder()).unwrap()
    }

    /// The first column, text, of all rows that `sql` finds.
    pub(crate) async fn column(&self, sql: &'static str) -> Vec<String> {
        let database = self.database().await;
        let mut conn = database.read().await.unwrap();
        let rows: Vec<(String,)> = storage::on!(conn, |c| sqlx::query_as(sql).fetch_all(c).await).unwrap();
        drop(conn);
        database.close().await;
        rows.into_iter().map(|(text,)| text).collect()
    }

    /// The log, an event a line: tenant (or `-`), type without `jackfield.`, subject.
    pub(crate) async fn events(&self) -> Vec<String> {
        let database = self.database().await;
        let mut conn = database.read().await.unwrap();
        let events = storage::events_after(&mut conn, 0).await.unwrap();
        drop(conn);
        database.close().await;
        let line = |event: storage::LoggedEvent| {
            let kind = event.kind.strip_prefix("jackfield.").unwrap_or(&event.kind).to_owned();
            format!("{} {kind} {}", event.tenant.unwrap_or_else(|| "-".into()), event.subject)
        };
        events.into_iter().map(line).collect()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.server.get(path)).await
    }

    pub(crate) async fn get_as(&self, (tenant, role): Who, path: &str) -> Answer {
        Answer::of(self.request_as(tenant, role, Method::GET, path)).await
    }

    pub(crate) async fn post(&self, (tenant, role): Who, path: &str, body: &Value) -> Answer {
        Answer::of(self.request_as(tenant, role, Method::POST, path).json(body)).await
    }

    pub(crate) async fn put(&self, (tenant, role): Who, path: &str, body: &Value) -> Answer {
        Answer::of(self.request_as(tenant, role, Method::PUT, path).json(body)).await
    }

    pub(crate) async fn delete(&self, (tenant, role): Who, path: &str) -> Answer {
        Answer::of(self.request_as(tenant, role, Method::DELETE, path)).await
    }

    /// Sends a form with a `file` and text fields.
    pub(crate) async fn upload(
        &self,
        (tenant, role): Who,
        path: &str,
        file: impl Into<Vec<u8>>,
        fields: &[(&'static str, &str)],
    ) -> Answer {
        let form = Form::new().part("file", Part::bytes(file.into()).file_name("file"));
        let form = fields.iter().fold(form, |form, (name, text)| form.text(*name, (*text).to_owned()));
        Answer::of(self.request_as(tenant, role, Method::POST, path).multipart(form)).await
    }

    /// Publishes a plugin of one file into the catalog of `who`.
    pub(crate) async fn publish(&self, who: Who, id: &str, version: &str) -> Value {
        self.post(who, "/plugins", &plugin(id, version)).await.expect(201)
    }

    pub(crate) async fn install(&self, who: Who, id: &str) -> Value {
        self.post(who, "/plugins/install", &json!({"pluginId": id})).await.expect(201)
    }
}

/// A manifest, to be published with something to run.
pub(crate) fn manifest(id: &str, version: &str) -> Value {
    json!({
        "id": id, "name": format!("Plugin {id}"), "version": version, "category": "payment",
        "description": format!("what {id} is for"),
    })
}

/// The body that publishes a plugin of one file.
pub(crate) fn plugin(id: &str, version: &str) -> Value {
    with(manifest(id, version), &json!({"sourceCode": source(&format!("{id} {version}"))}))
}

/// A plugin of one file at the extension point `checkout`, which shows `text`.
pub(crate) fn source(text: &str) -> String {
    format!(
        "export default {{ name: 'Plugin', extensionPoints: {{ checkout: () => <p>{{'{text}'}}</p> }} }};"
    )
}

/// `body` with some of its fields replaced.
pub(crate) fn with(mut body: Value, fields: &Value) -> Value {
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        Self::read(request.send().await.unwrap()).await
    }

    pub(crate) async fn read(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        // A stream has no end.
        let is_stream = headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let text = if is_stream { String::new() } else { response.text().await.unwrap() };
        Self { status, headers, text }
    }

    /// The JSON of an answer that must have `status`.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        serde_json::from_str(&self.text).unwrap()
    }

    /// Holds the answer against a status and a text.
    #[track_caller]
    pub(crate) fn expect_text(&self, status: u16, text: &str) {
        assert_eq!((self.status, self.text.as_str()), (status, text));
    }

    /// The problem of an answer that must be one, of the kind `code`.
    #[track_caller]
    pub(crate) fn problem(&self, code: &str) -> Value {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.text);
        let body = self.expect(self.status);
        assert_eq!(
            (body["code"].as_str(), body["status"].as_u64()),
            (Some(code), Some(self.status.into())),
            "{body:#}"
        );
        assert!(body["detail"].as_str().is_some_and(|text| !text.is_empty()), "{body:#}");
        body
    }

    /// The pointers of a problem's errors.
    #[track_caller]
    pub(crate) fn pointers(&self, code: &str) -> Vec<String> {
        let body = self.problem(code);
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }
}

/// The values of one field of an array of objects.
#[track_caller]
pub(crate) fn each<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|item| item[field].as_str().unwrap()).collect()
}
