//! Finding plugins.

use serde_json::{Value, json};
use testkit::Backend;

use crate::deployment::{ADMIN, Answer, Deployment, PLATFORM, each, on_both_backends, plugin, with};

on_both_backends!(
    pages_follow_each_other_to_the_end,
    a_search_finds_by_text_and_category,
    extension_points_find_plugins,
    what_is_not_approved_is_not_found,
);

/// The path of the next page, from the `Link` header.
fn next(deployment: &Deployment, answer: &Answer) -> Option<String> {
    let link = answer.headers.get("link")?.to_str().unwrap();
    let url = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
    Some(url.strip_prefix(deployment.base()).unwrap().to_owned())
}

/// The ids on all pages, beginning with `path`, and the number of pages.
async fn walk(deployment: &Deployment, path: &str) -> (Vec<String>, usize) {
    let (mut path, mut ids, mut pages) = (Some(path.to_owned()), Vec::new(), 0);
    while let Some(current) = path {
        let answer = deployment.get_as(ADMIN, &current).await;
        ids.extend(each(&answer.expect(200), "id").into_iter().map(str::to_owned));
        path = next(deployment, &answer);
        pages += 1;
        assert!(pages < 20, "the pages do not end: {ids:?}");
    }
    (ids, pages)
}

async fn pages_follow_each_other_to_the_end(backend: Backend) {
    let deployment = Deployment::start(backend);
    // Two of one name: the order must still be total.
    for (id, name) in [
        ("c", "Beta"),
        ("a", "Alpha"),
        ("e", "Éclair"),
        ("d", "Beta"),
        ("b", "alpha"),
        ("f", "Zeta"),
        ("g", "100%"),
    ] {
        let body = with(plugin(id, "1.0.0"), &json!({"name": name}));
        deployment.post(PLATFORM, "/plugins", &body).await.expect(201);
    }
    deployment.publish(ADMIN, "own", "1.0.0").await;
    for who in [ADMIN, ("other", ADMIN.1)] {
        deployment.install(who, "d").await;
    }
    deployment.install(ADMIN, "f").await;
    deployment.post(ADMIN, "/plugins/b/ratings", &json!({"rating": 5})).await.expect(201);
    deployment.post(ADMIN, "/plugins/g/ratings", &json!({"rating": 4})).await.expect(201);

    for sort in ["name", "newest", "popular", "rating"] {
        let (whole, pages) = walk(&deployment, &format!("/marketplace?sort={sort}")).await;
        assert_eq!((whole.len(), pages), (7, 1), "{sort}");
        for limit in [1, 2, 3, 7] {
            let (ids, pages) = walk(&deployment, &format!("/marketplace?sort={sort}&limit={limit}")).await;
            assert_eq!((&ids, pages), (&whole, 7_usize.div_ceil(limit)), "{sort} by {limit}");
        }
        let begins = match sort {
            "newest" => &["g", "f", "b", "d"],
            "popular" => &["d", "f"][..],
            "rating" => &["b", "g"],
            _ => &["g"],
        };
        assert_eq!(whole[..begins.len()], *begins, "{sort}");
    }
    let (available, _) = walk(&deployment, "/plugins/available?limit=3").await;
    assert_eq!(available.len(), 8, "its own is among them: {available:?}");
    assert_eq!(deployment.get("/plugins/available").await.expect(200).as_array().unwrap().len(), 7);
    for path in [
        "/marketplace?cursor=x",
        "/plugins/available?cursor=W10",
        "/marketplace?limit=x",
        "/marketplace?sort=x",
    ] {
        deployment.get(path).await.problem("invalid_request");
    }
}

async fn a_search_finds_by_text_and_category(backend: Backend) {
    let deployment = Deployment::start(backend);
    for (id, name, category) in [
        ("card", "Card payments", "payment"),
        ("cash", "100%_Cash!", "payment"),
        ("chart", "Sales chart", "analytics"),
    ] {
        let body = with(
            plugin(id, "1.0.0"),
            &json!({"name": name, "category": category, "description": "Ein Ärger"}),
        );
        deployment.post(PLATFORM, "/plugins", &body).await.expect(201);
    }
    deployment.publish(ADMIN, "own", "1.0.0").await;
    for (query, expected) in [
        ("search=PAYMENTS", &["card"][..]),
        ("search=ca", &["cash", "card"]),
        ("search=%25", &["cash"]),
        ("search=_", &["cash"]),
        ("search=!", &["cash"]),
        ("search=%27%20OR%201=1", &[]),
        ("search=own", &[]),
        ("category=payment", &["cash", "card"]),
        ("category=payment&search=card", &["card"]),
        ("category=Payment", &[]),
        ("category=analytics", &["chart"]),
        ("search=ein", &["cash", "card", "chart"]),
    ] {
        let found = deployment.get(&format!("/marketplace?{query}")).await.expect(200);
        assert_eq!(each(&found, "id"), expected, "{query}");
    }
    assert_eq!(deployment.get("/marketplace/categories").await.expect(200), json!(["analytics", "payment"]));
    assert_eq!(deployment.get("/marketplace/card").await.expect(200)["name"], "Card payments");
    for path in ["/marketplace/own", "/marketplace/absent", "/marketplace/..%2fcard", "/plugins/absent"] {
        deployment.get(path).await.problem("not_found");
    }
}

async fn extension_points_find_plugins(backend: Backend) {
    let deployment = Deployment::start(backend);
    let at = |id: &str, point: &str| {
        let source = format!("export default {{ name: 'P', extensionPoints: {{ '{point}': () => null }} }};");
        with(plugin(id, "1.0.0"), &json!({"sourceCode": source}))
    };
    for (id, point) in [("card", "checkout"), ("cash", "checkout"), ("chart", "dashboard")] {
        deployment.post(PLATFORM, "/plugins", &at(id, point)).await.expect(201);
    }
    deployment.post(ADMIN, "/plugins", &at("own", "checkout")).await.expect(201);
    for id in ["card", "chart", "own"] {
        deployment.install(ADMIN, id).await;
    }
    let path = "/plugins/by-extension-point?point=checkout";
    let ids = |found: Value| each(&found, "id").into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(ids(deployment.get(path).await.expect(200)), ["card", "cash"], "the shared catalog");
    assert_eq!(ids(deployment.get_as(ADMIN, path).await.expect(200)), ["card", "own"], "what is enabled");
    let named = Answer::of(deployment.server.get(path).header("x-tenant-id", "acme")).await;
    assert_eq!(ids(named.expect(200)), ["card", "own"], "what anybody's page for acme shows");
    deployment.put(ADMIN, "/plugins/card/status", &json!({"enabled": false})).await.expect(200);
    assert_eq!(ids(deployment.get_as(ADMIN, path).await.expect(200)), ["own"]);
    for path in ["/plugins/by-extension-point", "/plugins/by-extension-point?point="] {
        deployment.get(path).await.problem("invalid_request");
    }
    // A version that is no longer at the point is no longer found there.
    let moved = with(at("cash", "dashboard"), &json!({"version": "2.0.0"}));
    deployment.post(PLATFORM, "/plugins", &moved).await.expect(201);
    assert_eq!(ids(deployment.get(path).await.expect(200)), ["card"]);
}

async fn what_is_not_approved_is_not_found(backend: Backend) {
    let deployment = Deployment::start(backend);
    let pending = with(plugin("card", "1.0.0"), &json!({"metadata": {"status": "pending"}}));
    let published = deployment.post(PLATFORM, "/plugins", &pending).await.expect(201);
    assert_eq!(published["metadata"]["status"], "pending");
    for path in ["/plugins/card", "/marketplace/card", "/plugins/card/bundle"] {
        deployment.get(path).await.problem("not_found");
    }
    assert_eq!(deployment.get("/marketplace").await.expect(200), json!([]));
    assert_eq!(deployment.get("/plugins/available").await.expect(200), json!([]));
    assert_eq!(deployment.get("/marketplace/categories").await.expect(200), json!([]));
    deployment.post(ADMIN, "/plugins/install", &json!({"pluginId": "card"})).await.problem("not_found");
    let named = json!({"pluginId": "card", "version": "1.0.0"});
    deployment.post(ADMIN, "/plugins/install", &named).await.problem("not_found");
    let approve = json!({"metadata": {"status": "approved"}});
    deployment.put(PLATFORM, "/plugins/card", &approve).await.expect(200);
    deployment.install(ADMIN, "card").await;
}
