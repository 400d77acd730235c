//! Subscriptions as they stand in requests and answers.

use events::subscription::{Change, Destination, Scope, Subscription, Tested};
use model::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whose events are wanted.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SubscriptionScope)]
pub(super) enum ScopeName {
    /// The tenant's.
    Tenant,
    /// Every tenant's and the platform's, for platform admins.
    Platform,
}

impl From<ScopeName> for Scope {
    fn from(name: ScopeName) -> Self {
        match name {
            ScopeName::Tenant => Self::Tenant,
            ScopeName::Platform => Self::Platform,
        }
    }
}

/// Where events are sent.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SubscriptionEndpoint)]
pub(super) struct EndpointBody {
    /// An https URL. Redirects are not followed.
    #[schema(max_length = 2048, example = "https://example.com/events")]
    pub(super) url: String,
}

/// Which handler gets the events.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SubscriptionHandler)]
pub(super) struct HandlerBody {
    /// A plugin that is installed in the tenant.
    #[schema(example = "crm")]
    pub(super) plugin_id: String,
    /// The name of a handler of its backend.
    #[schema(max_length = 100, example = "orderChanged")]
    pub(super) handler: String,
}

/// What a new subscription is to be. Either `endpoint` or `handler` is there.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateSubscription {
    /// The types that are wanted: types, beginnings as in `order.*`, or `*` for all.
    #[schema(min_items = 1, max_items = 50, example = json!(["order.*", "payment.succeeded"]))]
    pub(super) types: Vec<String>,
    /// Where they are sent.
    pub(super) endpoint: Option<EndpointBody>,
    /// The handler that gets them.
    pub(super) handler: Option<HandlerBody>,
    /// Whose events; `tenant` where left out.
    pub(super) scope: Option<ScopeName>,
    /// What it is for.
    #[schema(max_length = 500, example = "bookkeeping")]
    pub(super) description: Option<String>,
}

/// What is to be changed of a subscription; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeSubscription {
    /// Other types.
    #[schema(min_items = 1, max_items = 50, example = json!(["order.*"]))]
    types: Option<Vec<String>>,
    /// Another endpoint, for a subscription that has one.
    endpoint: Option<EndpointBody>,
    /// Another handler of the same plugin, for a subscription that has one.
    #[schema(max_length = 100, example = "orderChanged")]
    handler: Option<String>,
    /// Another description; an empty one takes it away.
    #[schema(max_length = 500, example = "bookkeeping")]
    description: Option<String>,
}

impl From<ChangeSubscription> for Change {
    fn from(body: ChangeSubscription) -> Self {
        Self {
            types: body.types,
            endpoint: body.endpoint.map(|endpoint| endpoint.url),
            handler: body.handler,
            description: body.description,
        }
    }
}

/// A subscription to events.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Subscription)]
pub(super) struct SubscriptionBody {
    #[schema(example = "01JD0V7M3R9X6W2A5T4N8QKZBC")]
    id: String,
    /// The types that are wanted.
    #[schema(example = json!(["order.*", "payment.succeeded"]))]
    types: Vec<String>,
    /// Where they are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<EndpointBody>,
    /// The handler that gets them.
    #[serde(skip_serializing_if = "Option::is_none")]
    handler: Option<HandlerBody>,
    /// Whose events.
    #[schema(value_type = ScopeName)]
    scope: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "bookkeeping")]
    description: Option<String>,
    /// `active`; `paused` by somebody; `disabled` because nothing could be delivered for 5 days, the endpoint answered 410, or the plugin or its handler is gone.
    #[schema(example = "active")]
    state: &'static str,
    /// Why it is disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Since when each attempt has failed; left out where the last has not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    failing_since: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Subscription> for SubscriptionBody {
    fn from(subscription: Subscription) -> Self {
        let (endpoint, handler) = match subscription.destination {
            Destination::Endpoint(url) => (Some(EndpointBody { url: url.into() }), None),
            Destination::Handler { plugin, handler, .. } => {
                (None, Some(HandlerBody { plugin_id: plugin.to_string(), handler }))
            }
        };
        Self {
            id: subscription.id,
            types: subscription.types.iter().map(ToString::to_string).collect(),
            endpoint,
            handler,
            scope: subscription.scope.as_str(),
            description: subscription.description,
            state: subscription.state.as_str(),
            reason: subscription.reason,
            failing_since: subscription.failing_since,
            created_at: subscription.created_at,
            updated_at: subscription.updated_at,
        }
    }
}

/// A tenant's subscriptions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Subscriptions)]
pub(super) struct Subscriptions {
    /// The oldest first.
    pub(super) subscriptions: Vec<SubscriptionBody>,
}

/// A new subscription, with its secret where it has an endpoint.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedSubscription {
    #[serde(flatten)]
    pub(super) subscription: SubscriptionBody,
    /// What deliveries are signed with (Standard Webhooks). It cannot be had again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "whsec_…")]
    pub(super) secret: Option<String>,
}

/// A secret that takes over.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NewSubscriptionSecret)]
pub(super) struct NewSecret {
    /// What deliveries are signed with from now on. It cannot be had again.
    #[schema(example = "whsec_…")]
    pub(super) secret: String,
    /// Until when they are signed with the former one, too.
    #[schema(value_type = String, format = DateTime)]
    pub(super) former_secret_until: Timestamp,
}

/// What came of a test.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SubscriptionTest {
    /// Whether the receiver has taken it.
    delivered: bool,
    /// The HTTP status that an endpoint answered with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 204)]
    status: Option<u16>,
    /// Why the receiver has not taken it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl From<Tested> for SubscriptionTest {
    fn from(tested: Tested) -> Self {
        Self { delivered: tested.error.is_none(), status: tested.status, error: tested.error }
    }
}
