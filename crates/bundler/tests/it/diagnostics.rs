//! What is wrong with a source is told with its place.

use bundler::{Diagnostic, Error, Limit, Limits, Severity};
use libtest_mimic::Trial;

use crate::support::{SHARED, build, bundler, refused, request, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("wrong_sources_are_told_with_their_place", wrong_sources_are_told_with_their_place),
        trial(
            "imports_that_mean_nothing_are_told_with_their_place",
            imports_that_mean_nothing_are_told_with_their_place,
        ),
        trial("all_mistakes_are_told_at_once", all_mistakes_are_told_at_once),
        trial("the_frame_shows_the_source", the_frame_shows_the_source),
        trial("text_must_be_utf8", text_must_be_utf8),
        trial("what_is_too_large_says_how_much_is_allowed", what_is_too_large_says_how_much_is_allowed),
        trial("what_may_surprise_is_a_warning", what_may_surprise_is_a_warning),
        trial("an_entry_is_needed", an_entry_is_needed),
    ]
}

type Place<'a> = (&'a str, Option<&'a str>, Option<u32>, Option<u32>);

fn place(diagnostic: &Diagnostic) -> Place<'_> {
    (&diagnostic.code, diagnostic.file.as_deref(), diagnostic.line, diagnostic.column)
}

async fn expect(files: &[(&str, &str)], code: &str, file: &str, line: u32, column: u32) -> Diagnostic {
    let mut diagnostics = refused(files).await;
    assert_eq!(diagnostics.len(), 1, "{diagnostics:#?}");
    let diagnostic = diagnostics.remove(0);
    assert_eq!(place(&diagnostic), (code, Some(file), Some(line), Some(column)), "{diagnostic:#?}");
    assert!(
        diagnostic.frame.as_ref().is_some_and(|frame| frame.contains(&format!("> {line} | "))),
        "{diagnostic:#?}"
    );
    assert_eq!(diagnostic.severity, Severity::Error);
    assert!(
        !diagnostic.message.contains("__jackfield") && !diagnostic.message.contains('\0'),
        "{diagnostic:#?}"
    );
    diagnostic
}

async fn wrong_sources_are_told_with_their_place() {
    const INDEX: &str = "src/index.tsx";
    let index = |text: &'static str| [(INDEX, text)];
    expect(&index("const a = 1;\nexport default a +;\n"), "syntax_error", INDEX, 2, 19).await;
    let unclosed = refused(&index("export default () => <div>\n<b></div>;\n")).await;
    assert_eq!(place(&unclosed[0]), ("syntax_error", Some(INDEX), Some(2), Some(6)));
    expect(&index("let x = 1;\nlet x = 2;\nexport default x;\n"), "syntax_error", INDEX, 1, 5).await;
    expect(
        &index("import { b } from './a';\nexport default b;\n")
            .into_iter()
            .chain([("src/a.ts", "export const a = 1;")])
            .collect::<Vec<_>>(),
        "missing_export",
        INDEX,
        1,
        10,
    )
    .await;
    expect(
        &[(INDEX, "import b from './x.json';\nexport default b;\n"), ("src/x.json", "{\"a\":\n 1,,}")],
        "invalid_json",
        "src/x.json",
        2,
        4,
    )
    .await;
    expect(&index("import a from './index';\na = 1;\nexport default a;"), "assign_to_import", INDEX, 2, 1)
        .await;
    expect(&index("\nexport default new URL('./x.png', import.meta.url).href;\n"), "asset_url", INDEX, 2, 16)
        .await;
    let deep = format!("export default\n{}1{};", "(".repeat(60_000), ")".repeat(60_000));
    expect(&[(INDEX, &deep)], "source_too_deep", INDEX, 2, 1_001).await;
    let none = refused(&index("export const a = 1;\n")).await;
    assert_eq!(place(&none[0]), ("no_default_export", Some(INDEX), None, None));
}

async fn imports_that_mean_nothing_are_told_with_their_place() {
    for (specifier, code) in [
        ("./nope", "import_not_found"),
        ("./Card", "import_not_found"),
        ("../../etc/passwd", "import_outside_tree"),
        ("/etc/hostname", "import_outside_tree"),
        ("file:///etc/hostname", "import_outside_tree"),
        ("https://esm.example/x.js", "remote_import"),
        ("data:text/javascript,export default 1", "remote_import"),
        ("lodash", "bare_import"),
        ("node:fs", "bare_import"),
        ("@/card", "bare_import"),
        ("react/canary", "bare_import"),
        ("./archive.zip", "unknown_file_type"),
        ("@oxc-project/runtimes", "bare_import"),
        ("jackfield:host", "bare_import"),
        ("rolldown:runtime", "bare_import"),
    ] {
        for source in [
            format!("const x = 1;\nimport y from {specifier:?};\nexport default [x, y];\n"),
            format!("const x = 1;\nexport * from {specifier:?}; export default x;\n"),
            format!("const x = 1;\nexport default () => import({specifier:?});\n"),
        ] {
            let files = [
                ("src/index.tsx", source.as_str()),
                ("src/card.ts", "export default 1;"),
                ("src/archive.zip", "x"),
            ];
            let column = u32::try_from(source.lines().nth(1).unwrap().find('"').unwrap()).unwrap() + 1;
            let found = expect(&files, code, "src/index.tsx", 2, column).await;
            assert!(found.message.contains(specifier) && found.hint.is_some(), "{found:#?}");
            if code == "bare_import" {
                assert!(found.hint.unwrap().contains("react/jsx-runtime"));
            }
        }
    }
}

async fn all_mistakes_are_told_at_once() {
    let files = [
        (
            "src/index.tsx",
            "import a from './a'; import b from './b'; import x from 'x'; import y from 'y';\nexport default [a, b, x, y];",
        ),
        ("src/a.ts", "import z from 'z'; export default z;"),
        ("src/b.ts", "export default 1;"),
    ];
    let codes: Vec<_> =
        refused(&files).await.into_iter().map(|d| (d.code, d.file.unwrap(), d.column.unwrap())).collect();
    let bare = |file: &str, column| ("bare_import".to_owned(), file.to_owned(), column);
    assert_eq!(codes, [bare("src/a.ts", 15), bare("src/index.tsx", 57), bare("src/index.tsx", 76)]);
    let files = [
        ("src/index.tsx", "import './a'; import './b';\nexport default 1;"),
        ("src/a.ts", "let = ;"),
        ("src/b.ts", "}"),
    ];
    let mut found: Vec<_> = refused(&files).await.into_iter().map(|d| d.file.unwrap()).collect();
    found.dedup();
    assert_eq!(found, ["src/a.ts", "src/b.ts"]);
}

async fn the_frame_shows_the_source() {
    let found =
        refused(&[("src/index.tsx", "const a = 1;\nimport b from 'lodash';\nexport default [a, b];\n")])
            .await;
    assert_eq!(
        found[0].frame.as_deref().unwrap(),
        "  1 | const a = 1;\n> 2 | import b from 'lodash';\n    |               ^^^^^^^^\n  3 | export default [a, b];"
    );
    assert_eq!(found[0].to_string(), "src/index.tsx:2:15: \"lodash\" is not provided by the page");
}

async fn text_must_be_utf8() {
    let mut request = request(&[("src/index.tsx", "import './a'; export default 1;")]);
    request.tree.insert("src/a.ts", bytes::Bytes::from_static(b"const a = 1;\n\"\xff\xfe\"")).unwrap();
    let Err(Error::Invalid(found)) = SHARED.build(request).await else { panic!("built") };
    assert_eq!(place(&found[0]), ("not_utf8", Some("src/a.ts"), Some(2), Some(2)));
}

async fn what_is_too_large_says_how_much_is_allowed() {
    let bundler = bundler(Limits {
        input_bytes: 2_000,
        files: 3,
        output_bytes: 500,
        asset_bytes: 10,
        ..Limits::default()
    });
    let limit = |error| match error {
        Err(Error::Limit { limit, actual, allowed }) => (limit, actual > allowed, allowed),
        other => panic!("{other:?}"),
    };
    let text = format!("export default {:?};", "x".repeat(1_000));
    assert_eq!(limit(bundler.build(request(&[("index.ts", &text)])).await), (Limit::OutputBytes, true, 500));
    let text = " ".repeat(3_000);
    assert_eq!(limit(bundler.build(request(&[("index.ts", &text)])).await), (Limit::InputBytes, true, 2_000));
    let files = [("index.ts", ""), ("a", ""), ("b", ""), ("c", "")];
    assert_eq!(limit(bundler.build(request(&files)).await), (Limit::Files, true, 3));
    let files = [("index.ts", "import a from './a.png'; export default a;"), ("a.png", "0123456789a")];
    let Err(Error::Invalid(found)) = bundler.build(request(&files)).await else { panic!("built") };
    assert_eq!((found[0].code.as_str(), found[0].file.as_deref()), ("asset_too_large", Some("a.png")));
    assert!(found[0].message.contains("11 bytes") && found[0].message.contains("10"));
    assert!(bundler.build(request(&[("index.ts", "export default 1")])).await.is_ok());
    bundler.shutdown().await;
}

async fn what_may_surprise_is_a_warning() {
    let files = [
        ("src/index.tsx", "import css from './x.module.css';\nexport default { name: css, v: eval('1') };"),
        ("src/x.module.css", "@import 'y.css';\n.a{}"),
    ];
    let warnings = build(&files).await.warnings;
    let codes: Vec<_> = warnings.iter().map(|w| (w.code.as_str(), w.severity)).collect();
    for code in ["css_modules", "css_import", "eval"] {
        assert_eq!(
            codes.iter().filter(|found| **found == (code, Severity::Warning)).count(),
            1,
            "{warnings:#?}"
        );
    }
}

async fn an_entry_is_needed() {
    let found = refused(&[("main.ts", "export default 1")]).await;
    assert_eq!(found[0].code, "entry_not_found");
    for entry in ["nope.ts", "../main.ts", "/main.ts2", "main.css"] {
        let mut request = request(&[("main.ts", "export default 1"), ("main.css", "")]);
        request.entry = Some(entry.to_owned());
        let Err(Error::Invalid(found)) = SHARED.build(request).await else { panic!("{entry} built") };
        assert_eq!(found[0].code, "entry_not_found", "{entry}");
        assert!(found[0].message.contains(entry));
    }
}
