//! What the catalog makes of an entry of the program's own. Nothing here does I/O.

use secrecy::ExposeSecret;

use super::tests::{assert_problems, provider};
use super::*;

/// What the settings of a platform come to.
fn platform(token_url: &str, redirect_uri: &str) -> PlatformEntry<'static> {
    let table = format!(
        "name = \"The Platform\"\nowner = \"tenant\"\nauthorization_url = \"https://platform.example/authorize\"\n\
         token_url = \"{token_url}\"\nauthorization_params = {{ plugin_code = \"p1\" }}\nclient_id = \"from-settings\"\n\
         client_secret = \"hush-from-settings\"\nredirect_uri = \"{redirect_uri}\"\ndefault_scopes = [\"customers\"]\n"
    );
    let settings =
        &[("token_url", "TOKEN_URL"), ("redirect_uri", "REDIRECT_URI"), ("client_id", "APP_CLIENT_ID")];
    PlatformEntry { id: "platform", table: table.parse().unwrap(), settings }
}

fn load_platform(entry: PlatformEntry<'_>, file: Option<&str>) -> Result<Catalog, CatalogError> {
    Catalog::load(&[entry], file, &|_| None)
}

const TOKEN_URL: &str = "https://platform.example/token";
const REDIRECT_URI: &str = "https://me.example/callback";

#[test]
fn the_programs_own_entry_is_overridden_field_by_field() {
    let entry = platform(TOKEN_URL, REDIRECT_URI);
    assert!(!format!("{entry:?}").contains("hush"), "{entry:?}");
    let catalog = load_platform(entry.clone(), None).unwrap();
    let made = provider(&catalog, "platform");
    assert_eq!((made.owner, made.name.as_str()), (Owner::Tenant, "The Platform"));
    assert!(made.pkce, "what the table does not say is as in generic");
    let app = catalog.app(&made.id).unwrap();
    assert_eq!(
        (app.client_id.as_str(), app.redirect_uri.as_ref().unwrap().as_str()),
        ("from-settings", REDIRECT_URI)
    );
    assert_eq!(app.client_secret.as_ref().unwrap().expose_secret(), "hush-from-settings");
    assert!(!format!("{catalog:?}").contains("hush"));

    let file = r#"
        [providers.platform]
        owner = "user"
        token_url = "https://elsewhere.example/token"
        authorization_params = {}
        [providers.second]
        like = "platform"
    "#;
    let catalog = load_platform(entry.clone(), Some(file)).unwrap();
    let made = provider(&catalog, "platform");
    assert_eq!((made.owner, made.name.as_str()), (Owner::User, "The Platform"));
    assert_eq!(made.endpoints.token.as_deref(), Some("https://elsewhere.example/token"));
    assert!(made.authorization_params.is_empty());
    assert_eq!(catalog.app(&made.id).unwrap().client_id, "from-settings");
    let second = provider(&catalog, "second");
    assert_eq!(second.endpoints.token.as_deref(), Some(TOKEN_URL));
    assert!(catalog.app(&second.id).is_none(), "an app is one entry's own");

    let google = PlatformEntry { id: "google", ..entry };
    assert_eq!(
        provider(&load_platform(google, None).unwrap(), "google").endpoints.token.as_deref(),
        Some(TOKEN_URL)
    );
}

#[test]
fn what_is_wrong_with_a_setting_is_said_of_that_setting() {
    let error = load_platform(platform("platform.example/token", "nonsense"), None).unwrap_err();
    assert_problems(
        &error,
        &[
            "TOKEN_URL must be an http or https URL",
            "REDIRECT_URI must be an http or https URL without fragment",
        ],
    );
    assert!(error.problems.iter().all(|problem| !problem.starts_with('[')), "{error}");
    let warned = load_platform(platform("http://platform.example/token", REDIRECT_URI), None).unwrap();
    assert_eq!(warned.warnings().len(), 1);
    assert!(
        warned.warnings()[0].starts_with("TOKEN_URL is http to another machine"),
        "{:?}",
        warned.warnings()
    );

    // What stands in the file is said of the file.
    let file = "[providers.platform]\ntoken_url = \"ftp://x.example\"";
    let error = load_platform(platform(TOKEN_URL, "nonsense"), Some(file)).unwrap_err();
    assert_problems(&error, &["[providers.platform] token_url must be", "REDIRECT_URI must be"]);

    let mut half = platform(TOKEN_URL, REDIRECT_URI);
    half.table.remove("client_secret");
    let error = load_platform(half, None).unwrap_err();
    assert_problems(
        &error,
        &["PLATFORM_CLIENT_SECRET must be set, or client_secret, where APP_CLIENT_ID is"],
    );
    let misnamed = PlatformEntry { id: "The Platform", ..platform(TOKEN_URL, REDIRECT_URI) };
    assert_problems(&load_platform(misnamed, None).unwrap_err(), &["is no name of a provider"]);
}

#[test]
fn an_app_of_the_file_has_settings_of_its_own_name() {
    let names = Catalog::setting_names(Some("[providers.platform]\nrevocation_url = \"https://x.example\""));
    assert!(names.contains(&"PLATFORM_REDIRECT_URI".to_owned()), "{names:?}");
    let set = |name: &str| (name == "PLATFORM_CLIENT_ID").then(|| "from-environment".to_owned());
    let catalog = Catalog::load(&[platform(TOKEN_URL, REDIRECT_URI)], None, &set).unwrap();
    assert_eq!(catalog.app(&provider(&catalog, "platform").id).unwrap().client_id, "from-environment");
}
