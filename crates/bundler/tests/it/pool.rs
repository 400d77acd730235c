//! Workers die, hang and are replaced; the bundler serves on.

use std::time::{Duration, Instant};

use bundler::{Bundler, Error, Limits, WorkerCommand};
use libtest_mimic::Trial;

use crate::support::{WORKER, bundler, request, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("an_endless_build_is_stopped", an_endless_build_is_stopped),
        trial("a_dropped_build_frees_its_place", a_dropped_build_frees_its_place),
        trial("too_many_builds_are_turned_away", too_many_builds_are_turned_away),
        trial("builds_run_side_by_side", builds_run_side_by_side),
        trial("workers_are_recycled_and_idle_ones_end", workers_are_recycled_and_idle_ones_end),
        trial("a_killed_worker_is_replaced", a_killed_worker_is_replaced),
        trial("a_program_that_is_no_worker_is_an_error", a_program_that_is_no_worker_is_an_error),
        trial("shutdown_ends_the_workers", shutdown_ends_the_workers),
        trial("workers_end_with_their_server", workers_end_with_their_server),
        trial("a_worker_opens_no_file", a_worker_opens_no_file),
    ]
}

const PLUGIN: [(&str, &str); 1] = [("index.ts", "export default { name: 'n' };")];

/// Sources that keep the bundler busy for seconds.
fn slow() -> String {
    let items: String = (0..400_000).map(|n| ["(a) => a + ", &n.to_string(), ","].concat()).collect();
    format!("export default [{items}];")
}

/// A bundler whose workers can be told from those of the tests that run beside this one.
struct Marked {
    bundler: Bundler,
    mark: &'static str,
}

fn marked(mark: &'static str, limits: Limits) -> Marked {
    let command = WorkerCommand::this_program([WORKER, mark]).unwrap();
    Marked { bundler: Bundler::new(command, limits), mark }
}

impl Marked {
    /// The ids of its workers that run, by what Linux knows of them.
    fn workers(&self) -> Vec<i32> {
        let own = std::process::id().to_string();
        let processes = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let parent = |id: i32| -> Option<String> {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            stat.rsplit(')').next()?.split_whitespace().nth(1).map(str::to_owned)
        };
        // A process that has ended and was not waited for yet has no command line.
        let is_marked = |id: i32| {
            let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|word| word == self.mark.as_bytes())
        };
        processes.filter(|id| parent(*id).as_deref() == Some(&own) && is_marked(*id)).collect()
    }
}

async fn builds(bundler: &Bundler) {
    bundler.build(request(&PLUGIN)).await.unwrap();
}

async fn an_endless_build_is_stopped() {
    let bundler = bundler(Limits { time: Duration::from_millis(300), concurrency: 1, ..Limits::default() });
    bundler.warm().await.unwrap();
    let started = Instant::now();
    let error = bundler.build(request(&[("index.ts", &slow())])).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(error.diagnostics()[0].code, "build_timeout");
    builds(&bundler).await;
    bundler.shutdown().await;
}

async fn a_dropped_build_frees_its_place() {
    let bundler = bundler(Limits { concurrency: 1, wait: Duration::from_secs(5), ..Limits::default() });
    bundler.warm().await.unwrap();
    let source = slow();
    let files = [("index.ts", source.as_str())];
    let dropped = tokio::time::timeout(Duration::from_millis(100), bundler.build(request(&files))).await;
    assert!(dropped.is_err());
    builds(&bundler).await;
    bundler.shutdown().await;
}

async fn too_many_builds_are_turned_away() {
    let limits = Limits {
        concurrency: 1,
        queue: 1,
        time: Duration::from_secs(4),
        wait: Duration::from_secs(1),
        ..Limits::default()
    };
    let bundler = bundler(limits);
    bundler.warm().await.unwrap();
    let long = request(&[("index.ts", &slow())]);
    let long = tokio::spawn({
        let bundler = bundler.clone();
        async move { bundler.build(long).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let waits = tokio::spawn({
        let bundler = bundler.clone();
        async move { bundler.build(request(&PLUGIN)).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let started = Instant::now();
    assert!(matches!(bundler.build(request(&PLUGIN)).await, Err(Error::Busy)));
    assert!(started.elapsed() < Duration::from_millis(900), "it waited, though the queue was full");
    assert!(matches!(waits.await.unwrap(), Err(Error::Busy)), "waited for longer than it may");
    drop(long.await);
    builds(&bundler).await;
    bundler.shutdown().await;
}

async fn builds_run_side_by_side() {
    let bundler = bundler(Limits { concurrency: 2, queue: 64, ..Limits::default() });
    let running: Vec<_> = (0..40)
        .map(|n| {
            let bundler = bundler.clone();
            tokio::spawn(async move {
                let source = format!("export default {{ name: 'plugin-{n}' }};");
                (n, bundler.build(request(&[("index.ts", &source)])).await.unwrap())
            })
        })
        .collect();
    for build in running {
        let (n, build) = build.await.unwrap();
        assert_eq!(build.definition.name, Some(format!("plugin-{n}")));
    }
    bundler.shutdown().await;
}

async fn workers_are_recycled_and_idle_ones_end() {
    let limits = Limits {
        builds_per_worker: 2,
        concurrency: 1,
        idle: Duration::from_millis(1_500),
        ..Limits::default()
    };
    let own = marked("recycled", limits);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..6 {
        builds(&own.bundler).await;
        seen.extend(own.workers());
    }
    assert!(seen.len() >= 3, "{seen:?}");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !own.workers().is_empty() {
        assert!(Instant::now() < deadline, "idle workers stay");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    builds(&own.bundler).await;
    own.bundler.shutdown().await;
}

async fn a_killed_worker_is_replaced() {
    let own = marked("killed", Limits { concurrency: 1, ..Limits::default() });
    builds(&own.bundler).await;
    let workers = own.workers();
    assert!(!workers.is_empty());
    for id in workers {
        assert!(std::process::Command::new("kill").args(["-9", &id.to_string()]).status().unwrap().success());
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    builds(&own.bundler).await;
    own.bundler.shutdown().await;
}

async fn a_program_that_is_no_worker_is_an_error() {
    for command in [
        WorkerCommand::new("/nonexistent/program", ["x"]),
        WorkerCommand::new("/bin/false", ["x"]),
        WorkerCommand::new("/bin/echo", ["hello, this is not a frame at all, but long enough for one"]),
    ] {
        let bundler = Bundler::new(command, Limits::default());
        assert!(matches!(bundler.warm().await, Err(Error::Worker(_))));
        assert!(matches!(bundler.build(request(&PLUGIN)).await, Err(Error::Worker(_))));
    }
}

async fn shutdown_ends_the_workers() {
    let own = marked("shutdown", Limits::default());
    builds(&own.bundler).await;
    assert!(!own.workers().is_empty());
    own.bundler.shutdown().await;
    assert_eq!(own.workers(), Vec::<i32>::new());
    assert!(matches!(own.bundler.build(request(&PLUGIN)).await, Err(Error::ShutDown)));
}

async fn workers_end_with_their_server() {
    use std::{
        io::Write as _,
        process::{Command, Stdio},
    };

    let mut worker = Command::new("/proc/self/exe")
        .arg(WORKER)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = worker.stdin.take().unwrap();
    let frame = |header: String, body: &str| {
        let lengths = [header.len(), body.len()].map(|n| u32::try_from(n).unwrap().to_le_bytes());
        [lengths.concat(), header.into_bytes(), body.as_bytes().to_vec()].concat()
    };
    let start = r#"{"Start":{"memory_bytes":2147483648,"cpu_seconds":60}}"#;
    input.write_all(&frame(start.to_owned(), "")).unwrap();
    let source = slow();
    let build = format!(
        r#"{{"Build":{{"entry":null,"plugin_id":"x","asset_bytes":0,"output_bytes":1000000,"files":[["index.ts",{}]]}}}}"#,
        source.len()
    );
    input.write_all(&frame(build, &source)).unwrap();
    // The worker is busy for seconds; its server is gone now.
    drop(input);
    let started = Instant::now();
    while worker.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_secs(3), "the worker outlives its server");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn a_worker_opens_no_file() {
    let own = marked("files", Limits { concurrency: 1, ..Limits::default() });
    builds(&own.bundler).await;
    let workers = own.workers();
    assert!(!workers.is_empty());
    for id in workers {
        let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
        let limit = |name: &str| {
            limits
                .lines()
                .find(|line| line.starts_with(name))
                .unwrap()
                .split_whitespace()
                .rev()
                .nth(1)
                .map(str::to_owned)
        };
        assert_eq!(limit("Max open files").as_deref(), Some("0"), "{limits}");
        let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap();
        let names: Vec<_> = environment
            .split(|byte| *byte == 0)
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split(|byte| *byte == b'=').next().unwrap().to_vec())
            .collect();
        assert_eq!(names.len(), 3, "{}", String::from_utf8_lossy(&environment));
    }
    own.bundler.shutdown().await;
}
