//! A browser without JavaScript: cookies, redirects, forms.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use reqwest::header::{COOKIE, HeaderMap, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, RequestBuilder, Url};

use crate::html::{self, Form};

/// How long one answer may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// How many redirects are followed.
const MAX_REDIRECTS: usize = 20;

/// A person's browser, with its cookies. Like real ones it keeps cookies by host, whatever the port.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    cookies: Mutex<Vec<Cookie>>,
    names_sites: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Cookie {
    host: String,
    path: String,
    name: String,
    value: String,
}

/// What a request was answered.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its address.
    pub url: Url,
    /// The status.
    pub status: u16,
    /// Where it redirects to.
    pub location: Option<Url>,
    /// The headers.
    pub headers: HeaderMap,
    /// The text.
    pub body: String,
}

impl Page {
    /// The forms on it.
    pub fn forms(&self) -> Vec<Form> {
        html::forms(&self.url, &self.body)
    }

    /// The first form whose text contains `text`.
    ///
    /// # Errors
    /// If there is none.
    pub fn form(&self, text: &str) -> anyhow::Result<Form> {
        let found = self.forms().into_iter().find(|form| form.text.contains(text));
        found.with_context(|| {
            format!("no form with {text:?} at {} ({}):\n{}", self.url, self.status, self.body)
        })
    }
}

impl Browser {
    /// A browser without cookies, as old ones are: it does not say which site a form comes from but by `Origin`.
    ///
    /// # Errors
    /// If no client can be made.
    pub fn new() -> anyhow::Result<Self> {
        let client =
            Client::builder().timeout(DEADLINE).redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { client, cookies: Mutex::new(Vec::new()), names_sites: false })
    }

    /// A browser without cookies, as they are since 2023: with a form it sends `Sec-Fetch-Site: same-origin`, as forms here
    /// go to the origin of their page.
    ///
    /// # Errors
    /// If no client can be made.
    pub fn naming_sites() -> anyhow::Result<Self> {
        Ok(Self { names_sites: true, ..Self::new()? })
    }

    /// Asks for `url`; follows no redirect.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn get(&self, url: &str) -> anyhow::Result<Page> {
        let url = Url::parse(url)?;
        self.send(self.client.get(url.clone()), url).await
    }

    /// Sends a form of a page; follows no redirect.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn submit(&self, form: &Form) -> anyhow::Result<Page> {
        let mut url = form.action.clone();
        if !form.is_post {
            url.query_pairs_mut().clear().extend_pairs(&form.fields);
            return self.send(self.client.get(url.clone()), url).await;
        }
        let origin = url.origin().ascii_serialization();
        let request = self.client.post(url.clone()).header(ORIGIN, origin).form(&form.fields);
        let request =
            if self.names_sites { request.header("sec-fetch-site", "same-origin") } else { request };
        self.send(request, url).await
    }

    /// Follows redirects from `page`, until there is none, or one whose address begins with `stop`: then the page is the
    /// one that redirects.
    ///
    /// # Errors
    /// If there is no answer, or no end.
    pub async fn follow(&self, page: Page, stop: &str) -> anyhow::Result<Page> {
        let mut page = page;
        for _ in 0..MAX_REDIRECTS {
            match &page.location {
                Some(location) if !location.as_str().starts_with(stop) => {
                    page = self.get(location.as_str()).await?;
                }
                _ => return Ok(page),
            }
        }
        anyhow::bail!("redirects without end, at {}", page.url)
    }

    async fn send(&self, request: RequestBuilder, url: Url) -> anyhow::Result<Page> {
        let cookies = self.cookies_for(&url);
        let request = if cookies.is_empty() { request } else { request.header(COOKIE, cookies) };
        let answer = request.send().await?;
        let headers = answer.headers().clone();
        for set in headers.get_all(SET_COOKIE) {
            self.set_cookie(&url, set.to_str()?);
        }
        let location = match headers.get(LOCATION) {
            Some(location) => Some(url.join(location.to_str()?)?),
            None => None,
        };
        Ok(Page { status: answer.status().as_u16(), body: answer.text().await?, url, location, headers })
    }

    fn cookies_for(&self, url: &Url) -> String {
        let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fitting: Vec<_> = cookies.iter().filter(|cookie| cookie.fits(url)).collect();
        // RFC 6265, section 5.4: longer paths first.
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        fitting
            .iter()
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect::<Vec<_>>()
            .join("; ")
    }

    fn set_cookie(&self, url: &Url, header: &str) {
        let mut parts = header.split(';').map(str::trim);
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).unwrap_or_default();
        let default = url.path().rsplit_once('/').map_or("/", |(folder, _)| folder);
        let mut path = if default.is_empty() { "/" } else { default };
        let mut is_gone = false;
        for part in parts {
            let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
            match attribute.to_ascii_lowercase().as_str() {
                "path" if value.starts_with('/') => path = value,
                "max-age" => is_gone = value.parse::<i64>().is_ok_and(|seconds| seconds <= 0),
                // What servers write to take a cookie back.
                "expires" if value.contains("1970") => is_gone = true,
                _ => {}
            }
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let cookie = Cookie { host, path: path.to_owned(), name: name.to_owned(), value: value.to_owned() };
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        cookies.retain(|known| {
            (&known.host, &known.path, &known.name) != (&cookie.host, &cookie.path, &cookie.name)
        });
        if !is_gone {
            cookies.push(cookie);
        }
    }
}

impl Cookie {
    /// RFC 6265, section 5.1.4.
    fn fits(&self, url: &Url) -> bool {
        let rest = url.path().strip_prefix(&self.path);
        let is_below =
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/'));
        is_below && url.host_str() == Some(&self.host)
    }
}

/// The redirect URI that an authorization request names.
pub(crate) fn redirect_uri(authorization: &str) -> anyhow::Result<String> {
    let url = Url::parse(authorization)?;
    let found = url.query_pairs().find(|(name, _)| name == "redirect_uri");
    Ok(found.context("the authorization request names no redirect_uri")?.1.into_owned())
}

/// The address that a page redirects to, which must be the client's.
pub(crate) fn answer(page: Page, redirect_uri: &str) -> anyhow::Result<Url> {
    let Page { location, url, status, body, .. } = page;
    let location = location.with_context(|| format!("no redirect at {url} ({status}):\n{body}"))?;
    ensure!(location.as_str().starts_with(redirect_uri), "redirected to {location}, not to {redirect_uri}");
    Ok(location)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_go_where_they_belong() {
        let browser = Browser::new().unwrap();
        let at = |path: &str| Url::parse(&format!("http://127.0.0.1:4000{path}")).unwrap();
        browser.set_cookie(&at("/auth/start"), "a=1; HttpOnly; SameSite=Lax");
        browser.set_cookie(&at("/auth/start"), "b=2; Path=/; Max-Age=60");
        browser.set_cookie(&at("/"), "c=3=3; path=/auth/x");
        assert_eq!(browser.cookies_for(&at("/auth/x/y")), "c=3=3; a=1; b=2");
        assert_eq!(browser.cookies_for(&at("/authors")), "b=2");
        assert_eq!(browser.cookies_for(&Url::parse("http://localhost/").unwrap()), "");
        browser.set_cookie(&at("/other"), "b=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT");
        browser.set_cookie(&at("/auth/z"), "a=9");
        assert_eq!(browser.cookies_for(&at("/auth")), "a=9");
    }
}
