//! What users think of a plugin.

use model::Role;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Backend, TokenBuilder};

use crate::deployment::{Answer, Deployment, PLATFORM, on_both_backends};

on_both_backends!(each_user_has_one_rating);

async fn rate(deployment: &Deployment, subject: &str, tenant: &str, body: Value) -> Answer {
    let token = TokenBuilder::new().claim("sub", subject).claim("tenantId", tenant).claim("role", "user");
    let token = token.claim("name", format!("Name of {subject}")).claim("email", "hush@example.com");
    let request = deployment.request(Method::POST, "/plugins/card/ratings").bearer_auth(token.sign());
    Answer::of(request.json(&body)).await
}

async fn each_user_has_one_rating(backend: Backend) {
    let deployment = Deployment::start(backend);
    deployment.publish(PLATFORM, "card", "1.0.0").await;
    let before = deployment.events().await.len();
    for (subject, tenant, rating) in
        [("ada", "acme", 5), ("bob", "acme", 2), ("ada", "other", 4), ("bob", "acme", 3)]
    {
        rate(&deployment, subject, tenant, json!({"rating": rating, "review": format!("{rating} stars")}))
            .await
            .expect(201);
    }
    let metadata = deployment.get("/plugins/card").await.expect(200)["metadata"].clone();
    assert_eq!((&metadata["rating"], &metadata["reviewCount"]), (&json!(4.0), &json!(3)));
    let ratings = deployment.get("/plugins/card/ratings").await.expect(200);
    assert_eq!(ratings.as_array().unwrap().len(), 3);
    assert_eq!((&ratings[0]["review"], &ratings[0]["author"]), (&json!("3 stars"), &json!("Name of bob")));
    assert!(!ratings.to_string().contains("hush"), "an address is nobody else's business: {ratings}");

    for (body, pointer) in [(json!({"rating": 0}), "/rating"), (json!({"rating": 6}), "/rating")] {
        assert_eq!(rate(&deployment, "eve", "acme", body).await.pointers("validation_failed"), [pointer]);
    }
    let long = json!({"rating": 1, "review": "x".repeat(4001)});
    assert_eq!(rate(&deployment, "eve", "acme", long).await.pointers("validation_failed"), ["/review"]);
    rate(&deployment, "eve", "acme", json!({"rating": 4.5})).await.problem("validation_failed");
    deployment
        .post(("acme", Role::User), "/plugins/absent/ratings", &json!({"rating": 1}))
        .await
        .problem("not_found");
    assert_eq!(
        deployment.events().await[before..],
        [
            "acme plugin.rated card",
            "acme plugin.rated card",
            "other plugin.rated card",
            "acme plugin.rated card"
        ]
    );
}
