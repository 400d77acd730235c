//! Sources that are meant to break the bundler do not.

use std::time::{Duration, Instant};

use bundler::{Bundler, Error, Limits};
use libtest_mimic::Trial;

use crate::support::{bundler, request, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("nesting_of_every_kind_is_survived", nesting_of_every_kind_is_survived),
        trial("what_is_deep_but_allowed_builds", what_is_deep_but_allowed_builds),
        trial("mutated_sources_never_break_the_pool", mutated_sources_never_break_the_pool),
        trial("canaries_of_the_disk_stay_unread", canaries_of_the_disk_stay_unread),
    ]
}

fn hostile() -> Bundler {
    bundler(Limits { time: Duration::from_secs(8), concurrency: 2, ..Limits::default() })
}

async fn nesting_of_every_kind_is_survived() {
    let bundler = hostile();
    let n = 60_000;
    let sources = [
        ("parentheses", format!("export default {}1{}", "(".repeat(n), ")".repeat(n))),
        ("arrays", format!("export default {}{}", "[".repeat(n), "]".repeat(n))),
        ("unclosed", format!("export default {}", "[{(".repeat(n))),
        ("blocks", format!("{}{}export default 1", "{".repeat(n), "}".repeat(n))),
        ("elements", format!("export default {}{}", "<a>".repeat(n), "</a>".repeat(n))),
        ("unclosed elements", format!("export default {}", "<a>".repeat(n))),
        ("sums", format!("export default {}1", "1+".repeat(n))),
        ("negations", format!("export default {}1", "!".repeat(n))),
        ("conditionals", format!("export default {}1", "a?b:".repeat(n))),
        ("arrows", format!("export default {}1", "a=>".repeat(n))),
        ("templates", format!("export default {}1{}", "`${".repeat(n), "}`".repeat(n))),
        ("members", format!("export default a{}", ".a".repeat(n))),
        ("assignments", format!("let a; {}1; export default a", "a=".repeat(n))),
        ("statements", format!("{}; export default 1", "if(1)".repeat(n))),
        ("types", format!("type A = {}1{}; export default 1", "B<".repeat(n), ">".repeat(n))),
        ("generic calls", format!("export default {}", "a<".repeat(n))),
        ("news", format!("export default {}a", "new ".repeat(n))),
    ];
    for (kind, source) in sources {
        let started = Instant::now();
        match bundler.build(request(&[("index.tsx", &source)])).await {
            Ok(_) => {}
            Err(error @ (Error::Invalid(_) | Error::Crashed | Error::Timeout { .. })) => {
                assert!(!error.diagnostics().is_empty(), "{kind}");
            }
            Err(error) => panic!("{kind}: {error:?}"),
        }
        assert!(started.elapsed() < Duration::from_secs(12), "{kind}");
        bundler
            .build(request(&[("index.ts", "export default 1;")]))
            .await
            .unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
    bundler.shutdown().await;
}

async fn what_is_deep_but_allowed_builds() {
    let bundler = bundler(Limits { time: Duration::from_mins(1), ..Limits::default() });
    let n = 990;
    for source in [
        format!("export default {}1{}", "(".repeat(n), ")".repeat(n)),
        format!("export default {}{}", "[".repeat(n), "]".repeat(n)),
        format!("export default () => {}{}", "<a>".repeat(n), "</a>".repeat(n)),
        format!("export default {}1", "x+".repeat(n)),
    ] {
        let found = bundler.build(request(&[("index.tsx", &source)])).await;
        assert!(found.is_ok(), "{:?}: {}", found.err(), &source[..40]);
    }
    bundler.shutdown().await;
}

const FILES: [(&str, &str); 4] = [
    (
        "src/index.tsx",
        "import { definePlugin, registerExtensionPoint } from '@jackfield/plugin-sdk';\nimport { useState } from 'react';\n\
         import Card, { Size as S } from './card';\nimport './card.css';\nimport data from './data.json';\n\
         export enum Mode { A = 'a', B = 1 << 2 }\nnamespace N { export const x = `t${Mode.A}`; }\n\
         function deco(...a: any[]): any {}\n@deco class K<T extends object> { @deco m(@deco p: T) { return p; } #q = 1; }\n\
         const View = ({ a = 1, ...rest }: { a?: number }) => { const [n] = useState<number>(a ?? 0); return <><Card key=\"k\" {...rest} size={S.Big}>{n}</Card></>; };\n\
         registerExtensionPoint('p', View);\n\
         export const lazy = () => import('./card');\n\
         export default definePlugin({ name: 'x', version: '1.0.0', metadata: { ...data, n: -1 }, extensionPoints: { ['a' + 1]: View, K } });\n",
    ),
    (
        "src/card.tsx",
        "export enum Size { Small, Big }\nexport default function Card(p: { size: Size; children?: unknown }) { return <b title={String(p.size)}>{p.children as any}</b>; }\n",
    ),
    ("src/card.css", ".a{background:url(./x.svg)}/* c */"),
    ("src/x.svg", "<svg/>"),
];

const TOKENS: [&str; 44] = [
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    "</>",
    "`",
    "${",
    "import ",
    "export ",
    "default ",
    "enum X{",
    "namespace N{",
    "@dec ",
    "class ",
    "#p",
    "=>",
    "async ",
    "await ",
    "yield ",
    "...",
    "?.",
    "??=",
    "/*",
    "//",
    "'",
    "\"",
    "\\u{",
    "/(?<",
    "satisfies ",
    "as const",
    "using ",
    "abstract ",
    "declare ",
    "\u{202e}",
    "\0",
    "export * from './card';",
    "import x from './index';",
    "require('./card')",
    "module.exports=",
    "eval('')",
];

/// A small generator (xorshift), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % n.max(1)
    }

    fn boundary(&mut self, text: &str) -> usize {
        let mut at = self.below(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

fn mutate(random: &mut Random, text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..=random.below(4) {
        let (a, b) = (random.boundary(&text), random.boundary(&text));
        let (from, to) = (a.min(b), a.max(b));
        match random.below(4) {
            0 => text.insert_str(from, TOKENS[random.below(TOKENS.len())]),
            1 => text.replace_range(from..to.min(from + 20).max(from), ""),
            2 => {
                let piece = text[from..to].to_owned();
                text.insert_str(random.boundary(&text), &piece);
            }
            _ => text.truncate(to.max(1)),
        }
        while !text.is_char_boundary(text.len()) {
            text.pop();
        }
    }
    text
}

async fn mutated_sources_never_break_the_pool() {
    let bundler = hostile();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut sound, mut invalid, mut died) = (0, 0, Vec::new());
    for round in 0..400 {
        let which = random.below(3);
        let changed = mutate(&mut random, FILES[which].1);
        let mut files = FILES.to_vec();
        files[which].1 = &changed;
        files.push(("src/data.json", "{\"a\": [1, {\"b\": null}]}"));
        match bundler.build(request(&files)).await {
            Ok(build) => {
                sound += 1;
                assert!(build.artifacts.iter().any(|file| file.filename == build.entry), "{round}");
            }
            Err(Error::Invalid(diagnostics)) => {
                invalid += 1;
                assert!(diagnostics.iter().any(|d| d.severity == bundler::Severity::Error), "{round}");
                assert!(
                    diagnostics.iter().all(|d| d.file.is_some() && !d.message.contains("__jackfield")),
                    "{round}: {diagnostics:#?}"
                );
            }
            Err(Error::Crashed | Error::Timeout { .. }) => died.push(changed),
            Err(error) => panic!("{round}: {error:?}"),
        }
    }
    assert!(sound > 20 && invalid > 100, "{sound} built, {invalid} invalid");
    assert!(died.len() < 20, "{died:#?}");
    bundler
        .build(request(&FILES[1..2].iter().map(|(_, text)| ("index.tsx", *text)).collect::<Vec<_>>()))
        .await
        .unwrap();
    bundler.shutdown().await;
}

async fn canaries_of_the_disk_stay_unread() {
    let folder = tempfile::tempdir().unwrap();
    let canary = folder.path().join("canary.ts");
    std::fs::write(&canary, "export default 'CANARY';").unwrap();
    let canary = canary.to_str().unwrap();
    let bundler = hostile();
    for source in [
        format!("import c from '{canary}'; export default c;"),
        format!("import c from 'file://{canary}'; export default c;"),
        format!("import c from '../../../../../../../../../..{canary}'; export default c;"),
        format!("const c = require('{canary}'); export default c;"),
        format!("export default import('{canary}');"),
        format!("export * as default from '{canary}';"),
        format!("/// <reference path=\"{canary}\" />\nimport c = require('{canary}'); export default c;"),
        format!("//# sourceMappingURL={canary}\nexport default 1;"),
        format!("export default new URL('{canary}', import.meta.url);"),
    ] {
        if let Ok(build) = bundler.build(request(&[("src/index.ts", &source)])).await {
            for artifact in &build.artifacts {
                assert!(!String::from_utf8_lossy(&artifact.content).contains("CANARY"), "{source}");
            }
        }
    }
    let files = [
        ("src/index.ts", "import './a.css'; export default 1;".to_owned()),
        ("src/a.css", format!(".a{{b:url({canary})}}")),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let build = bundler.build(request(&files)).await.unwrap();
    assert!(build.artifacts.iter().all(|file| !String::from_utf8_lossy(&file.content).contains("CANARY")));
    bundler.shutdown().await;
}
