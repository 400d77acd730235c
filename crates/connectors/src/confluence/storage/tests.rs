//! The storage format: read, written, and there and back.

use super::*;

fn read(storage: &str) -> String {
    let read = text(storage);
    assert!(!read.is_cut);
    read.text
}

fn written(markdown: &str) -> String {
    of_markdown(markdown).unwrap()
}

#[test]
fn paragraphs_headings_and_emphasis_are_read() {
    for (storage, markdown) in [
        ("<h1>Plan</h1><p>One  two\n three.</p><p>&nbsp;</p><p>Four</p>", "# Plan\n\nOne two three.\n\nFour"),
        ("<h2>A <em>b</em></h2><hr/><p>x</p>", "## A *b*\n\n---\n\nx"),
        ("<p>a<strong> b </strong>c<em></em>, <del>d</del> <u>e</u></p>", "a **b** c, ~~d~~ e"),
        ("<p><span style=\"text-decoration: line-through;\">old</span>H<sub>2</sub>O</p>", "~~old~~H2O"),
        ("<p>one<br/>two<br />three</p>", "one  \ntwo  \nthree"),
        ("<blockquote><p>a</p><p>b</p></blockquote>", "> a\n>\n> b"),
        ("text <b>alone</b>", "text **alone**"),
        (
            "<p>za&zdot;&oacute;&lstrok;&cacute; &alpha;&rho;&Sigma; &Scaron; &unknown; a & b;</p>",
            "zażółć αρΣ Š \\&unknown; a & b;",
        ),
        ("<p>caf&eacute; &mdash; &#233;&#x20AC; &lt;tag&gt; &amp;amp;</p>", "café — é€ \\<tag> \\&amp;"),
        ("<p>run <code>a `b`</code> and <code>*c*</code></p>", "run ``a `b` `` and `*c*`"),
        ("", ""),
    ] {
        let markdown = markdown.replace("``a `b` ``", "`` a `b` ``");
        assert_eq!(read(storage), markdown, "{storage}");
    }
}

#[test]
fn lists_and_tasks_are_read() {
    let list = "<ul><li><p>a</p><ol><li>b</li><li>c<ul><li>d</li></ul></li></ol></li><li>e</li></ul>";
    assert_eq!(read(list), "- a\n  1. b\n  2. c\n     - d\n- e");
    let odd = "<ul><li>a</li><ul><li>b</li></ul><li><p>c</p><p>d</p><pre>e\n\nf</pre></li></ul>";
    assert_eq!(read(odd), "- a\n  - b\n- c\n\n  d\n\n  ```\n  e\n\n  f\n  ```");
    let tasks = "<ac:task-list>\n<ac:task>\n<ac:task-id>1</ac:task-id>\n<ac:task-status>complete</ac:task-status>\
        <ac:task-body><span>Call <strong>Ben</strong></span></ac:task-body></ac:task><ac:task><ac:task-id>2</ac:task-id>\
        <ac:task-status>incomplete</ac:task-status><ac:task-body>Pay</ac:task-body></ac:task></ac:task-list>";
    assert_eq!(read(tasks), "- [x] Call **Ben**\n- [ ] Pay");
}

#[test]
fn tables_are_read() {
    let table = "<table data-layout=\"default\"><colgroup><col style=\"width: 340.0px;\" /><col></colgroup><tbody>\
        <tr><th><p>Name</p></th><th><p>Due</p></th></tr>\
        <tr><td><p>A|B</p><p>C</p></td><td><ul><li>x</li><li>y</li></ul></td></tr><tr><td>D</td></tr></tbody></table>";
    assert_eq!(read(table), "| Name | Due |\n| --- | --- |\n| A\\|B C | - x - y |\n| D |");
    assert_eq!(read("<table><tr><td>1</td><td>2</td></tr></table>"), "|  |  |\n| --- | --- |\n| 1 | 2 |");
    assert_eq!(read("<table></table><table><tbody><tr></tr></tbody></table>"), "");
}

#[test]
fn macros_are_read_by_the_text_in_them() {
    let code = "<ac:structured-macro ac:name=\"code\" ac:schema-version=\"1\" ac:macro-id=\"7\">\
        <ac:parameter ac:name=\"language\">rust</ac:parameter><ac:parameter ac:name=\"title\">main.rs</ac:parameter>\
        <ac:plain-text-body><![CDATA[fn main() {\n    if 1 < 2 && true {}\n}]]></ac:plain-text-body></ac:structured-macro>";
    assert_eq!(read(code), "**main.rs**\n\n```rust\nfn main() {\n    if 1 < 2 && true {}\n}\n```");
    let info = "<p>a</p><ac:structured-macro ac:name=\"info\"><ac:parameter ac:name=\"icon\">false</ac:parameter>\
        <ac:rich-text-body><p>Mind the <em>gap</em></p></ac:rich-text-body></ac:structured-macro>";
    assert_eq!(read(info), "a\n\nMind the *gap*");
    let inline = "<p>It is <ac:structured-macro ac:name=\"status\"><ac:parameter ac:name=\"title\">DONE</ac:parameter>\
        <ac:parameter ac:name=\"colour\">Green</ac:parameter></ac:structured-macro>, see <ac:structured-macro ac:name=\"jira\">\
        <ac:parameter ac:name=\"key\">ACME-1</ac:parameter></ac:structured-macro>\
        <ac:structured-macro ac:name=\"toc\" /> <ac:emoticon ac:name=\"smile\" ac:emoji-fallback=\"🙂\" /></p>";
    assert_eq!(read(inline), "It is DONE, see ACME-1 🙂");
    assert_eq!(read("<pre>a\n  ```\n</pre>"), "````\na\n  ```\n````");
    let panel = "<ac:adf-extension><ac:adf-node type=\"panel\"><ac:adf-content>x</ac:adf-content></ac:adf-node>\
        <ac:adf-fallback><p>shown</p></ac:adf-fallback></ac:adf-extension>";
    assert_eq!(read(panel), "shown");
}

#[test]
fn links_and_images_lead_only_somewhere_safe() {
    for (storage, markdown) in [
        (
            "<p><a href=\"https://a.example/x?a=1&amp;b=2\">here</a></p>",
            "[here](https://a.example/x?a=1&b=2)",
        ),
        ("<p><a href=\"https://a.example/\">https://a.example/</a></p>", "<https://a.example/>"),
        ("<p><a href=\"https://a.example/a (b)\">x</a></p>", "[x](<https://a.example/a (b)>)"),
        ("<p><a href=\"/wiki/x\">x</a><a href=\"#top\">y</a></p>", "[x](/wiki/x)[y](#top)"),
        ("<p><a href=\"javascript:alert(1)\">x</a> <a href=\"java&#10;script:x\">y</a></p>", "x y"),
        ("<p><a href=\"JaVaScript:x\">x</a><a href=\"data:text/html,x\">y</a></p>", "xy"),
        (
            "<ac:link><ri:page ri:content-title=\"Home &amp; away\" ri:space-key=\"A\" /></ac:link>",
            "Home & away",
        ),
        (
            "<ac:link><ri:page ri:content-title=\"Home\" /><ac:link-body>go <b>home</b></ac:link-body></ac:link>",
            "go **home**",
        ),
        (
            "<ac:link><ri:attachment ri:filename=\"a.pdf\" /><ac:plain-text-link-body><![CDATA[the file]]></ac:plain-text-link-body></ac:link>",
            "the file",
        ),
        ("<p>cc <ac:link><ri:user ri:account-id=\"5b10:a\" /></ac:link></p>", "cc @5b10:a"),
        (
            "<ac:image ac:alt=\"A plan\"><ri:url ri:value=\"https://a.example/i.png\" /></ac:image>",
            "![A plan](https://a.example/i.png)",
        ),
        ("<ac:image><ri:attachment ri:filename=\"plan.png\" /></ac:image>", "plan.png"),
        ("<img src=\"https://a.example/i.png\"><p>x</p>", "![](https://a.example/i.png)\n\nx"),
    ] {
        assert_eq!(read(storage), markdown, "{storage}");
    }
}

#[test]
fn odd_texts_are_read_all_the_same() {
    for (storage, markdown) in [
        ("<p>a", "a"),
        ("a</p></div>b", "ab"),
        ("<p>a<strong>b</p>c", "a**b**\n\nc"),
        ("AT&T & R&D &unknown; &#xFFFFFFFF;", "AT\\&T & R\\&D \\&unknown; \\&#xFFFFFFFF;"),
        ("<p>a < b</p><p>c</p>", "a < b\\</p>\n\nc"),
        ("a <", "a <"),
        ("<!-- x --><?pi y?><p>z</p>", "z"),
        ("<p class=x data-a>y</p>", "y"),
        ("<", "<"),
        ("\0", "\0"),
        ("<ac:structured-macro><ac:plain-text-body><![CDATA[a]]></ac:plain-text-body>", "```\na\n```"),
    ] {
        assert_eq!(read(storage), markdown, "{storage}");
    }
    // Whatever is cut off of a page, reading it ends.
    let page = "<h1>A</h1><ac:structured-macro ac:name=\"code\"><ac:plain-text-body><![CDATA[x]]></ac:plain-text-body>\
        </ac:structured-macro><table><tbody><tr><td>&eacute;<!-- c --></td></tr></tbody></table>";
    for end in 0..=page.len() {
        let _ = text(page.get(..end).unwrap());
        let _ = text(page.get(end..).unwrap());
    }
}

#[test]
fn reading_has_bounds() {
    let deep = format!("{}x{}<p>after</p>", "<blockquote>".repeat(100_000), "</blockquote>".repeat(100_000));
    let deep = read(&deep);
    assert!(deep.contains('x') && deep.ends_with("\n\nafter"), "{} bytes", deep.len());
    let long = format!("{}<pre>{}</pre>", "<ul><li>".repeat(30), "a\n".repeat(400_000));
    let long = text(&long);
    assert!(long.is_cut && long.text.len() <= 1024 * 1024, "{} bytes", long.text.len());
    let wide = text(&format!("<p>{}</p>", "ä".repeat(1024 * 1024)));
    assert!(wide.is_cut && wide.text.ends_with('ä'));
    let brackets = text(&"<".repeat(200_000));
    assert!(!brackets.is_cut);
}

#[test]
fn markdown_is_written() {
    for (markdown, storage) in [
        (
            "# A & B\n\nOne *two* **three** ~~four~~ `<five>`",
            "<h1>A &amp; B</h1><p>One <em>two</em> <strong>three</strong> <span style=\"text-decoration: line-through;\">four</span> <code>&lt;five&gt;</code></p>",
        ),
        (
            "- a\n  1. b\n- c\n\n4. d",
            "<ul><li>a<ol><li>b</li></ol></li><li>c</li></ul><ol start=\"4\"><li>d</li></ol>",
        ),
        ("> a\n\n---\nb  \nc", "<blockquote><p>a</p></blockquote><hr /><p>b<br />c</p>"),
        (
            "| a | b |\n|---|---|\n| 1 | `x` |",
            "<table><tbody><tr><th>a</th><th>b</th></tr><tr><td>1</td><td><code>x</code></td></tr></tbody></table>",
        ),
        (
            "[a & b](https://x.example/?a=1&b=\"2\")",
            "<p><a href=\"https://x.example/?a=1&amp;b=&quot;2&quot;\">a &amp; b</a></p>",
        ),
        ("<https://x.example/>", "<p><a href=\"https://x.example/\">https://x.example/</a></p>"),
        (
            "![a *b*](https://x.example/i.png)",
            "<p><ac:image ac:alt=\"a b\"><ri:url ri:value=\"https://x.example/i.png\" /></ac:image></p>",
        ),
        ("![only `text`](file.png)", "<p>only text</p>"),
    ] {
        assert_eq!(written(markdown), storage, "{markdown}");
    }
}

#[test]
fn code_is_written_as_a_macro() {
    let code = "<ac:structured-macro ac:name=\"code\" ac:schema-version=\"1\">";
    let end = "]]></ac:plain-text-body></ac:structured-macro>";
    assert_eq!(
        written("```rust,ignore\nif a < b && c {}\n\n```"),
        format!(
            "{code}<ac:parameter ac:name=\"language\">rust</ac:parameter><ac:plain-text-body><![CDATA[if a < b && c {{}}\n{end}"
        )
    );
    assert_eq!(
        written("    a[b[0]]>c\u{1}"),
        format!("{code}<ac:plain-text-body><![CDATA[a[b[0]]]]><![CDATA[>c{end}")
    );
    assert_eq!(read(&written("```\na[b[0]]>c\n```")), "```\na[b[0]]>c\n```");
    assert!(!written("```\"><ac:x\nx\n```").contains("<ac:x"));
}

#[test]
fn nothing_in_markdown_is_markup_of_confluence() {
    for markdown in [
        "<script>alert(1)</script>",
        "a <b onclick=\"x\">b</b> <ac:structured-macro ac:name=\"html\">",
        "<div>\n<ac:link><ri:user ri:account-id=\"1\"/></ac:link>\n</div>",
        "[x](javascript:alert(1)) [y](<JAVASCRIPT:alert(1)>) ![z](javascript:alert(1))",
        "`]]>` <![CDATA[ x ]]> <!-- y --> <?z?>",
        "[x](<https://a.example/\"><ac:link>>) ![\"/><ac:x](https://a.example/\"/><ac:x)",
    ] {
        let storage = written(markdown);
        for never in [
            "<script",
            "<b ",
            "<ac:structured",
            "<div",
            "<ac:link",
            "<ri:user",
            "cript:alert(1)\"",
            "<!",
            "<?",
            "<ac:x",
        ] {
            assert!(!storage.contains(never), "{storage}");
        }
    }
    assert_eq!(written("<i>a</i>"), "<p>&lt;i&gt;a&lt;/i&gt;</p>");
}

#[test]
fn writing_has_bounds() {
    let table = format!("{}\n{}\n{}", "|a".repeat(4000), "|-".repeat(4000), "|b\n".repeat(4000));
    let storage = of_markdown(&table);
    assert!(storage.is_none_or(|storage| storage.len() <= 5 * 1024 * 1024));
    assert_eq!(of_markdown(&"*a* ".repeat(600_000)), None);
    assert!(of_markdown(&"> ".repeat(50_000)).is_some());
}

#[test]
fn what_was_read_is_written_and_read_again() {
    for markdown in [
        "# A heading with `code`\n\nA paragraph of *some* **strong** ~~old~~ text,\\*not\\* \\_more\\_, snake_case and 2 < 3.",
        "- a\n- b\n  - c\n    1. d\n    2. e\n- f",
        "1. a\n\n   b\n\n   ```python\n   if x:\n\n       y()\n   ```\n2. c",
        "> quoted\n>\n> - list\n> - in it",
        "| A | B |\n| --- | --- |\n| 1\\|2 | **x** |\n| `y` | [z](https://z.example/) |",
        "one  \ntwo",
        "\\# no heading\n\n\\- no list\n\n1\\. no number\n\n\\> no quote\n\n\\+ no plus",
        "\\[no link\\](x) and [\\[ACME-1\\] a](https://c.example/) and [a link](https://a.example/?a=1&b=2) and <https://b.example/c_d>",
        "\\<b>no tag\\</b> \\&amp; AT\\&T & R, C:\\dir, \\\\\\* \\`x\\`",
        "![a \\[plan\\]](https://a.example/i.png)",
        "a\n\n---\n\nb",
        "###### six",
    ] {
        assert_eq!(read(&written(markdown)), markdown);
    }
}

#[test]
fn any_plain_text_comes_back_as_it_was() {
    let pieces = [
        "*", "_", "`", "[", "](x)", "<", "a", " ", "\\", "#", "1.", "-", "&", "~", "|", ">", "=", "+", "!",
        "é",
    ];
    let plain = |storage: &str| {
        tree::nodes(storage)
            .iter()
            .map(|node| match node {
                tree::Node::Text(text) => text.clone(),
                tree::Node::Element(element) => element.content(),
            })
            .collect::<Vec<_>>()
            .join("\n")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    for first in pieces {
        for second in pieces {
            for third in pieces {
                for fourth in ["", "*"] {
                    let said = format!("{first}{second}{third}{fourth}");
                    let storage = format!("<p>{}</p>", quick_xml::escape::escape(said.as_str()));
                    let markdown = read(&storage);
                    let again = written(&markdown);
                    assert_eq!(
                        plain(&again),
                        plain(&storage),
                        "{said:?} is read as {markdown:?}, written as {again}"
                    );
                    assert!(said.trim().is_empty() || again.starts_with("<p>"), "{said:?} {again}");
                }
            }
        }
    }
}

#[test]
fn excerpts_are_plain() {
    let found = "the @@@hl@@@release@@@endhl@@@ &amp;\n its plan";
    assert_eq!(excerpt(found), "the release & its plan");
}
