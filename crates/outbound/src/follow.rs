//! Redirects, each judged anew.

use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE,
    COOKIE, HOST, HeaderMap, HeaderName, LOCATION, PROXY_AUTHORIZATION, TRANSFER_ENCODING,
};
use http::{Method, StatusCode};
use reqwest::{Request, RequestBuilder, Response};
use tokio::time::timeout;
use url::Url;

use crate::client::host;
use crate::{Client, Error};

/// What goes to no other origin, besides what is marked as sensitive.
const CREDENTIALS: [HeaderName; 4] =
    [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, HeaderName::from_static("x-api-key")];

/// What tells of a body.
const ABOUT_BODY: [HeaderName; 6] =
    [CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, TRANSFER_ENCODING];

impl Client {
    /// Sends a request and follows up to `max` redirects (RFC 9110, section 15.4), all of it to the head of the last answer
    /// within the client's deadline. Each URL is judged anew; none leads from https to http. To another origin go no
    /// credentials, and no header whose value is marked as sensitive. 301 and 302 turn POST into GET, 303 whatever is not HEAD.
    ///
    /// # Errors
    /// Those of [`send`](Self::send), and what [`Error`] has of redirects.
    pub async fn send_following(&self, request: RequestBuilder, max: usize) -> Result<Response, Error> {
        self.send_following_to(request, max, |_| true).await
    }

    /// The same where only such URLs are followed as `may_follow` says.
    ///
    /// # Errors
    /// Those of [`send_following`](Self::send_following); [`Error::RedirectRefused`].
    pub async fn send_following_to(
        &self,
        request: RequestBuilder,
        max: usize,
        may_follow: impl Fn(&Url) -> bool,
    ) -> Result<Response, Error> {
        let request = request.build().map_err(|_| Error::Request)?;
        let first = host(request.url());
        let following = self.following(request, max, may_follow);
        match self.deadline {
            Some(deadline) => timeout(deadline, following).await.unwrap_or(Err(Error::TimedOut(first))),
            None => following.await,
        }
    }

    async fn following(
        &self,
        mut request: Request,
        max: usize,
        may_follow: impl Fn(&Url) -> bool,
    ) -> Result<Response, Error> {
        let first = host(request.url());
        for _ in 0..=max {
            let (url, again) = (request.url().clone(), Again::of(&request));
            let response = self.execute(request).await?;
            let status = response.status();
            if !is_followed(status) {
                return Ok(response);
            }
            let next = next(&url, response.headers())?;
            self.guard().check(&next)?;
            if !may_follow(&next) {
                return Err(Error::RedirectRefused { from: host(&url), to: host(&next) });
            }
            request = again.request(status, &url, next)?;
        }
        Err(Error::TooManyRedirects { host: first, max })
    }
}

/// A request, to be sent once more.
struct Again {
    method: Method,
    headers: HeaderMap,
    /// The whole of it; `None` where its body is a stream.
    whole: Option<Request>,
}

impl Again {
    fn of(request: &Request) -> Self {
        Self {
            method: request.method().clone(),
            headers: request.headers().clone(),
            whole: request.try_clone(),
        }
    }

    fn request(self, status: StatusCode, from: &Url, to: Url) -> Result<Request, Error> {
        let method = method_after(status, &self.method);
        let mut request = if method == self.method {
            let mut whole = self.whole.ok_or_else(|| Error::NotRepeatable(host(from)))?;
            *whole.url_mut() = to;
            whole
        } else {
            let mut bare = Request::new(method, to);
            *bare.headers_mut() = self.headers;
            for name in &ABOUT_BODY {
                bare.headers_mut().remove(name);
            }
            bare
        };
        // It named the host before.
        request.headers_mut().remove(HOST);
        if from.origin() != request.url().origin() {
            drop_secrets(request.headers_mut());
        }
        Ok(request)
    }
}

/// 300 and 304 are answers.
fn is_followed(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    )
}

fn method_after(status: StatusCode, method: &Method) -> Method {
    match status {
        StatusCode::SEE_OTHER if *method != Method::HEAD => Method::GET,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND if *method == Method::POST => Method::GET,
        _ => method.clone(),
    }
}

/// Where an answer sends on to.
fn next(from: &Url, headers: &HeaderMap) -> Result<Url, Error> {
    let bad = || Error::BadRedirect(host(from));
    let location = headers.get(LOCATION).and_then(|location| std::str::from_utf8(location.as_bytes()).ok());
    let mut next = from.join(location.ok_or_else(bad)?).map_err(|_| bad())?;
    next.set_fragment(None);
    if from.scheme() == "https" && next.scheme() == "http" {
        return Err(Error::Downgrade(host(from)));
    }
    Ok(next)
}

fn drop_secrets(headers: &mut HeaderMap) {
    let secret = headers.iter().filter(|(name, value)| value.is_sensitive() || CREDENTIALS.contains(name));
    let secret: Vec<HeaderName> = secret.map(|(name, _)| name.clone()).collect();
    for name in secret {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn redirects_change_methods_as_browsers_do() {
        for (status, method, expected) in [
            (301, Method::POST, Method::GET),
            (302, Method::POST, Method::GET),
            (302, Method::PUT, Method::PUT),
            (303, Method::PUT, Method::GET),
            (303, Method::HEAD, Method::HEAD),
            (307, Method::POST, Method::POST),
            (308, Method::DELETE, Method::DELETE),
        ] {
            assert_eq!(
                method_after(StatusCode::from_u16(status).unwrap(), &method),
                expected,
                "{status} {method}"
            );
        }
    }

    #[test]
    fn a_location_is_read_from_where_it_was_given() {
        let from = Url::parse("https://api.example/a/b?x").unwrap();
        let next = |location: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, HeaderValue::from_str(location).unwrap());
            next(&from, &headers).map(String::from)
        };
        assert_eq!(next("c#d").as_deref(), Ok("https://api.example/a/c"));
        assert_eq!(next("//other.example/"), Ok("https://other.example/".to_owned()));
        assert_eq!(next("http://api.example/"), Err(Error::Downgrade("api.example".to_owned())));
        assert_eq!(next("https://"), Err(Error::BadRedirect("api.example".to_owned())));
        assert!(super::next(&from, &HeaderMap::new()).is_err());
    }

    #[test]
    fn secrets_stay_with_their_origin() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        headers.insert("x-store", HeaderValue::from_static("1"));
        let mut secret = HeaderValue::from_static("s");
        secret.set_sensitive(true);
        headers.insert("x-shop-token", secret);
        drop_secrets(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-store"]);
    }
}
