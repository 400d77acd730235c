//! A sandbox and its client.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request};
use sandbox_provider::Config;
use serde_json::Value;
use testkit::{Form, ManualClock, Page};
use tower::ServiceExt as _;
use url::{Url, form_urlencoded};

pub(crate) const BASE: &str = "http://127.0.0.1:4000/sandbox";
pub(crate) const CALLBACK: &str = "http://127.0.0.1:4000/auth/sandbox/callback";
pub(crate) const OTHER_CALLBACK: &str = "http://127.0.0.1:4000/callback?tenant=a";
pub(crate) const CLIENT: &str = "jackfield dev";
pub(crate) const SECRET: &str = "a secret: with + and %";
/// Of RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// What was answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The address that it redirects to.
    pub(crate) fn location(&self) -> Url {
        assert_eq!(self.status, 303, "{}", self.body);
        self.header("location").parse().unwrap()
    }

    /// A parameter of the address that it redirects to.
    pub(crate) fn told(&self, name: &str) -> Option<String> {
        let url = self.location();
        url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    /// The one form on the page.
    pub(crate) fn form(&self) -> Form {
        let url = Url::parse(&format!("{BASE}/authorize")).unwrap();
        let Answer { status, headers, body } = self;
        let page =
            Page { url, status: *status, location: None, headers: headers.clone(), body: body.clone() };
        let [form] = page.forms().try_into().unwrap();
        form
    }
}

/// A sandbox, mounted as the program does it.
pub(crate) struct Sandbox {
    router: Router,
    clock: Arc<ManualClock>,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let (clock, ambient) = ManualClock::ambient();
        let config = Config {
            base_url: BASE.parse().unwrap(),
            client_id: CLIENT.to_owned(),
            client_secret: SECRET.into(),
            client_name: "Jackfield <dev>".to_owned(),
            redirect_uris: vec![CALLBACK.to_owned(), OTHER_CALLBACK.to_owned()],
            ambient,
        };
        Self { router: Router::new().nest("/sandbox", sandbox_provider::router(config)), clock }
    }

    pub(crate) fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Sends a request; the path is below the base URL.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/sandbox{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        Answer { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Body::empty()).await
    }

    /// Sends a form with more headers.
    pub(crate) async fn post_with(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        form: &[(&str, &str)],
    ) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend_from_slice(headers);
        self.send(Method::POST, path, &all, body).await
    }

    /// Sends a form that a person has filled in.
    pub(crate) async fn submit(&self, form: &Form) -> Answer {
        assert_eq!((form.action.as_str(), form.is_post), (&*format!("{BASE}/authorize"), true));
        let fields: Vec<_> =
            form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post_with("/authorize", &[("sec-fetch-site", "same-origin")], &fields).await
    }

    /// Sends a form to an endpoint for clients, which proves itself in the body.
    pub(crate) async fn client(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let mut all = vec![("client_id", CLIENT), ("client_secret", SECRET)];
        all.extend_from_slice(form);
        self.post_with(path, &[], &all).await
    }

    /// Asks with an access token.
    pub(crate) async fn call(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> Answer {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("authorization", bearer.as_str())];
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        self.send(method, path, &headers, body.map(|body| body.to_string()).unwrap_or_default()).await
    }

    /// A code, by the consent of a person to all that is asked for.
    pub(crate) async fn code(&self, person: &str, scope: &str) -> String {
        let page = self.get(&authorization(&[("scope", scope)])).await;
        let form = page.form().set("person", person).press("Allow").unwrap();
        self.submit(&form).await.told("code").unwrap()
    }

    /// Redeems a code.
    pub(crate) async fn redeem(&self, code: &str) -> Answer {
        self.client("/token", &redemption(code)).await
    }

    /// Redeems a refresh token.
    pub(crate) async fn refresh(&self, refresh_token: &str) -> Answer {
        self.client("/token", &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    /// The access token and the refresh token of a whole flow.
    pub(crate) async fn connect(&self, person: &str, scope: &str) -> (String, String) {
        let answer = self.redeem(&self.code(person, scope).await).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        tokens(&answer)
    }
}

/// The parameters that redeem a code.
pub(crate) fn redemption(code: &str) -> [(&str, &str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ]
}

/// The access token and the refresh token of an answer.
pub(crate) fn tokens(answer: &Answer) -> (String, String) {
    let json = answer.json();
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"))
}

/// The path of an authorization request; what is given replaces what is usual, and an empty value takes it out.
pub(crate) fn authorization(changes: &[(&str, &str)]) -> String {
    let mut parameters = vec![
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", CALLBACK),
        ("scope", "notes.read notes.write"),
        ("state", "a state & more"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    parameters.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    parameters.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("/authorize?{query}")
}
