//! Vendors' APIs as they are, for what no operation covers: the token is put in here, and nothing is sent but what the
//! operator's rules allow, to the vendor's own hosts.

mod headers;
mod pattern;
pub(crate) mod provider;
mod query;
mod rules;

use std::sync::Arc;

use bytes::Bytes;
use connections::catalog::{Flow, Provider};
use connections::connection::Connection;
use futures::Stream;
use http::header::{HeaderMap, IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use http::{Method, StatusCode};
use model::Role;

use crate::activity::Use;
use crate::connector::{Connector, Description, Raw};
use crate::dispatch::checked_site;
use crate::http::{Api, Download, RawPath, Upstream, code_of};
use crate::{Acting, Asker, Connectors, Context, Error};
use rules::Rule;

pub use rules::Rules;

/// What a caller sends, but for its body.
#[derive(Clone)]
pub struct Head {
    /// The connector or provider whose API is meant.
    pub name: String,
    /// The host of the provider that is meant, where that is said.
    pub host: Option<String>,
    /// The connection's credential that is to be used, where that is said.
    pub credential: Option<String>,
    /// The method.
    pub method: Method,
    /// The path below the root.
    pub path: RawPath,
    /// The query, as it was given.
    pub query: String,
    /// All its headers.
    pub headers: HeaderMap,
}

/// That the operator's rules allow a call to a role. Made by [`Connectors::passage`] alone.
#[derive(Debug)]
pub struct Passage<'a> {
    target: Target<'a>,
    role: Role,
    head: Head,
}

/// What is called.
enum Target<'a> {
    /// A connector's API.
    Connector(&'static Description, &'a dyn Raw),
    /// A host of a provider's.
    Provider(Arc<Provider>),
}

/// What the vendor has answered, good or not.
#[derive(Debug)]
pub struct Passed {
    /// Its status.
    pub status: StatusCode,
    /// Those of its headers that are for callers. `Location` is the whole address at the vendor.
    pub headers: HeaderMap,
    rest: Download,
}

impl Passed {
    /// Its body, each piece asked for when the one before is taken. What fails is the last that it gives.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static {
        self.rest.into_stream()
    }
}

impl std::fmt::Debug for Head {
    /// Without what may be secret: its headers have the caller's own credential.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, method, .. } = self;
        f.debug_struct("Head").field("name", name).field("method", method).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Target").field(&self.name()).finish()
    }
}

impl Target<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Connector(description, _) => description.id,
            Self::Provider(provider) => provider.id.as_str(),
        }
    }

    /// Whether `rule` is about this, whatever its host.
    fn is_meant_by(&self, rule: &Rule) -> bool {
        match self {
            Self::Connector(description, _) => description.is_called(&rule.provider),
            Self::Provider(provider) => provider.id.as_str() == rule.provider,
        }
    }
}

impl Passage<'_> {
    /// The provider whose connections are used.
    pub fn provider(&self) -> &str {
        match &self.target {
            Target::Connector(description, _) => description.provider,
            Target::Provider(provider) => provider.id.as_str(),
        }
    }
}

impl Connectors {
    /// Finds what is called, and whether `role` may send this there.
    ///
    /// # Errors
    /// [`Error::ProxyOff`], [`Error::NoProxyRule`] and [`Error::ProxyRole`]; [`Error::NothingCalled`] and
    /// [`Error::NoRawApi`] where there is no such API; [`Error::OtherMethod`].
    pub fn passage(&self, role: Role, mut head: Head, hidden: &str) -> Result<Passage<'_>, Error> {
        if self.proxy_rules().is_empty() {
            return Err(Error::ProxyOff);
        }
        let target = self.target(&head.name, head.host.is_some())?;
        // Which host it is in the end is known with the connection.
        let is_about = |rule: &Rule| target.is_meant_by(rule) && (head.host.is_some() || rule.host.is_none());
        self.proxy_rules().check(role, target.name(), (&head.method, &head.path), is_about)?;
        if let Target::Provider(provider) = &target {
            provider::check(provider)?;
        }
        head.query = query::passed(&head.query, hidden)?;
        Ok(Passage { target, role, head })
    }

    /// A connector where it has an API of that kind; else the provider. Who names a host means the provider.
    fn target(&self, name: &str, has_host: bool) -> Result<Target<'_>, Error> {
        let connector = self.get(name).ok();
        let raw =
            connector.and_then(|each| Some(Target::Connector(each.description(), each.surfaces().raw?)));
        if let Some(target) = raw.filter(|_| !has_host) {
            return Ok(target);
        }
        match (self.connections().provider(name), connector.map(Connector::description)) {
            (Ok(provider), _) => Ok(Target::Provider(provider)),
            (Err(_), Some(_)) if has_host => Err(Error::NoSuchHost { hosts: Vec::new() }),
            (Err(_), Some(description)) => Err(Error::NoRawApi {
                name: description.id.to_owned(),
                advice: "its vendor has no HTTP API that takes the connection's token".to_owned(),
            }),
            (Err(_), None) => Err(Error::NothingCalled(name.chars().take(64).collect())),
        }
    }

    /// Sends the call on, and gives whatever the vendor answers.
    ///
    /// # Errors
    /// Where there is no connection, or no answer of the vendor's: see [`Error`].
    pub async fn pass(&self, asker: &Asker, passage: Passage<'_>, body: Bytes) -> Result<Passed, Error> {
        query::check_form(&passage.head.headers, &body)?;
        if let Target::Connector(description, _) = &passage.target {
            self.configured(description.id)?;
        }
        let connection = self.meant(asker, passage.provider()).await?;
        let acting = self.acting(asker, &connection, passage.head.credential.as_deref())?;
        let operation = format!("proxy.{}", passage.target.name());
        let under_way = Use::begin(self.connections().activity(), asker, &connection, &operation);
        let under_way = under_way.repeatable(passage.head.method.is_idempotent());
        let context = self.context(asker, connection, acting, false);
        let method = passage.head.method.to_string();
        let work = async {
            checked_site(&context)?;
            self.sent(&passage, &context, body).await
        };
        under_way.finish_passing(&method, work, |passed: &Passed| code_of(passed.status)).await
    }

    fn acting(&self, asker: &Asker, connection: &Connection, named: Option<&str>) -> Result<Acting, Error> {
        let lead = self.lead(asker, connection);
        let Some(named) = named else { return Ok(lead) };
        let all = || connection.credentials.iter().map(|credential| &credential.name);
        if all().any(|name| name == named) {
            Ok(Acting { name: named.to_owned(), ..lead })
        } else {
            Err(Error::NoSuchCredential(all().cloned().collect()))
        }
    }

    async fn sent(&self, passage: &Passage<'_>, context: &Context, body: Bytes) -> Result<Passed, Error> {
        match &passage.target {
            Target::Connector(_, raw) => {
                send(&raw.api(context)?, &passage.head, body, self.is_renewable(context)).await
            }
            Target::Provider(provider) => {
                let host = provider::host(provider, context, passage.head.host.as_deref())?;
                let (head, name) = (&passage.head, passage.target.name());
                let is_default = host.is_first && !self.is_connectors(name);
                let is_about = |rule: &Rule| {
                    let is_host = rule.host.as_ref().map_or(is_default, |named| *named == host.written);
                    passage.target.is_meant_by(rule) && is_host
                };
                self.proxy_rules().check(passage.role, name, (&head.method, &head.path), is_about)?;
                let vendor = self.vendor_of(provider);
                let upstream = Upstream::at(self.http(), vendor, host.root)
                    .ok_or_else(|| provider::no_api(provider, "the entry's api_hosts are no hosts"))?;
                let upstream = if host.is_users_choice { upstream.guarded() } else { upstream };
                send(&upstream.api(context), head, body, self.is_renewable(context)).await
            }
        }
    }

    /// Whether there may be another token after the one that there is, without the user.
    fn is_renewable(&self, context: &Context) -> bool {
        let connection = &context.connection;
        let acting = connection.credentials.iter().find(|each| each.name == context.acting.name);
        let provider = self.connections().provider(connection.provider.as_str());
        acting.is_some_and(|credential| credential.has_refresh_token)
            || provider.is_ok_and(|provider| provider.flow == Flow::ClientCredentials)
    }

    /// Whether the root that is called by this name is a connector's.
    fn is_connectors(&self, name: &str) -> bool {
        self.get(name).is_ok_and(|connector| connector.surfaces().raw.is_some())
    }

    /// What is wrong with the rules' names of connectors, providers and hosts, a sentence each.
    pub fn wrong_proxy_rules(&self) -> Vec<String> {
        let wrong = self.proxy_rules().iter().enumerate().filter_map(|(index, rule)| {
            let wrong = self.wrong_name(rule)?;
            Some(format!("PROXY_RULES: rule {}: {wrong}", index + 1))
        });
        wrong.collect()
    }

    fn wrong_name(&self, rule: &Rule) -> Option<String> {
        let target = match self.target(&rule.provider, rule.host.is_some()) {
            Ok(target) => target,
            Err(Error::NoSuchHost { .. }) => {
                return Some(format!(
                    "host must be left out: {} is a connector, with one root",
                    rule.provider
                ));
            }
            Err(error) => return Some(error.to_string()),
        };
        let Target::Provider(provider) = target else { return None };
        let hosts: Vec<String> = provider.api_hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        match &rule.host {
            Some(host) if !hosts.contains(host) => {
                Some(format!("host must be one of {}, as {} has them", hosts.join(", "), provider.id))
            }
            _ => provider::check(&provider).err().map(|error| error.to_string()),
        }
    }
}

async fn send(api: &Api<'_>, head: &Head, body: Bytes, is_renewable: bool) -> Result<Passed, Error> {
    let headers = headers::to_vendor(&head.headers);
    let changes = !head.method.is_safe();
    // What is changed only if it is still as it was is not so a second time.
    let is_conditional =
        [IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE].iter().any(|name| headers.contains_key(name));
    let request = api.raw(head.method.clone(), &head.path, Some(&head.query)).passed(headers, body);
    let request = if changes && is_conditional { request.once() } else { request };
    // What is learned of such calls, of their limits and failures, stops no operation of the connection's.
    let request = request.budget("raw");
    // There are paths that take no such token: whoever may call one must not end the connection for all.
    let request = if is_renewable { request } else { request.sparing_token() };
    let url = request.url().clone();
    let answer = request.pass_on().await?;
    let headers = headers::to_caller(answer.status, &answer.headers, &url);
    Ok(Passed { status: answer.status, headers, rest: answer })
}
