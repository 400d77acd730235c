//! Whatever the operator's file and a connection's variables hold, reading them ends in an answer, never in a panic,
//! and no value leaves the place that the catalog gives it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use connections::catalog::{Catalog, Discovery};
use model::Ambient;
use reqwest::Client;

/// A small generator (SplitMix64), so that a failure can be had again from its seed.
struct Dice(u64);

impl Dice {
    #[expect(clippy::print_stdout, reason = "the seed of a failure must be seen")]
    fn from_chance() -> Self {
        let seed = u64::from_le_bytes(Ambient::system().bytes());
        println!("seed {seed}");
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound as u64).unwrap()
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    fn noise(&mut self) -> String {
        let length = self.below(12);
        (0..length).filter_map(|_| char::from_u32(u32::try_from(self.below(0x2100)).unwrap())).collect()
    }
}

const KEYS: &[&str] = &[
    "account",
    "api_hosts",
    "authorization_params",
    "authorization_url",
    "body_format",
    "client_id",
    "client_secret",
    "credentials",
    "default_scopes",
    "flow",
    "headers",
    "issuer",
    "like",
    "name",
    "pkce",
    "promises_iss",
    "redirect_uri",
    "revocation",
    "revocation_url",
    "rotation",
    "scope_separator",
    "scopes",
    "sites",
    "token_auth",
    "token_params",
    "token_url",
    "userinfo_url",
    "variables",
    "nonsense",
    "\"ä b\"",
    "a.b.c",
];

const VALUES: &[&str] = &[
    "\"\"",
    "\"x\"",
    "1",
    "-1.5",
    "true",
    "[]",
    "{}",
    "[1]",
    "[\"a\", \"b c\"]",
    "[{}]",
    "[[]]",
    "{ a = 1 }",
    "nan",
    "1979-05-27T07:32:00Z",
    "\"https://x.example/{v}/\"",
    "\"https://{v}\"",
    "\"https://{v\"",
    "\"http://[::1]\"",
    "\"https://{client_id}@x\"",
    "\"{}}{\"",
    "\"token:/a~\"",
    "\"/a~1b\"",
    "\"api_key\"",
    "\"client_credentials\"",
    "\"google\"",
    "\"90d\"",
    "\"99999999999999999999d\"",
    "\"json\"",
    "\"none\"",
    "{ v = { pattern = \"host_name\" } }",
    "{ v = { pattern = \"path_segment\", default = \"x\" } }",
    "{ client_id = {} }",
    "{ state = \"x\" }",
    "{ rotates = true, reuse_leeway = \"1d\" }",
    "{ url = \"https://x.example\" }",
    "{ method = \"DELETE\" }",
    "{ id = [\"/a\", \"token:/b\"] }",
    "[{ name = \"a\", at = \"/a\" }, { scope_param = \"x\" }]",
    "\"\\u0000\"",
];

#[test]
fn chance_files_never_panic_and_hide_secrets() {
    let mut dice = Dice::from_chance();
    let mut sound = 0;
    for _ in 0..1_500 {
        let mut file = String::new();
        for _ in 0..dice.below(3) {
            let name = dice.pick(&["google", "own", "own-2", "Bad", "\"\"", "generic"]);
            writeln!(file, "[providers.{name}]").unwrap();
            for _ in 0..dice.below(6) {
                writeln!(file, "{} = {}", dice.pick(KEYS), dice.pick(VALUES)).unwrap();
            }
            writeln!(file, "client_secret = \"hush-hush{}", dice.pick(&["\"", "\"", "\"", ""])).unwrap();
        }
        if dice.below(4) == 0 {
            let at = file.floor_char_boundary(dice.below(file.len() + 1));
            file.insert_str(at, &dice.noise());
        }
        let noise = dice.noise();
        let outcome =
            Catalog::load(&[], Some(&file), &|name| name.ends_with("SCOPES").then(|| noise.clone()));
        sound += usize::from(outcome.is_ok());
        assert!(!format!("{outcome:?}").contains("hush-hush"), "{file}");
        if dice.below(10) == 0 {
            assert!(Catalog::setting_names(Some(&file)).len() >= 28);
        }
    }
    assert!(sound > 0, "no file was sound");
}

const TEMPLATES: &str = r#"
[providers.shop]
authorization_url = "https://{label}.shops.example/{segment}/authorize"
token_url = "https://{name}/realms/{segment}/token?x={segment}"
[providers.shop.variables]
label = { pattern = "host_label" }
name = { pattern = "host_name" }
segment = { pattern = "path_segment" }
"#;

#[tokio::test]
async fn chance_values_never_leave_their_place() {
    let catalog = Catalog::load(&[], Some(TEMPLATES), &|_| None).unwrap();
    let shop = catalog.get("shop").unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    let discovery = Discovery::new(client, Ambient::system());
    let mut dice = Dice::from_chance();
    let pieces: Vec<&str> =
        "a Z 9 a1 b-c shop.example .example - . .. _ / \\ @ : # ? %2e %2f xn-- [ {label} ß 。 \u{0} \u{7f}"
            .split(' ')
            .collect();
    let mut sound = 0;
    for _ in 0..10_000 {
        let mut value = |sound: &str| match dice.below(3) {
            0 => sound.to_owned(),
            1 => format!("{sound}{}", dice.pick(&pieces)),
            _ => (0..=dice.below(3)).map(|_| dice.pick(&pieces)).collect(),
        };
        let sound_ones = [("label", "acme"), ("name", "shop.example"), ("segment", "main")];
        let variables: BTreeMap<String, String> =
            sound_ones.into_iter().map(|(name, sound)| (name.to_owned(), value(sound))).collect();
        let Ok(resolved) = shop.resolve(&variables, "c", &discovery).await else { continue };
        sound += 1;
        let (authorization, token) = (resolved.authorization.unwrap(), resolved.token.unwrap());
        let host = authorization.host_str().unwrap();
        assert!(
            host.strip_suffix(".shops.example").is_some_and(|label| !label.contains('.')),
            "{variables:?}"
        );
        assert_eq!(authorization.path(), format!("/{}/authorize", variables["segment"]));
        assert_eq!(token.host_str(), Some(variables["name"].to_ascii_lowercase().as_str()));
        assert_eq!(token.path(), format!("/realms/{}/token", variables["segment"]));
        for url in [authorization, token] {
            assert!(url.username().is_empty() && url.port().is_none() && url.fragment().is_none(), "{url}");
        }
    }
    assert!(sound > 500, "only {sound} were sound");
}
