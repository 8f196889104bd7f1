//! From configuration to running tasks and back.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_api::{Class, ConfigMap, TargetState};
use cofferdam_storage::{MemoryConfigStore, MemoryStatusStore};
use cofferdam_worker_api::Listener as _;

use super::*;
use crate::{Error, RestartRequest, Restarted};

const ALL: RestartRequest = RestartRequest { include_tasks: true, only_failed: false };
const FAILED: RestartRequest = RestartRequest { include_tasks: true, only_failed: true };
const PLAIN: RestartRequest = RestartRequest { include_tasks: false, only_failed: false };

#[tokio::test(start_paused = true)]
async fn a_created_connector_starts_before_its_tasks() {
    let bench = Bench::standalone();
    let info = bench.herder.create_connector(&"c".into(), source(&[]), None).await.unwrap();
    assert_eq!(info.tasks, [task("c", 0)], "standalone answers when the tasks are made");
    bench.wait_for("c", "RUNNING 0:RUNNING").await;
    assert_eq!(bench.worker.take_calls(), ["start c Started", "task-configs c", "start c-0 Started"]);

    let status = bench.herder.connector_status(&"c".into()).unwrap();
    assert_eq!(status.connector.worker_id, "127.0.0.1:8083");
    assert_eq!(status.connector.version.as_deref(), Some("4.3.1"));
    let config = &bench.herder.tasks(&"c".into()).unwrap()[0].config;
    assert_eq!(config["task.class"], "org.apache.kafka.connect.file.FileStreamSourceTask");
}

#[tokio::test(start_paused = true)]
async fn the_initial_state_is_kept() {
    let bench = Bench::standalone();
    for (name, target, states) in
        [("p", TargetState::Paused, "PAUSED"), ("s", TargetState::Stopped, "STOPPED")]
    {
        bench.herder.create_connector(&name.into(), source(&[]), Some(target)).await.unwrap();
        bench.wait_for(name, states).await;
        assert!(bench.herder.tasks(&name.into()).unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_is_given_once() {
    let bench = Bench::standalone();
    bench.create("c", source(&[])).await;
    let again = bench.herder.create_connector(&"c".into(), source(&[]), None).await;
    assert_eq!(again.unwrap_err().to_string(), "Connector c already exists");
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_is_recorded_and_harms_nobody_else() {
    let bench = Bench::standalone();
    bench.worker.fail_start("bad", Some("no license"));
    bench.create("bad", source(&[])).await;
    bench.create("good", source(&[])).await;
    bench.wait_for("bad", "FAILED").await;
    bench.wait_for("good", "RUNNING 0:RUNNING").await;
    assert_eq!(
        bench.herder.connector_status(&"bad".into()).unwrap().connector.trace.as_deref(),
        Some("no license")
    );

    let restarted = bench.herder.restart_connector(&"bad".into(), PLAIN).await;
    assert_eq!(restarted.unwrap_err().to_string(), "Failed to start connector: bad: no license");
    bench.worker.fail_start("bad", None);
    assert_eq!(bench.herder.restart_connector(&"bad".into(), PLAIN).await.unwrap(), Restarted::Done);
    bench.wait_for("bad", "RUNNING 0:RUNNING").await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_configuration_reaches_connector_and_tasks() {
    let bench = Bench::standalone();
    bench.create("c", source(&[])).await;
    bench.wait_for("c", "RUNNING 0:RUNNING").await;
    bench.worker.take_calls();
    let put = bench.herder.put_connector_config(&"c".into(), source(&[("batch.size", "7")])).await.unwrap();
    assert!(!put.created);
    assert_eq!(
        bench.worker.take_calls(),
        ["start c Started", "task-configs c", "stop c-0", "start c-0 Started"]
    );
    assert_eq!(bench.worker.task_config("c", 0).unwrap()["batch.size"], "7");

    // The same again changes nothing.
    bench.herder.put_connector_config(&"c".into(), source(&[("batch.size", "7")])).await.unwrap();
    assert_eq!(bench.worker.take_calls(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_new_configuration_that_does_not_start_leaves_the_tasks_as_they_are() {
    let bench = Bench::standalone();
    bench.create("c", source(&[])).await;
    bench.wait_for("c", "RUNNING 0:RUNNING").await;
    bench.worker.fail_start("c", Some("no"));
    bench.herder.put_connector_config(&"c".into(), source(&[("batch.size", "7")])).await.unwrap();
    bench.wait_for("c", "FAILED 0:RUNNING").await;
    assert_eq!(bench.worker.task_config("c", 0).unwrap().get("batch.size"), None);
}

#[tokio::test(start_paused = true)]
async fn a_patch_changes_and_removes_single_keys() {
    let bench = Bench::standalone();
    bench.create("c", source(&[("batch.size", "7"), ("note", "x")])).await;
    let patch: GivenConfig =
        [("batch.size".to_owned(), None), ("note".to_owned(), Some("y".to_owned()))].into_iter().collect();
    let info = bench.herder.patch_connector_config(&"c".into(), patch).await.unwrap();
    assert_eq!(info.config.get("batch.size"), None);
    assert_eq!(info.config["note"], "y");
    let rename = bench.herder.patch_connector_config(&"c".into(), config(&[("name", "d")])).await;
    assert!(matches!(rename, Err(Error::NameMismatch { .. })));
    let absent = bench.herder.patch_connector_config(&"none".into(), GivenConfig::new()).await;
    assert_eq!(absent.unwrap_err().to_string(), "Connector none not found");
}

#[tokio::test(start_paused = true)]
async fn fewer_tasks_leave_no_status_behind() {
    let bench = Bench::standalone();
    bench.worker.set_tasks("c", 3);
    bench.create("c", source(&[("tasks.max", "3")])).await;
    bench.wait_for("c", "RUNNING 0:RUNNING 1:RUNNING 2:RUNNING").await;
    bench.worker.take_calls();
    bench.worker.set_tasks("c", 1);
    bench.herder.shared().reporter.reconfigure(&"c".into());
    bench.wait_for("c", "RUNNING 0:RUNNING").await;
    assert_eq!(bench.worker.take_calls(), ["task-configs c", "stop c-1", "stop c-2"], "task 0 goes on");
}

#[tokio::test(start_paused = true)]
async fn pause_and_resume_keep_the_tasks() {
    let bench = Bench::standalone();
    bench.create("c", source(&[])).await;
    bench.worker.take_calls();
    bench.herder.set_target_state(&"c".into(), TargetState::Paused).await.unwrap();
    bench.wait_for("c", "PAUSED 0:PAUSED").await;
    bench.herder.set_target_state(&"c".into(), TargetState::Started).await.unwrap();
    bench.wait_for("c", "RUNNING 0:RUNNING").await;
    assert_eq!(bench.worker.take_calls(), ["target c Paused", "target c Started", "task-configs c"]);
    let unknown = bench.herder.set_target_state(&"none".into(), TargetState::Paused).await;
    assert_eq!(unknown.unwrap_err().to_string(), "Unknown connector none");
}

#[tokio::test(start_paused = true)]
async fn stop_frees_the_tasks_and_resume_makes_them_anew() {
    let bench = Bench::standalone();
    bench.create("c", source(&[])).await;
    bench.herder.set_target_state(&"c".into(), TargetState::Stopped).await.unwrap();
    bench.wait_for("c", "STOPPED").await;
    assert!(bench.worker.tasks().is_empty());
    assert!(bench.herder.tasks(&"c".into()).unwrap().is_empty());
    // A restart leaves it stopped.
    assert_eq!(bench.herder.restart_connector(&"c".into(), PLAIN).await.unwrap(), Restarted::Done);
    bench.wait_for("c", "STOPPED").await;
    assert_eq!(bench.herder.restart_task(&task("c", 0)).await.unwrap_err().to_string(), "Unknown task: c-0");
    bench.herder.set_target_state(&"c".into(), TargetState::Started).await.unwrap();
    bench.wait_for("c", "RUNNING 0:RUNNING").await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_connector_leaves_nothing_but_can_come_back() {
    let bench = Bench::standalone();
    bench.create("c", source(&[])).await;
    bench.wait_for("c", "RUNNING 0:RUNNING").await;
    bench.herder.delete_connector(&"c".into()).await.unwrap();
    assert_eq!(bench.states("c"), "-");
    assert!(bench.worker.tasks().is_empty());
    let error = bench.herder.delete_connector(&"c".into()).await.unwrap_err();
    assert_eq!(error.to_string(), "Connector c not found");
    let error = bench.herder.connector_status(&"c".into()).unwrap_err();
    assert_eq!(error.to_string(), "No status found for connector c");
    bench.create("c", source(&[])).await;
    bench.wait_for("c", "RUNNING 0:RUNNING").await;
}

#[tokio::test(start_paused = true)]
async fn a_planned_restart_shows_what_it_restarts() {
    let bench = Bench::distributed();
    bench.worker.set_tasks("c", 2);
    bench.create("c", source(&[("tasks.max", "2")])).await;
    bench.wait_for("c", "RUNNING 0:RUNNING 1:RUNNING").await;
    bench.worker.fail_task("c", 1, "boom");
    bench.wait_for("c", "RUNNING 0:RUNNING 1:FAILED").await;
    bench.worker.take_calls();

    let Restarted::Planned(shown) = bench.herder.restart_connector(&"c".into(), FAILED).await.unwrap() else {
        panic!("a plan")
    };
    assert_eq!(shown.connector.state, State::Running);
    assert_eq!(
        shown.tasks.iter().map(|(_, s)| s.state).collect::<Vec<_>>(),
        [State::Running, State::Restarting]
    );
    assert_eq!(shown.tasks[1].1.trace.as_deref(), Some("boom"));
    bench.wait_for("c", "RUNNING 0:RUNNING 1:RUNNING").await;
    assert_eq!(bench.worker.take_calls(), ["start c-1 Started"]);

    bench.herder.restart_connector(&"c".into(), ALL).await.unwrap();
    let calls = async {
        let mut calls = Vec::new();
        while calls.len() < 6 {
            calls.extend(bench.worker.take_calls());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        calls
    };
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(60), calls).await.unwrap(),
        [
            "stop c-0",
            "stop c-1",
            "start c Started",
            "task-configs c",
            "start c-0 Started",
            "start c-1 Started"
        ]
    );
    let error = bench.herder.restart_connector(&"none".into(), ALL).await.unwrap_err();
    assert_eq!(error.to_string(), "Unknown connector: none");
}

#[tokio::test(start_paused = true)]
async fn one_task_can_be_restarted() {
    let bench = Bench::distributed();
    bench.create("c", source(&[])).await;
    bench.wait_for("c", "RUNNING 0:RUNNING").await;
    bench.worker.fail_task("c", 0, "boom");
    bench.wait_for("c", "RUNNING 0:FAILED").await;
    bench.herder.restart_task(&task("c", 0)).await.unwrap();
    bench.wait_for("c", "RUNNING 0:RUNNING").await;
    let error = bench.herder.restart_task(&task("c", 7)).await.unwrap_err();
    assert_eq!(error.to_string(), "Unknown task: c-7");
    let error = bench.herder.restart_task(&task("none", 0)).await.unwrap_err();
    assert_eq!(error.to_string(), "Unknown connector: none");
    let error = bench.herder.task_status(&task("c", 9)).unwrap_err();
    assert_eq!(error.to_string(), "No status found for task c-9");
}

#[tokio::test(start_paused = true)]
async fn task_configurations_are_asked_for_until_there_are_some() {
    let bench = Bench::standalone();
    bench.worker.fail_task_configs("c", 3, Class::Retriable);
    let before = cofferdam_stdx::time::now();
    bench.create("c", source(&[])).await;
    bench.wait_for("c", "RUNNING").await;
    bench.wait_for("c", "RUNNING 0:RUNNING").await;
    // 250 + 500 + 1000 ms of back-off.
    assert!(before.elapsed() >= Duration::from_millis(1750));
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_breaks_over_its_task_configurations_fails_and_its_tasks_go_on() {
    let bench = Bench::standalone();
    bench.create("c", source(&[])).await;
    bench.wait_for("c", "RUNNING 0:RUNNING").await;
    bench.worker.fail_task_configs("c", 1, Class::Fatal);
    bench.herder.shared().reporter.reconfigure(&"c".into());
    bench.wait_for("c", "FAILED 0:RUNNING").await;
    let trace = bench.herder.connector_status(&"c".into()).unwrap().connector.trace;
    assert_eq!(trace.as_deref(), Some("the database is asleep\n  in the guest"));
    bench.worker.take_calls();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(bench.worker.take_calls(), Vec::<String>::new(), "asking again would change nothing");
    assert_eq!(bench.herder.restart_connector(&"c".into(), PLAIN).await.unwrap(), Restarted::Done);
    bench.wait_for("c", "RUNNING 0:RUNNING").await;
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_asks_without_end_is_asked_once_at_a_time() {
    let bench = Bench::standalone();
    bench.create("c", source(&[])).await;
    bench.wait_for("c", "RUNNING 0:RUNNING").await;
    bench.worker.take_calls();
    for _ in 0..1000 {
        bench.herder.shared().reporter.reconfigure(&"c".into());
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.worker.take_calls(), ["task-configs c"]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_takes_up_what_the_store_holds() {
    let first = Bench::standalone();
    for n in 0..200 {
        first.create(&format!("c{n}"), source(&[])).await;
    }
    first.herder.set_target_state(&"c7".into(), TargetState::Paused).await.unwrap();
    first.wait_for("c7", "PAUSED 0:PAUSED").await;
    first.herder.shut_down().await;
    assert_eq!(first.states("c0"), "UNASSIGNED 0:UNASSIGNED");
    assert!(first.worker.tasks().is_empty());
    assert_eq!(first.supervisor.shut_down(Duration::from_secs(5)).await, 0);

    let second = Bench::over(Mode::Standalone, first.configs.clone(), first.statuses.clone());
    for n in 0..200 {
        let states = if n == 7 { "PAUSED 0:PAUSED" } else { "RUNNING 0:RUNNING" };
        second.wait_for(&format!("c{n}"), states).await;
    }
    let calls = second.worker.take_calls();
    let starts: Vec<_> = calls.iter().take(200).collect();
    assert!(
        starts.iter().all(|call| call.starts_with("start c") && !call.contains('-')),
        "side by side: {starts:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_task_stays_failed_when_the_worker_ends() {
    let bench = Bench::standalone();
    bench.create("c", source(&[])).await;
    bench.worker.fail_task("c", 0, "boom");
    bench.wait_for("c", "RUNNING 0:FAILED").await;
    bench.herder.shut_down().await;
    assert_eq!(bench.states("c"), "UNASSIGNED 0:FAILED");
}

#[tokio::test(start_paused = true)]
async fn statuses_of_connectors_that_are_gone_are_swept_at_the_start() {
    let statuses = Arc::new(MemoryStatusStore::default());
    let status = cofferdam_api::Status {
        state: State::Running,
        trace: None,
        worker_id: "w".into(),
        generation: 0,
        version: None,
    };
    statuses.put_connector(&"old".into(), Some(status), false).await.unwrap();
    let bench = Bench::over(Mode::Standalone, Arc::new(MemoryConfigStore::default()), statuses);
    bench.wait_for("old", "-").await;
}

#[tokio::test(start_paused = true)]
async fn a_record_of_another_tool_has_the_same_effect_as_a_request() {
    let bench = Bench::distributed();
    let config: ConfigMap =
        source(&[("name", "c")]).into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    bench.configs.put_connector(&"c".into(), &config, None).await.unwrap();
    bench.wait_for("c", "RUNNING 0:RUNNING").await;
    bench.configs.remove_connector(&"c".into()).await.unwrap();
    bench.wait_for("c", "-").await;
}

#[tokio::test(start_paused = true)]
async fn topics_in_use_are_known_until_they_are_reset() {
    let bench = Bench::standalone();
    bench.create("c", source(&[])).await;
    bench.herder.shared().reporter.topic(&task("c", 0), "orders");
    bench.herder.shared().reporter.flush().await;
    assert_eq!(bench.herder.topics(&"c".into()).into_iter().collect::<Vec<_>>(), ["orders", "t"]);
    bench.herder.reset_topics(&"c".into()).await.unwrap();
    assert!(bench.herder.topics(&"c".into()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_plugin_in_use_names_its_connectors() {
    let bench = Bench::standalone();
    bench
        .create(
            "c",
            source(&[
                ("transforms", "a"),
                ("transforms.a.type", "RegexRouter"),
                ("transforms.a.regex", "x"),
                ("transforms.a.replacement", "y"),
            ]),
        )
        .await;
    let using = |class: &str| {
        let names = bench.herder.connectors_using(&[format!("org.apache.kafka.connect.{class}")]);
        names.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(using("file.FileStreamSourceConnector"), ["c"]);
    assert_eq!(using("transforms.RegexRouter"), ["c"]);
    assert_eq!(using("file.FileStreamSinkConnector"), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn producers_of_earlier_tasks_are_fenced_before_exactly_once_tasks_start() {
    let bench = Bench::over(Bench::member(true), Arc::default(), Arc::default());
    bench.worker.set_tasks("c", 3);
    bench.create("c", source(&[])).await;
    bench.wait_for("c", "RUNNING 0:RUNNING 1:RUNNING 2:RUNNING").await;
    let fencing = || bench.configs.snapshot().connectors[&ConnectorName::from("c")].fencing;
    assert_eq!((fencing().n_tasks, fencing().is_due), (Some(3), false));
    let calls = bench.worker.take_calls();
    assert!(!calls.iter().any(|call| call.starts_with("fence")), "nobody was there before: {calls:?}");

    // A changed configuration restarts all tasks, and there are fewer of them.
    bench.worker.set_tasks("c", 1);
    bench.create_or_change("c", source(&[("batch.size", "7")])).await;
    bench.wait_for("c", "RUNNING 0:RUNNING").await;
    let calls = bench.worker.take_calls();
    let fence = calls.iter().position(|call| call == "fence c-0").unwrap();
    assert_eq!(calls[fence..], ["fence c-0", "fence c-1", "fence c-2", "start c-0 Started"], "{calls:?}");
    assert_eq!((fencing().n_tasks, fencing().is_due), (Some(1), false));

    // A restart is no new publication: the task takes over its own id.
    bench.herder.restart_task(&task("c", 0)).await.unwrap();
    bench.wait_for("c", "RUNNING 0:RUNNING").await;
    assert!(!bench.worker.take_calls().iter().any(|call| call.starts_with("fence")));
}

#[tokio::test(start_paused = true)]
async fn a_task_does_not_start_beside_one_that_could_not_be_fenced() {
    let bench = Bench::over(Bench::member(true), Arc::default(), Arc::default());
    bench.worker.set_tasks("c", 2);
    bench.create("c", source(&[])).await;
    bench.wait_for("c", "RUNNING 0:RUNNING 1:RUNNING").await;
    bench.worker.fail_fencing("c", Some("no broker"));
    bench.create_or_change("c", source(&[("batch.size", "7")])).await;
    bench.wait_for("c", "RUNNING 0:FAILED 1:FAILED").await;
    assert_eq!(bench.worker.tasks(), []);
    bench.worker.fail_fencing("c", None);
    bench.herder.restart_task(&task("c", 0)).await.unwrap();
    bench.herder.restart_task(&task("c", 1)).await.unwrap();
    bench.wait_for("c", "RUNNING 0:RUNNING 1:RUNNING").await;
}
