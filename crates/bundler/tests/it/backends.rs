//! Backends become one script each, and what they cannot have is told with its place.

use std::process::Command;

use bundler::{BackendBuild, BackendRequest, Diagnostic, Error, Limit, Limits};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::support::{SHARED, bundler, tree, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_backend_is_one_script_with_its_default_export", a_backend_is_one_script),
        trial("the_sdk_has_the_same_functions_under_every_name", the_sdk_under_every_name),
        trial("the_map_leads_to_the_author_s_lines", the_map_leads_to_the_authors_lines),
        trial("what_a_backend_cannot_have_is_told_with_its_place", what_a_backend_cannot_have),
        trial("a_backend_cannot_wait_while_it_is_loaded", a_backend_cannot_wait),
        trial("a_backend_needs_an_entry_and_a_default_export", a_backend_needs_a_default_export),
        trial("a_backend_that_is_too_large_is_refused", a_backend_that_is_too_large),
        trial("types_of_the_page_s_half_cost_nothing", types_cost_nothing),
    ]
}

const ENTRY: &str = "server/index.ts";

async fn try_build(files: &[(&str, &str)]) -> Result<BackendBuild, Error> {
    SHARED.build_backend(BackendRequest { tree: tree(files), entry: ENTRY.to_owned() }).await
}

async fn build(files: &[(&str, &str)]) -> BackendBuild {
    match try_build(files).await {
        Ok(build) => build,
        Err(error) => panic!("{error}\n{:#?}", error.diagnostics()),
    }
}

async fn refused(files: &[(&str, &str)]) -> Vec<Diagnostic> {
    match try_build(files).await {
        Ok(build) => panic!("built: {}", text(&build)),
        Err(Error::Invalid(diagnostics)) => diagnostics,
        Err(error) => panic!("{error:?}"),
    }
}

fn text(build: &BackendBuild) -> &str {
    std::str::from_utf8(&build.script).unwrap()
}

/// Evaluates the script within a function, as the sandbox does, in a Node that has no modules to give; `check` sees the
/// backend as `plugin`, and what it returns comes back.
fn node(build: &BackendBuild, check: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("backend.js"), &build.script).unwrap();
    let driver = format!(
        "const script = require('fs').readFileSync('backend.js', 'utf8');\n\
         const vm = require('vm');\n\
         const plugin = vm.runInNewContext('(function(){{' + script + '\\nreturn __plugin}})()', {{}});\n\
         (async () => {{ {check} }})().then((value) => console.log(JSON.stringify(value)));"
    );
    let output = Command::new("node").arg("-e").arg(driver).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}\n{}", text(build), String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn a_backend_is_one_script() {
    let built = build(&[
        (
            ENTRY,
            "import { rates, type Rate } from './rates';\n\
             import limits from './limits.json';\n\
             export const version = 2;\n\
             enum Mode { Strict = 'strict' }\n\
             export default { handlers: {\n\
               async quote(): Promise<Rate> { return { ...rates.eur, mode: Mode.Strict, max: limits.max }; },\n\
               async later() { return (await import('./later')).answer(); },\n\
               strict() { return (function () { return this === undefined; })(); },\n\
               environment() { return process.env.NODE_ENV; },\n\
             } };\n",
        ),
        ("server/rates.ts", "export interface Rate { value: number }\nexport const rates = { eur: { value: 1.5 } };"),
        ("server/limits.json", "{\"max\": 7}"),
        ("server/later.ts", "export const answer = () => 42;"),
        // The page's part is another matter.
        ("src/index.tsx", "import 'react'; export default {"),
    ])
    .await;
    let found = node(
        &built,
        "const { quote, later, strict, environment } = plugin.handlers; \
         return [Object.keys(plugin), await quote(), await later(), strict(), environment()];",
    );
    assert_eq!(
        found,
        json!([["handlers"], {"value": 1.5, "mode": "strict", "max": 7}, 42, true, "production"]),
        "a named export beside it changes nothing, nothing is split off, and a module is strict"
    );
    assert!(text(&built).contains("async quote()"), "names stay: {}", text(&built));
    assert_eq!(built.warnings, []);
}

async fn the_sdk_under_every_name() {
    for name in [
        "@jackfield/plugin-sdk/server",
        "@ticketing/plugin-sdk/server",
        "@ticketsplatform/plugin-sdk/server",
        "ticketsplatform-plugin-sdk/server",
    ] {
        let source = format!(
            "import {{ defineBackendPlugin, jsonResponse, errorResponse }} from '{name}';\n\
             export default defineBackendPlugin({{ handlers: {{\n\
               good: () => [jsonResponse({{ a: 1 }}), jsonResponse(2, 201, {{ etag: 'x' }})],\n\
               bad: () => [errorResponse(404, 'gone'), errorResponse(422, 'wrong', {{ field: 'a' }})],\n\
             }} }});"
        );
        let built = build(&[(ENTRY, &source)]).await;
        assert_eq!(
            node(&built, "return [...plugin.handlers.good(), ...plugin.handlers.bad()];"),
            json!([
                {"status": 200, "body": {"a": 1}},
                {"status": 201, "body": 2, "headers": {"etag": "x"}},
                {"status": 404, "body": {"error": "gone"}},
                {"status": 422, "body": {"error": "wrong", "field": "a"}},
            ]),
            "{name}"
        );
    }
}

async fn the_map_leads_to_the_authors_lines() {
    let built = build(&[
        (ENTRY, "import { fail } from './fail';\n\nexport default { handlers: { a: () => fail() } };\n"),
        (
            "server/fail.ts",
            "interface Unused { a: string }\n\nexport function fail() {\n  throw new Error('no');\n}\n",
        ),
    ])
    .await;
    let map: Value = serde_json::from_slice(&built.source_map).unwrap();
    let sources: Vec<&str> = map["sources"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(sources.contains(&"server/fail.ts") && sources.contains(&ENTRY), "{sources:?}");
    let line = text(&built).lines().position(|line| line.contains("throw new Error")).unwrap();
    // `throw` in the script's line has a mapping that names the source's line.
    let mappings = map["mappings"].as_str().unwrap().split(';').nth(line).unwrap();
    assert!(!mappings.is_empty(), "line {line} of the script leads nowhere");
    assert!(
        map["sourcesContent"]
            .as_array()
            .unwrap()
            .iter()
            .any(|text| text.as_str().unwrap().contains("Unused"))
    );
}

async fn what_a_backend_cannot_have() {
    let helper = "server/helper.ts";
    for (source, code, column, words) in [
        ("import { useState } from 'react'; export const a = useState;", "page_only", 26, "\"react\""),
        ("import { render } from \"react-dom\"; export const a = render;", "page_only", 24, "react-dom"),
        (
            "import { usePluginConfig as u } from '@jackfield/plugin-sdk'; export const a = u;",
            "page_only",
            38,
            "pages",
        ),
        ("import { u } from 'ticketsplatform-plugin-sdk'; export const a = u;", "page_only", 19, "pages"),
        ("import './look.css'; export const a = 1;", "page_only", 8, "look.css"),
        (
            "import { readFile } from 'node:fs/promises'; export const a = readFile;",
            "node_module",
            26,
            "Node",
        ),
        ("import fs from 'fs'; export const a = fs;", "node_module", 16, "\"fs\""),
        ("export const a = () => import('crypto');", "node_module", 31, "\"crypto\""),
        ("export const a = () => require('path/posix');", "node_module", 32, "path/posix"),
        ("import _ from 'lodash'; export const a = _;", "bare_import", 15, "lodash"),
        ("import a from 'https://evil.example/a.js'; export { a };", "remote_import", 15, "another server"),
        ("import a from '../../etc/passwd'; export { a };", "import_outside_tree", 15, "leaves"),
    ] {
        let files = [
            (ENTRY, "import { a } from './helper';\nexport default { handlers: { a } };"),
            (helper, source),
            ("server/look.css", "a { color: red }"),
        ];
        let found = refused(&files).await;
        assert_eq!(found.len(), 1, "{source}: {found:#?}");
        let place = (found[0].code.as_str(), found[0].file.as_deref(), found[0].line, found[0].column);
        assert_eq!(place, (code, Some(helper), Some(1), Some(column)), "{source}: {found:#?}");
        assert!(found[0].message.contains(words), "{source}: {found:#?}");
        assert!(code == "import_outside_tree" || found[0].hint.is_some(), "{source}: {found:#?}");
    }
    let files = [
        (ENTRY, "import { a } from './a';\nexport default { handlers: { a } };"),
        ("server/a.tsx", "export const a = () => <p/>;"),
    ];
    let found = refused(&files).await;
    assert_eq!(
        (found[0].code.as_str(), found[0].file.as_deref()),
        ("page_only", Some("server/a.tsx")),
        "{found:#?}"
    );
    assert!(found[0].message.contains("JSX"), "{found:#?}");
    let source =
        "import { defineWebhook } from '@jackfield/plugin-sdk/server';\nexport default defineWebhook({});";
    let found = refused(&[(ENTRY, source)]).await;
    assert_eq!(
        (found[0].code.as_str(), found[0].line, found[0].column),
        ("missing_export", Some(1), Some(10))
    );
    assert_eq!(
        found[0].message,
        "\"defineWebhook\" is not exported by \"@jackfield/plugin-sdk/server\", imported by \"server/index.ts\"."
    );
}

async fn a_backend_cannot_wait() {
    for (source, line, column) in [
        ("const a = 1;\nconst b = await Promise.resolve(a);\nexport default { handlers: {} };", 2, 11),
        ("for await (const a of []) { a; }\nexport default { handlers: {} };", 1, 1),
        ("if (true) {\n  await 1;\n}\nexport default { handlers: {} };", 2, 3),
    ] {
        let found = refused(&[(ENTRY, source)]).await;
        let place = (found[0].code.as_str(), found[0].file.as_deref(), found[0].line, found[0].column);
        assert_eq!(place, ("top_level_await", Some(ENTRY), Some(line), Some(column)), "{found:#?}");
    }
    let waits = "const f = async () => await 1;\nasync function g() { for await (const a of []) a; }\n\
                 class A { async m() { await f(); } static { g(); } }\nexport default { handlers: { f, A } };";
    build(&[(ENTRY, waits)]).await;
}

async fn a_backend_needs_a_default_export() {
    let found = refused(&[(ENTRY, "export const handlers = {};")]).await;
    assert_eq!((found[0].code.as_str(), found[0].file.as_deref()), ("no_default_export", Some(ENTRY)));
    for files in [&[("src/index.ts", "export default {}")][..], &[("server/index.css", "")]] {
        let found = refused(files).await;
        assert_eq!(found[0].code, "entry_not_found", "{found:#?}");
        assert!(found[0].message.contains(ENTRY), "{found:#?}");
    }
    build(&[
        (ENTRY, "export { default } from './other';"),
        ("server/other.js", "module.exports = { handlers: {} };"),
    ])
    .await;
}

async fn a_backend_that_is_too_large() {
    let bundler = bundler(Limits { output_bytes: 1000, ..Limits::default() });
    let source = format!("export default {{ handlers: {{ a: () => '{}' }} }};", "x".repeat(2000));
    let request = BackendRequest { tree: tree(&[(ENTRY, &source)]), entry: ENTRY.to_owned() };
    let result = bundler.build_backend(request).await;
    assert!(matches!(result, Err(Error::Limit { limit: Limit::OutputBytes, .. })), "{result:?}");
    bundler.shutdown().await;
}

async fn types_cost_nothing() {
    let source = "import type { Plugin } from '@jackfield/plugin-sdk';\nimport { Other } from '@jackfield/plugin-sdk';\n\
                  export const a: Plugin & Other = 1;\nexport default { handlers: { a: () => a } };";
    let built = build(&[(ENTRY, source)]).await;
    assert_eq!(node(&built, "return plugin.handlers.a();"), json!(1));
}
