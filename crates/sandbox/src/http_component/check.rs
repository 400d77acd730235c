//! What can be said of a component before it is compiled, so that its author is told in a sentence and at once.

use wasmparser::{Parser, Payload};
use wasmtime::Engine;

use super::MOST_BYTES;

/// The interfaces that there are: all of them of WASI 0.2.
const PACKAGES: [&str; 7] = ["cli", "clocks", "filesystem", "http", "io", "random", "sockets"];

/// What requests are answered by.
const HANDLER: &str = "wasi:http/incoming-handler";

/// How a core module becomes a component.
const MAKE_ONE: &str = "make a component of it, for example with `cargo build --target wasm32-wasip2` or `wasm-tools \
                        component new`";

/// Looks at what is said to be a component. Its code is not validated yet: the compiler does that.
///
/// # Errors
/// A sentence for the author.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    if bytes.len() > MOST_BYTES {
        return Err(format!("it is larger than the {} MiB that are allowed", MOST_BYTES >> 20));
    }
    // Compiled code is run as it is: none is taken but what was compiled here.
    if Engine::detect_precompiled(bytes).is_some() {
        return Err(
            "it is compiled for one machine already: give the WebAssembly component itself".to_owned()
        );
    }
    if Parser::is_core_wasm(bytes) {
        return Err(format!("it is a core WebAssembly module: {MAKE_ONE}"));
    }
    if !Parser::is_component(bytes) {
        return Err("it is no WebAssembly component in the binary format".to_owned());
    }
    let Names { imports, exports } = names(bytes).map_err(|error| format!("it is damaged: {error}"))?;
    if let Some(unknown) = imports.iter().find(|name| !is_there(name)) {
        return Err(format!(
            "it imports {}, which there is not here: there are the interfaces of WASI 0.2 ({}) alone",
            shown(unknown),
            PACKAGES.map(|package| format!("wasi:{package}")).join(", ")
        ));
    }
    if exports.iter().any(|name| version(name, HANDLER).is_some_and(is_second)) {
        return Ok(());
    }
    let found = match exports.as_slice() {
        [] => "nothing".to_owned(),
        some => some.iter().take(5).map(|name| shown(name)).collect::<Vec<_>>().join(", "),
    };
    Err(format!("it must export {HANDLER}@0.2; it exports {found}"))
}

/// What a component imports and exports itself, not what is within it.
#[derive(Default)]
struct Names<'a> {
    imports: Vec<&'a str>,
    exports: Vec<&'a str>,
}

fn names(bytes: &[u8]) -> wasmparser::Result<Names<'_>> {
    let mut names = Names::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.imports.push(import?.name.name);
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    names.exports.push(export?.name.name);
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

/// Whether an import is of an interface that there is. Its functions and types are the linker's to compare.
fn is_there(name: &str) -> bool {
    let Some((path, version)) = name.split_once('@') else { return false };
    let package = path.strip_prefix("wasi:").and_then(|rest| rest.split_once('/'));
    is_second(version) && package.is_some_and(|(package, _)| PACKAGES.contains(&package))
}

/// The version of `interface` that a name names.
fn version<'a>(name: &'a str, interface: &str) -> Option<&'a str> {
    name.strip_prefix(interface)?.strip_prefix('@')
}

fn is_second(version: &str) -> bool {
    version == "0.2" || version.starts_with("0.2.")
}

fn shown(name: &str) -> String {
    name.chars().filter(|char| !char.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_of_wasi_two_are_there_and_no_others() {
        for name in ["wasi:http/types@0.2.0", "wasi:cli/environment@0.2.6", "wasi:io/poll@0.2.12"] {
            assert!(is_there(name), "{name}");
        }
        for name in [
            "wasi:http/types@0.3.0",
            "wasi:http/types@0.20.0",
            "wasi:keyvalue/store@0.2.0",
            "acme:http/types@0.2.0",
            "wasi:http",
            "run",
            "",
        ] {
            assert!(!is_there(name), "{name}");
        }
        assert!(version("wasi:http/incoming-handler@0.2.3", HANDLER).is_some_and(is_second));
        assert!(!version("wasi:http/incoming-handler@0.3.0", HANDLER).is_some_and(is_second));
        assert_eq!(version("wasi:http/incoming-handler-x@0.2.0", HANDLER), None);
    }

    #[test]
    fn what_is_no_component_is_told_as_what_it_is() {
        for (bytes, told) in [
            (&b"(component)"[..], "no WebAssembly component"),
            (b"", "no WebAssembly component"),
            (b"\0asm\x01\0\0\0", "core WebAssembly module"),
            (b"\0asm\x0d\0\x01\0", "it exports nothing"),
            (b"\0asm\x0d\0\x01\0\xff", "damaged"),
        ] {
            let error = check(bytes).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        assert!(check(&vec![0; MOST_BYTES + 1]).unwrap_err().contains("8 MiB"));
    }
}
