//! Token answers in every form.

use model::Ambient;
use secrecy::ExposeSecret;
use serde_json::json;

use super::*;

fn read(answer: &Value) -> Result<Option<Tokens>, CallError> {
    tokens_in(answer, "main", " ")
}

fn good(answer: &Value) -> Tokens {
    read(answer).unwrap().unwrap()
}

#[test]
fn an_access_token_is_text_that_fits_a_header() {
    assert_eq!(good(&json!({"access_token": "ya29.a0-_~+/="})).access.expose_secret(), "ya29.a0-_~+/=");
    assert!(read(&json!({})).unwrap().is_none());
    assert!(read(&json!({"access_token": null})).unwrap().is_none());
    for wrong in [
        json!(""),
        json!("  "),
        json!(7),
        json!(true),
        json!(["a"]),
        json!({"a": "a"}),
        json!("a\nb"),
        json!("a\u{0}"),
        json!("a\u{7f}"),
        json!("ä"),
        json!("x".repeat(32 * 1024 + 1)),
    ] {
        let error = read(&json!({"access_token": wrong})).unwrap_err();
        assert_eq!(error, CallError::Malformed("access_token"), "{wrong}");
    }
}

#[test]
fn a_missing_refresh_token_is_none_and_a_broken_one_is_an_error() {
    let with = |refresh: Value| read(&json!({"access_token": "a", "refresh_token": refresh}));
    for missing in [json!(null), json!(""), json!(false)] {
        assert!(with(missing).unwrap().unwrap().refresh.is_none());
    }
    assert_eq!(with(json!("r")).unwrap().unwrap().refresh.unwrap().expose_secret(), "r");
    for wrong in [json!(7), json!(true), json!("a\r\nb"), json!({})] {
        assert_eq!(with(wrong).unwrap_err(), CallError::Malformed("refresh_token"));
    }
}

#[test]
fn only_bearer_tokens_and_the_entrys_own_kinds_are_taken() {
    let of = |name: &str, kind: Value| {
        tokens_in(&json!({"access_token": "a", "token_type": kind}), name, " ").map(drop)
    };
    for good in [json!("bearer"), json!("Bearer"), json!("BEARER"), json!(" bearer "), json!(null), json!("")]
    {
        assert_eq!(of("main", good.clone()), Ok(()), "{good}");
    }
    assert_eq!(of("bot", json!("bot")), Ok(()));
    for (name, wrong) in [
        ("main", json!("mac")),
        ("main", json!("DPoP")),
        ("main", json!("bot")),
        ("user", json!("bot")),
        ("main", json!("bearers")),
        ("main", json!(1)),
        ("main", json!(["bearer"])),
    ] {
        assert_eq!(of(name, wrong.clone()), Err(CallError::Malformed("token_type")), "{name} {wrong}");
    }
}

#[test]
fn a_life_is_told_in_any_form_and_believed_within_bounds() {
    let ten_years = 10 * 365 * 86_400;
    for (said, expected) in [
        (json!(3600), Some(3600)),
        (json!("3600"), Some(3600)),
        (json!(" 3600.5 "), Some(3600)),
        (json!(3599.9), Some(3599)),
        (json!(1e300), Some(ten_years)),
        (json!("1e400"), Some(ten_years)),
        (json!(u64::MAX), Some(ten_years)),
        (json!("inf"), Some(ten_years)),
        (json!(0), None),
        (json!(-1), None),
        (json!("-3600"), None),
        (json!("NaN"), None),
        (json!(""), None),
        (json!("never"), None),
        (json!(null), None),
        (json!(true), None),
        (json!([3600]), None),
    ] {
        let tokens = good(&json!({"access_token": "a", "expires_in": said}));
        assert_eq!(tokens.expires_in.map(|life| life.as_secs()), expected, "{said}");
    }
    assert_eq!(good(&json!({"access_token": "a"})).expires_in, None);
}

#[test]
fn scopes_are_told_apart_by_the_entrys_separator_and_near_it() {
    for (said, separator, expected) in [
        (json!("read write"), " ", vec!["read", "write"]),
        (json!("  read\twrite read "), " ", vec!["read", "write"]),
        (json!("chat:write,files:read"), ",", vec!["chat:write", "files:read"]),
        (json!("chat:write, files:read"), ",", vec!["chat:write", "files:read"]),
        (json!("a b,c"), ",", vec!["a", "b", "c"]),
        // Asked with spaces, answered with commas.
        (json!("repo,gist"), " ", vec!["gist", "repo"]),
        // A comma within a scope, among others that are parted by spaces.
        (json!("fields:a,b read"), " ", vec!["fields:a,b", "read"]),
        (json!("a;b c"), ";", vec!["a", "b", "c"]),
        (json!("a+b"), "+", vec!["a", "b"]),
        (json!("a b"), "", vec!["a", "b"]),
        (json!(["b", "a", 7, " ", "a"]), " ", vec!["a", "b"]),
        (json!(""), " ", vec![]),
        (json!([]), " ", vec![]),
    ] {
        assert_eq!(scopes(&said, separator).unwrap(), expected, "{said} by {separator:?}");
    }
    for unsaid in [json!(null), json!(7), json!({"read": true})] {
        assert_eq!(scopes(&unsaid, " "), None, "{unsaid}");
    }
    let many: Vec<String> = (0..5000).map(|index| format!("s{index}")).collect();
    assert_eq!(scopes(&json!(many.join(" ")), " ").unwrap().len(), MAX_SCOPES);
    assert_eq!(
        good(&json!({"access_token": "a", "scopes": "x y"})).scopes.unwrap(),
        ["x", "y"],
        "the plural"
    );
}

/// A small generator (SplitMix64), so that a failure can be had again from its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }

    /// JSON of the members that are looked at, with values of every kind.
    fn value(&mut self, depth: usize) -> Value {
        let names =
            ["access_token", "refresh_token", "token_type", "expires_in", "scope", "error", "ok", "a"];
        let texts = ["", " ", "bearer", "-1", "9e999", "a,b c", "\u{0}", "ä\u{202e}", "invalid_grant"];
        match self.below(if depth == 0 { 6 } else { 9 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.below(usize::MAX)),
            3 => json!(-1.5e300),
            4 | 5 => json!(texts[self.below(texts.len())]),
            6 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => {
                let members =
                    (0..self.below(8)).map(|_| (names[self.below(8)].to_owned(), self.value(depth - 1)));
                Value::Object(members.collect())
            }
        }
    }
}

#[test]
fn chance_answers_never_panic_and_never_bring_a_broken_token() {
    let seed = u64::from_le_bytes(Ambient::system().bytes());
    println!("seed {seed}");
    let mut dice = Dice(seed);
    for _ in 0..20_000 {
        let value = dice.value(3);
        let mut body = value.to_string();
        if dice.below(4) == 0 {
            let mut cut = dice.below(body.len() + 1);
            while !body.is_char_boundary(cut) {
                cut -= 1;
            }
            body.truncate(cut);
        }
        let Some(json) = SecretJson::parse(body.as_bytes()) else { continue };
        for separator in ["", " ", ",", "ä"] {
            if let Ok(tokens) = refreshed(None, "main", separator, &json) {
                let access = tokens.access.expose_secret();
                assert!(!access.trim().is_empty() && access.is_ascii(), "{body}");
                assert!(
                    tokens.expires_in.is_none_or(|life| life.as_secs_f64() <= MAX_LIFE_SECONDS),
                    "{body}"
                );
            }
        }
    }
}
