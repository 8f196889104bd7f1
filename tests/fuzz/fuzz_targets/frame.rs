//! Any bytes as a frame: the reader refuses them, or every part of every record can be read. What was
//! accepted can be built again and is then the same.

#![no_main]

use cofferdam_frame::{Builder, Entry, Frame, Invalid, Position, Record, Span};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Checked less, for frames of our own: the accessors must be safe all the same.
    if let Ok(frame) = Frame::trust(bytes) {
        walk(&frame);
    }
    let Ok(frame) = Frame::parse(bytes) else { return };
    walk(&frame);
    let Ok(copy) = copy(&frame) else { return };
    let copied = Frame::parse(&copy).expect("what the builder makes is a frame");
    assert_eq!(copied.len(), frame.len());
    for (one, other) in frame.iter().zip(copied.iter()) {
        assert_eq!(describe(&one), describe(&other));
    }
    let mut edited = copy.clone();
    Frame::edit(&mut edited, |_, entry| entry.partition = Some(7));
    assert!(Frame::parse(&edited).expect("edited").iter().all(|record| record.entry.partition == Some(7)));
});

fn walk(frame: &Frame<'_>) {
    for index in 0..=frame.len().min(1 << 16) {
        let Some(record) = frame.get(index) else { continue };
        let _ = describe(&record);
    }
    for row in 0..frame.n_topics().min(1 << 10) {
        let _ = frame.topic(row as u16);
    }
    for row in 0..frame.n_source_partitions().min(1 << 10) {
        let _ = frame.source_partition(row as u16);
    }
}

/// Everything of a record but where it lies.
fn describe(record: &Record<'_>) -> impl PartialEq + std::fmt::Debug + use<> {
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let headers: Vec<_> =
        record.headers().map(|header| (header.key.to_owned(), header.schema, owned(header.value))).collect();
    let entry = &record.entry;
    (
        (record.topic().to_owned(), owned(record.key()), owned(record.value()), headers),
        (record.source_partition().map(str::to_owned), record.source_offset().map(str::to_owned)),
        (record.kafka_offset(), entry.src, entry.flags, entry.timestamp, entry.partition),
        (entry.key_schema, entry.value_schema),
    )
}

/// The same records in a frame as our own writer lays it out.
fn copy(frame: &Frame<'_>) -> Result<Vec<u8>, Invalid> {
    let mut out = Builder::default();
    for record in frame.iter() {
        let topic = out.topic(record.topic())?;
        let source_partition =
            record.source_partition().map(|json| out.source_partition(json)).transpose()?;
        let mut entry = Entry { topic, source_partition, ..record.entry };
        entry.key = out.put_option(record.key());
        entry.value = out.put_option(record.value());
        if let Some(offset) = record.source_offset() {
            entry.position = Position::Source(out.put(offset.as_bytes()));
        }
        let mut block = Span { at: 0, len: 0 };
        for header in record.headers() {
            out.header(&mut block, header.key, header.schema, header.value);
        }
        entry.headers = block;
        out.push(&entry);
    }
    Ok(out.finish())
}
