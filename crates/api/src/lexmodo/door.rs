//! How the page leads the whole window to the link that begins the flow.

use url::Url;

/// The way out of the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Door {
    /// A form to this path of the page's own host goes on at once.
    Form(String),
    /// A link to another host of this server's, which asks once more: no browser vouches for a page of another host.
    Link(String),
}

impl Door {
    /// The way to `link` from a page of `host`, for a browser that comes back to `redirect_uri`.
    ///
    /// It must begin on the host that it comes back to, which alone gets the cookie. Usually that is the page's: whatever name
    /// the browser knows this server by, the path is the same. Where they differ (`localhost` and `127.0.0.1`, say), the
    /// flow begins where `/callback` is, if that is where the browser comes back to.
    pub(super) fn of(link: &Url, host: Option<&str>, redirect_uri: &Url) -> Self {
        let path = format!("{}?{}", link.path(), link.query().unwrap_or_default());
        let is_other = host.is_some() && redirect_uri.host_str() != host;
        match redirect_uri.path().strip_suffix("/callback").filter(|_| is_other) {
            Some(prefix) => {
                let below = link.path().find("/api/v1/").and_then(|start| path.get(start..)).unwrap_or(&path);
                Self::Link(format!("{}{prefix}{below}", redirect_uri.origin().ascii_serialization()))
            }
            None => Self::Form(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(link: &str, host: &str, redirect_uri: &str) -> Door {
        Door::of(&link.parse().unwrap(), Some(host), &redirect_uri.parse().unwrap())
    }

    #[test]
    fn the_flow_begins_on_the_host_that_it_comes_back_to() {
        let link = "http://127.0.0.1:9999/api/v1/unified/auth/lexmodo/begin?link=x";
        let form = Door::Form("/api/v1/unified/auth/lexmodo/begin?link=x".to_owned());
        assert_eq!(door(link, "localhost", "http://localhost:9999/callback"), form);
        assert_eq!(
            door(link, "127.0.0.1", "http://127.0.0.1/callback"),
            form,
            "cookies do not tell ports apart"
        );
        assert_eq!(
            door("http://[::1]:9/api/v1/x?link=y", "[::1]", "http://[::1]:9/callback"),
            Door::Form("/api/v1/x?link=y".to_owned())
        );
        // Nothing is known of what else is at an address of a proxy's.
        assert_eq!(door(link, "127.0.0.1", "https://plugin.example/lexmodo/back"), form);
        assert_eq!(
            door(link, "127.0.0.1", "http://localhost:9999/callback"),
            Door::Link("http://localhost:9999/api/v1/unified/auth/lexmodo/begin?link=x".to_owned())
        );
        assert_eq!(
            door(
                "https://a.example/jackfield/api/v1/unified/auth/lexmodo/begin?link=x",
                "a.example",
                "https://b.example/plugin/callback"
            ),
            Door::Link("https://b.example/plugin/api/v1/unified/auth/lexmodo/begin?link=x".to_owned())
        );
    }
}
