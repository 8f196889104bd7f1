//! What the worker does for a plugin: the imports of the component, or natively a stand-in that
//! unit tests of plugins run on.

#[cfg(target_family = "wasm")]
pub(crate) use crate::wasm::imports::*;

#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::host::*;
