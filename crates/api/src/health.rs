//! Whether the process is up, and whether it can do its work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use futures::future::{BoxFuture, join_all};
use http::{HeaderValue, header};
use model::ErrorCode;
use serde::Serialize;
use storage::{Blobs, Database};
use utoipa::ToSchema;

use crate::App;
use crate::extract::Json;
use crate::problem::{Problem, ProblemBody};

/// How long a part has to answer.
const PROBE_DEADLINE: Duration = Duration::from_secs(2);

/// A part without which no work can be done.
pub trait Probe: Send + Sync {
    /// What it is called in answers.
    fn name(&self) -> &'static str;

    /// Succeeds if the part answers.
    fn check(&self) -> BoxFuture<'_, Result<(), storage::Error>>;
}

impl Probe for Database {
    fn name(&self) -> &'static str {
        "database"
    }

    fn check(&self) -> BoxFuture<'_, Result<(), storage::Error>> {
        Box::pin(Self::check(self))
    }
}

impl Probe for Arc<dyn Blobs> {
    fn name(&self) -> &'static str {
        "blobs"
    }

    fn check(&self) -> BoxFuture<'_, Result<(), storage::Error>> {
        Box::pin(async move { self.as_ref().check().await })
    }
}

/// That the process is up.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// That every part answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// Always `ready`.
    #[schema(example = "ready")]
    status: &'static str,
    /// Each part by name; `ok`.
    checks: BTreeMap<&'static str, &'static str>,
}

/// Tells that the process is up; touches nothing else.
#[utoipa::path(get, path = "/health", tag = "service", operation_id = "health", responses((status = 200, body = Health)))]
pub(crate) async fn live() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Tells whether the database and the blobs answer, each within 2 seconds.
#[utoipa::path(
    get, path = "/health/ready", tag = "service", operation_id = "ready",
    responses(
        (status = 200, body = Readiness),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "names the parts that do not answer"),
    ),
)]
pub(crate) async fn ready(State(app): State<App>) -> Result<Json<Readiness>, Problem> {
    let results = join_all(app.probes().iter().map(|probe| examine(probe.as_ref()))).await;
    let failures: Vec<String> = results.iter().filter_map(|(_, result)| result.clone().err()).collect();
    if failures.is_empty() {
        let checks = results.into_iter().map(|(name, _)| (name, "ok")).collect();
        Ok(Json(Readiness { status: "ready", checks }))
    } else {
        Err(Problem::told(ErrorCode::Unavailable, format!("not ready: {}", failures.join("; ")))
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("5")))
    }
}

async fn examine(probe: &dyn Probe) -> (&'static str, Result<(), String>) {
    let name = probe.name();
    let result = match tokio::time::timeout(PROBE_DEADLINE, probe.check()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            tracing::warn!(probe = name, error = &error as &dyn std::error::Error, "a part does not answer");
            Err(format!("{name} failed"))
        }
        Err(_) => {
            tracing::warn!(probe = name, "a part does not answer in time");
            Err(format!("{name} did not answer within {} s", PROBE_DEADLINE.as_secs()))
        }
    };
    (name, result)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Away;

    impl Probe for Away {
        fn name(&self) -> &'static str {
            "database"
        }

        fn check(&self) -> BoxFuture<'_, Result<(), storage::Error>> {
            Box::pin(std::future::ready(Err(storage::Error::DatabaseUrl)))
        }
    }

    struct Stuck;

    impl Probe for Stuck {
        fn name(&self) -> &'static str {
            "blobs"
        }

        fn check(&self) -> BoxFuture<'_, Result<(), storage::Error>> {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_fails_or_hangs_is_named() {
        assert_eq!(examine(&Away).await, ("database", Err("database failed".into())));
        assert_eq!(examine(&Stuck).await, ("blobs", Err("blobs did not answer within 2 s".into())));
    }
}
