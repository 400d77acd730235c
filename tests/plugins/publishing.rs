//! Every way in which a plugin comes in.

use serde_json::{Value, json};
use testkit::{Archive, Backend};

use crate::bundles::integrity;
use crate::deployment::{ADMIN, Deployment, PLATFORM, manifest, on_both_backends, source, with};

on_both_backends!(
    sources_in_json_are_built,
    uploads_are_built_or_taken_as_they_are,
    a_bundle_is_stored_ahead_of_its_version,
);

/// The description of a plugin for a form.
const FORM: [(&str, &str); 4] =
    [("id", "card"), ("name", "Card"), ("version", "1.0.0"), ("category", "payment")];

/// Loads the bundle of a published plugin and holds it against its integrity.
async fn load(deployment: &Deployment, published: &Value) -> String {
    let url = published["bundleUrl"].as_str().unwrap();
    let path = url.strip_prefix(deployment.base()).unwrap();
    let response = deployment.server.get(path).send().await.unwrap();
    assert_eq!(response.status(), 200, "{url}");
    let content = response.bytes().await.unwrap();
    assert_eq!(published["integrity"], integrity(&content), "{url}");
    String::from_utf8(content.to_vec()).unwrap()
}

async fn sources_in_json_are_built(backend: Backend) {
    let deployment = Deployment::start(backend);
    let published = deployment.publish(PLATFORM, "lone", "1.0.0").await;
    assert!(load(&deployment, &published).await.contains("lone 1.0.0"));
    assert_eq!(published["extensionPoints"], json!(["checkout"]), "found in the program");
    assert_eq!(published["metadata"]["status"], "approved");

    let body = manifest("tree", "1.0.0");
    let files = json!({
        "src/index.tsx": "import { text } from './text'; import logo from './logo.svg';\n\
            export default { name: 'Tree', extensionPoints: { checkout: () => <img alt={text} src={logo} /> } };",
        "src/text.ts": "export const text: string = 'from another file';",
        "src/logo.svg": {"content": "PHN2Zy8+", "encoding": "base64"},
    });
    let published =
        deployment.post(ADMIN, "/plugins", &with(body, &json!({"files": files}))).await.expect(201);
    let bundle = load(&deployment, &published).await;
    assert!(bundle.contains("from another file") && bundle.contains("data:image/svg+xml"), "{bundle}");
    // The same sources with bare imports, for pages with an import map.
    assert_ne!(published["bareBundleUrl"], published["bundleUrl"]);
    let bare = published["bareBundleUrl"].as_str().unwrap().strip_prefix(deployment.base()).unwrap();
    let bare = deployment.server.get(bare).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(published["bareIntegrity"], integrity(&bare));
    assert!(String::from_utf8_lossy(&bare).contains("react/jsx-runtime"));
    assert_eq!(
        deployment.events().await,
        [
            "- plugin.created lone",
            "- plugin.published lone",
            "acme plugin.created tree",
            "acme plugin.published tree"
        ]
    );
}

async fn uploads_are_built_or_taken_as_they_are(backend: Backend) {
    let deployment = Deployment::start(backend);
    let manifest = |id: &str| manifest(id, "1.0.0").to_string();
    for (id, wrapping) in [("zipped", ""), ("tarred", "package/")] {
        let (manifest, source) = (manifest(id), source(&format!("from {id}")));
        let (manifest_name, source_name) =
            (format!("{wrapping}plugin.json"), format!("{wrapping}src/index.tsx"));
        let archive = Archive::of(&[(&manifest_name, &manifest), (&source_name, &source)]);
        let file = if id == "zipped" { archive.zip() } else { archive.tgz() }.unwrap();
        let fields = [("description", "from the form")];
        let published = deployment.upload(ADMIN, "/plugins/upload", file, &fields).await.expect(201);
        assert_eq!((&published["id"], &published["description"]), (&json!(id), &json!("from the form")));
        assert!(load(&deployment, &published).await.contains(&format!("from {id}")));
    }
    let prebuilt = "export default{name:'Card',extensionPoints:{checkout(){return null}}};";
    let published = deployment.upload(ADMIN, "/plugins/upload", prebuilt, &FORM).await.expect(201);
    assert_eq!(load(&deployment, &published).await, prebuilt);
    assert_eq!(published["extensionPoints"], json!(["checkout"]));
    assert!(published.get("bareBundleUrl").is_none(), "{published}");
}

async fn a_bundle_is_stored_ahead_of_its_version(backend: Backend) {
    let deployment = Deployment::start(backend);
    let prebuilt = "export default{name:'Card',extensionPoints:{checkout(){return null}}};";
    let fields = [("pluginId", "card"), ("version", "1.0.0")];
    let stored = deployment.upload(ADMIN, "/plugins/storage/upload", prebuilt, &fields).await.expect(201);
    assert_eq!((&stored["pluginId"], &stored["version"]), (&json!("card"), &json!("1.0.0")));
    // Once more is the same file.
    let again = deployment.upload(ADMIN, "/plugins/storage/upload", prebuilt, &fields).await.expect(201);
    assert_eq!(again, stored);
    assert_eq!(deployment.events().await, [""; 0], "no plugin has changed yet");

    let body = with(manifest("card", "1.0.0"), &json!({"bundleUrl": stored["bundleUrl"]}));
    let elsewhere = deployment.post(("other", ADMIN.1), "/plugins", &body).await;
    assert_eq!(elsewhere.pointers("validation_failed"), ["/bundleUrl"], "another tenant's upload");
    let published = deployment.post(ADMIN, "/plugins", &body).await.expect(201);
    assert_eq!(published["bundleUrl"], stored["bundleUrl"]);
    assert_eq!(load(&deployment, &published).await, prebuilt);
    let late = deployment.upload(ADMIN, "/plugins/storage/upload", "export default {};", &fields).await;
    late.problem("already_exists");
}
