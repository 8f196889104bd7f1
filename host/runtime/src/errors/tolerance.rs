//! Records that failed, and what `errors.tolerance` makes of them.

use std::sync::Arc;

use super::Exception;
use crate::stage::Stage;

/// A record that failed for good.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    /// Its place in the batch's input.
    pub(crate) origin: u32,
    /// Where it failed.
    pub(crate) stage: Stage,
    /// Class of what was at work.
    pub(crate) class: Arc<str>,
    /// Why.
    pub(crate) exception: Exception,
}
