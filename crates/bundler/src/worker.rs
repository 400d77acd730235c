//! The worker process: it reads sources from its standard input and writes bundles to its standard output.
//!
//! A source can overflow the stack, allocate without end or loop, so a worker is expected to die, and gives itself
//! limits before it reads anything: an address space, processor time, no core dump, and, once it is up, no file at
//! all. It ends when its standard input does, which happens as soon as the server is gone.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::mpsc,
    thread,
    time::Duration,
};

use bytes::Bytes;
use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
};
use tokio::runtime::Runtime;

use crate::{
    backend,
    compile::{self, Failed},
    output::{BackendBuild, BackendRequest, Build, BuildRequest},
    protocol::{self, Frame, Reply, Request, encode, unusable},
    tree::SourceTree,
};

/// Stack of the thread that parses. Reserved, not used, until a source is nested that deeply.
const PARSER_STACK: usize = 256 * 1024 * 1024;
/// Stack of the threads that bundle.
pub(crate) const BUNDLER_STACK: usize = 64 * 1024 * 1024;
/// The most bytes that a request's files may have together.
const MAX_BODY: usize = SourceTree::MAX_BYTES;

/// Serves builds until the standard input ends. The program that contains [`crate::Bundler`] runs this in a hidden
/// subcommand; it is of no use by hand.
pub fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The server reads this when it wonders why a worker is gone.
            let _ = writeln!(io::stderr(), "bundler worker: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> io::Result<()> {
    abort_on_panic();
    let mut input = io::stdin().lock();
    let Some(first) = protocol::read::<Request>(&mut input, 0)? else { return Ok(()) };
    let Request::Start { memory_bytes, cpu_seconds } = first.header else {
        return Err(unusable("the first frame must be Start"));
    };
    restrict(Resource::Core, 0)?;
    restrict(Resource::Fsize, 0)?;
    restrict(Resource::As, memory_bytes)?;

    let (requests, inbox) = mpsc::sync_channel::<Frame<Request>>(1);
    let builder = thread::Builder::new().name("build".to_owned()).stack_size(PARSER_STACK);
    builder.spawn(move || {
        let ended = work(&inbox, cpu_seconds);
        if let Err(error) = &ended {
            let _ = writeln!(io::stderr(), "bundler worker: {error}");
        }
        std::process::exit(i32::from(ended.is_err()));
    })?;
    // Reading on this thread notices the server's end while the other one is busy with an endless build.
    while let Some(frame) = protocol::read(&mut input, MAX_BODY)? {
        if requests.send(frame).is_err() {
            return Err(unusable("the build thread is gone"));
        }
    }
    std::process::exit(0);
}

/// A panic in a task of rolldown would leave the build waiting for ever.
fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        report(info);
        std::process::abort();
    }));
}

fn work(inbox: &mpsc::Receiver<Frame<Request>>, cpu_seconds: u64) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(4)
        .thread_stack_size(BUNDLER_STACK)
        .thread_keep_alive(Duration::from_hours(1))
        .enable_time()
        .build()?;
    warm_up(&runtime)?;
    // All that is needed is open by now: pipes to the server, and no file of the machine.
    restrict(Resource::Nofile, 0)?;
    send(&Reply::Ready, &[])?;
    while let Ok(frame) = inbox.recv() {
        allow_processor_time(cpu_seconds)?;
        let (reply, body) = answer(&runtime, frame)?;
        send(&reply, &body)?;
    }
    Ok(())
}

/// The first build of a process takes several times as long as the second.
fn warm_up(runtime: &Runtime) -> io::Result<()> {
    let source =
        "import { useState } from 'react';\nexport default { C: () => <p>{useState(0)}</p> } as object;";
    let mut tree = SourceTree::new();
    let inserted = tree.insert("index.tsx", Bytes::from_static(source.as_bytes()));
    let request = BuildRequest { tree, entry: None, plugin_id: String::new() };
    match (inserted, runtime.block_on(compile::build(request, 0, u64::MAX))) {
        (Ok(()), Ok(_)) => Ok(()),
        _ => Err(unusable("the bundler does not work on this machine")),
    }
}

fn answer(runtime: &Runtime, frame: Frame<Request>) -> io::Result<(Reply, Vec<Bytes>)> {
    Ok(match &frame.header {
        Request::Start { .. } => return Err(unusable("a second Start")),
        Request::Inspect => (
            match compile::inspect(frame.body) {
                Ok(inspection) => Reply::Inspected(inspection),
                Err(diagnostics) => Reply::Invalid(diagnostics),
            },
            Vec::new(),
        ),
        Request::Build { entry, plugin_id, asset_bytes, output_bytes, files } => {
            let tree = unpack(&frame, files)?;
            let request = BuildRequest { tree, entry: entry.clone(), plugin_id: plugin_id.clone() };
            match runtime.block_on(compile::build(request, *asset_bytes, *output_bytes)) {
                Ok(build) => built(build),
                Err(failed) => refused(failed),
            }
        }
        Request::Backend { entry, asset_bytes, output_bytes, files } => {
            let request = BackendRequest { tree: unpack(&frame, files)?, entry: entry.clone() };
            match runtime.block_on(backend::build(request, *asset_bytes, *output_bytes)) {
                Ok(build) => built_backend(build),
                Err(failed) => refused(failed),
            }
        }
    })
}

fn unpack(frame: &Frame<Request>, files: &[(String, usize)]) -> io::Result<SourceTree> {
    let pieces = frame.pieces(files.iter().map(|(_, length)| *length));
    let pieces = pieces.ok_or_else(|| unusable("the lengths of the files are wrong"))?;
    let mut tree = SourceTree::new();
    for ((path, _), content) in files.iter().zip(pieces) {
        tree.insert(path, content).map_err(|_| unusable("a path that the server should have refused"))?;
    }
    Ok(tree)
}

fn refused(failed: Failed) -> (Reply, Vec<Bytes>) {
    let reply = match failed {
        Failed::Invalid(diagnostics) => Reply::Invalid(diagnostics),
        Failed::Limit { limit, actual, allowed } => Reply::Limit { limit, actual, allowed },
    };
    (reply, Vec::new())
}

fn built_backend(build: BackendBuild) -> (Reply, Vec<Bytes>) {
    let BackendBuild { script, source_map, warnings } = build;
    let reply = Reply::BuiltBackend { script: script.len(), source_map: source_map.len(), warnings };
    (reply, vec![script, source_map])
}

fn built(build: Build) -> (Reply, Vec<Bytes>) {
    let Build { entry, bare_entry, artifacts, definition, warnings } = build;
    let listing =
        artifacts.iter().map(|file| (file.filename.clone(), file.kind, file.content.len())).collect();
    let reply = Reply::Built { entry, bare_entry, artifacts: listing, definition, warnings };
    (reply, artifacts.into_iter().map(|file| file.content).collect())
}

fn send(reply: &Reply, body: &[Bytes]) -> io::Result<()> {
    let frame = encode(reply, body.iter().map(AsRef::as_ref))?;
    let mut output = io::stdout().lock();
    output.write_all(&frame)?;
    output.flush()
}

/// Lowers a limit of this process for good (setrlimit(2)).
fn restrict(resource: Resource, value: u64) -> io::Result<()> {
    let lowest = getrlimit(resource).maximum.map_or(value, |maximum| maximum.min(value));
    setrlimit(resource, Rlimit { current: Some(lowest), maximum: Some(lowest) })?;
    Ok(())
}

/// Allows `seconds` more of processor time; the kernel then kills this process even where the server is gone.
fn allow_processor_time(seconds: u64) -> io::Result<()> {
    let used = u64::try_from(clock_gettime(ClockId::ProcessCPUTime).tv_sec).unwrap_or_default();
    let maximum = getrlimit(Resource::Cpu).maximum;
    let current = maximum.map_or(used + seconds, |maximum| maximum.min(used + seconds));
    setrlimit(Resource::Cpu, Rlimit { current: Some(current), maximum })?;
    Ok(())
}
