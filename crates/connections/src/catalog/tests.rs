//! What the catalog makes of its files. Nothing here does I/O.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::*;
use crate::protocol::Reach;

fn load(file: &str) -> Result<Catalog, CatalogError> {
    Catalog::load(&[], Some(file), &|_| None)
}

fn load_with(file: &str, settings: &[(&str, &str)]) -> Result<Catalog, CatalogError> {
    let setting =
        |name: &str| settings.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    Catalog::load(&[], Some(file), &setting)
}

/// Asserts that `problems` are these and no others, each told by a part of its sentence, in any order.
pub(super) fn assert_problems(error: &CatalogError, parts: &[&str]) {
    let all = error.problems.join("\n");
    for part in parts {
        assert!(all.contains(part), "{part:?} is not in\n{all}");
    }
    assert_eq!(error.problems.len(), parts.len(), "\n{all}");
}

pub(super) fn provider(catalog: &Catalog, name: &str) -> Arc<Provider> {
    Arc::clone(catalog.get(name).unwrap())
}

#[test]
fn the_built_in_entries_are_sound() {
    let catalog = Catalog::load(&[], None, &|_| None).unwrap();
    assert_eq!(catalog.warnings(), &[] as &[String]);
    let names: Vec<&str> = catalog.iter().map(|provider| provider.id.as_str()).collect();
    assert_eq!(names, ["atlassian", "bitbucket", "github", "google", "microsoft", "notion", "slack"]);
    for provider in catalog.iter() {
        assert!(!provider.account.id.is_empty(), "{} has no account", provider.id);
        assert!(!provider.api_hosts.is_empty(), "{} has no host", provider.id);
        let has_place = provider.endpoints.revocation.is_some();
        assert_eq!(has_place, provider.revocation.is_some(), "{} has half a revocation", provider.id);
        assert!(catalog.app(&provider.id).is_none());
    }
}

#[test]
fn slack_has_two_credentials_in_one_answer() {
    let slack = provider(&Catalog::load(&[], None, &|_| None).unwrap(), "slack");
    let shapes: Vec<_> = slack
        .credentials
        .iter()
        .map(|shape| {
            (shape.name.as_str(), shape.at.as_str(), shape.scope_param.as_str(), shape.default_scopes.len())
        })
        .collect();
    assert_eq!(shapes, [("bot", "", "scope", 3), ("user", "/authed_user", "user_scope", 0)]);
    assert_eq!((slack.scope_separator.as_str(), slack.pkce), (",", false));
    assert_eq!(slack.revocation.as_ref().unwrap().token_in, TokenIn::Bearer);
    assert_eq!(slack.rotation.reuse_leeway, None);
}

#[test]
fn the_rotation_of_atlassian_and_the_revocation_of_github_are_as_their_vendors_say() {
    let catalog = Catalog::load(&[], None, &|_| None).unwrap();
    let atlassian = provider(&catalog, "atlassian");
    let day = Duration::from_hours(24);
    assert_eq!(
        atlassian.rotation,
        Rotation {
            rotates: true,
            reuse_leeway: Some(Duration::from_mins(10)),
            idle_ttl: Some(90 * day),
            absolute_ttl: Some(365 * day),
        }
    );
    assert_eq!(atlassian.authorization_params["audience"], "api.atlassian.com");
    assert_eq!(atlassian.sites.as_ref().unwrap().id, "/id");
    let github = provider(&catalog, "github").revocation.clone().unwrap();
    assert_eq!((github.method, github.token_param.as_str()), (http::Method::DELETE, "access_token"));
    assert_eq!(github.client_auth, Some(TokenAuth::ClientSecretBasic));
}

#[test]
fn a_built_in_entry_is_overridden_field_by_field() {
    let catalog = load(
        r#"
        [providers.google]
        issuer = ""
        token_url = "http://127.0.0.1:9000/token"
        authorization_params = { access_type = "offline" }
        "#,
    )
    .unwrap();
    let google = provider(&catalog, "google");
    assert_eq!(google.issuer, None);
    assert_eq!(google.endpoints.token.as_deref(), Some("http://127.0.0.1:9000/token"));
    assert_eq!(
        google.endpoints.authorization.as_deref(),
        Some("https://accounts.google.com/o/oauth2/v2/auth")
    );
    assert_eq!(google.authorization_params.len(), 1);
    assert_eq!(google.name, "Google");
    assert_eq!(catalog.warnings(), &[] as &[String], "loopback needs no warning");
}

#[test]
fn an_own_entry_needs_no_more_than_an_issuer_or_two_urls() {
    let catalog = load(
        r#"
        [providers.acme]
        issuer = "https://id.acme.example"
        [providers.old-crm]
        authorization_url = "https://crm.example/authorize"
        token_url = "https://crm.example/token"
        [providers.github-acme]
        like = "github"
        authorization_url = "https://git.acme.example/login/oauth/authorize"
        [providers.generic]
        issuer = "http://id.internal.example"
        "#,
    )
    .unwrap();
    let acme = provider(&catalog, "acme");
    assert_eq!(acme.default_scopes, ["openid", "email", "profile"]);
    assert_eq!(acme.account.id, ["/sub"]);
    assert_eq!(acme.credentials.len(), 1);
    assert_eq!((acme.pkce, acme.name.as_str()), (true, "acme"));
    assert_eq!(acme.revocation.as_ref().unwrap().client_auth, Some(TokenAuth::ClientSecretBasic));
    let crm = provider(&catalog, "old-crm");
    assert_eq!((crm.default_scopes.len(), crm.account.clone()), (0, AccountShape::default()));
    assert_eq!(crm.revocation, None);
    let github = provider(&catalog, "github-acme");
    assert_eq!((github.name.as_str(), github.token_auth), ("github-acme", TokenAuth::ClientSecretPost));
    assert_eq!(catalog.warnings().len(), 1, "{:?}", catalog.warnings());
    assert!(catalog.warnings()[0].starts_with("[providers.generic] issuer is http to another machine"));
}

#[test]
fn every_mistake_of_the_whole_file_is_named() {
    let error = load(
        r#"
        token_url = "https://x.example"
        [provider.typo]
        [providers.Acme]
        name = "Acme"
        [providers.one]
        tokn_url = "https://x.example/token"
        authorization_url = "ftp://x.example/authorize"
        default_scopes = ["read write", ""]
        pkce = "yes"
        token_auth = "basic"
        authorization_params = { state = "x", audience = 1 }
        token_params = { grant_type = "x" }
        headers = { Authorization = "x", "bad name" = "x" }
        scope_separator = "ab"
        [providers.one.rotation]
        rotates = false
        reuse_leeway = "10 minutes"
        idle = "90d"
        [providers.two]
        authorization_url = "https://{shop}.x.example/authorize?client_id=a"
        token_url = "https://user@x.example/token"
        account = { id = "sub", email = "/a~2" }
        api_hosts = ["https://x.example/"]
        [providers.two.variables.region]
        pattern = "host_label"
        default = "a.b"
        [[providers.two.credentials]]
        name = "main"
        [[providers.two.credentials]]
        name = "main"
        at = "/x"
        scope_param = "state"
        [providers.three]
        flow = "client_credentials"
        [providers.four]
        flow = "api_key"
        token_url = "https://x.example/token"
        [providers.five]
        like = "googel"
        "#,
    )
    .unwrap_err();
    assert_problems(
        &error,
        &[
            "token_url stands outside of any entry; write it under [providers.NAME]",
            "provider is not known; entries are written as [providers.NAME]",
            "[providers.Acme] is no name of a provider",
            "[providers.one] tokn_url is not known; did you mean token_url?",
            "[providers.one] token_url must be set, or issuer",
            "[providers.one] authorization_url must be an http or https URL without user, password and fragment; \"ftp://x.example/authorize\" is not",
            "[providers.one] default_scopes must be a list of texts; an array with something else in it is not",
            "[providers.one] pkce must be true or false; \"yes\" is not",
            "[providers.one] token_auth must be one of client_secret_basic, client_secret_post, none; \"basic\" is not",
            "[providers.one] authorization_params must be a table of texts",
            "[providers.one] token_params may not have grant_type",
            "[providers.one] headers may not have Authorization",
            "[providers.one] headers has \"bad name\"",
            "[providers.one] scope_separator must be",
            "[providers.one.rotation] reuse_leeway must be a time such as 90s, 10m, 12h or 90d; \"10 minutes\" is not",
            "[providers.one.rotation] idle is not known; did you mean idle_ttl?",
            "[providers.two] authorization_url has {shop}, which must be declared under variables",
            "[providers.two] token_url must be an http or https URL without user",
            "[providers.two] account.id must be a JSON Pointer",
            "[providers.two] account.email must be a JSON Pointer",
            "[providers.two] api_hosts must be hosts",
            "[providers.two.variables.region] default must be one part of a host name",
            "[providers.two] variables has region, which no URL and no host uses as {region}",
            "[providers.two] credentials has main twice",
            "[providers.two] credentials may not have the scope_param state",
            "[providers.three] token_url must be set, or issuer",
            "[providers.four] token_url has no meaning for this flow",
            "[providers.five] like must be the name of a built-in entry; googel is not; did you mean google?",
            "[providers.five] authorization_url must be set",
            "[providers.five] token_url must be set",
        ],
    );
}

#[test]
fn a_reserved_parameter_cannot_come_in_by_the_url_or_as_a_scope() {
    let error = load(
        r#"
        [providers.a]
        authorization_url = "https://x.example/authorize?prompt=login&redirect_uri=https://evil.example"
        token_url = "https://x.example/token"
        authorization_params = { user_scope = "x" }
        default_scopes = ["a,b"]
        scope_separator = ","
        [[providers.a.credentials]]
        [[providers.a.credentials]]
        name = "user"
        at = "/user"
        scope_param = "user_scope"
        "#,
    )
    .unwrap_err();
    assert_problems(
        &error,
        &[
            "authorization_url has the parameter redirect_uri",
            "authorization_params may not have user_scope, which is set for each request: write default_scopes instead",
            "default_scopes must be one scope each, without blanks and without the scope_separator; \"a,b\" is not",
        ],
    );
}

#[test]
fn a_file_that_is_no_toml_is_told_by_its_line_and_not_by_its_content() {
    let error = load("[providers.a]\nclient_secret = \"hush-hush\nname = 1").unwrap_err();
    assert_problems(&error, &["the providers' file is no TOML at line 2"]);
    assert!(!error.to_string().contains("hush-hush"), "{error}");
}

const CRM: &str = r#"
    [providers.my-crm]
    authorization_url = "https://crm.example/authorize"
    token_url = "https://crm.example/token"
    client_id = "from-file"
    client_secret = "hush-from-file"
    scopes = ["a"]
"#;

#[test]
fn an_app_comes_from_the_entry_and_the_settings_go_before_it() {
    let settings = [
        ("MY_CRM_CLIENT_SECRET", "hush-from-environment"),
        ("MY_CRM_SCOPES", "a,b c"),
        ("GOOGLE_CLIENT_ID", "g"),
        ("GOOGLE_CLIENT_SECRET", "hush"),
        ("GOOGLE_REDIRECT_URI", "http://127.0.0.1:8081/auth/google/callback"),
        ("GOOGLE_SCOPES", r#"["openid", "email"]"#),
        ("SLACK_SCOPES", "chat:write"),
        ("NOTION_CLIENT_ID", " "),
    ];
    let catalog = load_with(CRM, &settings).unwrap();
    let crm = catalog.app(&provider(&catalog, "my-crm").id).unwrap();
    assert_eq!(crm.client_id, "from-file");
    assert_eq!(crm.client_secret.as_ref().unwrap().expose_secret(), "hush-from-environment");
    assert_eq!(crm.scopes.as_ref().unwrap(), &["a", "b", "c"]);
    assert_eq!(crm.redirect_uri, None);
    let google = catalog.app(&provider(&catalog, "google").id).unwrap();
    assert_eq!(google.redirect_uri.as_ref().unwrap().as_str(), "http://127.0.0.1:8081/auth/google/callback");
    assert_eq!(google.scopes.as_ref().unwrap(), &["openid", "email"]);
    assert!(catalog.app(&provider(&catalog, "slack").id).is_none());
    assert_eq!(catalog.warnings(), ["SLACK_CLIENT_ID is not set, so the app's other settings are not used"]);
    let shown = format!("{catalog:?} {:?}", catalog.warnings());
    assert!(!shown.contains("hush"), "{shown}");
}

#[test]
fn half_an_app_is_named() {
    let settings = [
        ("GOOGLE_CLIENT_ID", "g"),
        ("SLACK_CLIENT_SECRET", "hush"),
        ("GITHUB_CLIENT_ID", "g"),
        ("GITHUB_CLIENT_SECRET", "hush"),
        ("GITHUB_REDIRECT_URI", "nonsense"),
        ("GITHUB_SCOPES", "re\\po"),
    ];
    let file = "[providers.public]\nissuer = \"https://id.example\"\ntoken_auth = \"none\"\nclient_id = \"p\"\n\
        [providers.key]\nflow = \"api_key\"\nclient_id = \"p\"\nclient_secret = 1";
    let error = load_with(file, &settings).unwrap_err();
    assert_problems(
        &error,
        &[
            "GOOGLE_CLIENT_SECRET must be set, or client_secret, where GOOGLE_CLIENT_ID is",
            "SLACK_CLIENT_ID must be set, or client_id, where SLACK_CLIENT_SECRET",
            "GITHUB_REDIRECT_URI must be an http or https URL",
            "GITHUB_SCOPES must be a list of scopes",
            "[providers.key] client_id has no use here",
            "[providers.key] client_secret must be a text; its value is not",
        ],
    );
    assert!(!error.to_string().contains("hush"));
}

#[test]
fn the_platforms_secret_goes_to_no_host_that_a_tenant_names() {
    let entry = |host: &str, pattern: &str| {
        format!(
            "[providers.shop]\nissuer = \"https://{host}\"\n[providers.shop.variables.shop]\npattern = \"{pattern}\"\n"
        )
    };
    let settings = [("SHOP_CLIENT_ID", "s"), ("SHOP_CLIENT_SECRET", "hush")];
    let error = load_with(&entry("{shop}/realm", "host_name"), &settings).unwrap_err();
    assert_problems(&error, &["SHOP_CLIENT_SECRET would be sent to whatever host a user names"]);
    let free = load_with(&entry("{shop}/realm", "host_name"), &[]).unwrap();
    assert_eq!(provider(&free, "shop").reach(), Reach::Guarded);
    let narrow = load_with(&entry("{shop}.shops.example", "host_label"), &settings).unwrap();
    assert_eq!(provider(&narrow, "shop").reach(), Reach::Anywhere);
}

#[test]
fn the_settings_of_apps_are_known_by_the_entries_names() {
    let names = Catalog::setting_names(Some("[providers.my-crm]\nnonsense = 1"));
    for name in [
        "MY_CRM_CLIENT_ID",
        "MY_CRM_CLIENT_SECRET",
        "MY_CRM_REDIRECT_URI",
        "MY_CRM_SCOPES",
        "GOOGLE_CLIENT_ID",
    ] {
        assert!(names.iter().any(|known| known == name), "{name}");
    }
    let error = load(
        "[providers.a-b]\nissuer = \"https://a.example\"\n[providers.a_b]\nissuer = \"https://a.example\"",
    );
    assert_problems(
        &error.unwrap_err(),
        &["[providers.a_b] and [providers.a-b] would share the setting A_B_CLIENT_ID"],
    );
}

#[test]
fn variables_take_their_defaults_and_are_checked() {
    let catalog = Catalog::load(&[], None, &|_| None).unwrap();
    let microsoft = provider(&catalog, "microsoft");
    let given = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    assert_eq!(microsoft.variables(&BTreeMap::new()).unwrap(), given("tenant", "common"));
    assert_eq!(microsoft.variables(&given("tenant", "")).unwrap(), given("tenant", "common"));
    let pointers = |given: &BTreeMap<String, String>| match microsoft.variables(given) {
        Err(ResolveError::Variables(violations)) => {
            violations.into_iter().map(|violation| violation.pointer).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(pointers(&given("tenant", "../x")), ["/variables/tenant"]);
    assert_eq!(pointers(&given("te/nant", "x")), ["/variables/te~1nant"]);
}

#[test]
fn api_hosts_follow_the_variables() {
    let catalog = load(
        r#"
        [providers.shop]
        flow = "api_key"
        api_hosts = ["{shop}.shops.example", "API.shops.example:8443"]
        [providers.shop.variables.shop]
        label = "Your shop"
        pattern = "host_label"
        "#,
    )
    .unwrap();
    let shop = provider(&catalog, "shop");
    let given = BTreeMap::from([("shop".to_owned(), "Acme".to_owned())]);
    assert_eq!(shop.variables(&given).unwrap()["shop"], "acme");
    let hosts = shop.hosts(&given).unwrap();
    assert_eq!(hosts, ["acme.shops.example", "api.shops.example:8443"]);
    assert!(matches!(shop.hosts(&BTreeMap::new()), Err(ResolveError::Variables(_))));
}

#[test]
fn connections_are_their_users_unless_the_entry_says_otherwise() {
    let catalog = load("[providers.shop]\nflow = \"api_key\"\nowner = \"tenant\"").unwrap();
    assert_eq!(provider(&catalog, "shop").owner, Owner::Tenant);
    assert!(catalog.iter().all(|each| each.id.as_str() == "shop" || each.owner == Owner::User));
    let error = load("[providers.shop]\nflow = \"api_key\"\nowner = \"everybody\"").unwrap_err();
    assert_problems(&error, &["[providers.shop] owner must be one of user, tenant; \"everybody\" is not"]);
}

const PAGE: &str = include_str!("../../../../docs/add-a-provider.md");

#[test]
fn the_examples_of_the_documentation_are_sound() {
    let mut count = 0;
    for block in PAGE.split("```toml\n").skip(1) {
        let example = block.split("```").next().unwrap();
        let catalog = load(example).unwrap_or_else(|error| panic!("{error}\n{example}"));
        assert_eq!(catalog.warnings(), &[] as &[String], "{example}");
        count += 1;
    }
    assert!(count >= 10, "only {count} examples were found");
}

#[test]
fn every_key_is_in_the_documentation() {
    for key in entry::KEYS {
        assert!(PAGE.contains(&format!("`{key}`")), "{key}");
    }
    for (name, provider) in Catalog::load(&[], None, &|_| None).unwrap().providers {
        assert!(PAGE.contains(&format!("`{name}`")), "{name}");
        drop(provider);
    }
}
