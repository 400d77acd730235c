//! Without the platform's app, and in development.

use testkit::{Backend, Browser};

use super::{ISSUER, SECRET, button, session_token};
use crate::deployment::Deployment;

#[tokio::test]
async fn without_the_app_there_is_no_such_page() {
    let deployment = Deployment::start(Backend::files());
    for path in ["/callback", "/callback?session_token=x", "/callback?code=a&state=b"] {
        let answer = deployment.get(path).await;
        let unknown = deployment.get("/no-such-route").await.problem("not_found");
        assert_eq!(
            (answer.status, &answer.problem("not_found")["detail"]),
            (404, &unknown["detail"]),
            "{path}"
        );
    }
    let described = deployment.get("/?session_token=x").await.expect(200);
    assert_eq!((&described["name"], described.get("lexmodo")), (&"jackfield".into(), None));
}

/// In development a program, which says no site, goes on by the link alone; a browser is asked.
#[tokio::test]
async fn a_program_goes_on_in_development() {
    let deployment = Deployment::start_with(Backend::files(), |builder| {
        [
            ("APP_CLIENT_ID", "numinix"),
            ("APP_SECRET", SECRET),
            ("AUTHORIZE_URL", "https://admin.lexmodo.example/auth"),
            ("TOKEN_URL", "https://admin.lexmodo.example/token"),
            ("ISSUER", ISSUER),
            ("PLUGIN_CODE", "Numinix"),
        ]
        .into_iter()
        .fold(builder.arg("--dev"), |builder, (name, value)| builder.set(name, value))
    });
    let address = format!("{}/callback?session_token={}", deployment.base(), session_token(7));
    let form = button(&Browser::new().unwrap().get(&address).await.unwrap());
    let program = Browser::new().unwrap();
    let gone_on = program.get(form.action.as_str()).await.unwrap();
    assert_eq!(gone_on.status, 303, "{}", gone_on.body);
    let question = gone_on.location.unwrap();
    let redirect_uri = super::parameter(&question, "redirect_uri");
    assert_eq!(redirect_uri, format!("{}/callback", deployment.base()), "where none is set");
    // Whoever knows this server by another name than the one that browsers come back to begins on the latter.
    let port = deployment.base().rsplit(':').next().unwrap();
    let called = address.strip_prefix(deployment.base()).unwrap();
    let page = deployment.server.get(called).header("host", format!("localhost:{port}"));
    let page = crate::deployment::Answer::of(page).await;
    let begin = format!("href=\"{}/api/v1/unified/auth/lexmodo/begin?link=", deployment.base());
    assert!(page.text.contains(&begin) && !page.text.contains("<form"), "{}", page.text);
    let path = super::path(&form.action);
    for (header, value) in [("sec-fetch-site", "cross-site"), ("host", "evil.example")] {
        let asked = crate::deployment::Answer::of(deployment.server.get(&path).header(header, value)).await;
        assert_eq!(asked.status, 200, "{header}: {}", asked.text);
        assert!(asked.text.contains("Connect Lexmodo?"), "{}", asked.text);
    }
}
