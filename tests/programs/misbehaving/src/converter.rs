//! `test.Converter`.

use cofferdam_frame::tape::{self, Value};
use cofferdam_frame::{Builder, Entry, Frame as Records, Span};

use crate::cofferdam::connect::connect_types::{BadRecord, BatchResult, Config, Error, Frame};
use crate::exports::cofferdam::connect::converter_api::{Guest, Part};
use crate::{fault, set_config, setting};

impl Guest for crate::Misbehaving {
    fn configure(_: String, config: Config, _: Part) -> Result<(), Error> {
        set_config(config);
        fault::act("configure")
    }

    fn to_connect(batch: Frame) -> Result<BatchResult, Error> {
        convert("to-connect", &batch, |bytes, out| tape::put_string(out, &format!("<{bytes}>")))
    }

    fn from_connect(batch: Frame) -> Result<BatchResult, Error> {
        convert("from-connect", &batch, |text, out| out.extend_from_slice(text.as_bytes()))
    }
}

fn convert(call: &str, batch: &[u8], write: impl Fn(&str, &mut Vec<u8>)) -> Result<BatchResult, Error> {
    fault::act(call)?;
    let frame = Records::parse(batch).map_err(|error| Error::Fatal(error.to_string()))?;
    let mut out = Builder::default();
    let mut bad = Vec::new();
    for (index, record) in (0_u32..).zip(frame.iter()) {
        let text = match record.value().map(|value| (Value::new(value), value)) {
            Some((Some(Value::String(text)), _)) if call == "from-connect" => text.to_owned(),
            Some((_, bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            None => String::new(),
        };
        fault::taste(&text);
        if setting("reject").is_some_and(|unwanted| text.contains(&unwanted)) {
            bad.push(BadRecord { index, step: 0, message: "rejected".to_owned() });
            continue;
        }
        if index == 0 && fault::kind("answers").as_deref() == Some("few") {
            continue;
        }
        let mut entry = Entry::new(out.topic(record.topic()).unwrap());
        entry.src = Some(if fault::kind("src").is_some() { 0 } else { index });
        entry.value = Span::NULL;
        if record.value().is_some() {
            let Ok(span) = out.try_write(|heap| -> Result<(), ()> {
                write(&text, heap);
                Ok(())
            }) else {
                continue;
            };
            entry.value = span;
        }
        out.push(&entry);
    }
    Ok(BatchResult { output: out.finish(), bad })
}
