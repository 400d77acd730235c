//! Patterns of paths: `*` is any text within a segment, `**` at the end all that is below.

/// A pattern of decoded paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    segments: Vec<String>,
    /// Whether it ends with `**`.
    is_open: bool,
}

impl Pattern {
    /// The pattern in `text`.
    ///
    /// # Errors
    /// What it must, as the end of a sentence that begins with the pattern.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix('/').ok_or("must begin with a slash")?;
        if text.contains(['?', '#', '\\']) || text.chars().any(char::is_control) {
            return Err("must be a path, without query and backslashes");
        }
        if text.contains('%') {
            return Err("must be written decoded, without %");
        }
        let mut segments: Vec<String> = rest.split('/').map(str::to_owned).collect();
        let is_open = segments.last().is_some_and(|last| last == "**");
        if is_open {
            segments.pop();
        }
        if segments.iter().any(|segment| segment.contains("**")) {
            return Err("must have ** as its last segment alone");
        }
        let ends_with_slash = !is_open && segments.last().is_some_and(String::is_empty);
        let inner = segments.len() - usize::from(ends_with_slash);
        if segments.iter().take(inner).any(|segment| matches!(segment.as_str(), "" | "." | ".."))
            || (inner == 0 && !is_open)
        {
            return Err("must have no segment that is empty, . or ..: no path has");
        }
        Ok(Self { segments, is_open })
    }

    /// Whether the decoded segments of a path are like it. All that is below something is not that thing itself.
    pub(super) fn fits(&self, path: &[String]) -> bool {
        let has_length =
            if self.is_open { path.len() > self.segments.len() } else { path.len() == self.segments.len() };
        has_length && self.segments.iter().zip(path).all(|(pattern, segment)| is_like(pattern, segment))
    }
}

/// Whether `text` is like `pattern`, in which `*` stands for any text. A segment that is there is never nothing, except the
/// last, after a slash at the end, which is like nothing but itself.
fn is_like(pattern: &str, text: &str) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    // The earliest place for each piece leaves the most for those after it.
    for piece in pieces {
        let Some(at) = text.find(piece) else { return false };
        text = text.get(at + piece.len()..).unwrap_or_default();
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, path: &str) -> bool {
        let path: Vec<String> = path.split('/').map(str::to_owned).collect();
        Pattern::parse(pattern).unwrap().fits(&path)
    }

    #[test]
    fn a_star_stays_in_its_segment_and_two_at_the_end_take_the_rest() {
        for (pattern, yes, no) in [
            ("/users", &["users"][..], &["user", "users/", "users/a", "Users", "xusers"][..]),
            ("/users/", &["users/"], &["users", "users/a"]),
            ("/users/*", &["users/a", "users/a*b"], &["users", "users/", "users/a/b"]),
            (
                "/repos/*/*/issues",
                &["repos/a/b/issues"],
                &["repos/a/issues", "repos/a/b/c/issues", "repos/a//issues"],
            ),
            ("/chat.*", &["chat.post", "chat."], &["chat", "xchat.post", "chat.a/b"]),
            ("/*.list", &["users.list", ".list"], &["users.list.x", "users/list"]),
            ("/a*b*c", &["abc", "a--b--c", "abbcc", "abcbc"], &["ab", "acb", "abcd", "a"]),
            ("/a*a", &["aa", "aba"], &["a"]),
            ("/users/**", &["users/a", "users/a/b", "users/a/", "users/"], &["users", "groups/a"]),
            ("/*/me/**", &["u/me/x"], &["u/you/x", "u/me"]),
            ("/**", &["a", "a/b", "a/"], &[]),
        ] {
            for path in yes {
                assert!(fits(pattern, path), "{pattern} {path}");
            }
            for path in no {
                assert!(!fits(pattern, path), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn what_no_path_could_be_like_is_no_pattern() {
        for text in [
            "", "a", "/", "//", "/a//b", "/../a", "/a/.", "/a/**/b", "/a**", "/**x", "/a?b", "/a#b",
            "/a%2Fb", "/a\\b",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }
}
