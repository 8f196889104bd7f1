//! No bytes, however damaged, make a reader panic or read outside what it was given.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use cofferdam_frame::tape::{self, Value};
use cofferdam_frame::{Builder, Entry, Frame, Position, Span, rows};
use proptest::prelude::*;

fn sample(records: usize) -> Vec<u8> {
    let mut builder = Builder::default();
    for index in 0..records {
        let mut entry = Entry::new(builder.topic(["a", "bc"][index % 2]).unwrap());
        entry.source_partition = Some(builder.source_partition(r#"{"filename":"f"}"#).unwrap());
        entry.key = builder.put(b"key");
        entry.value = builder.put(&vec![b'v'; index * 7]);
        entry.headers = Span { at: 0, len: 0 };
        builder.header(&mut entry.headers, "h", 0, Some(b"x"));
        builder.header(&mut entry.headers, "n", 0, None);
        entry.n_headers = 2;
        entry.position = Position::Source(builder.put(format!("{{\"position\":{index}}}").as_bytes()));
        builder.push(&entry);
    }
    builder.finish()
}

/// Touches everything that a frame gives access to.
fn read(bytes: &[u8]) -> usize {
    let both = [Frame::parse(bytes), Frame::trust(bytes)];
    both.into_iter()
        .flatten()
        .flat_map(|frame| (0..=frame.len()).filter_map(move |index| frame.get(index)))
        .fold(0, |sum, record| {
            let headers: usize = record.headers().map(|header| header.key.len()).sum();
            let texts = [Some(record.topic()), record.source_partition(), record.source_offset()];
            let texts: usize = texts.into_iter().flatten().map(str::len).sum();
            let bytes: usize = [record.key(), record.value()].into_iter().flatten().map(<[u8]>::len).sum();
            sum + headers + texts + bytes
        })
}

fn read_value(bytes: &[u8], depth: usize) -> usize {
    if depth == 0 {
        return 0;
    }
    let list = |list: rows::List<'_>| list.iter().flatten().map(|item| read_value(item, depth - 1)).sum();
    match Value::new(bytes) {
        Some(Value::Array(items) | Value::Map(items)) => list(items),
        Some(Value::String(text)) => text.len(),
        _ => rows::Row::new(bytes, 3).map_or(0, |row| row.iter().flatten().map(<[u8]>::len).sum()),
    }
}

proptest! {
    #[test]
    fn a_frame_with_any_byte_changed_is_safe_to_read(
        records in 0_usize..6, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = sample(records);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        read(&bytes);
    }

    #[test]
    fn any_bytes_are_safe_to_read(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        read(&bytes);
        let mut framed = b"CDF1".to_vec();
        framed.extend_from_slice(&(bytes.len() as u32 + 8).to_le_bytes());
        framed.extend_from_slice(&bytes);
        read(&framed);
        read_value(&bytes, 64);
    }

    #[test]
    fn a_frame_cut_short_is_refused(records in 1_usize..6, cut in any::<prop::sample::Index>()) {
        let bytes = sample(records);
        let cut = 1 + cut.index(bytes.len() - 1);
        prop_assert!(Frame::parse(&bytes[..cut]).is_err());
    }

    #[test]
    fn tape_lists_read_back(texts in prop::collection::vec(".{0,12}", 0..20)) {
        let mut out = Vec::new();
        let mut list = tape::start_array(&mut out);
        for text in &texts {
            tape::put_string(&mut out, text);
            list.item(&out, false);
        }
        list.finish(&mut out);
        let Some(Value::Array(items)) = Value::new(&out) else { return Err(TestCaseError::fail("no array")) };
        let read: Vec<_> = items.iter().map(|item| tape::string_bytes(item.unwrap()).unwrap().to_vec()).collect();
        prop_assert_eq!(read, texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>());
    }
}
