//! Rate limits per address and per tenant, told to callers in `RateLimit` and `Retry-After` headers.

use std::collections::HashMap;
use std::future::Future;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, header};
use model::{ErrorCode, PluginId, TenantId};

use crate::address::party;
use crate::problem::Problem;
use crate::{App, webhooks};

/// The period over which requests are counted.
const WINDOW: Duration = Duration::from_mins(1);

/// Parties are counted in so many slots at most, so that memory stays bounded (about 30 MB) whoever calls. Two
/// parties rarely share a slot, and nobody can aim at another's, because the hash is keyed at random.
const SLOTS: u64 = 1 << 18;

static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

type Limiter = RateLimiter<u64, DashMapStateStore<u64>, DefaultClock, StateInformationMiddleware>;

/// How many requests a party may make in a minute; `None` for no limit.
#[derive(Debug)]
pub struct RateLimits {
    address: Option<Limit>,
    tenant: Option<Limit>,
    webhooks: Option<Limit>,
    /// Of webhooks that were refused.
    failures: Option<Failures>,
}

impl RateLimits {
    /// Limits of so many requests a minute from one address (an IPv6 /64 counts as one) and for one tenant.
    pub fn new(per_address: Option<NonZeroU32>, per_tenant: Option<NonZeroU32>) -> Self {
        Self {
            address: per_address.map(|quota| Limit::new("address", quota)),
            tenant: per_tenant.map(|quota| Limit::new("tenant", quota)),
            webhooks: None,
            failures: per_address.map(Failures::new),
        }
    }

    /// The same with a limit of so many webhooks a minute for one installation.
    #[must_use]
    pub fn with_webhooks(self, per_installation: Option<NonZeroU32>) -> Self {
        Self { webhooks: per_installation.map(|quota| Limit::new("installation", quota)), ..self }
    }

    /// Counts a webhook that is its sender's for `plugin` in `tenant`.
    pub(crate) fn count_webhook(&self, tenant: &TenantId, plugin: &PluginId) -> Result<(), Problem> {
        self.webhooks.as_ref().map_or(Ok(()), |limit| limit.check((tenant, plugin)).map(drop))
    }

    /// Refuses who has sent too many webhooks from `address` that were refused.
    pub(crate) fn check_failures(&self, address: IpAddr) -> Result<(), Problem> {
        self.failures.as_ref().map_or(Ok(()), |failures| failures.check(party(address)))
    }

    /// Counts a webhook from `address` that was refused: so many a minute as an address may make requests.
    pub(crate) fn count_failure(&self, address: IpAddr) {
        if let Some(failures) = &self.failures {
            failures.count(party(address));
        }
    }

    /// Counts a request made for `tenant`.
    pub(crate) fn count_tenant(&self, tenant: &TenantId) -> Result<(), Problem> {
        self.tenant.as_ref().map_or(Ok(()), |limit| limit.check(tenant.as_str()).map(drop))
    }

    fn count_address(&self, address: IpAddr) -> Result<Option<HeaderMap>, Problem> {
        let limit = self.address.as_ref();
        limit.map(|limit| Ok(limit.headers(&limit.check(party(address))?))).transpose()
    }

    /// Forgets the parties that have been quiet long enough to have their whole quota again. To be called every
    /// minute or so.
    pub fn sweep(&self) {
        let failures = self.failures.as_ref().map(|failures| &failures.limit);
        let limits = [&self.address, &self.tenant, &self.webhooks].into_iter().flatten();
        for limit in limits.chain(failures) {
            limit.limiter.retain_recent();
            limit.limiter.shrink_to_fit();
        }
        if let Some(failures) = &self.failures {
            failures.sweep();
        }
    }
}

#[derive(Debug)]
struct Limit {
    policy: &'static str,
    quota: NonZeroU32,
    limiter: Limiter,
    clock: DefaultClock,
    hasher: RandomState,
}

impl Limit {
    fn new(policy: &'static str, quota: NonZeroU32) -> Self {
        Self {
            policy,
            quota,
            limiter: RateLimiter::dashmap(Quota::per_minute(quota)).with_middleware(),
            clock: DefaultClock::default(),
            hasher: RandomState::new(),
        }
    }

    fn slot(&self, party: impl Hash) -> u64 {
        self.hasher.hash_one(party) % SLOTS
    }

    /// Counts one request; gives what remains.
    fn check(&self, party: impl Hash) -> Result<StateSnapshot, Problem> {
        let slot = self.slot(party);
        match self.limiter.check_key(&slot) {
            Ok(snapshot) => Ok(snapshot),
            Err(refusal) => {
                let wait = refusal.wait_time_from(self.clock.now());
                Err(self.refusal(wait))
            }
        }
    }

    fn refusal(&self, wait: Duration) -> Problem {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        metrics::counter!("jackfield_rate_limited_total", "policy" => self.policy).increment(1);
        let detail = format!(
            "more than {} requests a minute for one {}; wait for as long as Retry-After says",
            self.quota, self.policy
        );
        Problem::new(ErrorCode::RateLimited, detail)
            .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
            .with_headers(&self.fields(0, seconds))
    }

    fn headers(&self, snapshot: &StateSnapshot) -> HeaderMap {
        let remaining = snapshot.remaining_burst_capacity();
        let used = self.quota.get().saturating_sub(remaining);
        let full_again = (u64::from(used) * WINDOW.as_secs()).div_ceil(u64::from(self.quota.get()));
        self.fields(remaining, full_again)
    }

    /// The fields of draft-ietf-httpapi-ratelimit-headers: quota and window, what remains, seconds until it is whole.
    fn fields(&self, remaining: u32, reset: u64) -> HeaderMap {
        let policy = format!("\"{}\";q={};w={}", self.policy, self.quota, WINDOW.as_secs());
        let limit = format!("\"{}\";r={remaining};t={reset}", self.policy);
        [(&RATE_LIMIT_POLICY, policy), (&RATE_LIMIT, limit)]
            .into_iter()
            .filter_map(|(name, text)| Some((name.clone(), HeaderValue::from_maybe_shared(text).ok()?)))
            .collect()
    }
}

/// A limit that is asked before it is known whether there is anything to count.
#[derive(Debug)]
struct Failures {
    limit: Limit,
    /// Until when each party has used up its quota.
    empty_until: Mutex<HashMap<u64, Instant>>,
}

impl Failures {
    fn new(quota: NonZeroU32) -> Self {
        Self { limit: Limit::new("address", quota), empty_until: Mutex::default() }
    }

    fn check(&self, party: impl Hash) -> Result<(), Problem> {
        let until = self.empty().get(&self.limit.slot(party)).copied();
        let wait = until.map(|until| until.saturating_duration_since(self.limit.clock.now()));
        wait.filter(|wait| !wait.is_zero()).map_or(Ok(()), |wait| Err(self.limit.refusal(wait)))
    }

    fn count(&self, party: impl Hash) {
        let slot = self.limit.slot(party);
        let counted = self.limit.limiter.check_key(&slot);
        let is_used_up = counted.map_or(true, |snapshot| snapshot.remaining_burst_capacity() == 0);
        if is_used_up {
            let until = self.limit.clock.now() + WINDOW / self.limit.quota.get();
            self.empty().insert(slot, until);
        }
    }

    fn sweep(&self) {
        let now = self.limit.clock.now();
        self.empty().retain(|_, until| *until > now);
    }

    fn empty(&self) -> MutexGuard<'_, HashMap<u64, Instant>> {
        self.empty_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a request by the client's address; has `answer` answer it if it is not one too many. Senders of webhooks are few and
/// send many: each installation has a limit of its own, and what is refused of them is counted apart.
pub(crate) async fn by_address<A: Future<Output = Response>>(
    app: &App,
    request: Request,
    answer: impl FnOnce(Request) -> A,
) -> Response {
    if webhooks::is_one(request.uri().path()) {
        return answer(request).await;
    }
    let headers = match count_address(app, request.extensions(), request.headers()) {
        Ok(headers) => headers,
        Err(problem) => return problem.into_response(),
    };
    let mut response = answer(request).await;
    if let Some(headers) = headers {
        for (name, value) in &headers {
            response.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
    }
    response
}

/// Counts a request against its address; gives the headers that tell how many remain.
pub(crate) fn count_address(
    app: &App,
    extensions: &Extensions,
    headers: &HeaderMap,
) -> Result<Option<HeaderMap>, Problem> {
    match app.client_address(extensions, headers) {
        Some(address) => app.rate_limits().count_address(address),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(per_minute: u32) -> RateLimits {
        RateLimits::new(NonZeroU32::new(per_minute), NonZeroU32::new(per_minute))
    }

    #[test]
    fn the_request_over_the_quota_is_told_when_to_come_back() {
        let limits = limits(2);
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let first = limits.count_address(address).unwrap().unwrap();
        assert_eq!(first["ratelimit-policy"], "\"address\";q=2;w=60");
        assert_eq!(first["ratelimit"], "\"address\";r=1;t=30");
        limits.count_address(address).unwrap();
        let refusal = limits.count_address(address).unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::RateLimited);
        let response = refusal.into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "30");
        assert_eq!(response.headers()["ratelimit"], "\"address\";r=0;t=30");
        assert!(limits.count_address("192.0.2.2".parse().unwrap()).is_ok());
    }

    #[test]
    fn tenants_are_counted_apart() {
        let limits = limits(1);
        assert!(limits.count_tenant(&"a".parse().unwrap()).is_ok());
        assert!(limits.count_tenant(&"a".parse().unwrap()).is_err());
        assert!(limits.count_tenant(&"b".parse().unwrap()).is_ok());
    }

    #[test]
    fn webhooks_are_counted_for_each_installation() {
        let limits = limits(5).with_webhooks(NonZeroU32::new(1));
        let count = |tenant: &str, plugin: &str| {
            limits.count_webhook(&tenant.parse().unwrap(), &plugin.parse().unwrap())
        };
        assert!(count("a", "x").is_ok() && count("a", "y").is_ok() && count("b", "x").is_ok());
        assert_eq!(count("a", "x").unwrap_err().code(), ErrorCode::RateLimited);
    }

    #[test]
    fn who_was_refused_too_often_is_refused_before_anything_is_looked_at() {
        let limits = limits(2);
        let [guesser, other]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        for _ in 0..2 {
            limits.check_failures(guesser).unwrap();
            limits.count_failure(guesser);
        }
        let refusal = limits.check_failures(guesser).unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::RateLimited);
        let response = refusal.into_response();
        let wait = &response.headers()[header::RETRY_AFTER];
        assert!((1..=30).contains(&wait.to_str().unwrap().parse::<u64>().unwrap()), "{wait:?}");
        limits.sweep();
        assert!(limits.check_failures(guesser).is_err() && limits.check_failures(other).is_ok());
        // What it asks for besides is counted apart.
        assert!(limits.count_address(guesser).is_ok());
    }

    #[test]
    fn no_limit_means_no_headers() {
        let limits = RateLimits::new(None, None);
        assert_eq!(limits.count_address("192.0.2.1".parse().unwrap()).unwrap(), None);
    }
}
