//! The settings of wasmtime, in one place, with their reasons.
//!
//! Two engines come from here, alike in everything that shapes compiled code: one that runs it, and one for the compile
//! child that makes it. Nothing here loads or runs anything; what guests may take stands in `limits.rs`.

use std::hash::{DefaultHasher, Hash, Hasher};

use wasmparser::WasmFeatures;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, ModuleVersionStrategy, OptLevel, PoolingAllocationConfig,
    Strategy,
};

use crate::StartError;
use crate::limits::{
    CORE_INSTANCES_MAX, INSTANCE_BYTES_MAX, MEMORIES_MAX, MEMORY_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX, WASM_STACK,
};

/// The exact version of wasmtime. Compiled code of another one, even of the same major version, is never loaded: it
/// may have been made by a compiler with a hole. A test holds it against `Cargo.lock`.
pub(crate) const WASMTIME: &str = "48.0.8";

/// Counts up whenever a setting below changes what compiled code may rely on.
const PROFILE: &str = "farwatch1";

/// The stack on which a guest runs. What is left beyond `WASM_STACK` is for wasmtime's own frames beneath a host call,
/// which wants a megabyte at least; probes are polled elsewhere, on the thread's own stack. Only touched pages count.
const FIBER_STACK: usize = 2 << 20;

/// How much of a memory is cleaned by hand after a run instead of being given back to the kernel, in bytes: all of what
/// plain runs of the built-in modules touch. Giving it back costs a call and a page fault for every page that the next run touches:
/// 20 us for a run of the `http` module against 9. More would clean what hardly any run has used.
const MEMORY_KEEP_RESIDENT: usize = 96 << 10;
/// The same for tables. Only what a table really has is cleaned.
const TABLE_KEEP_RESIDENT: usize = 16 << 10;

/// Memories that stay mapped for the module that last used them, so that the next run of it finds them ready.
const WARM_SLOTS_MAX: u32 = 100;

/// The engine that runs modules, with room for `places` runs at once.
///
/// # Errors
/// When the address space for so many places cannot be reserved.
pub(crate) fn for_runs(places: u32) -> Result<Engine, StartError> {
    let mut config = code_settings().map_err(|error| StartError::Engine(error.to_string()))?;
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(places)))
        // A guest cannot see its native stack, so what an earlier one has left there is out of reach. Wiping it would
        // cost a run 8 us.
        .async_stack_zeroing(false);
    Engine::new(&config).map_err(|error| StartError::Reservation { places, reason: format!("{error:#}") })
}

/// The engine of the compile child. It has room for no run at all.
///
/// # Errors
/// When wasmtime refuses its settings, which the tests rule out.
pub(crate) fn for_compiling() -> wasmtime::Result<Engine> {
    Engine::new(&code_settings()?)
}

/// Names the code that an engine accepts: files of compiled code carry it in their names.
pub(crate) fn key(engine: &Engine) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{WASMTIME}-{:016x}", hasher.finish())
}

/// The WASM features that a module may use: those of the year 2022, on which every compiler agrees. Left out are the
/// ones that cost every run (collected memory, exceptions, concurrency), that widen what must be trusted, or that
/// give different answers on different processors.
pub(crate) fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::CALL_INDIRECT_OVERLONG
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::BULK_MEMORY_OPT
        | WasmFeatures::SIMD
        | WasmFeatures::FLOATS
        | WasmFeatures::EXTENDED_CONST
        // What wasmtime itself puts between two components that are built into one.
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::COMPONENT_MODEL
}

/// Everything that compiled code relies on.
fn code_settings() -> wasmtime::Result<Config> {
    let mut config = Config::new();
    config
        // Named, so that no feature of this one processor gets into the code and its key.
        .target(target())?
        .module_version(ModuleVersionStrategy::Custom(format!("{WASMTIME}+{PROFILE}")))?
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(FIBER_STACK)
        .wasm_features(features(), true)
        .wasm_features(features().complement(), false)
        .gc_support(false)
        .concurrency_support(false)
        // Nobody reads a guest's backtrace here, and collecting one lets a trap cost more than a run.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false);
    Ok(config)
}

fn target() -> &'static str {
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" }
}

/// Every count is the most that so many runs can need together, so a run that has its place never lacks a part.
fn pool(places: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(places)
        .total_stacks(places)
        .total_core_instances(places.saturating_mul(CORE_INSTANCES_MAX))
        .total_memories(places.saturating_mul(MEMORIES_MAX))
        .total_tables(places.saturating_mul(TABLES_MAX))
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_memories_per_module(1)
        .max_tables_per_module(2)
        .max_memory_size(MEMORY_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT)
        .table_keep_resident(TABLE_KEEP_RESIDENT)
        .max_unused_warm_slots(WARM_SLOTS_MAX)
        .decommit_batch_size(1)
        // A dirty page that was swapped out would be kept for the next run (wasmtime issue 14357).
        .pagemap_scan(Enabled::No);
    pool
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_wasmtime_is_the_locked_one() {
        let lock = include_str!("../../Cargo.lock");
        assert!(lock.contains(&format!("name = \"wasmtime\"\nversion = \"{WASMTIME}\"\n")));
    }

    #[test]
    fn both_engines_agree_on_code() {
        let runs = for_runs(2).expect("two places can be reserved");
        let compiles = for_compiling().expect("the settings are valid");
        assert_eq!(key(&runs), key(&compiles));
    }
}
