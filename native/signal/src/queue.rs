//! Finished signals on their way to the consumer: a bounded queue of segments, used under the mutex that the emit holds anyway.

use std::collections::VecDeque;

use space::Hit;

use crate::record::Record;

/// Most records in a segment.
const SEGMENT: usize = 1_024;
/// Most segments a full queue has.
const SEGMENTS: usize = 64;
/// Most bytes of keys, tags, payloads and trace context that may wait.
pub const MAX_WAITING_BYTES: usize = 64 << 20;

/// A run of records with the neighbours they refer to.
#[derive(Debug, Default)]
pub struct Segment {
    /// In the order of processing.
    pub records: Vec<Record>,
    /// Neighbours of all of them.
    pub near: Vec<Hit>,
    bytes: usize,
}

/// What was lost under `drop_oldest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// Records.
    pub count: u64,
    /// Token of the first.
    pub first_token_id: u64,
    /// Token of the last.
    pub last_token_id: u64,
}

/// What the consumer took.
#[derive(Debug, Default)]
pub struct Taken {
    /// What was lost just before the first record.
    pub dropped: Option<Dropped>,
    /// The records.
    pub segments: Vec<Segment>,
}

/// The queue; it holds nothing until a consumer is there.
pub struct Queue {
    segments: VecDeque<Segment>,
    segment_len: usize,
    size: usize,
    len: usize,
    bytes: usize,
    reserved: usize,
    reserved_bytes: usize,
    dropped: Option<Dropped>,
    has_consumer: bool,
}

impl Queue {
    /// A queue of at most `size` records.
    pub fn new(size: usize) -> Self {
        Self {
            segments: VecDeque::new(),
            segment_len: (size / SEGMENTS).clamp(1, SEGMENT),
            size,
            len: 0,
            bytes: 0,
            reserved: 0,
            reserved_bytes: 0,
            dropped: None,
            has_consumer: false,
        }
    }

    /// Records that wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0 && self.dropped.is_none()
    }

    /// Whether somebody takes what is pushed.
    pub fn has_consumer(&self) -> bool {
        self.has_consumer
    }

    /// From now on somebody does.
    pub fn attach(&mut self) {
        self.has_consumer = true;
    }

    /// Whether so much more fits.
    pub fn has_room(&self, records: usize, bytes: usize) -> bool {
        self.len + self.reserved + records <= self.size
            && self.bytes + self.reserved_bytes + bytes <= MAX_WAITING_BYTES
    }

    /// Keep room for a batch that is processed in pieces. -> whether there was room
    pub fn reserve(&mut self, records: usize, bytes: usize) -> bool {
        let fits = self.has_room(records, bytes);
        if fits {
            self.reserved += records;
            self.reserved_bytes += bytes;
        }
        fits
    }

    /// Give room back that was kept.
    pub fn release(&mut self, records: usize, bytes: usize) {
        self.reserved -= records;
        self.reserved_bytes -= bytes;
    }

    /// Let old segments go until `record` fits. -> records lost
    pub fn make_room(&mut self, record: &Record) -> u64 {
        let before = self.len;
        while !self.has_room(1, record.bytes()) && self.drop_segment() {}
        (before - self.len) as u64
    }

    /// Add a record with its (at most 64) neighbours. -> whether nothing waited before
    #[allow(clippy::cast_possible_truncation)] // at most 1,024 records of at most 64 neighbours
    pub fn push(&mut self, mut record: Record, near: &[Hit]) -> bool {
        let was_empty = self.is_empty();
        if self
            .segments
            .back()
            .is_none_or(|last| last.records.len() >= self.segment_len)
        {
            // One that follows a full one is likely to become full as well.
            let room = if self.segments.is_empty() {
                0
            } else {
                self.segment_len
            };
            self.segments.push_back(Segment {
                records: Vec::with_capacity(room),
                ..Segment::default()
            });
        }
        if let Some(segment) = self.segments.back_mut() {
            if let Record::Signal(signal) = &mut record {
                signal.near_start = segment.near.len() as u32;
                signal.near_len = near.len() as u8;
                segment.near.extend_from_slice(near);
            }
            let bytes = record.bytes();
            segment.bytes += bytes;
            segment.records.push(record);
            self.bytes += bytes;
            self.len += 1;
        }
        was_empty
    }

    fn drop_segment(&mut self) -> bool {
        let Some(segment) = self.segments.pop_front() else {
            return false;
        };
        self.len -= segment.records.len();
        self.bytes -= segment.bytes;
        let mut ids = segment.records.iter().map(Record::token_id);
        let lost = self.dropped.get_or_insert(Dropped {
            count: 0,
            first_token_id: ids.clone().next().unwrap_or(0),
            last_token_id: 0,
        });
        lost.count += segment.records.len() as u64;
        lost.last_token_id = ids.next_back().unwrap_or(lost.last_token_id);
        true
    }

    /// At most `max` records, the oldest; `None` if nothing waits.
    pub fn take(&mut self, max: usize) -> Option<Taken> {
        if self.is_empty() {
            return None;
        }
        let mut taken = Taken {
            dropped: self.dropped.take(),
            segments: Vec::new(),
        };
        let mut left = max;
        while let Some(first) = self.segments.front_mut() {
            let segment = if first.records.len() <= left {
                self.segments.pop_front().unwrap_or_default()
            } else if left > 0 {
                first.split_front(left)
            } else {
                break;
            };
            left -= segment.records.len();
            self.len -= segment.records.len();
            self.bytes -= segment.bytes;
            taken.segments.push(segment);
        }
        Some(taken)
    }
}

impl Segment {
    /// Its first `n` records as a segment of their own.
    #[allow(clippy::cast_possible_truncation)] // as in `push`
    fn split_front(&mut self, n: usize) -> Self {
        let mut front = Self::default();
        for mut record in self.records.drain(..n) {
            if let Record::Signal(signal) = &mut record {
                let start = signal.near_start as usize;
                let near = &self.near[start..start + usize::from(signal.near_len)];
                signal.near_start = front.near.len() as u32;
                front.near.extend_from_slice(near);
            }
            front.bytes += record.bytes();
            front.records.push(record);
        }
        self.bytes -= front.bytes;
        front
    }
}

#[cfg(all(test, loom))]
mod model {
    //! The queue and the wake-up under every interleaving (`RUSTFLAGS="--cfg loom" cargo test --release -p ng-signal --lib model`):
    //! a producer pushes under the mutex and sets the descriptor after it, if it was the first; the consumer clears the
    //! descriptor before it takes, and sets it again if something is left, as `SignalSystem` and its binding do.

    use loom::sync::{Arc, Mutex};
    use loom::thread;

    use super::*;
    use crate::record::Sum;

    struct Shared {
        core: Mutex<(Queue, bool)>,
        /// Readable; the kernel orders what is done with it.
        descriptor: Mutex<bool>,
    }

    fn record(number: u64) -> Record {
        let sum = Sum {
            reason: "model",
            count: 1,
            up_to: number,
        };
        Record::Tokens(crate::record::Change::Created, sum)
    }

    impl Shared {
        fn new(size: usize) -> Arc<Self> {
            let mut queue = Queue::new(size);
            queue.attach();
            Arc::new(Self {
                core: Mutex::new((queue, false)),
                descriptor: Mutex::new(false),
            })
        }

        fn unlock(&self, mut core: loom::sync::MutexGuard<'_, (Queue, bool)>) {
            let wake = std::mem::take(&mut core.1);
            drop(core);
            if wake {
                *self.descriptor.lock().unwrap() = true;
            }
        }

        fn emit(&self, number: u64) {
            let mut core = self.core.lock().unwrap();
            core.0.make_room(&record(number));
            core.1 |= core.0.push(record(number), &[]);
            self.unlock(core);
        }

        /// What a consumer finds whose descriptor became readable.
        fn take(&self, max: usize, seen: &mut Vec<u64>) -> u64 {
            if !std::mem::take(&mut *self.descriptor.lock().unwrap()) {
                return 0;
            }
            let mut core = self.core.lock().unwrap();
            let taken = core.0.take(max);
            core.1 = !core.0.is_empty();
            self.unlock(core);
            let Some(taken) = taken else {
                return 0;
            };
            let records = taken.segments.iter().flat_map(|segment| &segment.records);
            seen.extend(records.map(Record::token_id));
            taken.dropped.map_or(0, |dropped| dropped.count)
        }
    }

    /// Two producers of two events each, and a consumer; whatever it has not taken, the descriptor still tells of.
    fn check(size: usize, max: usize) {
        let shared = Shared::new(size);
        let producers: Vec<_> = [0, 10]
            .map(|base| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    for number in 1..=2 {
                        shared.emit(base + number);
                    }
                })
            })
            .into();
        let (mut seen, mut dropped) = (Vec::new(), 0);
        dropped += shared.take(max, &mut seen);
        for producer in producers {
            producer.join().unwrap();
        }
        while *shared.descriptor.lock().unwrap() {
            dropped += shared.take(max, &mut seen);
        }
        assert!(
            shared.core.lock().unwrap().0.is_empty(),
            "a wake-up was lost"
        );
        assert_eq!(4, seen.len() as u64 + dropped);
        for base in [0, 10] {
            let own: Vec<u64> = seen
                .iter()
                .copied()
                .filter(|one| one / 10 == base / 10)
                .collect();
            assert!(own.is_sorted(), "{seen:?}");
        }
    }

    /// signals.md section 11, 11: every event is taken once, or counted as dropped; no wake-up is lost; order per producer.
    #[test]
    fn no_wake_up_is_lost_and_every_event_is_taken_once() {
        loom::model(|| check(4, 4));
        loom::model(|| check(4, 1));
    }

    /// The same where old segments go.
    #[test]
    fn what_is_dropped_is_counted() {
        loom::model(|| check(1, 1));
    }
}
