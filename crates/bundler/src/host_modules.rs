//! The modules that the page provides, and the shims by which a bundle reaches them.
//!
//! A shim is CommonJS, so that `useState` compiles to a property access and no list of exports can go stale. It
//! looks, in this order, at `globalThis[Symbol.for("jackfield.host.v1")].modules`, at `__pluginModules`, and at the
//! globals `React` and `ReactDOM`, and otherwise throws a sentence that says what the page must do.

/// The SDK under the name that hosts provide it by.
const SDK: &str = "@jackfield/plugin-sdk";
const SDK_SERVER: &str = "@jackfield/plugin-sdk/server";

/// Every specifier that the page provides, with the shim's text.
const MODULES: [(&str, Shim); 13] = [
    ("react", Shim::React),
    ("react-dom", Shim::ReactDom),
    ("react-dom/client", Shim::ReactDomClient),
    ("react/jsx-runtime", Shim::JsxRuntime),
    ("react/jsx-dev-runtime", Shim::JsxDevRuntime),
    (SDK, Shim::Sdk(SDK)),
    (SDK_SERVER, Shim::Sdk(SDK_SERVER)),
    ("@ticketing/plugin-sdk", Shim::Sdk(SDK)),
    ("@ticketing/plugin-sdk/server", Shim::Sdk(SDK_SERVER)),
    ("@ticketsplatform/plugin-sdk", Shim::Sdk(SDK)),
    ("@ticketsplatform/plugin-sdk/server", Shim::Sdk(SDK_SERVER)),
    ("ticketsplatform-plugin-sdk", Shim::Sdk(SDK)),
    ("ticketsplatform-plugin-sdk/server", Shim::Sdk(SDK_SERVER)),
];

#[derive(Debug, Clone, Copy)]
enum Shim {
    React,
    ReactDom,
    ReactDomClient,
    JsxRuntime,
    JsxDevRuntime,
    /// An SDK, with the name by which the host provides it.
    Sdk(&'static str),
}

/// The module that shims share.
pub(crate) const LOOKUP: &str = "jackfield:host";

const LOOKUP_SOURCE: &str = include_str!("host_modules/lookup.js");
const REACT: &str = include_str!("host_modules/react.js");
const REACT_DOM: &str = include_str!("host_modules/react_dom.js");
const REACT_DOM_CLIENT: &str = include_str!("host_modules/react_dom_client.js");
const JSX_RUNTIME: &str = include_str!("host_modules/jsx_runtime.js");
const JSX_DEV_RUNTIME: &str = include_str!("host_modules/jsx_dev_runtime.js");
const SDK_SOURCE: &str = include_str!("host_modules/sdk.js");

/// `specifier` as a host module.
pub(crate) fn name(specifier: &str) -> Option<&'static str> {
    MODULES.iter().map(|(name, _)| *name).find(|name| *name == specifier)
}

/// Whether `specifier` is the SDK under one of its names.
pub(crate) fn is_sdk(specifier: &str) -> bool {
    MODULES.iter().any(|(name, shim)| *name == specifier && matches!(shim, Shim::Sdk(_)))
}

/// Whether `name` is the server half of the SDK under one of its names.
pub(crate) fn is_backend_sdk(name: &str) -> bool {
    MODULES.iter().any(|(known, shim)| *known == name && matches!(shim, Shim::Sdk(SDK_SERVER)))
}

/// The server half of the SDK, which becomes part of each backend.
pub(crate) const BACKEND_SDK_SOURCE: &str = include_str!("host_modules/backend_sdk.js");

/// The text of the shim of `specifier`, or of [`LOOKUP`].
pub(crate) fn source(specifier: &str) -> Option<String> {
    if specifier == LOOKUP {
        return Some(LOOKUP_SOURCE.to_owned());
    }
    let (name, shim) = MODULES.iter().find(|(name, _)| *name == specifier)?;
    Some(match shim {
        Shim::React => REACT.to_owned(),
        Shim::ReactDom => REACT_DOM.to_owned(),
        Shim::ReactDomClient => REACT_DOM_CLIENT.to_owned(),
        Shim::JsxRuntime => JSX_RUNTIME.to_owned(),
        Shim::JsxDevRuntime => JSX_DEV_RUNTIME.to_owned(),
        Shim::Sdk(key) => {
            let names = if key == name { format!("[{name:?}]") } else { format!("[{key:?}, {name:?}]") };
            SDK_SOURCE.replace("__NAMES__", &names)
        }
    })
}

/// What a plugin may import by a bare name, as a sentence for a hint.
pub(crate) fn provided() -> String {
    let names: Vec<_> = MODULES.iter().map(|(name, _)| *name).filter(|name| !is_old_name(name)).collect();
    format!(
        "the page provides {}; copy other code into the plugin and import it relatively",
        names.join(", ")
    )
}

fn is_old_name(name: &str) -> bool {
    is_sdk(name) && name != SDK && name != SDK_SERVER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_sdk_reads_the_same_key_first() {
        let names = ["@ticketing/plugin-sdk", "@ticketsplatform/plugin-sdk", "ticketsplatform-plugin-sdk"];
        for sdk in names {
            let text = source(sdk).unwrap();
            assert!(text.contains(&format!("[\"@jackfield/plugin-sdk\", {sdk:?}]")), "{text}");
            let server = format!("{sdk}/server");
            let text = source(&server).unwrap();
            assert!(text.contains(&format!("[\"@jackfield/plugin-sdk/server\", {server:?}]")), "{text}");
        }
    }

    #[test]
    fn a_backend_has_the_server_half_alone() {
        let names: Vec<&str> =
            MODULES.iter().map(|(name, _)| *name).filter(|name| is_backend_sdk(name)).collect();
        assert_eq!(names.len(), 4);
        assert!(names.iter().all(|name| name.ends_with("/server")), "{names:?}");
    }

    #[test]
    fn only_whole_names_are_provided() {
        for specifier in ["react/", "react/index.js", "React", "react-dom/server", "@jackfield/plugin-sdk/x"]
        {
            assert!(name(specifier).is_none() && source(specifier).is_none(), "{specifier}");
        }
    }
}
