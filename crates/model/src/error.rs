//! One closed list of error codes, so that every crate's errors are told to callers in one way.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::Timestamp;

/// The stable, snake_case word by which a client tells errors apart (CONTRACT: `code` of problem+json).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// 400: the request cannot be understood.
    InvalidRequest,
    /// 401: no credential.
    AuthenticationRequired,
    /// 401: a credential that is wrong, expired or not trusted.
    InvalidCredential,
    /// 403: the role does not suffice.
    InsufficientRole,
    /// 403: the credential does not hold in the tenant named.
    TenantMismatch,
    /// 403: a request from a page or host that may not make it.
    OriginNotAllowed,
    /// 404: no such thing, or not the caller's.
    NotFound,
    /// 405: the route exists, the method does not.
    MethodNotAllowed,
    /// 406: no representation that the caller accepts.
    NotAcceptable,
    /// 408: the request took too long to arrive or to answer.
    RequestTimeout,
    /// 409: it exists already.
    AlreadyExists,
    /// 409: it changed meanwhile, or its state does not allow this.
    Conflict,
    /// 410: it was there once, and is no more.
    Gone,
    /// 413: larger than allowed.
    PayloadTooLarge,
    /// 415: a media type that the route does not take.
    UnsupportedMediaType,
    /// 416: a range that the file does not have.
    RangeNotSatisfiable,
    /// 422: understood, but against the rules; the violations say which.
    ValidationFailed,
    /// 422: the connector cannot do this; its capabilities tell what it can.
    Unsupported,
    /// 422: the plugin's source does not build; the violations are the diagnostics.
    BuildFailed,
    /// 422: the plugin does not fit this platform; the violations are all the reasons.
    Incompatible,
    /// 403: the user did not grant access at the provider.
    AccessDenied,
    /// 401: the user has no connection to the provider.
    ConnectionRequired,
    /// 401: there is a connection, but its user must consent again.
    ReauthorizationRequired,
    /// 403: the connection's grant lacks a scope that this needs.
    InsufficientScope,
    /// 422: the provider refused what it was asked; the detail has its words.
    UpstreamRejected,
    /// 429: too many requests.
    RateLimited,
    /// 429: the provider wants fewer calls.
    UpstreamRateLimited,
    /// 502: the provider is away, or its answer cannot be used.
    UpstreamUnavailable,
    /// 504: the provider did not answer in time.
    UpstreamTimeout,
    /// 409: the plugin asks for more than the tenant's admin has consented to.
    ConsentRequired,
    /// 403: the tenant has switched the plugin off.
    PluginDisabled,
    /// 502: the plugin's backend failed, or its answer cannot be used.
    PluginFailed,
    /// 504: the plugin's backend took longer than it may.
    PluginTimeout,
    /// 503: the plugin's backend has failed so often that it is left alone for a while.
    PluginUnavailable,
    /// 500: a fault of ours.
    Internal,
    /// 503: busy, or a part that is needed is away; worth trying again.
    Unavailable,
}

impl ErrorCode {
    /// Every code, for documentation.
    pub const ALL: [Self; 36] = [
        Self::InvalidRequest,
        Self::AuthenticationRequired,
        Self::InvalidCredential,
        Self::InsufficientRole,
        Self::TenantMismatch,
        Self::OriginNotAllowed,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::RequestTimeout,
        Self::AlreadyExists,
        Self::Conflict,
        Self::Gone,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::RangeNotSatisfiable,
        Self::ValidationFailed,
        Self::Unsupported,
        Self::BuildFailed,
        Self::Incompatible,
        Self::AccessDenied,
        Self::ConnectionRequired,
        Self::ReauthorizationRequired,
        Self::InsufficientScope,
        Self::UpstreamRejected,
        Self::RateLimited,
        Self::UpstreamRateLimited,
        Self::UpstreamUnavailable,
        Self::UpstreamTimeout,
        Self::ConsentRequired,
        Self::PluginDisabled,
        Self::PluginFailed,
        Self::PluginTimeout,
        Self::PluginUnavailable,
        Self::Internal,
        Self::Unavailable,
    ];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::AuthenticationRequired => "authentication_required",
            Self::InvalidCredential => "invalid_credential",
            Self::InsufficientRole => "insufficient_role",
            Self::TenantMismatch => "tenant_mismatch",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::NotAcceptable => "not_acceptable",
            Self::RequestTimeout => "request_timeout",
            Self::AlreadyExists => "already_exists",
            Self::Conflict => "conflict",
            Self::Gone => "gone",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::RangeNotSatisfiable => "range_not_satisfiable",
            Self::ValidationFailed => "validation_failed",
            Self::Unsupported => "unsupported",
            Self::BuildFailed => "build_failed",
            Self::Incompatible => "incompatible",
            Self::AccessDenied => "access_denied",
            Self::ConnectionRequired => "connection_required",
            Self::ReauthorizationRequired => "reauthorization_required",
            Self::InsufficientScope => "insufficient_scope",
            Self::UpstreamRejected => "upstream_rejected",
            Self::RateLimited => "rate_limited",
            Self::UpstreamRateLimited => "upstream_rate_limited",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::ConsentRequired => "consent_required",
            Self::PluginDisabled => "plugin_disabled",
            Self::PluginFailed => "plugin_failed",
            Self::PluginTimeout => "plugin_timeout",
            Self::PluginUnavailable => "plugin_unavailable",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong with a request's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where, as a JSON Pointer (RFC 6901) into the body; empty for the body as a whole.
    pub pointer: String,
    /// What would be right.
    pub detail: String,
    /// Where in a source file, if that is what is wrong.
    pub place: Option<Box<Place>>,
}

/// A place in a source file, as compilers tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file's path in the plugin.
    pub file: String,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column, from 1, in UTF-16 code units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The lines around it, with a mark under it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<String>,
}

impl Violation {
    /// A violation at `pointer`.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into(), place: None }
    }

    /// The same with its place in a source file.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(Box::new(place));
        self
    }
}

/// What is told of some problems beside what is told of all (RFC 9457, section 3.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Whether the same request may be made again, and may then succeed.
    pub retryable: Option<bool>,
    /// The HTTP status that a provider answered with.
    pub upstream_status: Option<u16>,
    /// The scopes of a provider that the connection lacks; one of them may suffice.
    pub missing_scopes: Vec<String>,
    /// The path on this server where the account is connected again.
    pub reconnect: Option<String>,
    /// The place from which a log can still be read.
    pub oldest: Option<String>,
}

/// An error that knows how to be told to a caller.
pub trait Coded: std::error::Error {
    /// Which of the known kinds it is.
    fn code(&self) -> ErrorCode;

    /// For how long trying again is of no use, as far as that is known at `now`.
    fn retry_after(&self, _now: Timestamp) -> Option<Duration> {
        None
    }

    /// Whether the text is for callers though the fault is on this side, because it names nothing but a setting.
    fn may_be_told(&self) -> bool {
        false
    }

    /// What is wrong with the body, piece by piece; empty where the error's text says it all.
    fn violations(&self) -> Vec<Violation> {
        Vec::new()
    }

    /// What else is known of it that a caller can act on.
    fn extensions(&self) -> Extensions {
        Extensions::default()
    }
}
