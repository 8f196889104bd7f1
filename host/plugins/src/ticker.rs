//! The thread that raises wasmtime's epoch, so that a busy guest looks at the clock every
//! few milliseconds.
//!
//! A thread of its own, not a task: guests may occupy every thread of the runtime, and it is exactly
//! then that the epoch has to move. It sleeps while no guest runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::EngineWeak;

/// Time between two epochs: deadlines of busy guests are exact to this. A thread that wakes each millisecond
/// was seen to take 4 % of the worker's processor time.
const TICK: Duration = Duration::from_millis(5);

/// Ticks without a running guest after which the thread sleeps: waking it costs a system call, which
/// a task that calls its guest every few milliseconds should not pay each time.
const LINGER: u32 = 10;

/// Raises the epoch while guests run.
#[derive(Debug)]
pub(crate) struct Ticker {
    state: Arc<State>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct State {
    running: AtomicUsize,
    asleep: AtomicBool,
    ended: AtomicBool,
}

impl Ticker {
    /// Starts the thread; it ends with the engine or with this.
    pub(crate) fn start(engine: EngineWeak) -> std::io::Result<Self> {
        let state = Arc::new(State::default());
        let theirs = Arc::clone(&state);
        let thread = std::thread::Builder::new()
            .name("guest-epoch".to_owned())
            .spawn(move || tick(&theirs, &engine))?
            .thread()
            .clone();
        Ok(Self { state, thread })
    }

    /// Counts a guest as running until the result is dropped.
    pub(crate) fn enter(&self) -> Running<'_> {
        self.state.running.fetch_add(1, Ordering::SeqCst);
        if self.state.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Running(&self.state)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// A guest is running.
#[derive(Debug)]
pub(crate) struct Running<'a>(&'a State);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

#[allow(clippy::disallowed_methods, reason = "sleeping is what this thread is for")]
fn tick(state: &State, engine: &EngineWeak) {
    let mut idle = 0;
    while !state.ended.load(Ordering::SeqCst) {
        if state.running.load(Ordering::SeqCst) > 0 {
            idle = 0;
        } else {
            idle += 1;
        }
        if idle > LINGER {
            // Whoever starts a guest after this store wakes the thread, and a wake that comes before
            // `park` is not lost: no guest runs without ticks.
            state.asleep.store(true, Ordering::SeqCst);
            if state.running.load(Ordering::SeqCst) == 0 && !state.ended.load(Ordering::SeqCst) {
                std::thread::park();
            }
            state.asleep.store(false, Ordering::SeqCst);
            idle = 0;
        }
        std::thread::sleep(TICK);
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
    }
}
