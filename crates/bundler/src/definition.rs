//! What a plugin says of itself, read from the parsed program.

use oxc::{
    ast::ast::{CallExpression, Expression},
    ast_visit::{Visit, walk},
    span::{GetSpan as _, Span},
    syntax::module_record::ImportImportName,
};
use serde_json::Value;

use crate::{
    bindings::Node,
    diagnostic::Diagnostic,
    evaluate::Evaluator,
    output::Definition,
    sources::{MAX_DIAGNOSTICS, Script, Sources},
    tree::SourceTree,
};

/// The function whose first argument names an extension point.
const REGISTER: &str = "registerExtensionPoint";
/// The function whose first argument may name one; most often it is the component.
const CREATE: &str = "createExtensionPoint";

/// A definition and what could not be read of it.
pub(crate) struct Found {
    pub(crate) definition: Definition,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// The definition of the plugin whose entry is `entry`; an error where the entry exports nothing as default.
pub(crate) fn find(tree: &SourceTree, sources: &Sources<'_>, entry: &str) -> Result<Found, Vec<Diagnostic>> {
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

/// Whether `entry` has a default export.
pub(crate) fn has_default(tree: &SourceTree, sources: &Sources<'_>, entry: &str) -> bool {
    let Some(script) = sources.scripts.get(entry) else { return false };
    Evaluator::new(tree, sources).exported(script, "default").is_some() || exports_default(script)
}

fn no_default_export(entry: &str) -> Vec<Diagnostic> {
    let diagnostic = Diagnostic::error("no_default_export", "the entry has no default export");
    vec![diagnostic.in_file(entry).hint("write `export default definePlugin({ … })`")]
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
            for (point, _) in entries {
                self.add(point);
            }
        } else if let Some(elements) = self.evaluator.elements(node) {
            // A registering call among the elements is found by the walk below.
            let points: Vec<_> =
                elements.into_iter().filter_map(|element| self.evaluator.string(element)).collect();
            drop(self.evaluator.take_dynamic());
            for point in points {
                self.add(point);
            }
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
            for point in points {
                self.add(point);
            }
            for span in dynamic {
                self.warn_at("extension_point_dynamic", script.path, span);
            }
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
        let name = function(self.script, &it.callee).filter(|name| [REGISTER, CREATE].contains(name));
        let argument = it.arguments.first().and_then(|argument| argument.as_expression());
        if let (Some(name), Some(argument)) = (name, argument) {
            match self.evaluator.string(Node::Expression(self.script, argument)) {
                Some(point) => self.points.push(point),
                None if name == REGISTER => self.dynamic.push(argument.span()),
                None => {}
            }
        }
        walk::walk_call_expression(self, it);
    }
}

/// The function that `callee` names: the name that it was imported under, else its own.
fn function<'s>(script: &'s Script<'_>, callee: &'s Expression<'_>) -> Option<&'s str> {
    let callee = match callee.get_inner_expression() {
        // `(0, sdk.registerExtensionPoint)(…)` is how bundlers call without a receiver.
        Expression::SequenceExpression(sequence) => sequence.expressions.last()?.get_inner_expression(),
        inner => inner,
    };
    if let Some(member) = callee.as_member_expression() {
        return member.static_property_name();
    }
    let Expression::Identifier(identifier) = callee else { return None };
    let local = identifier.name.as_str();
    let import = script.record.import_entries.iter().find(|entry| entry.local_name.name.as_str() == local);
    match import.map(|entry| &entry.import_name) {
        Some(ImportImportName::Name(name)) => Some(name.name.as_str()),
        Some(_) => None,
        None => Some(local),
    }
}
