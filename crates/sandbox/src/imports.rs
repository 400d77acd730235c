//! The imports of the script component: its world's functions, led to where they are done.

use wasmtime::component::{Access, FutureReader, HasSelf};

use crate::state::{Crossing, State};
use crate::tools::{self, bounded};

wasmtime::component::bindgen!({
    path: "component/wit",
    world: "backend",
    imports: {
        "jackfield:sandbox/host.call": store | trappable,
        "jackfield:sandbox/host.sleep": store | trappable,
        default: trappable,
    },
    exports: { default: async },
});

use jackfield::sandbox::host::{Host, HostWithStore};
use jackfield::sandbox::tools::Host as Tools;

/// Random bytes at once (as `crypto.getRandomValues` of browsers).
const MOST_RANDOM: u32 = 65_536;

impl Host for State {
    fn log(&mut self, level: String, message: String) -> wasmtime::Result<()> {
        State::log(self, &level, message);
        Ok(())
    }

    fn taint(&mut self) -> wasmtime::Result<()> {
        State::taint(self);
        Ok(())
    }

    fn random_bytes(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        let mut bytes = vec![0; count.min(MOST_RANDOM) as usize];
        aws_lc_rs::rand::fill(&mut bytes)?;
        Ok(bytes)
    }
}

impl HostWithStore<State> for HasSelf<State> {
    fn call(
        mut access: Access<'_, State, Self>,
        operation: String,
        argument: String,
    ) -> wasmtime::Result<FutureReader<Crossing>> {
        let future = access.get().call(operation, argument)?;
        FutureReader::new(&mut access, async move { wasmtime::error::Ok(future.await) })
    }

    fn sleep(
        mut access: Access<'_, State, Self>,
        milliseconds: u32,
    ) -> wasmtime::Result<FutureReader<Crossing>> {
        let future = access.get().sleep(milliseconds)?;
        FutureReader::new(&mut access, async move { wasmtime::error::Ok(future.await) })
    }
}

impl Tools for State {
    fn url_parse(&mut self, input: String, base: Option<String>) -> wasmtime::Result<Option<String>> {
        Ok(tools::url_parse(&input, base.as_deref()))
    }

    fn url_set(&mut self, href: String, part: String, value: String) -> wasmtime::Result<Option<String>> {
        Ok(tools::url_set(&href, &part, &value))
    }

    fn form_parse(&mut self, input: String) -> wasmtime::Result<Option<String>> {
        Ok(tools::form_parse(&input))
    }

    fn form_serialize(&mut self, pairs: String) -> wasmtime::Result<Option<String>> {
        Ok(tools::form_serialize(&pairs))
    }

    fn utf8_encode(&mut self, text: String) -> wasmtime::Result<Vec<u8>> {
        Ok(text.into_bytes())
    }

    fn utf8_decode(&mut self, bytes: Vec<u8>, flush: bool) -> wasmtime::Result<(String, u32, bool)> {
        Ok(tools::utf8_decode(bounded(&bytes)?, flush))
    }

    fn base64_encode(&mut self, bytes: Vec<u8>) -> wasmtime::Result<String> {
        Ok(tools::base64_encode(bounded(&bytes)?))
    }

    fn base64_decode(&mut self, text: String) -> wasmtime::Result<Option<Vec<u8>>> {
        bounded(text.as_bytes())?;
        Ok(tools::base64_decode(&text))
    }

    fn digest(&mut self, algorithm: String, bytes: Vec<u8>) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(tools::digest(&algorithm, bounded(&bytes)?))
    }

    fn hmac_sign(&mut self, hash: String, key: Vec<u8>, bytes: Vec<u8>) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(tools::hmac_sign(&hash, bounded(&key)?, bounded(&bytes)?))
    }

    fn hmac_verify(
        &mut self,
        hash: String,
        key: Vec<u8>,
        bytes: Vec<u8>,
        signature: Vec<u8>,
    ) -> wasmtime::Result<Option<bool>> {
        Ok(tools::hmac_verify(&hash, bounded(&key)?, bounded(&bytes)?, &signature))
    }
}
