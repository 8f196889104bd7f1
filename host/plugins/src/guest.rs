//! One live guest: a store, and how a call into it begins and ends.
//!
//! Invariant: a store that a call left in the middle (trap, deadline, dropped future) is never used
//! again. A call takes the store out; only a call that came to its end puts it back.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cofferdam_stdx::time::{self, Instant};
use rustix::time::{ClockId, clock_gettime};
use tokio::time::error::Elapsed;
use tokio_util::sync::CancellationToken;
use wasmtime::component::{Instance, InstancePre};
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, WasmBacktrace};

use crate::aside;
use crate::engine::Runtime;
use crate::grants::Preopen;
use crate::host::{Host, State};
use crate::limiter::Limiter;
use crate::log::GuestLog;
use crate::{CallError, SinkRequests, Spec, TransactionEnds, Usage};

/// One live guest.
pub(crate) struct Guest {
    store: Option<Store<State>>,
    instance: Option<Instance>,
    runtime: Arc<Runtime>,
    log: Arc<GuestLog>,
    usage: Arc<Usage>,
    timeout: Duration,
    /// Has files: its calls may wait for a disk.
    pub(crate) has_files: bool,
    /// Nobody waits for the present call any more.
    abandoned: CancellationToken,
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest").field("alive", &self.store.is_some()).finish_non_exhaustive()
    }
}

/// A call under way; owns the store.
pub(crate) struct Call {
    pub(crate) store: Store<State>,
    pub(crate) name: &'static str,
    pub(crate) after: Duration,
    pub(crate) deadline: Instant,
}

impl Guest {
    /// A new instance of `component`, started.
    pub(crate) async fn start(
        runtime: &Arc<Runtime>,
        component: &InstancePre<State>,
        spec: &Spec,
        preopens: &[Preopen],
        timeout: Duration,
    ) -> Result<Self, CallError> {
        let limits = &runtime.limits;
        let log = Arc::new(GuestLog::new(&spec.label, limits.log_lines_per_s));
        let host = Host {
            log: Arc::clone(&log),
            schemas: Arc::clone(&spec.schemas),
            hooks: Arc::clone(&spec.hooks),
            assignment: Vec::new(),
            requests: SinkRequests::default(),
            ends: TransactionEnds::default(),
        };
        let limiter = Limiter::new(limits, limits.memory_max.as_usize(), Arc::clone(&spec.usage));
        let abandoned = CancellationToken::new();
        let state = State::new(host, limiter, preopens, abandoned.clone())
            .map_err(|error| CallError::Refused(format!("{error:#}")))?;
        let mut store = Store::new(&runtime.engine, state);
        store.limiter(|state| &mut state.limiter);
        store.epoch_deadline_callback(|mut context| Ok(context.data_mut().on_epoch()));
        store.set_hostcall_fuel(limits.frame_max.as_usize());
        let mut guest = Self {
            store: Some(store),
            instance: None,
            runtime: Arc::clone(runtime),
            log,
            usage: Arc::clone(&spec.usage),
            timeout,
            has_files: !preopens.is_empty(),
            abandoned,
        };
        let mut call = guest.begin("instantiation", Duration::ZERO)?;
        // A component may run code of its own here, and so look at its files.
        let instance = if guest.has_files {
            let (deadline, what, component) = (call.deadline, (call.name, call.after), component.clone());
            let work = Box::pin(async move {
                let outcome = component.instantiate_async(&mut call.store).await;
                (call, outcome)
            });
            let outcome = guest.drive_aside(deadline, work).await;
            guest.end_aside(what, outcome)
        } else {
            let outcome = guest.drive(call.deadline, component.instantiate_async(&mut call.store)).await;
            guest.end(call, outcome)
        };
        guest.instance = Some(instance?);
        Ok(guest)
    }

    /// Begins a call that may take `extra` beyond the usual time.
    pub(crate) fn begin(&mut self, name: &'static str, extra: Duration) -> Result<Call, CallError> {
        let mut store = self.store.take().ok_or(CallError::Poisoned)?;
        let after = self.timeout.saturating_add(extra);
        let deadline = time::now() + after;
        store.set_epoch_deadline(1);
        let state = store.data_mut();
        state.deadline = deadline;
        state.limiter.take_refused();
        Ok(Call { store, name, after, deadline })
    }

    /// Runs the guest until it answers or `deadline` passes, and counts its CPU time.
    ///
    /// The epoch callback ends a guest that computes; the timeout here ends one that waits for the
    /// host, which epochs do not reach. Borrows mutably because a guest may move between threads but
    /// is never shared by them.
    pub(crate) async fn drive<T>(
        &mut self,
        deadline: Instant,
        call: impl Future<Output = wasmtime::Result<T>>,
    ) -> Result<wasmtime::Result<T>, Elapsed> {
        let call = metered(Arc::clone(&self.runtime), Arc::clone(&self.usage), call);
        tokio::time::timeout_at(deadline, call).await
    }

    /// As [`Guest::drive`], on threads that may wait for a disk. The call has to own what it needs: it may be at work
    /// there when its deadline passes or this is dropped. The next epoch, at the latest after its wait, ends it then.
    pub(crate) async fn drive_aside<T: Send + 'static>(
        &mut self,
        deadline: Instant,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Elapsed> {
        let call = metered(Arc::clone(&self.runtime), Arc::clone(&self.usage), call);
        let abandoned = self.abandoned.clone().drop_guard();
        let outcome = tokio::time::timeout_at(deadline, aside::run(&self.runtime.aside, call)).await;
        if outcome.is_ok() {
            abandoned.disarm();
        }
        outcome
    }

    /// Ends a call: keeps the store when the guest answered, drops it otherwise.
    pub(crate) fn end<T>(
        &mut self,
        call: Call,
        outcome: Result<wasmtime::Result<T>, Elapsed>,
    ) -> Result<T, CallError> {
        match outcome {
            Ok(Ok(answer)) => {
                self.store = Some(call.store);
                Ok(answer)
            }
            Ok(Err(error)) => Err(self.failure(call, &error)),
            Err(_) => Err(CallError::Deadline { call: call.name, after: call.after }),
        }
    }

    /// Ends a call that was [driven aside](Guest::drive_aside) and, if it came back, brought its store with it.
    pub(crate) fn end_aside<T>(
        &mut self,
        (name, after): (&'static str, Duration),
        outcome: Result<(Call, wasmtime::Result<T>), Elapsed>,
    ) -> Result<T, CallError> {
        match outcome {
            Ok((call, outcome)) => self.end(call, Ok(outcome)),
            Err(_) => Err(CallError::Deadline { call: name, after }),
        }
    }

    fn failure(&self, call: Call, error: &wasmtime::Error) -> CallError {
        let Call { mut store, name, after, .. } = call;
        let state = store.data_mut();
        if state.interrupted {
            return CallError::Deadline { call: name, after };
        }
        if state.limiter.take_refused() {
            return CallError::Memory { limit: self.runtime.limits.memory_max };
        }
        if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
            return CallError::Exhausted(format!("{error:#}"));
        }
        let backtrace = error.downcast_ref::<WasmBacktrace>().map(ToString::to_string).unwrap_or_default();
        CallError::Trap { call: name, message: self.trap_message(error), backtrace }
    }

    /// A panic writes its text to the standard error before it traps: that says more than the trap.
    fn trap_message(&self, error: &wasmtime::Error) -> String {
        let trap = match error.downcast_ref::<Trap>() {
            Some(trap) => trap.to_string(),
            // Without the backtrace, which is the outermost context.
            None => error.root_cause().to_string(),
        };
        let limit = self.runtime.limits.frame_max;
        let trap = if trap.contains("fuel allocated for hostcalls") {
            format!("it handed over more than {limit} in one call (cofferdam.guest.frame.max)")
        } else {
            trap
        };
        let tail = self.log.take_tail();
        if tail.is_empty() { trap } else { format!("{} ({trap})", tail.join(" ")) }
    }

    /// The instance and its store, to look up exports.
    pub(crate) fn parts(&mut self) -> Result<(&mut Store<State>, Instance), CallError> {
        match (&mut self.store, self.instance) {
            (Some(store), Some(instance)) => Ok((store, instance)),
            _ => Err(CallError::Poisoned),
        }
    }

    /// The state of the instance, while there is one and no call is under way.
    pub(crate) fn host(&mut self) -> Option<&mut Host> {
        self.store.as_mut().map(|store| &mut store.data_mut().host)
    }

    /// Whether the next call can be made.
    pub(crate) const fn is_alive(&self) -> bool {
        self.store.is_some()
    }
}

/// A call that keeps the epochs going while it computes, and whose CPU time is counted.
async fn metered<T>(runtime: Arc<Runtime>, usage: Arc<Usage>, call: impl Future<Output = T>) -> T {
    let mut call = pin!(call);
    poll_fn(|context| {
        let _running = runtime.ticker.enter();
        let from = cpu_ns();
        let polled = call.as_mut().poll(context);
        usage.cpu_ns.fetch_add(cpu_ns().saturating_sub(from), Ordering::Relaxed);
        polled
    })
    .await
}

/// CPU time of this thread. A guest may be polled by one thread now and by another later, but each
/// poll begins and ends on the same one.
fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64)
}
