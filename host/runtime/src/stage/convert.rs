//! Converting keys, values and headers between the forms of the topic and of the plugins.
//!
//! Only what someone looks at is converted, and only where the bytes really change: text that stays
//! text gets a schema and nothing else. Stock converters run here ([`stock`]); those of components run
//! as guests, a batch at a time ([`component`]).

mod component;
mod stock;

use std::sync::Arc;

use cofferdam_api::{ConfigMap, Schemas};
use cofferdam_config::connector::ConverterSettings;
use cofferdam_converters::{Converter, DataError, Format, Side};
use cofferdam_frame::{Record, Span};
use cofferdam_plugins::{Part, PluginKind, Plugins, Spec};

use super::Stage;
use super::transform::Tries;
use crate::Error;
use crate::batch::{Batch, Column, Needs, Rebuild};
use crate::errors::{Exception, Failed};

use component::{Component, Direction, Item};
use stock::Pass;

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// In which order the parts of a record are converted: the first that fails is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Key, value, headers: a sink's.
    KeysFirst,
    /// Headers, key, value: a source's.
    HeadersFirst,
}

/// The converters of one task.
pub(crate) struct Converters {
    schemas: Arc<Schemas>,
    order: Order,
    key: Named,
    value: Named,
    headers: Named,
    /// Between rows and JSON text, for neighbours that speak different forms.
    json: Converter,
}

struct Named {
    class: Arc<str>,
    stage: Stage,
    engine: Engine,
}

enum Engine {
    Stock(Box<Converter>),
    Component(Box<Component>),
}

/// A part of a record, with a converter of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Key,
    Value,
    Headers,
}

impl Converters {
    /// Makes the converters that a connector or, in its place, the worker names.
    pub(crate) async fn start(
        plugins: &Plugins,
        spec: &Spec,
        order: Order,
        key: &ConverterSettings,
        value: &ConverterSettings,
        headers: &ConverterSettings,
    ) -> Result<Self, Error> {
        let plain = ConfigMap::from_iter([("schemas.enable".to_owned(), "false".to_owned())]);
        Ok(Self {
            order,
            key: Named::start(plugins, spec, key, Which::Key).await?,
            value: Named::start(plugins, spec, value, Which::Value).await?,
            headers: Named::start(plugins, spec, headers, Which::Headers).await?,
            json: Converter::new(JSON, &plain, Side::Value)
                .map_err(|error| Error::Converter { key: "value.converter", error })?,
            schemas: Arc::clone(&spec.schemas),
        })
    }

    /// Adds to `needs` the parts that nobody looks at and whose converter may refuse them: a record with
    /// such a part fails, as in Kafka Connect, whoever reads it.
    pub(crate) fn check_unseen(&self, needs: &mut Needs) {
        let form = |which: Which| {
            let class = &*self.named(which).class;
            let never_fails =
                matches!(class.rsplit('.').next(), Some("StringConverter" | "ByteArrayConverter"));
            let never_fails = never_fails || class.ends_with("SimpleHeaderConverter");
            (self.named(which).is_component() || !never_fails).then_some(Format::Rows)
        };
        needs.key = needs.key.or_else(|| form(Which::Key));
        needs.value = needs.value.or_else(|| form(Which::Value));
        needs.headers = needs.headers.or_else(|| form(Which::Headers));
    }

    /// Brings the parts of `batch` that are named in `to` into the form named there. Records that
    /// cannot be converted are left out and answered.
    ///
    /// # Errors
    /// When a converter that is a component fails otherwise than by a record.
    pub(crate) async fn convert(
        &mut self,
        batch: &mut Batch,
        to: &Needs,
        tries: &mut Tries<'_>,
    ) -> Result<Vec<Failed>, Error> {
        let mut failed = Vec::new();
        // What components make of bytes, and bytes of, is a form that the stock pass in between knows.
        for which in Which::ALL {
            if to.of(which).is_some_and(|form| form != Format::Raw) {
                failed.extend(self.foreign(which, Direction::Read, batch, tries).await?);
            }
        }
        failed.extend(self.stock(batch, &self.between(to)));
        for which in Which::ALL {
            if to.of(which) == Some(Format::Raw) {
                failed.extend(self.foreign(which, Direction::Write, batch, tries).await?);
            }
        }
        Ok(failed)
    }

    /// What the stock converters have to leave: in place of bytes, the form from which a component
    /// makes them.
    fn between(&self, to: &Needs) -> Needs {
        let form = |which: Which| match (to.of(which), &self.named(which).engine) {
            (Some(Format::Raw), Engine::Component(component)) => Some(component.format),
            (form, _) => form,
        };
        Needs { key: form(Which::Key), value: form(Which::Value), headers: form(Which::Headers) }
    }

    fn stock(&self, batch: &mut Batch, to: &Needs) -> Vec<Failed> {
        let has_headers = || batch.frame().iter().any(|record| record.entry.n_headers > 0);
        let pass = Pass {
            converters: self,
            key: to.key.filter(|format| !batch.key.is(*format)),
            value: to.value.filter(|format| !batch.value.is(*format)),
            headers: to.headers.filter(|format| batch.headers != *format && has_headers()),
        };
        let failed = pass.run(batch);
        if let Some(format) = to.key {
            self.key.leaves(format, &mut batch.key);
        }
        if let Some(format) = to.value {
            self.value.leaves(format, &mut batch.value);
        }
        if let Some(format) = to.headers
            && !(self.headers.is_component() && batch.headers == Format::Raw)
        {
            batch.headers = format;
        }
        failed
    }

    /// Converts one part by its component, if it has one.
    async fn foreign(
        &mut self,
        which: Which,
        direction: Direction,
        batch: &mut Batch,
        tries: &mut Tries<'_>,
    ) -> Result<Vec<Failed>, Error> {
        let Engine::Component(component) = &mut self.named_mut(which).engine else { return Ok(Vec::new()) };
        let (from, to) = match direction {
            Direction::Read => (Format::Raw, component.format),
            Direction::Write => (component.format, Format::Raw),
        };
        let items = items(batch, which, from);
        if items.is_empty() {
            batch.set_form(which, from, to);
            return Ok(Vec::new());
        }
        let outcomes = component.convert(direction, &items, tries).await?;
        let mut at = 0;
        let mut rebuild = Rebuild::copying(batch.frame());
        let (mut kept, mut failed) = (Vec::with_capacity(batch.len()), Vec::new());
        for (index, record) in batch.frame().iter().enumerate() {
            let n_items = n_items(batch, which, from, index, &record);
            let made: Result<Vec<Record<'_>>, Exception> =
                (at..at + n_items).map(|item| outcomes.get(item)).collect();
            at += n_items;
            match made {
                Ok(made) => {
                    replace(&mut rebuild, &record, which, &made);
                    kept.push(index as u32);
                }
                Err(exception) => failed.push(self.named(which).refused(batch.origin(index), exception)),
            }
        }
        let frame = rebuild.out.finish();
        batch.replace(frame, &kept);
        batch.set_form(which, from, to);
        Ok(failed)
    }

    const fn named(&self, which: Which) -> &Named {
        match which {
            Which::Key => &self.key,
            Which::Value => &self.value,
            Which::Headers => &self.headers,
        }
    }

    const fn named_mut(&mut self, which: Which) -> &mut Named {
        match which {
            Which::Key => &mut self.key,
            Which::Value => &mut self.value,
            Which::Headers => &mut self.headers,
        }
    }
}

impl Which {
    const ALL: [Self; 3] = [Self::Key, Self::Value, Self::Headers];

    /// The key that names the converter.
    const fn config_key(self) -> &'static str {
        match self {
            Self::Key => "key.converter",
            Self::Value => "value.converter",
            Self::Headers => "header.converter",
        }
    }
}

impl Needs {
    const fn of(&self, which: Which) -> Option<Format> {
        match which {
            Which::Key => self.key,
            Which::Value => self.value,
            Which::Headers => self.headers,
        }
    }
}

impl Batch {
    /// What of one part was laid out as `from` is laid out as `to` now.
    fn set_form(&mut self, which: Which, from: Format, to: Format) {
        let n_records = self.len();
        let column = match which {
            Which::Key => &mut self.key,
            Which::Value => &mut self.value,
            Which::Headers => {
                if self.headers == from {
                    self.headers = to;
                }
                return;
            }
        };
        let form = |index| if column.of(index) == from { to } else { column.of(index) };
        *column = match column {
            Column::All(format) => Column::All(if *format == from { to } else { *format }),
            Column::Each(_) => Column::collect((0..n_records).map(form).collect()),
        };
    }
}

/// Everything of one part that is laid out as `from`, in the order of the records.
fn items(batch: &Batch, which: Which, from: Format) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    for (index, record) in batch.frame().iter().enumerate() {
        let item = |name, schema, bytes| Item { record, name, schema, bytes };
        match which {
            Which::Key if batch.key.of(index) == from => {
                items.push(item(None, record.entry.key_schema, record.key()));
            }
            Which::Value if batch.value.of(index) == from => {
                items.push(item(None, record.entry.value_schema, record.value()));
            }
            Which::Headers if batch.headers == from => {
                let headers = record.headers();
                items.extend(headers.map(|header| item(Some(header.key), header.schema, header.value)));
            }
            Which::Key | Which::Value | Which::Headers => {}
        }
    }
    items
}

/// How many of those are of the record at `index`.
fn n_items(batch: &Batch, which: Which, from: Format, index: usize, record: &Record<'_>) -> usize {
    match which {
        Which::Key => usize::from(batch.key.of(index) == from),
        Which::Value => usize::from(batch.value.of(index) == from),
        Which::Headers if batch.headers == from => usize::from(record.entry.n_headers),
        Which::Headers => 0,
    }
}

/// Adds a record with one part replaced by what a component made of it: by nothing, where nothing
/// was asked.
fn replace<'a>(rebuild: &mut Rebuild<'a>, record: &Record<'a>, which: Which, made: &[Record<'_>]) {
    let mut entry = rebuild.base(record);
    match (which, made) {
        (Which::Key, [made]) => {
            entry.key = rebuild.out.put_option(made.value());
            entry.key_schema = made.entry.value_schema;
        }
        _ => rebuild.copy_key(&mut entry, record),
    }
    match (which, made) {
        (Which::Value, [made]) => {
            entry.value = rebuild.out.put_option(made.value());
            entry.value_schema = made.entry.value_schema;
        }
        _ => rebuild.copy_value(&mut entry, record),
    }
    if which == Which::Headers && !made.is_empty() {
        let mut block = Span { at: 0, len: 0 };
        for (header, made) in record.headers().zip(made) {
            rebuild.out.header(&mut block, header.key, made.entry.value_schema, made.value());
        }
        entry.headers = block;
        entry.n_headers = record.entry.n_headers;
    } else {
        rebuild.copy_headers(&mut entry, record);
    }
    rebuild.out.push(&entry);
}

impl Named {
    async fn start(
        plugins: &Plugins,
        spec: &Spec,
        settings: &ConverterSettings,
        which: Which,
    ) -> Result<Self, Error> {
        let ConverterSettings { class, options } = settings;
        let (part, side, stage) = match which {
            Which::Key => (Part::Key, Side::Key, Stage::KeyConverter),
            Which::Value => (Part::Value, Side::Value, Stage::ValueConverter),
            Which::Headers => (Part::Header, Side::Header, Stage::HeaderConverter),
        };
        let kinds: &[PluginKind] = match which {
            Which::Headers => &[PluginKind::HeaderConverter, PluginKind::Converter],
            Which::Key | Which::Value => &[PluginKind::Converter],
        };
        if let Some(info) = plugins.plugin(class, kinds) {
            let spec = Spec { class: info.class.clone(), config: options.clone(), ..spec.clone() };
            let component = Component::start(plugins, &info, spec, part).await?;
            return Ok(Self {
                class: info.class.into(),
                stage,
                engine: Engine::Component(Box::new(component)),
            });
        }
        let converter = Converter::new(class, options, side)
            .map_err(|error| Error::Converter { key: which.config_key(), error })?;
        let full = cofferdam_converters::find(class).unwrap_or(class);
        Ok(Self { class: full.into(), stage, engine: Engine::Stock(Box::new(converter)) })
    }

    const fn is_component(&self) -> bool {
        matches!(self.engine, Engine::Component(_))
    }

    /// The stock pass is through with this part: everything is `format`, but for the bytes that only a
    /// component can read.
    fn leaves(&self, format: Format, column: &mut Column) {
        let leave = |each: Format| if self.is_component() && each == Format::Raw { each } else { format };
        *column = match column {
            Column::All(each) => Column::All(leave(*each)),
            Column::Each(formats) => Column::collect(formats.iter().map(|each| leave(*each)).collect()),
        };
    }

    fn failed(&self, origin: u32, error: &DataError) -> Failed {
        let exception = error
            .causes
            .iter()
            .map(|cause| Exception::new(cause.class, cause.message.clone()))
            .fold(Exception::new(error.exception_class, error.message.clone()), Exception::caused_by);
        self.refused(origin, exception)
    }

    fn refused(&self, origin: u32, exception: Exception) -> Failed {
        Failed { origin, stage: self.stage, class: Arc::clone(&self.class), exception }
    }
}
