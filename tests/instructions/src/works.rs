//! The work.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use cofferdam_api::{ConfigMap, Schemas};
use cofferdam_converters::{Converter, Format, Side};
use cofferdam_frame::Frame;
use cofferdam_plugins::{
    Label, Limits, NoHooks, PluginSettings, Plugins, SinkInstance, SourceInstance, Spec, TransformInstance,
    TransformStep, Usage,
};
use conformance::orders::{Ids, Parts, batch};

use crate::ROUNDS;

const RECORDS: usize = 500;
/// Lines of a poll and a put.
const LINES: usize = 2_000;
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// Every work and how many records it deals with, in the order in which it is done.
pub const WORKS: [(&str, usize); 8] = [
    ("a frame is built and read", RECORDS),
    ("JSON without schemas is read", RECORDS),
    ("JSON without schemas is written", RECORDS),
    ("JSON with schemas is read", RECORDS),
    ("JSON with schemas is written", RECORDS),
    ("three transforms in a guest", RECORDS),
    ("FileStreamSource is polled", LINES),
    ("FileStreamSink is given text", LINES),
];

type Pairs = &'static [(&'static str, &'static str)];
/// Two of the three look into values, one does not; all run in one call.
const CHAIN: [(&str, Pairs); 3] = [
    ("RegexRouter", &[("regex", "(.*)"), ("replacement", "shop-$1")]),
    ("MaskField$Value", &[("fields", "customer,email")]),
    ("InsertField$Value", &[("static.field", "source"), ("static.value", "shop")]),
];

/// Something to do.
pub struct Work {
    /// As the counts name it.
    pub name: &'static str,
    /// Records of each time.
    pub records: usize,
    act: Act,
}

enum Act {
    /// A batch is built and read.
    Frame(Ids),
    Read(Conversion),
    Write(Conversion),
    Transform(Box<TransformInstance>, Vec<u8>),
    Poll(Box<SourceInstance>),
    Put(Box<SinkInstance>, Arc<Vec<u8>>),
}

/// A converter, what it reads and what it writes.
struct Conversion {
    converter: Converter,
    schemas: Arc<Schemas>,
    orders: Vec<u8>,
    texts: Vec<Vec<u8>>,
}

impl Work {
    /// Does it, and answers how many records were dealt with.
    ///
    /// # Errors
    /// When it fails.
    pub async fn once(&mut self) -> anyhow::Result<usize> {
        match &mut self.act {
            Act::Frame(ids) => {
                let bytes = batch(RECORDS, *ids, Parts { key: true, value: true, headers: true })?;
                let records =
                    Frame::parse(&bytes)?.iter().filter(|record| black_box(record.value()).is_some());
                Ok(records.count())
            }
            Act::Read(conversion) => conversion.read(),
            Act::Write(conversion) => Ok(conversion.write()?.len()),
            Act::Transform(instance, bytes) => {
                let answer = instance.apply(bytes).await?;
                ensure!(answer.bad.is_empty(), "{:?}", answer.bad);
                Ok(Frame::parse(bytes)?.len())
            }
            Act::Poll(instance) => {
                let bytes = instance.poll(LINES as u32, 1 << 20, Duration::ZERO).await?;
                Ok(Frame::parse(&bytes)?.len())
            }
            Act::Put(instance, bytes) => {
                let bad = instance.put(bytes).await?;
                ensure!(bad.is_empty(), "{bad:?}");
                Ok(Frame::parse(bytes)?.len())
            }
        }
    }
}

impl Conversion {
    fn new(envelope: bool) -> anyhow::Result<Self> {
        let options = ConfigMap::from_iter([("schemas.enable".to_owned(), envelope.to_string())]);
        let schemas = Arc::<Schemas>::default();
        let ids = Ids::define(&schemas)?;
        let ids = if envelope { ids } else { Ids { order: 0, ..ids } };
        let orders = batch(RECORDS, ids, Parts { value: true, ..Parts::default() })?;
        let converter = Converter::new(JSON, &options, Side::Value)?;
        let mut conversion = Self { converter, schemas, orders, texts: Vec::new() };
        conversion.texts = conversion.write()?;
        Ok(conversion)
    }

    fn read(&self) -> anyhow::Result<usize> {
        let mut out = Vec::new();
        for text in &self.texts {
            out.clear();
            let converted =
                self.converter.to_connect(&self.schemas, Format::Rows, Some(text), black_box(&mut out))?;
            ensure!(!converted.null, "a null");
        }
        Ok(self.texts.len())
    }

    fn write(&self) -> anyhow::Result<Vec<Vec<u8>>> {
        let frame = Frame::parse(&self.orders)?;
        let text = |record: cofferdam_frame::Record<'_>| {
            let mut out = Vec::new();
            let schema = record.entry.value_schema;
            self.converter.from_connect(&self.schemas, Format::Rows, schema, record.value(), &mut out)?;
            Ok(out)
        };
        frame.iter().map(text).collect()
    }
}

/// All of the work; its files and compiled guests are in `dir`.
///
/// # Errors
/// When the machine cannot run guests.
pub async fn works(dir: &Path) -> anyhow::Result<Vec<Work>> {
    let plugins = Plugins::new(PluginSettings {
        cache_dir: dir.join("cache"),
        store_dir: dir.join("store"),
        limits: Limits::default(),
        file_roots: vec![dir.to_owned()],
    })?;
    plugins.load_builtin().await?;
    let schemas = Arc::<Schemas>::default();
    let ids = Ids::define(&schemas)?;
    let acts = [
        Act::Frame(ids),
        Act::Read(Conversion::new(false)?),
        Act::Write(Conversion::new(false)?),
        Act::Read(Conversion::new(true)?),
        Act::Write(Conversion::new(true)?),
        transform(&plugins, &schemas, ids).await?,
        poll(&plugins, &schemas, dir).await?,
        put(&plugins, &schemas, dir).await?,
    ];
    Ok(WORKS.into_iter().zip(acts).map(|((name, records), act)| Work { name, records, act }).collect())
}

async fn transform(plugins: &Plugins, schemas: &Arc<Schemas>, ids: Ids) -> anyhow::Result<Act> {
    let bytes = batch(RECORDS, ids, Parts { value: true, ..Parts::default() })?;
    let step = |(class, config): &(&str, Pairs)| TransformStep {
        class: (*class).to_owned(),
        config: config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        condition: None,
    };
    let steps: Vec<_> = CHAIN.iter().map(step).collect();
    let instance = plugins.transform(spec("", ConfigMap::new(), schemas), &steps).await?;
    Ok(Act::Transform(Box::new(instance), bytes))
}

async fn poll(plugins: &Plugins, schemas: &Arc<Schemas>, dir: &Path) -> anyhow::Result<Act> {
    let file = dir.join("in.txt");
    let mut text = String::new();
    for number in 0..LINES * (ROUNDS + 1) {
        writeln!(text, "{number:099}")?;
    }
    std::fs::write(&file, text)?;
    let config = config(&file, &[("topic", "lines"), ("batch.size", "2000")])?;
    let mut source = plugins.source(spec("FileStreamSource", config, schemas)).await?;
    source.start().await?;
    Ok(Act::Poll(Box::new(source)))
}

async fn put(plugins: &Plugins, schemas: &Arc<Schemas>, dir: &Path) -> anyhow::Result<Act> {
    let file = dir.join("out.txt");
    let mut sink = plugins.sink(spec("FileStreamSink", config(&file, &[])?, schemas)).await?;
    sink.start().await?;
    let text = Ids::define(schemas)?.text;
    let mut frame = cofferdam_frame::Builder::with_capacity(LINES, LINES * 100);
    for number in 0..LINES as i64 {
        let mut entry = cofferdam_frame::Entry::new(frame.topic("lines")?);
        entry.partition = Some(0);
        entry.position = cofferdam_frame::Position::Kafka(number);
        entry.value = frame.put(format!("{number:099}").as_bytes());
        entry.value_schema = text;
        frame.push(&entry);
    }
    Ok(Act::Put(Box::new(sink), Arc::new(frame.finish())))
}

fn config(file: &Path, more: Pairs) -> anyhow::Result<ConfigMap> {
    let file = file.to_str().context("a path that is text")?;
    let more = more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Ok([("file".to_owned(), file.to_owned())].into_iter().chain(more).collect())
}

fn spec(class: &str, config: ConfigMap, schemas: &Arc<Schemas>) -> Spec {
    Spec {
        class: class.to_owned(),
        config,
        label: Label { connector: "instructions".to_owned(), task: Some(0) },
        schemas: Arc::clone(schemas),
        usage: Arc::<Usage>::default(),
        hooks: Arc::new(NoHooks),
    }
}
