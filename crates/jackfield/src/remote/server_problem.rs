//! What a server says is wrong.

use bundler::{Diagnostic, Severity};
use model::{ErrorCode, Violation};
use serde_json::Value;

use crate::remote::report::{Finding, Problem};

/// Reads a problem (RFC 9457) as Jackfield servers answer it.
pub(crate) fn read(body: &Value) -> Problem {
    let errors = body.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let code = text(body, "code").unwrap_or_default();
    Problem {
        detail: text(body, "detail").or_else(|| text(body, "title")).unwrap_or_else(|| code.clone()),
        findings: errors.iter().map(|error| finding(error, &code)).collect(),
        hint: hint(&code).map(str::to_owned),
        request_id: text(body, "request_id"),
        warnings: Vec::new(),
        status: None,
        retry_after: None,
        code,
    }
}

/// One of `errors`; for a source that does not build it also has `file`, `line`, `column` and `frame`.
fn finding(error: &Value, code: &str) -> Finding {
    let detail = text(error, "detail").unwrap_or_default();
    let number =
        |name: &str| error.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    let diagnostic = text(error, "file").map(|file| {
        let (line, column) = (number("line"), number("column"));
        let place = match (line, column) {
            (Some(line), Some(column)) => format!("{file}:{line}:{column}: "),
            _ => format!("{file}: "),
        };
        Diagnostic {
            severity: Severity::Error,
            code: code.to_owned(),
            // The detail begins with the place, which is shown anyway.
            message: detail.strip_prefix(&place).unwrap_or(&detail).to_owned(),
            file: Some(file),
            line,
            column,
            frame: text(error, "frame"),
            hint: None,
        }
    });
    Finding { violation: Violation::new(text(error, "pointer").unwrap_or_default(), detail), diagnostic }
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn hint(code: &str) -> Option<&'static str> {
    let is = |known: ErrorCode| known.as_str() == code;
    if is(ErrorCode::AuthenticationRequired) || is(ErrorCode::InvalidCredential) {
        Some("give an API key or a token in JACKFIELD_TOKEN, or with --token")
    } else if is(ErrorCode::TenantMismatch) {
        Some("leave --tenant and JACKFIELD_TENANT out, or use a credential of that tenant")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_server_says_of_a_source_is_a_diagnostic() {
        let problem = read(&json!({
            "type": "/problems/build_failed", "title": "Build failed", "status": 422, "code": "build_failed",
            "detail": "the plugin does not build", "request_id": "r1",
            "errors": [
                {"pointer": "/files/src~1a.ts", "detail": "src/a.ts:2:11: a: value is missing", "file": "src/a.ts",
                 "line": 2, "column": 11, "frame": "> 2 | let a = ;"},
                {"pointer": "/files/src~1b.ts", "detail": "src/b.ts: no default export", "file": "src/b.ts"},
                {"pointer": "/version", "detail": "must be a version"},
            ],
        }));
        assert_eq!((problem.code.as_str(), problem.request_id.as_deref()), ("build_failed", Some("r1")));
        let found = problem.findings[0].diagnostic.as_ref().unwrap();
        assert_eq!(found.to_string(), "src/a.ts:2:11: a: value is missing");
        assert_eq!(found.frame.as_deref(), Some("> 2 | let a = ;"));
        let found = problem.findings[1].diagnostic.as_ref().unwrap();
        assert_eq!(found.to_string(), "src/b.ts: no default export");
        assert!(problem.findings[2].diagnostic.is_none());
    }

    #[test]
    fn what_is_no_problem_of_ours_is_read_as_far_as_it_goes() {
        for body in [json!({}), json!({"errors": 5}), json!({"errors": [5, {"pointer": 1}]}), json!([1])] {
            assert!(read(&body).detail.is_empty());
        }
        assert_eq!(read(&json!({"title": "Not found"})).detail, "Not found");
    }
}
