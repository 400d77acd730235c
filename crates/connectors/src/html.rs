//! The text of HTML that people wrote.

use mail_parser::decoders::html::html_to_text;

/// Elements after which a line ends; after `br` and `p` it does by itself.
const BLOCKS: [&str; 15] = [
    "address",
    "article",
    "blockquote",
    "div",
    "dt",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "li",
    "pre",
    "section",
    "tr",
];

/// Elements that stand beside one another in a line.
const CELLS: [&str; 3] = ["td", "th", "dd"];

/// What people read of `html`: a line for each block, without markup.
pub(crate) fn text(html: &str) -> String {
    let text = html_to_text(&parted(html));
    let mut lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.dedup_by(|later, earlier| later.is_empty() && earlier.is_empty());
    lines.join("\n").trim().to_owned()
}

/// The same HTML with a break where a block ends, and a blank where a cell does.
fn parted(html: &str) -> String {
    let mut parted = String::with_capacity(html.len() + html.len() / 8);
    let mut pieces = html.split("</");
    parted.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let name = piece.split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
        let is_one_of = |names: &[&str]| names.iter().any(|each| each.eq_ignore_ascii_case(name));
        let end = piece.find('>').map(|end| end + 1).filter(|_| is_one_of(&BLOCKS) || is_one_of(&CELLS));
        let (tag, rest) = piece.split_at_checked(end.unwrap_or_default()).unwrap_or(("", piece));
        parted.push_str("</");
        parted.push_str(tag);
        if !tag.is_empty() {
            parted.push_str(if is_one_of(&CELLS) { " " } else { "<br>" });
        }
        parted.push_str(rest);
    }
    parted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_lines_and_cells_stand_apart() {
        for (html, expected) in [
            ("<h1>Sale</h1><p>Every <b>hat</b></p>", "Sale\nEvery hat"),
            ("<DIV>one</DIV ><div>two</div>", "one\ntwo"),
            ("<ul><li>a</li><li>b</li></ul>", "a\nb"),
            ("<table><tr><td>x</td><td>1</td></tr><tr><th>y</th><th>2</th></tr></table>", "x 1\ny 2"),
            ("<div><div><div>deep</div></div></div><p>after</p>", "deep\n\nafter"),
            ("a<br>b &amp; c", "a\nb & c"),
            ("<script>if (a </div> b) {}</script>text", "text"),
            ("</", ""),
            ("a </ b </div", "a"),
            ("", ""),
        ] {
            assert_eq!(text(html), expected, "{html}");
        }
    }
}
