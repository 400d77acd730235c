//! Commands that speak with a running server over HTTP: which server, as whom, and what is told of its answers.

mod address;
pub(crate) mod client;
pub(crate) mod report;
mod server_problem;
mod stream;

use clap::Args;
use model::TenantId;
use secrecy::SecretString;
use url::Url;

use crate::settings;
pub(crate) use report::{clean, note};
pub(crate) use stream::Stream;

/// Which server, and as whom.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// The server's base URL.
    #[arg(long, env = "JACKFIELD_URL", default_value = "http://127.0.0.1:4000", value_parser = settings::parse_argument::<Url>)]
    url: Url,
    /// The API key or token to send. Other users of the machine can see the command line: prefer the environment.
    #[arg(long, env = "JACKFIELD_TOKEN", hide_env_values = true)]
    token: Option<SecretString>,
    /// The tenant to act for, where the token does not say.
    #[arg(long, env = "JACKFIELD_TENANT")]
    tenant: Option<TenantId>,
    /// Send the token without TLS to a server that is not on this machine.
    #[arg(long)]
    insecure: bool,
}
