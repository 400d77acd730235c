//! Every setting, once: this table is the parser, the commented default file, the page in the documentation, and
//! the struct that the program reads.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use api::address::Network;
use identity::IssuerUrl;
use registry::Version;
use secrecy::SecretString;
use url::Url;

use super::lexmodo::{GrpcAddress, Issuer, Line, PluginCode, Scopes};
use super::outbound::OutboundAllow;
use super::proxy::ProxyRules;
use super::value::{Bytes, Days, List, LogDirectives, LogFormat, Memory, Problems, Seconds, Text, Values};

/// What is known of a setting besides its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    /// Its name in the environment; in `jackfield.toml` also in lower case.
    pub(crate) name: &'static str,
    /// The heading it stands under.
    pub(crate) section: &'static str,
    /// What it does.
    pub(crate) help: &'static [&'static str],
    /// The value where none is given, as text; `None` where it is then off.
    pub(crate) default: Option<&'static str>,
    /// What a value must look like.
    pub(crate) expects: &'static str,
    /// Whether its value must not be shown.
    pub(crate) secret: bool,
}

macro_rules! settings {
    ($($section:literal { $( $(#[doc = $help:literal])+ $field:ident: $kind:ty = $name:literal $(or $default:literal)?; )+ })+) => {
        /// The settings of the program, each checked.
        #[derive(Debug)]
        pub(crate) struct Settings {
            $($( $(#[doc = $help])+ pub(crate) $field: $kind, )+)+
        }

        /// Every setting, in the order of the documentation.
        pub(crate) const TABLE: &[Setting] = &[
            $($( Setting {
                name: $name,
                section: $section,
                help: &[$($help),+],
                default: settings!(@default $($default)?),
                expects: <$kind as super::value::Value>::EXPECTS,
                secret: <$kind as super::value::Value>::SECRET,
            }, )+)+
        ];

        impl Settings {
            /// Reads every setting; `None` if any is wrong, with all that is wrong in `problems`.
            pub(super) fn read(values: &Values, problems: &mut Problems) -> Option<Self> {
                $($( let $field = values.read::<$kind>($name, settings!(@default $($default)?), problems); )+)+
                Some(Self { $($( $field: $field?, )+)+ })
            }
        }
    };
    (@default) => { None };
    (@default $default:literal) => { Some($default) };
}

settings! {
    "Server" {
        /// The address to listen on. `0.0.0.0` or `::` listens on every one.
        host: IpAddr = "HOST" or "127.0.0.1";
        /// The port to listen on; 0 takes any free one.
        port: u16 = "PORT" or "4000";
        /// The base URL under which browsers reach this server. Bundle URLs begin with it. Without it,
        /// `http://HOST:PORT`.
        plugin_server_url: Option<Url> = "PLUGIN_SERVER_URL";
        /// The version of the host platform, which plugins may demand a range of.
        platform_version: Version = "PLATFORM_VERSION" or "1.0.0";
        /// Origins of the pages that may call from a browser, with credentials. `*` lets any page call without
        /// credentials. Added to ALLOWED_ORIGINS.
        cors_origins: List<Text> = "CORS_ORIGINS" or "";
        /// The same as CORS_ORIGINS; both names are read.
        allowed_origins: List<Text> = "ALLOWED_ORIGINS" or "";
        /// Proxies, by address or range, whose `X-Forwarded-For` is believed. None by default.
        trusted_proxies: List<Network> = "TRUSTED_PROXIES" or "";
        /// The most connections open at once; further ones wait.
        max_connections: NonZeroU32 = "MAX_CONNECTIONS" or "10000";
        /// How long requests in flight may take to finish once the server is told to stop.
        shutdown_deadline: Seconds = "SHUTDOWN_DEADLINE" or "30";
        /// A token that a reader of `/metrics` must send as its bearer token. Without it anybody who reaches the
        /// server may read them; they hold nothing of any tenant.
        metrics_token: Option<SecretString> = "METRICS_TOKEN";
    }
    "Log" {
        /// Log everything: the same as LOG_LEVEL=debug, where LOG_LEVEL is not set.
        debug: bool = "DEBUG" or "false";
        /// What to log: `error`, `warn`, `info`, `debug` or `trace`, or directives as in `info,api=debug`.
        log_level: Option<LogDirectives> = "LOG_LEVEL";
        /// How to log: `human` lines, `json` lines, or `auto`, which is human on a terminal and JSON elsewhere.
        log_format: LogFormat = "LOG_FORMAT" or "auto";
    }
    "Storage" {
        /// The folder of what this server keeps: the SQLite file, blobs, the generated key.
        data_dir: PathBuf = "DATA_DIR" or "./data";
        /// The SQLite file. Without it, `jackfield.db` in DATA_DIR.
        database_path: Option<PathBuf> = "DATABASE_PATH";
        /// The database: `sqlite:path` or `postgres://user:password@host/name`. Goes before DATABASE_PATH.
        database_url: Option<SecretString> = "DATABASE_URL";
        /// The folder of what can be made again, such as the compiled sandbox of plugins' backends. Without it, `cache` in
        /// DATA_DIR. Nobody else may write there.
        cache_dir: Option<PathBuf> = "CACHE_DIR";
        /// The key that seals secrets: 32 bytes in base64, as `openssl rand -base64 32` prints them. Without it, a
        /// generated file in DATA_DIR. Every replica needs the same.
        encryption_key: Option<SecretString> = "ENCRYPTION_KEY";
        /// Further keys of that kind that open what was sealed under them, and seal nothing anew: while ENCRYPTION_KEY is
        /// replaced, the new one before and the former one after, until `jackfield keys rotate` has ended.
        encryption_keys_accepted: List<SecretString> = "ENCRYPTION_KEYS_ACCEPTED" or "";
        /// The bucket that keeps the bundles. Without it and S3_ENDPOINT, the folder `blobs` in DATA_DIR does.
        plugin_assets_bucket: Option<Text> = "PLUGIN_ASSETS_BUCKET";
        /// The S3 server, where it is not AWS: a URL, or a host with S3_PORT and S3_USE_SSL.
        s3_endpoint: Option<Text> = "S3_ENDPOINT";
        /// The port of the S3 server, where S3_ENDPOINT has none.
        s3_port: Option<u16> = "S3_PORT";
        /// Whether to speak TLS to the S3 server, where S3_ENDPOINT does not say so itself.
        s3_use_ssl: Option<bool> = "S3_USE_SSL";
        /// The region of the bucket.
        aws_region: Text = "AWS_REGION" or "us-east-1";
        /// The id of the access key to the bucket.
        aws_access_key_id: Option<Text> = "AWS_ACCESS_KEY_ID";
        /// The access key to the bucket.
        aws_secret_access_key: Option<SecretString> = "AWS_SECRET_ACCESS_KEY";
    }
    "Identity" {
        /// The secret that signs the host product's tokens (HS256) and opens its NextAuth sessions. At least 32 bytes.
        jwt_secret: Option<SecretString> = "JWT_SECRET";
        /// The secret of NextAuth v4 sessions, where it is not JWT_SECRET.
        nextauth_secret: Option<SecretString> = "NEXTAUTH_SECRET";
        /// The secret of Auth.js v5 sessions, where it is not JWT_SECRET.
        auth_secret: Option<SecretString> = "AUTH_SECRET";
        /// Issuers (OpenID Connect) whose published keys sign tokens that are trusted.
        jwt_issuers: List<IssuerUrl> = "JWT_ISSUERS" or "";
        /// The audience that tokens of JWT_ISSUERS must be made for.
        jwt_audience: Option<Text> = "JWT_AUDIENCE";
    }
    "Limits" {
        /// Requests a minute from one address; an IPv6 /64 counts as one. 0 for no limit.
        rate_limit_per_address: u32 = "RATE_LIMIT_PER_ADDRESS" or "6000";
        /// Requests a minute for one tenant. 0 for no limit.
        rate_limit_per_tenant: u32 = "RATE_LIMIT_PER_TENANT" or "12000";
        /// The largest JSON body, and the largest body of any kind that a plugin's handler or component gets.
        max_body_size: Bytes = "MAX_BODY_SIZE" or "1MiB";
        /// Webhooks a minute for one plugin in one tenant, of those that are signed as they should be. 0 for no limit. What is not
        /// counts as a request from its address.
        rate_limit_webhooks: u32 = "RATE_LIMIT_WEBHOOKS" or "60000";
        /// The largest webhook.
        webhook_max_size: Bytes = "WEBHOOK_MAX_SIZE" or "1MiB";
        /// How many webhooks of one plugin in one tenant may wait to be delivered; senders of further ones are asked to come
        /// again.
        webhook_max_waiting: NonZeroU32 = "WEBHOOK_MAX_WAITING" or "100000";
        /// For how long webhooks are kept, in days, so that they can be looked into and replayed.
        webhook_retention: Days = "WEBHOOK_RETENTION" or "30";
        /// The largest upload.
        max_upload_size: Bytes = "MAX_UPLOAD_SIZE" or "32MiB";
        /// How long a request may take.
        request_deadline: Seconds = "REQUEST_DEADLINE" or "30";
        /// How long an upload may take, building included.
        upload_deadline: Seconds = "UPLOAD_DEADLINE" or "120";
        /// Memory for bundles that are asked for often.
        bundle_cache_size: Bytes = "BUNDLE_CACHE_SIZE" or "64MiB";
    }
    "Bundler" {
        /// How long building one bundle may take.
        bundler_deadline: Seconds = "BUNDLER_DEADLINE" or "10";
        /// How many bundles are built at the same time, each in a process of its own.
        bundler_workers: NonZeroU32 = "BUNDLER_WORKERS" or "2";
        /// The largest source tree, unpacked.
        bundler_max_input: Bytes = "BUNDLER_MAX_INPUT" or "16MiB";
        /// The largest bundle.
        bundler_max_output: Bytes = "BUNDLER_MAX_OUTPUT" or "5MiB";
    }
    "Plugin backends" {
        /// How long a handler or a component may take, what it waits for included, but for its turn: at most 2 s more. It
        /// must end within REQUEST_DEADLINE to be of any use.
        plugin_deadline: Seconds = "PLUGIN_DEADLINE" or "5";
        /// How long a handler or a component may compute, at most PLUGIN_DEADLINE.
        plugin_cpu_deadline: Seconds = "PLUGIN_CPU_DEADLINE" or "1";
        /// The memory of one plugin in one tenant while it runs, at most; not less than 4 MiB.
        plugin_memory: Bytes = "PLUGIN_MEMORY" or "64MiB";
        /// The largest answer of a handler, as JSON, with bytes in base64; not less than 1 KiB.
        plugin_max_output: Bytes = "PLUGIN_MAX_OUTPUT" or "1MiB";
        /// How many plugins that were called lately are kept ready in memory, at most.
        plugin_warm_instances: u32 = "PLUGIN_WARM_INSTANCES" or "2000";
        /// Their memory, at most. A small script counts about 1.7 MB, of which less than half is resident. Those at work
        /// have 1 GiB besides.
        plugin_warm_memory: Memory = "PLUGIN_WARM_MEMORY" or "2GiB";
        /// How much one plugin may keep in one tenant by `ctx.storage`, keys included.
        plugin_storage_size: Bytes = "PLUGIN_STORAGE_SIZE" or "10MiB";
        /// How many keys that may have.
        plugin_storage_keys: NonZeroU32 = "PLUGIN_STORAGE_KEYS" or "10000";
        /// How long a plugin's own server may take to begin to answer, from the last piece of the request on.
        plugin_proxy_first_byte_deadline: Seconds = "PLUGIN_PROXY_FIRST_BYTE_DEADLINE" or "30";
        /// How long callers and plugins' own servers may take for the next piece of a body.
        plugin_proxy_idle_deadline: Seconds = "PLUGIN_PROXY_IDLE_DEADLINE" or "60";
        /// The largest body of a request to a plugin's own server.
        plugin_proxy_max_request: Bytes = "PLUGIN_PROXY_MAX_REQUEST" or "100MiB";
        /// The largest answer of a plugin's own server; a larger one is broken off.
        plugin_proxy_max_answer: Bytes = "PLUGIN_PROXY_MAX_ANSWER" or "1GiB";
        /// How many requests of one tenant to one plugin's own server may be under way at once, WebSockets included.
        plugin_proxy_concurrency: NonZeroU32 = "PLUGIN_PROXY_CONCURRENCY" or "256";
        /// Where the host product's API begins, which plugins call by `ctx.platform` with a token that this server signs:
        /// its keys are at `/.well-known/jwks.json`. Without it, there is no `ctx.platform`.
        platform_api_url: Option<Url> = "PLATFORM_API_URL";
    }
    "Events" {
        /// For how many days events are kept. What is yet to be delivered is kept for longer.
        event_retention: Days = "EVENT_RETENTION" or "30";
        /// About how many bytes of events are kept: the oldest go first, though they are younger than EVENT_RETENTION. What is yet to be
        /// delivered is kept.
        event_log_size: Memory = "EVENT_LOG_SIZE" or "20GiB";
        /// The NATS server with JetStream that carries events to the streams of all replicas, such as `nats://user:password@nats:4222` or
        /// `tls://…`. The database stays the truth, and carries them where this is not set or the server is away.
        nats_url: Option<SecretString> = "NATS_URL";
        /// How many streams of events (`/events/stream`, `/plugins/stream`) a server has open at once, less than MAX_CONNECTIONS, so that other
        /// requests find room. Streams without a credential have at most a quarter of them, and at most a sixteenth from one address. Without
        /// it, four fifths of MAX_CONNECTIONS.
        event_streams: Option<NonZeroU32> = "EVENT_STREAMS";
        /// How many of them are of one tenant. Streams without a credential are counted by themselves.
        event_streams_per_tenant: NonZeroU32 = "EVENT_STREAMS_PER_TENANT" or "2000";
        /// How many subscriptions to events a tenant may have.
        subscriptions_per_tenant: NonZeroU32 = "SUBSCRIPTIONS_PER_TENANT" or "100";
    }
    "Connections" {
        /// A file of further providers that accounts can be connected at, or of keys that override those of a built-in
        /// one: see `docs/add-a-provider.md`. The OAuth app at each provider is set by the names under
        /// "OAuth apps" below.
        providers_file: Option<PathBuf> = "PROVIDERS_FILE";
        /// Origins that users may be sent back to by `return_to` after they connected an account, besides this server's
        /// own.
        return_to_origins: List<Text> = "RETURN_TO_ORIGINS" or "";
        /// Whether an admin or an API key may read a connection's access token. Off: tokens stay here, and whatever is
        /// done with them goes through this server. Each read is on record.
        token_reads: bool = "TOKEN_READS" or "false";
        /// Who may call providers' APIs as they are through `/api/v1/unified/proxy`, with which methods and at which paths: see
        /// `docs/raw-proxy.md`. Without any rule nobody may.
        proxy_rules: ProxyRules = "PROXY_RULES" or "[]";
        /// How many opened tokens are kept in memory, for the connections that are used most.
        tokens_in_memory: NonZeroU32 = "TOKENS_IN_MEMORY" or "10000";
        /// How many tokens a server renews ahead of their end in a second, at most. A hundred suffice for about 200,000
        /// connections in use whose tokens last an hour.
        refreshes_per_second: NonZeroU32 = "REFRESHES_PER_SECOND" or "100";
        /// For how many days the record of what was done with connections is kept.
        activity_retention: Days = "ACTIVITY_RETENTION" or "90";
    }
    "Lexmodo" {
        /// The id of the app that this plugin is at the Lexmodo platform. It is set together with APP_SECRET, AUTHORIZE_URL,
        /// TOKEN_URL, ISSUER and PLUGIN_CODE, or none of them is.
        app_client_id: Option<Text> = "APP_CLIENT_ID";
        /// The app's secret. It also signs the session tokens with which the platform shows a store's admin the plugin's
        /// page. At least 32 bytes.
        app_secret: Option<SecretString> = "APP_SECRET";
        /// Where a store's admin comes back to after the consent, as registered at the platform. Without it, `/callback` of
        /// PLUGIN_SERVER_URL.
        redirect_uri: Option<Url> = "REDIRECT_URI";
        /// Where a store's admin consents.
        authorize_url: Option<Url> = "AUTHORIZE_URL";
        /// Where tokens are had and renewed.
        token_url: Option<Url> = "TOKEN_URL";
        /// The platform: what the `iss` of its session tokens is, letter by letter, the origin whose pages may frame the
        /// plugin's, and where the store's plugin page is, under `/plugins/`.
        issuer: Option<Issuer> = "ISSUER";
        /// The plugin's code at the platform.
        plugin_code: Option<PluginCode> = "PLUGIN_CODE";
        /// The plugin's type at the platform, such as CUSTOM. Only shown to people and in the log.
        plugin_type: Option<Line> = "PLUGIN_TYPE";
        /// What people know the plugin by. Without it, PLUGIN_CODE.
        plugin_name: Option<Line> = "PLUGIN_NAME";
        /// What a store's admin is asked to grant, with blanks or commas between.
        plugin_scope: Scopes = "PLUGIN_SCOPE" or "";
        /// The platform's customers service (gRPC). `https` is checked against the authorities of the system and those of
        /// EXTRA_CA_FILE; `http` is for development.
        lexmodo_grpc_address: Option<GrpcAddress> = "LEXMODO_GRPC_ADDRESS";
        /// A file with a newer description of that service (a binary `FileDescriptorSet`), so that customers carry fields
        /// that this version does not know by name.
        lexmodo_descriptor_set: Option<PathBuf> = "LEXMODO_DESCRIPTOR_SET";
        /// The largest message that is taken from that service.
        lexmodo_max_message_size: Bytes = "LEXMODO_MAX_MESSAGE_SIZE" or "4MiB";
    }
    "Outgoing calls" {
        /// What may be reached besides public addresses where others say what is called: plugins, their backends' servers,
        /// `bundleUrl` and `remoteEntry` of what is published, hosts that users name for a connection. A host
        /// (`api.internal`) or all below one (`*.internal`) may resolve to anything; an address or a network may be reached by
        /// any name. With a port, as `10.0.0.0/8:8443` or `[fd00::/8]:8443`, at that one alone: see `docs/security.md`.
        outbound_allow: OutboundAllow = "OUTBOUND_ALLOW" or "";
        /// A file of further certificate authorities (PEM), trusted besides those of the system.
        extra_ca_file: Option<PathBuf> = "EXTRA_CA_FILE";
        /// The root of the API of Bitbucket, in place of the vendor's own.
        bitbucket_base_url: Option<Url> = "BITBUCKET_BASE_URL";
        /// The root of the API of Google Calendar, in place of the vendor's own.
        calendar_base_url: Option<Url> = "CALENDAR_BASE_URL";
        /// The root of the API of Confluence, in place of the vendor's own.
        confluence_base_url: Option<Url> = "CONFLUENCE_BASE_URL";
        /// The root of the API of Google Drive, in place of the vendor's own.
        drive_base_url: Option<Url> = "DRIVE_BASE_URL";
        /// The root of the API of GitHub, in place of the vendor's own.
        github_base_url: Option<Url> = "GITHUB_BASE_URL";
        /// The root of the API of Gmail, in place of the vendor's own.
        gmail_base_url: Option<Url> = "GMAIL_BASE_URL";
        /// The root of the API of Jira, in place of the vendor's own.
        jira_base_url: Option<Url> = "JIRA_BASE_URL";
        /// The root of the API of Slack, in place of the vendor's own.
        slack_base_url: Option<Url> = "SLACK_BASE_URL";
    }
}

/// Names that are refused, each with what to do instead.
pub(crate) const REFUSED: &[(&str, &str)] = &[(
    "MONGODB_URI",
    "MongoDB is not used here, so remove this setting: plugins, installed plugins and configurations are to be read in \
     from mongoexport's JSON lines by `jackfield import`, which this version does not have yet",
)];
