//! Source offsets in a file, for a worker on its own.
//!
//! Every write replaces the whole file at once (new file, flush, rename, flush of the folder): after a
//! crash there is the old content or the new one. A file that Kafka Connect wrote is read as it is;
//! before it is replaced by one of ours, a copy of it is kept beside it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use cofferdam_api::JsonText;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::log::{KeyValue, Record};
use crate::offsets::json::{self, Json};
use crate::offsets::table::Table;
use crate::{Error, OffsetStore, java_file};

/// Added to the name of the copy of a file that Kafka Connect wrote.
const COPY_SUFFIX: &str = ".kafka-connect";

/// An offset store in a file.
#[derive(Debug)]
pub struct FileOffsetStore {
    path: PathBuf,
    table: Arc<Mutex<Table>>,
    /// One write at a time; says whether the file is still Kafka Connect's.
    is_java: Arc<tokio::sync::Mutex<bool>>,
}

/// A line of the file.
#[derive(Deserialize)]
struct Line<'a> {
    connector: String,
    #[serde(borrow)]
    partition: &'a RawValue,
    #[serde(borrow)]
    offset: &'a RawValue,
}

// === impl FileOffsetStore ===

impl FileOffsetStore {
    /// Reads the file; one that does not exist or is empty holds no offsets.
    ///
    /// # Errors
    /// When the file cannot be read or is neither of this format nor of Kafka Connect's.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let content = match tokio::fs::read(&path).await {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(Error::ReadFile { path, source }),
        };
        let is_java = content.starts_with(&java_file::MAGIC);
        let records = if is_java { read_java(&content) } else { read_lines(&content) };
        let records = records.map_err(|reason| Error::BadFile { path: path.clone(), reason })?;
        let mut table = Table::default();
        apply(&mut table, &records);
        if is_java {
            tracing::info!(path = %path.display(), offsets = records.len(), "read an offsets file of Kafka Connect");
        }
        Ok(Self {
            path,
            table: Arc::new(Mutex::new(table)),
            is_java: Arc::new(tokio::sync::Mutex::new(is_java)),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl OffsetStore for FileOffsetStore {
    async fn get(&self, connector: &str, partitions: &[JsonText]) -> Result<Vec<Option<JsonText>>, Error> {
        self.lock().get(connector, partitions)
    }

    async fn set(&self, connector: &str, offsets: Vec<(JsonText, Option<JsonText>)>) -> Result<(), Error> {
        let mut is_java = Arc::clone(&self.is_java).lock_owned().await;
        let (path, table, connector) = (self.path.clone(), Arc::clone(&self.table), connector.to_owned());
        // In one blocking piece, so that a caller who gives up cannot leave file and table apart.
        let work = move || {
            let (records, content) = {
                let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
                let records = table.plan(&connector, &offsets)?;
                (records.clone(), content(&table, &records))
            };
            let written = keep_copy(&path, *is_java).and_then(|()| replace(&path, &content));
            written.map_err(|source| Error::WriteFile { path: path.clone(), source })?;
            *is_java = false;
            apply(&mut table.lock().unwrap_or_else(PoisonError::into_inner), &records);
            Ok(())
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => Err(Error::WriteFile { path: self.path.clone(), source: io::Error::other(error) }),
        }
    }

    async fn list(&self, connector: &str) -> Result<Vec<(JsonText, JsonText)>, Error> {
        Ok(self.lock().list(connector))
    }
}

fn apply(table: &mut Table, records: &[KeyValue]) {
    for (offset, (key, value)) in (0..).zip(records) {
        table.apply(&Record { offset, timestamp: 0, key, value: value.as_deref() });
    }
}

/// The file as it is to be after `records`.
fn content(table: &Table, records: &[KeyValue]) -> Vec<u8> {
    let changed = |key: &[u8]| records.iter().any(|(other, _)| other == key);
    let kept = table.all().filter(|(_, key, _)| !changed(key)).map(|(_, key, value)| (key, value.as_bytes()));
    let new = records.iter().filter_map(|(key, value)| Some((key.as_slice(), value.as_deref()?)));
    let line = |(key, value): (&[u8], &[u8])| {
        let (connector, partition) = json::parse_key(key)?;
        let (connector, offset) = (json::quoted(&connector), String::from_utf8_lossy(value));
        Some(format!("{{\"connector\":{connector},\"partition\":{},\"offset\":{offset}}}\n", partition.text))
    };
    kept.chain(new).filter_map(line).collect::<String>().into_bytes()
}

fn read_lines(content: &[u8]) -> Result<Vec<KeyValue>, String> {
    let text = std::str::from_utf8(content).map_err(|_| "it is no text".to_owned())?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let record = |(n, line): (usize, &str)| {
        let fault = |error: &dyn std::fmt::Display| format!("line {}: {error}", n + 1);
        let line: Line<'_> = serde_json::from_str(line).map_err(|error| fault(&error))?;
        let partition = Json::of(line.partition).ok_or_else(|| fault(&"the partition is no object"))?;
        // A line that would be skipped is an offset that would be lost.
        let offset = Json::of(line.offset).filter(|offset| !offset.is_null);
        let offset = offset.ok_or_else(|| fault(&"the offset is no object"))?;
        let key = json::key(&line.connector, &partition).into_bytes();
        Ok((key, Some(offset.text.into_bytes())))
    };
    lines.map(record).collect()
}

fn read_java(content: &[u8]) -> Result<Vec<KeyValue>, String> {
    let pairs = java_file::read(content)?;
    Ok(pairs.into_iter().map(|(key, value)| (key.to_vec(), Some(value.to_vec()))).collect())
}

fn keep_copy(path: &Path, is_java: bool) -> io::Result<()> {
    if !is_java {
        return Ok(());
    }
    let mut copy = path.as_os_str().to_owned();
    copy.push(COPY_SUFFIX);
    fs::copy(path, copy).map(|_| ())
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&temporary, path)?;
    // Without this the rename itself could be lost.
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use base64::Engine as _;

    use super::*;

    fn pair(partition: &str, offset: Option<&str>) -> (String, Option<String>) {
        (partition.to_owned(), offset.map(str::to_owned))
    }

    #[tokio::test]
    async fn offsets_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("offsets");
        let store = FileOffsetStore::open(&path).await.unwrap();
        let set = vec![
            pair(r#"{"b":1,"a":"x"}"#, Some(r#"{"position":7}"#)),
            pair(r#"{"c":2}"#, Some(r#"{"p":1}"#)),
        ];
        store.set("src", set).await.unwrap();
        store.set("src", vec![pair(r#"{"c":2}"#, None)]).await.unwrap();
        store.set("other", vec![pair(r#"{"c":2}"#, Some(r#"{"p":1.0}"#))]).await.unwrap();

        let store = FileOffsetStore::open(&path).await.unwrap();
        let found =
            store.get("src", &[r#"{"a": "x", "b": 1}"#.to_owned(), r#"{"c":2}"#.to_owned()]).await.unwrap();
        assert_eq!(found, [Some(r#"{"position":7}"#.to_owned()), None]);
        assert_eq!(
            store.list("src").await.unwrap(),
            [(r#"{"b":1,"a":"x"}"#.to_owned(), r#"{"position":7}"#.to_owned())]
        );
        assert_eq!(
            store.list("other").await.unwrap(),
            [(r#"{"c":2}"#.to_owned(), r#"{"p":1.0}"#.to_owned())]
        );
        let text = fs::read_to_string(&path).unwrap();
        let line = r#"{"connector":"src","partition":{"b":1,"a":"x"},"offset":{"position":7}}"#;
        assert_eq!(text.lines().filter(|found| *found == line).count(), 1, "{text}");
    }

    #[tokio::test]
    async fn a_file_of_kafka_connect_is_taken_over_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("offsets");
        let text = include_str!("../testdata/standalone-offsets.b64");
        let java = base64::engine::general_purpose::STANDARD.decode(text.trim()).unwrap();
        fs::write(&path, &java).unwrap();

        let partition = r#"{"filename":"/tmp/lab/kafka/run/gold-data/in.txt"}"#;
        let store = FileOffsetStore::open(&path).await.unwrap();
        assert_eq!(
            store.get("src", &[partition.to_owned()]).await.unwrap(),
            [Some(r#"{"position":14}"#.to_owned())]
        );
        assert_eq!(fs::read(&path).unwrap(), java, "reading changes nothing");

        store.set("src", vec![pair(partition, Some(r#"{"position":20}"#))]).await.unwrap();
        assert_eq!(fs::read(folder.path().join("offsets.kafka-connect")).unwrap(), java);
        let store = FileOffsetStore::open(&path).await.unwrap();
        assert_eq!(
            store.get("src", &[partition.to_owned()]).await.unwrap(),
            [Some(r#"{"position":20}"#.to_owned())]
        );
        assert_eq!(store.list("manyt").await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_damaged_file_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("offsets");
        for damaged in [
            &b"{\"connector\":\"a\"\n"[..],
            b"{\"connector\":\"a\",\"partition\":{},\"offset\":7}\n",
            b"\xac\xed\x00\x05sr",
            b"\xff\xfe",
        ] {
            fs::write(&path, damaged).unwrap();
            let error = FileOffsetStore::open(&path).await.unwrap_err().to_string();
            assert!(error.contains("is damaged") && error.contains("move it away"), "{error}");
            assert_eq!(fs::read(&path).unwrap(), damaged);
        }
    }

    #[tokio::test]
    async fn a_write_that_fails_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gone").join("offsets");
        let store = FileOffsetStore::open(&path).await.unwrap();
        let error = store.set("src", vec![pair("{}", Some("{}"))]).await.unwrap_err();
        assert!(error.to_string().contains("cannot write the offset file"), "{error}");
        assert!(store.list("src").await.unwrap().is_empty());
    }
}
