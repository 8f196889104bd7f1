//! WebAssembly plugins: the only crate that sees wasmtime.
