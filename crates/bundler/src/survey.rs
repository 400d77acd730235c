//! One walk over a program: how deep it is, what it imports by calls, and what it registers.

use std::collections::BTreeSet;

use oxc::{
    ast::{
        AstKind,
        ast::{
            AssignmentExpression, AssignmentTarget, CallExpression, Expression, ImportExpression,
            NewExpression, Program, UpdateExpression,
        },
    },
    ast_visit::{Visit, walk},
    span::{GetSpan as _, Span},
};

use crate::{diagnostic::Diagnostic, nesting};

/// `import("…")` or `require("…")`.
pub(crate) struct ImportCall<'a> {
    pub(crate) specifier: &'a str,
    pub(crate) span: Span,
}

/// What the walk found.
#[derive(Default)]
pub(crate) struct Survey<'a> {
    pub(crate) calls: Vec<ImportCall<'a>>,
    pub(crate) assigned: BTreeSet<&'a str>,
    pub(crate) too_deep: Option<Span>,
    asset_urls: Vec<Span>,
}

impl Survey<'_> {
    /// What is wrong with the source, as far as the walk can tell.
    pub(crate) fn diagnostics(&self, path: &str, source: &str) -> Vec<Diagnostic> {
        let urls = self.asset_urls.iter().map(|span| {
            Diagnostic::error("asset_url", "`new URL(…, import.meta.url)` does not name a file of the plugin")
                .at(path, source, span.start as usize, span.size() as usize)
                .hint("import the file: `import url from './picture.png'` gives a data URL")
        });
        urls.collect()
    }
}

/// Walks `program`.
pub(crate) fn survey<'a>(program: &Program<'a>) -> Survey<'a> {
    let mut walker = Walker { survey: Survey::default(), depth: 0 };
    walker.visit_program(program);
    walker.survey
}

/// Nodes that one level of nesting in the source may be.
const NODES_PER_LEVEL: usize = 4;

struct Walker<'a> {
    survey: Survey<'a>,
    depth: usize,
}

impl<'a> Visit<'a> for Walker<'a> {
    fn enter_node(&mut self, kind: AstKind<'a>) {
        self.depth += 1;
        if self.depth > nesting::MAX_DEPTH * NODES_PER_LEVEL && self.survey.too_deep.is_none() {
            self.survey.too_deep = Some(kind.span());
        }
    }

    fn leave_node(&mut self, _kind: AstKind<'a>) {
        self.depth -= 1;
    }

    fn visit_import_expression(&mut self, it: &ImportExpression<'a>) {
        if let Some(specifier) = string(&it.source) {
            self.survey.calls.push(ImportCall { specifier, span: it.source.span() });
        }
        walk::walk_import_expression(self, it);
    }

    fn visit_call_expression(&mut self, it: &CallExpression<'a>) {
        let argument = it.arguments.first().filter(|_| it.callee.is_specific_id("require"));
        let specifier = argument.and_then(|argument| argument.as_expression()).and_then(string);
        if let (Some(argument), Some(specifier)) = (argument, specifier) {
            self.survey.calls.push(ImportCall { specifier, span: argument.span() });
        }
        walk::walk_call_expression(self, it);
    }

    fn visit_new_expression(&mut self, it: &NewExpression<'a>) {
        let mut arguments = it.arguments.iter().filter_map(|argument| argument.as_expression());
        let file = arguments.next().and_then(string).is_some_and(|address| !address.contains(':'));
        let base = arguments.next().is_some_and(is_import_meta_url);
        if it.callee.is_specific_id("URL") && file && base {
            self.survey.asset_urls.push(it.span);
        }
        walk::walk_new_expression(self, it);
    }

    fn visit_assignment_expression(&mut self, it: &AssignmentExpression<'a>) {
        if let AssignmentTarget::AssignmentTargetIdentifier(identifier) = &it.left {
            self.survey.assigned.insert(identifier.name.as_str());
        }
        walk::walk_assignment_expression(self, it);
    }

    fn visit_update_expression(&mut self, it: &UpdateExpression<'a>) {
        if let Some(name) = it.argument.get_identifier_name() {
            self.survey.assigned.insert(name);
        }
        walk::walk_update_expression(self, it);
    }
}

fn string<'a>(expression: &Expression<'a>) -> Option<&'a str> {
    match expression {
        Expression::StringLiteral(literal) => Some(literal.value.as_str()),
        Expression::TemplateLiteral(template) if template.expressions.is_empty() => {
            template.quasis.first()?.value.cooked.map(|text| text.as_str())
        }
        _ => None,
    }
}

fn is_import_meta_url(expression: &Expression<'_>) -> bool {
    expression.as_member_expression().is_some_and(|member| {
        member.static_property_name() == Some("url") && matches!(member.object(), Expression::ImportMeta(_))
    })
}
