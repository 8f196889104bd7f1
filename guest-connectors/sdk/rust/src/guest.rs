//! What stands between a component's exports and the plugins in it: which plugin a call is for, and
//! what lives in this instance. It runs natively too, where unit tests drive a plugin through it.

use std::time::Duration;

use crate::config::{Config, Pairs};
use crate::connector::Connector;
use crate::converter::{self, AnyConverter, Converter, Direction, Target};
use crate::error::{BadRecord, Error, Problem, Result};
use crate::info::{Kind, PluginInfo};
use crate::sink::{AnySink, Batch, Sink, SinkContext, TopicOffset, TopicPartition};
use crate::source::{AnySource, BatchWriter, Source, SourceContext};
use crate::transform::{
    AnyPredicate, AnyTransform, Chain, Condition, Predicate, PredicateError, Step, Test, Transform, trusted,
};

/// One plugin of a component, as [`crate::plugins`] lists it.
#[derive(Clone, Copy)]
pub struct Offer {
    info: fn() -> PluginInfo,
    validate: fn(&Config) -> Vec<Problem>,
    make: Make,
}

#[derive(Clone, Copy)]
enum Make {
    Source { connector: MakeConnector, task: fn(&Config) -> Result<Box<dyn AnySource>> },
    Sink { connector: MakeConnector, task: fn(&Config) -> Result<Box<dyn AnySink>> },
    Transform(fn(&Config) -> Result<Box<dyn AnyTransform>>),
    Predicate(fn(&Config) -> Result<Box<dyn AnyPredicate>>),
    Converter(fn(&Config, Target) -> Result<Box<dyn AnyConverter>>),
}

type MakeConnector = fn(&Config) -> Result<Box<dyn Connector>>;

impl Offer {
    /// Offers a source.
    #[must_use]
    pub const fn source<S: Source>() -> Self {
        let task = |config: &Config| -> Result<Box<dyn AnySource>> {
            Ok(Box::new(S::start(config, &SourceContext::new())?))
        };
        Self { info: S::info, validate: S::validate, make: Make::Source { connector: S::connector, task } }
    }

    /// Offers a sink.
    #[must_use]
    pub const fn sink<S: Sink>() -> Self {
        let task = |config: &Config| -> Result<Box<dyn AnySink>> {
            Ok(Box::new(S::start(config, &SinkContext::new())?))
        };
        Self { info: S::info, validate: S::validate, make: Make::Sink { connector: S::connector, task } }
    }

    /// Offers a transform.
    #[must_use]
    pub const fn transform<T: Transform>() -> Self {
        Self {
            info: T::info,
            validate: T::validate,
            make: Make::Transform(|config| Ok(Box::new(T::configure(config)?))),
        }
    }

    /// Offers a predicate.
    #[must_use]
    pub const fn predicate<P: Predicate>() -> Self {
        Self {
            info: P::info,
            validate: P::validate,
            make: Make::Predicate(|config| Ok(Box::new(P::configure(config)?))),
        }
    }

    /// Offers a converter.
    #[must_use]
    pub const fn converter<C: Converter>() -> Self {
        Self {
            info: C::info,
            validate: C::validate,
            make: Make::Converter(|config, target| Ok(Box::new(C::configure(config, target)?))),
        }
    }

    /// What the plugin says about itself.
    #[must_use]
    pub fn info(&self) -> PluginInfo {
        (self.info)()
    }

    fn config(&self, pairs: Pairs) -> Config {
        Config::new(self.info().config_def, pairs)
    }
}

impl std::fmt::Debug for Offer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Offer").field(&self.info().class).finish()
    }
}

/// One step of a chain, as the worker asks for it.
#[derive(Clone, Debug)]
pub struct StepSpec {
    /// The transform.
    pub class: String,
    /// Its configuration.
    pub config: Pairs,
    /// The predicate that guards it.
    pub condition: Option<ConditionSpec>,
}

/// The predicate that guards a step.
#[derive(Clone, Debug)]
pub struct ConditionSpec {
    /// The predicate.
    pub class: String,
    /// Its configuration.
    pub config: Pairs,
    /// Whether the step runs where the predicate is false.
    pub negate: bool,
}

/// What a transform chain or converter answers: the frame of what it made, and what could not be handled.
pub type Applied = (Vec<u8>, Vec<BadRecord>);

/// What lives in one instance of a component. Mostly one of these is in use: a connector, a task, or
/// a chain of transforms.
pub struct Instance {
    offers: &'static [Offer],
    connector: Option<Box<dyn Connector>>,
    source: Option<Box<dyn AnySource>>,
    sink: Option<Box<dyn AnySink>>,
    chain: Option<Chain>,
    predicate: Option<Test>,
    converter: Option<Box<dyn AnyConverter>>,
    /// Bytes of the last batch of a source: the next one will be about as long.
    batch_hint: (usize, usize),
}

impl Instance {
    /// An instance in which nothing was started.
    #[must_use]
    pub const fn new(offers: &'static [Offer]) -> Self {
        Self {
            offers,
            connector: None,
            source: None,
            sink: None,
            chain: None,
            predicate: None,
            converter: None,
            batch_hint: (0, 0),
        }
    }

    /// What the component offers.
    #[must_use]
    pub fn describe(&self) -> Vec<PluginInfo> {
        self.offers.iter().map(Offer::info).collect()
    }

    /// What is wrong with a configuration beyond types and validators.
    #[must_use]
    pub fn validate(&self, class: &str, config: Pairs) -> Vec<Problem> {
        self.offers
            .iter()
            .find(|offer| offer.info().is_called(class))
            .map_or_else(Vec::new, |offer| (offer.validate)(&offer.config(config)))
    }

    /// Starts a connector.
    ///
    /// # Errors
    /// What the plugin answers, or that there is no such plugin.
    pub fn start_connector(&mut self, class: &str, config: Pairs) -> Result<()> {
        let offer = self.find(class, "connector", |kind| matches!(kind, Kind::Source | Kind::Sink))?;
        if let Make::Source { connector, .. } | Make::Sink { connector, .. } = offer.make {
            self.connector = Some(connector(&offer.config(config))?);
        }
        Ok(())
    }

    /// The configurations of the connector's tasks.
    ///
    /// # Errors
    /// What the plugin answers.
    pub fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<Pairs>> {
        running(&mut self.connector)?.task_configs(max_tasks)
    }

    /// Ends the connector.
    pub fn stop_connector(&mut self) {
        if let Some(mut connector) = self.connector.take() {
            connector.stop();
        }
    }

    /// Starts a source task.
    ///
    /// # Errors
    /// What the plugin answers, or that there is no such plugin.
    pub fn start_source(&mut self, class: &str, config: Pairs) -> Result<()> {
        let offer = self.find(class, "source", |kind| kind == Kind::Source)?;
        if let Make::Source { task, .. } = offer.make {
            self.source = Some(task(&offer.config(config))?);
        }
        Ok(())
    }

    /// A frame of what the source has.
    ///
    /// # Errors
    /// What the plugin answers.
    pub fn poll(&mut self, max_records: u32, max_bytes: u32, wait: Duration) -> Result<Vec<u8>> {
        let source = running(&mut self.source)?;
        let mut out = BatchWriter::new(max_records as usize, max_bytes as usize, wait);
        out.reserve(self.batch_hint.0, self.batch_hint.1);
        source.poll(&mut out)?;
        let records = out.len();
        let frame = out.finish();
        if records > 0 {
            self.batch_hint = (records, frame.len().saturating_sub(records * cofferdam_frame::ENTRY_BYTES));
        }
        Ok(frame)
    }

    /// Tells the source what is in Kafka.
    ///
    /// # Errors
    /// What the plugin answers.
    pub fn committed(&mut self, offsets: &[(String, String)]) -> Result<()> {
        running(&mut self.source)?.committed(offsets)
    }

    /// Ends the source task.
    pub fn stop_source(&mut self) {
        if let Some(mut source) = self.source.take() {
            source.stop();
        }
    }

    /// Starts a sink task.
    ///
    /// # Errors
    /// What the plugin answers, or that there is no such plugin.
    pub fn start_sink(&mut self, class: &str, config: Pairs) -> Result<()> {
        let offer = self.find(class, "sink", |kind| kind == Kind::Sink)?;
        if let Make::Sink { task, .. } = offer.make {
            self.sink = Some(task(&offer.config(config))?);
        }
        Ok(())
    }

    /// The sink reads these partitions as well.
    ///
    /// # Errors
    /// What the plugin answers.
    pub fn open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        running(&mut self.sink)?.open(partitions)
    }

    /// The sink no longer reads these partitions.
    ///
    /// # Errors
    /// What the plugin answers.
    pub fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        running(&mut self.sink)?.close(partitions)
    }

    /// Hands a frame to the sink; answers the records that it refused.
    ///
    /// # Errors
    /// What the plugin answers.
    pub fn put(&mut self, batch: &[u8]) -> Result<Vec<BadRecord>> {
        let batch = Batch::new(trusted(batch)?);
        running(&mut self.sink)?.put(&batch)?;
        Ok(batch.into_bad())
    }

    /// The offsets that are safe to commit.
    ///
    /// # Errors
    /// What the plugin answers.
    pub fn pre_commit(&mut self, delivered: Vec<TopicOffset>) -> Result<Vec<TopicOffset>> {
        running(&mut self.sink)?.pre_commit(delivered)
    }

    /// Ends the sink task.
    pub fn stop_sink(&mut self) {
        if let Some(mut sink) = self.sink.take() {
            sink.stop();
        }
    }

    /// Sets up a chain of transforms.
    ///
    /// # Errors
    /// What a plugin answers, or that there is no such plugin.
    pub fn configure_chain(&mut self, steps: Vec<StepSpec>) -> Result<()> {
        let steps = steps.into_iter().map(|step| self.step(step)).collect::<Result<Vec<_>>>()?;
        self.chain = Some(Chain::new(steps));
        Ok(())
    }

    /// Runs a frame through the chain.
    ///
    /// # Errors
    /// What a plugin answers.
    pub fn apply(&mut self, batch: &[u8]) -> Result<Applied> {
        running(&mut self.chain)?.apply(batch)
    }

    /// Sets up a predicate that the worker asks itself.
    ///
    /// # Errors
    /// What the plugin answers, or that there is no such plugin.
    pub fn configure_predicate(&mut self, class: &str, config: Pairs) -> Result<()> {
        self.predicate = Some(Test::new(self.make_predicate(class, config)?));
        Ok(())
    }

    /// One answer for each record of a frame.
    ///
    /// # Errors
    /// What the plugin answers.
    pub fn test(&mut self, batch: &[u8]) -> Result<Vec<bool>, PredicateError> {
        running(&mut self.predicate)?.test(batch)
    }

    /// Sets up a converter.
    ///
    /// # Errors
    /// What the plugin answers, or that there is no such plugin.
    pub fn configure_converter(&mut self, class: &str, config: Pairs, target: Target) -> Result<()> {
        let is_converter = |kind| matches!(kind, Kind::Converter | Kind::HeaderConverter);
        let offer = self.find(class, "converter", is_converter)?;
        if let Make::Converter(make) = offer.make {
            self.converter = Some(make(&offer.config(config), target)?);
        }
        Ok(())
    }

    /// Converts the values of a frame.
    ///
    /// # Errors
    /// What the plugin answers.
    pub fn convert(&mut self, direction: Direction, batch: &[u8]) -> Result<Applied> {
        converter::convert(&mut **running(&mut self.converter)?, direction, batch)
    }

    fn step(&self, step: StepSpec) -> Result<Step> {
        let offer = self.find(&step.class, "transform", |kind| kind == Kind::Transform)?;
        let Make::Transform(make) = offer.make else { return Err(no_such("transform", &step.class)) };
        let condition = match step.condition {
            None => None,
            Some(ConditionSpec { class, config, negate }) => {
                Some(Condition { predicate: self.make_predicate(&class, config)?, negate })
            }
        };
        Ok(Step { transform: make(&offer.config(step.config))?, condition })
    }

    fn make_predicate(&self, class: &str, config: Pairs) -> Result<Box<dyn AnyPredicate>> {
        let offer = self.find(class, "predicate", |kind| kind == Kind::Predicate)?;
        match offer.make {
            Make::Predicate(make) => make(&offer.config(config)),
            _ => Err(no_such("predicate", class)),
        }
    }

    fn find(&self, class: &str, what: &str, of_kind: impl Fn(Kind) -> bool) -> Result<Offer> {
        self.offers
            .iter()
            .find(|offer| {
                let info = offer.info();
                of_kind(info.kind) && info.is_called(class)
            })
            .copied()
            .ok_or_else(|| no_such(what, class))
    }
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance").field("offers", &self.offers).finish_non_exhaustive()
    }
}

fn running<T>(slot: &mut Option<T>) -> Result<&mut T> {
    slot.as_mut().ok_or_else(|| Error::fatal("the worker called a task that it did not start"))
}

fn no_such(what: &str, class: &str) -> Error {
    Error::fatal(format!("this component has no {what} called {class}"))
}

/// Lists the plugins of a component, and exports them when it is built for wasm. Once a crate.
///
/// ```text
/// cofferdam_sdk::plugins! {
///     source FileSource;
///     transform Mask<Key>;
///     transform Mask<Value>;
///     predicate TopicNameMatches;
/// }
/// ```
///
/// It defines `PLUGINS`, which unit tests hand to [`Instance::new`].
#[macro_export]
macro_rules! plugins {
    ($($kind:ident $plugin:ty);+ $(;)?) => {
        /// The plugins of this component.
        pub(crate) static PLUGINS: &[$crate::guest::Offer] = &[$($crate::guest::Offer::$kind::<$plugin>()),+];

        $crate::__export!(PLUGINS);
    };
}

/// Natively there is nothing to export.
#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($plugins:ident) => {
        // Used by the exports, which this target has not.
        const _: &[$crate::guest::Offer] = $plugins;
    };
}
