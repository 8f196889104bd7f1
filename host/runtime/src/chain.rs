//! The chain of transforms of a task, made from its configuration.

use std::sync::Arc;

use cofferdam_config::connector::{PredicateSettings, TransformSettings};
use cofferdam_converters::Format;
use cofferdam_plugins::{Condition, PluginInfo, PluginKind, Plugins, Spec, TransformStep};

use crate::Error;
use crate::batch::{Batch, Needs};
use crate::stage::transform::{Guard, Run, Work};

/// The transforms of a task, in order.
pub(crate) struct Chain {
    runs: Vec<Run>,
}

/// How a plugin wants records, and how it lays out what it makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Form of keys.
    pub(crate) key: Format,
    /// Form of values, and of headers.
    pub(crate) value: Format,
    /// What it looks at.
    pub(crate) needs: Needs,
}

// === impl Layout ===

impl Layout {
    /// As the plugin describes itself.
    pub(crate) fn of(info: &PluginInfo) -> Self {
        let (key, value) = (format(info.key_format), format(info.value_format));
        let needs = Needs {
            key: info.needs_key.then_some(key),
            value: info.needs_value.then_some(value),
            headers: info.needs_headers.then_some(value),
        };
        Self { key, value, needs }
    }

    /// What has to be converted before the plugin gets a batch. Headers always are: a transform may
    /// add some to those that it does not look at, and they have to be of one form.
    pub(crate) const fn target(&self) -> Needs {
        Needs { headers: Some(self.value), ..self.needs }
    }

    fn join(&mut self, other: &Self) {
        self.needs.key = self.needs.key.or(other.needs.key);
        self.needs.value = self.needs.value.or(other.needs.value);
        self.needs.headers = self.needs.headers.or(other.needs.headers);
    }

    fn agrees(&self, other: &Self) -> bool {
        self.key == other.key && self.value == other.value
    }
}

pub(crate) const fn format(format: cofferdam_plugins::Format) -> Format {
    match format {
        cofferdam_plugins::Format::Raw => Format::Raw,
        cofferdam_plugins::Format::Rows => Format::Rows,
        cofferdam_plugins::Format::Json => Format::Json,
    }
}

// === impl Chain ===

impl Chain {
    /// Makes the chain and starts its instances, so that a wrong configuration shows at once.
    pub(crate) async fn start(
        plugins: &Plugins,
        settings: &[TransformSettings],
        spec: &Spec,
    ) -> Result<Self, Error> {
        let mut runs: Vec<Run> = Vec::new();
        for settings in settings {
            add(&mut runs, plugins, settings, spec)?;
        }
        for run in &mut runs {
            run.start().await?;
        }
        Ok(Self { runs })
    }

    /// What has to be converted before the first transform, given what comes `after` the chain: every
    /// part that anyone looks at, in the form that the first who does wants. Bytes that nobody looks
    /// at pass untouched.
    pub(crate) fn wanted(&self, after: &Needs) -> Needs {
        let guard = |run: &Run| run.guard.as_ref().map(|guard| guard.needs);
        let all = self.runs.iter().flat_map(|run| guard(run).into_iter().chain([run.layout.target()]));
        all.chain([*after]).fold(Needs { key: None, value: None, headers: None }, |wanted, needs| Needs {
            key: wanted.key.or(needs.key),
            value: wanted.value.or(needs.value),
            headers: wanted.headers.or(needs.headers),
        })
    }

    /// Runs a batch through all transforms.
    pub(crate) async fn apply(&mut self, batch: &mut Batch, work: &mut Work<'_>) -> Result<(), Error> {
        for run in &mut self.runs {
            if batch.is_empty() {
                break;
            }
            run.apply(batch, work).await?;
        }
        Ok(())
    }
}

/// Adds a transform to the last run, or begins a new one.
fn add(
    runs: &mut Vec<Run>,
    plugins: &Plugins,
    settings: &TransformSettings,
    spec: &Spec,
) -> Result<(), Error> {
    let info = find(plugins, &settings.class, PluginKind::Transform)?;
    let mut layout = Layout::of(&info);
    let mut pure = info.pure;
    let mut condition = None;
    let mut guard = None;
    if let Some(predicate) = &settings.predicate {
        let theirs = find(plugins, &predicate.class, PluginKind::Predicate)?;
        let asked = Layout::of(&theirs);
        // One call can do for both where they are one artifact and read records in one form.
        if theirs.digest == info.digest && asked.agrees(&layout) {
            pure &= theirs.pure;
            layout.join(&asked);
            condition = Some(Condition {
                class: theirs.class,
                config: predicate.config.clone(),
                negate: predicate.negate,
            });
        } else {
            guard = Some(self::guard(&theirs, &asked, predicate, spec));
        }
    }
    let step = TransformStep { class: info.class.clone(), config: settings.config.clone(), condition };
    let class: Arc<str> = info.class.as_str().into();
    if guard.is_none()
        && let Some(run) = runs.last_mut()
        && run.guard.is_none()
        && run.digest == info.digest
        && run.layout.agrees(&layout)
    {
        run.steps.push(step);
        run.classes.push(class);
        run.layout.join(&layout);
        run.pure &= pure;
        return Ok(());
    }
    runs.push(Run {
        plugins: plugins.clone(),
        spec: Spec { class: info.class, config: settings.config.clone(), ..spec.clone() },
        digest: info.digest,
        steps: vec![step],
        classes: vec![class],
        layout,
        pure,
        instance: None,
        guard,
    });
    Ok(())
}

fn guard(info: &PluginInfo, layout: &Layout, predicate: &PredicateSettings, spec: &Spec) -> Guard {
    Guard {
        spec: Spec { class: info.class.clone(), config: predicate.config.clone(), ..spec.clone() },
        needs: layout.needs,
        negate: predicate.negate,
        pure: info.pure,
        instance: None,
    }
}

fn find(plugins: &Plugins, class: &str, kind: PluginKind) -> Result<PluginInfo, Error> {
    plugins.plugin(class, &[kind]).ok_or_else(|| {
        let of_kind = plugins.plugins().into_iter().filter(|info| info.kind == kind);
        let available: Vec<String> = of_kind.map(|info| info.class).collect();
        Error::UnknownClass {
            kind: if kind == PluginKind::Transform { "Transformation" } else { "Predicate" },
            class: class.to_owned(),
            available: available.join(", "),
        }
    })
}
