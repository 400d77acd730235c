//! The event bus: publishing events, reading and following them, and what pages may do.

mod feed;
mod from_page;
mod policy;
mod publish;

use std::future::Future;
use std::time::Duration;

use http::header::RETRY_AFTER;
use model::ErrorCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::problem::Problem;

/// Routes with an end.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(feed::list))
        .routes(routes!(policy::get, policy::put))
        .routes(routes!(from_page::emit))
}

/// Routes that take many events at once.
pub(crate) fn publishing_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(publish::publish))
}

/// Routes whose answers have no end.
pub(crate) fn stream_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(feed::stream))
}

/// The largest body of several events, in bytes: as many as there may be of the largest.
pub(crate) const MAX_BODY: usize =
    ::events::publish::MAX_BATCH * ::events::publish::MAX_EVENT_BYTES + 64 * 1024;

/// After how many seconds a stream that could not begin may be asked for again.
const RETRY_AFTER_S: u64 = 5;

/// What `begin` gives, if it does so in time: the deadline of a stream is that of its beginning.
pub(crate) async fn within<T>(
    deadline: Duration,
    begin: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    tokio::time::timeout(deadline, begin).await.unwrap_or_else(|_| {
        // Not 408: nothing was wrong with the request, and what is asked for will be there again.
        let detail = format!("a stream has not begun within {} s", deadline.as_secs_f64());
        Err(Problem::new(ErrorCode::Unavailable, detail).with_header(RETRY_AFTER, RETRY_AFTER_S))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_begin_in_time_may_be_asked_for_again() {
        let begun = within(Duration::from_secs(30), std::future::pending::<Result<(), Problem>>()).await;
        let problem = begun.unwrap_err();
        assert_eq!(problem.code(), ErrorCode::Unavailable);
        assert!(problem.headers().iter().any(|(name, value)| name == RETRY_AFTER && value == "5"));
    }
}
