//! What a server says is wrong, with the lines of the author's own sources beside it.

use bundler::{Diagnostic, SourceTree};
use model::{ErrorCode, Violation};
use serde_json::Value;

use crate::plugin::report::{Finding, Problem, unescape};

/// Reads a problem (RFC 9457) as Jackfield servers answer it.
pub(crate) fn read(body: &Value) -> Problem {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let errors = body.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let finding = |error: &Value| {
        let (pointer, detail) = (text(error, "pointer"), text(error, "detail"));
        Finding::from(Violation::new(pointer.unwrap_or_default(), detail.unwrap_or_default()))
    };
    let code = text(body, "code").unwrap_or_default();
    Problem {
        detail: text(body, "detail").or_else(|| text(body, "title")).unwrap_or_else(|| code.clone()),
        findings: errors.iter().map(finding).collect(),
        hint: hint(&code).map(str::to_owned),
        request_id: text(body, "request_id"),
        warnings: Vec::new(),
        code,
    }
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

/// Adds the code frames, which servers do not send: they are of the sources that the author has.
pub(crate) fn add_frames(problem: &mut Problem, tree: &SourceTree) {
    for finding in &mut problem.findings {
        if finding.diagnostic.is_none() {
            finding.diagnostic = locate(&finding.violation, &problem.code, tree);
        }
    }
}

/// The place that `file:line:column: sentence` names, if the pointer says the same and there is such a place.
fn locate(violation: &Violation, code: &str, tree: &SourceTree) -> Option<Diagnostic> {
    let path = unescape(violation.pointer.strip_prefix("/files/")?);
    let source = std::str::from_utf8(tree.get(&path)?).ok()?;
    let rest = violation.detail.strip_prefix(&path)?.strip_prefix(':')?;
    let (line, rest) = rest.split_once(':')?;
    let (column, sentence) = rest.split_once(": ")?;
    let offset = offset(source, line.parse().ok()?, column.parse().ok()?)?;
    Some(Diagnostic::error(code, sentence).at(&path, source, offset, 1))
}

/// The byte at a line and a column, both from 1, the column in UTF-16 code units.
fn offset(source: &str, line: usize, column: usize) -> Option<usize> {
    let mut lines = source.split_inclusive('\n');
    let before: usize = lines.by_ref().take(line.checked_sub(1)?).map(str::len).sum();
    let text = lines.next()?;
    let mut units = column.checked_sub(1)?;
    let mut bytes = 0;
    for c in text.chars() {
        if units == 0 {
            break;
        }
        units = units.checked_sub(c.len_utf16())?;
        bytes += c.len_utf8();
    }
    (units == 0).then_some(before + bytes)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    fn problem(pointer: &str, detail: &str) -> Problem {
        let mut problem = read(&json!({
            "type": "/problems/build_failed", "title": "Build failed", "status": 422, "code": "build_failed",
            "detail": "the plugin does not build", "request_id": "r1",
            "errors": [{"pointer": pointer, "detail": detail}],
        }));
        let mut tree = SourceTree::new();
        tree.insert("src/a.ts", Bytes::from_static("let a;\nlet ü😀 = ;\n".as_bytes())).unwrap();
        add_frames(&mut problem, &tree);
        problem
    }

    #[test]
    fn what_the_server_says_of_a_source_gets_its_frame() {
        let problem = problem("/files/src~1a.ts", "src/a.ts:2:11: a: value is missing");
        assert_eq!((problem.code.as_str(), problem.request_id.as_deref()), ("build_failed", Some("r1")));
        let found = problem.findings[0].diagnostic.as_ref().unwrap();
        assert_eq!((found.line, found.column), (Some(2), Some(11)));
        assert_eq!(found.message, "a: value is missing");
        assert_eq!(found.frame.as_deref().unwrap(), "  1 | let a;\n> 2 | let ü😀 = ;\n    |          ^");
    }

    #[test]
    fn a_place_that_does_not_exist_has_no_frame() {
        for (pointer, detail) in [
            ("/files/src~1a.ts", "src/a.ts:9:1: x"),
            ("/files/src~1a.ts", "src/a.ts:2:99: x"),
            ("/files/src~1a.ts", "src/a.ts:0:0: x"),
            ("/files/src~1a.ts", "src/a.ts: x"),
            ("/files/src~1b.ts", "src/b.ts:1:1: x"),
            ("/version", "src/a.ts:1:1: x"),
        ] {
            assert!(problem(pointer, detail).findings[0].diagnostic.is_none(), "{pointer} {detail}");
        }
    }
}
