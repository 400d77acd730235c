//! The sandbox provider of `serve --dev`: an authorization server within this program, to walk every flow with no account
//! anywhere.

use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use connections::catalog::{Catalog, CatalogError};
use model::Ambient;
use sandbox_provider::Config;
use secrecy::SecretString;
use url::Url;

/// The provider's name in the catalog, and the path of its pages.
const NAME: &str = "sandbox";
const CLIENT_ID: &str = "jackfield-sandbox";

/// The provider's pages, and the catalog with its entry.
pub(crate) struct DevProvider {
    /// To be mounted at the root.
    pub(crate) router: Router,
    /// The catalog with the sandbox in it.
    pub(crate) catalog: Catalog,
    /// Where its notes are, for the connector `notes`.
    pub(crate) base_url: Url,
}

impl DevProvider {
    /// A sandbox on the server that is reached at `public_url`. Its grants live as long as the process.
    ///
    /// # Errors
    /// None but those of the entry that this function writes.
    pub(crate) fn new(catalog: Catalog, public_url: &Url, ambient: &Ambient) -> Result<Self, CatalogError> {
        let root = public_url.as_str().trim_end_matches('/');
        let secret = URL_SAFE_NO_PAD.encode(ambient.bytes::<32>());
        let catalog = catalog.with(&entry(root, &secret, public_url))?;
        let callback = format!("{root}/api/v1/unified/auth/{NAME}/callback");
        let base_url = public_url.join(&format!("{root}/{NAME}")).unwrap_or_else(|_| public_url.clone());
        let config = Config {
            base_url: base_url.clone(),
            client_id: CLIENT_ID.to_owned(),
            client_secret: SecretString::from(secret),
            client_name: "Jackfield".to_owned(),
            redirect_uris: vec![callback],
            ambient: ambient.clone(),
        };
        Ok(Self {
            router: Router::new().nest(&format!("/{NAME}"), sandbox_provider::router(config)),
            catalog,
            base_url,
        })
    }
}

fn entry(root: &str, secret: &str, public_url: &Url) -> String {
    let host = public_url.host_str().unwrap_or_default();
    let host = public_url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    format!(
        r#"[providers.{NAME}]
        name = "Sandbox"
        issuer = "{root}/{NAME}"
        promises_iss = true
        authorization_url = "{root}/{NAME}/authorize"
        token_url = "{root}/{NAME}/token"
        userinfo_url = "{root}/{NAME}/userinfo"
        revocation_url = "{root}/{NAME}/revoke"
        default_scopes = ["notes.read", "notes.write"]
        token_auth = "client_secret_basic"
        rotation = {{ rotates = true }}
        account = {{ id = "/sub", email = "/email", name = "/name" }}
        revocation = {{ client_auth = "client_secret_basic" }}
        api_hosts = ["{host}"]
        client_id = "{CLIENT_ID}"
        client_secret = "{secret}"
        "#
    )
}
