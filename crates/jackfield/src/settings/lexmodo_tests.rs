//! The settings of the app at the Lexmodo platform, as they are loaded.

use connections::catalog::{Owner, Provider, TokenAuth};
use secrecy::ExposeSecret as _;

use super::tests::{load_providers, load_with};
use super::*;

/// As the platform's documents have it, in every letter but for the two values that each plugin has of its own.
const DOTENV: &str = "PORT=9999
APP_CLIENT_ID=0b6dd6a3-app
APP_SECRET=hush-hush-hush-hush-hush-hush-hush-hush
REDIRECT_URI=http://localhost:9999/callback
AUTHORIZE_URL=https://devadmin.lexmodo.com/oauth/provider/oauth2/auth
TOKEN_URL=https://devadmin.lexmodo.com/oauth/provider/oauth2/token
ISSUER=https://devadmin.lexmodo.com
PLUGIN_CODE=Numinix
PLUGIN_TYPE=CUSTOM
PLUGIN_NAME=Numinix Plugin
PLUGIN_SCOPE=customers_write
";

/// What cannot be left out.
const NEEDED: [&str; 6] =
    ["APP_CLIENT_ID", "APP_SECRET", "AUTHORIZE_URL", "TOKEN_URL", "ISSUER", "PLUGIN_CODE"];

fn without(names: &[&str]) -> String {
    let is_kept = |line: &&str| !names.iter().any(|name| line.starts_with(&format!("{name}=")));
    DOTENV.lines().filter(is_kept).collect::<Vec<_>>().join("\n")
}

fn provider(loaded: &Loaded) -> &Provider {
    loaded.catalog.get("lexmodo").unwrap()
}

#[test]
fn the_documented_file_is_a_working_configuration() {
    let loaded = load_with(&[], DOTENV, "").unwrap();
    let app = loaded.settings.lexmodo().unwrap();
    assert_eq!((app.client_id.as_str(), app.plugin_code.as_str()), ("0b6dd6a3-app", "Numinix"));
    assert_eq!(app.secret.expose_secret(), "hush-hush-hush-hush-hush-hush-hush-hush");
    assert_eq!((app.plugin_name.as_str(), app.plugin_type.as_deref()), ("Numinix Plugin", Some("CUSTOM")));
    assert_eq!(app.issuer.text, "https://devadmin.lexmodo.com");
    assert_eq!(app.redirect_uri.unwrap().as_str(), "http://localhost:9999/callback");
    assert_eq!(app.scopes, ["customers_write"]);
    assert_eq!((app.grpc_address, app.descriptor_set, app.max_message_bytes), (None, None, 4 << 20));
    let [warning] = loaded.warnings.as_slice() else { panic!("{:?}", loaded.warnings) };
    assert!(warning.starts_with("LEXMODO_GRPC_ADDRESS is not set"), "{warning}");
    let shown = format!("{loaded:?} {} {:?}", show(&loaded.values), loaded.warnings);
    assert!(shown.contains("APP_SECRET = ********  (.env)") && !shown.contains("hush-hush"), "{shown}");
}

#[test]
fn the_platform_is_in_the_catalog() {
    let loaded = load_with(&[], DOTENV, "").unwrap();
    let lexmodo = provider(&loaded);
    assert_eq!((lexmodo.name.as_str(), lexmodo.owner), ("Lexmodo", Owner::Tenant));
    let endpoints = &lexmodo.endpoints;
    assert_eq!(
        endpoints.authorization.as_deref(),
        Some("https://devadmin.lexmodo.com/oauth/provider/oauth2/auth")
    );
    assert_eq!(endpoints.token.as_deref(), Some("https://devadmin.lexmodo.com/oauth/provider/oauth2/token"));
    assert_eq!((&endpoints.userinfo, &lexmodo.issuer), (&None, &None));
    let params: Vec<(&str, &str)> =
        lexmodo.authorization_params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(params, [("access_type", "offline"), ("plugin_code", "Numinix")]);
    assert_eq!(lexmodo.token_auth, TokenAuth::ClientSecretBasic);
    assert!(lexmodo.rotation.rotates);
    assert_eq!(lexmodo.default_scopes, ["customers_write"]);
    let app = loaded.catalog.app(&lexmodo.id).unwrap();
    assert_eq!(app.client_id, "0b6dd6a3-app");
    assert_eq!(
        app.client_secret.as_ref().unwrap().expose_secret(),
        "hush-hush-hush-hush-hush-hush-hush-hush"
    );
    assert_eq!(app.redirect_uri.as_ref().unwrap().as_str(), "http://localhost:9999/callback");
    assert!(load_with(&[], "", "").unwrap().catalog.get("lexmodo").is_none());
}

#[test]
fn browsers_come_back_here_where_nothing_else_is_said() {
    let here = |dotenv: &str, public_url: &str| {
        let loaded = load_with(&[], dotenv, "").unwrap();
        let catalog = crate::lexmodo::returning_here(loaded.catalog, &public_url.parse().unwrap()).unwrap();
        let id = &catalog.get("lexmodo").unwrap().id;
        catalog.app(id).unwrap().redirect_uri.as_ref().unwrap().to_string()
    };
    assert_eq!(here(DOTENV, "https://plugin.example"), "http://localhost:9999/callback");
    let without = without(&["REDIRECT_URI"]);
    assert_eq!(here(&without, "https://plugin.example"), "https://plugin.example/callback");
    assert_eq!(here(&without, "https://plugin.example/base/"), "https://plugin.example/base/callback");
    let nothing = load_with(&[], "", "").unwrap().catalog;
    let public_url = "https://plugin.example".parse().unwrap();
    assert!(crate::lexmodo::returning_here(nothing, &public_url).unwrap().get("lexmodo").is_none());
}

#[test]
fn an_operator_overrides_single_fields_of_the_platform() {
    let file = "[providers.lexmodo]\ntoken_url = \"https://other.example/token\"\npkce = false";
    let dotenv: Vec<(&str, &str)> = DOTENV.lines().filter_map(|line| line.split_once('=')).collect();
    let loaded = load_providers(&dotenv, file, "").unwrap();
    let lexmodo = provider(&loaded);
    assert_eq!(lexmodo.endpoints.token.as_deref(), Some("https://other.example/token"));
    assert!(!lexmodo.pkce);
    assert_eq!(loaded.catalog.app(&lexmodo.id).unwrap().client_id, "0b6dd6a3-app");
}

#[test]
fn an_operator_cannot_take_from_the_platform_what_its_page_needs() {
    let dotenv: Vec<(&str, &str)> = DOTENV.lines().filter_map(|line| line.split_once('=')).collect();
    let variable = "[providers.lexmodo.variables.shop]\npattern = \"path_segment\"";
    let url = "token_url = \"https://x.example/{shop}/token\"";
    let file = format!("[providers.lexmodo]\nowner = \"user\"\n{url}\n{variable}");
    let error = load_providers(&dotenv, &file, "").unwrap_err();
    assert!(error.contains("2 settings are wrong"), "{error}");
    assert!(error.contains("[providers.lexmodo] owner must be \"tenant\""), "{error}");
    assert!(error.contains("[providers.lexmodo] variables must each have a default"), "{error}");
    let with_default = format!("[providers.lexmodo]\n{url}\n{variable}\ndefault = \"all\"");
    assert!(load_providers(&dotenv, &with_default, "").is_ok());
    let error = load_providers(&dotenv, "[providers.lexmodo]\nflow = \"api_key\"", "").unwrap_err();
    assert!(error.contains("[providers.lexmodo] flow must be \"authorization_code\""), "{error}");
    let own = "[providers.lexmodo]\nauthorization_url = \"https://x.example/a\"\ntoken_url = \"https://x.example/t\"";
    assert!(load_providers(&[], own, "").is_ok(), "without the app it is a provider as any other");
}

#[test]
fn names_that_may_be_left_out_have_a_default() {
    let optional = ["REDIRECT_URI", "PLUGIN_TYPE", "PLUGIN_NAME", "PLUGIN_SCOPE"];
    let app = load_with(&[], &without(&optional), "").unwrap().settings.lexmodo().unwrap();
    assert_eq!((app.plugin_name.as_str(), app.plugin_type, app.redirect_uri), ("Numinix", None, None));
    assert_eq!(app.scopes, [""; 0]);
}

#[test]
fn each_missing_name_is_told_with_the_rest() {
    for name in NEEDED {
        let error = load_with(&[], &without(&[name]), "").unwrap_err();
        assert!(error.contains("1 setting is wrong"), "{error}");
        let given = if name == "APP_CLIENT_ID" { "APP_SECRET" } else { "APP_CLIENT_ID" };
        assert!(error.contains(&format!("{name} must be set where {given} is: ")), "{error}");
    }
    for name in NEEDED {
        let others: Vec<&str> = NEEDED.into_iter().filter(|other| *other != name).collect();
        let error = load_with(&[("HOST", "nonsense")], &without(&others), "").unwrap_err();
        assert!(error.contains("6 settings are wrong") && error.contains("HOST must be"), "{error}");
        for other in others {
            assert!(error.contains(&format!("{other} must be set where {name} is: ")), "{error}");
        }
    }
}

#[test]
fn what_is_wrong_is_named_at_once_with_what_would_be_right() {
    let given = [
        ("AUTHORIZE_URL", "devadmin.lexmodo.com/auth"),
        ("TOKEN_URL", "ftp://devadmin.lexmodo.com"),
        ("REDIRECT_URI", "/callback"),
        ("ISSUER", "https://devadmin.lexmodo.com?a=b"),
        ("PLUGIN_CODE", "a/b"),
        ("PLUGIN_NAME", "two\nlines"),
        ("PLUGIN_SCOPE", "caf\u{e9}"),
        ("LEXMODO_GRPC_ADDRESS", "grpc.example:443"),
        ("LEXMODO_MAX_MESSAGE_SIZE", "4MB"),
    ];
    let error = load_with(&given, DOTENV, "").unwrap_err();
    assert!(error.contains("9 settings are wrong"), "{error}");
    for (name, expected) in [
        ("AUTHORIZE_URL", "a URL that begins with http:// or https://"),
        ("TOKEN_URL", "a URL that begins with http:// or https://"),
        ("REDIRECT_URI", "a URL that begins with http:// or https://"),
        (
            "ISSUER",
            "a URL such as https://admin.example, without user name, query or fragment, and with no IPv6 address",
        ),
        ("PLUGIN_CODE", "1 to 64 letters, digits and - . _ ~"),
        ("PLUGIN_NAME", "a text of one line"),
        ("PLUGIN_SCOPE", "a list of scopes"),
        ("LEXMODO_GRPC_ADDRESS", "https://host:port"),
        ("LEXMODO_MAX_MESSAGE_SIZE", "a number of bytes"),
    ] {
        assert!(error.contains(&format!("{name} must be {expected}")), "{name}: {error}");
    }
    let given = [("LEXMODO_DESCRIPTOR_SET", "/nowhere/set.bin"), ("LEXMODO_MAX_MESSAGE_SIZE", "0")];
    let error = load_with(&given, DOTENV, "").unwrap_err();
    assert!(error.contains("LEXMODO_DESCRIPTOR_SET must be a readable file"), "{error}");
    assert!(error.contains("LEXMODO_MAX_MESSAGE_SIZE must be 1KiB or more"), "{error}");
    let fragment = [("AUTHORIZE_URL", "https://h/a#b"), ("REDIRECT_URI", "https://h/a#b")];
    let error = load_with(&fragment, DOTENV, "").unwrap_err();
    assert!(error.contains("AUTHORIZE_URL must be") && error.contains("REDIRECT_URI must be"), "{error}");
    assert!(!error.contains("[providers"), "{error}");
}

#[test]
fn what_is_said_in_the_clear_is_warned_of() {
    let given = [
        ("AUTHORIZE_URL", "http://platform.example/auth"),
        ("TOKEN_URL", "http://platform.example/token"),
        ("REDIRECT_URI", "http://plugin.example/callback"),
        ("ISSUER", "http://platform.example"),
        ("LEXMODO_GRPC_ADDRESS", "http://grpc.example:50051"),
    ];
    let warnings = load_with(&given, DOTENV, "").unwrap().warnings;
    for (name, _) in given {
        let count = warnings.iter().filter(|warning| warning.starts_with(&format!("{name} is http"))).count();
        assert_eq!(count, 1, "{name}: {warnings:?}");
    }
    assert_eq!(warnings.len(), given.len(), "{warnings:?}");
    let here = [("ISSUER", "http://127.0.0.1:9000"), ("LEXMODO_GRPC_ADDRESS", "http://localhost:50051")];
    assert_eq!(load_with(&here, DOTENV, "").unwrap().warnings, Vec::<String>::new());
}

#[test]
fn what_nothing_will_use_is_warned_of() {
    let given = [("LEXMODO_GRPC_ADDRESS", "https://grpc.example"), ("PLUGIN_NAME", "Numinix Plugin")];
    let loaded = load_with(&given, "", "").unwrap();
    assert!(loaded.settings.lexmodo().is_none());
    for (name, _) in given {
        let told = |warning: &String| warning.starts_with(&format!("{name} is not used"));
        assert!(loaded.warnings.iter().any(told), "{:?}", loaded.warnings);
    }
}

#[test]
fn the_settings_file_takes_the_names_too() {
    let file = DOTENV
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| match name {
            "PORT" => format!("port = {value}\n"),
            "PLUGIN_SCOPE" => "plugin_scope = [\"customers_write\", \"orders_read\"]\n".to_owned(),
            _ => format!("{} = {value:?}\n", name.to_lowercase()),
        })
        .collect::<String>();
    let app = load_with(&[], "", &file).unwrap().settings.lexmodo().unwrap();
    assert_eq!((app.plugin_name.as_str(), app.scopes.len()), ("Numinix Plugin", 2));
}
