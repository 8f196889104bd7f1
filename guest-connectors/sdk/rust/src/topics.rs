//! The topics of a batch, known by number: steps that look at nothing but the topic are asked once a
//! topic, and no text is compared for a record.

use std::collections::HashMap;
use std::rc::Rc;

use cofferdam_frame::bytes::same;
use cofferdam_frame::{Builder, Frame};

use crate::{Error, Record, Result};

/// Topics whose answers are remembered from batch to batch; who has more of them starts over.
const REMEMBERED_MAX: usize = 1000;

/// The topics of the input frame, then those that steps have sent records to.
#[derive(Debug)]
pub(crate) struct Topics<'a> {
    /// Tells the batches of an instance apart.
    batch: u64,
    input: Vec<&'a str>,
    added: Vec<Rc<str>>,
    ids: HashMap<Rc<str>, u32>,
    /// Where the output has them, once a record was written with them.
    rows: Vec<Option<u16>>,
}

impl<'a> Topics<'a> {
    pub(crate) fn of(frame: &Frame<'a>, batch: u64) -> Self {
        let name = |row| frame.topic(row as u16).unwrap_or_default();
        Self {
            batch,
            input: (0..frame.n_topics()).map(name).collect(),
            added: Vec::new(),
            ids: HashMap::new(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn name(&self, id: u32) -> &str {
        let id = id as usize;
        match self.input.get(id) {
            Some(name) => name,
            None => {
                id.checked_sub(self.input.len()).and_then(|at| self.added.get(at)).map_or("", |name| name)
            }
        }
    }

    /// The name of a topic of the input.
    pub(crate) fn input(&self, row: u16) -> &'a str {
        self.input.get(usize::from(row)).copied().unwrap_or_default()
    }

    /// The number of `name`.
    pub(crate) fn id(&mut self, name: &str) -> u32 {
        // Mostly the record before this one went to the same topic.
        if self.added.last().is_some_and(|last| same(last.as_bytes(), name.as_bytes())) {
            return (self.input.len() + self.added.len() - 1) as u32;
        }
        if let Some(known) = self.ids.get(name) {
            return *known;
        }
        let (id, name) = ((self.input.len() + self.added.len()) as u32, Rc::<str>::from(name));
        self.added.push(Rc::clone(&name));
        self.ids.insert(name, id);
        id
    }

    /// Where the output has the topic `id`.
    #[inline]
    pub(crate) fn row(&mut self, id: u32, out: &mut Builder) -> Result<u16> {
        match self.rows.get(id as usize) {
            Some(Some(row)) => Ok(*row),
            _ => self.new_row(id, out),
        }
    }

    #[cold]
    #[inline(never)]
    fn new_row(&mut self, id: u32, out: &mut Builder) -> Result<u16> {
        let row = out.topic(self.name(id)).map_err(|error| Error::fatal(error.to_string()))?;
        let at = id as usize;
        if at >= self.rows.len() {
            self.rows.resize(at + 1, None);
        }
        if let Some(slot) = self.rows.get_mut(at) {
            *slot = Some(row);
        }
        Ok(row)
    }
}

/// Something worked out once for each topic, such as whether a pattern matches its name.
#[derive(Debug)]
pub struct ByTopic<T> {
    /// Which batch the numbers of `ids` are from.
    batch: u64,
    ids: Vec<Option<T>>,
    names: HashMap<String, T>,
}

impl<T> Default for ByTopic<T> {
    fn default() -> Self {
        Self { batch: 0, ids: Vec::new(), names: HashMap::new() }
    }
}

impl<T: Clone> ByTopic<T> {
    /// Nothing worked out yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was worked out for the present topic of `record`, by `make` when it is new.
    ///
    /// # Errors
    /// What `make` answered; it is asked again next time.
    #[inline]
    pub fn get_or_try_insert<E>(
        &mut self,
        record: &Record<'_>,
        make: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, E> {
        let (topics, id) = record.topic_id();
        if self.batch == topics.batch
            && let Some(Some(known)) = self.ids.get(id as usize)
        {
            return Ok(known.clone());
        }
        self.insert(topics, id, make)
    }

    #[cold]
    #[inline(never)]
    fn insert<E>(
        &mut self,
        topics: &Topics<'_>,
        id: u32,
        make: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.batch != topics.batch {
            self.batch = topics.batch;
            self.ids.clear();
        }
        let name = topics.name(id);
        let known = match self.names.get(name) {
            Some(known) => known.clone(),
            None => {
                let made = make(name)?;
                if self.names.len() >= REMEMBERED_MAX {
                    self.names.clear();
                }
                self.names.insert(name.to_owned(), made.clone());
                made
            }
        };
        let at = id as usize;
        if at >= self.ids.len() {
            self.ids.resize(at + 1, None);
        }
        if let Some(slot) = self.ids.get_mut(at) {
            *slot = Some(known.clone());
        }
        Ok(known)
    }
}

/// Other topics for the topics of records; see [`Record::reroute`].
#[derive(Debug, Default)]
pub struct Routes {
    names: ByTopic<Option<Rc<str>>>,
    /// Which batch the numbers of `ids` are from.
    batch: u64,
    /// By the number of a topic that of the one in its place, which may be itself.
    ids: Vec<Option<u32>>,
}

impl Routes {
    /// No topic was asked about yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of the topic in place of that of `record`, if this batch had it before.
    #[inline]
    pub(crate) fn known(&self, record: &Record<'_>) -> Option<u32> {
        let (topics, id) = record.topic_id();
        if self.batch == topics.batch { *self.ids.get(id as usize)? } else { None }
    }

    /// The name in place of the topic of `record`, by `route` when it is new.
    pub(crate) fn name(
        &mut self,
        record: &Record<'_>,
        route: impl FnOnce(&str) -> Result<Option<String>>,
    ) -> Result<Option<Rc<str>>> {
        self.names.get_or_try_insert(record, |topic| Ok(route(topic)?.map(Rc::from)))
    }

    /// Remembers for this batch that `to` is in place of `from`.
    pub(crate) fn remember(&mut self, topics: &Topics<'_>, from: u32, to: u32) {
        if self.batch != topics.batch {
            self.batch = topics.batch;
            self.ids.clear();
        }
        let at = from as usize;
        if at >= self.ids.len() {
            self.ids.resize(at + 1, None);
        }
        if let Some(slot) = self.ids.get_mut(at) {
            *slot = Some(to);
        }
    }
}
