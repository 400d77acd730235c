//! Where rolldown gets its modules: the tree, the shims, and nowhere else.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use rolldown::plugin::{
    HookLoadArgs, HookLoadOutput, HookLoadReturn, HookResolveIdArgs, HookResolveIdOutput,
    HookResolveIdReturn, HookUsage, Plugin, PluginContext, SharedLoadPluginContext,
};
use rolldown_common::{ModuleType, ResolvedExternal, side_effects::HookSideEffects};

use crate::{
    assets, host_modules,
    resolve::{self, FileKind, Refusal, Resolved},
    tree::SourceTree,
};

/// The folder that rolldown takes the tree to be in; no such folder is ever looked at. Its name is one that no tree
/// has inside, since it is taken off again wherever it shows.
pub(crate) const ROOT: &str = "/__jackfield_tree__";

/// Before the names of modules that are made here. Rolldown leaves modules with a NUL out of source maps.
pub(crate) const HOST: &str = "\0host:";
const MADE: &str = "\0made:";
/// The functions that oxc's transformer imports; rolldown has them built in.
const RUNTIME: &str = "@oxc-project/runtime/";

/// What begins a backend: it has the entry's default export and no other, so that the script's value is that.
const BACKEND_ENTRY: &str = "\0host:backend";

/// Which bundle is being built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Host modules are shims inside the bundle.
    Served,
    /// Host modules stay bare imports.
    Bare,
    /// Not for a page: the script of the backend.
    Backend,
}

/// An import that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) importer: String,
    pub(crate) specifier: String,
    pub(crate) reason: Refusal,
}

/// What both bundles are made from.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) tree: SourceTree,
    pub(crate) entry: String,
    pub(crate) plugin_id: String,
    /// Style sheets, ready to be injected, by path.
    pub(crate) css: BTreeMap<String, String>,
    /// TypeScript files that contain JSX though their extension says otherwise.
    pub(crate) jsx_in_ts: Vec<String>,
}

/// The plugin of rolldown that answers for every module.
#[derive(Debug)]
pub(crate) struct Modules {
    input: Arc<Input>,
    variant: Variant,
    refused: Mutex<Vec<Refused>>,
}

impl Modules {
    pub(crate) fn new(input: Arc<Input>, variant: Variant) -> Self {
        Self { input, variant, refused: Mutex::default() }
    }

    /// The imports that were refused since the last call.
    pub(crate) fn take_refused(&self) -> Vec<Refused> {
        std::mem::take(&mut self.refused.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn refuse(&self, importer: &str, specifier: &str, reason: Refusal) {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).push(Refused {
            importer: importer.to_owned(),
            specifier: specifier.to_owned(),
            reason,
        });
    }

    fn host(&self, name: &str) -> HookResolveIdOutput {
        let (id, external) = match self.variant {
            Variant::Served | Variant::Backend => (format!("{HOST}{name}"), None),
            Variant::Bare => (name.to_owned(), Some(ResolvedExternal::Bool(true))),
        };
        let side_effects = Some(HookSideEffects::False);
        HookResolveIdOutput { id: id.into(), external, side_effects, ..HookResolveIdOutput::default() }
    }

    fn file(&self, path: &str) -> Option<HookLoadOutput> {
        let content = self.input.tree.get(path)?;
        let text =
            || std::str::from_utf8(content).ok().map(|text| text.strip_prefix('\u{feff}').unwrap_or(text));
        let (code, module_type) = match FileKind::of(path)? {
            FileKind::Script => (text()?.to_owned(), self.script_type(path)),
            FileKind::Json => (text()?.to_owned(), ModuleType::Json),
            FileKind::Css => {
                let css = self.input.css.get(path)?;
                (assets::css_module(&self.input.plugin_id, path, css), ModuleType::Js)
            }
            FileKind::Asset(media_type) => (assets::asset_module(media_type, content), ModuleType::Js),
            FileKind::Text => (assets::text_module(text()?), ModuleType::Js),
        };
        Some(HookLoadOutput {
            code: code.into(),
            module_type: Some(module_type),
            ..HookLoadOutput::default()
        })
    }

    fn script_type(&self, path: &str) -> ModuleType {
        match path.rsplit('.').next().unwrap_or_default() {
            "tsx" => ModuleType::Tsx,
            "ts" | "mts" | "cts" if self.input.jsx_in_ts.iter().any(|known| known == path) => ModuleType::Tsx,
            "ts" | "mts" | "cts" => ModuleType::Ts,
            _ => ModuleType::Jsx,
        }
    }
}

/// The name by which rolldown knows a file of the tree.
fn id(path: &str) -> String {
    match FileKind::of(path) {
        Some(FileKind::Css | FileKind::Asset(_) | FileKind::Text) => format!("{MADE}{path}"),
        _ => format!("{ROOT}/{path}"),
    }
}

/// The file of the tree that rolldown knows as `id`.
pub(crate) fn path(id: &str) -> Option<&str> {
    // Rolldown sometimes shows paths relative to `/`.
    let relative = ROOT.trim_start_matches('/');
    id.strip_prefix(MADE).or_else(|| id.trim_start_matches('/').strip_prefix(relative)?.strip_prefix('/'))
}

fn resolved(id: String) -> HookResolveIdOutput {
    HookResolveIdOutput::from_id(id)
}

impl Plugin for Modules {
    fn name(&self) -> Cow<'static, str> {
        "jackfield".into()
    }

    fn register_hook_usage(&self) -> HookUsage {
        HookUsage::ResolveId | HookUsage::Load
    }

    async fn resolve_id(&self, _: &PluginContext, args: &HookResolveIdArgs<'_>) -> HookResolveIdReturn {
        let specifier = args.specifier;
        let Some(importer) = args.importer else {
            let is_backend = self.variant == Variant::Backend;
            let entry = if is_backend { BACKEND_ENTRY.to_owned() } else { id(&self.input.entry) };
            return Ok(Some(resolved(entry)));
        };
        if importer == BACKEND_ENTRY {
            return Ok(Some(resolved(id(&self.input.entry))));
        }
        let made_here = importer.starts_with(HOST) || importer.starts_with(MADE);
        if made_here && matches!(specifier, host_modules::LOOKUP | assets::STYLES) {
            return Ok(Some(resolved(format!("{HOST}{specifier}"))));
        }
        if made_here && let Some(name) = host_modules::name(specifier) {
            return Ok(Some(resolved(format!("{HOST}{name}"))));
        }
        if specifier.starts_with(RUNTIME) || specifier.starts_with('\0') || importer.starts_with('\0') {
            return Ok(None);
        }
        let Some(importer) = path(importer) else { return Ok(None) };
        let meaning = match self.variant {
            Variant::Backend => resolve::resolve_in_backend(&self.input.tree, importer, specifier),
            Variant::Served | Variant::Bare => resolve::resolve(&self.input.tree, importer, specifier),
        };
        match meaning {
            Ok(Resolved::Host(name)) => Ok(Some(self.host(name))),
            Ok(Resolved::File(path)) => Ok(Some(resolved(id(&path)))),
            Err(reason) => {
                self.refuse(importer, specifier, reason);
                // Rolldown then looks itself, finds that there are no files, and says so with the place.
                Ok(None)
            }
        }
    }

    async fn load(&self, _: SharedLoadPluginContext, args: &HookLoadArgs<'_>) -> HookLoadReturn {
        let made = |code: String| HookLoadOutput {
            code: code.into(),
            module_type: Some(ModuleType::Js),
            side_effects: Some(HookSideEffects::False),
            ..HookLoadOutput::default()
        };
        if args.id == BACKEND_ENTRY {
            return Ok(Some(HookLoadOutput {
                code: "export { default } from \"entry\";".to_owned().into(),
                module_type: Some(ModuleType::Js),
                ..HookLoadOutput::default()
            }));
        }
        if let Some(name) = args.id.strip_prefix(HOST) {
            if self.variant == Variant::Backend {
                let sdk = host_modules::is_backend_sdk(name);
                return Ok(sdk.then(|| made(host_modules::BACKEND_SDK_SOURCE.to_owned())));
            }
            let code = if name == assets::STYLES {
                Some(assets::STYLES_SOURCE.to_owned())
            } else {
                host_modules::source(name)
            };
            return Ok(code.map(made));
        }
        Ok(path(args.id).and_then(|path| self.file(path)))
    }
}
