//! What a task is told while it runs: its target state.

use std::time::Duration;

use cofferdam_api::TargetState;
use tokio::sync::watch;

/// A task's end of the line.
#[derive(Clone, Debug)]
pub(crate) struct Control(watch::Receiver<TargetState>);

impl Control {
    /// Listens to `target`; when its sender is gone, the task is to stop.
    pub(crate) const fn new(target: watch::Receiver<TargetState>) -> Self {
        Self(target)
    }

    /// What the task is meant to be now.
    pub(crate) fn target(&self) -> TargetState {
        if self.0.has_changed().is_err() { TargetState::Stopped } else { *self.0.borrow() }
    }

    /// Whether it is to end.
    pub(crate) fn is_stopping(&self) -> bool {
        self.target() == TargetState::Stopped
    }

    /// Waits until the target is another than `from`.
    pub(crate) async fn changed_from(&mut self, from: TargetState) {
        // An error means that the sender is gone, which is a change as well.
        _ = self.0.wait_for(|target| *target != from).await;
    }

    /// Waits until the task is to end.
    pub(crate) async fn stopped(&mut self) {
        _ = self.0.wait_for(|target| *target == TargetState::Stopped).await;
    }

    /// Sleeps for `delay`; answers false, early, when the task is to end.
    pub(crate) async fn sleep(&mut self, delay: Duration) -> bool {
        tokio::time::timeout(delay, self.stopped()).await.is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_a_sleep_and_so_does_the_end_of_the_worker() {
        let (sender, receiver) = watch::channel(TargetState::Started);
        let mut control = Control::new(receiver.clone());
        assert!(control.sleep(Duration::from_secs(1)).await);
        assert_eq!(sender.send(TargetState::Paused), Ok(()));
        control.changed_from(TargetState::Started).await;
        assert_eq!(control.target(), TargetState::Paused);
        assert!(control.sleep(Duration::from_secs(1)).await);
        drop(sender);
        assert!(!control.sleep(Duration::from_secs(1)).await);
        assert!(control.is_stopping());
    }
}
