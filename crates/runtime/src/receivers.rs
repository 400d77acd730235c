//! Plugins as receivers of events and webhooks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use events::webhook::Manifest;
use events::{Answer, Cause, FoundHandler, Hook, Plugins, ReceiveError, Refusal, Request, WebhookDoor};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt as _, Full, Limited};
use model::{Ambient, Caller, CredentialKind, PluginId, Principal, Role, Scope, TenantId, new_id};
use moka::future::Cache;
use registry::{BackendKind, Deployment, Registry, webhook_handler};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use url::{Url, form_urlencoded};

use crate::trouble::Trouble;
use crate::upstream::{BackendPath, Passage, Upstreams, fit_for_callers};
use crate::{Body, HandlerRequest, HandlerResponse, Runtime, Who, examine};

/// Who calls a plugin's own server with a webhook, in the token that says who is calling.
const WEBHOOK: &str = "jackfield:webhook";

/// Where webhooks are, of what answers requests.
const MOUNT: &str = "/webhooks";

/// How long a plugin's own server may take.
const UPSTREAM_DEADLINE: Duration = Duration::from_secs(15);

/// The most bytes of an answer to a webhook.
const MAX_ANSWER: usize = 1 << 20;

/// How long it is remembered how an installation takes webhooks, its secrets with it.
const DOOR_KEPT_FOR: Duration = Duration::from_secs(1);

/// Of how many installations.
const MAX_DOORS: u64 = 10_000;

/// Gives events and webhooks to the backends of installed plugins.
pub struct Receivers {
    registry: Arc<Registry>,
    runtime: Runtime,
    upstreams: Arc<Upstreams>,
    doors: Cache<(TenantId, PluginId), Option<Arc<WebhookDoor>>>,
    ambient: Ambient,
}

impl fmt::Debug for Receivers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receivers")
    }
}

impl Receivers {
    /// The backends of what `registry` has installed.
    pub fn new(
        registry: Arc<Registry>,
        runtime: Runtime,
        upstreams: Arc<Upstreams>,
        ambient: Ambient,
    ) -> Self {
        let doors = Cache::builder().max_capacity(MAX_DOORS).time_to_live(DOOR_KEPT_FOR).build();
        Self { registry, runtime, upstreams, doors, ambient }
    }

    async fn door(
        &self,
        tenant: &TenantId,
        plugin: &PluginId,
    ) -> Result<Option<Arc<WebhookDoor>>, registry::Error> {
        let deployment = match self.registry.deployment(tenant, plugin).await {
            Err(registry::Error::NotInstalled(_)) => return Ok(None),
            found => found?,
        };
        let secrets = match self.registry.webhook_secrets(&deployment).await {
            Err(registry::Error::NotInstalled(_)) => return Ok(None),
            found => found?,
        };
        Ok(Some(Arc::new(WebhookDoor {
            plugin_key: installation_key(&deployment),
            enabled: deployment.enabled,
            // It was checked when it was published; a later version's may not be understood.
            manifest: deployment.webhook.as_ref().and_then(|webhook| Manifest::from_json(webhook).ok()),
            secrets,
        })))
    }

    /// The installation that something is for, if it takes such a thing. What is remembered may be a second old: only what the
    /// database says now makes an end of a delivery.
    async fn installed(
        &self,
        tenant: &TenantId,
        (plugin, plugin_key): (&PluginId, &str),
        takes: impl Fn(&Deployment) -> Result<(), ReceiveError>,
    ) -> Result<Arc<Deployment>, ReceiveError> {
        let judged = |found: Result<Arc<Deployment>, registry::Error>| {
            let deployment = match found {
                Err(registry::Error::NotInstalled(_)) => {
                    return Err(gone("the plugin is not installed any more"));
                }
                found => found.map_err(|error| unreadable(&error))?,
            };
            if installation_key(&deployment) != plugin_key {
                return Err(gone("the plugin was uninstalled; it, or another of its id, is installed anew"));
            }
            takes(&deployment)?;
            if !deployment.enabled {
                return Err(not_now("the plugin is switched off", None));
            }
            Ok(deployment)
        };
        match judged(self.registry.deployment(tenant, plugin).await) {
            Err(error) if error.refusal == Refusal::Gone => {
                judged(self.registry.deployment_now(tenant, plugin).await)
            }
            judged => judged,
        }
    }

    async fn tell(
        &self,
        tenant: &TenantId,
        hook: &Hook,
        event: &Value,
        cause: Cause,
    ) -> Result<(), ReceiveError> {
        let takes = |deployment: &Deployment| {
            let is_there = takes_events(deployment, &hook.handler);
            if is_there { Ok(()) } else { Err(gone("the plugin has no such handler for events any more")) }
        };
        let deployment = self.installed(tenant, (&hook.plugin, &hook.plugin_key), takes).await?;
        let who = Who { hops: cause.hops.saturating_add(1), ..Who::default() };
        let called = self.runtime.hook(&deployment, (&hook.handler, event), who).await;
        called.map_err(|error| self.refused(&error, (&deployment, &hook.handler)))
    }

    fn refused(&self, error: &crate::Error, called: (&Deployment, &str)) -> ReceiveError {
        let Trouble { message, retry_after, is_ours, is_resting } =
            Trouble::of(error, called, self.ambient.now());
        let refusal = if is_ours || is_resting { Refusal::NotNow } else { Refusal::Failed };
        ReceiveError { message, refusal, retry_after }
    }

    async fn give(
        &self,
        deployment: &Arc<Deployment>,
        request: Request,
        cause: Cause,
    ) -> Result<Answer, ReceiveError> {
        let Some(webhook) = &deployment.webhook else { return Err(takes_none()) };
        let who = Who { hops: cause.hops, ..Who::default() };
        match &deployment.kind {
            None => Err(takes_none()),
            Some(BackendKind::Script) => {
                let handler = webhook_handler(webhook).to_owned();
                let called = self.runtime.call(deployment, who, handled(&handler, &request)).await;
                called.map(answer_of).map_err(|error| self.refused(&error, (deployment, &handler)))
            }
            Some(BackendKind::Component) => {
                let path = path_of(&request)?;
                let served = self.runtime.serve(deployment, who, (&path, MOUNT), posted(&request)).await;
                let answer = served.map_err(|error| self.refused(&error, (deployment, "component")))?;
                let (parts, body) = answer.into_parts();
                Ok(answered(parts.status.as_u16(), &parts.headers, body))
            }
            Some(BackendKind::Upstream(upstream)) => {
                in_time(UPSTREAM_DEADLINE, self.pass(deployment, upstream, &request)).await
            }
        }
    }

    async fn pass(
        &self,
        deployment: &Arc<Deployment>,
        upstream: &Url,
        request: &Request,
    ) -> Result<Answer, ReceiveError> {
        let principal = Principal {
            scope: Scope::Tenant(deployment.tenant.clone()),
            subject: WEBHOOK.to_owned(),
            email: None,
            name: None,
            role: Role::User,
            credential: CredentialKind::ApiKey,
        };
        // A credential always holds in its own tenant.
        let Some(caller) = Caller::new(principal, None) else {
            return Err(failed("there is nobody to call"));
        };
        let (path, request_id) = (path_of(request)?, new_id(&self.ambient));
        let passage = Passage {
            deployment,
            upstream,
            caller: &caller,
            path: &path,
            mount: MOUNT,
            client: None,
            request_id: &request_id,
            ending: CancellationToken::default(),
        };
        let passed = self.upstreams.pass(passage, posted(request).map(Full::new)).await;
        let (parts, body) = passed.map_err(|error| failed(&error.to_string()))?.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body =
            body.map_err(|_| failed("the plugin's server broke off its answer, or it has more than 1 MiB"))?;
        Ok(answered(parts.status.as_u16(), &parts.headers, body.to_bytes()))
    }
}

#[async_trait]
impl Plugins for Receivers {
    async fn hooks(&self, tenant: &TenantId) -> Result<Vec<Hook>, ReceiveError> {
        let running = self.registry.running(tenant).await.map_err(|error| unreadable(&error))?;
        let hooks = running.iter().filter(|deployment| deployment.kind == Some(BackendKind::Script));
        let hooks = hooks.flat_map(|deployment| {
            deployment.hooks.iter().filter_map(|hook| {
                Some(Hook {
                    plugin: deployment.plugin.clone(),
                    plugin_key: installation_key(deployment),
                    pattern: hook.event.parse().ok()?,
                    handler: hook.handler.clone(),
                })
            })
        });
        Ok(hooks.collect())
    }

    async fn handler(
        &self,
        tenant: &TenantId,
        plugin: &PluginId,
        name: &str,
    ) -> Result<FoundHandler, ReceiveError> {
        match self.registry.deployment_now(tenant, plugin).await {
            Err(registry::Error::NotInstalled(_)) => Ok(FoundHandler::NotInstalled),
            Err(error) => Err(unreadable(&error)),
            Ok(deployment) if takes_events(&deployment, name) => {
                Ok(FoundHandler::Known { plugin_key: installation_key(&deployment) })
            }
            Ok(_) => Ok(FoundHandler::Unknown),
        }
    }

    async fn webhook_door(
        &self,
        tenant: &TenantId,
        plugin: &PluginId,
    ) -> Result<Option<Arc<WebhookDoor>>, ReceiveError> {
        let key = (tenant.clone(), plugin.clone());
        self.doors.try_get_with(key, self.door(tenant, plugin)).await.map_err(|error| unreadable(&error))
    }

    async fn event(
        &self,
        tenant: &TenantId,
        hook: &Hook,
        event: &Value,
        cause: Cause,
    ) -> Result<(), ReceiveError> {
        // Boxed, as it is large and waited for in many tasks at once.
        in_time(self.longest(), Box::pin(self.tell(tenant, hook, event, cause))).await
    }

    async fn webhook(
        &self,
        tenant: &TenantId,
        plugin: (&PluginId, &str),
        request: Request,
        cause: Cause,
    ) -> Result<Answer, ReceiveError> {
        let takes = |deployment: &Deployment| match (&deployment.webhook, &deployment.kind) {
            (Some(_), Some(_)) => Ok(()),
            _ => Err(takes_none()),
        };
        let given = async {
            let deployment = self.installed(tenant, plugin, takes).await?;
            self.give(&deployment, request, cause).await
        };
        in_time(self.longest(), Box::pin(given)).await
    }

    fn longest(&self) -> Duration {
        self.runtime.longest().max(UPSTREAM_DEADLINE)
    }
}

async fn in_time<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, ReceiveError>>,
) -> Result<T, ReceiveError> {
    let done = tokio::time::timeout(deadline, work).await;
    done.unwrap_or_else(|_| Err(failed("the plugin took too long")))
}

/// What [`Plugins`] calls a plugin's key: of one installation, so that what was meant for it (a secret address, say) ends with it
/// and does not come to the next one of the same plugin.
fn installation_key(deployment: &Deployment) -> String {
    format!("{}.{}", deployment.plugin_key, deployment.incarnation)
}

/// Whether anybody's events can be given to this handler. The one that takes webhooks trusts that they are signed.
fn takes_events(deployment: &Deployment, handler: &str) -> bool {
    let takes_webhooks =
        deployment.webhook.as_ref().is_some_and(|webhook| webhook_handler(webhook) == handler);
    deployment.kind == Some(BackendKind::Script)
        && deployment.handlers.contains(handler)
        && !takes_webhooks
        && !examine::is_lifecycle(handler)
}

fn takes_none() -> ReceiveError {
    gone("the installed version of the plugin takes no webhooks")
}

fn gone(message: &str) -> ReceiveError {
    ReceiveError { message: message.to_owned(), refusal: Refusal::Gone, retry_after: None }
}

fn failed(message: &str) -> ReceiveError {
    ReceiveError { message: message.to_owned(), refusal: Refusal::Failed, retry_after: None }
}

fn not_now(message: &str, retry_after: Option<Duration>) -> ReceiveError {
    ReceiveError { message: message.to_owned(), refusal: Refusal::NotNow, retry_after }
}

fn unreadable(error: &registry::Error) -> ReceiveError {
    tracing::warn!(error = error as &dyn std::error::Error, "an installation cannot be read");
    not_now("the server could not read the installation", None)
}

/// The request as a handler of a script is given it: with the bytes that were signed as `rawBody`, where they are text.
fn handled(handler: &str, request: &Request) -> HandlerRequest {
    let raw = std::str::from_utf8(&request.body).ok();
    let headers = headers_of(request);
    let is_json =
        headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(|kind| {
            let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            kind == "application/json" || kind.ends_with("+json")
        });
    let json = is_json.then(|| serde_json::from_slice(&request.body).ok()).flatten();
    let body = match (json, raw) {
        _ if request.body.is_empty() => Body::None,
        (Some(value), _) => Body::Json(value),
        (None, Some(text)) => Body::Text(text.to_owned()),
        (None, None) => Body::Bytes(request.body.clone()),
    };
    let mut more = Map::new();
    more.extend(raw.map(|text| ("rawBody".to_owned(), json!(text))));
    let query = form_urlencoded::parse(request.query.as_bytes());
    HandlerRequest {
        handler: handler.to_owned(),
        method: request.method.clone(),
        path: request.path.clone(),
        query: query.map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
        headers,
        params: BTreeMap::new(),
        body,
        more,
    }
}

fn headers_of(request: &Request) -> HeaderMap {
    let pairs = request.headers.iter().filter_map(|(name, value)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
    });
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, value);
    }
    headers
}

/// Where a component or a plugin's own server is given a webhook.
fn path_of(request: &Request) -> Result<BackendPath, ReceiveError> {
    let rest = request.path.strip_suffix('/').unwrap_or(&request.path);
    BackendPath::parse(&format!("{MOUNT}{rest}"))
        .map_err(|_| gone("the path of the webhook cannot be passed on"))
}

fn posted(request: &Request) -> http::Request<Bytes> {
    let mut posted = http::Request::new(request.body.clone());
    *posted.headers_mut() = headers_of(request);
    if let Ok(method) = request.method.parse() {
        *posted.method_mut() = method;
    }
    let target = if request.query.is_empty() { "/".to_owned() } else { format!("/?{}", request.query) };
    if let Ok(uri) = target.parse() {
        *posted.uri_mut() = uri;
    }
    posted
}

fn answer_of(response: HandlerResponse) -> Answer {
    let body = response.bytes();
    answered(response.status.as_u16(), &fit_for_callers(response.headers), body)
}

fn answered(status: u16, headers: &HeaderMap, body: Bytes) -> Answer {
    let texts = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    Answer { status, headers: texts.collect(), body }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(content_type: &str, body: &'static [u8]) -> Request {
        Request {
            method: "POST".into(),
            path: "/charges".into(),
            query: "a=1&a=2".into(),
            headers: vec![("content-type".into(), content_type.into())],
            body: Bytes::from_static(body),
        }
    }

    #[test]
    fn a_handler_is_given_the_bytes_that_were_signed() {
        let given = handled("webhook", &request("application/json; charset=utf-8", b"{\"a\": 1.0}"));
        assert_eq!(
            (given.body, given.more["rawBody"].as_str()),
            (Body::Json(json!({"a": 1.0})), Some("{\"a\": 1.0}"))
        );
        assert_eq!(given.query.len(), 2);
        let torn = handled("webhook", &request("application/json", b"{"));
        assert_eq!(torn.body, Body::Text("{".into()), "who signs what is no JSON is still heard");
        let raw = handled("webhook", &request("application/json", b"\xff\xfe"));
        assert_eq!((raw.body, raw.more.get("rawBody")), (Body::Bytes(Bytes::from_static(b"\xff\xfe")), None));
        assert_eq!(handled("webhook", &request("text/plain", b"")).body, Body::None);
    }

    #[test]
    fn other_backends_are_given_webhooks_below_a_path_of_their_own() {
        let path = |text: &str| {
            let request = Request { path: text.into(), ..request("text/plain", b"") };
            path_of(&request).ok().map(|path| path.as_str().to_owned())
        };
        assert_eq!(path("/").as_deref(), Some("/webhooks"));
        assert_eq!(path("/charges").as_deref(), Some("/webhooks/charges"));
        assert_eq!(path("/../admin"), None);
        let posted = posted(&request("text/plain", b"x"));
        assert_eq!((posted.method().as_str(), posted.uri().query()), ("POST", Some("a=1&a=2")));
    }

    #[test]
    fn what_trusts_its_input_takes_no_events() {
        let script = Deployment {
            tenant: "acme".parse().unwrap(),
            plugin: "shop".parse().unwrap(),
            plugin_key: "k1".into(),
            version_key: "v1".into(),
            version: "1.0.0".into(),
            enabled: true,
            departed: false,
            incarnation: 1,
            kind: Some(BackendKind::Script),
            routes: Vec::new(),
            hooks: Vec::new(),
            listeners: [].into(),
            handlers: ["onOrder", "paid", "onInstall"].map(str::to_owned).into(),
            hosts: Vec::new(),
            emits: [].into(),
            webhook: Some(json!({"scheme": "stripe", "secret": "key", "handler": "paid"})),
            grants: registry::Grants::default(),
            configuration: Map::new(),
            sensitive: [].into(),
        };
        let takes = ["onOrder", "paid", "onInstall", "nope"].map(|handler| takes_events(&script, handler));
        assert_eq!(takes, [true, false, false, false]);
        let component = Deployment { kind: Some(BackendKind::Component), ..script };
        assert!(!takes_events(&component, "onOrder"));
    }
}
