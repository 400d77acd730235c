//! Google and Slack, emulated.

use serde_json::Value;
use testkit::Emulate;

use crate::pkce::{VERIFIER, challenge, client, get, json, parameter, post, request};

const CALLBACK: &str = "http://127.0.0.1:9/callback";
const BASIC: (&str, &str) = (Emulate::CLIENT_ID, Emulate::CLIENT_SECRET);

async fn google(emulate: &Emulate, callback: &str) -> Value {
    let challenge = challenge();
    let url = request(
        &format!("{}/o/oauth2/v2/auth", emulate.google()),
        &[
            ("client_id", Emulate::CLIENT_ID),
            ("response_type", "code"),
            ("redirect_uri", callback),
            ("scope", "openid email https://www.googleapis.com/auth/gmail.readonly"),
            ("state", "a state"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ],
    );
    let back = emulate.consent(&url, Emulate::ANN).await.unwrap();
    assert_eq!(parameter(&back, "state").unwrap(), "a state");
    let code = parameter(&back, "code").unwrap();
    let token = format!("{}/oauth2/token", emulate.google());
    let form = |verifier: &'static str| {
        [
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.clone()),
            ("redirect_uri", callback.to_owned()),
            ("code_verifier", verifier.to_owned()),
            ("client_id", Emulate::CLIENT_ID.to_owned()),
            ("client_secret", Emulate::CLIENT_SECRET.to_owned()),
        ]
    };
    let wrong = form("another");
    let wrong: Vec<_> = wrong.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(post(&token, None, &wrong).await.1["error"], "invalid_grant");
    let right = form(VERIFIER);
    let right: Vec<_> = right.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (status, tokens) = post(&token, None, &right).await;
    assert_eq!(status, 200, "{tokens}");
    tokens
}

#[tokio::test]
async fn google_gives_tokens_and_takes_no_others() {
    let emulate = Emulate::start(&[CALLBACK]).unwrap();
    let tokens = google(&emulate, CALLBACK).await;
    let access = tokens["access_token"].as_str().unwrap();
    let base = emulate.google();

    let (_, person) = get(&format!("{base}/oauth2/v2/userinfo"), access).await;
    assert_eq!((&person["email"], &person["name"]), (&Emulate::ANN.into(), &"Ann Archer".into()));
    let (_, mails) = get(&format!("{base}/gmail/v1/users/me/messages?q=invoice"), access).await;
    assert_eq!(mails["messages"].as_array().unwrap().len(), 2, "{mails}");
    let (_, events) = get(&format!("{base}/calendar/v3/calendars/primary/events"), access).await;
    assert_eq!(events["items"].as_array().unwrap().len(), 2, "{events}");
    let (_, files) = get(&format!("{base}/drive/v3/files"), access).await;
    assert_eq!(files["files"].as_array().unwrap().len(), 3, "{files}");
    for token in ["junk", "xoxp-of-the-seed-itself", "test_token_admin"] {
        assert_eq!(get(&format!("{base}/gmail/v1/users/me/messages"), token).await.0, 401);
        assert_eq!(get(&format!("{base}/oauth2/v2/userinfo"), token).await.0, 401);
    }

    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
        ("client_id", Emulate::CLIENT_ID),
        ("client_secret", Emulate::CLIENT_SECRET),
    ];
    let token = format!("{base}/oauth2/token");
    let (status, again) = post(&token, None, &form).await;
    assert_eq!((status, again.get("refresh_token")), (200, None));
    assert_eq!(post(&format!("{base}/oauth2/revoke"), None, &[("token", access)]).await.0, 200);
    assert_eq!(get(&format!("{base}/oauth2/v2/userinfo"), access).await.0, 401);

    let log = emulate.google_log().await.unwrap();
    let refreshes: Vec<_> = log.iter().filter(|asked| asked.is_of_grant_type("refresh_token")).collect();
    assert_eq!(refreshes.len(), 1);
    assert_eq!((refreshes[0].endpoint.as_str(), refreshes[0].status), ("/oauth2/token", 200));
}

#[tokio::test]
async fn more_addresses_can_be_allowed() {
    let emulate = Emulate::start(&[CALLBACK]).unwrap();
    let elsewhere = "http://127.0.0.1:10/callback";
    let url = request(
        &format!("{}/o/oauth2/v2/auth", emulate.google()),
        &[("client_id", Emulate::CLIENT_ID), ("redirect_uri", elsewhere), ("response_type", "code")],
    );
    assert!(emulate.consent(&url, Emulate::BEN).await.is_err());
    emulate.allow_redirect_uri(elsewhere).await.unwrap();
    google(&emulate, elsewhere).await;
}

#[tokio::test]
async fn slack_gives_a_bot_token_and_a_user_token() {
    let emulate = Emulate::start(&[CALLBACK]).unwrap();
    let base = emulate.slack();
    let url = request(
        &format!("{base}/oauth/v2/authorize"),
        &[
            ("client_id", Emulate::CLIENT_ID),
            ("redirect_uri", CALLBACK),
            ("scope", "channels:read,channels:history"),
            ("user_scope", "channels:read"),
            ("state", "a state"),
        ],
    );
    let back = emulate.consent(&url, Emulate::ANN).await.unwrap();
    assert_eq!(parameter(&back, "state").unwrap(), "a state");
    let code = parameter(&back, "code").unwrap();
    let access = format!("{base}/api/oauth.v2.access");
    let (_, tokens) = post(&access, Some(BASIC), &[("code", &code), ("redirect_uri", CALLBACK)]).await;
    assert_eq!((&tokens["ok"], &tokens["token_type"]), (&true.into(), &"bot".into()), "{tokens}");
    assert_eq!(post(&access, Some(BASIC), &[("code", &code)]).await.1["error"], "invalid_code");

    let bot = tokens["access_token"].as_str().unwrap();
    let (_, channels) = call(base, "conversations.list", bot, &[]).await;
    let channels = channels["channels"].as_array().unwrap();
    let general = channels.iter().find(|channel| channel["name"] == "general").unwrap();
    let general = [("channel", general["id"].as_str().unwrap())];
    let (_, messages) = call(base, "conversations.history", bot, &general).await;
    assert_eq!(messages["messages"][0]["text"], "The release is on Thursday.", "{messages}");
    // The person gave less than the bot has.
    let person = tokens["authed_user"]["access_token"].as_str().unwrap();
    assert_eq!(call(base, "conversations.history", person, &general).await.1["error"], "missing_scope");
    assert_eq!(call(base, "auth.test", "junk", &[]).await.1["ok"], false);
    let log = emulate.slack_log().await.unwrap();
    assert_eq!(log.iter().filter(|asked| asked.endpoint == "/api/oauth.v2.access").count(), 2);
}

async fn call(base: &str, method: &str, token: &str, form: &[(&str, &str)]) -> (u16, Value) {
    json(client().post(format!("{base}/api/{method}")).bearer_auth(token).form(form)).await
}
