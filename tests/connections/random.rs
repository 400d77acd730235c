//! Whatever is sent to the routes of connections, the server answers, and never with a fault of its own.

use model::{Ambient, Role};
use reqwest::Method;
use serde_json::{Value, json};
use testkit::Backend;

use super::club::Club;
use super::{credential, with_providers};
use crate::deployment::{Answer, on_both_backends};

on_both_backends!(noise_is_answered);

/// Requests to each route.
const TRIES: usize = 60;

/// A small generator (SplitMix64), so that a failure can be had again from its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound as u64).unwrap()
    }

    /// A text: one that could be meant, or noise.
    fn text(&mut self) -> String {
        const LIKELY: &[&str] = &[
            "keys",
            "machines",
            "club",
            "sandbox",
            "google",
            "ann@acme.example",
            "key-Vq7wZ2rT9",
            "active",
            "access_denied",
            "2027-01-01T00:00:00Z",
            "-1",
            "0",
            "1e400",
            "99999999999999999999",
            "true",
            "null",
            "",
            "%",
            "%00",
            "\0",
            "a\0b@c",
            "../..",
            "\u{feff}",
            "\u{202e}x",
            "'; DROP TABLE connection; --",
            "{{7*7}}",
            "\r\nx: y",
            "https://app.example/",
            "javascript:alert(1)",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        ];
        match self.below(6) {
            0 => {
                let length = self.below(24);
                let letter = |dice: &mut Self| char::from_u32(u32::try_from(dice.below(0x11_0000)).unwrap());
                (0..length).filter_map(|_| letter(self)).collect()
            }
            1 => "x".repeat(self.below(3000)),
            _ => LIKELY[self.below(LIKELY.len())].to_owned(),
        }
    }

    fn value(&mut self) -> Value {
        match self.below(10) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(self.roll()),
            3 => json!([self.text(), {}]),
            4 => json!({self.text(): self.text()}),
            _ => json!(self.text()),
        }
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// A route of the document: its method, its path, the names in its query and in its body.
struct Route {
    method: Method,
    path: String,
    query: Vec<String>,
    body: Vec<String>,
}

fn routes(document: &Value) -> Vec<Route> {
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        if !path.starts_with("/api/v1/unified") && !path.starts_with("/connect") {
            continue;
        }
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let query = parameters.iter().filter(|parameter| parameter["in"] == "query");
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
            let properties = schema.as_str().and_then(|pointer| document.pointer(&pointer[1..]));
            let properties = properties.and_then(|schema| schema["properties"].as_object());
            routes.push(Route {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                query: query.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect(),
                body: properties.map(|all| all.keys().cloned().collect()).unwrap_or_default(),
            });
        }
    }
    routes
}

impl Route {
    fn address(&self, dice: &mut Dice) -> String {
        let mut address = String::new();
        for segment in self.path.split('/').skip(1) {
            let filled = if segment.starts_with('{') { encoded(&dice.text()) } else { segment.to_owned() };
            address = format!("{address}/{filled}");
        }
        let mut pairs = Vec::new();
        for name in &self.query {
            for _ in 0..[0, 1, 1, 1, 2][dice.below(5)] {
                pairs.push(format!("{}={}", encoded(name), encoded(&dice.text())));
            }
        }
        if dice.below(10) == 0 {
            pairs.push("%ff%fe=%ff&=&&a".to_owned());
        }
        format!("{address}?{}", pairs.join("&"))
    }

    fn body(&self, dice: &mut Dice) -> Vec<u8> {
        if dice.below(12) == 0 {
            return dice.text().into_bytes();
        }
        let names = self.body.iter().filter(|_| dice.below(3) > 0).cloned().collect::<Vec<_>>();
        let members = names.into_iter().map(|name| (name, dice.value()));
        serde_json::to_vec(&members.collect::<serde_json::Map<_, _>>()).unwrap()
    }
}

#[expect(clippy::print_stdout, reason = "the seed of a failure must be seen")]
async fn noise_is_answered(backend: Backend) {
    let seed = u64::from_le_bytes(Ambient::system().bytes());
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let club = Club::start().await.with_key("key-Vq7wZ2rT9", "ann");
    let deployment = with_providers(backend, &club.providers(), |builder| {
        builder.set("RATE_LIMIT_PER_ADDRESS", "0").set("RATE_LIMIT_PER_TENANT", "0")
    });
    let document = deployment.get("/openapi.json").await.expect(200);
    let routes = routes(&document);
    assert!(routes.len() >= 18, "{}", routes.len());
    assert!(routes.iter().any(|route| !route.body.is_empty()), "the schemas are found");
    let admin = credential("acme", Role::Admin, Some("ann@acme.example"));
    for route in &routes {
        for _ in 0..TRIES {
            let (address, body) = (route.address(&mut dice), route.body(&mut dice));
            let request = deployment.server.request(route.method.clone(), &address).bearer_auth(&admin);
            let request = request.header("content-type", "application/json");
            let request = if route.body.is_empty() { request } else { request.body(body.clone()) };
            let answer = Answer::of(request).await;
            assert!(
                answer.status < 500,
                "{} {address} with {}: {}",
                route.method,
                String::from_utf8_lossy(&body),
                answer.text
            );
        }
    }
    assert!(!deployment.log().contains("\"level\":\"ERROR\""), "{}", deployment.log());
}
