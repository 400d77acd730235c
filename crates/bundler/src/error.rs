//! Why a build gave no bundle.

use std::{io, time::Duration};

use model::{Coded, ErrorCode, Place, Violation};
use serde::{Deserialize, Serialize};

use crate::diagnostic::{Diagnostic, Severity};

/// A bound that the author's plugin went over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    /// The files of the tree, in number.
    Files,
    /// The sources together, in bytes.
    InputBytes,
    /// The scripts together, in bytes.
    OutputBytes,
    /// The source maps together, in bytes.
    SourceMapBytes,
}

impl Limit {
    const fn code(self) -> &'static str {
        match self {
            Self::Files => "too_many_files",
            Self::InputBytes => "input_too_large",
            Self::OutputBytes => "output_too_large",
            Self::SourceMapBytes => "source_map_too_large",
        }
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Files => ("the plugin has", "files"),
            Self::InputBytes => ("the plugin's sources have", "bytes"),
            Self::OutputBytes => ("the bundle has", "bytes"),
            Self::SourceMapBytes => ("the bundle's source maps have", "bytes"),
        }
    }
}

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The sources are wrong; every diagnostic of severity error is a reason, and there is at least one.
    #[error("the plugin does not build: {}", summary(.0))]
    Invalid(Vec<Diagnostic>),
    /// Larger than allowed.
    #[error("{} {actual} {}, at most {allowed} are allowed", .limit.words().0, .limit.words().1)]
    Limit {
        /// Which bound.
        limit: Limit,
        /// How much there is.
        actual: u64,
        /// How much there may be.
        allowed: u64,
    },
    /// The build did not end in time and was killed.
    #[error("the build took longer than {} ms and was stopped: make the plugin's sources smaller or simpler", .allowed.as_millis())]
    Timeout {
        /// How long a build may take.
        allowed: Duration,
    },
    /// The worker died of this input: a stack overflow, too much memory, or a fault of the bundler.
    #[error("the bundler gave up on these sources: they are nested too deeply or need too much memory")]
    Crashed,
    /// Too many builds wait already.
    #[error("the bundler is busy: try again in some seconds")]
    Busy,
    /// The bundler has been shut down.
    #[error("the bundler is shutting down: try again in some seconds")]
    ShutDown,
    /// A worker process could not be started or spoke nonsense.
    #[error("a bundler worker could not be used")]
    Worker(#[source] io::Error),
}

impl Error {
    /// The same reasons as diagnostics, for whoever prints them: those of the sources, or one that says which
    /// bound was reached. Empty where the author of the plugin is not the reason.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        match self {
            Self::Invalid(diagnostics) => diagnostics.clone(),
            Self::Limit { limit, .. } => vec![Diagnostic::error(limit.code(), self.to_string())],
            Self::Timeout { .. } => vec![Diagnostic::error("build_timeout", self.to_string())],
            Self::Crashed => vec![Diagnostic::error("bundler_crashed", self.to_string())],
            Self::Busy | Self::ShutDown | Self::Worker(_) => Vec::new(),
        }
    }
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Limit { limit: Limit::Files | Limit::InputBytes, .. } => ErrorCode::PayloadTooLarge,
            Self::Invalid(_) | Self::Limit { .. } | Self::Timeout { .. } | Self::Crashed => {
                ErrorCode::BuildFailed
            }
            Self::Busy | Self::ShutDown => ErrorCode::Unavailable,
            Self::Worker(_) => ErrorCode::Internal,
        }
    }

    /// One for each error diagnostic; the pointer takes the sources to be in `files`, as in `POST /plugins`.
    fn violations(&self) -> Vec<Violation> {
        self.diagnostics()
            .iter()
            .filter(|diagnostic| diagnostic.severity == Severity::Error)
            .map(violation)
            .collect()
    }
}

fn violation(diagnostic: &Diagnostic) -> Violation {
    let pointer = diagnostic.file.as_deref().map(pointer).unwrap_or_default();
    let violation = Violation::new(pointer, diagnostic.to_string());
    let Some(file) = diagnostic.file.clone() else { return violation };
    let Diagnostic { line, column, frame, .. } = diagnostic;
    violation.at(Place { file, line: *line, column: *column, frame: frame.clone() })
}

fn pointer(file: &str) -> String {
    format!("/files/{}", file.replace('~', "~0").replace('/', "~1"))
}

fn summary(diagnostics: &[Diagnostic]) -> String {
    let mut errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    let first = errors.next().map(ToString::to_string).unwrap_or_default();
    match errors.count() {
        0 => first,
        more => format!("{first} (and {more} more)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_the_first_error_and_counts_the_others() {
        let at = |line| Diagnostic {
            file: Some("src/a.ts".into()),
            line: Some(line),
            column: Some(2),
            ..Diagnostic::error("syntax_error", "unexpected token")
        };
        let error = Error::Invalid(vec![Diagnostic::warning("x", "no matter"), at(1), at(7)]);
        assert_eq!(
            error.to_string(),
            "the plugin does not build: src/a.ts:1:2: unexpected token (and 1 more)"
        );
        let violations = error.violations();
        assert_eq!(violations.len(), 2);
        assert_eq!(violations[0].pointer, "/files/src~1a.ts");
        assert_eq!(error.code(), ErrorCode::BuildFailed);
    }

    #[test]
    fn a_bound_says_how_much_is_allowed() {
        let error = Error::Limit { limit: Limit::OutputBytes, actual: 12, allowed: 10 };
        assert_eq!(error.to_string(), "the bundle has 12 bytes, at most 10 are allowed");
        assert_eq!(error.diagnostics()[0].code, "output_too_large");
    }
}
