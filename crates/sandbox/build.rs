//! Makes the component that runs plugins from `component/`, in the folder that cargo gives for that.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = "component";

/// What npm reads.
const PACKAGE: [&str; 2] = ["package.json", "package-lock.json"];

/// What the component is made of.
const PARTS: [&str; 3] = ["make.mjs", "src", "wit"];

/// Where it is noted what npm has installed.
const INSTALLED: &str = "installed";

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script by its environment where to write")]
fn main() -> Result<(), Box<dyn Error>> {
    for file in PACKAGE.into_iter().chain(PARTS) {
        println!("cargo::rerun-if-changed={SOURCE}/{file}");
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let folder = out.join(SOURCE);
    fs::create_dir_all(&folder)?;
    install(&folder)?;
    for part in PARTS {
        replace(&Path::new(SOURCE).join(part), &folder.join(part))?;
    }
    run(Command::new("node").arg("make.mjs").arg(out.join("sandbox.wasm")).current_dir(&folder))
}

/// Installs the packages, unless just these are there.
fn install(folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut wanted = String::new();
    for file in PACKAGE {
        let text = fs::read_to_string(Path::new(SOURCE).join(file))?;
        fs::write(folder.join(file), &text)?;
        wanted += &text;
    }
    let note = folder.join(INSTALLED);
    if fs::read_to_string(&note).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    run(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder))?;
    fs::write(note, wanted)?;
    Ok(())
}

/// Makes `to` what `from` is, a file or a folder.
fn replace(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    if !from.is_dir() {
        fs::copy(from, to)?;
        return Ok(());
    }
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        replace(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| {
        format!(
            "`{name}` does not start ({error}): the sandbox is built with Node.js 20 or later and its npm"
        )
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{name}` failed while the sandbox's component was made ({}):\n{said}", output.status).into())
}
