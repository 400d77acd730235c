//! The constant parts of a program: what an expression is without running it.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use oxc::{
    ast::ast::{
        ArrayExpressionElement, BinaryOperator, Expression, ObjectPropertyKind, PropertyKey, UnaryOperator,
    },
    span::{GetSpan as _, Span},
    syntax::module_record::{ExportExportName, ExportImportName},
};
use serde_json::{Map, Number, Value};

use crate::{
    bindings::{Binding, Imported, Node, bindings, default_declaration, is_default_import, members},
    resolve::{self, Resolved},
    sources::{Script, Sources},
    tree::SourceTree,
};

/// Steps that the reading of one plugin may take: constants can be written so that they grow exponentially.
const FUEL: u32 = 50_000;
/// How far identifiers, spreads and members are followed into each other.
const MAX_DEPTH: u32 = 64;

/// Reads constants of parsed sources.
pub(crate) struct Evaluator<'s, 'a> {
    tree: &'s SourceTree,
    sources: &'s Sources<'a>,
    bindings: BTreeMap<&'s str, BTreeMap<&'s str, Binding<'s, 'a>>>,
    fuel: Cell<u32>,
    dynamic: RefCell<Vec<(&'s str, Span)>>,
}

impl<'s, 'a> Evaluator<'s, 'a> {
    pub(crate) fn new(tree: &'s SourceTree, sources: &'s Sources<'a>) -> Self {
        let bindings =
            sources.scripts.iter().map(|(path, script)| (path.as_str(), bindings(script))).collect();
        Self { tree, sources, bindings, fuel: Cell::new(FUEL), dynamic: RefCell::default() }
    }

    /// The places that were left out since they are not constant, since the last call.
    pub(crate) fn take_dynamic(&self) -> Vec<(&'s str, Span)> {
        self.dynamic.take()
    }

    /// What `script` exports as `name`.
    pub(crate) fn exported(&self, script: &'s Script<'a>, name: &str) -> Option<Node<'s, 'a>> {
        self.exported_at(script, name, MAX_DEPTH)
    }

    fn exported_at(&self, script: &'s Script<'a>, name: &str, depth: u32) -> Option<Node<'s, 'a>> {
        let depth = self.step(depth)?;
        if name == "default"
            && let Some(node) = default_declaration(script)
        {
            return Some(node);
        }
        let named = |exported: &ExportExportName<'_>| match exported {
            ExportExportName::Name(found) => found.name.as_str() == name,
            ExportExportName::Default(_) => name == "default",
            ExportExportName::Null => false,
        };
        if let Some(entry) = script.record.local_export_entries.iter().find(|entry| named(&entry.export_name))
        {
            return self.bound(script, entry.local_name.name()?.as_str(), depth);
        }
        if let Some(entry) =
            script.record.indirect_export_entries.iter().find(|entry| named(&entry.export_name))
        {
            let from = entry.module_request.as_ref()?.name.as_str();
            return match &entry.import_name {
                ExportImportName::Name(found) if is_default_import(script, found.span) => {
                    self.imported(script, from, Imported::Name("default"), depth)
                }
                ExportImportName::Name(found) => {
                    self.imported(script, from, Imported::Name(found.name.as_str()), depth)
                }
                ExportImportName::All => self.imported(script, from, Imported::Namespace, depth),
                _ => None,
            };
        }
        let mut stars = script.record.star_export_entries.iter().filter(|_| name != "default");
        stars.find_map(|entry| {
            let from = entry.module_request.as_ref()?.name.as_str();
            let other = self.script(script, from)?;
            self.exported_at(other, name, depth)
        })
    }

    /// What `name` is in `script`.
    fn bound(&self, script: &'s Script<'a>, name: &str, depth: u32) -> Option<Node<'s, 'a>> {
        match self.bindings.get(script.path)?.get(name)? {
            Binding::Constant(expression) => Some(Node::Expression(script, expression)),
            Binding::Enum(declaration) => Some(Node::Enum(script, declaration)),
            Binding::Code => Some(Node::Code),
            Binding::Import(from, imported) => self.imported(script, from, *imported, depth),
        }
    }

    fn imported(
        &self,
        script: &'s Script<'a>,
        from: &str,
        what: Imported<'_>,
        depth: u32,
    ) -> Option<Node<'s, 'a>> {
        let Ok(Resolved::File(path)) = resolve::resolve(self.tree, script.path, from) else { return None };
        if let Some(value) = self.sources.json.get(&path) {
            return match what {
                Imported::Namespace | Imported::Name("default") => Some(Node::Json(value)),
                Imported::Name(name) => value.get(name).map(Node::Json),
            };
        }
        let other = self.sources.scripts.get(&path)?;
        match what {
            Imported::Namespace => Some(Node::Namespace(other)),
            Imported::Name(name) => self.exported_at(other, name, depth),
        }
    }

    fn script(&self, script: &Script<'a>, from: &str) -> Option<&'s Script<'a>> {
        match resolve::resolve(self.tree, script.path, from) {
            Ok(Resolved::File(path)) => self.sources.scripts.get(&path),
            _ => None,
        }
    }

    /// `node` without type annotations and parentheses, identifiers and members followed to what they name.
    pub(crate) fn settle<'v>(&self, node: Node<'v, 'a>) -> Option<Node<'v, 'a>>
    where
        's: 'v,
    {
        self.settle_at(node, MAX_DEPTH)
    }

    fn settle_at<'v>(&self, node: Node<'v, 'a>, depth: u32) -> Option<Node<'v, 'a>>
    where
        's: 'v,
    {
        let depth = self.step(depth)?;
        let Node::Expression(script, expression) = node else { return Some(node) };
        match expression.get_inner_expression() {
            Expression::Identifier(identifier) => {
                // The scripts that `bound` knows live as long as the evaluator.
                let home = self.sources.scripts.get(script.path)?;
                self.settle_at(self.bound(home, identifier.name.as_str(), depth)?, depth)
            }
            Expression::FunctionExpression(_)
            | Expression::ArrowFunctionExpression(_)
            | Expression::ClassExpression(_) => Some(Node::Code),
            Expression::CallExpression(call) if is_freeze(&call.callee) => {
                let frozen = call.arguments.first()?.as_expression()?;
                self.settle_at(Node::Expression(script, frozen), depth)
            }
            inner => match inner.as_member_expression() {
                Some(member) => {
                    let key = member.static_property_name().map(ToOwned::to_owned);
                    let object = self.settle_at(Node::Expression(script, member.object()), depth)?;
                    self.settle_at(self.member(object, &key?, depth)?, depth)
                }
                None => Some(Node::Expression(script, inner)),
            },
        }
    }

    fn member<'v>(&self, object: Node<'v, 'a>, key: &str, depth: u32) -> Option<Node<'v, 'a>>
    where
        's: 'v,
    {
        if let Node::Namespace(script) = object {
            let home = self.sources.scripts.get(script.path)?;
            return self.exported_at(home, key, depth);
        }
        let entries = self.entries_at(object, depth)?;
        entries.into_iter().rev().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// The properties of an object, in the order of the source; `None` where it is no object that can be read.
    /// What is not constant in it is left out and remembered.
    pub(crate) fn entries<'v>(&self, node: Node<'v, 'a>) -> Option<Vec<(String, Node<'v, 'a>)>>
    where
        's: 'v,
    {
        self.entries_at(node, MAX_DEPTH)
    }

    fn entries_at<'v>(&self, node: Node<'v, 'a>, depth: u32) -> Option<Vec<(String, Node<'v, 'a>)>>
    where
        's: 'v,
    {
        let depth = self.step(depth)?;
        let (script, expression) = match self.settle_at(node, depth)? {
            Node::Json(value) => {
                return Some(
                    value.as_object()?.iter().map(|(key, value)| (key.clone(), Node::Json(value))).collect(),
                );
            }
            Node::Enum(script, declaration) => return Some(members(script, declaration)),
            Node::Expression(script, expression) => (script, expression),
            Node::Namespace(_) | Node::Code => return None,
        };
        let Expression::ObjectExpression(object) = expression else { return None };
        let mut entries: Vec<(String, Node<'v, 'a>)> = Vec::new();
        for property in &object.properties {
            match property {
                ObjectPropertyKind::ObjectProperty(property) => {
                    match self.key(script, &property.key, depth) {
                        Some(key) => entries.push((key, Node::Expression(script, &property.value))),
                        None => self.left_out(script, property.key.span()),
                    }
                }
                ObjectPropertyKind::SpreadProperty(spread) => {
                    match self.entries_at(Node::Expression(script, &spread.argument), depth) {
                        Some(spread) => entries.extend(spread),
                        None => self.left_out(script, spread.span),
                    }
                }
            }
        }
        Some(entries)
    }

    fn key(&self, script: &Script<'a>, key: &PropertyKey<'a>, depth: u32) -> Option<String> {
        if let Some(name) = key.static_name() {
            return Some(name.into_owned());
        }
        match self.value_at(Node::Expression(script, key.as_expression()?), depth)? {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The elements of an array.
    pub(crate) fn elements<'v>(&self, node: Node<'v, 'a>) -> Option<Vec<Node<'v, 'a>>>
    where
        's: 'v,
    {
        self.elements_at(node, MAX_DEPTH)
    }

    fn elements_at<'v>(&self, node: Node<'v, 'a>, depth: u32) -> Option<Vec<Node<'v, 'a>>>
    where
        's: 'v,
    {
        let depth = self.step(depth)?;
        let (script, expression) = match self.settle_at(node, depth)? {
            Node::Json(value) => return Some(value.as_array()?.iter().map(Node::Json).collect()),
            Node::Expression(script, expression) => (script, expression),
            _ => return None,
        };
        let Expression::ArrayExpression(array) = expression else { return None };
        let mut elements = Vec::new();
        for element in &array.elements {
            match element {
                ArrayExpressionElement::SpreadElement(spread) => {
                    match self.elements_at(Node::Expression(script, &spread.argument), depth) {
                        Some(spread) => elements.extend(spread),
                        None => self.left_out(script, spread.span),
                    }
                }
                ArrayExpressionElement::Elision(_) => {}
                other => {
                    elements.extend(other.as_expression().map(|element| Node::Expression(script, element)));
                }
            }
        }
        Some(elements)
    }

    /// The constant that `node` is, what is not constant in it left out and remembered; `None` where it is none,
    /// or undefined.
    pub(crate) fn value(&self, node: Node<'_, 'a>) -> Option<Value> {
        self.value_at(node, MAX_DEPTH)
    }

    /// As [`Self::value`], for strings.
    pub(crate) fn string(&self, node: Node<'_, 'a>) -> Option<String> {
        match self.value(node) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    fn value_at(&self, node: Node<'_, 'a>, depth: u32) -> Option<Value> {
        let value = self.step(depth).and_then(|depth| self.constant(node, depth));
        if value.is_none()
            && let Node::Expression(script, expression) = node
            && !is_undefined(expression)
        {
            self.left_out(script, expression.span());
        }
        value
    }

    fn constant(&self, node: Node<'_, 'a>, depth: u32) -> Option<Value> {
        let settled = self.settle_at(node, depth)?;
        let (script, expression) = match settled {
            Node::Json(value) => return Some(value.clone()),
            Node::Expression(script, expression) => (script, expression),
            Node::Enum(..) => return self.object(settled, depth),
            Node::Namespace(_) | Node::Code => return None,
        };
        let of = |expression| self.constant(Node::Expression(script, expression), self.step(depth)?);
        match expression {
            Expression::StringLiteral(literal) if !literal.lone_surrogates => {
                Some(Value::from(literal.value.as_str()))
            }
            Expression::NumericLiteral(literal) => number(literal.value),
            Expression::BooleanLiteral(literal) => Some(Value::Bool(literal.value)),
            Expression::NullLiteral(_) => Some(Value::Null),
            Expression::TemplateLiteral(template) => {
                let mut text = String::new();
                let mut expressions = template.expressions.iter();
                for quasi in &template.quasis {
                    text.push_str(quasi.value.cooked?.as_str());
                    if let Some(expression) = expressions.next() {
                        text.push_str(&plain(&of(expression)?)?);
                    }
                }
                Some(Value::String(text))
            }
            Expression::UnaryExpression(unary) => match (unary.operator, of(&unary.argument)?) {
                (UnaryOperator::UnaryNegation, Value::Number(n)) => number(-n.as_f64()?),
                // Minifiers write `!0` for true.
                (UnaryOperator::LogicalNot, Value::Number(n)) => Some(Value::Bool(n.as_f64()? == 0.0)),
                (UnaryOperator::LogicalNot, Value::Bool(b)) => Some(Value::Bool(!b)),
                _ => None,
            },
            Expression::BinaryExpression(binary) if binary.operator == BinaryOperator::Addition => {
                match (of(&binary.left)?, of(&binary.right)?) {
                    (Value::Number(a), Value::Number(b)) => number(a.as_f64()? + b.as_f64()?),
                    (a, b) => Some(Value::String(plain(&a)? + &plain(&b)?)),
                }
            }
            Expression::ArrayExpression(_) => {
                let elements = self.elements_at(settled, depth)?;
                Some(elements.into_iter().filter_map(|element| self.value_at(element, depth)).collect())
            }
            Expression::ObjectExpression(_) => self.object(settled, depth),
            _ => None,
        }
    }

    fn object(&self, node: Node<'_, 'a>, depth: u32) -> Option<Value> {
        let entries = self.entries_at(node, depth)?.into_iter();
        let map: Map<String, Value> =
            entries.filter_map(|(key, node)| Some((key, self.value_at(node, depth)?))).collect();
        Some(Value::Object(map))
    }

    fn left_out(&self, script: &Script<'a>, span: Span) {
        if let Some((path, _)) = self.sources.scripts.get_key_value(script.path) {
            self.dynamic.borrow_mut().push((path, span));
        }
    }

    fn step(&self, depth: u32) -> Option<u32> {
        self.fuel.set(self.fuel.get().checked_sub(1)?);
        depth.checked_sub(1)
    }
}

fn is_freeze(callee: &Expression<'_>) -> bool {
    callee.is_specific_member_access("Object", "freeze")
}

fn is_undefined(expression: &Expression<'_>) -> bool {
    match expression.get_inner_expression() {
        Expression::Identifier(identifier) => identifier.name == "undefined",
        Expression::UnaryExpression(unary) => unary.operator == UnaryOperator::Void,
        _ => false,
    }
}

/// A number as JSON has it: whole numbers without a fraction.
fn number(value: f64) -> Option<Value> {
    /// The largest number below which every whole number is exact (ECMA-262, `Number.MAX_SAFE_INTEGER`).
    const SAFE: f64 = 9_007_199_254_740_991.0;
    if value.fract() == 0.0 && value.abs() <= SAFE {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within the safe range")]
        return Some(Value::from(value as i64));
    }
    Number::from_f64(value).map(Value::Number)
}

/// A constant as it reads in a template or a concatenation.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
