//! Bounds on the memory of one instance, and the memory it has.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use crate::{Limits, Usage};

/// Core instances, memories and tables that one component may be made of. A component is built of a
/// handful; these only keep a hostile one from filling the pool.
const INSTANCES_MAX: usize = 100;
const MEMORIES_MAX: usize = 20;
const TABLES_MAX: usize = 100;

/// Bounds on the memory of one instance.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_max: usize,
    table_elements_max: usize,
    memory: usize,
    refused: bool,
    usage: Arc<Usage>,
}

impl Limiter {
    pub(crate) const fn new(limits: &Limits, memory_max: usize, usage: Arc<Usage>) -> Self {
        let table_elements_max = limits.table_elements_max;
        Self { memory_max, table_elements_max, memory: 0, refused: false, usage }
    }

    /// Whether a growth was refused since the last call of this.
    pub(crate) const fn take_refused(&mut self) -> bool {
        std::mem::replace(&mut self.refused, false)
    }
}

impl ResourceLimiter for Limiter {
    /// A growth that is allowed here may still fail when the machine has no memory left. It stays
    /// counted: taking it back would need to know which growth failed, which wasmtime does not say.
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let more = desired.saturating_sub(current);
        if self.memory.saturating_add(more) > self.memory_max {
            self.refused = true;
            return Ok(false);
        }
        self.memory += more;
        self.usage.grow(more as u64);
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= self.table_elements_max)
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.usage.shrink(self.memory as u64);
    }
}
