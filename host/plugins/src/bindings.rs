//! What `wit/` means in Rust on the host's side: generated, nothing else.
//!
//! The world is the bundle of everything; a component that exports only some of it works because
//! exports are looked up interface by interface ([`crate::exports`]), never as a world.

#![allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    clippy::all,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "generated code"
)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "bundle",
    imports: {
        "cofferdam:connect/source-offsets.get": async,
    },
    exports: { default: async },
});

pub(crate) use cofferdam::connect as imports;
pub(crate) use exports::cofferdam::connect as exported;
