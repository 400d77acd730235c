//! The WebAssembly engine that all programs share, and its clock.

use std::time::Duration;

use wasmtime::{Config, Engine, PoolingAllocationConfig};

use crate::Settings;
use crate::error::Error;

/// How often programs that compute are asked whether they still may. They yield to others as often.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Memories of an instance of the script component: its own and an adapter's.
const MEMORIES_EACH: u32 = 4;
const CORE_INSTANCES_EACH: u32 = 50;
const TABLES_EACH: u32 = 50;

/// Instances beyond those that the settings name: what is examined, and what is just being dropped.
const SPARE_INSTANCES: usize = 64;

/// Deep recursion ends at this many bytes of stack.
const STACK: usize = 2 << 20;

/// An engine whose clock ticks as long as it is used.
///
/// Address space is reserved for every instance that there may be, 4 GiB for each of its memories: that is what lets the
/// compiled code go without checks of bounds. It costs no memory.
pub(crate) fn engine(settings: &Settings) -> Result<Engine, Error> {
    let instances = settings
        .warm_instances
        .saturating_add(settings.admission.running)
        .saturating_add(SPARE_INSTANCES)
        .min(10_000);
    let instances = u32::try_from(instances).unwrap_or(10_000);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(12))
        .total_memories(instances.saturating_mul(2))
        .total_tables(instances.saturating_mul(8))
        .total_stacks(instances)
        .max_memory_size(settings.limits.memory)
        .max_memories_per_component(MEMORIES_EACH)
        .max_core_instances_per_component(CORE_INSTANCES_EACH)
        .max_tables_per_component(TABLES_EACH)
        .table_elements(20_000)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .linear_memory_keep_resident(0)
        .table_keep_resident(0);
    let mut config = code();
    config.async_stack_size(2 * STACK).allocation_strategy(pool);
    let engine = Engine::new(&config).map_err(Error::engine)?;
    tick(&engine)?;
    Ok(engine)
}

/// What code depends on: the same here and where components are compiled.
pub(crate) fn code() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_component_model_async(true)
        .epoch_interruption(true)
        .max_wasm_stack(STACK);
    config
}

/// Ticks until the engine is dropped.
fn tick(engine: &Engine) -> Result<(), Error> {
    let engine = engine.weak();
    let run = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    };
    std::thread::Builder::new()
        .name("sandbox-clock".to_owned())
        .spawn(run)
        .map(drop)
        .map_err(|error| Error::internal(format!("the sandbox's clock does not start: {error}")))
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};

    use super::*;

    fn hash(engine: &Engine) -> u64 {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn what_is_compiled_elsewhere_runs_here() {
        let settings = Settings { warm_instances: 1, ..Settings::default() };
        let elsewhere = Engine::new(&code()).unwrap();
        assert_eq!(hash(&engine(&settings).unwrap()), hash(&elsewhere));
    }
}
