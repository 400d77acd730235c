//! What a plugin says of itself is read from its program.

use std::fmt::Write as _;

use bundler::{Definition, Error};
use bytes::Bytes;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::support::{SHARED, build, script, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("the_documented_plugin_is_read", the_documented_plugin_is_read),
        trial("exports_are_followed_through_modules", exports_are_followed_through_modules),
        trial("names_of_extension_points_are_evaluated", names_of_extension_points_are_evaluated),
        trial("registrations_are_found_anywhere", registrations_are_found_anywhere),
        trial("what_is_dynamic_is_left_out_and_told", what_is_dynamic_is_left_out_and_told),
        trial("text_that_looks_like_a_definition_is_none", text_that_looks_like_a_definition_is_none),
        trial("constants_that_explode_are_given_up", constants_that_explode_are_given_up),
        trial("our_own_bundles_can_be_inspected", our_own_bundles_can_be_inspected),
        trial("prebuilt_bundles_are_checked", prebuilt_bundles_are_checked),
    ]
}

async fn definition(files: &[(&str, &str)]) -> Definition {
    let build = build(files).await;
    assert_eq!(build.warnings, []);
    build.definition
}

async fn of(source: &str) -> Definition {
    definition(&[("src/index.tsx", source)]).await
}

async fn the_documented_plugin_is_read() {
    let found = of("
        import { definePlugin } from '@ticketing/plugin-sdk';
        const PaymentMethodComponent = () => <div/>; function AdminSettingsComponent() { return null; }
        export default definePlugin({
            name: 'Credit Card Payments', version: '1.0.0', description: `Process ${'credit'} card payments`, category: 'payment',
            metadata: { author: 'Payment Solutions Inc', priority: 10, rate: -0.5, tags: ['a', null, true], icon: { url: 'x' } },
            configSchema: { type: 'object' }, onInstall() {},
            extensionPoints: { 'payment-methods': PaymentMethodComponent, AdminSettingsComponent },
        });")
    .await;
    assert_eq!(found.name.as_deref(), Some("Credit Card Payments"));
    assert_eq!(found.version.as_deref(), Some("1.0.0"));
    assert_eq!(found.description.as_deref(), Some("Process credit card payments"));
    assert_eq!(found.category.as_deref(), Some("payment"));
    assert_eq!(found.extension_points, ["payment-methods", "AdminSettingsComponent"]);
    assert_eq!(
        Value::Object(found.metadata),
        json!({"author": "Payment Solutions Inc", "priority": 10, "rate": -0.5, "tags": ["a", null, true], "icon": {"url": "x"}})
    );
    assert_eq!(Value::Object(found.other), json!({"configSchema": {"type": "object"}}));
}

async fn exports_are_followed_through_modules() {
    let files = [
        ("src/index.tsx", "export { plugin as default } from './all';"),
        ("src/all.ts", "export * from './plugin';"),
        (
            "src/plugin.tsx",
            "import type { Plugin } from '@jackfield/plugin-sdk'; import pkg, { version } from '../package.json'; import * as words from './words';\n\
             const base = { category: 'x', ...words.base } as const;\n\
             export const plugin = (Object.freeze({ ...base, name: pkg.title, version, description: words.Word.Long,\n\
               metadata: { ...pkg.metadata, kind: words.Word['Short'] } }) satisfies object) as unknown as Plugin;",
        ),
        (
            "src/words.ts",
            "export enum Word { Long = 'long', Short = 's' } export const base = { category: 'y' };",
        ),
        ("package.json", "{\"title\": \"T\", \"version\": \"2.0.0\", \"metadata\": {\"a\": [1]}}"),
    ];
    let found = definition(&files).await;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    assert_eq!(
        [text(&found.name), text(&found.version), text(&found.description), text(&found.category)],
        ["T", "2.0.0", "long", "y"]
    );
    assert_eq!(Value::Object(found.metadata), json!({"a": [1], "kind": "s"}));
    for export in [
        "const p = { name: 'n' }; export { p as default };",
        "import p from './p'; export default p;",
        "import p from './p'; export { p as default };",
        "export { default } from './p';",
        "var p = (0, x.definePlugin)({ name: 'n' }); export { p as default };\nconst x = { definePlugin: (a: unknown) => a };",
    ] {
        let found =
            definition(&[("src/index.ts", export), ("src/p.ts", "export default { name: 'n' }")]).await;
        assert_eq!(found.name.as_deref(), Some("n"), "{export}");
    }
}

async fn names_of_extension_points_are_evaluated() {
    let found = of("
        const PREFIX = 'checkout'; enum Point { Widget = 'widget' } const points = { admin: 'admin-settings' } as const;
        const more = { spread: () => null };
        export default { extensionPoints: { [PREFIX + '-done']: 1, [`${PREFIX}.x`]: 2, [Point.Widget]: 3, [points.admin]: 4, plain() {}, 7: 5, ...more } };")
    .await;
    assert_eq!(
        found.extension_points,
        ["checkout-done", "checkout.x", "widget", "admin-settings", "plain", "7", "spread"]
    );
    assert_eq!(of("export default { extensionPoints: ['a', 'b', 'a'] };").await.extension_points, ["a", "b"]);
}

async fn registrations_are_found_anywhere() {
    let files = [
        (
            "src/index.tsx",
            "import './more'; import { registerExtensionPoint } from '@jackfield/plugin-sdk';\nregisterExtensionPoint('a', () => null);\nexport default { name: 'n', extensionPoints: { z: 1 } };",
        ),
        (
            "src/more.ts",
            "import { registerExtensionPoint as r, createExtensionPoint } from 'ticketsplatform-plugin-sdk'; import * as sdk from '@jackfield/plugin-sdk';\n\
            const B = 'b'; export function f() { r(B, () => null); }\nsdk.createExtensionPoint('c'); createExtensionPoint('a'); createExtensionPoint(() => null);\n\
            const other = { r: (_: string) => 1 }; other.r('not-a-point');",
        ),
        (
            "src/unused.ts",
            "import { registerExtensionPoint } from '@jackfield/plugin-sdk'; registerExtensionPoint('unused', 1);",
        ),
    ];
    assert_eq!(definition(&files).await.extension_points, ["z", "a", "b", "c"]);
}

async fn what_is_dynamic_is_left_out_and_told() {
    let source = "const now = String(Date.now());\nlet name = 'a'; name += 'b';\n\
        export default {\n name,\n version: now,\n category: 'x',\n metadata: { at: now, ok: 1, no: undefined },\n extensionPoints: { [now]: 1, ok: 2 },\n};";
    let build = build(&[("src/index.ts", source)]).await;
    let found = build.definition;
    assert_eq!((found.name, found.version, found.category.as_deref()), (None, None, Some("x")));
    assert_eq!(Value::Object(found.metadata), json!({"ok": 1}));
    assert_eq!(found.extension_points, ["ok"]);
    let places: Vec<_> = build.warnings.iter().map(|w| (w.code.as_str(), w.line.unwrap())).collect();
    assert_eq!(
        places,
        [
            ("definition_dynamic", 4),
            ("definition_dynamic", 5),
            ("definition_dynamic", 7),
            ("extension_point_dynamic", 8)
        ]
    );
    let build = crate::support::build(&[("src/index.ts", "export default class Plugin {}")]).await;
    assert_eq!(build.warnings[0].code, "definition_dynamic");
}

async fn text_that_looks_like_a_definition_is_none() {
    let found =
        of("// extensionPoints: { 'comment': A }\nconst text = \"registerExtensionPoint('text')\";\n\
        export default { name: 'n', text, render: () => <p>extensionPoints: {'{'} 'jsx': 1 {'}'}</p> };")
        .await;
    assert_eq!(found.extension_points, Vec::<String>::new());
}

async fn constants_that_explode_are_given_up() {
    let mut source = "const a0 = { x: 1, y: 2 };\n".to_owned();
    for n in 1..60 {
        writeln!(source, "const a{n} = {{ p: a{0}, q: a{0}, ...a{0} }};", n - 1).unwrap();
    }
    source += "export default { name: 'n', metadata: a59 };";
    match SHARED.build(crate::support::request(&[("src/index.ts", &source)])).await {
        Ok(build) => assert!(serde_json::to_vec(&build.definition).unwrap().len() < 300_000),
        Err(Error::Invalid(found)) => assert_eq!(found[0].code, "definition_too_large"),
        Err(error) => panic!("{error:?}"),
    }
    let large = format!("export default {{ name: 'n', metadata: {{ a: {:?} }} }};", "x".repeat(300_000));
    assert_eq!(crate::support::refused(&[("src/index.ts", &large)]).await[0].code, "definition_too_large");
    let cycle =
        "const a: any = { ...b }; const b: any = { ...a, name: c }; const c: any = c; export default b;";
    crate::support::build(&[("src/index.ts", cycle)]).await;
}

async fn our_own_bundles_can_be_inspected() {
    let source = "import { definePlugin, registerExtensionPoint } from '@jackfield/plugin-sdk';\nimport { useState } from 'react';\n\
        const View = () => <p>{useState(1)}</p>; registerExtensionPoint('b', View);\n\
        export default definePlugin({ name: 'n', version: '1.2.3', metadata: { flag: true, off: false, none: null, text: `a\nb` }, extensionPoints: { a: View } });";
    let build = build(&[("src/index.tsx", source)]).await;
    for (entry, imports) in [
        (&build.entry, vec![]),
        (&build.bare_entry, vec!["@jackfield/plugin-sdk", "react", "react/jsx-runtime"]),
    ] {
        let text = script(&build, entry);
        let mut found =
            SHARED.inspect(Bytes::from(text.clone())).await.unwrap_or_else(|error| panic!("{error}: {text}"));
        found.host_imports.sort();
        assert_eq!(found.definition, build.definition, "{text}");
        assert_eq!(found.host_imports, imports);
    }
}

async fn prebuilt_bundles_are_checked() {
    let inspect = async |text: &str| SHARED.inspect(Bytes::copy_from_slice(text.as_bytes())).await;
    for (text, code, line) in [
        ("export default {", "syntax_error", Some(1)),
        ("const a = 1;", "no_default_export", None),
        ("import x from 'lodash';\nexport default x;", "bare_import", Some(1)),
        ("export default 1;\nimport('left-pad');", "bare_import", Some(2)),
        ("export * from 'https://x.example/y.js';export default 1", "remote_import", Some(1)),
        ("import './chunk.js';export default 1", "import_not_found", Some(1)),
        ("import '/etc/passwd';export default 1", "import_not_found", Some(1)),
    ] {
        match inspect(text).await {
            Err(Error::Invalid(found)) => {
                assert_eq!((found[0].code.as_str(), found[0].line), (code, line), "{text}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    let deep = format!("export default {}1{}", "(".repeat(60_000), ")".repeat(60_000));
    let Err(Error::Invalid(found)) = inspect(&deep).await else { panic!("inspected") };
    assert_eq!(found[0].code, "source_too_deep");
    let fine =
        inspect("import*as r from\"react\";var p={name:\"n\",extensionPoints:{a:r.x}};export{p as default};")
            .await
            .unwrap();
    assert_eq!((fine.definition.name.as_deref(), fine.host_imports), (Some("n"), vec!["react".to_owned()]));
    assert_eq!(fine.warnings[0].code, "host_import");
}
