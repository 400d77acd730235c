//! How long a small plugin takes with warm workers. `bench/run` runs this beside esbuild.
//!
//! The argument is the number of builds. Prints one line of JSON: the times of all, in milliseconds.

#![expect(clippy::expect_used, reason = "a benchmark that cannot run has nothing to go on with")]
#![expect(clippy::print_stderr, reason = "there is nobody else to tell")]
#![expect(clippy::print_stdout, reason = "its result is its output")]

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use bundler::{BuildRequest, Bundler, Limits, SourceTree, WorkerCommand};

const WORKER: &str = "bundler-worker";
const WARM_UP: usize = 50;

fn main() -> ExitCode {
    let argument = std::env::args().nth(1);
    if argument.as_deref() == Some(WORKER) {
        return bundler::worker::main();
    }
    let Some(builds) = argument.and_then(|text| text.parse().ok()) else {
        eprintln!("usage: bundling NUMBER-OF-BUILDS");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let times = runtime.block_on(measure(builds));
    println!("{}", serde_json::json!({ "milliseconds": times }));
    ExitCode::SUCCESS
}

async fn measure(builds: usize) -> Vec<f64> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugin");
    let mut tree = SourceTree::new();
    for path in ["src/index.tsx", "src/card.tsx", "src/format.ts"] {
        let content = std::fs::read(folder.join(path)).expect("the plugin of the benchmark");
        tree.insert(path, content.into()).expect("a plain path");
    }
    let worker = WorkerCommand::this_program([WORKER]).expect("this program");
    let bundler = Bundler::new(worker, Limits::default());
    let mut times = Vec::with_capacity(builds);
    for round in 0..WARM_UP + builds {
        let request = BuildRequest { tree: tree.clone(), entry: None, plugin_id: "bench".to_owned() };
        let started = Instant::now();
        let build = bundler.build(request).await.expect("the plugin builds");
        let milliseconds = started.elapsed().as_secs_f64() * 1e3;
        assert!(build.definition.name.is_some());
        if round >= WARM_UP {
            times.push(milliseconds);
        }
    }
    bundler.shutdown().await;
    times
}
