//! Starting a task or connector again after it failed: `restart.policy`.
//!
//! Kafka Connect leaves what failed alone, and so does this worker unless the policy says otherwise.
//! What a configuration is to blame for is never tried again. The pauses double up to a cap, and each is
//! shortened by chance, so that tasks which failed together do not come back together.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use cofferdam_api::{Blame, Class, Classified as _};
use cofferdam_config::connector::{RestartCause, RestartSettings};
use cofferdam_kafka::TransactionFault;
use cofferdam_plugins::CallError;
use cofferdam_stdx::time::wall_ms;

use crate::Error;

/// The restarts of one task or connector.
#[derive(Debug)]
pub(crate) struct Restarts {
    settings: RestartSettings,
    /// Failures in a row.
    n_failed: u32,
}

/// The next restart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Next {
    /// Its number in a row, from 1.
    pub(crate) attempt: u32,
    /// How long to wait before it.
    pub(crate) delay: Duration,
    /// Most restarts in a row, if there is a most.
    max: Option<u32>,
    cause: RestartCause,
    /// When it is due, for people.
    due: String,
}

impl Restarts {
    pub(crate) const fn new(settings: RestartSettings) -> Self {
        Self { settings, n_failed: 0 }
    }

    /// Whether and when a task is started again that failed with `error` after it `ran` so long.
    pub(crate) fn next(&mut self, error: &Error, ran: Duration) -> Option<Next> {
        let cause = cause(error).filter(|cause| self.settings.causes.contains(cause))?;
        if ran >= self.settings.backoff_max {
            self.n_failed = 0;
        }
        if self.settings.attempts_max.is_some_and(|max| self.n_failed >= max) {
            return None;
        }
        let doubled = self.settings.backoff.checked_mul(1_u32.checked_shl(self.n_failed).unwrap_or(u32::MAX));
        let full = doubled.unwrap_or(Duration::MAX).min(self.settings.backoff_max);
        self.n_failed = self.n_failed.saturating_add(1);
        // The hasher's keys come from the system's randomness; hashing nothing gives them away evenly.
        let random = (RandomState::new().hash_one(()) >> 32) as f64 / f64::from(u32::MAX);
        let delay = full.mul_f64(0.5 + random / 2.0);
        let mut due = Vec::new();
        let in_ms = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        cofferdam_frame::values::put_temporal(&mut due, wall_ms().saturating_add(in_ms));
        let due = String::from_utf8_lossy(&due).into_owned();
        Some(Next { attempt: self.n_failed, delay, max: self.settings.attempts_max, cause, due })
    }
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempt, delay, max, cause, due } = self;
        let cause = match cause {
            RestartCause::Data => "data",
            RestartCause::Transient => "transient",
            RestartCause::Resource => "resource",
        };
        write!(f, "Restart {attempt}")?;
        if let Some(max) = max {
            write!(f, " of {max}")?;
        }
        write!(f, " is due at {due}, in {} ms (restart.policy=on-failure, cause: {cause})", delay.as_millis())
    }
}

/// What failed the task; none where a restart cannot help or would harm.
fn cause(error: &Error) -> Option<RestartCause> {
    let of_call = |error: &CallError| match error {
        CallError::Deadline { .. } | CallError::Memory { .. } | CallError::Exhausted(_) => {
            Some(RestartCause::Resource)
        }
        error => of_class(error.class()),
    };
    match error {
        Error::Guest { error, .. } | Error::Put(error) => of_call(error),
        // Another worker runs the task by now: coming back would fence that one.
        Error::Transaction { error, .. } if error.transaction_fault() == Some(TransactionFault::Fenced) => {
            None
        }
        error if error.blame() == Blame::User && error.class() != Class::Data => None,
        error => of_class(error.class()),
    }
}

const fn of_class(class: Class) -> Option<RestartCause> {
    match class {
        Class::Config | Class::NotFound => None,
        Class::Data => Some(RestartCause::Data),
        Class::Exists | Class::Rebalancing | Class::Retriable | Class::Fatal | Class::Bug => {
            Some(RestartCause::Transient)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use cofferdam_plugins::GuestError;

    use super::*;
    use crate::error::Thrown;

    const ALL: [RestartCause; 3] = [RestartCause::Data, RestartCause::Transient, RestartCause::Resource];

    fn settings(causes: &[RestartCause], attempts_max: Option<u32>) -> RestartSettings {
        let (backoff, backoff_max) = (Duration::from_secs(1), Duration::from_secs(10));
        RestartSettings { causes: causes.to_vec(), backoff, backoff_max, attempts_max }
    }

    fn fatal() -> Error {
        Error::Put(CallError::Guest(GuestError::Fatal("the database is gone".to_owned())))
    }

    #[test]
    fn pauses_double_up_to_the_cap_and_are_shortened_by_half_at_most() {
        let mut restarts = Restarts::new(settings(&ALL, None));
        for (attempt, full) in (1..).zip([1_000, 2_000, 4_000, 8_000, 10_000, 10_000]) {
            let next = restarts.next(&fatal(), Duration::ZERO).unwrap();
            assert_eq!(next.attempt, attempt);
            let delay = next.delay.as_millis();
            assert!((full / 2..=full).contains(&delay), "{attempt}: {delay}");
        }
    }

    #[test]
    fn a_task_that_ran_well_for_long_starts_from_the_first_pause_again() {
        let mut restarts = Restarts::new(settings(&ALL, Some(2)));
        let mut next = |ran| restarts.next(&fatal(), Duration::from_secs(ran)).map(|next| next.attempt);
        assert_eq!([next(0), next(9), next(9)], [Some(1), Some(2), None]);
        assert_eq!([next(10), next(0), next(0)], [Some(1), Some(2), None]);
    }

    #[test]
    fn causes_decide_and_a_configuration_is_never_one() {
        let deadline = CallError::Deadline { call: "put", after: Duration::ZERO };
        let config = CallError::Guest(GuestError::Config(Vec::new()));
        let thrown = Error::Tolerance(Thrown::by_record("no"));
        let cases = [
            (fatal(), Some(RestartCause::Transient)),
            (Error::Put(deadline), Some(RestartCause::Resource)),
            (thrown, Some(RestartCause::Data)),
            (Error::Put(config), None),
            (Error::Settings(Vec::new()), None),
        ];
        for (error, expected) in cases {
            assert_eq!(cause(&error), expected, "{error:?}");
            let mut all = Restarts::new(settings(&ALL, None));
            assert_eq!(all.next(&error, Duration::ZERO).is_some(), expected.is_some(), "{error:?}");
            assert_eq!(Restarts::new(settings(&[], None)).next(&error, Duration::ZERO), None, "{error:?}");
        }
    }

    #[test]
    fn it_says_when_it_is_due_and_why() {
        let next = Restarts::new(settings(&ALL, Some(3))).next(&fatal(), Duration::ZERO).unwrap();
        let text = next.to_string();
        assert!(text.starts_with("Restart 1 of 3 is due at 20"), "{text}");
        assert!(text.ends_with(" ms (restart.policy=on-failure, cause: transient)"), "{text}");
    }
}
