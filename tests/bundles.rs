//! The files that pages load: codings, caching, ranges, other origins, and the addresses of older servers.

use std::io::Read as _;

use aws_lc_rs::digest::{SHA384, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use testkit::Backend;

use crate::deployment::{ADMIN, Deployment, PLATFORM, manifest, on_both_backends, plugin, with};
use crate::problem;

on_both_backends!(
    every_coding_gives_the_same_bytes,
    what_a_cache_has_is_not_sent_again,
    ranges_are_cut_from_what_was_chosen,
    any_page_may_load,
    maps_and_chunks_are_found,
    older_addresses_are_found,
    what_is_not_there_is_told_as_a_problem,
);

/// Subresource Integrity of `content`, SHA-384.
pub(crate) fn integrity(content: &[u8]) -> String {
    format!("sha384-{}", STANDARD.encode(digest(&SHA384, content)))
}

/// A plugin large enough that every coding makes it smaller.
async fn published(backend: Backend) -> (Deployment, Value) {
    let deployment = Deployment::start(backend);
    let lines: Vec<String> = (0..400).map(|line| format!("'line {line} of the text'")).collect();
    let lines = lines.join(",\n");
    let source = format!(
        "const lines = [{lines}];\nexport default {{ name: 'P', extensionPoints: {{ checkout: () => <pre>{{lines.join()}}</pre> }} }};"
    );
    let body = with(plugin("card", "1.0.0"), &json!({"sourceCode": source}));
    let published = deployment.post(PLATFORM, "/plugins", &body).await.expect(201);
    (deployment, published)
}

fn path(deployment: &Deployment, published: &Value) -> String {
    published["bundleUrl"].as_str().unwrap().strip_prefix(deployment.base()).unwrap().to_owned()
}

async fn fetch(deployment: &Deployment, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let request = deployment.request(method, path);
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap()
}

async fn get(deployment: &Deployment, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, Bytes) {
    let response = fetch(deployment, Method::GET, path, headers).await;
    (response.status().as_u16(), response.headers().clone(), response.bytes().await.unwrap())
}

fn decode(coding: &str, content: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    match coding {
        "br" => brotli::Decompressor::new(content, 4096).read_to_end(&mut whole).unwrap(),
        "gzip" => flate2::read::GzDecoder::new(content).read_to_end(&mut whole).unwrap(),
        "zstd" => {
            whole = zstd::decode_all(content).unwrap();
            whole.len()
        }
        other => panic!("unknown coding {other}"),
    };
    whole
}

async fn every_coding_gives_the_same_bytes(backend: Backend) {
    let (deployment, published) = published(backend).await;
    let path = path(&deployment, &published);
    let (status, headers, plain) = get(&deployment, &path, &[]).await;
    assert_eq!((status, headers.get("content-encoding")), (200, None));
    assert_eq!(published["integrity"], integrity(&plain));
    let mut tags = vec![headers["etag"].clone()];
    for coding in ["br", "zstd", "gzip"] {
        let (status, headers, content) = get(&deployment, &path, &[("accept-encoding", coding)]).await;
        assert_eq!((status, headers["content-encoding"].to_str().unwrap()), (200, coding));
        assert_eq!(headers["content-length"], content.len().to_string().as_str());
        assert!(content.len() < plain.len() / 2, "{coding}: {} of {}", content.len(), plain.len());
        assert_eq!(decode(coding, &content), plain, "{coding}");
        tags.push(headers["etag"].clone());
    }
    tags.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    tags.dedup();
    assert_eq!(tags.len(), 4, "each coding has a tag of its own: {tags:?}");
    for (accepted, coding) in [
        ("gzip, deflate, br, zstd", Some("br")),
        ("gzip;q=1, br;q=0.1", Some("gzip")),
        ("deflate", None),
        ("identity", None),
    ] {
        let (_, headers, _) = get(&deployment, &path, &[("accept-encoding", accepted)]).await;
        assert_eq!(
            headers.get("content-encoding").map(|coding| coding.to_str().unwrap()),
            coding,
            "{accepted}"
        );
        assert_eq!(headers["vary"], "accept-encoding", "{accepted}");
    }
    let refused = fetch(&deployment, Method::GET, &path, &[("accept-encoding", "*;q=0")]).await;
    assert_eq!(refused.status(), 406);
}

async fn what_a_cache_has_is_not_sent_again(backend: Backend) {
    let (deployment, published) = published(backend).await;
    let path = path(&deployment, &published);
    for accepted in ["identity", "br"] {
        let accept = ("accept-encoding", accepted);
        let (_, headers, content) = get(&deployment, &path, &[accept]).await;
        assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(headers["content-type"], "text/javascript; charset=utf-8");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        let etag = headers["etag"].to_str().unwrap();
        assert!(etag.starts_with('"'), "a strong tag: {etag}");
        for known in [etag.to_owned(), format!("\"x\", W/{etag}"), "*".to_owned()] {
            let (status, again, body) = get(&deployment, &path, &[accept, ("if-none-match", &known)]).await;
            assert_eq!((status, body.len(), &again["etag"]), (304, 0, &headers["etag"]), "{known}");
            assert_eq!(again["cache-control"], headers["cache-control"]);
        }
        assert_eq!(get(&deployment, &path, &[accept, ("if-none-match", "\"x\"")]).await.0, 200);

        let head = fetch(&deployment, Method::HEAD, &path, &[accept]).await;
        assert_eq!(head.status(), 200);
        for name in ["etag", "content-type", "content-length", "cache-control", "vary", "accept-ranges"] {
            assert_eq!(head.headers()[name], headers[name], "{name}");
        }
        assert_eq!(headers["content-length"], content.len().to_string().as_str());
        assert_eq!(head.bytes().await.unwrap().len(), 0);
    }
}

async fn ranges_are_cut_from_what_was_chosen(backend: Backend) {
    let (deployment, published) = published(backend).await;
    let path = path(&deployment, &published);
    for accepted in ["identity", "gzip"] {
        let accept = ("accept-encoding", accepted);
        let (_, headers, whole) = get(&deployment, &path, &[accept]).await;
        let etag = headers["etag"].to_str().unwrap();
        let (length, last) = (whole.len(), whole.len() - 1);
        for (range, expected) in [
            ("bytes=0-9".to_owned(), 0..10),
            ("bytes=5-".to_owned(), 5..length),
            ("bytes=-7".to_owned(), length - 7..length),
            (format!("bytes={last}-{}", length + 100), last..length),
        ] {
            let (status, part, body) = get(&deployment, &path, &[accept, ("range", &range)]).await;
            let content_range = format!("bytes {}-{}/{length}", expected.start, expected.end - 1);
            assert_eq!(
                (status, part["content-range"].to_str().unwrap()),
                (206, content_range.as_str()),
                "{range}"
            );
            assert_eq!(body, whole[expected], "{range}");
            assert_eq!(part["etag"], headers["etag"]);
        }
        let range = ("range", "bytes=0-9");
        assert_eq!(get(&deployment, &path, &[accept, range, ("if-range", etag)]).await.0, 206);
        let (status, _, body) = get(&deployment, &path, &[accept, range, ("if-range", "\"another\"")]).await;
        assert_eq!((status, body), (200, whole.clone()), "a part of other content is of no use");

        let beyond = format!("bytes={length}-");
        let refused = fetch(&deployment, Method::GET, &path, &[accept, ("range", &beyond)]).await;
        assert_eq!(refused.status(), 416);
        assert_eq!(refused.headers()["content-range"], format!("bytes */{length}").as_str());
    }
}

async fn any_page_may_load(backend: Backend) {
    let (deployment, published) = published(backend).await;
    let path = path(&deployment, &published);
    let origin = ("origin", "https://a-shop.example");
    for path in [path.as_str(), "/plugins/bundles/card/v9.9.9/none.js"] {
        let (_, headers, _) = get(&deployment, path, &[origin]).await;
        assert_eq!(headers["access-control-allow-origin"], "*", "{path}");
        assert_eq!(headers["cross-origin-resource-policy"], "cross-origin", "{path}");
        assert!(!headers.contains_key("access-control-allow-credentials"), "{path}");
        assert!(!headers.contains_key("set-cookie"), "{path}");
    }
    let asked =
        [origin, ("access-control-request-method", "GET"), ("access-control-request-headers", "range")];
    let preflight = fetch(&deployment, Method::OPTIONS, &path, &asked).await;
    assert!(preflight.status().is_success());
    assert_eq!(preflight.headers()["access-control-allow-origin"], "*");
    assert!(preflight.headers()["access-control-allow-methods"].to_str().unwrap().contains("GET"));
    // A wrong credential is not even looked at.
    assert_eq!(get(&deployment, &path, &[("authorization", "Bearer wrong")]).await.0, 200);
}

async fn maps_and_chunks_are_found(backend: Backend) {
    let deployment = Deployment::start(backend);
    let files = json!({
        "src/index.tsx": "export default { name: 'P', extensionPoints: { checkout: () => null }, \
                          later: () => import('./later') };",
        "src/later.ts": "export const later = 'in a chunk of its own';",
    });
    let body = with(manifest("card", "1.0.0"), &json!({"files": files}));
    let published = deployment.post(PLATFORM, "/plugins", &body).await.expect(201);
    for url in [&published["bundleUrl"], &published["bareBundleUrl"]] {
        let url: reqwest::Url = url.as_str().unwrap().parse().unwrap();
        let (_, _, content) = get(&deployment, url.path(), &[]).await;
        let text = String::from_utf8(content.to_vec()).unwrap();

        let map = text.lines().rev().find_map(|line| line.strip_prefix("//# sourceMappingURL=")).unwrap();
        let map = url.join(map).unwrap();
        let (status, headers, map) = get(&deployment, map.path(), &[]).await;
        assert_eq!((status, headers["content-type"].to_str().unwrap()), (200, "application/json"));
        let map: Value = serde_json::from_slice(&map).unwrap();
        assert!(map["sources"].to_string().contains("src/index.tsx"), "{}", map["sources"]);
        assert!(map["mappings"].as_str().is_some_and(|mappings| !mappings.is_empty()));

        let chunk = text.split("import(").nth(1).unwrap_or_else(|| panic!("no import() in {text}"));
        let chunk = chunk.split(['"', '\'', '`']).nth(1).unwrap();
        let (status, headers, chunk) = get(&deployment, url.join(chunk).unwrap().path(), &[]).await;
        assert_eq!(
            (status, headers["content-type"].to_str().unwrap()),
            (200, "text/javascript; charset=utf-8")
        );
        assert!(String::from_utf8_lossy(&chunk).contains("in a chunk of its own"));
    }
}

async fn older_addresses_are_found(backend: Backend) {
    let (deployment, published) = published(backend).await;
    let path = path(&deployment, &published);
    let (_, _, content) = get(&deployment, &path, &[]).await;
    let filename = path.rsplit('/').next().unwrap();
    let key = deployment.column("SELECT blob_key FROM bundle_file ORDER BY filename").await;
    let key = key.iter().find(|key| key.ends_with(filename)).unwrap();
    for older in [
        "/plugins/bundles/card/v1.0.0/index.js".to_owned(),
        "/plugins/bundles/card/v1.0.0/bundle.js".to_owned(),
        "/plugins/bundles/plugins/card/1.0.0/index.js".to_owned(),
        format!("/plugins/bundles/card/1.0.0/{filename}"),
        format!("/plugins/bundles/{key}"),
    ] {
        let (status, headers, found) = get(&deployment, &older, &[]).await;
        assert_eq!((status, found == content), (200, true), "{older}");
        assert_eq!(headers["content-type"], "text/javascript; charset=utf-8", "{older}");
    }
    // A tenant's own plugin is not to be had by a name that can be guessed.
    deployment.publish(ADMIN, "own", "1.0.0").await;
    for guess in ["/plugins/bundles/own/v1.0.0/index.js", "/plugins/bundles/own/1.0.0/bundle.js"] {
        assert_eq!(get(&deployment, guess, &[]).await.0, 404, "{guess}");
    }
}

async fn what_is_not_there_is_told_as_a_problem(backend: Backend) {
    let (deployment, _) = published(backend).await;
    for missing in [
        "card/v1.0.0/none.js",
        "card/v1.0.1/index.js",
        "none/v1.0.0/index.js",
        "card",
        "card/v1.0.0/",
        "card/v1.0.0/../../../../etc/passwd",
        "..%2f..%2fjackfield.db",
        "card/v1.0.0/%2e%2e/%2e%2e/jackfield.db",
        "%00",
        "card/v1.0.0/a%20b.js",
    ] {
        let response = deployment.get(&format!("/plugins/bundles/{missing}")).await;
        assert_eq!(response.status, 404, "{missing}: {}", response.text);
        response.problem("not_found");
    }
    let response = deployment.server.get("/plugins/none/bundle").send().await.unwrap();
    assert_eq!(problem(response).await["code"], "not_found");
}
