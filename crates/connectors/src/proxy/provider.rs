//! The APIs of the catalog's providers: the hosts that an entry names.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use connections::catalog::{Provider, ProviderId, VariablePattern};
use url::{Host, Url};

use crate::http::Vendor;
use crate::{Connectors, Context, Error};

/// What providers' APIs are called with: made once for each provider, of which there are as many as the catalog has when the
/// program starts, and kept for as long as it runs.
#[derive(Debug, Default)]
pub(crate) struct Vendors(Mutex<HashMap<ProviderId, &'static Vendor>>);

/// A host of a provider's, for one connection.
#[derive(Debug)]
pub(super) struct ApiHost {
    /// The root of the API there.
    pub(super) root: Url,
    /// As the entry writes it, in lower case.
    pub(super) written: String,
    /// Whether it is the entry's first.
    pub(super) is_first: bool,
    /// Whether the user has named it: the guard says then whether it is reached.
    pub(super) is_users_choice: bool,
}

impl Connectors {
    /// How `provider` is spoken to: it has no dialect that anybody knows.
    pub(super) fn vendor_of(&self, provider: &Provider) -> &'static Vendor {
        let mut vendors = self.vendors().0.lock().unwrap_or_else(PoisonError::into_inner);
        vendors.entry(provider.id.clone()).or_insert_with(|| {
            let headers = provider.headers.iter();
            let headers = headers.map(|(name, value)| (kept(&name.to_ascii_lowercase()), kept(value)));
            Box::leak(Box::new(Vendor {
                id: kept(provider.id.as_str()),
                name: kept(&provider.name),
                base_url: "",
                headers: Box::leak(headers.collect()),
                refuses_with_200: false,
                trouble: |_| None,
            }))
        })
    }
}

fn kept(text: &str) -> &'static str {
    Box::leak(text.into())
}

/// Refuses a provider whose entry does not say where its API is.
pub(super) fn check(provider: &Provider) -> Result<(), Error> {
    if provider.api_hosts.is_empty() {
        let entry = format!("[providers.{}]", provider.id);
        let advice =
            format!("its entry must name the hosts of its API, as {entry} api_hosts = [\"api.example.com\"]");
        return Err(no_api(provider, &advice));
    }
    Ok(())
}

/// That the API of `provider` cannot be called.
pub(super) fn no_api(provider: &Provider, advice: &str) -> Error {
    Error::NoRawApi { name: provider.id.to_string(), advice: advice.to_owned() }
}

/// The host that is meant: the first, or the one that is `named`, which must be one of the provider's for this connection.
pub(super) fn host(provider: &Provider, context: &Context, named: Option<&str>) -> Result<ApiHost, Error> {
    let hosts = provider.hosts(&context.connection.variables).map_err(connections::Error::from)?;
    let index = match named {
        None => Some(0),
        Some(named) => hosts.iter().position(|host| host.eq_ignore_ascii_case(named)),
    };
    let found = index.and_then(|index| Some((index, hosts.get(index)?, provider.api_hosts.get(index)?)));
    let Some((index, host, written)) = found else { return Err(Error::NoSuchHost { hosts }) };
    let root = root(host).ok_or_else(|| no_api(provider, "the entry's api_hosts are no hosts"))?;
    Ok(ApiHost {
        root,
        written: written.to_ascii_lowercase(),
        is_first: index == 0,
        is_users_choice: is_users_choice(provider, written),
    })
}

/// Whether a variable of the connection is the whole of the host: a label of one is below what the operator wrote.
fn is_users_choice(provider: &Provider, written: &str) -> bool {
    let mut names =
        provider.variables.iter().filter(|(_, variable)| variable.pattern == VariablePattern::HostName);
    names.any(|(name, _)| written.contains(&format!("{{{name}}}")))
}

/// The root at `host`. Without encryption on this machine alone, as everywhere.
fn root(host: &str) -> Option<Url> {
    let url = Url::parse(&format!("https://{host}/")).ok()?;
    let is_here = match url.host()? {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    if is_here { Url::parse(&format!("http://{host}/")).ok() } else { Some(url) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_this_machine_is_encrypted() {
        for (host, expected) in [
            ("api.example.com", "https://api.example.com/"),
            ("api.example.com:8443", "https://api.example.com:8443/"),
            ("10.0.0.1", "https://10.0.0.1/"),
            ("localhost.example.com", "https://localhost.example.com/"),
            ("127.0.0.1:4000", "http://127.0.0.1:4000/"),
            ("sandbox.localhost", "http://sandbox.localhost/"),
            ("[::1]:81", "http://[::1]:81/"),
        ] {
            assert_eq!(root(host).unwrap().as_str(), expected);
        }
    }
}
