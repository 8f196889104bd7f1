//! Serving the callbacks of clients that nobody polls: deliveries and errors.

use std::sync::Arc;

use cofferdam_stdx::{Supervisor, TaskKind};

use crate::native::Client;

/// Starts serving `client` until its last other handle is dropped.
///
/// The task belongs to the client alone, so it has a supervisor of its own: whoever shuts the
/// process down waits for its clients, not for this.
pub(crate) fn serve(client: &Arc<Client>) {
    let shared = Arc::clone(&client.shared);
    let weak = Arc::downgrade(client);
    client.wake_on_events();
    let name = shared.name.clone();
    drop(Supervisor::new().spawn(TaskKind::KafkaEvents, &name, async move {
        loop {
            match weak.upgrade() {
                Some(client) => {
                    if client.serve() > 0 {
                        shared.room.notify_waiters();
                    }
                }
                None => return,
            }
            shared.wake.notified().await;
        }
    }));
}
