//! What Python has to know, on its way there: lists that are handed over whole, and one descriptor that says so.

use std::collections::VecDeque;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

use crate::batch::Batch;

/// Batches kept to be used again.
const SPARES: usize = 8;

/// The queue of batches between the I/O threads and Python.
#[derive(Debug)]
pub struct Inbox {
    queue: Mutex<Queue>,
    messages: AtomicUsize,
    bytes: AtomicUsize,
    max_messages: usize,
    max_bytes: usize,
    wakeup: OwnedFd,
}

#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<Batch>,
    spares: Vec<Batch>,
}

impl Inbox {
    /// An empty inbox that asks for patience beyond so many messages or bytes.
    pub fn new(max_messages: usize, max_bytes: usize) -> std::io::Result<Self> {
        Ok(Self {
            queue: Mutex::default(),
            messages: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            max_messages,
            max_bytes,
            wakeup: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
        })
    }

    /// Readable while there is something to drain.
    pub fn wakeup_fd(&self) -> BorrowedFd<'_> {
        self.wakeup.as_fd()
    }

    /// Whether more may be read from sockets, while `held` was not yet handed over.
    pub fn has_room(&self, held: &Batch) -> bool {
        self.messages.load(SeqCst) + held.weight() < self.max_messages
            && self.bytes.load(SeqCst) + held.bytes() < self.max_bytes
    }

    /// Events waiting.
    pub fn len(&self) -> usize {
        self.messages.load(SeqCst)
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hand over what has happened, and go on with an empty batch.
    pub fn hand_over(&self, batch: &mut Batch) {
        if batch.is_empty() {
            return;
        }
        self.messages.fetch_add(batch.weight(), SeqCst);
        self.bytes.fetch_add(batch.bytes(), SeqCst);
        let mut queue = self.queue();
        let was_empty = queue.batches.is_empty();
        let spare = queue.spares.pop().unwrap_or_default();
        queue.batches.push_back(std::mem::replace(batch, spare));
        drop(queue);
        if was_empty {
            self.signal();
        }
    }

    /// The descriptor becomes readable; it cannot overflow, as it is written once per empty -> non-empty.
    fn signal(&self) {
        let _ = rustix::io::write(&self.wakeup, &1_u64.to_ne_bytes());
    }

    /// Take about `max` events: batches with the numbers of the events that count as taken. Give the batches back by
    /// [`Self::give_back`].
    pub fn take(&self, max: usize) -> Vec<(Batch, Range<usize>)> {
        // Read before the list is taken: what comes after that writes again.
        let _ = rustix::io::read(&self.wakeup, &mut [0_u8; 8]);
        let mut taken = Vec::new();
        let mut left = max;
        let mut queue = self.queue();
        while left > 0 {
            let Some(mut batch) = queue.batches.pop_front() else {
                break;
            };
            let range = batch.take(left);
            left -= range.len();
            taken.push((batch, range));
        }
        drop(queue);
        taken
    }

    /// After the events were read: what is left of the last batch goes to the front again.
    pub fn give_back(&self, taken: Vec<(Batch, Range<usize>)>) {
        let mut count = 0;
        let mut bytes = 0;
        let mut queue = self.queue();
        for (batch, range) in taken.into_iter().rev() {
            count += batch.weight_of(range);
            if !batch.is_empty() {
                queue.batches.push_front(batch);
                continue;
            }
            bytes += batch.bytes();
            if queue.spares.len() < SPARES {
                queue.spares.extend(batch.reuse());
            }
        }
        let left = !queue.batches.is_empty();
        drop(queue);
        self.messages.fetch_sub(count, SeqCst);
        self.bytes.fetch_sub(bytes, SeqCst);
        if left {
            self.signal();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::batch::Event;

    fn inbox() -> Inbox {
        Inbox::new(4, 100).unwrap()
    }

    fn readable(inbox: &Inbox) -> bool {
        let polled = rustix::io::read(inbox.wakeup_fd(), &mut [0_u8; 8]).is_ok();
        if polled {
            inbox.signal();
        }
        polled
    }

    fn drain(inbox: &Inbox, max: usize) -> Vec<(u64, Vec<u8>)> {
        let taken = inbox.take(max);
        let mut seen = Vec::new();
        for (batch, range) in &taken {
            for (conn, event) in batch.events(range.clone()) {
                if let Event::Binary(range) = event {
                    seen.push((*conn, batch.payload(range.clone()).to_vec()));
                }
            }
        }
        inbox.give_back(taken);
        seen
    }

    /// Events come in order and once, however few are taken at a time; the descriptor is readable while any are left.
    #[test]
    fn events_come_in_order_and_the_descriptor_tells() {
        let inbox = inbox();
        let mut batch = Batch::default();
        assert!(!readable(&inbox));
        for (conn, text) in [(1, "a"), (2, "bb"), (1, "c")] {
            batch.push_binary(conn, text.as_bytes());
        }
        inbox.hand_over(&mut batch);
        batch.push_binary(3, b"d");
        inbox.hand_over(&mut batch);
        assert!(readable(&inbox));
        assert_eq!(
            vec![(1, b"a".to_vec()), (2, b"bb".to_vec())],
            drain(&inbox, 2)
        );
        assert!(readable(&inbox) && inbox.len() == 2);
        assert_eq!(
            vec![(1, b"c".to_vec()), (3, b"d".to_vec())],
            drain(&inbox, 10)
        );
        assert!(!readable(&inbox) && inbox.is_empty());
    }

    /// A run of publishes is one event, and yet as many messages as it holds.
    #[test]
    fn room_is_counted_publish_by_publish() {
        let inbox = Inbox::new(4, 10_000).unwrap();
        let mut batch = Batch::default();
        for room in [true, true, true, false] {
            let text = br#"{"type":"publish","channel":"c","event":"e"}"#;
            batch.push_text(1, text).unwrap();
            assert_eq!(room, inbox.has_room(&batch));
        }
        inbox.hand_over(&mut batch);
        assert_eq!(4, inbox.len());
        let taken = inbox.take(1);
        assert_eq!(1, taken.len());
        inbox.give_back(taken);
        assert!(inbox.is_empty() && inbox.has_room(&batch));
    }

    /// There is room until either bound is reached, what was not handed over yet included.
    #[test]
    fn room_is_counted_in_messages_and_bytes() {
        let inbox = inbox();
        let mut batch = Batch::default();
        batch.push_binary(1, &[0; 99]);
        assert!(inbox.has_room(&batch));
        batch.push_binary(1, &[0]);
        assert!(!inbox.has_room(&batch));
        inbox.hand_over(&mut batch);
        assert!(!inbox.has_room(&batch));
        drain(&inbox, 1);
        assert!(!inbox.has_room(&batch), "bytes go with their batch");
        drain(&inbox, 1);
        for _ in 0..4 {
            assert!(inbox.has_room(&batch));
            batch.push(1, Event::Output);
        }
        assert!(!inbox.has_room(&batch));
    }
}
