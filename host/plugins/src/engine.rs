//! The wasmtime engine with everything that is decided once: how code is compiled, where instances
//! live, how a running guest is interrupted, what may be imported.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::Semaphore;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use crate::aside;
use crate::bindings::imports;
use crate::host::State;
use crate::streams;
use crate::ticker::Ticker;
use crate::{Limits, SetupError};

/// Core instances in a component: Rust components have four (the module, and the shims that tie it
/// to its imports), Python ones about ten.
const CORE_INSTANCES: u32 = 8;
/// Tables in a component.
const TABLES: u32 = 4;
/// Largest bookkeeping of one instance; a big interpreter needs several hundred KiB.
const INSTANCE_BYTES: usize = 4 << 20;
/// Address space of one linear memory. With it and its guard, wasm code needs no bounds checks;
/// what an instance may really use is decided by the limiter.
const MEMORY_RESERVATION: usize = 4 << 30;

/// Functions that a backtrace shows.
const BACKTRACE_FRAMES: usize = 50;

/// What every guest of this worker shares.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<State>,
    pub(crate) ticker: Ticker,
    /// Room for calls of guests that have files.
    pub(crate) aside: Semaphore,
    pub(crate) limits: Limits,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Runtime {
    pub(crate) fn new(limits: Limits) -> Result<Arc<Self>, SetupError> {
        let engine = engine(&limits)?;
        let linker = linker(&engine).map_err(|error| SetupError::Engine(error.into()))?;
        let ticker = Ticker::start(engine.weak()).map_err(SetupError::Ticker)?;
        Ok(Arc::new(Self { engine, linker, ticker, aside: Semaphore::new(aside::AT_ONCE), limits }))
    }
}

fn engine(limits: &Limits) -> Result<Engine, SetupError> {
    let pooled = Engine::new(&config(Some(pool(limits))));
    pooled
        .or_else(|error| {
            // A machine that bounds address space (`ulimit -v`) has no room for the pool.
            tracing::warn!("no pool for guest instances ({error:#}); each is mapped on its own");
            Engine::new(&config(None))
        })
        .map_err(|error| SetupError::Engine(error.into()))
}

fn config(pool: Option<PoolingAllocationConfig>) -> Config {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(true)
        .memory_init_cow(true)
        .wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES))
        // Batches are single calls: the component model's own tasks would only cost (sync calls take
        // three times as long with them).
        .concurrency_support(false);
    if let Some(pool) = pool {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let n = limits.instances_max;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(n)
        .total_core_instances(n.saturating_mul(CORE_INSTANCES))
        .total_memories(n)
        .total_tables(n.saturating_mul(TABLES))
        .total_stacks(n)
        .max_memory_size(MEMORY_RESERVATION)
        .table_elements(limits.table_elements_max)
        .max_core_instance_size(INSTANCE_BYTES)
        .max_component_instance_size(INSTANCE_BYTES);
    pool
}

/// Everything a guest may import. WASI is there because every tool chain links it, and inert: what
/// it can reach is decided by each instance's grants.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    streams::replace_write(&mut linker)?;
    imports::connect_log::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut State| &mut state.host)?;
    imports::connect_metrics::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut State| {
        &mut state.host
    })?;
    imports::connect_schemas::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut State| {
        &mut state.host
    })?;
    imports::source_offsets::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut State| {
        &mut state.host
    })?;
    imports::source_transactions::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut State| {
        &mut state.host
    })?;
    imports::sink_context::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut State| &mut state.host)?;
    imports::connector_context::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut State| {
        &mut state.host
    })?;
    Ok(linker)
}
