//! What the names of a script stand for.

use std::collections::BTreeMap;

use oxc::{
    ast::ast::{
        BindingPattern, Declaration, ExportDefaultDeclarationKind, Expression, Statement, TSEnumDeclaration,
        TSEnumMemberName, VariableDeclaration,
    },
    span::Span,
    syntax::module_record::ImportImportName,
};
use serde_json::Value;

use crate::sources::Script;

/// Something that an expression may turn out to be.
#[derive(Clone, Copy)]
pub(crate) enum Node<'s, 'a> {
    /// An expression of a script.
    Expression(&'s Script<'a>, &'s Expression<'a>),
    /// A value of a JSON file.
    Json(&'s Value),
    /// An enum.
    Enum(&'s Script<'a>, &'s TSEnumDeclaration<'a>),
    /// All exports of a script.
    Namespace(&'s Script<'a>),
    /// A function or class.
    Code,
}

/// What a name at the top level of a script is.
pub(crate) enum Binding<'s, 'a> {
    Constant(&'s Expression<'a>),
    Enum(&'s TSEnumDeclaration<'a>),
    Import(&'s str, Imported<'s>),
    Code,
}

/// Which export an import takes.
#[derive(Clone, Copy)]
pub(crate) enum Imported<'s> {
    Name(&'s str),
    Namespace,
}

/// Whether the name at `span` is the local one of a default import: oxc's record names a re-exported default import
/// by that, not by `default`.
pub(crate) fn is_default_import(script: &Script<'_>, span: Span) -> bool {
    let mut imports = script.record.import_entries.iter();
    imports.any(|entry| entry.local_name.span == span && entry.import_name.is_default())
}

/// What the script's `export default` is followed by.
pub(crate) fn default_declaration<'s, 'a>(script: &'s Script<'a>) -> Option<Node<'s, 'a>> {
    script.program.body.iter().find_map(|statement| match statement {
        Statement::ExportDefaultDeclaration(export) => match &export.declaration {
            ExportDefaultDeclarationKind::FunctionDeclaration(_)
            | ExportDefaultDeclarationKind::ClassDeclaration(_) => Some(Node::Code),
            declaration => declaration.as_expression().map(|expression| Node::Expression(script, expression)),
        },
        _ => None,
    })
}

/// Every name at the top level of the script.
pub(crate) fn bindings<'s, 'a>(script: &'s Script<'a>) -> BTreeMap<&'s str, Binding<'s, 'a>> {
    let mut found = BTreeMap::new();
    for entry in &script.record.import_entries {
        let imported = match &entry.import_name {
            ImportImportName::Name(name) => Imported::Name(name.name.as_str()),
            ImportImportName::NamespaceObject => Imported::Namespace,
            ImportImportName::Default(_) => Imported::Name("default"),
        };
        let from = entry.module_request.name.as_str();
        found.insert(entry.local_name.name.as_str(), Binding::Import(from, imported));
    }
    for statement in &script.program.body {
        let declaration = match statement {
            Statement::ExportDeclaration(export) => Some(&export.declaration),
            other => other.as_declaration(),
        };
        match declaration {
            Some(Declaration::VariableDeclaration(variables)) => add_variables(script, variables, &mut found),
            Some(Declaration::TSEnumDeclaration(declaration)) => {
                found.insert(declaration.id.name.as_str(), Binding::Enum(declaration));
            }
            Some(Declaration::FunctionDeclaration(function)) => {
                found.extend(function.id.as_ref().map(|id| (id.name.as_str(), Binding::Code)));
            }
            Some(Declaration::ClassDeclaration(class)) => {
                found.extend(class.id.as_ref().map(|id| (id.name.as_str(), Binding::Code)));
            }
            _ => {}
        }
    }
    found
}

fn add_variables<'s, 'a>(
    script: &Script<'a>,
    variables: &'s VariableDeclaration<'a>,
    found: &mut BTreeMap<&'s str, Binding<'s, 'a>>,
) {
    for variable in &variables.declarations {
        let (BindingPattern::BindingIdentifier(id), Some(init)) = (&variable.id, &variable.init) else {
            continue;
        };
        let name = id.name.as_str();
        if !script.survey.assigned.contains(name) {
            found.insert(name, Binding::Constant(init));
        }
    }
}

/// The members of an enum that have a value written down.
pub(crate) fn members<'v, 'a>(
    script: &'v Script<'a>,
    declaration: &'v TSEnumDeclaration<'a>,
) -> Vec<(String, Node<'v, 'a>)> {
    let members = declaration.body.members.iter();
    let named = members.filter_map(|member| {
        let name = match &member.id {
            TSEnumMemberName::Identifier(name) => name.name.as_str(),
            TSEnumMemberName::String(text) | TSEnumMemberName::ComputedString(text) => text.value.as_str(),
            TSEnumMemberName::ComputedTemplateString(_) => return None,
        };
        Some((name.to_owned(), Node::Expression(script, member.initializer.as_ref()?)))
    });
    named.collect()
}
