//! Looking at a built backend before it is published: whether it loads, and what it offers.

use std::collections::BTreeSet;

use async_trait::async_trait;
use bytes::Bytes;
use model::Violation;
use serde::{Deserialize, Serialize};

use super::{BackendManifest, Hook, Route, routes};
use crate::Error;

/// The most that is told to be wrong at once.
const MAX_VIOLATIONS: usize = 50;

/// How many of the program's handlers are named where one is missing.
const MAX_NAMED: usize = 10;

/// What runs: a script that leaves its default export in `__plugin`, or a WebAssembly component.
#[derive(Debug, Clone)]
pub struct Program {
    /// The script in UTF-8, or the component.
    pub bytes: Bytes,
    /// The script's source map (ECMA-426).
    pub source_map: Option<Bytes>,
}

/// What a script's default export offers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackendDefinition {
    /// Its routes.
    pub routes: Vec<Route>,
    /// Its subscriptions.
    pub hooks: Vec<Hook>,
    /// The names of its handlers, and of `onInstall`, `onUninstall`, `onEnable` and `onDisable` where it has them.
    pub handlers: BTreeSet<String>,
}

/// Why a backend was not examined, or not found sound.
#[derive(Debug, thiserror::Error)]
pub enum ExamineError {
    /// It does not load; each violation says why, with the author's line where that is known.
    #[error("the backend does not load")]
    Refused(Vec<Violation>),
    /// There is no room to look at it now.
    #[error("backends cannot be examined at the moment: try again in some seconds")]
    Busy,
}

/// Looks at backends in a sandbox, within its limits.
#[async_trait]
pub trait Examine: Send + Sync {
    /// Loads a script and tells what it offers.
    ///
    /// # Errors
    /// [`ExamineError`].
    async fn script(&self, program: &Program) -> Result<BackendDefinition, ExamineError>;

    /// Checks that `component` is a WebAssembly component that can answer requests.
    ///
    /// # Errors
    /// [`ExamineError`].
    async fn component(&self, component: &Bytes) -> Result<(), ExamineError>;
}

/// Examines the program of `backend`, and holds the routes and hooks of both against its handlers.
///
/// # Errors
/// [`Error::Backend`] for what does not load, [`Error::Manifest`] for handlers that there are not,
/// [`Error::ExaminerBusy`].
pub(crate) async fn examine(
    examine: &dyn Examine,
    backend: &BackendManifest,
    program: &Program,
) -> Result<BackendDefinition, Error> {
    if backend.component.is_some() {
        examine.component(&program.bytes).await?;
        return Ok(BackendDefinition::default());
    }
    let definition = examine.script(program).await?;
    let found = check_definition(backend, &definition);
    if found.is_empty() { Ok(definition) } else { Err(Error::Manifest(found)) }
}

/// Holds what a program says of itself, which nobody has checked yet, against the rules. Tells no more than a reader can use,
/// however much the program says.
fn check_definition(backend: &BackendManifest, definition: &BackendDefinition) -> Vec<Violation> {
    // The program's own routes have no place in the manifest but the file that they are written in.
    let mut found: Vec<Violation> = routes::check(&definition.routes, &definition.hooks, "")
        .into_iter()
        .map(|each| {
            let place = each.pointer.trim_start_matches('/').replace('/', ".");
            Violation::new("/backend/entryPoint", format!("{place} of the program: {}", each.detail))
        })
        .collect();
    let is_too_much = definition.routes.len().max(definition.hooks.len()) > routes::MAX_LIST;
    if definition.handlers.len() > routes::MAX_HANDLERS {
        let detail = format!("the program must have at most {} handlers", routes::MAX_HANDLERS);
        found.push(Violation::new("/backend/entryPoint", detail));
    } else if !is_too_much {
        found.extend(check_handlers(backend, definition));
    }
    found.truncate(MAX_VIOLATIONS);
    found
}

fn check_handlers(backend: &BackendManifest, definition: &BackendDefinition) -> Vec<Violation> {
    let names = definition.handlers.iter().filter_map(|name| {
        let detail = routes::check_handler(name).err()?;
        let detail = format!("the handler {:?} of the program: {detail}", shown(name));
        Some(Violation::new("/backend/entryPoint", detail))
    });
    let mut found: Vec<Violation> = names.take(MAX_VIOLATIONS).collect();
    let at_manifest = |list: &str, index: usize| format!("/backend/{list}/{index}/handler");
    let at_program = |_: &str, _: usize| "/backend/entryPoint".to_owned();
    found.extend(missing((&backend.routes, &backend.hooks), definition, at_manifest));
    found.extend(missing((&definition.routes, &definition.hooks), definition, at_program));
    found
}

fn missing(
    (routes, hooks): (&[Route], &[Hook]),
    definition: &BackendDefinition,
    pointer: impl Fn(&str, usize) -> String,
) -> Vec<Violation> {
    let routes = routes.iter().enumerate().map(|(index, route)| ("routes", index, &route.handler));
    let hooks = hooks.iter().enumerate().map(|(index, hook)| ("hooks", index, &hook.handler));
    let missing = routes.chain(hooks).filter(|(.., handler)| !definition.handlers.contains(*handler));
    let known = known(definition);
    let told = missing.map(|(list, index, handler)| {
        let detail = format!("the program has no handler {}; it has {known}", shown(handler));
        Violation::new(pointer(list, index), detail)
    });
    told.take(MAX_VIOLATIONS).collect()
}

/// The first of the program's handlers.
fn known(definition: &BackendDefinition) -> String {
    let names: Vec<String> = definition.handlers.iter().take(MAX_NAMED).map(|name| shown(name)).collect();
    match definition.handlers.len().saturating_sub(names.len()) {
        0 if names.is_empty() => "none".to_owned(),
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

fn shown(name: &str) -> String {
    name.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn routes_and_hooks_name_handlers_that_there_are() {
        let backend: BackendManifest = serde_json::from_value(json!({
            "entryPoint": "a.ts",
            "routes": [{"method": "GET", "path": "/", "handler": "list"}, {"method": "GET", "path": "/x", "handler": "gone"}],
            "hooks": [{"event": "orders.paid", "handler": "gone"}],
        }))
        .unwrap();
        let definition: BackendDefinition = serde_json::from_value(json!({
            "routes": [{"method": "GET", "path": "/../x", "handler": "list"}], "handlers": ["list", "onInstall"],
        }))
        .unwrap();
        let found = check_definition(&backend, &definition);
        let pointers: Vec<&str> = found.iter().map(|each| each.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            ["/backend/entryPoint", "/backend/routes/1/handler", "/backend/hooks/0/handler"]
        );
        assert_eq!(found[1].detail, "the program has no handler gone; it has list, onInstall");
    }

    #[test]
    fn a_program_that_says_much_is_told_little() {
        let long = "x".repeat(10_000);
        let route = |index: usize| json!({"method": "get", "path": format!("/{index}"), "handler": format!("{index}{long}")});
        let hook = |index: usize| json!({"event": format!("a.b{index}"), "handler": format!("gone{index}")});
        for (routes, hooks, handlers) in [(300, 0, 0), (100, 100, 200), (0, 100, 300), (0, 300, 1)] {
            let definition: BackendDefinition = serde_json::from_value(json!({
                "routes": (0..routes).map(route).collect::<Vec<_>>(),
                "hooks": (0..hooks).map(hook).collect::<Vec<_>>(),
                "handlers": (0..handlers).map(|index| format!("h{index}{long}")).collect::<Vec<_>>(),
            }))
            .unwrap();
            let found = check_definition(&BackendManifest::default(), &definition);
            let told: usize = found.iter().map(|each| each.detail.len()).sum();
            assert!((1..=MAX_VIOLATIONS).contains(&found.len()), "{}", found.len());
            assert!(told < 100_000, "{told}");
        }
    }
}
