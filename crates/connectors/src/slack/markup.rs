//! Slack's markup as plain text (<https://docs.slack.dev/messaging/formatting-message-text>).

/// What `markup` says, without its angle brackets and escapes. Emphasis stays as it is written.
pub(super) fn plain(markup: &str) -> String {
    let mut text = String::with_capacity(markup.len());
    let mut rest = markup;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(&unescaped(before));
        let Some((inside, following)) = after.split_once('>') else {
            // What is never closed is no reference.
            text.push('<');
            rest = after;
            continue;
        };
        text.push_str(&unescaped(&reference(inside)));
        rest = following;
    }
    text.push_str(&unescaped(rest));
    text
}

/// What stands between angle brackets: a member, a channel, a special word, or a link, each with what it is shown as
/// after a bar.
fn reference(inside: &str) -> String {
    let (target, shown) = match inside.split_once('|') {
        Some((target, shown)) => (target, Some(shown).filter(|shown| !shown.is_empty())),
        None => (inside, None),
    };
    if let Some(member) = target.strip_prefix('@') {
        return format!("@{}", shown.unwrap_or(member).trim_start_matches('@'));
    }
    if let Some(channel) = target.strip_prefix('#') {
        return format!("#{}", shown.unwrap_or(channel).trim_start_matches('#'));
    }
    if let Some(special) = target.strip_prefix('!') {
        let word = special.split('^').next().unwrap_or_default();
        return shown.map_or_else(|| format!("@{word}"), str::to_owned);
    }
    let address = target.strip_prefix("mailto:").unwrap_or(target);
    match shown {
        Some(shown) if shown != address && shown != target => format!("{shown} ({address})"),
        _ => address.to_owned(),
    }
}

/// The three characters that Slack escapes. The ampersand comes last, so that `&amp;lt;` stays `&lt;`.
fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_told_plainly() {
        for (markup, expected) in [
            ("a &lt; b &amp;&amp; c &gt; d", "a < b && c > d"),
            ("&amp;lt;", "&lt;"),
            ("Hi <@U1>, see <#C1|support>", "Hi @U1, see #support"),
            ("<@U1|ann> <#C1> <#C1|>", "@ann #C1 #C1"),
            ("<!here> <!subteam^S1|@admins> <!date^1^{date}|Monday>", "@here @admins Monday"),
            ("<https://a.example/?x=1&amp;y=2>", "https://a.example/?x=1&y=2"),
            ("<https://a.example|the page>.", "the page (https://a.example)."),
            ("<mailto:ann@a.example|ann@a.example>", "ann@a.example"),
            ("<tel:123", "<tel:123"),
            ("*bold* _it_ `<`", "*bold* _it_ `<`"),
            ("", ""),
            ("<>", ""),
        ] {
            assert_eq!(plain(markup), expected, "{markup}");
        }
    }
}
