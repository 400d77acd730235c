//! A sandbox on loopback, and Ann's connection to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use connections::{Begin, Connections, Whose};
use connectors::http::Settings;
use connectors::{Acting, Asker, Connectors, Context, Kept, Parts};
use model::Ambient;
use tempfile::TempDir;
use testkit::Browser;
use tokio::net::TcpListener;
use url::Url;

use crate::caller::{ann, complete};
use crate::house::house;

const CLIENT_ID: &str = "jackfield";
const CLIENT_SECRET: &str = "a secret of the sandbox";
const CALLBACK: &str = "http://localhost:4000/api/v1/unified/auth/sandbox/callback";

/// Connectors, and a sandbox if there is one.
pub(crate) struct Desk {
    pub(crate) connectors: Connectors,
    connections: Connections,
    _folder: TempDir,
}

impl Desk {
    /// Connected with these scopes.
    pub(crate) async fn new(scopes: &str) -> Self {
        let root = serve().await;
        let file = format!(
            "[providers.sandbox]\nissuer = \"{root}\"\nauthorization_url = \"{root}/authorize\"\n\
             token_url = \"{root}/token\"\nuserinfo_url = \"{root}/userinfo\"\ntoken_auth = \"client_secret_basic\"\n\
             account = {{ id = \"/sub\", email = \"/email\", name = \"/name\" }}\n\
             client_id = \"{CLIENT_ID}\"\nclient_secret = \"{CLIENT_SECRET}\"\n"
        );
        let base_urls = [("notes".to_owned(), root)].into();
        let (parts, folder) = house(&file, &|_| None, Settings { base_urls, ..Settings::default() }).await;
        connect(&parts.connections, scopes).await;
        Self::of(parts, folder)
    }

    /// As a server is that is not for development.
    pub(super) async fn without_sandbox() -> Self {
        let (parts, folder) = house("", &|_| None, Settings::default()).await;
        Self::of(parts, folder)
    }

    fn of(parts: Parts, folder: TempDir) -> Self {
        let connections = parts.connections.clone();
        Self { connectors: Connectors::new(parts), connections, _folder: folder }
    }

    /// What a connector works with for Ann.
    pub(crate) async fn context(&self) -> Context {
        let Asker { tenant, user_email, connection, .. } = ann();
        let whose = Whose { tenant, user_email, provider: "sandbox".into(), connection };
        let connection = self.connections.meant(&whose).await.unwrap();
        let key = self.connections.credential(&whose.tenant, &connection);
        let credential = Arc::new(Kept::new(self.connections.vault().clone(), key));
        Context { tenant: whose.tenant, connection, credential, acting: Acting::default(), raw: false }
    }
}

/// Serves a sandbox until the test ends.
async fn serve() -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = Url::parse(&format!("http://{}/sandbox", listener.local_addr().unwrap())).unwrap();
    let config = sandbox_provider::Config {
        base_url: base_url.clone(),
        client_id: CLIENT_ID.to_owned(),
        client_secret: CLIENT_SECRET.into(),
        client_name: "Jackfield".to_owned(),
        redirect_uris: vec![CALLBACK.to_owned()],
        ambient: Ambient::system(),
    };
    let app = Router::new().nest("/sandbox", sandbox_provider::router(config));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    base_url
}

async fn connect(connections: &Connections, scopes: &str) {
    let what = Begin {
        tenant: ann().tenant,
        actor: "u1".into(),
        provider: "sandbox".into(),
        user_email: Some(ann().user_email),
        scopes: scopes.split(' ').map(str::to_owned).collect(),
        further_scopes: BTreeMap::new(),
        return_to: None,
        app_state: None,
        variables: BTreeMap::new(),
        session: None,
    };
    let begun = connections.begin(what, None).await.unwrap();
    let browser = Browser::new().unwrap();
    let page = browser.get(begun.auth_url.as_str()).await.unwrap();
    let form = page.form("Allow").unwrap().set("person", "ann").press("Allow").unwrap();
    let back = browser.submit(&form).await.unwrap().location.unwrap();
    complete(connections, "sandbox", &back).await;
}
