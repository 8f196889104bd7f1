//! Everything that cannot work says so, in the status of its task.

use cofferdam_api::State;

use crate::bench::Bench;

/// Starts a task that must fail, and answers its trace.
async fn failure(bench: &Bench, name: &str, pairs: &[(&str, &str)]) -> String {
    let id = bench.start(name, pairs).await;
    bench.until(&id, State::Failed).await;
    bench.heard.trace(&id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_cannot_start_says_why() {
    let bench = Bench::new().await;
    let source = [("connector.class", "test.Source"), ("topic", "out")];
    let with = |more: &[(&'static str, &'static str)]| [&source[..], more].concat();
    let cases: [(&[(&str, &str)], &str); 8] = [
        (
            &[("connector.class", "NoSuch")],
            "Failed to find any class that implements Connector and which name matches NoSuch",
        ),
        (
            &with(&[("transforms", "t"), ("transforms.t.type", "NoSuch")]),
            "Failed to find any class that implements Transformation and which name matches NoSuch",
        ),
        (&with(&[("value.converter", "NoSuch")]), "the converter NoSuch is not available"),
        (&with(&[("errors.tolerance", "some")]), "String must be one of: none, all"),
        (&with(&[("file", "/no/such/folder/file")]), "/no/such/folder"),
        (&with(&[("fault.start", "fatal")]), "told to fail"),
        (
            &with(&[("fault.start", "config")]),
            "org.apache.kafka.common.config.ConfigException: topic: told to dislike it",
        ),
        (&with(&[("fault.start", "trap")]), "the plugin crashed in start"),
    ];
    for (number, (pairs, expected)) in cases.into_iter().enumerate() {
        let trace = failure(&bench, &format!("c{number}"), pairs).await;
        assert!(trace.contains(expected), "{expected}: {trace}");
        assert!(trace.starts_with("org.apache.kafka."), "{trace}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_goes_wrong_fails_and_the_others_go_on() {
    let bench = Bench::new().await;
    let other = bench
        .start("other", &[("connector.class", "test.Source"), ("topic", "fine"), ("records", "4")])
        .await;
    let source = |fault: &'static str, what: &'static str| {
        [("connector.class", "test.Source"), ("topic", "out"), ("records", "0"), (fault, what)]
    };
    for (name, pairs, expected) in [
        ("trap", source("fault.poll", "trap"), "the plugin crashed in poll"),
        ("memory", source("fault.poll", "grow"), "cofferdam.guest.memory.max"),
        (
            "fatal",
            source("fault.poll", "fatal"),
            "org.apache.kafka.connect.errors.ConnectException: told to fail",
        ),
        ("noise", source("fault.frame", "noise"), "unusable batch"),
        ("schema", source("fault.frame", "schema"), "unusable batch"),
    ] {
        let trace = failure(&bench, name, &pairs).await;
        assert!(trace.contains(expected), "{name}: {trace}");
    }
    let trace = failure(
        &bench,
        "topic",
        &[("connector.class", "test.Source"), ("topic", "not a topic"), ("records", "1")],
    )
    .await;
    assert!(trace.contains("Topic name is invalid: 'not a topic'"), "{trace}");
    bench.values("fine", 4).await;
    assert_eq!(bench.heard.states(&other), [State::Running]);
}
