//! Bringing back clients that librdkafka leaves without a broker.
//!
//! librdkafka (2.10 and later) forgets brokers that are not in the metadata any more, and starts over from
//! `bootstrap.servers` when none is left. An answer that names no broker at all, as a cluster gives
//! whose only broker has just come back, makes it do both at once, and the second may be undone by the first:
//! `rd_kafka_rebootstrap_tmr_stop` takes the timer away while `rk_rebootstrap_in_progress` stays set. The client
//! then never connects again, and says nothing more. So whoever has had trouble with its connections is asked
//! until it gets answers again, and given the addresses again while it gets none; where it still knows
//! them that changes nothing.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_stdx::{Backoff, Supervisor, TaskKind};

use crate::native::Client;

/// First and longest time between two questions.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(8));
/// How long an answer may take. Short, since the client cannot end meanwhile.
const ANSWER: Duration = Duration::from_secs(1);
/// So many answers in a row end the trouble: the first broker to answer may still say that there is none.
const ANSWERS: u32 = 3;

/// Watches over `client` until its last other handle is dropped.
///
/// The task belongs to the client alone, so it has a supervisor of its own.
pub(crate) fn watch(client: &Arc<Client>) {
    let shared = Arc::clone(&client.shared);
    let weak = Arc::downgrade(client);
    let name = shared.name.clone();
    drop(Supervisor::new().spawn(TaskKind::KafkaEvents, &name, async move {
        loop {
            shared.trouble_came.notified().await;
            let mut pauses = Backoff::new(PAUSES.0, PAUSES.1);
            let mut answers = 0;
            while answers < ANSWERS {
                if weak.strong_count() == 0 {
                    return;
                }
                tokio::time::sleep(pauses.next_delay()).await;
                let Some(client) = weak.upgrade() else { return };
                if client.cluster_id(ANSWER).await.is_ok() {
                    answers += 1;
                } else {
                    answers = 0;
                    client.add_bootstrap_servers();
                }
            }
        }
    }));
}
