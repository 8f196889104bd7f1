//! Pausing, resuming, stopping, replacing.

use cofferdam_api::{ConnectorName, State, TargetState};
use cofferdam_worker_api::Worker as _;

use crate::bench::{Bench, config, task};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_source_commits_and_is_silent_until_it_is_resumed() {
    let bench = Bench::new().await;
    let name = ConnectorName::from("s");
    let source = [("connector.class", "test.Source"), ("topic", "out"), ("records", "5")];
    let id = bench.start("s", &source).await;
    bench.values("out", 5).await;
    bench.worker.set_target_state(&name, TargetState::Paused).await;
    bench.until(&id, State::Paused).await;
    crate::bench::wait(|| async { bench.offset("s").await.is_some() }, || "a commit".to_owned()).await;
    bench.worker.set_target_state(&name, TargetState::Started).await;
    bench.until(&id, State::Running).await;
    assert_eq!(bench.heard.connector_states(), [State::Running, State::Paused, State::Running]);
    bench.stop(&id).await;
    assert_eq!(bench.heard.states(&id), [State::Running, State::Paused, State::Running, State::Unassigned]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_sink_takes_nothing_and_goes_on_where_it_was() {
    let bench = Bench::new().await;
    let (name, file) = (ConnectorName::from("k"), bench.path("out"));
    bench.produce("in", &[(None, Some("a"))]).await;
    let id = bench.start("k", &[("connector.class", "test.Sink"), ("topics", "in"), ("file", &file)]).await;
    bench.until_file(&file, "a\n").await;
    bench.worker.set_target_state(&name, TargetState::Paused).await;
    bench.until(&id, State::Paused).await;
    bench.produce("in", &[(None, Some("b"))]).await;
    // Another reader of the topic has it by now, and the sink still has not.
    bench.values("in", 2).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "a\n");
    bench.worker.set_target_state(&name, TargetState::Started).await;
    bench.until_file(&file, "a\nb\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_starts_paused_does_not_start_its_guest() {
    let bench = Bench::new().await;
    let source = [("connector.class", "test.Source"), ("topic", "out"), ("fault.start", "trap")];
    let id = bench.start_in("s", &source, TargetState::Paused).await;
    bench.until(&id, State::Paused).await;
    bench.worker.set_target_state(&ConnectorName::from("s"), TargetState::Started).await;
    bench.until(&id, State::Failed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_does_not_heed_its_stop_is_dropped_after_the_grace() {
    let bench = Bench::new().await;
    let id = bench
        .start("s", &[("connector.class", "test.Source"), ("topic", "out"), ("fault.poll", "sleep")])
        .await;
    bench.until(&id, State::Running).await;
    let began = cofferdam_stdx::time::now();
    bench.stop(&id).await;
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(bench.heard.states(&id), [State::Running, State::Unassigned]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_makes_its_tasks_configurations() {
    let bench = Bench::new().await;
    let name = ConnectorName::from("k");
    let mut config = crate::bench::config(&[
        ("name", "k"),
        ("connector.class", "test.Sink"),
        ("tasks.max", "2"),
        ("tasks", "9"),
        ("topics", "in"),
    ]);
    bench.worker.start_connector(&name, &config, TargetState::Started).await.unwrap();
    let tasks = bench.worker.task_configs(&name).await.unwrap();
    assert_eq!(tasks.len(), 2);
    assert_eq!(tasks[1].get("task.class").map(String::as_str), Some("test.Sink"));
    assert_eq!(tasks[1].get("topics").map(String::as_str), Some("in"));
    // Stopped, it has no instance that could be asked.
    bench.worker.set_target_state(&name, TargetState::Stopped).await;
    assert!(bench.worker.task_configs(&name).await.unwrap_err().message.contains("not running"));
    config.insert("fault.connector.start".into(), "fatal".into());
    let failure = bench.worker.start_connector(&name, &config, TargetState::Started).await.unwrap_err();
    assert_eq!(failure.trace, "org.apache.kafka.connect.errors.ConnectException: told to fail\n");
    assert_eq!(bench.heard.connector_states(), [State::Running, State::Stopped, State::Failed]);
    // Unknown ids are no problem.
    bench.worker.stop_tasks(&[task("nobody")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_task_is_started_again_as_often_as_its_policy_says() {
    let bench = Bench::new().await;
    let source = [
        ("connector.class", "test.Source"),
        ("topic", "out"),
        ("fault.poll", "fatal"),
        ("restart.policy", "on-failure"),
        ("restart.backoff.ms", "20"),
        ("restart.max.attempts", "2"),
    ];
    let id = bench.start("s", &source).await;
    let expected = [State::Running, State::Failed].repeat(3);
    crate::bench::wait(
        || async { bench.heard.states(&id).len() >= expected.len() },
        || format!("three failures: {:?}", bench.heard.states(&id)),
    )
    .await;
    let traces = bench.heard.traces(&id);
    assert!(traces[0].contains("told to fail\nRestart 1 of 2 is due at "), "{traces:?}");
    assert!(traces[1].contains("\nRestart 2 of 2 is due at "), "{traces:?}");
    assert_eq!(traces[2], "org.apache.kafka.connect.errors.ConnectException: told to fail\n");
    bench.until_metric("cofferdam_task_restarts", "s", "2").await;
    bench.stop(&id).await;
    assert_eq!(bench.heard.states(&id), expected, "a task that has ended said more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_waits_for_its_restart_is_failed_and_heeds_its_stop() {
    let bench = Bench::new().await;
    let source = [
        ("connector.class", "test.Source"),
        ("topic", "out"),
        ("fault.poll", "trap"),
        ("restart.policy", "on-failure"),
        ("restart.backoff.ms", "600000"),
        ("restart.backoff.max.ms", "600000"),
    ];
    let id = bench.start("s", &source).await;
    bench.until(&id, State::Failed).await;
    let trace = bench.heard.trace(&id);
    assert!(trace.contains("misbehaving.wasm") && trace.contains("cause: transient"), "{trace}");
    bench.stop(&id).await;
    assert_eq!(bench.heard.states(&id), [State::Running, State::Failed, State::Unassigned]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_faulty_configuration_is_not_tried_again() {
    let bench = Bench::new().await;
    let source = [
        ("connector.class", "test.Source"),
        ("topic", "out"),
        ("fault.poll", "config"),
        ("restart.policy", "on-failure"),
        ("restart.causes", "data,transient,resource"),
        ("restart.backoff.ms", "1"),
    ];
    let id = bench.start("s", &source).await;
    bench.until(&id, State::Failed).await;
    assert!(!bench.heard.trace(&id).contains("is due"), "{}", bench.heard.trace(&id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_that_cannot_start_is_tried_again_until_it_does() {
    let bench = Bench::new().await;
    let (name, file) = (ConnectorName::from("c"), bench.path("switch"));
    let append = format!("append={file}");
    let sink = [
        ("name", "c"),
        ("connector.class", "test.Sink"),
        ("tasks.max", "1"),
        ("topics", "in"),
        // Cannot be opened while this is a folder.
        ("file", file.as_str()),
        ("fault.connector.start", append.as_str()),
        ("restart.policy", "on-failure"),
        ("restart.backoff.ms", "20"),
        ("restart.backoff.max.ms", "20"),
    ];
    std::fs::create_dir(&file).unwrap();
    let failure = bench.worker.start_connector(&name, &config(&sink), TargetState::Started).await;
    let trace = failure.unwrap_err().trace;
    assert!(trace.contains("cannot append") && trace.contains("\nRestart 1 is due at "), "{trace}");
    let states = || bench.heard.connector_states();
    let failed_again = || async { states().len() >= 3 };
    crate::bench::wait(failed_again, || format!("more failures: {:?}", states())).await;
    assert!(states().iter().all(|state| *state == State::Failed), "{:?}", states());
    std::fs::remove_dir(&file).unwrap();
    let runs = || async { states().last() == Some(&State::Running) };
    crate::bench::wait(runs, || format!("it to run: {:?}", states())).await;
    assert_eq!(bench.heard.reconfigured(), ["c"], "its tasks are asked for");
    assert_eq!(bench.worker.task_configs(&name).await.unwrap().len(), 1);

    // One that is stopped meanwhile is left alone.
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    bench.worker.start_connector(&name, &config(&sink), TargetState::Started).await.unwrap_err();
    bench.worker.set_target_state(&name, TargetState::Stopped).await;
    bench.worker.stop_connector(&name).await;
    assert_eq!(states().last(), Some(&State::Stopped));
}
