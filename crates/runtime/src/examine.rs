//! Looking at backends before they are published, in the sandbox that they will run in.

use async_trait::async_trait;
use bytes::Bytes;
use model::{Coded as _, ErrorCode, Violation};
use registry::{BackendDefinition, Examine, ExamineError, Hook, Program, Route};
use sandbox::{Definition, Lifecycle, Sandbox};

use crate::scripts;

/// Examines backends in a sandbox. Cheap to clone.
#[derive(Clone)]
pub struct Examiner(Sandbox);

impl Examiner {
    /// Examines in `sandbox`.
    pub const fn new(sandbox: Sandbox) -> Self {
        Self(sandbox)
    }
}

#[async_trait]
impl Examine for Examiner {
    async fn script(&self, program: &Program) -> Result<BackendDefinition, ExamineError> {
        let script = scripts::script("examined", program).map_err(|error| refused(&error.to_string()))?;
        self.0.examine(&script).await.map(definition).map_err(|error| match error.code() {
            ErrorCode::RateLimited | ErrorCode::Unavailable | ErrorCode::Internal => ExamineError::Busy,
            _ => {
                let mut violations = error.violations();
                if violations.is_empty() {
                    violations.push(Violation::new("", error.to_string()));
                }
                for violation in &mut violations {
                    ENTRY_POINT.clone_into(&mut violation.pointer);
                }
                ExamineError::Refused(violations)
            }
        })
    }

    async fn component(&self, component: &Bytes) -> Result<(), ExamineError> {
        self.0.check_component(component).await.map_err(|error| match error {
            sandbox::Error::Component(detail) => {
                ExamineError::Refused(vec![Violation::new("/backend/component", detail)])
            }
            sandbox::Error::Internal(fault) => {
                tracing::error!(%fault, "a component cannot be examined");
                ExamineError::Busy
            }
            _ => ExamineError::Busy,
        })
    }
}

/// Where the manifest names the script.
const ENTRY_POINT: &str = "/backend/entryPoint";

fn refused(detail: &str) -> ExamineError {
    ExamineError::Refused(vec![Violation::new(ENTRY_POINT, detail)])
}

fn definition(found: Definition) -> BackendDefinition {
    let lifecycle = found.lifecycle.into_iter().map(|each| lifecycle_name(each).to_owned());
    BackendDefinition {
        routes: found
            .routes
            .into_iter()
            .map(|route| Route { method: route.method, path: route.path, handler: route.handler })
            .collect(),
        hooks: found
            .hooks
            .into_iter()
            .map(|hook| Hook { event: hook.event, handler: hook.handler })
            .collect(),
        handlers: found.handlers.into_iter().chain(lifecycle).collect(),
    }
}

/// The name of a function that a backend is told by.
pub(crate) const fn lifecycle_name(lifecycle: Lifecycle) -> &'static str {
    match lifecycle {
        Lifecycle::Install => "onInstall",
        Lifecycle::Uninstall => "onUninstall",
        Lifecycle::Enable => "onEnable",
        Lifecycle::Disable => "onDisable",
    }
}

/// Whether this is the name of a function of a backend that is no handler.
pub(crate) fn is_lifecycle(name: &str) -> bool {
    [Lifecycle::Install, Lifecycle::Uninstall, Lifecycle::Enable, Lifecycle::Disable]
        .into_iter()
        .any(|each| lifecycle_name(each) == name)
}
