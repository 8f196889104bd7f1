//! `test.Source`: numbered lines, continued after the stored offset.

use std::cell::Cell;
use std::io::Read as _;

use cofferdam_frame::{Builder, Entry, Position};

use crate::cofferdam::connect::connect_schemas::{self, Kind, Schema};
use crate::cofferdam::connect::connect_types::{Config, Error, Frame};
use crate::cofferdam::connect::{source_offsets, source_transactions};
use crate::exports::cofferdam::connect::source_api::Guest;
use crate::{fault, number, set_config, setting};

const PARTITION: &str = r#"{"test":"lines"}"#;

thread_local! {
    static NEXT: Cell<u64> = const { Cell::new(0) };
    static FIRST: Cell<u64> = const { Cell::new(0) };
    static SCHEMA: Cell<u32> = const { Cell::new(0) };
    static FILE_READ: Cell<bool> = const { Cell::new(false) };
}

impl Guest for crate::Misbehaving {
    fn start(_: String, config: Config) -> Result<(), Error> {
        set_config(config);
        fault::act("start")?;
        let stored = source_offsets::get(&[PARTITION.to_owned()]).map_err(Error::Fatal)?;
        let digits = |text: String| text.chars().filter(char::is_ascii_digit).collect::<String>();
        let stored = stored.into_iter().next().flatten();
        NEXT.set(stored.and_then(|text| digits(text).parse().ok()).unwrap_or(0));
        FIRST.set(NEXT.get());
        SCHEMA.set(connect_schemas::define(&text()).map_err(Error::Fatal)?);
        Ok(())
    }

    fn poll(max_records: u32, _max_bytes: u32, _wait_ms: u32) -> Result<Frame, Error> {
        fault::act("poll")?;
        let mut frame = Builder::default();
        if let Some(path) = setting("file") {
            if !FILE_READ.replace(true) {
                let size =
                    read(&path).map_err(|error| Error::Fatal(format!("cannot read {path}: {error}")))?;
                push(&mut frame, 1, &format!("{size} bytes"), SCHEMA.get());
            }
            return Ok(frame.finish());
        }
        let from = NEXT.get();
        let mut to = number("records", 10).min(from + u64::from(max_records));
        // Traps behind each so many records, once in the life of an instance.
        let each = number("trap.each", u64::MAX);
        if from > FIRST.get() && from.is_multiple_of(each) {
            panic!("told to panic behind record {from}");
        }
        to = to.min((from / each + 1).saturating_mul(each));
        for n in from..to {
            push(&mut frame, n + 1, &format!("line-{n}"), SCHEMA.get());
            end_transaction(n + 1, u32::try_from(n - from).unwrap());
        }
        match setting("end.batch").as_deref() {
            Some("commit") => source_transactions::commit(None),
            Some("abort") => source_transactions::abort(None),
            Some("both") => {
                source_transactions::commit(None);
                source_transactions::abort(None);
            }
            _ => {}
        }
        NEXT.set(to);
        Ok(damage(frame))
    }

    fn committed(_: Vec<(String, String)>) -> Result<(), Error> {
        fault::act("committed")
    }

    fn stop() {
        _ = fault::act("stop");
    }
}

/// Ends the transaction behind the `n`th record, at this place in the frame, if it is to end there.
fn end_transaction(n: u64, place: u32) {
    let each = number("commit.each", 0);
    if each == 0 || !n.is_multiple_of(each) || !source_transactions::enabled() {
        return;
    }
    let aborted = number("abort.each", 0);
    if aborted > 0 && (n / each).is_multiple_of(aborted) {
        source_transactions::abort(Some(place));
    } else {
        source_transactions::commit(Some(place));
    }
}

fn push(frame: &mut Builder, n: u64, value: &str, schema: u32) {
    let topic = setting("topic").unwrap_or_else(|| "test".to_owned());
    let mut entry = Entry::new(frame.topic(&topic).unwrap());
    entry.source_partition = Some(frame.source_partition(PARTITION).unwrap());
    entry.position = Position::Source(frame.put(format!(r#"{{"n":{n}}}"#).as_bytes()));
    entry.value = frame.put(value.as_bytes());
    entry.value_schema = schema;
    frame.push(&entry);
}

/// Spoils the frame as the setting `fault.frame` says.
fn damage(mut frame: Builder) -> Vec<u8> {
    match fault::kind("frame").as_deref() {
        Some("noise") => b"this is not a frame, but long enough to have a head of its own".to_vec(),
        Some("short") => {
            let mut bytes = frame.finish();
            bytes.truncate(bytes.len() / 2);
            bytes
        }
        Some("span") => {
            push(&mut frame, 0, "x", 0);
            let mut bytes = frame.finish();
            // The length of the last record's value, which lies 40 bytes into its entry.
            let entries_at = u32::from_le_bytes(bytes[28..32].try_into().unwrap()) as usize;
            bytes[entries_at + 40..entries_at + 44].copy_from_slice(&0x7fff_0000_u32.to_le_bytes());
            bytes
        }
        Some("schema") => {
            push(&mut frame, 0, "x", 999);
            frame.finish()
        }
        Some("src") => {
            let topic = frame.topic("t").unwrap();
            frame.push(&Entry { src: Some(7), ..Entry::new(topic) });
            frame.finish()
        }
        Some("huge") => vec![0; 80 << 20],
        _ => frame.finish(),
    }
}

fn read(path: &str) -> std::io::Result<usize> {
    let mut file = std::fs::File::open(path)?;
    let mut buffer = vec![0; number("buffer", 64 << 10) as usize];
    let mut size = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(size),
            n => size += n,
        }
    }
}

fn text() -> Schema {
    Schema {
        kind: Kind::String,
        optional: false,
        name: None,
        version: None,
        doc: None,
        parameters: Vec::new(),
        default: None,
        fields: Vec::new(),
        key_schema: None,
        value_schema: None,
    }
}
