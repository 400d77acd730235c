//! Actions: handlers of a plugin's backend, called by name.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use model::ErrorCode;
use registry::{BackendKind, Deployment};
use runtime::upstream::{BackendPath, Break, Passage};
use runtime::{Body, Error, HandlerRequest, HandlerResponse, Runtime, User as Acting, Who};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::plugin_id;
use crate::extract::{Json, Path, User};
use crate::problem::{Problem, ProblemBody};
use crate::{App, RequestContext};

/// The largest answer of a plugin's own server to an action, in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// What is to be done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PluginAction)]
pub(super) struct Action {
    /// The name of a handler.
    #[serde(rename = "action")]
    #[schema(example = "createPayment")]
    name: String,
    /// What the handler gets as its request's `body`: any JSON.
    #[serde(default)]
    #[schema(value_type = Value, example = json!({"orderId": "o-7", "amount": 1250}))]
    parameters: Value,
    /// What the handler gets as its request's `metadata`.
    #[serde(default)]
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginActionResult)]
pub(super) struct ActionResult {
    /// Whether the handler has done it.
    success: bool,
    /// What the handler answered: any JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    data: Option<Value>,
    /// Why it has not been done: what the handler threw, or its answer with a status of 400 or above.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The action.
    #[schema(example = "createPayment")]
    action: String,
}

/// Has a plugin's backend do something for the caller: runs the handler of that name. What the handler refuses or throws is
/// told with `success: false`; a handler that there is not, that takes too long, or that nobody can be let to now, is a problem.
#[utoipa::path(
    post, path = "/plugins/{pluginId}/actions", tag = "plugins", operation_id = "runPluginAction", request_body = Action,
    params(("pluginId" = String, Path, description = "the plugin's id", example = "payment-card")),
    responses(
        (status = 200, body = ActionResult),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "switched off"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not installed, or no such action"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn run(
    State(app): State<App>,
    caller: User,
    Extension(context): Extension<RequestContext>,
    parts: Parts,
    Path(id): Path<String>,
    Json(body): Json<Action>,
) -> Result<Json<ActionResult>, Problem> {
    let deployment = app.registry().deployment(caller.tenant(), &plugin_id(&id)?).await?;
    let Action { name: action, parameters, metadata } = body;
    let asked = (&*action, parameters, metadata);
    match answer(&app, (&caller, &deployment), (&context, &parts), asked).await {
        Ok(response) => Ok(Json(ActionResult::of(action, response))),
        Err(Refused::Threw(message)) => Ok(Json(ActionResult::refused(action, message, None))),
        Err(Refused::Problem(problem)) => Err(problem),
    }
}

/// What answers: a handler of a script, or a plugin's own server or component, at `/actions/` and the action's name.
async fn answer(
    app: &App,
    (caller, deployment): (&User, &Arc<Deployment>),
    (context, parts): (&RequestContext, &Parts),
    (action, parameters, metadata): (&str, Value, Map<String, Value>),
) -> Result<HandlerResponse, Refused> {
    let user = Acting::from(caller.principal());
    let who = Who { user: Some(user), request_id: Some(context.id().to_owned()), hops: 0 };
    let mount =
        || format!("{}/plugins/{}", app.options().public_url.path().trim_end_matches('/'), deployment.plugin);
    let upstream = match &deployment.kind {
        Some(BackendKind::Upstream(upstream)) => upstream,
        Some(BackendKind::Component) => {
            let path = path_of(action)?;
            let request = posted(&parameters).map(Into::into);
            let answer = app.runtime().serve(deployment, who, (&path, &mount()), request).await?;
            return read(deployment, answer.map(axum::body::Body::from)).await;
        }
        _ => {
            Runtime::refuse_told(deployment, action)?;
            return Ok(app.runtime().call(deployment, who, request(action, parameters, metadata)).await?);
        }
    };
    if !deployment.enabled {
        return Err(Error::Disabled(deployment.plugin.to_string()).into());
    }
    let passage = Passage {
        deployment,
        upstream,
        caller,
        path: &path_of(action)?,
        mount: &mount(),
        client: app.client_address(&parts.extensions, &parts.headers),
        request_id: context.id(),
        ending: CancellationToken::default(),
    };
    let request = posted(&parameters).map(axum::body::Body::from);
    let work = async {
        let answer = app.upstreams().pass(passage, request).await.map_err(Problem::from)?;
        read(deployment, answer.map(axum::body::Body::new)).await
    };
    // A little before the request itself is given up, so that it is told whose fault that is.
    let most = app.options().deadline.mul_f64(0.9);
    tokio::time::timeout(most, work).await.unwrap_or_else(|_| {
        let detail =
            format!("the plugin's server has not answered to the end within {} s", most.as_secs_f64());
        Err(Problem::new(ErrorCode::PluginTimeout, detail).into())
    })
}

/// Whether a name can stand in a path as it is.
fn is_plain(action: &str) -> bool {
    action.len() <= 128
        && action.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && action.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte))
}

/// Where an action is, of what answers requests.
fn path_of(action: &str) -> Result<BackendPath, Problem> {
    if !is_plain(action) {
        let detail = "an action of this plugin is 1 to 128 of letters, digits and . _ : - with a letter or digit in front";
        return Err(Problem::new(ErrorCode::NotFound, detail));
    }
    Ok(BackendPath::parse(&format!("/actions/{action}"))?)
}

/// The request by which an action is asked for.
fn posted(parameters: &Value) -> Request<String> {
    let mut request = Request::new(parameters.to_string());
    *request.method_mut() = Method::POST;
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request
}

/// Reads what a plugin's own server, or its component, has answered.
async fn read(
    deployment: &Deployment,
    answer: Response<axum::body::Body>,
) -> Result<HandlerResponse, Refused> {
    let (parts, body) = answer.into_parts();
    let bytes = Limited::new(body, MAX_ANSWER).collect().await;
    let bytes = bytes.map_err(|error| unread(deployment, error.as_ref()))?.to_bytes();
    let body = match serde_json::from_slice(&bytes) {
        Ok(value) => Body::Json(value),
        Err(_) if bytes.is_empty() => Body::None,
        Err(_) => Body::Bytes(bytes),
    };
    Ok(HandlerResponse { status: parts.status, headers: parts.headers, body })
}

/// Why an answer that had begun could not be read.
fn unread(deployment: &Deployment, error: &(dyn std::error::Error + 'static)) -> Refused {
    if error.is::<LengthLimitError>() {
        let reason = format!("it has answered with more than {MAX_ANSWER} bytes");
        return Error::Answer { handler: deployment.plugin.to_string(), reason }.into();
    }
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    let (code, happened) = match causes.find_map(|cause| cause.downcast_ref::<Break>()) {
        Some(fault @ (Break::Stalled(_) | Break::Late)) => {
            (ErrorCode::PluginTimeout, format!("did not answer to the end: {fault}"))
        }
        Some(Break::TooLarge(max)) => {
            (ErrorCode::PluginFailed, format!("has answered with more than {max} bytes"))
        }
        Some(Break::Source(_)) | None => (ErrorCode::PluginFailed, "broke off while it answered".to_owned()),
    };
    Problem::new(code, format!("the plugin's server {happened}")).into()
}

/// Why there is no answer.
enum Refused {
    /// What the handler threw.
    Threw(String),
    /// Anything else.
    Problem(Problem),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error {
            Error::Threw { message, .. } => Self::Threw(message),
            error => Self::Problem(error.into()),
        }
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

fn request(action: &str, parameters: Value, metadata: Map<String, Value>) -> HandlerRequest {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    HandlerRequest {
        handler: action.to_owned(),
        method: "POST".to_owned(),
        path: format!("/actions/{action}"),
        headers,
        body: Body::Json(parameters),
        more: [("metadata".to_owned(), Value::Object(metadata))].into_iter().collect(),
        ..HandlerRequest::default()
    }
}

impl ActionResult {
    fn of(action: String, response: HandlerResponse) -> Self {
        let status = response.status.as_u16();
        let data = data(response.body);
        if status < 400 {
            return Self { success: true, data, error: None, action };
        }
        let error = data.as_ref().and_then(told);
        let error = error.unwrap_or_else(|| format!("the plugin has answered with the status {status}"));
        Self::refused(action, error, data.filter(|data| !data.is_string()))
    }

    fn refused(action: String, error: String, data: Option<Value>) -> Self {
        Self { success: false, data, error: Some(error), action }
    }
}

/// What a handler has answered, as JSON.
fn data(body: Body) -> Option<Value> {
    match body {
        Body::None => None,
        Body::Json(value) => Some(value),
        Body::Text(text) => Some(text.into()),
        Body::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned().into()),
    }
}

/// What a refusal says: `errorResponse` of the SDK puts it into `error`.
fn told(data: &Value) -> Option<String> {
    let text = data
        .as_str()
        .or_else(|| ["error", "message", "detail"].iter().find_map(|name| data.get(name)?.as_str()));
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;

    fn result(status: u16, body: Body) -> Value {
        let status = StatusCode::from_u16(status).unwrap();
        let response = HandlerResponse { status, headers: HeaderMap::new(), body };
        serde_json::to_value(ActionResult::of("pay".into(), response)).unwrap()
    }

    #[test]
    fn only_plain_names_stand_in_a_path() {
        for name in ["pay", "a.b:c-d_e", "7"] {
            assert!(is_plain(name), "{name}");
        }
        for name in ["", "..", "a/b", "a?b", "a#b", "%2e", "a b", "\u{e4}", &"x".repeat(129)] {
            assert!(!is_plain(name), "{name}");
        }
    }

    #[test]
    fn an_answer_is_data_and_a_refusal_is_an_error() {
        let json = |value: Value| Body::Json(value);
        assert_eq!(
            result(200, json(json!({"id": 1}))),
            json!({"success": true, "data": {"id": 1}, "action": "pay"})
        );
        assert_eq!(result(204, Body::None), json!({"success": true, "action": "pay"}));
        let refused = json(json!({"error": "no funds", "code": 7}));
        let told = json!({"success": false, "data": {"error": "no funds", "code": 7}, "error": "no funds", "action": "pay"});
        assert_eq!(result(402, refused), told);
        assert_eq!(
            result(500, Body::Text("broken".into())),
            json!({"success": false, "error": "broken", "action": "pay"})
        );
        assert_eq!(
            result(404, Body::None),
            json!({"success": false, "error": "the plugin has answered with the status 404", "action": "pay"})
        );
    }
}
