//! A published version stays what it is, whoever comes and however many.

use serde_json::{Value, json};
use testkit::Backend;
use tokio::task::JoinSet;

use crate::deployment::{ADMIN, Answer, Deployment, PLATFORM, manifest, on_both_backends, plugin, with};

on_both_backends!(
    a_published_version_never_changes,
    the_newest_version_is_the_current_one,
    a_description_changes_without_a_version,
    of_many_publishes_of_one_version_one_stands,
    of_many_installs_one_stands,
);

async fn bundle(deployment: &Deployment, plugin: &Value) -> String {
    let path = plugin["bundleUrl"].as_str().unwrap().strip_prefix(deployment.base()).unwrap().to_owned();
    let answer = deployment.get(&path).await;
    assert_eq!(answer.status, 200, "{path}");
    answer.text
}

async fn a_published_version_never_changes(backend: Backend) {
    let deployment = Deployment::start(backend);
    let first = deployment.publish(ADMIN, "card", "1.0.0").await;
    let content = bundle(&deployment, &first).await;
    let before = (deployment.events().await, deployment.get_as(ADMIN, "/plugins/card").await.text);

    let other = with(plugin("card", "1.0.0"), &json!({"sourceCode": crate::deployment::source("changed")}));
    deployment.post(ADMIN, "/plugins", &other).await.problem("already_exists");
    deployment.put(ADMIN, "/plugins/card", &other).await.problem("already_exists");
    let elsewhere = with(manifest("card", "1.0.0"), &json!({"bundleUrl": "https://cdn.example/a.js"}));
    deployment.post(ADMIN, "/plugins", &elsewhere).await.problem("already_exists");
    let remote = json!({"remoteEntry": "https://cdn.example/remoteEntry.js"});
    deployment.put(ADMIN, "/plugins/card", &remote).await.problem("already_exists");
    let form = [("id", "card"), ("name", "Card"), ("version", "1.0.0"), ("category", "payment")];
    let prebuilt = "export default{name:'Card',extensionPoints:{}};";
    deployment.upload(ADMIN, "/plugins/upload", prebuilt, &form).await.problem("already_exists");
    // Build metadata would not make another version (semver, section 10), so it is not taken.
    let built = deployment.post(ADMIN, "/plugins", &plugin("card", "1.0.0+2")).await;
    assert_eq!(built.pointers("validation_failed"), ["/version"]);

    let after = (deployment.events().await, deployment.get_as(ADMIN, "/plugins/card").await.text);
    assert_eq!(after, before);
    assert_eq!(bundle(&deployment, &first).await, content);
}

async fn the_newest_version_is_the_current_one(backend: Backend) {
    let deployment = Deployment::start(backend);
    let mut bundles = Vec::new();
    for (version, current) in [
        ("1.0.0", "1.0.0"),
        ("1.10.0", "1.10.0"),
        ("1.9.0", "1.10.0"),
        // A stable version stays before one that is being tried.
        ("2.0.0-beta.1", "1.10.0"),
        ("2.0.0", "2.0.0"),
    ] {
        let published = deployment.publish(PLATFORM, "card", version).await;
        assert_eq!(published["version"], version, "the answer is what was published");
        bundles.push((version, published));
        assert_eq!(deployment.get("/plugins/card").await.expect(200)["version"], current, "after {version}");
    }
    for (version, published) in &bundles {
        assert!(bundle(&deployment, published).await.contains(&format!("card {version}")), "{version}");
    }
    let current = deployment.get("/plugins/card/bundle").await;
    assert_eq!(
        (current.status, &current.headers["cache-control"]),
        (302, &"public, no-cache".parse().unwrap())
    );
    let (_, newest) = bundles.last().unwrap();
    assert_eq!(current.headers["location"], newest["bundleUrl"].as_str().unwrap());
    assert_eq!(deployment.get("/marketplace").await.expect(200).as_array().unwrap().len(), 1);
}

async fn a_description_changes_without_a_version(backend: Backend) {
    let deployment = Deployment::start(backend);
    let first = deployment.publish(ADMIN, "card", "1.0.0").await;
    let change = json!({"name": "Cards", "category": "money", "metadata": {"author": "Ada"}});
    let changed = deployment.put(ADMIN, "/plugins/card", &change).await.expect(200);
    assert_eq!((&changed["name"], &changed["category"]), (&json!("Cards"), &json!("money")));
    assert_eq!(
        (&changed["bundleUrl"], &changed["description"]),
        (&first["bundleUrl"], &first["description"])
    );
    let more =
        json!({"metadata": {"repositoryUrl": "https://git.example/card", "rating": 5, "installCount": 9}});
    let metadata = &deployment.put(ADMIN, "/plugins/card", &more).await.expect(200)["metadata"];
    assert_eq!((&metadata["author"], &metadata["rating"]), (&json!("Ada"), &json!(0.0)), "{metadata}");

    let unsourced = deployment.put(ADMIN, "/plugins/card", &json!({"version": "1.1.0"})).await;
    unsourced.problem("validation_failed");
    let renamed = deployment.put(ADMIN, "/plugins/card", &json!({"id": "cash"})).await;
    assert_eq!(renamed.pointers("validation_failed"), ["/id"]);
    let wrong = deployment.put(ADMIN, "/plugins/card", &json!({"nam": "Cards"})).await;
    assert_eq!(wrong.pointers("validation_failed"), ["/nam"]);
    let next = json!({"version": "1.1.0", "sourceCode": crate::deployment::source("second")});
    let next = deployment.put(ADMIN, "/plugins/card", &next).await.expect(200);
    assert_eq!((&next["version"], &next["name"]), (&json!("1.1.0"), &json!("Cards")));
    assert!(bundle(&deployment, &next).await.contains("second"));
    assert_eq!(
        deployment.events().await,
        [
            "acme plugin.created card",
            "acme plugin.published card",
            "acme plugin.updated card",
            "acme plugin.updated card",
            "acme plugin.published card",
        ]
    );
}

/// Sends `count` requests at once and counts how often each status came.
async fn at_once(count: usize, request: impl Fn(usize) -> reqwest::RequestBuilder) -> (usize, Vec<Answer>) {
    let mut requests = JoinSet::new();
    for index in 0..count {
        requests.spawn(Answer::of(request(index)));
    }
    let answers = requests.join_all().await;
    let (done, refused): (Vec<Answer>, _) = answers.into_iter().partition(|answer| answer.status == 201);
    (done.len(), refused)
}

async fn of_many_publishes_of_one_version_one_stands(backend: Backend) {
    let deployment = Deployment::start(backend);
    let (tenant, role) = ADMIN;
    let (done, refused) = at_once(20, |index| {
        let source = crate::deployment::source(&format!("publish {index}"));
        let body = with(plugin("card", "1.0.0"), &json!({"sourceCode": source}));
        deployment.request_as(tenant, role, reqwest::Method::POST, "/plugins").json(&body)
    })
    .await;
    for answer in &refused {
        answer.problem("already_exists");
    }
    assert_eq!((done, refused.len()), (1, 19));
    assert_eq!(deployment.events().await, ["acme plugin.created card", "acme plugin.published card"]);
    let plugin = deployment.get_as(ADMIN, "/plugins/card").await.expect(200);
    assert!(bundle(&deployment, &plugin).await.contains("publish "));
    crate::consistency::check(&deployment).await;
}

async fn of_many_installs_one_stands(backend: Backend) {
    let deployment = Deployment::start(backend);
    deployment.publish(PLATFORM, "card", "1.0.0").await;
    let (tenant, role) = ADMIN;
    let (done, refused) = at_once(20, |_| {
        deployment
            .request_as(tenant, role, reqwest::Method::POST, "/plugins/install")
            .json(&json!({"pluginId": "card"}))
    })
    .await;
    for answer in &refused {
        answer.problem("already_exists");
    }
    assert_eq!((done, refused.len()), (1, 19));
    assert_eq!(deployment.get("/plugins/card").await.expect(200)["metadata"]["installCount"], 1);
    crate::consistency::check(&deployment).await;
}
