//! The log: lines for people on a terminal, JSON lines elsewhere, on standard error.

mod lines;

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::settings::{LogFormat, Settings};

pub(crate) use lines::Flush;
use lines::Lines;

/// Starts logging. To be called once. What is given writes the last lines when it is dropped; `None` where each is written at once,
/// as people want it.
///
/// # Errors
/// If the thread that writes cannot be started.
pub(crate) fn start(settings: &Settings) -> anyhow::Result<Option<Flush>> {
    let default = if settings.debug { "debug,hyper=info,h2=info,sqlx=info" } else { "info" };
    let directives = settings.log_level.as_ref().map_or(default, |level| level.0.as_str());
    let filter = EnvFilter::try_new(directives).unwrap_or_else(|_| EnvFilter::new(default));
    let human = match settings.log_format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    let builder = fmt().with_env_filter(filter);
    if human {
        // Honours NO_COLOR and its relatives.
        let colours = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
        builder.with_ansi(colours).with_target(false).with_writer(std::io::stderr).init();
        return Ok(None);
    }
    let (lines, flush) = Lines::to(std::io::stderr()).context("the log cannot be written")?;
    let builder = builder.json().flatten_event(true).with_current_span(true).with_span_list(false);
    builder.with_writer(lines).init();
    Ok(Some(flush))
}
