//! `test.Sink`: counts, and writes to a file if it has one.

use std::cell::Cell;
use std::fs::OpenOptions;
use std::io::Write as _;

use crate::cofferdam::connect::connect_types::{
    BadRecord, Config, Error, Frame, TopicOffset, TopicPartition,
};
use crate::cofferdam::connect::{connect_metrics, sink_context};
use crate::exports::cofferdam::connect::sink_api::Guest;
use crate::{fault, set_config, setting};

thread_local! {
    static REWOUND: Cell<bool> = const { Cell::new(false) };
}

impl Guest for crate::Misbehaving {
    fn start(_: String, config: Config) -> Result<(), Error> {
        set_config(config);
        fault::act("start")
    }

    fn open(_: Vec<TopicPartition>) -> Result<(), Error> {
        fault::act("open")
    }

    fn close(_: Vec<TopicPartition>) -> Result<(), Error> {
        fault::act("close")
    }

    fn put(batch: Frame) -> Result<Vec<BadRecord>, Error> {
        fault::act("put")?;
        let frame = cofferdam_frame::Frame::parse(&batch).map_err(|error| Error::Fatal(error.to_string()))?;
        frame.iter().for_each(|record| fault::taste(&lossy(record.value())));
        if let Some(path) = setting("file") {
            write(&path, frame).map_err(|error| Error::Fatal(format!("cannot write {path}: {error}")))?;
        }
        connect_metrics::count("records", frame.len() as u64);
        match setting("ask").as_deref() {
            Some("pause") => sink_context::pause(&sink_context::assignment()),
            Some("unassigned") => {
                sink_context::pause(&[TopicPartition { topic: "other".to_owned(), partition: 9 }])
            }
            Some("rewind") => rewind(),
            Some("rewind-once") if frame.len() > 0 && !REWOUND.replace(true) => rewind(),
            Some("commit") => sink_context::request_commit(),
            // Nothing more until the next call without records.
            Some("rest") if frame.len() > 0 => sink_context::pause(&sink_context::assignment()),
            Some("rest") => sink_context::resume(&sink_context::assignment()),
            _ => {}
        }
        let reject = setting("reject");
        let bad = |text: &str| reject.as_deref().is_some_and(|reject| text.contains(reject));
        let bad = frame.iter().enumerate().filter(|(_, record)| bad(&lossy(record.value())));
        let mut bad: Vec<BadRecord> = bad
            .map(|(index, _)| BadRecord { index: index as u32, step: 0, message: "rejected".to_owned() })
            .collect();
        if fault::kind("bad").as_deref() == Some("index") {
            bad.push(BadRecord { index: frame.len() as u32, step: 0, message: "no such record".to_owned() });
        }
        Ok(bad)
    }

    fn pre_commit(mut delivered: Vec<TopicOffset>) -> Result<Vec<TopicOffset>, Error> {
        fault::act("pre_commit")?;
        delivered.push(TopicOffset { topic: "never-asked".to_owned(), partition: 0, offset: 1 });
        Ok(delivered)
    }

    fn stop() {
        _ = fault::act("stop");
    }
}

/// Back to the first offset of everything, and a commit.
fn rewind() {
    let start = |of: TopicPartition| TopicOffset { topic: of.topic, partition: of.partition, offset: 0 };
    sink_context::seek(&sink_context::assignment().into_iter().map(start).collect::<Vec<_>>());
    sink_context::request_commit();
}

fn lossy(value: Option<&[u8]>) -> String {
    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
}

fn write(path: &str, frame: cofferdam_frame::Frame<'_>) -> std::io::Result<()> {
    let mut out = Vec::new();
    for record in frame.iter() {
        out.extend_from_slice(record.value().unwrap_or_default());
        out.push(b'\n');
    }
    OpenOptions::new().create(true).append(true).open(path)?.write_all(&out)
}
