//! Emits: one by one, and in batches that let others have their turn.

use std::sync::atomic::Ordering;
use std::thread::{current, yield_now};
use std::time::Duration;

use space::Hit;

use crate::SignalError;
use crate::config::Overflow;
use crate::core::{Core, Outcome, Signal};
use crate::rules::check_batch_size;
use crate::system::{LongCall, SignalSystem};

/// Signals of a batch between which others get their turn.
const PIECE: usize = 256;
/// How often a caller that waits for room is asked whether it still wants to.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often a batch offers its turn to those who wait, at most.
const OFFERS: usize = 1_000;

/// Room kept in the queue for a batch that is processed in pieces; what is left of it is given back.
struct Reservation<'a> {
    system: &'a SignalSystem,
    records: usize,
    bytes: usize,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if self.records > 0 || self.bytes > 0 {
            // A poisoned queue is never used again.
            if let Ok(mut core) = self.system.core.lock() {
                core.queue.release(self.records, self.bytes);
            }
        }
    }
}

impl Reservation<'_> {
    /// Give back what `signal` is about to use, under the lock that it is used under.
    fn spend(&mut self, core: &mut Core, signal: &Signal) {
        let (records, bytes) = needs(core, signal);
        let (records, bytes) = (records.min(self.records), bytes.min(self.bytes));
        core.queue.release(records, bytes);
        self.records -= records;
        self.bytes -= bytes;
    }
}

fn needs(core: &Core, signal: &Signal) -> (usize, usize) {
    (core.records_of(signal), core.bytes_of(signal))
}

impl SignalSystem {
    /// Process one signal of this event type (`signal.event_type` is filled in). `sink` sees what came of it.
    pub fn emit(
        &self,
        now_us: u64,
        event_type: &str,
        mut signal: Signal,
        sink: &mut dyn FnMut(Outcome, &[Hit]),
    ) -> Result<(), SignalError> {
        self.with(|core| {
            let (records, bytes) = needs(core, &signal);
            core.check_room(records, bytes)?;
            signal.event_type = core.interner.intern(event_type)?;
            core.admit(now_us, &signal, sink);
            Ok(())
        })
    }

    /// Process signals as if each were emitted after the other. Refused as a whole or not at all; where callers wait for
    /// room, `go_on` is asked now and then, and its "no" ends the batch after the signals that `sink` has seen.
    pub fn emit_batch(
        &self,
        now_us: u64,
        signals: &[Signal],
        sink: &mut dyn FnMut(Outcome, &[Hit]),
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<(), SignalError> {
        check_batch_size(signals.len())?;
        let _long = LongCall::start(&self.long_calls);
        let mut kept = self.reserve(signals)?;
        for piece in signals.chunks(PIECE) {
            let mut left = piece;
            while !left.is_empty() {
                let done = self.admit_some(now_us, left, &mut kept, sink)?;
                left = left.get(done..).unwrap_or_default();
                if done == 0 {
                    self.wait_for_room(left.get(..1).unwrap_or_default(), go_on)?;
                }
            }
            self.give_way();
        }
        Ok(())
    }

    fn reserve(&self, signals: &[Signal]) -> Result<Reservation<'_>, SignalError> {
        let mut kept = Reservation {
            system: self,
            records: 0,
            bytes: 0,
        };
        self.with(|core| {
            if self.refuses(core) && core.queue.has_consumer() {
                let needed = signals.iter().map(|signal| needs(core, signal));
                let (records, bytes) =
                    needed.fold((0, 0), |sum, next| (sum.0 + next.0, sum.1 + next.1));
                core.check_room(records, bytes)?;
                if core.queue.reserve(records, bytes) {
                    (kept.records, kept.bytes) = (records, bytes);
                }
            }
            Ok(())
        })?;
        Ok(kept)
    }

    /// Whether a full queue is an answer: the consumer's own thread cannot wait for itself.
    fn refuses(&self, core: &Core) -> bool {
        match self.overflow {
            Overflow::Refuse => true,
            Overflow::Block => core.consumer == Some(current().id()),
            Overflow::DropOldest => false,
        }
    }

    /// Process the first of `signals` until one finds no room. -> how many
    fn admit_some(
        &self,
        now_us: u64,
        signals: &[Signal],
        kept: &mut Reservation<'_>,
        sink: &mut dyn FnMut(Outcome, &[Hit]),
    ) -> Result<usize, SignalError> {
        self.with(|core| {
            if !self.blocks() && self.crew.is_worth(signals.len()) {
                for signal in signals {
                    kept.spend(core, signal);
                }
                core.admit_together(now_us, signals, &self.crew, sink);
                return Ok(signals.len());
            }
            for (done, signal) in signals.iter().enumerate() {
                kept.spend(core, signal);
                let (records, bytes) = needs(core, signal);
                if self.blocks() && core.check_room(records, bytes).is_err() {
                    return Ok(done);
                }
                core.admit(now_us, signal, sink);
            }
            Ok(signals.len())
        })
    }

    /// Wait until the queue could take `signals`, while `go_on` says so. The consumer's own thread is refused instead.
    pub fn wait_for_room(
        &self,
        signals: &[Signal],
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<(), SignalError> {
        loop {
            let mut core = self.lock()?;
            if core.is_closed {
                return Err(SignalError::Closed);
            }
            let needed = signals.iter().map(|signal| needs(&core, signal));
            let (records, bytes) =
                needed.fold((1, 0), |sum, next| (sum.0.max(next.0), sum.1 + next.1));
            let refusal = match core.check_room(records, bytes) {
                Ok(()) => return Ok(()),
                Err(refusal) => refusal,
            };
            if self.refuses(&core) {
                return Err(refusal);
            }
            let waited = self.room.wait_timeout(core, PATIENCE);
            drop(waited.map_err(|_| SignalError::Failed)?);
            if !go_on() {
                return Err(SignalError::Interrupted);
            }
        }
    }

    /// Let those who wait for the mutex have it: a mutex is not fair by itself.
    fn give_way(&self) {
        let mut offers = 0;
        while self.waiting.load(Ordering::Relaxed) > 0 && offers < OFFERS {
            yield_now();
            offers += 1;
        }
    }
}
