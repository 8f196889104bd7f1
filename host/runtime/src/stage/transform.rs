//! Running a batch through the chain of transforms.
//!
//! Neighbouring transforms of one artifact are one *run*: one instance, one call for a batch. What
//! the guest answers is merged with what it was given: parts that a transform kept are taken from
//! the host's own copy and never come out of the guest.
//!
//! A transform that fails as a whole (a trap, a missed deadline, a fatal error) is tried on halves of
//! the batch, in fresh instances, until the record that fails is alone; the others go on. Only
//! transforms that promise to be pure are tried so: repeating the others could do harm.

use std::sync::Arc;

use cofferdam_api::Schemas;
use cofferdam_frame::{Flags, Frame, Record, Span};
use cofferdam_plugins::{
    BatchResult, CallError, GuestError, Plugins, PredicateInstance, Spec, TransformInstance, TransformStep,
};
use cofferdam_telemetry::TaskMetrics;

use super::Stage;
use super::convert::Converters;
use crate::Error;
use crate::batch::{Batch, Column, Needs, Rebuild, check_topic};
use crate::chain::Layout;
use crate::control::Control;
use crate::errors::{DATA, Exception, Failed, Reporter, Retry};

/// Neighbouring transforms of one artifact.
pub(crate) struct Run {
    pub(crate) plugins: Plugins,
    /// What an instance is made from.
    pub(crate) spec: Spec,
    /// Digest of the artifact.
    pub(crate) digest: String,
    pub(crate) steps: Vec<TransformStep>,
    /// Their full class names, for reports.
    pub(crate) classes: Vec<Arc<str>>,
    pub(crate) layout: Layout,
    /// Whether a batch may be tried again in parts.
    pub(crate) pure: bool,
    pub(crate) instance: Option<TransformInstance>,
    /// The predicate of another artifact that decides which records the run gets.
    pub(crate) guard: Option<Guard>,
}

/// A predicate that the host asks.
pub(crate) struct Guard {
    pub(crate) spec: Spec,
    pub(crate) needs: Needs,
    pub(crate) negate: bool,
    pub(crate) pure: bool,
    pub(crate) instance: Option<PredicateInstance>,
}

/// What a task lends to its stages while they work on a batch.
pub(crate) struct Work<'a> {
    pub(crate) converters: &'a mut Converters,
    pub(crate) reporter: &'a mut Reporter,
    pub(crate) control: &'a mut Control,
    pub(crate) metrics: &'a TaskMetrics,
}

/// What a call that is tried again depends on.
pub(crate) struct Tries<'a> {
    pub(crate) reporter: &'a Reporter,
    pub(crate) control: &'a mut Control,
    pub(crate) metrics: &'a TaskMetrics,
}

/// What a guest made of some records of a batch.
struct Part {
    frame: Vec<u8>,
    /// Places of those records in the batch.
    indexes: Vec<u32>,
}

/// What became of a batch in a run.
#[derive(Default)]
struct Outcome {
    parts: Vec<Part>,
    failed: Vec<Failed>,
}

impl Work<'_> {
    /// Brings the parts of `batch` that are named in `to` into the form named there; answers the
    /// records that cannot be, which are left out.
    pub(crate) async fn convert(&mut self, batch: &mut Batch, to: &Needs) -> Result<Vec<Failed>, Error> {
        let Self { converters, reporter, control, metrics } = self;
        converters.convert(batch, to, &mut Tries { reporter, control, metrics }).await
    }

    fn tries(&mut self) -> Tries<'_> {
        Tries { reporter: self.reporter, control: self.control, metrics: self.metrics }
    }
}

impl Run {
    /// Makes the instances, so that a wrong configuration shows before the first record.
    pub(crate) async fn start(&mut self) -> Result<(), Error> {
        let class = || self.classes.first().map(ToString::to_string).unwrap_or_default();
        let failed = |class: String| move |error| Error::Guest { class, call: "configure", error };
        self.instance =
            Some(self.plugins.transform(self.spec.clone(), &self.steps).await.map_err(failed(class()))?);
        if let Some(guard) = &mut self.guard {
            let class = guard.spec.class.clone();
            guard.start(&self.plugins).await.map_err(failed(class))?;
        }
        Ok(())
    }

    /// Runs the records of `batch` through these transforms.
    pub(crate) async fn apply(&mut self, batch: &mut Batch, work: &mut Work<'_>) -> Result<(), Error> {
        // What a transform looks at has to be in its form; records that cannot be are gone after this.
        let failed = work.convert(batch, &self.layout.target()).await?;
        work.reporter.settle(batch, failed).await?;
        let mut retry = None;
        // Records that a foreign predicate keeps from the transform pass by.
        let mut outcome = Outcome::default();
        let selected = self.select(batch, &mut outcome, &mut retry, work).await?;
        self.isolate(batch, selected.clone(), &mut outcome, &mut retry, work).await?;
        let passing = self.guard.is_some().then(|| rest(batch, &selected, &outcome.failed));
        self.merge(batch, &outcome.parts, passing.as_deref())?;
        work.reporter.settle(batch, outcome.failed).await
    }

    /// Places of the records that are to be transformed.
    async fn select(
        &mut self,
        batch: &Batch,
        outcome: &mut Outcome,
        retry: &mut Option<Retry>,
        work: &mut Work<'_>,
    ) -> Result<Vec<u32>, Error> {
        let Some(mut guard) = self.guard.take() else { return Ok((0..batch.len() as u32).collect()) };
        // The predicate may read records in another form than the transform.
        let mut asked = batch.detached();
        let failed = work.convert(&mut asked, &guard.needs).await?;
        outcome.failed.extend(
            failed
                .into_iter()
                .map(|failed| Failed { origin: batch.origin(failed.origin as usize), ..failed }),
        );
        let mut selected = Vec::with_capacity(asked.len());
        let mut todo = vec![(0..asked.len() as u32).collect::<Vec<u32>>()];
        while let Some(indexes) = todo.pop().filter(|indexes| !indexes.is_empty()) {
            let view = asked.view_of(&guard.needs, &indexes);
            let mut result = guard.test(&self.plugins, &view).await;
            while again(result.as_ref().err(), retry, &mut work.tries()).await? {
                result = guard.test(&self.plugins, &view).await;
            }
            match result {
                Ok(answers) => {
                    let chosen = indexes.iter().zip(answers).filter(|(_, answer)| *answer != guard.negate);
                    selected.extend(chosen.map(|(index, _)| asked.origin(*index as usize)));
                }
                Err(error) => {
                    // A predicate fails in the name of its transform, as in Kafka Connect.
                    let mut divided = Outcome::default();
                    self.divide(&asked, indexes, error, guard.pure, 0, &mut todo, &mut divided)?;
                    let failed = divided.failed.into_iter();
                    outcome.failed.extend(
                        failed
                            .map(|failed| Failed { origin: batch.origin(failed.origin as usize), ..failed }),
                    );
                    if !outcome.failed.is_empty() && !work.reporter.tolerates() {
                        break;
                    }
                }
            }
        }
        self.guard = Some(guard);
        Ok(selected)
    }

    /// Transforms the records at `selected`, down to single ones where the guest fails.
    async fn isolate(
        &mut self,
        batch: &Batch,
        selected: Vec<u32>,
        outcome: &mut Outcome,
        retry: &mut Option<Retry>,
        work: &mut Work<'_>,
    ) -> Result<(), Error> {
        let mut todo = vec![selected];
        while let Some(indexes) = todo.pop() {
            if indexes.is_empty() {
                continue;
            }
            let view = batch.view_of(&self.layout.needs, &indexes);
            let mut result = self.call(&view).await;
            while again(result.as_ref().err(), retry, &mut work.tries()).await? {
                result = self.call(&view).await;
            }
            match result {
                Ok(transformed) => {
                    for bad in &transformed.bad {
                        self.fail(
                            batch,
                            &indexes,
                            bad.index,
                            bad.step as usize,
                            guest_data(&bad.message),
                            outcome,
                        );
                    }
                    outcome.parts.push(Part { frame: transformed.output, indexes });
                }
                Err(CallError::Guest(GuestError::BadRecords(list))) if !list.is_empty() => {
                    // The call had no effect for the others: they are tried again without the bad ones.
                    for bad in &list {
                        self.fail(
                            batch,
                            &indexes,
                            bad.index,
                            bad.step as usize,
                            guest_data(&bad.message),
                            outcome,
                        );
                    }
                    let is_bad = |at: u32| list.iter().any(|bad| bad.index == at);
                    todo.push(
                        (0_u32..)
                            .zip(indexes)
                            .filter(|(at, _)| !is_bad(*at))
                            .map(|(_, index)| index)
                            .collect(),
                    );
                }
                Err(error) => {
                    let step = if indexes.len() == 1 { self.culprit(batch, &indexes).await } else { 0 };
                    self.divide(batch, indexes, error, self.pure, step, &mut todo, outcome)?;
                }
            }
            // Without tolerance nothing behind the first failure is wanted.
            if !outcome.failed.is_empty() && !work.reporter.tolerates() {
                break;
            }
        }
        Ok(())
    }

    /// After `error` on the records at `indexes`: a single one failed, several are to be tried in
    /// halves, the first half first.
    #[allow(clippy::too_many_arguments, reason = "one decision with everything it depends on")]
    fn divide(
        &self,
        batch: &Batch,
        mut indexes: Vec<u32>,
        error: CallError,
        pure: bool,
        step: usize,
        todo: &mut Vec<Vec<u32>>,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let class =
            self.classes.get(step).or(self.classes.first()).map(ToString::to_string).unwrap_or_default();
        if !is_of_records(&error) || (indexes.len() > 1 && !pure) {
            return Err(Error::Guest { class, call: "apply", error });
        }
        if indexes.len() == 1 {
            self.fail(batch, &indexes, 0, step, Exception::from_call(&error), outcome);
            return Ok(());
        }
        tracing::warn!(
            class,
            records = indexes.len(),
            "a transform failed on a batch; trying its halves: {error}"
        );
        let second = indexes.split_off(indexes.len() / 2);
        todo.push(second);
        todo.push(indexes);
        Ok(())
    }

    fn fail(
        &self,
        batch: &Batch,
        indexes: &[u32],
        at: u32,
        step: usize,
        exception: Exception,
        outcome: &mut Outcome,
    ) {
        let (Some(index), Some(class)) = (indexes.get(at as usize), self.classes.get(step)) else { return };
        let origin = batch.origin(*index as usize);
        outcome.failed.push(Failed {
            origin,
            stage: Stage::Transformation,
            class: Arc::clone(class),
            exception,
        });
    }

    async fn call(&mut self, view: &[u8]) -> Result<BatchResult, CallError> {
        if self.instance.is_none() {
            self.instance = Some(self.plugins.transform(self.spec.clone(), &self.steps).await?);
        }
        let instance = self.instance.as_mut().ok_or(CallError::Poisoned)?;
        let result = instance.apply(view).await;
        if !instance.is_alive() {
            self.instance = None;
        }
        result
    }

    /// Which step it is that fails on a single record: they are run one by one.
    async fn culprit(&mut self, batch: &Batch, indexes: &[u32]) -> usize {
        let mut one = batch.clone();
        one.retain(|index, _| indexes.contains(&(index as u32)));
        for (at, step) in self.steps.iter().enumerate().take(self.steps.len() - 1) {
            let only = std::slice::from_ref(step);
            let Ok(mut instance) = self.plugins.transform(self.spec.clone(), only).await else { return at };
            let part = match instance.apply(&one.view(&self.layout.needs)).await {
                Ok(transformed) if transformed.bad.is_empty() => {
                    Part { frame: transformed.output, indexes: (0..one.len() as u32).collect() }
                }
                _ => return at,
            };
            if self.merge(&mut one, &[part], None).is_err() {
                return at;
            }
        }
        self.steps.len() - 1
    }

    /// Makes the next frame: what the guest answered, completed with what it kept, and the records in
    /// `passing` as they are, in the order of the batch.
    fn merge(&self, batch: &mut Batch, parts: &[Part], passing: Option<&[u32]>) -> Result<(), Error> {
        let outputs: Vec<Frame<'_>> =
            parts.iter().map(|part| Frame::trust(&part.frame).unwrap_or(Frame::EMPTY)).collect();
        let mut order: Vec<(u32, Option<(usize, usize)>)> = Vec::with_capacity(batch.len());
        for (at, (part, output)) in parts.iter().zip(&outputs).enumerate() {
            for (record_at, record) in output.iter().enumerate() {
                let from = record.entry.src.and_then(|src| part.indexes.get(src as usize));
                let from = from.ok_or_else(|| {
                    Error::UnusableBatch(format!(
                        "record {record_at} does not say which record it was made from"
                    ))
                })?;
                order.push((*from, Some((at, record_at))));
            }
        }
        if let Some(passing) = passing {
            order.extend(passing.iter().map(|index| (*index, None)));
            order.sort_by_key(|(index, _)| *index);
        }
        let keeps_values = outputs
            .iter()
            .all(|output| output.iter().all(|record| record.entry.flags.has(Flags::KEEP_VALUE)));
        let old = batch.frame();
        let mut merge = Merge {
            run: self,
            rebuild: if keeps_values { Rebuild::sharing(old) } else { Rebuild::copying(old) },
            topics: outputs.iter().map(|output| vec![None; output.n_topics()]).collect(),
            known_schema: 0,
        };
        let mut keys = Vec::with_capacity(order.len());
        let mut values = Vec::with_capacity(order.len());
        for (index, output) in &order {
            let at = *index as usize;
            let Some(input) = old.get(at) else { continue };
            let made = output.and_then(|(part, record)| Some((part, outputs.get(part)?.get(record)?)));
            let (keep_key, keep_value) = match made {
                None => {
                    merge.rebuild.keep(&input);
                    (true, true)
                }
                Some((part, record)) => merge.record(&input, part, &record)?,
            };
            keys.push(if keep_key { batch.key.of(at) } else { self.layout.key });
            values.push(if keep_value { batch.value.of(at) } else { self.layout.value });
        }
        let frame = merge.rebuild.out.finish();
        let from: Vec<u32> = order.into_iter().map(|(index, _)| index).collect();
        batch.replace(frame, &from);
        if !keys.is_empty() {
            batch.key = Column::collect(keys);
            batch.value = Column::collect(values);
        }
        Ok(())
    }
}

impl Guard {
    async fn test(&mut self, plugins: &Plugins, view: &[u8]) -> Result<Vec<bool>, CallError> {
        if self.instance.is_none() {
            self.start(plugins).await?;
        }
        let instance = self.instance.as_mut().ok_or(CallError::Poisoned)?;
        let result = instance.test(view).await;
        if !instance.is_alive() {
            self.instance = None;
        }
        result
    }

    async fn start(&mut self, plugins: &Plugins) -> Result<(), CallError> {
        self.instance = Some(plugins.predicate(self.spec.clone()).await?);
        Ok(())
    }
}

/// Builds one frame from a batch and what a guest made of it.
struct Merge<'a, 'r> {
    run: &'r Run,
    rebuild: Rebuild<'a>,
    /// For each part, new indexes of its topics.
    topics: Vec<Vec<Option<u16>>>,
    /// The last schema that was looked up.
    known_schema: u32,
}

impl<'a> Merge<'a, '_> {
    /// Adds `made`, which the guest made from `input`. Answers whether it kept the key and the value.
    fn record(&mut self, input: &Record<'a>, part: usize, made: &Record<'_>) -> Result<(bool, bool), Error> {
        let flags = made.entry.flags;
        let (keep_key, keep_value) = (flags.has(Flags::KEEP_KEY), flags.has(Flags::KEEP_VALUE));
        let mut entry = cofferdam_frame::Entry::new(self.topic(part, made)?);
        // Where a record comes from is the host's business; the rest is the transform's to change.
        self.rebuild.copy_position(&mut entry, input);
        if input.entry.flags.has(Flags::LOG_APPEND_TIME) && made.entry.timestamp == input.entry.timestamp {
            entry.flags = Flags::LOG_APPEND_TIME;
        }
        entry.timestamp = made.entry.timestamp;
        entry.partition = made.entry.partition;
        if keep_key {
            self.rebuild.copy_key(&mut entry, input);
        } else {
            entry.key = self.rebuild.out.put_option(made.key());
            entry.key_schema = made.entry.key_schema;
        }
        if keep_value {
            self.rebuild.copy_value(&mut entry, input);
        } else {
            entry.value = self.rebuild.out.put_option(made.value());
            entry.value_schema = made.entry.value_schema;
        }
        self.headers(&mut entry, input, made)?;
        self.rebuild.out.push(&entry);
        Ok((keep_key, keep_value))
    }

    fn headers(
        &mut self,
        entry: &mut cofferdam_frame::Entry,
        input: &Record<'a>,
        made: &Record<'_>,
    ) -> Result<(), Error> {
        let keep = made.entry.flags.has(Flags::KEEP_HEADERS);
        if made.entry.n_headers == 0 {
            if keep {
                self.rebuild.copy_headers(entry, input);
            }
            return Ok(());
        }
        let mut block = Span { at: 0, len: 0 };
        let mut n_headers = 0_u16;
        let kept = keep.then(|| input.headers()).into_iter().flatten();
        for header in kept.chain(made.headers()) {
            if header.schema != 0 && header.schema != self.known_schema {
                self.check_schema(header.schema)?;
            }
            self.rebuild.out.header(&mut block, header.key, header.schema, header.value);
            n_headers = n_headers
                .checked_add(1)
                .ok_or_else(|| Error::UnusableBatch("a record has more than 65,535 headers".to_owned()))?;
        }
        entry.headers = block;
        entry.n_headers = n_headers;
        Ok(())
    }

    fn check_schema(&mut self, id: u32) -> Result<(), Error> {
        let schemas: &Schemas = &self.run.spec.schemas;
        if schemas.get(id).is_none() {
            return Err(Error::UnusableBatch(format!("a header has the unknown schema {id}")));
        }
        self.known_schema = id;
        Ok(())
    }

    fn topic(&mut self, part: usize, made: &Record<'_>) -> Result<u16, Error> {
        let slot = self.topics.get_mut(part).and_then(|topics| topics.get_mut(usize::from(made.entry.topic)));
        if let Some(Some(index)) = slot {
            return Ok(*index);
        }
        check_topic(made.topic()).map_err(Error::UnusableBatch)?;
        let index = self
            .rebuild
            .topic_named(made.topic())
            .map_err(|error| Error::UnusableBatch(error.to_string()))?;
        if let Some(slot) = slot {
            *slot = Some(index);
        }
        Ok(index)
    }
}

/// Places of the records that the transform was not asked about and that did not fail. `selected` is
/// in order, since halves are tried first half first.
fn rest(batch: &Batch, selected: &[u32], failed: &[Failed]) -> Vec<u32> {
    let is_failed = |index: u32| failed.iter().any(|failed| failed.origin == batch.origin(index as usize));
    (0..batch.len() as u32)
        .filter(|index| selected.binary_search(index).is_err() && !is_failed(*index))
        .collect()
}

fn guest_data(message: &str) -> Exception {
    Exception::from_guest(message, DATA)
}

/// Whether a record of the batch may be what a call failed of.
pub(crate) const fn is_of_records(error: &CallError) -> bool {
    matches!(
        error,
        CallError::Guest(GuestError::Retriable { .. } | GuestError::BadRecords(_) | GuestError::Fatal(_))
            | CallError::Trap { .. }
            | CallError::Deadline { .. }
            | CallError::Memory { .. }
    )
}

/// Whether a call that ended so is to be made again, as long as `errors.retry.*` allow; waits until
/// it is time.
pub(crate) async fn again(
    error: Option<&CallError>,
    retry: &mut Option<Retry>,
    tries: &mut Tries<'_>,
) -> Result<bool, Error> {
    let Some(CallError::Guest(GuestError::Retriable { message, backoff })) = error else { return Ok(false) };
    tries.metrics.record_errors(1);
    let retry = retry.get_or_insert_with(|| Retry::new(tries.reporter.settings()));
    let Some(delay) = retry.next_delay() else { return Ok(false) };
    let delay = backoff.map_or(delay, |asked| asked.min(tries.reporter.settings().retry_delay_max));
    tracing::warn!("a plugin asks to be tried again in {} ms: {message}", delay.as_millis());
    if !tries.control.sleep(delay).await {
        return Err(Error::Stopping);
    }
    tries.metrics.retried();
    Ok(true)
}
