//! A bound on nesting, checked before parsing: the parser and rolldown recurse, and an overflowing stack kills the
//! worker.

/// Levels of nesting that a source may have.
pub(crate) const MAX_DEPTH: usize = 1_000;

/// Where `source` opens its first bracket beyond [`MAX_DEPTH`].
///
/// Brackets in strings, comments and JSX text count as well: telling them apart takes a parser, and a text with a
/// thousand brackets more open than closed is no source that somebody wrote.
pub(crate) fn too_deep(source: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (offset, byte) in source.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Some(offset);
                }
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_what_is_open_at_once() {
        let deep = |n: usize| format!("x = {}1{}", "(".repeat(n), ")".repeat(n));
        assert_eq!(too_deep(&deep(MAX_DEPTH)), None);
        assert_eq!(too_deep(&deep(60_000)), Some(4 + MAX_DEPTH));
        assert_eq!(too_deep(&"[](){}".repeat(10_000)), None);
        assert_eq!(too_deep(&")".repeat(10_000)), None);
    }
}
