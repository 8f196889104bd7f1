//! Converters that are components: the keys, values or headers of a batch in one call.
//!
//! A converter that fails as a whole (a trap, a missed deadline) is tried on halves, in fresh
//! instances, until what fails is alone: converting the same bytes twice does no harm.

use cofferdam_converters::Format;
use cofferdam_frame::{Builder, Entry, Frame, Record, SchemaId, Span};
use cofferdam_plugins::{
    BatchResult, CallError, ConverterInstance, GuestError, Part, PluginInfo, Plugins, Spec,
};

use crate::Error;
use crate::chain;
use crate::errors::{DATA, Exception, Retry};
use crate::stage::transform::{Tries, again, is_of_records};

/// A converter that is a component.
pub(super) struct Component {
    plugins: Plugins,
    /// What an instance is made from.
    spec: Spec,
    part: Part,
    /// What it reads bytes into, and writes bytes from.
    pub(super) format: Format,
    needs_headers: bool,
    instance: Option<ConverterInstance>,
}

/// Which way to convert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the bytes of a topic.
    Read,
    /// To the bytes of a topic.
    Write,
}

/// One key, value or header.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    /// The record that it is part of.
    pub(super) record: Record<'a>,
    /// Name, of a header.
    pub(super) name: Option<&'a str>,
    pub(super) schema: SchemaId,
    pub(super) bytes: Option<&'a [u8]>,
}

/// What became of some items.
pub(super) struct Outcomes {
    frames: Vec<Vec<u8>>,
    cells: Vec<Cell>,
}

enum Cell {
    /// Its frame, and the record in it.
    Made(usize, usize),
    Failed(Exception),
    /// Never left in a finished list.
    Waiting,
}

// === impl Component ===

impl Component {
    /// Makes the converter and starts it, so that a wrong configuration shows at once.
    pub(super) async fn start(
        plugins: &Plugins,
        info: &PluginInfo,
        spec: Spec,
        part: Part,
    ) -> Result<Self, Error> {
        let mut component = Self {
            plugins: plugins.clone(),
            spec,
            part,
            format: chain::format(info.value_format),
            needs_headers: info.needs_headers && part != Part::Header,
            instance: None,
        };
        let started = component.live().await.map(drop);
        started.map_err(|error| component.failed("configure", error))?;
        Ok(component)
    }

    /// Converts `items`.
    pub(super) async fn convert(
        &mut self,
        direction: Direction,
        items: &[Item<'_>],
        tries: &mut Tries<'_>,
    ) -> Result<Outcomes, Error> {
        let mut outcomes =
            Outcomes { frames: Vec::new(), cells: items.iter().map(|_| Cell::Waiting).collect() };
        let mut retry: Option<Retry> = None;
        let mut todo: Vec<Vec<usize>> = vec![(0..items.len()).collect()];
        while let Some(mut indexes) = todo.pop().filter(|indexes| !indexes.is_empty()) {
            let batch = self.batch(indexes.iter().filter_map(|index| items.get(*index)))?;
            let mut result = self.call(direction, &batch).await;
            while again(result.as_ref().err(), &mut retry, tries).await? {
                result = self.call(direction, &batch).await;
            }
            match result {
                Ok(result) => outcomes.take(result, &indexes),
                Err(CallError::Guest(GuestError::BadRecords(list))) if !list.is_empty() => {
                    // The call had no effect for the others: they are tried again without the bad ones.
                    for bad in list.iter().rev() {
                        let index = indexes.remove(bad.index as usize);
                        outcomes.put(index, Cell::Failed(Exception::from_guest(&bad.message, DATA)));
                    }
                    todo.push(indexes);
                }
                Err(error) if !is_of_records(&error) => return Err(self.failed(direction.call(), error)),
                Err(error) => match indexes.as_slice() {
                    [only] => outcomes.put(*only, Cell::Failed(Exception::from_call(&error))),
                    _ => {
                        let (class, records) = (&self.spec.class, indexes.len());
                        tracing::warn!(
                            class,
                            records,
                            "a converter failed on a batch; trying its halves: {error}"
                        );
                        let second = indexes.split_off(records / 2);
                        todo.extend([second, indexes]);
                    }
                },
            }
        }
        Ok(outcomes)
    }

    /// What the component is handed: everything that is to be converted as values.
    fn batch<'a>(&self, items: impl Iterator<Item = &'a Item<'a>>) -> Result<Vec<u8>, Error> {
        let mut out = Builder::default();
        for item in items {
            let unusable = |error: cofferdam_frame::Invalid| Error::UnusableBatch(error.to_string());
            let mut entry = Entry::new(out.topic(item.record.topic()).map_err(unusable)?);
            entry.key = out.put_option(item.name.map(str::as_bytes));
            entry.value = out.put_option(item.bytes);
            entry.value_schema = item.schema;
            if self.needs_headers {
                let mut block = Span { at: 0, len: 0 };
                for header in item.record.headers() {
                    out.header(&mut block, header.key, header.schema, header.value);
                }
                entry.headers = block;
                entry.n_headers = item.record.entry.n_headers;
            }
            out.push(&entry);
        }
        Ok(out.finish())
    }

    async fn call(&mut self, direction: Direction, batch: &[u8]) -> Result<BatchResult, CallError> {
        let instance = self.live().await?;
        let result = match direction {
            Direction::Read => instance.to_connect(batch).await,
            Direction::Write => instance.from_connect(batch).await,
        };
        if !instance.is_alive() {
            self.instance = None;
        }
        result
    }

    async fn live(&mut self) -> Result<&mut ConverterInstance, CallError> {
        let instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.plugins.converter(self.spec.clone(), self.part).await?,
        };
        Ok(self.instance.insert(instance))
    }

    fn failed(&self, call: &'static str, error: CallError) -> Error {
        Error::Guest { class: self.spec.class.clone(), call, error }
    }
}

impl Direction {
    /// Name of Kafka Connect's method.
    const fn call(self) -> &'static str {
        match self {
            Self::Read => "toConnectData",
            Self::Write => "fromConnectData",
        }
    }
}

// === impl Outcomes ===

impl Outcomes {
    /// The record whose value the item at `index` became, or why it became none.
    pub(super) fn get(&self, index: usize) -> Result<Record<'_>, Exception> {
        match self.cells.get(index) {
            Some(Cell::Made(frame, record)) => {
                let frame = self.frames.get(*frame).map_or(Frame::EMPTY, |bytes| trusted(bytes));
                frame.get(*record).ok_or_else(unanswered)
            }
            Some(Cell::Failed(exception)) => Err(exception.clone()),
            Some(Cell::Waiting) | None => Err(unanswered()),
        }
    }

    fn take(&mut self, result: BatchResult, indexes: &[usize]) {
        for bad in &result.bad {
            if let Some(index) = indexes.get(bad.index as usize) {
                self.put(*index, Cell::Failed(Exception::from_guest(&bad.message, DATA)));
            }
        }
        for (at, record) in trusted(&result.output).iter().enumerate() {
            let index = record.entry.src.and_then(|src| indexes.get(src as usize));
            if let Some(index) = index {
                self.put(*index, Cell::Made(self.frames.len(), at));
            }
        }
        self.frames.push(result.output);
    }

    fn put(&mut self, index: usize, cell: Cell) {
        if let Some(slot) = self.cells.get_mut(index) {
            *slot = cell;
        }
    }
}

/// Frames of a component were checked when it answered.
fn trusted(bytes: &[u8]) -> Frame<'_> {
    Frame::trust(bytes).unwrap_or(Frame::EMPTY)
}

/// Cannot be: each answer was checked to have a record for each that was asked.
fn unanswered() -> Exception {
    Exception::new(DATA, "the converter did not answer for this record")
}
