//! Where a source ends its transactions: what it asked for during a poll, checked against what that
//! poll answered.

use std::collections::BTreeMap;

use cofferdam_frame::Frame;

use crate::{CallError, GuestError};

/// Most places in one batch; more than any batch has records.
const PLACES_MAX: usize = 1 << 20;

/// What becomes of a transaction at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionEnd {
    /// What it has is seen by everybody.
    Commit,
    /// What it has is never seen by readers of committed records.
    Abort,
}

/// Where in a batch transactions end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionEnds {
    behind: BTreeMap<u32, TransactionEnd>,
    batch: Option<TransactionEnd>,
    fault: Option<Fault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Both ends for the whole batch.
    BothOfBatch,
    /// Both ends behind one record.
    BothOfRecord(u32),
    TooMany,
}

impl TransactionEnds {
    /// Ends the transaction behind this record, or behind the batch.
    pub(crate) fn ask(&mut self, end: TransactionEnd, behind: Option<u32>) {
        let (before, fault) = match behind {
            None => (self.batch.replace(end), Fault::BothOfBatch),
            Some(index) if self.behind.len() < PLACES_MAX || self.behind.contains_key(&index) => {
                (self.behind.insert(index, end), Fault::BothOfRecord(index))
            }
            Some(_) => {
                self.fault = Some(Fault::TooMany);
                return;
            }
        };
        // Told at the end of the poll, where the guest cannot overlook it.
        if before.is_some_and(|before| before != end) {
            self.fault.get_or_insert(fault);
        }
    }

    /// Whether this can be done with the records of `frame`.
    pub(crate) fn check(&self, frame: &[u8]) -> Result<(), CallError> {
        if *self == Self::default() {
            return Ok(());
        }
        let frame = Frame::trust(frame)?;
        let last = self.behind.keys().next_back().copied();
        if let Some(last) = last.filter(|last| *last as usize >= frame.len()) {
            return Err(CallError::BadFrame(format!(
                "it ends a transaction behind record {last}, of a batch of {} records",
                frame.len()
            )));
        }
        let message = match self.fault {
            None => return Ok(()),
            Some(Fault::BothOfBatch) => {
                "Connector requested both commit and abort of same transaction".to_owned()
            }
            Some(Fault::BothOfRecord(index)) => {
                let record = frame.get(index as usize);
                let topic = record.as_ref().map(|record| record.topic()).unwrap_or_default();
                let partition = record.as_ref().and_then(|record| record.entry.partition);
                let partition = partition.map_or_else(|| "null".to_owned(), |number| number.to_string());
                format!(
                    "Connector requested both commit and abort of same record against topic/partition \
                     {topic}/{partition}"
                )
            }
            Some(Fault::TooMany) => format!("it ends more than {PLACES_MAX} transactions in one batch"),
        };
        Err(GuestError::Fatal(message).into())
    }

    /// Places of records, counted from 0 and ascending, and how the transaction ends behind each.
    pub fn behind_records(&self) -> impl Iterator<Item = (usize, TransactionEnd)> {
        self.behind.iter().map(|(index, end)| (*index as usize, *end))
    }

    /// How the transaction ends behind the whole batch; none: it goes on.
    #[must_use]
    pub const fn behind_batch(&self) -> Option<TransactionEnd> {
        self.batch
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use cofferdam_frame::{Builder, Entry};

    use super::TransactionEnd::{Abort, Commit};
    use super::*;

    fn frame(n: usize) -> Vec<u8> {
        let mut out = Builder::default();
        let topic = out.topic("t").unwrap();
        for _ in 0..n {
            out.push(&Entry::new(topic));
        }
        out.finish()
    }

    fn asked(list: &[(TransactionEnd, Option<u32>)]) -> TransactionEnds {
        let mut ends = TransactionEnds::default();
        for (end, behind) in list {
            ends.ask(*end, *behind);
        }
        ends
    }

    #[test]
    fn places_come_in_the_order_of_records() {
        let ends = asked(&[(Commit, Some(2)), (Abort, Some(0)), (Commit, Some(2)), (Abort, None)]);
        ends.check(&frame(3)).unwrap();
        assert_eq!(ends.behind_records().collect::<Vec<_>>(), [(0, Abort), (2, Commit)]);
        assert_eq!(ends.behind_batch(), Some(Abort));
    }

    #[test]
    fn a_place_has_one_end_and_a_record() {
        let both = "Connector requested both commit and abort of same";
        let cases = [
            (asked(&[(Commit, None), (Abort, None)]), format!("{both} transaction")),
            (
                asked(&[(Commit, Some(1)), (Abort, Some(1))]),
                format!("{both} record against topic/partition t/null"),
            ),
            (asked(&[(Commit, Some(2))]), "behind record 2, of a batch of 2 records".to_owned()),
        ];
        for (ends, text) in cases {
            let error = ends.check(&frame(2)).unwrap_err().to_string();
            assert!(error.contains(&text), "{error}");
        }
        asked(&[(Commit, None)]).check(&[]).unwrap();
        assert!(asked(&[(Commit, Some(0))]).check(&[]).is_err());
    }

    #[test]
    fn a_guest_cannot_fill_memory_with_places() {
        let mut ends = TransactionEnds::default();
        for index in 0..=PLACES_MAX as u32 {
            ends.ask(Commit, Some(index));
        }
        assert_eq!(ends.behind.len(), PLACES_MAX);
        assert_eq!(ends.fault, Some(Fault::TooMany));
    }
}
