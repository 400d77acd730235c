//! Authorization URLs, whatever an entry or a caller puts in.

use std::collections::HashMap;

use model::Ambient;

use super::*;
use crate::catalog::Resolved;
use crate::protocol::sample::{self, credential};
use crate::protocol::{App, Http, HttpConfig};

/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

struct Case {
    provider: Provider,
    base: &'static str,
    scopes: BTreeMap<String, Vec<String>>,
    extra: BTreeMap<String, String>,
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn list(items: &[&str]) -> Vec<String> {
    items.iter().map(|&item| item.to_owned()).collect()
}

fn case() -> Case {
    Case {
        provider: sample::provider(),
        base: "https://provider.example/authorize",
        scopes: BTreeMap::from([("main".to_owned(), list(&["read", "write"]))]),
        extra: BTreeMap::new(),
    }
}

impl Case {
    fn url(&self) -> Url {
        let http = Http::new(&HttpConfig::default(), Ambient::system()).unwrap();
        let resolved = Resolved { authorization: Some(self.base.parse().unwrap()), ..sample::resolved() };
        let app = App { client_id: "client 1".to_owned(), client_secret: Some("hush".into()) };
        let client = Client { http: &http, provider: &self.provider, resolved: &resolved, app: &app };
        let request = AuthorizationRequest {
            redirect_uri: "https://app.example/callback?a=b&c",
            state: "s+t/a=te",
            verifier: &Verifier::from(SecretString::from(VERIFIER)),
            scopes: &self.scopes,
            extra: &self.extra,
        };
        client.authorization_url(&request).unwrap()
    }

    /// The parameters, of which none may come twice.
    fn query(&self) -> HashMap<String, String> {
        let url = self.url();
        let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(query.len(), url.query_pairs().count(), "{url}");
        query
    }
}

#[test]
fn the_challenge_is_the_one_of_the_rfc() {
    assert_eq!(Verifier::from(SecretString::from(VERIFIER)).challenge(), CHALLENGE);
    let (one, other) = (Verifier::generate(&Ambient::system()), Verifier::generate(&Ambient::system()));
    assert_ne!(one.challenge(), other.challenge());
    let text = one.secret().expose_secret();
    assert_eq!(text.len(), 43);
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
}

#[test]
fn the_url_says_what_rfc_6749_and_7636_ask_for() {
    let expected = map(&[
        ("response_type", "code"),
        ("client_id", "client 1"),
        ("redirect_uri", "https://app.example/callback?a=b&c"),
        ("scope", "read write"),
        ("state", "s+t/a=te"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    assert_eq!(case().query(), expected.into_iter().collect());
    let mut without = case();
    without.provider.pkce = false;
    without.scopes.clear();
    let query = without.query();
    assert!(
        ["scope", "code_challenge", "code_challenge_method"].iter().all(|name| !query.contains_key(*name))
    );
    assert!(!without.url().as_str().contains(VERIFIER) && !without.url().as_str().contains("hush"));
}

#[test]
fn nobody_replaces_what_is_reserved_however_it_is_written() {
    let hostile = [
        "state",
        "STATE",
        "state[]",
        "state[0]",
        " state",
        "code_challenge",
        "Code-Challenge",
        "code.challenge",
        "code_challenge_method",
        "client_id",
        "client id",
        "redirect_uri",
        "redirect-uri",
        "response_type",
        "response_mode",
        "request",
        "request_uri",
        "client_secret",
        "nonce",
        "code_verifier",
        "scope",
        "Scope",
        "scope[]",
    ];
    let params: Vec<_> = hostile.iter().map(|name| (*name, "evil")).collect();
    let mut case = case();
    case.extra = map(&params);
    case.provider.authorization_params = map(&params);
    case.base =
        "https://provider.example/authorize?state=evil&REDIRECT_URI=evil&response_mode=evil&keep=1#evil";
    let url = case.url();
    assert!(!url.as_str().contains("evil"), "{url}");
    assert_eq!(case.query()["keep"], "1");
    assert_eq!(case.query()["state"], "s+t/a=te");
}

#[test]
fn the_callers_own_parameters_are_added_and_the_entrys_stand() {
    let mut case = case();
    case.base = "https://provider.example/authorize?audience=api&access_type=base";
    case.provider.authorization_params = map(&[("access_type", "entry"), ("prompt", "consent")]);
    case.extra = map(&[
        ("login_hint", "ada@example.com&state=evil"),
        ("Prompt", "none"),
        ("audience", "other"),
        ("hd", "example.com"),
    ]);
    let query = case.query();
    assert_eq!(query["login_hint"], "ada@example.com&state=evil");
    assert_eq!(query["hd"], "example.com");
    assert_eq!(query["prompt"], "consent");
    assert!(!query.contains_key("Prompt"));
    assert_eq!((query["audience"].as_str(), query["access_type"].as_str()), ("api", "base"));
}

#[test]
fn each_credential_has_its_own_scopes_in_its_own_parameter() {
    let mut case = case();
    case.provider.scope_separator = ",".to_owned();
    case.provider.credentials = vec![credential("bot", "scope"), credential("user", "user_scope")];
    case.scopes = BTreeMap::from([
        ("bot".to_owned(), list(&["chat:write", "files:read"])),
        ("user".to_owned(), list(&["search:read"])),
        ("nobody".to_owned(), list(&["admin"])),
    ]);
    case.extra = map(&[("user_scope", "admin")]);
    let query = case.query();
    assert_eq!(
        (query["scope"].as_str(), query["user_scope"].as_str()),
        ("chat:write,files:read", "search:read")
    );

    case.provider.credentials = vec![credential("one", "scope"), credential("two", "scope")];
    case.scopes =
        BTreeMap::from([("one".to_owned(), list(&["a", "b"])), ("two".to_owned(), list(&["b", "c"]))]);
    assert_eq!(case.query()["scope"], "a,b,c", "two may share one parameter");
}

#[test]
fn what_is_not_asked_for_is_the_entrys_default() {
    let mut provider = sample::provider();
    provider.credentials = vec![credential("bot", "scope"), credential("user", "user_scope")];
    let asked = |provider: &Provider, asked: &[(&str, &[&str])]| {
        let asked = asked.iter().map(|(name, scopes)| ((*name).to_owned(), list(scopes))).collect();
        let scopes = requested_scopes(provider, &asked);
        (scopes["bot"].clone(), scopes["user"].clone())
    };
    assert_eq!(asked(&provider, &[]), (list(&["read"]), list(&[])));
    assert_eq!(asked(&provider, &[("bot", &["a"])]), (list(&["a"]), list(&[])));
    assert_eq!(asked(&provider, &[("bot", &[]), ("user", &["u"])]), (list(&["read"]), list(&["u"])));
    provider.credentials[0].default_scopes = list(&["own"]);
    provider.credentials[1].default_scopes = list(&["users"]);
    assert_eq!(asked(&provider, &[]), (list(&["own"]), list(&["users"])));
}

#[test]
fn a_provider_without_a_page_has_no_url() {
    let http = Http::new(&HttpConfig::default(), Ambient::system()).unwrap();
    let app = App { client_id: "client".to_owned(), client_secret: None };
    let (provider, resolved) = (sample::provider(), sample::resolved());
    let client = Client { http: &http, provider: &provider, resolved: &resolved, app: &app };
    let request = AuthorizationRequest {
        redirect_uri: "https://app.example/",
        state: "s",
        verifier: &Verifier::from(SecretString::from(VERIFIER)),
        scopes: &BTreeMap::new(),
        extra: &BTreeMap::new(),
    };
    assert!(client.authorization_url(&request).is_none());
}
