//! Bringing back clients that librdkafka leaves without a broker.
//!
//! librdkafka (2.10 and later) forgets brokers that are not in the metadata any more, and starts over from
//! `bootstrap.servers` when none is left. An answer that names no broker at all, as a cluster gives
//! whose only broker has just come back, makes it do both at once, and the second may be undone by the first:
//! `rd_kafka_rebootstrap_tmr_stop` takes the timer away while `rk_rebootstrap_in_progress` stays set. The client
//! then never connects again, and says nothing more. So the addresses are given to it again after
//! it has lost its brokers; where it still knows them that changes nothing.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_stdx::{Supervisor, TaskKind};

use crate::native::Client;

/// When to give the addresses after the last broker was lost. More than once: the loss is told before
/// librdkafka is done with it, and the next answer may name no broker either.
const AFTER: [Duration; 3] = [Duration::from_secs(2), Duration::from_secs(8), Duration::from_secs(20)];
/// And then, while no broker answers.
const EVERY: Duration = Duration::from_mins(1);

/// Watches over `client` until its last other handle is dropped.
///
/// The task belongs to the client alone, so it has a supervisor of its own.
pub(crate) fn watch(client: &Arc<Client>) {
    let shared = Arc::clone(&client.shared);
    let weak = Arc::downgrade(client);
    let name = shared.name.clone();
    drop(Supervisor::new().spawn(TaskKind::KafkaEvents, &name, async move {
        loop {
            shared.lost.notified().await;
            // What is told from here on is answered by the next round.
            let mut pauses = AFTER.into_iter();
            while weak.strong_count() > 0
                && let Some(pause) = pauses.next().or_else(|| shared.is_down().then_some(EVERY))
            {
                tokio::time::sleep(pause).await;
                let Some(client) = weak.upgrade() else { return };
                client.add_bootstrap_servers();
            }
            if weak.strong_count() == 0 {
                return;
            }
        }
    }));
}
