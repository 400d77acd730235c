//! Who may send what where: the operator's rules. Whatever none of them allows is refused.

use http::Method;
use model::Role;
use serde::Deserialize;

use super::pattern::Pattern;
use crate::Error;
use crate::http::RawPath;

/// The most rules.
const MAX_RULES: usize = 1000;

const METHODS: [Method; 6] =
    [Method::DELETE, Method::GET, Method::HEAD, Method::PATCH, Method::POST, Method::PUT];

/// The rules; without any, nothing is allowed to anybody.
#[derive(Debug, Clone, Default)]
pub struct Rules(Vec<Rule>);

/// What is allowed to whom.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    role: Role,
    /// A connector's name or alias, or a provider's.
    pub(crate) provider: String,
    /// As the provider's entry writes it; the root that calls go to by themselves where `None`.
    pub(crate) host: Option<String>,
    methods: Vec<Method>,
    paths: Vec<Pattern>,
}

/// A rule as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    role: String,
    provider: String,
    host: Option<String>,
    methods: Vec<String>,
    paths: Vec<String>,
}

impl Rules {
    /// The rules in a JSON array of objects with `role`, `provider`, `methods`, `paths`, and perhaps `host`.
    ///
    /// # Errors
    /// All that is wrong, a sentence each, with what would be right.
    pub fn read(text: &str) -> Result<Self, Vec<String>> {
        let written: Vec<serde_json::Value> = serde_json::from_str(text).map_err(|_| {
            vec!["must be a JSON array of rules such as {\"role\": \"admin\", \"provider\": \"slack\", \"methods\": \
                  [\"GET\"], \"paths\": [\"/conversations.*\"]}"
                .to_owned()]
        })?;
        if written.len() > MAX_RULES {
            return Err(vec![format!("must have at most {MAX_RULES} rules")]);
        }
        let (mut rules, mut problems) = (Vec::new(), Vec::new());
        for (index, value) in written.into_iter().enumerate() {
            let named = |problem: String| format!("rule {}: {problem}", index + 1);
            match serde_json::from_value::<Written>(value) {
                Ok(written) => match rule(written) {
                    Ok(rule) => rules.push(rule),
                    Err(found) => problems.extend(found.into_iter().map(named)),
                },
                Err(error) => problems.push(named(error.to_string())),
            }
        }
        if problems.is_empty() { Ok(Self(rules)) } else { Err(problems) }
    }

    /// Whether nothing is allowed to anybody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each rule, as they were written.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }

    /// Whether one of the rules that are about this, as `is_about` says, allows it to `role`.
    ///
    /// # Errors
    /// [`Error::ProxyOff`], [`Error::NoProxyRule`], [`Error::ProxyRole`]. `name` is what these call it.
    pub(crate) fn check(
        &self,
        role: Role,
        name: &str,
        (method, path): (&Method, &RawPath),
        is_about: impl Fn(&Rule) -> bool,
    ) -> Result<(), Error> {
        if self.is_empty() {
            return Err(Error::ProxyOff);
        }
        let fitting = self.0.iter().filter(|rule| rule.covers(method, path) && is_about(rule));
        match fitting.map(|rule| rule.role).min() {
            Some(needed) if role >= needed => Ok(()),
            Some(needed) => Err(Error::ProxyRole { name: name.to_owned(), needed }),
            None => Err(Error::NoProxyRule { name: name.to_owned(), method: method.to_string() }),
        }
    }
}

impl Rule {
    /// `HEAD` tells less than `GET`, and so goes with it (RFC 9110, section 9.3.2).
    fn covers(&self, method: &Method, path: &RawPath) -> bool {
        let has = |method: &Method| self.methods.contains(method);
        let is_allowed = has(method) || (*method == Method::HEAD && has(&Method::GET));
        is_allowed && self.paths.iter().any(|pattern| pattern.fits(path.segments()))
    }
}

fn rule(written: Written) -> Result<Rule, Vec<String>> {
    let Written { role, provider, host, methods, paths } = written;
    let mut problems = Vec::new();
    let role = match role.as_str() {
        "user" => Role::User,
        "admin" => Role::Admin,
        "owner" => Role::Owner,
        _ => {
            problems.push(format!("role must be user, admin or owner; {role:?} is not"));
            Role::Owner
        }
    };
    if provider.is_empty() {
        problems.push("provider must be the name of a connector or a provider".to_owned());
    }
    let known =
        |text: &String| METHODS.into_iter().find(|method| method.as_str() == text.to_ascii_uppercase());
    let found: Vec<Method> = methods.iter().filter_map(known).collect();
    let unknown = methods.iter().filter(|text| known(text).is_none());
    problems.extend(
        unknown.map(|text| {
            format!("methods must be of DELETE, GET, HEAD, PATCH, POST and PUT; {text:?} is not")
        }),
    );
    for (name, is_empty) in [("methods", methods.is_empty()), ("paths", paths.is_empty())] {
        if is_empty {
            problems.push(format!("{name} must name at least one"));
        }
    }
    let patterns = paths
        .iter()
        .map(|text| Pattern::parse(text).map_err(|must| problems.push(format!("paths: {text:?} {must}"))));
    let paths = patterns.filter_map(Result::ok).collect();
    let host = host.map(|host| host.to_ascii_lowercase());
    if problems.is_empty() { Ok(Rule { role, provider, host, methods: found, paths }) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"[
        {"role": "user", "provider": "slack", "methods": ["get"], "paths": ["/conversations.*", "/users.info"]},
        {"role": "admin", "provider": "slack", "methods": ["POST", "GET"], "paths": ["/**"]},
        {"role": "owner", "provider": "slack", "methods": ["DELETE"], "paths": ["/**"]}
    ]"#;

    fn check(role: Role, method: &str, path: &str) -> Result<(), String> {
        let (method, path) = (method.parse().unwrap(), RawPath::parse(path).unwrap());
        let rules = Rules::read(RULES).unwrap();
        rules.check(role, "slack", (&method, &path), |rule| rule.provider == "slack").map_err(|error| {
            match error {
                Error::ProxyRole { needed, .. } => needed.to_string(),
                Error::NoProxyRule { .. } => "none".into(),
                other => panic!("{other}"),
            }
        })
    }

    #[test]
    fn what_no_rule_allows_is_refused() {
        for (role, method, path, expected) in [
            (Role::User, "GET", "conversations.list", Ok(())),
            (Role::User, "HEAD", "conversations.list", Ok(())),
            (Role::User, "GET", "users.info", Ok(())),
            (Role::PlatformAdmin, "DELETE", "users.info", Ok(())),
            (Role::Admin, "POST", "chat.postMessage", Ok(())),
            (Role::Owner, "POST", "chat.postMessage", Ok(())),
            (Role::User, "POST", "conversations.list", Err("admin")),
            (Role::User, "GET", "conversations.list/x", Err("admin")),
            (Role::Admin, "DELETE", "x", Err("owner")),
            (Role::PlatformAdmin, "PUT", "x", Err("none")),
            (Role::PlatformAdmin, "TRACE", "x", Err("none")),
        ] {
            assert_eq!(check(role, method, path), expected.map_err(str::to_owned), "{role} {method} {path}");
        }
        let path = RawPath::parse("x").unwrap();
        let off = Rules::default().check(Role::Owner, "slack", (&Method::GET, &path), |_| true);
        assert!(matches!(off, Err(Error::ProxyOff)));
        let other = Rules::read(RULES).unwrap().check(Role::Owner, "jira", (&Method::GET, &path), |_| false);
        assert!(matches!(other, Err(Error::NoProxyRule { .. })));
    }

    #[test]
    fn all_that_is_wrong_is_named() {
        let wrong = r#"[
            {"role": "boss", "provider": "", "methods": ["FETCH"], "paths": ["users", "/a/**/b"]},
            {"role": "user", "provider": "slack", "methods": [], "paths": []},
            {"role": "user", "provider": "slack", "method": "GET", "paths": ["/x"]},
            7
        ]"#;
        let problems = Rules::read(wrong).unwrap_err().join("\n");
        for part in [
            "rule 1: role must be user, admin or owner; \"boss\" is not",
            "rule 1: provider must be the name",
            "rule 1: methods must be of DELETE, GET, HEAD, PATCH, POST and PUT; \"FETCH\" is not",
            "rule 1: paths: \"users\" must begin with a slash",
            "rule 1: paths: \"/a/**/b\" must have ** as its last segment alone",
            "rule 2: methods must name at least one",
            "rule 2: paths must name at least one",
            "rule 3: unknown field `method`",
            "rule 4: invalid type",
        ] {
            assert!(problems.contains(part), "{part:?} is not in\n{problems}");
        }
        for text in ["", "{}", "slack", "[{]"] {
            assert!(Rules::read(text).unwrap_err()[0].starts_with("must be a JSON array"), "{text}");
        }
        assert!(Rules::read("[]").unwrap().is_empty());
    }
}
