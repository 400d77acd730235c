//! The log: lines for people on a terminal, JSON lines elsewhere, on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::settings::{LogFormat, Settings};

/// Starts logging. To be called once.
pub(crate) fn start(settings: &Settings) {
    let default = if settings.debug { "debug,hyper=info,h2=info,sqlx=info" } else { "info" };
    let directives = settings.log_level.as_ref().map_or(default, |level| level.0.as_str());
    let filter = EnvFilter::try_new(directives).unwrap_or_else(|_| EnvFilter::new(default));
    let human = match settings.log_format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Honours NO_COLOR and its relatives.
    let colours = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    if human {
        builder.with_ansi(colours).with_target(false).init();
    } else {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).init();
    }
}
