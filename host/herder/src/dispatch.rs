//! The loop that hands what changes to the control task of the connector it concerns. All it knows
//! about connectors is who controls them; what is wanted is in the config store.

use std::collections::HashMap;
use std::sync::Arc;

use cofferdam_api::ConnectorName;
use cofferdam_stdx::{Supervisor, TaskKind};
use cofferdam_storage::ConfigEvent;
use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::RestartRequest;
use crate::control::{Command, Control, Shared};
use crate::report::{Reconfigure, Report};

/// What the loop is told by requests.
pub(crate) enum Note {
    Ping(oneshot::Sender<()>),
    Tell(ConnectorName, Command),
}

/// The loop.
pub(crate) struct Dispatch {
    pub(crate) shared: Arc<Shared>,
    pub(crate) supervisor: Supervisor,
    pub(crate) controls: HashMap<ConnectorName, mpsc::UnboundedSender<Command>>,
    pub(crate) gone: mpsc::UnboundedSender<ConnectorName>,
}

// === impl Dispatch ===

impl Dispatch {
    pub(crate) async fn run(
        &mut self,
        mut events: mpsc::UnboundedReceiver<ConfigEvent>,
        mut notes: mpsc::UnboundedReceiver<Note>,
        mut ended: mpsc::UnboundedReceiver<ConnectorName>,
        reconfigure: &Reconfigure,
        stop: &CancellationToken,
    ) {
        let snapshot = self.shared.configs.snapshot();
        tracing::info!(n_connectors = snapshot.connectors.len(), "starting connectors and tasks");
        for name in snapshot.connectors.keys() {
            self.tell(name, Command::Sync(None));
        }
        // Connectors that were deleted while no worker ran.
        for name in self.shared.statuses.connectors() {
            if !snapshot.connectors.contains_key(&name) {
                self.shared.reporter.report(Report::Forget(name));
            }
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                event = events.recv() => match event {
                    Some(event) => self.event(event),
                    // The store ended, which is logged there; what runs is stopped in good order.
                    None => return,
                },
                Some(note) = notes.recv() => match note {
                    Note::Ping(answer) => _ = answer.send(()),
                    Note::Tell(name, command) => self.tell(&name, command),
                },
                names = reconfigure.next() => for name in names {
                    self.tell(&name, Command::Reconfigure);
                },
                Some(name) = ended.recv() => {
                    // Unless one of the same name was created meanwhile.
                    if !self.shared.configs.snapshot().connectors.contains_key(&name) {
                        self.controls.remove(&name);
                    }
                }
            }
        }
    }

    fn event(&mut self, event: ConfigEvent) {
        match event {
            ConfigEvent::Connector(name)
            | ConfigEvent::Removed(name)
            | ConfigEvent::Tasks(name)
            | ConfigEvent::Target(name) => self.tell(&name, Command::Sync(None)),
            ConfigEvent::Restart { name, include_tasks, only_failed } => {
                self.tell(&name, Command::Restart(RestartRequest { include_tasks, only_failed }));
            }
        }
    }

    /// Hands a command to the connector's control task, which is started when there is none.
    fn tell(&mut self, name: &ConnectorName, command: Command) {
        let command = match self.controls.get(name) {
            Some(control) => match control.send(command) {
                Ok(()) => return,
                // Its end was logged. A new one takes over and replaces what still runs.
                Err(mpsc::error::SendError(command)) => command,
            },
            None => command,
        };
        let (control, commands) = mpsc::unbounded_channel();
        _ = control.send(command);
        let work = Control::new(name.clone(), Arc::clone(&self.shared), commands, self.gone.clone());
        _ = self.supervisor.spawn(TaskKind::ConnectorControl, name.as_str(), work.run());
        self.controls.insert(name.clone(), control);
    }

    pub(crate) async fn shut_down(&mut self) {
        let ends = self.controls.drain().filter_map(|(_, control)| {
            let (done, end) = oneshot::channel();
            control.send(Command::ShutDown(done)).ok().map(|()| end)
        });
        join_all(ends.collect::<Vec<_>>()).await;
        self.shared.reporter.flush().await;
    }
}
