//! Which source offsets may be committed: submitted records, in order, by source partition.
//!
//! Invariant: an offset becomes committable only once everything submitted before it, of the same
//! source partition, is acknowledged. Records that a transform dropped, or that failed and were
//! tolerated, send nothing and so count as acknowledged at once; a partition waits for nobody else.
//!
//! Records are tracked in groups, one for each source partition of a batch: a group is acknowledged
//! as a whole, so a crash may repeat the rest of a batch and never loses a record.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use cofferdam_api::Class;
use cofferdam_kafka::Delivery;

/// What tells that the records of a group are in Kafka.
pub(crate) trait Ack {
    /// Records of which nothing is known yet.
    fn pending(&self) -> u32;
    /// What was given up.
    fn given_up(&self) -> GivenUp;
}

/// Records that were given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// None.
    #[default]
    Nothing,
    /// Only such as are at fault themselves: a topic takes others.
    BadRecords,
    /// Also such as are not: time, rights, a broker.
    Good,
}

impl Ack for Arc<Delivery> {
    fn pending(&self) -> u32 {
        Delivery::pending(self)
    }

    fn given_up(&self) -> GivenUp {
        match self.failures().as_slice() {
            [] => GivenUp::Nothing,
            all if all.iter().all(|failure| failure.class == Class::Data) => GivenUp::BadRecords,
            _ => GivenUp::Good,
        }
    }
}

/// A source partition and the offset to store for it; no offset = forget the partition.
pub(crate) type Committable = (String, Option<String>);

/// What one group says about its source partition once it is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Records of a source that keeps no offsets.
    Untracked,
    /// The offset after the group's last record.
    At(Option<String>),
}

/// Records on their way to Kafka.
#[derive(Debug)]
pub(crate) struct Submitted<A> {
    partitions: HashMap<Arc<str>, Queue<A>>,
    failures_pass: bool,
}

#[derive(Debug)]
struct Queue<A> {
    /// The partition as the guest wrote it last.
    text: String,
    groups: VecDeque<Group<A>>,
}

#[derive(Debug)]
struct Group<A> {
    ack: A,
    progress: Progress,
    n_records: usize,
    n_bytes: usize,
}

/// How much is on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct InFlight {
    /// Records without an acknowledgement, counted by group.
    pub(crate) n_records: usize,
    /// Their bytes.
    pub(crate) n_bytes: usize,
}

impl<A: Ack> Submitted<A> {
    /// `failures_pass`: a bad record that was given up counts as acknowledged (`errors.tolerance=all`);
    /// any other blocks its partition for good, since the task is about to fail.
    pub(crate) fn new(failures_pass: bool) -> Self {
        Self { partitions: HashMap::new(), failures_pass }
    }

    /// Appends a group to the queue of its partition. `key` is the partition's canonical text, `text`
    /// the guest's own.
    pub(crate) fn submit(
        &mut self,
        key: &Arc<str>,
        text: &str,
        progress: Progress,
        ack: A,
        n_records: usize,
        n_bytes: usize,
    ) {
        let group = Group { ack, progress, n_records, n_bytes };
        match self.partitions.get_mut(key) {
            Some(queue) => {
                if queue.text != text {
                    text.clone_into(&mut queue.text);
                }
                queue.groups.push_back(group);
            }
            None => {
                let queue = Queue { text: text.to_owned(), groups: VecDeque::from([group]) };
                self.partitions.insert(Arc::clone(key), queue);
            }
        }
    }

    /// Takes out the acknowledged front of every queue and answers the last offset of each; the
    /// groups taken out go to `done`, with their size.
    pub(crate) fn take_committable(&mut self, mut done: impl FnMut(A, InFlight)) -> Vec<Committable> {
        let mut committable = Vec::new();
        self.partitions.retain(|_, queue| {
            let mut last = None;
            while let Some(group) = queue.groups.pop_front_if(|group| is_acked(group, self.failures_pass)) {
                if let Progress::At(offset) = group.progress {
                    last = Some(offset);
                }
                done(group.ack, InFlight { n_records: group.n_records, n_bytes: group.n_bytes });
            }
            committable.extend(last.map(|offset| (queue.text.clone(), offset)));
            !queue.groups.is_empty()
        });
        committable
    }

    /// Groups in no order.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &A> {
        self.partitions.values().flat_map(|queue| queue.groups.iter().map(|group| &group.ack))
    }

    /// What has no acknowledgement yet.
    pub(crate) fn in_flight(&self) -> InFlight {
        let groups = self.partitions.values().flat_map(|queue| &queue.groups);
        groups.filter(|group| group.ack.pending() > 0).fold(InFlight::default(), |sum, group| InFlight {
            n_records: sum.n_records + group.n_records,
            n_bytes: sum.n_bytes + group.n_bytes,
        })
    }
}

fn is_acked<A: Ack>(group: &Group<A>, failures_pass: bool) -> bool {
    group.ack.pending() == 0
        && match group.ack.given_up() {
            GivenUp::Nothing => true,
            GivenUp::BadRecords => failures_pass,
            GivenUp::Good => false,
        }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::cell::Cell;
    use std::rc::Rc;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, Default)]
    struct Fake(Rc<Cell<(u32, GivenUp)>>);

    impl Ack for Fake {
        fn pending(&self) -> u32 {
            self.0.get().0
        }

        fn given_up(&self) -> GivenUp {
            self.0.get().1
        }
    }

    fn fake(pending: u32) -> Fake {
        Fake(Rc::new(Cell::new((pending, GivenUp::Nothing))))
    }

    fn submit(submitted: &mut Submitted<Fake>, partition: &str, offset: u64, ack: &Fake) {
        let progress = Progress::At(Some(offset.to_string()));
        submitted.submit(&partition.into(), partition, progress, ack.clone(), 1, 10);
    }

    #[test]
    fn commit_waits_for_every_record_below() {
        let mut submitted = Submitted::new(false);
        let (first, second) = (fake(1), fake(0));
        submit(&mut submitted, "p", 1, &first);
        submit(&mut submitted, "p", 2, &second);
        assert_eq!(submitted.take_committable(|_, _| ()), []);
        assert_eq!(submitted.in_flight(), InFlight { n_records: 1, n_bytes: 10 });
        first.0.set((0, GivenUp::Nothing));
        assert_eq!(submitted.take_committable(|_, _| ()), [("p".to_owned(), Some("2".to_owned()))]);
        assert_eq!(submitted.in_flight(), InFlight::default());
    }

    #[test]
    fn a_partition_waits_for_nobody_else() {
        let mut submitted = Submitted::new(false);
        submit(&mut submitted, "slow", 1, &fake(1));
        submit(&mut submitted, "quick", 7, &fake(0));
        assert_eq!(submitted.take_committable(|_, _| ()), [("quick".to_owned(), Some("7".to_owned()))]);
    }

    #[test]
    fn a_record_that_was_given_up_blocks_unless_it_is_bad_and_failures_are_tolerated() {
        let cases = [
            (false, GivenUp::BadRecords, 0),
            (true, GivenUp::BadRecords, 1),
            (false, GivenUp::Good, 0),
            (true, GivenUp::Good, 0),
        ];
        for (failures_pass, given_up, n) in cases {
            let mut submitted = Submitted::new(failures_pass);
            let ack = fake(0);
            ack.0.set((0, given_up));
            submit(&mut submitted, "p", 1, &ack);
            let n_taken = submitted.take_committable(|_, _| ()).len();
            assert_eq!(n_taken, n, "failures pass: {failures_pass}, {given_up:?}");
        }
    }

    #[test]
    fn groups_without_offsets_count_as_in_flight_only() {
        let mut submitted = Submitted::new(false);
        let ack = fake(3);
        submitted.submit(&"".into(), "", Progress::Untracked, ack.clone(), 3, 30);
        assert_eq!(submitted.in_flight(), InFlight { n_records: 3, n_bytes: 30 });
        ack.0.set((0, GivenUp::Nothing));
        let mut n_done = 0;
        assert_eq!(submitted.take_committable(|_, _| n_done += 1), []);
        assert_eq!(n_done, 1);
    }

    proptest! {
        /// Whatever the order of acknowledgements: what is committable is the last of the unbroken
        /// acknowledged front, it never goes back, and at the end nothing is left.
        #[test]
        fn the_committable_offset_is_the_end_of_the_unbroken_front(
            groups in prop::collection::vec((0_usize..3, any::<bool>()), 1..60),
            order in prop::collection::vec(any::<prop::sample::Index>(), 60),
        ) {
            let mut submitted = Submitted::new(false);
            let mut all = Vec::new();
            for (offset, (partition, dropped)) in groups.iter().enumerate() {
                let ack = fake(u32::from(!dropped));
                submit(&mut submitted, &partition.to_string(), offset as u64, &ack);
                all.push((*partition, ack));
            }
            let mut committed: HashMap<String, u64> = HashMap::new();
            let mut waiting: Vec<usize> = (0..all.len()).filter(|at| all.get(*at).unwrap().1.pending() > 0).collect();
            for index in order {
                for (partition, offset) in submitted.take_committable(|_, _| ()) {
                    let offset: u64 = offset.unwrap().parse().unwrap();
                    let before = committed.insert(partition.clone(), offset);
                    prop_assert!(before.is_none_or(|before| before < offset));
                }
                for partition in 0..3_usize {
                    let front = all.iter().enumerate().filter(|(_, (of, _))| *of == partition)
                        .take_while(|(_, (_, ack))| ack.pending() == 0).last().map(|(at, _)| at as u64);
                    prop_assert_eq!(committed.get(&partition.to_string()).copied(), front);
                }
                if waiting.is_empty() {
                    break;
                }
                let at = waiting.swap_remove(index.index(waiting.len()));
                all.get(at).unwrap().1.0.set((0, GivenUp::Nothing));
            }
            submitted.take_committable(|_, _| ());
            prop_assert!(waiting.is_empty());
            prop_assert_eq!(submitted.groups().count(), 0);
        }
    }
}
