//! What is told to people, and to programs: problems with code frames, warnings and notes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use bundler::{Diagnostic, Severity};
use model::{Coded, Violation};
use serde_json::{Value, json};

use crate::cli::print;
use crate::plugin::folder::FolderError;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();
const STRONG: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line asks for what cannot be.
    #[error("{0}")]
    Usage(String),
    /// Something is wrong with the plugin, or the server refuses it.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// The disk, the network, or this program.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

/// All that is wrong, as a server tells it (RFC 9457).
#[derive(Debug, Default)]
pub(crate) struct Problem {
    /// The stable word for its kind; one of [`model::ErrorCode`].
    pub(crate) code: String,
    /// One sentence.
    pub(crate) detail: String,
    /// What is wrong, piece by piece; may be empty.
    pub(crate) findings: Vec<Finding>,
    /// What builds, but may not do what the author meant.
    pub(crate) warnings: Vec<Diagnostic>,
    /// What would help, where that is not part of the sentence.
    pub(crate) hint: Option<String>,
    /// The id under which the server's log has the request.
    pub(crate) request_id: Option<String>,
    /// The HTTP status, where a server says so.
    pub(crate) status: Option<u16>,
    /// How long a server wants to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

/// One thing that is wrong.
#[derive(Debug)]
pub(crate) struct Finding {
    /// Where and what, as in the `errors` of a server's problem.
    pub(crate) violation: Violation,
    /// The same with file, line, column and frame, where it is in a source.
    pub(crate) diagnostic: Option<Diagnostic>,
}

impl From<Violation> for Finding {
    fn from(violation: Violation) -> Self {
        Self { violation, diagnostic: None }
    }
}

impl Failure {
    /// Whether it may pass by itself: the network, this machine, or a server that cannot do it now.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Usage(_) => false,
            Self::Problem(problem) => {
                problem.status.is_some_and(|status| status >= 500 || matches!(status, 408 | 425 | 429))
            }
            Self::Other(_) => true,
        }
    }

    /// How long a server wants to be left alone, where it says so.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Problem(problem) => problem.retry_after,
            Self::Usage(_) | Self::Other(_) => None,
        }
    }

    /// Whether a server says that there is too much of something for the moment.
    pub(crate) fn is_too_much(&self) -> bool {
        matches!(self, Self::Problem(problem) if problem.status == Some(429))
    }

    /// Whether a server has nothing there.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Problem(problem) if problem.status == Some(404))
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<registry::Error> for Failure {
    fn from(error: registry::Error) -> Self {
        let diagnostics = match &error {
            registry::Error::Bundler(error) => error.diagnostics(),
            _ => Vec::new(),
        };
        let (errors, warnings): (Vec<_>, Vec<_>) =
            diagnostics.into_iter().partition(|diagnostic| diagnostic.severity == Severity::Error);
        let mut errors = errors.into_iter();
        // A violation of a build is one of its errors, in the same order.
        let finding = |violation| Finding { violation, diagnostic: errors.next() };
        let findings = error.violations().into_iter().map(finding).collect();
        let code = error.code().as_str().to_owned();
        let detail = anyhow::Error::from(error);
        Problem { code, detail: format!("{detail:#}"), findings, warnings, ..Problem::default() }.into()
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        if matches!(error, FolderError::NotAFolder(_)) {
            return Self::Usage(error.to_string());
        }
        let code = error.code().as_str().to_owned();
        Problem { code, detail: error.to_string(), ..Problem::default() }.into()
    }
}

impl Problem {
    /// The document of `--json`.
    pub(crate) fn as_json(&self) -> Value {
        let errors: Vec<Value> = self.findings.iter().map(Finding::as_json).collect();
        let diagnostics: Vec<_> =
            self.findings.iter().filter_map(|finding| finding.diagnostic.as_ref()).collect();
        json!({
            "ok": false,
            "code": self.code,
            "detail": self.detail,
            "errors": errors,
            "diagnostics": diagnostics,
            "warnings": self.warnings,
        })
    }

    fn as_text(&self) -> String {
        let mut text: String = self.findings.iter().map(Finding::as_text).collect();
        text.extend(self.warnings.iter().map(|warning| diagnostic(warning, "warning", WARNING)));
        // The sentence repeats what a lone diagnostic has said already.
        let summary = match self.findings.len() {
            0 => self.detail.clone(),
            1 => "1 problem".to_owned(),
            count => format!("{count} problems"),
        };
        let summary = clean(&summary);
        let _ = writeln!(text, "{ERROR}error{ERROR:#}: {STRONG}{summary}{STRONG:#}");
        text.push_str(&hint(self.hint.as_deref()));
        if let Some(id) = &self.request_id {
            let _ = writeln!(text, "  {FAINT}request id: {}{FAINT:#}", clean(id));
        }
        text
    }
}

impl Finding {
    /// As a server tells it.
    fn as_json(&self) -> Value {
        let Violation { pointer, detail, place } = &self.violation;
        let mut error = json!({"pointer": pointer, "detail": detail});
        if let (Value::Object(error), Ok(Value::Object(place))) = (&mut error, serde_json::to_value(place)) {
            error.extend(place);
        }
        error
    }

    fn as_text(&self) -> String {
        if let Some(found) = &self.diagnostic {
            return diagnostic(found, "error", ERROR);
        }
        let Violation { pointer, detail, .. } = &self.violation;
        let place = match pointer.strip_prefix("/files/") {
            // The detail of a build error begins with its file.
            Some(file) if !detail.starts_with(&unescape(file)) => format!("{}: ", unescape(file)),
            Some(_) => String::new(),
            None if pointer.is_empty() => String::new(),
            None => format!("{}: {pointer}: ", registry::MANIFEST_FILE),
        };
        format!("{ERROR}error{ERROR:#}: {STRONG}{}{}{STRONG:#}\n\n", clean(&place), clean(detail))
    }
}

/// A token of a JSON Pointer as it was before escaping (RFC 6901, section 4).
fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

fn diagnostic(found: &Diagnostic, word: &str, style: Style) -> String {
    let (code, sentence) = (clean(&found.code), clean(&found.to_string()));
    let mut text = format!("{style}{word}[{code}]{style:#}: {STRONG}{sentence}{STRONG:#}\n");
    for line in found.frame.as_deref().unwrap_or_default().lines() {
        let line = clean(line);
        let shown = if line.starts_with('>') {
            STRONG
        } else if line.trim_end().ends_with('^') {
            style
        } else {
            FAINT
        };
        let _ = writeln!(text, "{shown}{line}{shown:#}");
    }
    text.push_str(&hint(found.hint.as_deref()));
    text.push('\n');
    text
}

fn hint(hint: Option<&str>) -> String {
    hint.map(|hint| format!("  {HINT}hint{HINT:#}: {}\n", clean(hint))).unwrap_or_default()
}

/// `text` without what could steer a terminal: it may come from a plugin or a server that is not one's own.
pub(crate) fn clean(text: &str) -> String {
    let reorders = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if (c.is_control() && c != '\n') || reorders(c) { '\u{fffd}' } else { c }).collect()
}

/// Tells why a command failed: to people on standard error, to programs as JSON on standard output.
pub(crate) fn tell(failure: &Failure, json: bool) {
    let text = match failure {
        Failure::Problem(problem) if json => {
            // If standard output is gone, the exit code still says it.
            let _ = print(&format!("{:#}\n", problem.as_json()));
            return;
        }
        Failure::Problem(problem) => problem.as_text(),
        Failure::Usage(_) | Failure::Other(_) => {
            format!("{ERROR}error{ERROR:#}: {}\n", clean(&failure.to_string()))
        }
    };
    to_stderr(&text);
}

/// Tells what builds, but may not do what the author meant.
pub(crate) fn warn(warnings: &[Diagnostic]) {
    let text: String = warnings.iter().map(|warning| diagnostic(warning, "warning", WARNING)).collect();
    to_stderr(&text);
}

/// Tells something that is neither a result nor a problem.
pub(crate) fn note(text: &str) {
    to_stderr(&format!("{HINT}note{HINT:#}: {}\n", clean(text)));
}

/// Colours are left out unless it is a terminal, and where `NO_COLOR` is set.
fn to_stderr(text: &str) {
    // Nothing is left to tell it to if standard error is gone.
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_build_error_is_shown_with_its_frame_and_told_as_the_server_does() {
        let found = Diagnostic::error("syntax_error", "unexpected token")
            .at("src/a.ts", "const a = 1;\nconst b = ;\n", 23, 1)
            .hint("write a value");
        let Failure::Problem(problem) = registry::Error::from(bundler::Error::Invalid(vec![found])).into()
        else {
            panic!("a build error is a problem of the plugin")
        };
        assert_eq!(
            plain(&problem.as_text()),
            "error[syntax_error]: src/a.ts:2:11: unexpected token\n  1 | const a = 1;\n> 2 | const b = ;\n    |           ^\n  \
             hint: write a value\n\nerror: 1 problem\n"
        );
        let document = problem.as_json();
        assert_eq!(document["code"], "build_failed");
        assert_eq!(
            document["errors"],
            json!([{
                "pointer": "/files/src~1a.ts", "detail": "src/a.ts:2:11: unexpected token", "file": "src/a.ts",
                "line": 2, "column": 11, "frame": "  1 | const a = 1;\n> 2 | const b = ;\n    |           ^",
            }])
        );
        assert_eq!(document["diagnostics"][0]["code"], "syntax_error");
    }

    #[test]
    fn a_violation_is_shown_with_its_place() {
        let findings = vec![
            Violation::new("/version", "must be a version").into(),
            Violation::new("/files/a~1b.ts", "content is not base64").into(),
            Violation::new("", "must be an object").into(),
        ];
        let problem = Problem { detail: "the manifest is wrong".into(), findings, ..Problem::default() };
        assert_eq!(
            plain(&problem.as_text()),
            "error: plugin.json: /version: must be a version\n\nerror: a/b.ts: content is not base64\n\n\
             error: must be an object\n\nerror: 3 problems\n"
        );
    }

    #[test]
    fn nothing_that_steers_a_terminal_is_printed() {
        let hostile = "a\x1b[2J\u{202e}b\r\x07\u{9b}31m";
        let problem = Problem {
            detail: hostile.into(),
            hint: Some(hostile.into()),
            request_id: Some(hostile.into()),
            warnings: vec![Diagnostic::warning(hostile, hostile).in_file(hostile)],
            ..Problem::default()
        };
        let text = plain(&problem.as_text());
        assert!(!text.contains(['\x1b', '\u{202e}', '\r', '\x07', '\u{9b}']), "{text:?}");
    }
}
