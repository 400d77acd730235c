//! What backends do with what users have connected: the notes of the sandbox in development.

use reqwest::header::SET_COOKIE;
use serde_json::{Value, json};
use testkit::{Backend, Browser};

use super::{data, install};
use crate::deployment::{ADMIN, Answer, Deployment, on_both_backends};

on_both_backends!(a_backend_uses_the_tenants_connection_as_far_as_it_may);

/// Connects Ann's account at the sandbox.
async fn connect(deployment: &Deployment) {
    let url = "/api/v1/unified/auth/sandbox/url";
    let begun = Answer::of(deployment.server.get(url).header("x-tenant-id", "acme")).await;
    let cookie = begun.headers.get(SET_COOKIE).map(|cookie| cookie.to_str().unwrap().to_owned());
    let address = begun.expect(200)["auth_url"].as_str().unwrap().to_owned();
    let browser = Browser::new().unwrap();
    let page = browser.get(&address).await.unwrap();
    let form = page.form("Allow").unwrap().set("person", "ann").press("Allow").unwrap();
    let back = browser.submit(&form).await.unwrap().location.unwrap();
    let callback = format!("/api/v1/unified/auth/sandbox/callback?{}", back.query().unwrap());
    let mut request = deployment.server.get(&callback).header("x-tenant-id", "acme");
    if let Some(cookie) = &cookie {
        request = request.header("cookie", cookie.split(';').next().unwrap());
    }
    assert_eq!(Answer::of(request).await.expect(200)["user_email"], "ann@sandbox.example");
}

async fn a_backend_uses_the_tenants_connection_as_far_as_it_may(backend: Backend) {
    let deployment = Deployment::start_with(backend, |builder| builder.arg("--dev"));
    connect(&deployment).await;
    let handlers = "\
        async notes(req, ctx) {\n\
            const notes = ctx.connections.get('notes', { user: req.body.user });\n\
            const page = await notes.list({ max_results: 2 });\n\
            const one = await notes.item(page.items[0].id);\n\
            const found = await notes.search('invoice');\n\
            const write = await notes.create({ title: 'x', text: 'y' }).then(() => 'made', (error) => error.message);\n\
            return { titles: page.items.map((item) => item.title), one: one.item.title, found: found.items.length, write };\n\
        },\n\
        other: (req, ctx) => ctx.connections.get('gmail').list({}).catch((error) => error.message),";
    let tenants = json!({"connections": [{"connector": "notes", "access": "read", "whose": "tenant"}]});
    install(&deployment, "reader", handlers, &tenants).await;
    let user = json!({"user": "ann@sandbox.example"});
    let told = data(&deployment, ADMIN, "reader", "notes", user.clone()).await;
    assert_eq!(told["titles"], json!(["Call back", "Ideas for the team day"]), "{told:#}");
    assert_eq!((&told["one"], &told["found"]), (&json!("Call back"), &json!(2)));
    assert!(told["write"].as_str().unwrap().contains("\"access\": \"write\""), "{told:#}");
    let told = data(&deployment, ADMIN, "reader", "other", json!({})).await;
    assert!(told.as_str().unwrap().contains("add \"gmail\" to connections"), "{told}");

    let own = json!({"connections": [{"connector": "notes", "access": "write"}]});
    let ask =
        "ask: (req, ctx) => ctx.connections.get('notes', req.body).list().catch((error) => error.message),";
    install(&deployment, "own", ask, &own).await;
    let told = data(&deployment, ADMIN, "own", "ask", user).await;
    assert!(told.as_str().unwrap().contains("of the user who calls it alone"), "{told}");
    // The admin of the test has no address and no connection.
    let told = data(&deployment, ADMIN, "own", "ask", json!({})).await;
    assert!(told.as_str().unwrap().starts_with("connection_required"), "{told}");

    let activity = deployment.get_as(ADMIN, "/api/v1/unified/activity?action=use").await;
    let mut entries = activity.expect(200);
    for _ in 0..100 {
        if entries["activity"].as_array().is_some_and(|entries| entries.len() >= 3) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        entries = deployment.get_as(ADMIN, "/api/v1/unified/activity?action=use").await.expect(200);
    }
    let text: Value = entries.clone();
    assert!(text.to_string().contains("\"plugin:reader\""), "{entries:#}");
}
