//! What is built runs as its source says.

use bundler::{ArtifactKind, Build};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::support::{build, content, node, script, served_scripts, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("tsx_renders_with_the_hosts_react", tsx_renders_with_the_hosts_react),
        trial("typescript_means_what_typescript_means", typescript_means_what_typescript_means),
        trial("decorators_are_typescripts", decorators_are_typescripts),
        trial("older_hosts_provide_react_by_globals", older_hosts_provide_react_by_globals),
        trial("a_page_without_react_is_told_what_to_do", a_page_without_react_is_told_what_to_do),
        trial("the_sdk_has_one_key_under_all_its_names", the_sdk_has_one_key_under_all_its_names),
        trial("the_served_bundle_has_no_bare_import", the_served_bundle_has_no_bare_import),
        trial("files_become_modules", files_become_modules),
        trial("style_sheets_are_added_once", style_sheets_are_added_once),
        trial("dynamic_imports_become_chunks", dynamic_imports_become_chunks),
        trial("source_maps_name_the_trees_files", source_maps_name_the_trees_files),
        trial("the_same_tree_gives_the_same_bytes", the_same_tree_gives_the_same_bytes),
        trial("cycles_and_types_are_no_errors", cycles_and_types_are_no_errors),
        trial("jsx_in_other_files_works", jsx_in_other_files_works),
    ]
}

const CARD: [(&str, &str); 3] = [
    (
        "src/index.tsx",
        "import { definePlugin, usePluginConfig } from '@ticketing/plugin-sdk';\n\
         import { Card } from './card';\n\
         const View = () => <Card key=\"k\" title=\"t\"><>{usePluginConfig()}</></Card>;\n\
         export default definePlugin({ name: 'Cards', version: '1.0.0', extensionPoints: { 'payment-methods': View } });\n",
    ),
    (
        "src/card.tsx",
        "import React, { useState } from 'react';\nimport { format } from './format.js';\n\
         export function Card(props: { title: string; children?: React.ReactNode }) {\n\
           const [count] = useState<number>(3);\n\
           return <section title={format(props.title)}>{count}{props.children}</section>;\n}\n",
    ),
    ("src/format.ts", "export const format = (text: string): string => text.toUpperCase();\n"),
];

const RENDERED: &str = "provideAll(); const { default: plugin } = await import(entry);\
    return { plugin: { ...plugin, extensionPoints: Object.keys(plugin.extensionPoints) },\
    tree: plugin.extensionPoints['payment-methods']({}) };";

async fn tsx_renders_with_the_hosts_react() {
    let build = build(&CARD).await;
    assert_eq!(
        node(&build, RENDERED),
        json!({
            "plugin": {"name": "Cards", "version": "1.0.0", "extensionPoints": ["payment-methods"], "defined": true},
            "tree": {"type": "section", "key": null, "props": {"title": "T", "children": [3,
                {"type": "fragment", "key": null, "props": {"children": "configured"}}]}},
        })
    );
    assert_eq!(build.definition.extension_points, ["payment-methods"]);
    assert_eq!(build.warnings, []);
}

async fn value(source: &str) -> Value {
    let build = build(&[("src/index.tsx", source)]).await;
    node(&build, "provideAll(); return (await import(entry)).default;")
}

async fn typescript_means_what_typescript_means() {
    let source = "
        enum Color { Red, Green = 'g', Blue = Red + 5 }
        const enum Flag { A = 1 << 2 }
        namespace Shapes { export const side = 4; export namespace Deep { export const x = side * 2; } }
        abstract class Base { constructor(protected readonly a: number, public b = 2) {} declare c: string; }
        class Derived extends Base { get sum() { return this.a + this.b; } }
        function f(this: void, x?: number): asserts x is number {}
        let v = <T,>(x: T) => x!;
        export default { red: Color[0], green: Color.Green, blue: Color.Blue, flag: Flag.A, side: Shapes.side, deep: Shapes.Deep.x,
            sum: new Derived(1).sum, keys: Object.keys(new Derived(1)), v: v(1) satisfies number as unknown };
    ";
    assert_eq!(
        value(source).await,
        json!({"red": "Red", "green": "g", "blue": 5, "flag": 4, "side": 4, "deep": 8, "sum": 3, "keys": ["a", "b"], "v": 1})
    );
}

async fn decorators_are_typescripts() {
    let source = "
        const log: string[] = [];
        const note = (name: string) => { log.push('make ' + name); return (...a: any[]) => { log.push([name, typeof a[0], String(a[1]), typeof a[2]].join(' ')); }; };
        @note('class') class A {
            @note('field') x = 1;
            @note('first') @note('second') m(@note('param') p: number) { return p; }
            @note('accessor') get g() { return 1; }
            @note('static') static s() {}
        }
        new A();
        export default log;
    ";
    assert_eq!(
        value(source).await,
        json!([
            "make field",
            "field object x undefined",
            "make first",
            "make second",
            "make param",
            "param object m number",
            "second object m object",
            "first object m object",
            "make accessor",
            "accessor object g object",
            "make static",
            "static function s object",
            "make class",
            "class function undefined undefined",
        ])
    );
}

async fn older_hosts_provide_react_by_globals() {
    let build = build(&CARD).await;
    // No SDK and no jsx-runtime: `definePlugin` is the identity, and a key is no child.
    let check = "globalThis.React = React; const { default: plugin } = await import(entry);\
        let hook; try { plugin.extensionPoints['payment-methods']({}); } catch (error) { hook = error.message; }\
        return { name: plugin.name, defined: plugin.defined ?? null, hook };";
    let found = node(&build, check);
    assert_eq!((&found["name"], &found["defined"]), (&json!("Cards"), &json!(null)));
    assert!(found["hook"].as_str().unwrap().contains("provideHost"), "{found}");

    let keyed = crate::support::build(&[(
        "src/index.tsx",
        "const Row = (props: object) => JSON.stringify(props);\n\
         export default { name: 'x', rows: () => [<Row key=\"a\" n={1} />, <b key={2}>x</b>, <i {...{ key: 3 }} />] };",
    )])
    .await;
    let check = "globalThis.React = React; return (await import(entry)).default.rows();";
    assert_eq!(
        node(&keyed, check),
        json!(["{\"n\":1}", {"type": "b", "key": 2, "props": {"children": "x"}}, {"type": "i", "key": 3, "props": {}}])
    );
    let registered = "import { definePlugin, registerExtensionPoint as r, createExtensionPoint } from '@jackfield/plugin-sdk';\n\
        r('a', createExtensionPoint(() => 1)); export default definePlugin({ name: 'n', version: '1', extensionPoints: { b: () => 2 } });";
    let registered = crate::support::build(&[("src/index.tsx", registered)]).await;
    let points = "const { extensionPoints } = (await import(entry)).default; return [extensionPoints.a(), extensionPoints.b()];";
    assert_eq!(node(&registered, points), json!([1, 2]));
    let by_map = "globalThis.__pluginModules = { react: React, 'react/jsx-runtime': jsxRuntime,\
        '@ticketing/plugin-sdk': { definePlugin: (p) => ({ ...p, old: true }), usePluginConfig: () => 1 } };\
        return (await import(entry)).default.old;";
    assert_eq!(node(&build, by_map), json!(true));
}

async fn a_page_without_react_is_told_what_to_do() {
    let build = build(&CARD).await;
    let found =
        node(&build, "try { await import(entry); return null; } catch (error) { return error.message; }");
    let message = found.as_str().unwrap();
    assert!(message.contains("\"react\"") && message.contains("provideHost"), "{message}");
}

async fn the_sdk_has_one_key_under_all_its_names() {
    let source = "
        import * as a from '@jackfield/plugin-sdk'; import * as b from '@ticketing/plugin-sdk';
        import * as c from '@ticketsplatform/plugin-sdk'; import * as d from 'ticketsplatform-plugin-sdk';
        import * as s from '@ticketing/plugin-sdk/server'; import { createRoot } from 'react-dom/client';
        import { version } from 'react-dom'; import { jsxDEV } from 'react/jsx-dev-runtime';
        export default { names: [a, b, c, d].map((sdk: any) => sdk.tag), server: (s as any).tag, createRoot: createRoot(1), version,
            dev: jsxDEV('p', { children: 1 }, 'k') };
    ";
    let build = build(&[("src/index.tsx", source)]).await;
    let check = "provide({ react: React, 'react-dom': { version: '19' }, 'react-dom/client': { createRoot: (x) => x + 1 },\
        '@jackfield/plugin-sdk': { tag: 'sdk' }, '@jackfield/plugin-sdk/server': { tag: 'server' } });\
        return (await import(entry)).default;";
    let dev = json!({"type": "p", "key": "k", "props": {"children": 1}});
    assert_eq!(
        node(&build, check),
        json!({"names": ["sdk", "sdk", "sdk", "sdk"], "server": "server", "createRoot": 2, "version": "19", "dev": dev})
    );
}

async fn the_served_bundle_has_no_bare_import() {
    let build = build(&CARD).await;
    for (name, text) in served_scripts(&build) {
        assert!(
            !text.contains("from\"") && !text.contains("from \"") && !text.contains("import\""),
            "{name}: {text}"
        );
    }
    let bare = script(&build, &build.bare_entry);
    for module in ["react", "react/jsx-runtime", "@ticketing/plugin-sdk"] {
        assert!(bare.contains(&format!("from\"{module}\"")), "{bare}");
    }
    assert!(!bare.contains("provideHost"));
}

async fn files_become_modules() {
    let files = [
        (
            "src/index.tsx",
            "import data, { list } from './data.json'; import logo from '../assets/logo.svg'; import note from './note.txt';\n\
             import css from './a.css';\n\
             export default { data, list, logo, note, css };",
        ),
        ("src/data.json", "{\"list\": [1, 2], \"odd-key\": null}"),
        ("assets/logo.svg", "<svg/>"),
        ("src/note.txt", "a \"note\"\n"),
        ("src/a.css", ".a{background:url(../assets/logo.svg)}"),
    ];
    let build = build(&files).await;
    let logo = "data:image/svg+xml;base64,PHN2Zy8+";
    assert_eq!(
        node(&build, "return (await import(entry)).default;"),
        json!({"data": {"list": [1, 2], "odd-key": null}, "list": [1, 2], "logo": logo, "note": "a \"note\"\n",
            "css": format!(".a{{background:url({logo})}}")})
    );
}

async fn style_sheets_are_added_once() {
    let files = [
        ("src/index.tsx", "import './a.css'; import './b.css'; import './more'; export default 1;"),
        ("src/more.ts", "import './a.css';"),
        ("src/a.css", ".a{color:red}"),
        ("src/b.css", ".b{content:\"</style>\\2028\"}"),
    ];
    let build = build(&files).await;
    let page = "globalThis.CSSStyleSheet = class { replaceSync(text) { this.text = text; } };\
        globalThis.document = { adoptedStyleSheets: [] };\
        await import(entry); await import(entry + '?r=1'); await import(bare);\
        return document.adoptedStyleSheets.map((sheet) => sheet.text);";
    assert_eq!(node(&build, page), json!([".a{color:red}", ".b{content:\"</style>\\2028\"}"]));
    assert_eq!(node(&build, "return (await import(entry)).default;"), json!(1));
}

async fn dynamic_imports_become_chunks() {
    let files = [
        (
            "src/index.tsx",
            "import { state } from './state';\n\
             export default { name: 'lazy', load: async () => { state.n++; const { read } = await import('./lazy'); return read(); } };",
        ),
        ("src/lazy.ts", "import { state } from './state';\nexport const read = () => state.n;\n"),
        ("src/state.ts", "export const state = { n: 1 };\n"),
    ];
    let build = build(&files).await;
    let chunks = build.artifacts.iter().filter(|file| file.filename.starts_with("chunk-"));
    assert!(chunks.count() >= 2, "{:?}", names(&build));
    // The query stands for a retry: what the chunk shares with the entry is still one module.
    let check = "return [await (await import(entry + '?r=1')).default.load(), await (await import(bare)).default.load()];";
    assert_eq!(node(&build, check), json!([2, 3]));
}

fn names(build: &Build) -> Vec<&str> {
    build.artifacts.iter().map(|file| file.filename.as_str()).collect()
}

async fn source_maps_name_the_trees_files() {
    let mut files = CARD.to_vec();
    files.push(("src/a.css", ".a{}"));
    let index = format!("import './a.css';\n{}", files[0].1);
    files[0].1 = &index;
    let build = build(&files).await;
    for entry in [&build.entry, &build.bare_entry] {
        let text = script(&build, entry);
        assert!(text.trim_end().ends_with(&format!("//# sourceMappingURL={entry}.map")), "{text}");
        let map: Value = serde_json::from_slice(content(&build, &format!("{entry}.map"))).unwrap();
        let mut sources: Vec<_> =
            map["sources"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        sources.sort_unstable();
        assert_eq!(sources, ["src/card.tsx", "src/format.ts", "src/index.tsx"]);
        assert!(map["sourcesContent"].as_array().unwrap().iter().all(Value::is_string));
    }
    assert!(
        build
            .artifacts
            .iter()
            .all(|file| (file.kind == ArtifactKind::SourceMap) == file.filename.contains(".js.map"))
    );
}

async fn the_same_tree_gives_the_same_bytes() {
    let first = build(&CARD).await;
    for _ in 0..5 {
        assert_eq!(build(&CARD).await.artifacts, first.artifacts);
    }
    let mut other = CARD.to_vec();
    other[2].1 = "export const format = (text: string): string => text.toLowerCase();\n";
    let other = build(&other).await;
    assert_ne!((&other.entry, &other.bare_entry), (&first.entry, &first.bare_entry));
    assert!(
        first.entry.starts_with("index-") && first.bare_entry.starts_with("index.bare-"),
        "{:?}",
        names(&first)
    );
}

async fn cycles_and_types_are_no_errors() {
    let files = [
        (
            "src/index.ts",
            "import { Shape } from './types'; import type { Gone } from 'no-such-package'; import { other } from './other';\n\
             import { Also } from 'type-only-package';\n\
             export const here = 2; export default { area: (s: Shape & Gone & Also) => s, total: other() };",
        ),
        ("src/other.ts", "import { here } from './index'; export const other = () => typeof here;"),
        ("src/types.d.ts", "export interface Shape { side: number }"),
    ];
    let build = build(&files).await;
    assert_eq!(node(&build, "return Object.keys((await import(entry)).default);"), json!(["area", "total"]));
}

async fn jsx_in_other_files_works() {
    let files = [
        ("src/index.ts", "import { C } from './c'; export default { a: () => <p>{C()}</p> };"),
        ("src/c.js", "export const C = () => <b>c</b>;"),
    ];
    let build = build(&files).await;
    assert_eq!(build.warnings.len(), 1, "{:?}", build.warnings);
    assert_eq!(build.warnings[0].code, "jsx_in_ts");
    let c = json!({"type": "b", "key": null, "props": {"children": "c"}});
    let check = "provideAll(); return (await import(entry)).default.a();";
    assert_eq!(node(&build, check), json!({"type": "p", "key": null, "props": {"children": c}}));
}
