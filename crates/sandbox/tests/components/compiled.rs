//! What is taken as a component, how it is compiled, and what is kept of that.

use std::fmt::Write as _;

use bytes::Bytes;
use sandbox::{CompilerCommand, Error, Settings};
use wasmtime::{Config, Engine};

use crate::trials;
use crate::world::{COMPONENT, World, settings};

trials!(
    what_is_no_component_that_answers_is_refused,
    compiled_code_is_never_taken,
    what_takes_too_much_to_compile_is_given_up,
    what_was_compiled_once_is_not_compiled_again,
    a_broken_cache_does_no_harm,
    without_a_compiler_nothing_is_run,
);

fn wat(text: &str) -> Bytes {
    wat::parse_str(text).unwrap().into()
}

async fn refused(world: &World, bytes: impl Into<Bytes>) -> String {
    match world.sandbox.check_component(&bytes.into()).await {
        Err(Error::Component(told)) => told,
        other => panic!("{other:?}"),
    }
}

async fn what_is_no_component_that_answers_is_refused() {
    let world = World::new();
    world.sandbox.check_component(&COMPONENT).await.unwrap();
    let export = |name: &str, inside: &str| {
        wat(&format!("(component {inside} (instance $i) (export \"{name}\" (instance $i)))"))
    };
    for (bytes, told) in [
        (Bytes::from_static(b"export default {}"), "no WebAssembly component"),
        (wat("(module)"), "core WebAssembly module"),
        (wat("(component)"), "exports nothing"),
        (export("wasi:cli/run@0.2.0", ""), "it exports wasi:cli/run@0.2.0"),
        (export("wasi:http/incoming-handler@0.3.0", ""), "must export wasi:http/incoming-handler@0.2"),
        (
            export("wasi:http/incoming-handler@0.2.0", "(import \"acme:secrets/all\" (instance))"),
            "it imports acme:secrets/all",
        ),
        // It has the name, and not the function.
        (export("wasi:http/incoming-handler@0.2.0", ""), "handle"),
        // There is such an interface, and no such function in it.
        (
            export(
                "wasi:http/incoming-handler@0.2.0",
                "(import \"wasi:cli/stdout@0.2.0\" (instance (export \"steal\" (func))))",
            ),
            "wasi:cli/stdout",
        ),
        // 128 MiB from the start.
        (
            export(
                "wasi:http/incoming-handler@0.2.0",
                "(core module $m (memory 2048)) (core instance (instantiate $m))",
            ),
            "memory",
        ),
        (COMPONENT.slice(..COMPONENT.len() - 10), "damaged"),
    ] {
        let error = refused(&world, bytes).await;
        assert!(error.contains(told), "{told}: {error}");
    }
    // What its code is, the compiler tells.
    let mut invalid = COMPONENT.to_vec();
    let place = invalid.windows(5).position(|bytes| bytes == b"hello").unwrap();
    invalid.truncate(place);
    refused(&world, invalid).await;
    let typed = export("wasi:http/incoming-handler@0.2.0", "(core module (func (result i32)))");
    let error = refused(&world, typed).await;
    assert!(error.contains("not valid: ") && error.contains("type mismatch"), "{error}");
}

async fn compiled_code_is_never_taken() {
    let world = World::new();
    let engine = Engine::new(&Config::new()).unwrap();
    for code in [
        engine.precompile_component(&COMPONENT).unwrap(),
        engine.precompile_module(&wat("(module)")).unwrap(),
    ] {
        let error = refused(&world, code).await;
        assert!(error.contains("compiled for one machine"), "{error}");
    }
}

async fn what_takes_too_much_to_compile_is_given_up() {
    let world = World::new();
    // Every branch sets a variable of its own, and all of them are read behind the last: what is known of each is asked of every
    // branch.
    let locals = 40_000;
    let (mut sets, mut reads) = (String::new(), String::new());
    for local in 1..locals {
        write!(sets, "(if (local.get 0) (then (local.set {local} (i32.const 1))))").unwrap();
        write!(reads, "(local.set 0 (i32.add (local.get 0) (local.get {local})))").unwrap();
    }
    let bytes = wat(&format!(
        "(component (core module (func (param i32) (result i32) (local {}) {sets} {reads} (local.get 0)))
            (instance $i) (export \"wasi:http/incoming-handler@0.2.0\" (instance $i)))",
        "i32 ".repeat(locals - 1),
    ));
    let error = refused(&world, bytes).await;
    assert!(error.contains("to compile"), "{error}");
    world.told("/").await;
}

async fn what_was_compiled_once_is_not_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let own = || Settings { cache_dir: Some(folder.path().join("code")), ..settings() };
    World::with(own()).told("/").await;
    let gone = Some(CompilerCommand::new("/nothing/there", ["x"]));
    World::with(Settings { compiler: gone.clone(), ..own() }).told("/").await;
    let world = World::with(Settings { compiler: gone, cache_dir: None, ..settings() });
    assert!(matches!(world.get("/").await, Err(Error::Internal(_))));
}

async fn a_broken_cache_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let own = || Settings { cache_dir: Some(folder.path().to_owned()), ..settings() };
    World::with(own()).told("/").await;
    let kept: Vec<_> = std::fs::read_dir(folder.path().join("components"))
        .unwrap()
        .map(|each| each.unwrap().path())
        .collect();
    let [file] = kept.as_slice() else { panic!("{kept:?}") };
    std::fs::write(file, b"no code").unwrap();
    World::with(own()).told("/").await;
    World::with(Settings { compiler: Some(CompilerCommand::new("/nothing/there", ["x"])), ..own() })
        .told("/")
        .await;
}

async fn without_a_compiler_nothing_is_run() {
    let world = World::with(Settings { compiler: None, cache_dir: None, ..settings() });
    assert!(matches!(world.get("/").await, Err(Error::Internal(_))));
    // A process that is no compiler of components.
    let other = CompilerCommand::new("/bin/false", ["x"]);
    let world = World::with(Settings { compiler: Some(other), cache_dir: None, ..settings() });
    assert!(matches!(world.get("/").await, Err(Error::Internal(_))));
}
