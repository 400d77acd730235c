//! Whatever is sent, the answer is an error or nobody, never a panic and never somebody.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::{Config, Credentials, Lexmodo};
use model::Ambient;

use crate::harness::{Fixture, config, secret};

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

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    /// Text that is built of what parsers here look for, among noise.
    fn text(&mut self, pieces: &[&str]) -> String {
        let mut text = String::new();
        for _ in 0..self.below(12) {
            match self.below(3) {
                0 => text.push_str(self.pick(pieces)),
                1 => text.extend(
                    (0..self.below(40)).map(|_| char::from(32 + u8::try_from(self.below(95)).unwrap())),
                ),
                _ => text.extend(char::from_u32(u32::try_from(self.below(0x2000)).unwrap())),
            }
        }
        text
    }

    fn token(&mut self) -> String {
        let headers = [
            r#"{"alg":"HS256"}"#,
            r#"{"alg":"dir","enc":"A256GCM"}"#,
            r#"{"alg":"dir","enc":"A256CBC-HS512"}"#,
            r#"{"alg":"dir","enc":"A256CBC-HS512","kid":"x"}"#,
            r#"{"alg":"RS256"}"#,
            r#"{"alg":"none"}"#,
        ];
        let mut parts = vec![URL_SAFE_NO_PAD.encode(self.pick(&headers))];
        for _ in 0..[2, 4, 1, 5][self.below(4)] {
            let length = [0, 12, 16, 32, 48, 7][self.below(6)];
            let bytes: Vec<u8> = (0..length).map(|_| self.roll().to_le_bytes()[0]).collect();
            parts.push(URL_SAFE_NO_PAD.encode(bytes));
        }
        parts.join(".")
    }
}

#[tokio::test]
async fn chance_text_never_panics_and_is_never_somebody() {
    let lexmodo = Lexmodo { secret: secret(), issuer: "https://admin.example".to_owned() };
    let fixture = Fixture::new(&Config { lexmodo: Some(lexmodo), ..config() }).await;
    let seed = u64::from_le_bytes(Ambient::system().bytes());
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let headers = ["Bearer ", "bearer", " ", ".", "..", "=", "jf_", "_", "eyJ", "-"];
    let cookies =
        ["next-auth.session-token", "authjs.session-token", "__Secure-", ".0=", ".1=", "=", "; ", ".", "+1="];
    for _ in 0..20_000 {
        let token = if dice.below(2) == 0 { dice.token() } else { dice.text(&headers) };
        let header = format!("{}{token}", dice.pick(&["Bearer ", "Bearer jf_", ""]));
        let credentials = Credentials::new(Some(&header), []);
        assert!(fixture.authenticator.authenticate(&credentials).await.is_err(), "{header}");
        let credentials = Credentials::new(None, []).with_store_session(Some(&token));
        assert!(fixture.authenticator.authenticate(&credentials).await.is_err(), "{token}");
        let name = dice.pick(&cookies);
        let header = format!("{name}={}; {}", dice.token(), dice.text(&cookies));
        let outcome = fixture.cookie(&header).await;
        assert!(matches!(outcome, Ok(None) | Err(_)), "{header}");
    }
}
