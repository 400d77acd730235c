//! A request that a plugin's own component answers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use registry::Deployment;
use runtime::upstream::BackendPath;
use runtime::{User as Acting, Who};

use super::handler::read;
use crate::App;
use crate::extract::User;
use crate::problem::Problem;

/// Has the component answer. It is given the whole request at once, and gives the whole answer.
pub(super) async fn serve(
    app: &App,
    (caller, deployment): (&User, &Arc<Deployment>),
    (path, mount, request_id): (&BackendPath, &str, &str),
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let bytes = read(body, app.options().max_body_bytes).await?;
    let who = Who {
        user: Some(Acting::from(caller.principal())),
        request_id: Some(request_id.to_owned()),
        hops: 0,
    };
    let request = Request::from_parts(parts, bytes);
    let answer = app.runtime().serve(deployment, who, (path, mount), request).await?;
    Ok(answer.map(Body::from))
}
