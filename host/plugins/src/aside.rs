//! Calls of guests that have files, on threads that may wait for a disk.
//!
//! A guest's file operations block. Were each of them handed to such a thread by itself, a batch would cost dozens of
//! switches between threads; so it is the whole call that goes there, for as long as it computes or waits for the
//! disk. While it waits for anything else, a timer say, it has no thread. The runtime's own threads never wait for a
//! disk, and a call that hangs there is given up at its deadline like any other.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use tokio::sync::{Notify, Semaphore};

/// Calls that are at work at once: each has a thread with its own memory.
pub(crate) const AT_ONCE: usize = 64;

/// The call was woken.
#[derive(Default)]
struct Woken(Notify);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// Runs `work` aside. Dropped while the work is at work, it leaves it to end there by itself.
pub(crate) async fn run<T: Send + 'static>(
    room: &Semaphore,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    let woken = Arc::new(Woken::default());
    let mut work: Pin<Box<dyn Future<Output = T> + Send>> = Box::pin(work);
    loop {
        // Nobody closes it.
        let place = room.acquire().await;
        let waker = Waker::from(Arc::clone(&woken));
        let polled = tokio::task::spawn_blocking(move || {
            let polled = work.as_mut().poll(&mut Context::from_waker(&waker));
            (work, polled)
        })
        .await;
        drop(place);
        match polled {
            Ok((_, Poll::Ready(answer))) => return answer,
            Ok((pending, Poll::Pending)) => work = pending,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends, and with it who waits for this.
                Err(_) => return std::future::pending().await,
            },
        }
        woken.0.notified().await;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_call_computes_aside_and_waits_without_a_thread() {
        let here = std::thread::current().id();
        let room = Semaphore::new(1);
        let work = async move {
            assert_ne!(std::thread::current().id(), here);
            tokio::time::sleep(Duration::from_millis(1)).await;
            tokio::task::yield_now().await;
            assert_ne!(std::thread::current().id(), here);
            7
        };
        // There is room for one: the second gets on only because the first waits without a thread.
        let (never, seven) = (run(&room, std::future::pending::<()>()), run(&room, work));
        tokio::select! {
            biased;
            () = never => unreachable!(),
            seven = seven => assert_eq!(seven, 7),
        }
    }

    #[tokio::test]
    async fn what_hangs_is_given_up() {
        let (release, hold) = std::sync::mpsc::channel::<()>();
        let room = Semaphore::new(1);
        let hangs = run(&room, async move { hold.recv().is_ok() });
        let given_up = tokio::time::timeout(Duration::from_millis(1), hangs).await;
        assert!(given_up.is_err());
        assert_eq!(run(&room, async { 1 }).await, 1);
        release.send(()).unwrap();
    }
}
