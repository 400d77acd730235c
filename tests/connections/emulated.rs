//! Google and Slack as others emulate them: the built-in entries, with their hosts replaced.

use reqwest::{Method, Url};
use serde_json::json;
use testkit::{Backend, Builder, Emulate};

use super::{AUTH, CONNECTIONS, begun, coming_back, user, with_providers};
use crate::deployment::{Answer, Deployment, each, on_both_backends};

on_both_backends!(
    google_is_connected_renewed_and_revoked,
    slack_gives_two_credentials,
    slack_is_read_and_written_to
);

/// As the document has them: an address at the shorter path.
pub(super) const GOOGLE_CALLBACK: &str = "http://127.0.0.1:8081/auth/google/callback";
pub(super) const SLACK_CALLBACK: &str = "http://127.0.0.1:8081/auth/slack/callback";

/// What is emulated reads a client's secret from the body.
pub(super) fn furnished(backend: Backend, emulate: &Emulate) -> Deployment {
    furnished_with(backend, emulate, |builder| builder)
}

/// The same with further settings.
pub(super) fn furnished_with(
    backend: Backend,
    emulate: &Emulate,
    set: impl FnOnce(Builder) -> Builder,
) -> Deployment {
    let (google, slack) = (emulate.google(), emulate.slack());
    let file = format!(
        "[providers.google]\nauthorization_url = \"{google}/o/oauth2/v2/auth\"\ntoken_url = \"{google}/oauth2/token\"\n\
         userinfo_url = \"{google}/oauth2/v2/userinfo\"\nrevocation_url = \"{google}/oauth2/revoke\"\n\
         [providers.slack]\nauthorization_url = \"{slack}/oauth/v2/authorize\"\n\
         token_url = \"{slack}/api/oauth.v2.access\"\ntoken_auth = \"client_secret_post\"\nrevocation_url = \"{slack}/api/auth.revoke\"\n"
    );
    with_providers(backend, &file, |builder| {
        let builder = builder.set("SLACK_BASE_URL", format!("{slack}/api"));
        let roots = ["CALENDAR_BASE_URL", "DRIVE_BASE_URL", "GMAIL_BASE_URL"];
        let builder = set(roots.iter().fold(builder, |builder, name| builder.set(name, google)));
        ["GOOGLE", "SLACK"].iter().fold(builder, |builder, name| {
            let callback = if *name == "GOOGLE" { GOOGLE_CALLBACK } else { SLACK_CALLBACK };
            builder
                .set(&format!("{name}_CLIENT_ID"), Emulate::CLIENT_ID)
                .set(&format!("{name}_CLIENT_SECRET"), Emulate::CLIENT_SECRET)
                .set(&format!("{name}_REDIRECT_URI"), callback)
        })
    })
}

pub(super) async fn send(deployment: &Deployment, method: Method, path: &str) -> Answer {
    Answer::of(deployment.server.request(method, path).bearer_auth(user("ann@acme.example"))).await
}

/// From the link to the answer of the callback.
pub(super) async fn connect(
    deployment: &Deployment,
    emulate: &Emulate,
    (provider, query): (&str, &str),
    person: &str,
) -> (Url, Answer) {
    let begun = begun(&send(deployment, Method::GET, &format!("{AUTH}/{provider}/url?{query}")).await);
    let address = emulate.consent(begun.auth_url.as_str(), person).await.unwrap();
    (begun.auth_url.clone(), Answer::of(coming_back(deployment, &address, &begun.cookie)).await)
}

async fn google_is_connected_renewed_and_revoked(backend: Backend) {
    let emulate = Emulate::start(&[GOOGLE_CALLBACK, SLACK_CALLBACK]).unwrap();
    let deployment = furnished(backend, &emulate);
    let (auth_url, connected) = connect(&deployment, &emulate, ("google", ""), Emulate::ANN).await;
    for (name, value) in [
        ("redirect_uri", GOOGLE_CALLBACK),
        ("access_type", "offline"),
        ("prompt", "consent"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(super::parameter(&auth_url, name), value);
    }
    let connected = connected.expect(200);
    assert_eq!(
        (&connected["user_email"], &connected["user_name"]),
        (&json!("ann@acme.example"), &json!("Ann Archer")),
        "{connected:#}"
    );
    let validate = || send(&deployment, Method::GET, "/api/v1/unified/auth/google/validate");
    assert_eq!(validate().await.expect(200)["valid"], true);
    send(&deployment, Method::GET, &format!("{AUTH}/google/refresh")).await.expect(200);
    let redemptions = |log: Vec<testkit::Asked>| {
        let of = |grant: &str| log.iter().filter(|asked| asked.is_of_grant_type(grant)).count();
        (of("authorization_code"), of("refresh_token"))
    };
    assert_eq!(redemptions(emulate.google_log().await.unwrap()), (1, 1));
    let (_, second) = connect(&deployment, &emulate, ("google", ""), Emulate::BEN).await;
    second.expect(200);
    let listed = send(&deployment, Method::GET, CONNECTIONS).await.expect(200);
    assert_eq!(each(&listed["connections"], "label"), [Emulate::ANN, Emulate::BEN]);

    let revoked = send(&deployment, Method::DELETE, &format!("{AUTH}/google/revoke")).await.expect(200);
    assert_eq!(revoked["revoked_at_provider"], true, "{revoked:#}");
    assert_eq!(revoked["connection_id"], connected["connection_id"]);
    let log = emulate.google_log().await.unwrap();
    assert!(log.iter().any(|asked| asked.endpoint.contains("revoke") && asked.status == 200), "{log:?}");
    assert_eq!(validate().await.expect(200)["user_info"]["email"], Emulate::BEN);
    let (_, again) = connect(&deployment, &emulate, ("google", ""), Emulate::ANN).await;
    again.expect(200);
}

async fn slack_gives_two_credentials(backend: Backend) {
    const ASKED: &str = "scopes[user]=channels:read&scopes[user]=chat:write";
    let emulate = Emulate::start(&[GOOGLE_CALLBACK, SLACK_CALLBACK]).unwrap();
    let deployment = furnished(backend, &emulate);
    let (auth_url, connected) = connect(&deployment, &emulate, ("slack", ASKED), Emulate::ANN).await;
    assert_eq!(super::parameter(&auth_url, "scope"), "channels:read,chat:write,users:read");
    assert_eq!(super::parameter(&auth_url, "user_scope"), "channels:read,chat:write");
    assert!(auth_url.query_pairs().all(|(name, _)| name != "code_challenge"), "{auth_url}");
    let connected = connected.expect(200);
    assert_eq!(connected["user_name"], "Example", "{connected:#}");
    assert!(connected["user_id"].as_str().unwrap().contains(':'), "{connected:#}");
    let path = format!("{CONNECTIONS}/{}", connected["connection_id"].as_str().unwrap());
    let connection = send(&deployment, Method::GET, &path).await.expect(200);
    assert_eq!(each(&connection["credentials"], "name"), ["bot", "user"], "{connection:#}");
    assert_eq!(connection["credentials"][1]["scopes"], json!(["channels:read", "chat:write"]));
    assert_eq!(connection["expires_at"], json!(null), "these tokens do not end");
    let valid = send(&deployment, Method::GET, &format!("{AUTH}/slack/validate")).await.expect(200);
    assert_eq!(valid["valid"], true, "{valid:#}");

    let url = |query: &'static str| {
        let deployment = &deployment;
        async move { send(deployment, Method::GET, &format!("{AUTH}/slack/url?{query}")).await }
    };
    let asked = begun(&url("scopes=chat:write&scopes[user]=search:read").await).auth_url;
    assert_eq!(super::parameter(&asked, "scope"), "chat:write");
    assert_eq!(super::parameter(&asked, "user_scope"), "search:read");
    for (query, pointer) in [
        ("scopes[bot]=a", "/scopes"),
        ("scopes[user]=a,b", "/scopes/user/0"),
        ("scopes=a&scopes=b,c", "/scopes/1"),
    ] {
        assert_eq!(url(query).await.pointers("validation_failed"), [pointer], "{query}");
    }

    // What is emulated has no auth.revoke; here they are gone all the same, and the answer says so.
    let revoked = send(&deployment, Method::DELETE, &format!("{AUTH}/slack/revoke")).await.expect(200);
    assert_eq!(revoked["revoked_at_provider"], false, "{revoked:#}");
    assert_eq!(each(&revoked["credentials"], "name"), ["bot", "user"], "{revoked:#}");
    let log = emulate.slack_log().await.unwrap();
    assert_eq!(log.iter().filter(|asked| asked.endpoint.contains("auth.revoke")).count(), 2, "{log:?}");
    assert_eq!(send(&deployment, Method::GET, CONNECTIONS).await.expect(200)["connections"], json!([]));
}

async fn slack_is_read_and_written_to(backend: Backend) {
    const CHANNELS: &str = "/api/v1/unified/slack/channels";
    let emulate = Emulate::start(&[GOOGLE_CALLBACK, SLACK_CALLBACK]).unwrap();
    let deployment = furnished(backend, &emulate);
    let get = |path: String| {
        let deployment = &deployment;
        async move { send(deployment, Method::GET, &path).await }
    };
    get(CHANNELS.to_owned()).await.problem("connection_required");
    let asked = "scopes=channels:read&scopes=channels:history&scopes=chat:write";
    connect(&deployment, &emulate, ("slack", asked), Emulate::ANN).await.1.expect(200);

    let listed = get(format!("{CHANNELS}?limit=100")).await.expect(200);
    assert_eq!(listed["next_cursor"], json!(null), "{listed:#}");
    let channels = listed["channels"].as_array().unwrap();
    assert_eq!(listed["total"], channels.len());
    let support = channels.iter().find(|channel| channel["name"] == "support").unwrap();
    assert_eq!(support["audience"], "public");
    let first = get(format!("{CHANNELS}?limit=1")).await.expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = get(format!("{CHANNELS}?limit=1&cursor={cursor}")).await.expect(200);
    assert_ne!(first["channels"][0]["id"], second["channels"][0]["id"]);
    let detail = get(format!("{CHANNELS}?cursor=x")).await.expect(400)["detail"].clone();
    assert!(detail.as_str().unwrap().starts_with("cursor must be"), "{detail}");

    let messages = format!("{CHANNELS}/{}/messages", support["id"].as_str().unwrap());
    let post =
        |query: &str, body: Option<serde_json::Value>| {
            let request = deployment.server.request(Method::POST, &format!("{messages}{query}"));
            let request = request.bearer_auth(user("ann@acme.example"));
            Answer::of(body.map_or_else(
                || request.try_clone().unwrap(),
                |body| request.try_clone().unwrap().json(&body),
            ))
        };
    let sent = post("?message=Sent%20by%20query", None).await.expect(200);
    assert_eq!(
        (&sent["channel"], &sent["message"]["text"]),
        (&support["id"], &json!("Sent by query")),
        "{sent:#}"
    );
    let answer =
        post("", Some(json!({"message": "Sent by body", "thread_ts": sent["ts"]}))).await.expect(200);
    assert_eq!(answer["message"]["extra"]["thread"], sent["ts"], "{answer:#}");
    post("", None).await.expect(400);
    post("?message=x", Some(json!({"message": "x"}))).await.expect(400);

    let generic = "/api/v1/unified/connectors/slack";
    let told = get(format!("{generic}/channels?max_results=100&raw=true")).await.expect(200);
    let names = each(&told["result"]["channels"], "name");
    assert!(names.contains(&"support"), "{told:#}");
    assert_eq!(told["result"]["channels"][0]["raw"]["name"], told["result"]["channels"][0]["name"]);
    let first = get(format!("{generic}/channels?max_results=1")).await.expect(200);
    let token = first["result"]["next_page_token"].as_str().unwrap();
    let second = get(format!("{generic}/channels?max_results=1&page_token={token}")).await.expect(200);
    assert_ne!(first["result"]["channels"], second["result"]["channels"]);
    let channel = format!("{generic}/channels/{}", support["id"].as_str().unwrap());
    let one = get(channel.clone()).await.expect(200);
    assert_eq!(one["result"]["channel"]["topic"], "Questions of customers", "{one:#}");
    let request = deployment.server.request(Method::POST, &format!("{channel}/messages"));
    let request = request.bearer_auth(user("ann@acme.example"));
    let again = json!({"text": "In the thread", "thread": sent["message"]["id"]});
    let again = Answer::of(request.json(&again)).await.expect(201);
    assert_eq!((&again["provider"], &again["user_email"]), (&json!("slack"), &json!("ann@acme.example")));
    let thread = sent["message"]["id"].as_str().unwrap();
    let thread = get(format!("{channel}/messages?thread={thread}")).await.expect(200);
    assert_eq!(
        each(&thread["result"]["messages"], "text"),
        ["Sent by query", "Sent by body", "In the thread"],
        "{thread:#}"
    );
    get(format!("{generic}/users")).await.problem("insufficient_scope");
    get(format!("{generic}/containers")).await.problem("unsupported");

    let items = "/api/v1/unified/connectors/slack/items";
    let page = get(format!("{items}?channel={}", support["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(page["result"]["items"], page["result"]["messages"]);
    assert_eq!(page["result"]["items"][0]["text"], "Sent by query", "{page:#}");
    let told = get("/api/v1/unified/connectors/slack/capabilities".to_owned()).await.expect(200);
    assert_eq!(
        told["capabilities"]["capabilities"],
        json!([
            "list",
            "get",
            "create",
            "update",
            "delete",
            "channels",
            "channel",
            "messages",
            "send_message"
        ])
    );
}
