//! What the operator may set: in the environment, in `.env`, in `jackfield.toml`; the earlier goes before the later.

mod derived;
mod document;
mod dotenv;
mod lexmodo;
#[cfg(test)]
mod lexmodo_tests;
mod outbound;
mod proxy;
mod sources;
mod table;
mod value;

use std::fmt;
use std::path::Path;

use connections::catalog::{Catalog, PlatformEntry};

pub(crate) use document::{default_file, markdown, show};
pub(crate) use lexmodo::Lexmodo;
pub(crate) use table::Settings;
pub(crate) use value::LogFormat;
use value::{Problems, Value, Values};

/// Where settings are looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places<'a> {
    /// The settings file; it must exist where its name was given on the command line.
    pub(crate) file: Option<&'a Path>,
    /// The folder in which `.env` and `jackfield.toml` are looked for.
    pub(crate) folder: &'a Path,
}

/// Settings as they were found, and as they were read.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The settings.
    pub(crate) settings: Settings,
    /// The providers, and the OAuth apps there.
    pub(crate) catalog: Catalog,
    /// What was given, and where.
    pub(crate) values: Values,
    /// What the operator should know, though the program can go on.
    pub(crate) warnings: Vec<String>,
}

/// All that is wrong with the settings.
#[derive(Debug)]
pub(crate) struct SettingsError(Problems);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, noun) = (self.0.len(), if self.0.len() == 1 { "setting is" } else { "settings are" });
        write!(f, "{count} {noun} wrong:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl std::error::Error for SettingsError {}

/// Reads the settings from `environment`, from `.env`, and from the settings file.
///
/// # Errors
/// Everything that is wrong, at once.
pub(crate) fn load(
    environment: impl IntoIterator<Item = (String, String)>,
    places: Places<'_>,
) -> Result<Loaded, SettingsError> {
    let mut problems = Problems::new();
    let sources::Gathered { values, providers } = sources::gather(environment, places, &mut problems);
    for (name, instead) in table::REFUSED {
        if let Some(source) = values.source(name) {
            problems.push(format!("{name} is set (from {source}): {instead}"));
        }
    }
    problems.extend(lexmodo::missing(&values));
    let settings = Settings::read(&values, &mut problems);
    if let Some(settings) = &settings {
        settings.check(&mut problems);
    }
    let app = settings.as_ref().and_then(Settings::lexmodo);
    let catalog = catalog(app.as_ref(), providers.as_deref(), &values, &mut problems);
    match (settings, catalog) {
        (Some(settings), Some(catalog)) if problems.is_empty() => {
            let mut warnings = settings.warnings();
            warnings.extend(catalog.warnings().iter().cloned());
            Ok(Loaded { settings, catalog, values, warnings })
        }
        _ => Err(SettingsError(problems)),
    }
}

/// The providers of `file`, the platform of `app` and the built-in ones, with the OAuth apps that are set.
fn catalog(
    app: Option<&Lexmodo>,
    file: Option<&str>,
    values: &Values,
    problems: &mut Problems,
) -> Option<Catalog> {
    let taken = |name: &String| sources::static_names().any(|known| known == name);
    for name in Catalog::setting_names(file).into_iter().filter(taken) {
        problems
            .push(format!("a provider's name may not make its setting {name}, which means something else"));
    }
    let platform: Vec<PlatformEntry<'_>> = app.map(crate::lexmodo::entry).into_iter().collect();
    let catalog = Catalog::load(&platform, file, &|name| values.get(name).map(str::to_owned));
    let catalog = catalog.map_err(|error| problems.extend(error.problems)).ok()?;
    if app.is_some() {
        problems.extend(crate::lexmodo::problems(&catalog));
    }
    Some(catalog)
}

/// Reads an argument of the command line as the setting of its kind is read.
///
/// # Errors
/// What it must be.
pub(crate) fn parse_argument<T: Value>(text: &str) -> Result<T, String> {
    T::parse(text).ok_or_else(|| format!("must be {}", T::EXPECTS))
}

/// The settings of a server whose operator has set nothing.
///
/// # Errors
/// If a default is wrong.
pub(crate) fn defaults() -> Result<Settings, SettingsError> {
    let mut problems = Problems::new();
    Settings::read(&Values::default(), &mut problems).ok_or(SettingsError(problems))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use secrecy::ExposeSecret;

    use super::*;

    pub(super) fn load_with(
        environment: &[(&str, &str)],
        dotenv: &str,
        file: &str,
    ) -> Result<Loaded, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".env"), dotenv).unwrap();
        std::fs::write(folder.path().join("jackfield.toml"), file).unwrap();
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load(environment, Places { file: None, folder: folder.path() }).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_given_is_a_working_configuration() {
        let loaded = load_with(&[], "", "").unwrap();
        assert_eq!(loaded.settings.host, "127.0.0.1".parse::<IpAddr>().unwrap());
        assert_eq!(loaded.settings.port, 4000);
        assert_eq!(loaded.warnings, Vec::<String>::new());
    }

    #[test]
    fn the_environment_goes_before_dotenv_and_dotenv_before_the_file() {
        let file = "port = 3\nHOST = \"::1\"\ncors_origins = [\"https://a.example\"]\nlog_level = \"warn\"";
        let loaded = load_with(&[("PORT", "1"), ("LOG_LEVEL", "")], "PORT=2\nHOST=0.0.0.0\n", file).unwrap();
        assert_eq!(loaded.settings.port, 1);
        assert_eq!(loaded.settings.host.to_string(), "0.0.0.0");
        assert_eq!(loaded.settings.cors_origins.0.len(), 1);
        assert_eq!(loaded.settings.log_level.unwrap().0, "warn");
    }

    #[test]
    fn bounds_of_backends_that_contradict_each_other_are_named() {
        let wrong = [
            (&[("PLUGIN_CPU_DEADLINE", "5.1")][..], "PLUGIN_CPU_DEADLINE must be at most PLUGIN_DEADLINE"),
            (&[("PLUGIN_DEADLINE", "0.5")], "PLUGIN_CPU_DEADLINE must be at most PLUGIN_DEADLINE"),
            (&[("PLUGIN_MEMORY", "4095KiB")], "PLUGIN_MEMORY must be at least 4MiB"),
            (&[("PLUGIN_MAX_OUTPUT", "1023")], "PLUGIN_MAX_OUTPUT must be at least 1KiB"),
            (
                &[("PLUGIN_WARM_MEMORY", "1025GiB")],
                "PLUGIN_WARM_MEMORY must be a number of bytes, up to 1 TiB",
            ),
            (
                &[("EVENT_STREAMS", "10000")],
                "EVENT_STREAMS must be less than MAX_CONNECTIONS, which is 10000",
            ),
            (&[("PLUGIN_MEMORY", "2GiB")], "PLUGIN_MEMORY must be a number of bytes, up to 1 GiB"),
        ];
        for (given, told) in wrong {
            let error = load_with(given, "", "").unwrap_err();
            assert!(error.contains(told), "{given:?}: {error}");
        }
        let right = [
            &[("PLUGIN_DEADLINE", "1")][..],
            &[("PLUGIN_MEMORY", "4MiB"), ("PLUGIN_MAX_OUTPUT", "1KiB")],
            &[("PLUGIN_WARM_MEMORY", "1TiB")],
            &[("PLUGIN_DEADLINE", "27")],
            &[("EVENT_STREAMS", "9999")],
        ];
        for given in right {
            assert_eq!(load_with(given, "", "").unwrap().warnings, Vec::<String>::new(), "{given:?}");
        }
        for (given, streams) in [("10000", 8000), ("100", 80), ("2", 1)] {
            let loaded = load_with(&[("MAX_CONNECTIONS", given)], "", "").unwrap();
            assert_eq!(loaded.settings.event_streams(), streams, "{given}");
        }
        for given in [[("PLUGIN_DEADLINE", "27.1")], [("REQUEST_DEADLINE", "7.9")]] {
            let warnings = load_with(&given, "", "").unwrap().warnings;
            assert!(warnings.iter().any(|each| each.contains("REQUEST_DEADLINE")), "{given:?}: {warnings:?}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let error = load_with(
            &[
                ("PORT", "70000"),
                ("DEBUG", "maybe"),
                ("MONGODB_URI", "mongodb://x"),
                ("JWT_ISSUERS", "nonsense"),
            ],
            "CORS_ORIGINS=https://a.example/path\nLOG_LEVEL=verbose",
            "hots = \"::1\"\nmax_body_size = 1.5\nport = { a = 1 }",
        )
        .unwrap_err();
        for part in [
            "PORT must be a port, 0 to 65535; \"70000\" is not (from environment)",
            "DEBUG must be true or false",
            "jackfield import",
            "JWT_ISSUERS must be a list of https URLs",
            "LOG_LEVEL must be error, warn",
            "hots is no setting; did you mean host?",
            "MAX_BODY_SIZE must be a number of bytes",
            "port must be a text, a number, true or false, or a list of texts",
        ] {
            assert!(error.contains(part), "{part:?} is not in {error}");
        }
    }

    #[test]
    fn origins_are_checked_as_origins() {
        let error = load_with(&[("CORS_ORIGINS", "[\"https://a.example/path\"]")], "", "").unwrap_err();
        assert!(error.contains("CORS_ORIGINS") && error.contains("is no origin"), "{error}");
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = "hush-hush-hush-hush-hush-hush-hush-hush";
        let given = [
            ("JWT_SECRET", secret),
            ("DATABASE_URL", "postgres://u:hush-hush@h/d"),
            ("SLACK_CLIENT_ID", "slack-app"),
            ("SLACK_CLIENT_SECRET", "hush-hush"),
        ];
        let loaded = load_with(&given, "", "").unwrap();
        assert_eq!(loaded.settings.jwt_secret.as_ref().unwrap().expose_secret(), secret);
        let shown = format!("{loaded:?} {} {:?}", show(&loaded.values), loaded.warnings);
        assert!(!shown.contains("hush-hush"), "{shown}");
        assert!(shown.contains("SLACK_CLIENT_SECRET = ********  (environment)"), "{shown}");
        let wrong = load_with(&[("ENCRYPTION_KEY", "hush-hush")], "", "").unwrap_err();
        assert!(wrong.contains("ENCRYPTION_KEY") && !wrong.contains("hush-hush"), "{wrong}");
    }

    #[test]
    fn a_partial_set_for_s3_names_what_is_missing() {
        let error = load_with(&[("S3_ENDPOINT", "http://localhost:9000")], "", "").unwrap_err();
        for name in ["PLUGIN_ASSETS_BUCKET", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            assert!(error.contains(name), "{name} is not in {error}");
        }
        let loaded =
            load_with(&[("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s")], "", "").unwrap();
        assert!(loaded.settings.s3().unwrap().is_none());
        assert!(
            loaded.warnings.iter().any(|warning| warning.contains("AWS_ACCESS_KEY_ID")),
            "{:?}",
            loaded.warnings
        );
    }

    #[test]
    fn the_documented_settings_of_an_existing_product_are_taken_over() {
        let dotenv = "PORT=4000\nPLATFORM_VERSION=1.0.0\nPLUGIN_SERVER_URL=http://localhost:4000\n\
            ALLOWED_ORIGINS=http://localhost:3000,http://localhost:3001\nAWS_REGION=us-east-1\n\
            AWS_ACCESS_KEY_ID=minioadmin     # Default MinIO access key\nAWS_SECRET_ACCESS_KEY=minioadmin\n\
            S3_ENDPOINT=http://localhost:9000  # MinIO server URL\nS3_PORT=9000\nS3_USE_SSL=false\n\
            PLUGIN_ASSETS_BUCKET=plugin-bundles\nCORS_ORIGINS=[\"http://localhost:3000\"]\n\
            GOOGLE_CLIENT_ID=id\nGOOGLE_CLIENT_SECRET=secret\n\
            GOOGLE_REDIRECT_URI=http://127.0.0.1:8081/auth/google/callback\nNATS_URL=nats://x\nJWT_SECRET=short\n";
        let loaded = load_with(&[], dotenv, "").unwrap();
        let s3 = loaded.settings.s3().unwrap().unwrap();
        assert_eq!(s3.endpoint.unwrap().as_str(), "http://localhost:9000/");
        assert_eq!(s3.bucket, "plugin-bundles");
        assert_eq!(s3.access_key_id, "minioadmin");
        assert_eq!(loaded.settings.nats_url.unwrap().expose_secret(), "nats://x");
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        let google = loaded.catalog.get("google").unwrap();
        let redirect = loaded.catalog.app(&google.id).unwrap().redirect_uri.as_ref().unwrap();
        assert_eq!(redirect.as_str(), "http://127.0.0.1:8081/auth/google/callback");
    }

    #[test]
    fn dotenv_may_have_blanks_and_the_last_line_for_a_name_holds() {
        let dotenv = "PLUGIN_NAME=Numinix Plugin\nJWT_SECRET=pa$$ word#1\nPORT=1\nPORT=2\n\
            CORS_ORIGINS=[\"http://localhost:3000\", \"http://localhost:8080\"]\nPORT\n";
        let error = load_with(&[], dotenv, "").unwrap_err();
        assert!(error.contains("1 setting is wrong") && error.contains("line 6 of .env"), "{error}");
        let loaded = load_with(&[], dotenv.strip_suffix("PORT\n").unwrap(), "").unwrap();
        assert_eq!(loaded.settings.port, 2);
        assert_eq!(loaded.settings.jwt_secret.unwrap().expose_secret(), "pa$$ word#1");
        assert_eq!(loaded.settings.cors_origins.0.len(), 2);
    }

    /// Loads with `providers` as the file that PROVIDERS_FILE names.
    pub(super) fn load_providers(
        environment: &[(&str, &str)],
        providers: &str,
        file: &str,
    ) -> Result<Loaded, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own-providers.toml");
        std::fs::write(&path, providers).unwrap();
        let file = format!("providers_file = {:?}\n{file}", path.to_str().unwrap());
        load_with(environment, "", &file)
    }

    #[test]
    fn a_provider_of_ones_own_has_settings_of_its_own() {
        let providers = "[providers.my-crm]\nissuer = \"https://id.crm.example\"\nclient_id = \"from-file\"";
        let loaded = load_providers(
            &[("MY_CRM_CLIENT_ID", "from-environment")],
            providers,
            "my_crm_client_secret = \"hush-hush\"\nmy_crm_scopes = [\"a\", \"b\"]",
        )
        .unwrap();
        let crm = loaded.catalog.app(&loaded.catalog.get("my-crm").unwrap().id).unwrap();
        assert_eq!(crm.client_id, "from-environment");
        assert_eq!(crm.client_secret.as_ref().unwrap().expose_secret(), "hush-hush");
        assert_eq!(crm.scopes.as_ref().unwrap(), &["a", "b"]);
        let shown = format!("{loaded:?} {}", show(&loaded.values));
        assert!(!shown.contains("hush-hush"), "{shown}");
        assert!(shown.contains("MY_CRM_CLIENT_ID = from-environment  (environment)"), "{shown}");
    }

    #[test]
    fn what_is_wrong_with_providers_is_named_with_the_rest() {
        let error = load_providers(
            &[("PORT", "x"), ("SLACK_CLIENT_ID", "half"), ("RETURN_TO_ORIGINS", "*, https://a.example/x")],
            "[providers.app]\nissuer = \"https://id.example\"\n[providers.crm]\ntoken_ulr = \"x\"",
            "my_crm_client_id = \"x\"\ngoogle_clientid = \"x\"",
        )
        .unwrap_err();
        for part in [
            "PORT must be a port",
            "SLACK_CLIENT_SECRET must be set",
            "a provider's name may not make its setting APP_CLIENT_ID, which means something else",
            "[providers.crm] token_ulr is not known; did you mean token_url?",
            "my_crm_client_id is no setting",
            "google_clientid is no setting; did you mean google_client_id?",
        ] {
            assert!(error.contains(part), "{part:?} is not in {error}");
        }
        let error = load_with(&[("RETURN_TO_ORIGINS", "*, https://a.example/x")], "", "").unwrap_err();
        assert!(error.contains("RETURN_TO_ORIGINS must name each origin"), "{error}");
        assert!(error.contains("RETURN_TO_ORIGINS: \"https://a.example/x\" is no origin"), "{error}");
        let error = load_with(&[("PROVIDERS_FILE", "nowhere.toml")], "", "").unwrap_err();
        assert!(error.contains("PROVIDERS_FILE must be a readable file"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_the_rest() {
        let error =
            load_with(&[("EXTRA_CA_FILE", "/nowhere/ca.pem"), ("DATABASE_URL", "mysql://h/d")], "", "");
        let error = error.unwrap_err();
        assert!(error.contains("2 settings are wrong") && error.contains("EXTRA_CA_FILE"), "{error}");
    }

    #[test]
    fn the_host_of_s3_may_come_without_scheme() {
        let given = [
            ("S3_ENDPOINT", "minio"),
            ("S3_PORT", "9000"),
            ("S3_USE_SSL", "false"),
            ("PLUGIN_ASSETS_BUCKET", "b"),
            ("AWS_ACCESS_KEY_ID", "k"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
        ];
        let s3 = load_with(&given, "", "").unwrap().settings.s3().unwrap().unwrap();
        assert_eq!(s3.endpoint.unwrap().as_str(), "http://minio:9000/");
    }
}
