//! `test.Transform` and `test.Predicate`.

use cofferdam_frame::{Builder, Entry, Flags};

use crate::cofferdam::connect::connect_types::{BadRecord, BatchResult, Config, Error, Frame};
use crate::exports::cofferdam::connect::transform_api::Step;
use crate::exports::cofferdam::connect::{predicate_api, transform_api};
use crate::{fault, set_config, setting};

impl transform_api::Guest for crate::Misbehaving {
    fn configure(steps: Vec<Step>) -> Result<(), Error> {
        set_config(steps.into_iter().flat_map(|step| step.config).collect());
        fault::act("configure")
    }

    fn apply(batch: Frame) -> Result<BatchResult, Error> {
        fault::act("apply")?;
        let frame = cofferdam_frame::Frame::parse(&batch).map_err(|error| Error::Fatal(error.to_string()))?;
        let (suffix, drop) = (setting("suffix").unwrap_or_default(), setting("drop"));
        let mut out = Builder::default();
        let mut bad = Vec::new();
        for (index, record) in frame.iter().enumerate() {
            let value = String::from_utf8_lossy(record.value().unwrap_or_default()).into_owned();
            fault::taste(&value);
            if setting("reject").is_some_and(|text| value.contains(&text)) {
                bad.push(BadRecord { index: index as u32, step: 0, message: "rejected".to_owned() });
                continue;
            }
            if drop.as_deref().is_some_and(|text| value.contains(text)) {
                continue;
            }
            let mut entry = Entry::new(out.topic(&format!("{}{suffix}", record.topic())).unwrap());
            entry.src = Some(index as u32);
            entry.flags = Flags::KEEP_KEY.with(Flags::KEEP_VALUE).with(Flags::KEEP_HEADERS);
            entry.timestamp = record.entry.timestamp;
            entry.partition = record.entry.partition;
            out.push(&entry);
        }
        if fault::kind("frame").as_deref() == Some("src") {
            let topic = out.topic("t").unwrap();
            out.push(&Entry { src: Some(frame.len() as u32), ..Entry::new(topic) });
        }
        if fault::kind("bad").as_deref() == Some("step") {
            bad.push(BadRecord { index: 0, step: 99, message: "no such step".to_owned() });
        }
        Ok(BatchResult { output: out.finish(), bad })
    }
}

impl predicate_api::Guest for crate::Misbehaving {
    fn configure(_: String, config: Config) -> Result<(), Error> {
        set_config(config);
        fault::act("configure")
    }

    fn test(batch: Frame) -> Result<Vec<bool>, Error> {
        fault::act("test")?;
        let frame = cofferdam_frame::Frame::parse(&batch).map_err(|error| Error::Fatal(error.to_string()))?;
        let wanted = setting("contains").unwrap_or_default();
        let has = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).contains(&wanted);
        frame.iter().for_each(|record| {
            fault::taste(&String::from_utf8_lossy(record.value().unwrap_or_default()));
        });
        let mut answers: Vec<bool> = frame.iter().map(|record| has(record.value())).collect();
        if fault::kind("answers").as_deref() == Some("few") {
            answers.pop();
        }
        Ok(answers)
    }
}
