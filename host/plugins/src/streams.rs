//! Writing to a file without a thread for each piece.
//!
//! Guests write as their C library does it: ask how much may be written, `write`, then wait with `blocking-flush`.
//! The library of WASI hands each such `write`, of 64 KiB at most, to a thread of its own, and the guest's call waits
//! for it, even where the call may block by itself (see [`aside`](crate::aside)). Here `write` has written when it
//! returns, and its flush finds nothing to wait for.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::bindings::io::streams::StreamError as GuestError;
use wasmtime_wasi::p2::{DynOutputStream, StreamError};

use crate::host::State;

/// The interface, in the version that the WASI library defines it in.
const STREAMS: &str = "wasi:io/streams@0.2.12";
const WRITE: &str = "[method]output-stream.write";

/// Puts the `write` of this module in the place of the one that is in `linker`.
pub(crate) fn replace_write(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let defined = define_write(linker);
    linker.allow_shadowing(false);
    defined
}

fn define_write(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance(STREAMS)?.func_wrap_async(
        WRITE,
        |mut store: StoreContextMut<'_, State>, (stream, bytes): (Resource<DynOutputStream>, Vec<u8>)| {
            Box::new(async move { Ok((write(store.data_mut(), &stream, bytes).await?,)) })
        },
    )
}

async fn write(
    state: &mut State,
    stream: &Resource<DynOutputStream>,
    bytes: Vec<u8>,
) -> wasmtime::Result<Result<(), GuestError>> {
    match state.table.get_mut(stream)?.blocking_write_and_flush(bytes.into()).await {
        Ok(()) => Ok(Ok(())),
        Err(StreamError::Closed) => Ok(Err(GuestError::Closed)),
        Err(StreamError::LastOperationFailed(error)) => {
            Ok(Err(GuestError::LastOperationFailed(state.table.push(error)?)))
        }
        Err(StreamError::Trap(error)) => Err(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use wasmtime::Engine;

    use super::*;

    /// With another version the definition would stand beside the library's, and no guest would find it.
    #[test]
    fn there_is_a_write_to_replace() {
        let mut linker = Linker::new(&Engine::default());
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        let error = define_write(&mut linker).unwrap_err().to_string();
        assert!(error.contains(WRITE), "{error}");
        replace_write(&mut linker).unwrap();
    }
}
