//! Transforms and predicates, and the chain that runs neighbouring ones over a batch.

use cofferdam_frame::{Builder, Frame};

use crate::config::Config;
use crate::error::{BadRecord, Error, Problem, Result};
use crate::info::PluginInfo;
use crate::record::{Buffers, Record};

/// What becomes of a record behind a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It goes on.
    Keep,
    /// It ends here: no later step sees it, and nothing is written.
    Drop,
}

/// A transform (SMT): changes records, one at a time.
///
/// Steps that follow one another in a connector's chain and live in one component run in one call,
/// each record through all of them, and nothing is encoded in between.
pub trait Transform: Sized + 'static {
    /// What the plugin says about itself. Called in an instance that is thrown away.
    fn info() -> PluginInfo;

    /// Checks what the keys' types and validators cannot express.
    fn validate(config: &Config) -> Vec<Problem> {
        let _ = config;
        Vec::new()
    }

    /// Makes the step for one task.
    ///
    /// # Errors
    /// When the configuration is wrong; the task does not start.
    fn configure(config: &Config) -> Result<Self>;

    /// Changes `record`.
    ///
    /// # Errors
    /// [`Error::BadRecord`] leaves this record to `errors.tolerance`; any other kind ends the call.
    fn apply(&mut self, record: &mut Record<'_>) -> Result<Flow>;
}

/// A predicate: says which records a transform is for.
pub trait Predicate: Sized + 'static {
    /// What the plugin says about itself. Called in an instance that is thrown away.
    fn info() -> PluginInfo;

    /// Checks what the keys' types and validators cannot express.
    fn validate(config: &Config) -> Vec<Problem> {
        let _ = config;
        Vec::new()
    }

    /// Makes the predicate for one task.
    ///
    /// # Errors
    /// When the configuration is wrong; the task does not start.
    fn configure(config: &Config) -> Result<Self>;

    /// Whether `record`, as the steps before left it, is one of those.
    ///
    /// # Errors
    /// [`Error::BadRecord`] leaves this record to `errors.tolerance`; any other kind ends the call.
    fn test(&mut self, record: &Record<'_>) -> Result<bool>;
}

pub(crate) trait AnyTransform {
    fn apply(&mut self, record: &mut Record<'_>) -> Result<Flow>;

    /// Runs a whole batch through this transform alone, which spares a look-up of it for each record.
    fn apply_all(&mut self, pass: &mut Pass<'_>) -> Result<()>;
}

impl<T: Transform> AnyTransform for T {
    fn apply(&mut self, record: &mut Record<'_>) -> Result<Flow> {
        Transform::apply(self, record)
    }

    fn apply_all(&mut self, pass: &mut Pass<'_>) -> Result<()> {
        pass.run(|record| Transform::apply(self, record).map_err(|error| (0, error)))
    }
}

pub(crate) trait AnyPredicate {
    fn test(&mut self, record: &Record<'_>) -> Result<bool>;

    /// Asks about a whole batch, as [`AnyTransform::apply_all`].
    fn test_all<'a>(
        &mut self,
        frame: &Frame<'a>,
        record: &mut Record<'a>,
    ) -> Result<Vec<bool>, PredicateError>;
}

impl<P: Predicate> AnyPredicate for P {
    fn test(&mut self, record: &Record<'_>) -> Result<bool> {
        Predicate::test(self, record)
    }

    fn test_all<'a>(
        &mut self,
        frame: &Frame<'a>,
        record: &mut Record<'a>,
    ) -> Result<Vec<bool>, PredicateError> {
        let mut answers = Vec::with_capacity(frame.len());
        let mut bad = Vec::new();
        for (index, input) in frame.entries().enumerate() {
            record.load(index as u32, input);
            match Predicate::test(self, record) {
                Ok(answer) => answers.push(answer),
                Err(error) => refuse(&mut bad, index as u32, 0, error)?,
            }
        }
        if bad.is_empty() { Ok(answers) } else { Err(PredicateError::Bad(bad)) }
    }
}

/// One step of a chain, with the condition under which it runs.
pub(crate) struct Step {
    pub(crate) transform: Box<dyn AnyTransform>,
    pub(crate) condition: Option<Condition>,
}

pub(crate) struct Condition {
    pub(crate) predicate: Box<dyn AnyPredicate>,
    pub(crate) negate: bool,
}

impl Step {
    fn run(&mut self, record: &mut Record<'_>) -> Result<Flow> {
        if let Some(condition) = &mut self.condition
            && condition.predicate.test(record)? == condition.negate
        {
            return Ok(Flow::Keep);
        }
        self.transform.apply(record)
    }
}

/// Neighbouring transforms of one component.
#[derive(Default)]
pub(crate) struct Chain {
    steps: Vec<Step>,
    buffers: Buffers,
    batches: u64,
    /// Bytes of the last output: the next one will be about as long.
    heap_hint: usize,
}

impl Chain {
    pub(crate) fn new(steps: Vec<Step>) -> Self {
        Self { steps, ..Self::default() }
    }

    /// The frame of what is left, and the records that a step could not handle.
    pub(crate) fn apply(&mut self, batch: &[u8]) -> Result<(Vec<u8>, Vec<BadRecord>)> {
        let frame = trusted(batch)?;
        if frame.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        self.batches += 1;
        let mut pass = Pass {
            frame,
            record: Record::new(frame, self.batches, std::mem::take(&mut self.buffers)),
            out: Builder::with_capacity(frame.len(), self.heap_hint + 64),
            bad: Vec::new(),
            last_step: self.steps.len().saturating_sub(1),
        };
        match self.steps.as_mut_slice() {
            [Step { transform, condition: None }] => transform.apply_all(&mut pass)?,
            steps => pass.run(|record| run(steps, record))?,
        }
        self.buffers = pass.record.into_buffers();
        let out = pass.out.finish();
        self.heap_hint = out.len().saturating_sub(frame.len() * cofferdam_frame::ENTRY_BYTES);
        Ok((out, pass.bad))
    }
}

/// A batch on its way through a chain.
pub(crate) struct Pass<'a> {
    frame: Frame<'a>,
    record: Record<'a>,
    out: Builder,
    bad: Vec<BadRecord>,
    /// The step that is named when a record cannot be written.
    last_step: usize,
}

impl Pass<'_> {
    /// Runs every record through `steps`, which answer with the step that failed.
    #[inline]
    fn run(&mut self, mut steps: impl FnMut(&mut Record<'_>) -> Result<Flow, (usize, Error)>) -> Result<()> {
        for (index, input) in self.frame.entries().enumerate() {
            let index = index as u32;
            self.record.load(index, input);
            let written = match steps(&mut self.record) {
                Ok(Flow::Drop) => continue,
                Ok(Flow::Keep) => self.record.write(&mut self.out).map_err(|error| (self.last_step, error)),
                Err(failed) => Err(failed),
            };
            if let Err((step, error)) = written {
                refuse(&mut self.bad, index, step, error)?;
            }
        }
        Ok(())
    }
}

/// A predicate that the worker asks itself, for a transform of another component.
pub(crate) struct Test {
    predicate: Box<dyn AnyPredicate>,
    buffers: Buffers,
    batches: u64,
}

impl Test {
    pub(crate) fn new(predicate: Box<dyn AnyPredicate>) -> Self {
        Self { predicate, buffers: Buffers::default(), batches: 0 }
    }

    pub(crate) fn test(&mut self, batch: &[u8]) -> Result<Vec<bool>, PredicateError> {
        let frame = trusted(batch)?;
        self.batches += 1;
        let mut record = Record::new(frame, self.batches, std::mem::take(&mut self.buffers));
        let answers = self.predicate.test_all(&frame, &mut record);
        self.buffers = record.into_buffers();
        answers
    }
}

/// Why a predicate gave no answers.
#[derive(Debug)]
pub enum PredicateError {
    /// It could not handle these records.
    Bad(Vec<BadRecord>),
    /// The call failed.
    Failed(Error),
}

impl From<Error> for PredicateError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// A frame of the worker, which has checked or built it.
pub(crate) fn trusted(batch: &[u8]) -> Result<Frame<'_>> {
    Frame::trust(batch).map_err(|error| Error::fatal(format!("the worker handed over a bad frame: {error}")))
}

fn run(steps: &mut [Step], record: &mut Record<'_>) -> Result<Flow, (usize, Error)> {
    for (index, step) in steps.iter_mut().enumerate() {
        match step.run(record) {
            Ok(Flow::Keep) => {}
            Ok(Flow::Drop) => return Ok(Flow::Drop),
            Err(error) => return Err((index, error)),
        }
    }
    Ok(Flow::Keep)
}

fn refuse(bad: &mut Vec<BadRecord>, index: u32, step: usize, error: Error) -> Result<()> {
    match error {
        Error::BadRecord(message) => {
            bad.push(BadRecord { index, step: step as u32, message });
            Ok(())
        }
        error => Err(error),
    }
}

#[cfg(test)]
#[path = "transform_tests.rs"]
mod tests;
