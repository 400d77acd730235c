//! A connection to an emulated Google, or to one that answers as it is told.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use connectors::Context;
use connectors::content::{File, WantedContent};
use connectors::http::{Http, Settings};
use futures::TryStreamExt as _;
use model::Ambient;
use serde_json::Value;
use testkit::Emulate;
use url::Url;

use crate::caller::{Fixed, raw};
use crate::http::vendor::{FakeVendor, Turn};
use crate::http::world::{context, settings};

const CALLBACK: &str = "http://127.0.0.1:9/callback";

/// A Google, and a connection to it.
pub(super) struct World<V> {
    pub(super) vendor: V,
    pub(super) http: Http,
    pub(super) context: Context,
}

impl<V> World<V> {
    fn at(vendor: V, url: &str, token: &str, settings: Settings) -> Self {
        let root = |name: &str| (name.to_owned(), Url::parse(url).unwrap());
        let base_urls = ["calendar", "drive", "gmail"].map(root).into();
        let http = Http::new(Settings { base_urls, ..settings }, Ambient::system()).unwrap();
        let mut context = context("acme", "c1", Arc::new(Fixed(token.to_owned())));
        context.connection.account.email = Some(Emulate::ANN.to_owned());
        Self { vendor, http, context }
    }

    /// The connection where the vendor's own answers are wanted, too.
    pub(super) fn raw(&self) -> Context {
        raw(&self.context)
    }
}

impl World<Emulate> {
    /// Ann's account at the emulated Google, with a token that it has given out.
    pub(super) async fn emulated() -> Self {
        let emulate = Emulate::start(&[CALLBACK]).unwrap();
        let token = token(&emulate).await;
        let url = emulate.google().to_owned();
        Self::at(emulate, &url, &token, Settings::default())
    }
}

impl World<FakeVendor> {
    /// A Google that answers in these turns.
    pub(super) async fn fake(turns: impl IntoIterator<Item = Turn>) -> Self {
        Self::fake_at("/", turns).await
    }

    /// The same where the operator has named its root with this path.
    pub(super) async fn fake_at(path: &str, turns: impl IntoIterator<Item = Turn>) -> Self {
        let vendor = FakeVendor::new(turns).await;
        let url = vendor.url.join(path).unwrap().to_string();
        Self::at(vendor, &url, "token-1", settings())
    }

    /// What was asked: method, path and query.
    pub(super) fn lines(&self) -> Vec<String> {
        self.vendor.lines("")
    }

    /// The JSON that was sent with the call of this number, from 0.
    pub(super) fn sent(&self, call: usize) -> Value {
        self.vendor.sent(call)
    }
}

async fn token(emulate: &Emulate) -> String {
    let base = emulate.google();
    let parameters = [
        ("client_id", Emulate::CLIENT_ID),
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid email https://mail.google.com/"),
        ("state", "s"),
    ];
    let url = Url::parse_with_params(&format!("{base}/o/oauth2/v2/auth"), parameters).unwrap();
    let back = emulate.consent(url.as_str(), Emulate::ANN).await.unwrap();
    let (_, code) = back.query_pairs().find(|(name, _)| name == "code").unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("client_id", Emulate::CLIENT_ID),
        ("client_secret", Emulate::CLIENT_SECRET),
    ];
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    let answer = client.post(format!("{base}/oauth2/token")).form(&form).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    answer.get("access_token").and_then(Value::as_str).unwrap().to_owned()
}

/// One of the things that a message carries.
pub(super) fn part(id: &str) -> WantedContent {
    WantedContent { part: Some(id.to_owned()), media_type: None }
}

/// All bytes of a file.
pub(super) async fn bytes(file: File) -> Vec<u8> {
    file.bytes.try_collect::<Vec<Bytes>>().await.unwrap().concat()
}
