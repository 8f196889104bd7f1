//! The steps of a task's pipeline, named as Kafka Connect's `Stage`.

pub(crate) mod commit;
pub(crate) mod consume;
pub(crate) mod convert;
pub(crate) mod poll;
pub(crate) mod produce;
pub(crate) mod put;
pub(crate) mod topics;
pub(crate) mod transform;

/// Where a record failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Converting a key.
    KeyConverter,
    /// Converting a value.
    ValueConverter,
    /// Converting a header.
    HeaderConverter,
    /// A transform, or the predicate it depends on.
    Transformation,
    /// A sink's put.
    TaskPut,
    /// Sending a source's record.
    KafkaProduce,
}

impl Stage {
    /// Name in headers and log lines.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::KeyConverter => "KEY_CONVERTER",
            Self::ValueConverter => "VALUE_CONVERTER",
            Self::HeaderConverter => "HEADER_CONVERTER",
            Self::Transformation => "TRANSFORMATION",
            Self::TaskPut => "TASK_PUT",
            Self::KafkaProduce => "KAFKA_PRODUCE",
        }
    }
}
