//! What a plugin says of itself, read from the parsed program.

use oxc::{
    ast::ast::{CallExpression, Expression},
    ast_visit::{Visit, walk},
    span::{GetSpan as _, Span},
    syntax::module_record::ImportImportName,
};
use serde_json::Value;

use crate::{
    diagnostic::Diagnostic,
    evaluate::{Evaluator, Node},
    output::Definition,
    sources::{MAX_DIAGNOSTICS, Script, Sources},
    tree::SourceTree,
};

/// The functions whose first argument names an extension point.
const REGISTRATIONS: [&str; 2] = ["registerExtensionPoint", "createExtensionPoint"];

/// A definition and what could not be read of it.
pub(crate) struct Found {
    pub(crate) definition: Definition,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// The definition of the plugin whose entry is `entry`; an error where the entry exports nothing as default.
pub(crate) fn find(tree: &SourceTree, sources: &Sources<'_>, entry: &str) -> Result<Found, Diagnostic> {
    let Some(script) = sources.scripts.get(entry) else {
        return Err(no_default_export(entry));
    };
    let evaluator = Evaluator::new(tree, sources);
    let exported = evaluator.exported(script, "default");
    if exported.is_none() && !exports_default(script) {
        return Err(no_default_export(entry));
    }
    let mut reader = Reader {
        evaluator,
        sources,
        found: Found { definition: Definition::default(), warnings: Vec::new() },
    };
    match exported.and_then(|node| reader.object(node)) {
        Some(entries) => entries.into_iter().for_each(|(key, node)| reader.key(&key, node)),
        None => reader.found.warnings.push(
            Diagnostic::warning("definition_dynamic", "what the plugin says of itself cannot be read")
                .in_file(entry)
                .hint("write `export default definePlugin({ name, version, extensionPoints: { … } })` with constants"),
        ),
    }
    reader.registrations();
    Ok(reader.found)
}

fn no_default_export(entry: &str) -> Diagnostic {
    Diagnostic::error("no_default_export", "the entry has no default export")
        .in_file(entry)
        .hint("write `export default definePlugin({ … })`")
}

/// Whether there is a default export, which then is one that the evaluator cannot follow.
fn exports_default(script: &Script<'_>) -> bool {
    script.record.exported_bindings.contains_key("default")
}

struct Reader<'s, 'a> {
    evaluator: Evaluator<'s, 'a>,
    sources: &'s Sources<'a>,
    found: Found,
}

impl<'s, 'a> Reader<'s, 'a> {
    /// The properties of the definition: of an object, or of the object given to a function such as `definePlugin`.
    fn object(&mut self, node: Node<'s, 'a>) -> Option<Vec<(String, Node<'s, 'a>)>> {
        let settled = self.evaluator.settle(node)?;
        let object = match settled {
            Node::Expression(script, Expression::CallExpression(call)) => {
                Node::Expression(script, call.arguments.first()?.as_expression()?)
            }
            other => other,
        };
        let entries = self.evaluator.entries(object);
        self.warn("definition_dynamic");
        entries
    }

    fn key(&mut self, key: &str, node: Node<'s, 'a>) {
        match key {
            "name" => self.found.definition.name = self.string(node),
            "version" => self.found.definition.version = self.string(node),
            "description" => self.found.definition.description = self.string(node),
            "category" => self.found.definition.category = self.string(node),
            "extensionPoints" => self.extension_points(node),
            "metadata" => {
                if let Some(Value::Object(map)) = self.evaluator.value(node) {
                    self.found.definition.metadata = map;
                }
                self.warn("definition_dynamic");
            }
            other => {
                // Functions are as good a value here as any, so nothing is said of what is left out.
                let value = self.evaluator.value(node);
                drop(self.evaluator.take_dynamic());
                if let Some(value) = value {
                    self.found.definition.other.insert(other.to_owned(), value);
                }
            }
        }
    }

    fn string(&mut self, node: Node<'s, 'a>) -> Option<String> {
        let text = self.evaluator.string(node);
        self.warn("definition_dynamic");
        text
    }

    fn extension_points(&mut self, node: Node<'s, 'a>) {
        if let Some(entries) = self.evaluator.entries(node) {
            entries.into_iter().for_each(|(point, _)| self.add(point));
        } else if let Some(elements) = self.evaluator.elements(node) {
            // A registering call among the elements is found by the walk below.
            let points: Vec<_> =
                elements.into_iter().filter_map(|element| self.evaluator.string(element)).collect();
            drop(self.evaluator.take_dynamic());
            points.into_iter().for_each(|point| self.add(point));
        } else {
            drop(self.evaluator.value(node));
        }
        self.warn("extension_point_dynamic");
    }

    fn add(&mut self, point: String) {
        if !self.found.definition.extension_points.contains(&point) {
            self.found.definition.extension_points.push(point);
        }
    }

    /// Turns what the evaluator left out into warnings.
    fn warn(&mut self, code: &str) {
        for (path, span) in self.evaluator.take_dynamic() {
            self.warn_at(code, path, span);
        }
    }

    fn warn_at(&mut self, code: &str, path: &str, span: Span) {
        let Some(script) = self.sources.scripts.get(path) else { return };
        let warning =
            Diagnostic::warning(code, "not constant, so it is not part of what is known of the plugin")
                .at(path, script.source, span.start as usize, span.size() as usize)
                .hint("write a constant, or name it in the manifest");
        if self.found.warnings.len() < MAX_DIAGNOSTICS && !self.found.warnings.contains(&warning) {
            self.found.warnings.push(warning);
        }
    }

    fn registrations(&mut self) {
        for script in self.sources.order.iter().filter_map(|path| self.sources.scripts.get(path)) {
            let mut walker =
                Registrations { script, evaluator: &self.evaluator, points: Vec::new(), dynamic: Vec::new() };
            walker.visit_program(&script.program);
            let Registrations { points, dynamic, .. } = walker;
            drop(self.evaluator.take_dynamic());
            points.into_iter().for_each(|point| self.add(point));
            dynamic.into_iter().for_each(|span| self.warn_at("extension_point_dynamic", script.path, span));
        }
    }
}

/// Finds the calls that register extension points in one script.
struct Registrations<'e, 's, 'a> {
    script: &'s Script<'a>,
    evaluator: &'e Evaluator<'s, 'a>,
    points: Vec<String>,
    dynamic: Vec<Span>,
}

impl<'a> Visit<'a> for Registrations<'_, '_, 'a> {
    fn visit_call_expression(&mut self, it: &CallExpression<'a>) {
        if registers(self.script, &it.callee)
            && let Some(argument) = it.arguments.first().and_then(|argument| argument.as_expression())
        {
            match self.evaluator.string(Node::Expression(self.script, argument)) {
                Some(point) => self.points.push(point),
                None => self.dynamic.push(argument.span()),
            }
        }
        walk::walk_call_expression(self, it);
    }
}

/// Whether `callee` is one of [`REGISTRATIONS`], by its own name or by the one that it was imported under.
fn registers(script: &Script<'_>, callee: &Expression<'_>) -> bool {
    let callee = match callee.get_inner_expression() {
        // `(0, sdk.registerExtensionPoint)(…)` is how bundlers call without a receiver.
        Expression::SequenceExpression(sequence) => {
            sequence.expressions.last().unwrap_or(callee).get_inner_expression()
        }
        inner => inner,
    };
    if let Some(member) = callee.as_member_expression() {
        return member.static_property_name().is_some_and(|name| REGISTRATIONS.contains(&name));
    }
    let Expression::Identifier(identifier) = callee else { return false };
    let local = identifier.name.as_str();
    let import = script.record.import_entries.iter().find(|entry| entry.local_name.name.as_str() == local);
    match import.map(|entry| &entry.import_name) {
        Some(ImportImportName::Name(name)) => REGISTRATIONS.contains(&name.name.as_str()),
        Some(_) => false,
        None => REGISTRATIONS.contains(&local),
    }
}
