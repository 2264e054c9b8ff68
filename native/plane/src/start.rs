//! Where a cursor begins (M24, M25), and what of the past it goes without (P10, P11, R9).

use crate::epoch::{Epoch, Position};
use crate::filter::Sifted;
use crate::gap::{Gap, GapReason};
use crate::log::Log;
use crate::newest::Newest;

/// `from` of a subscription.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// The head.
    New,
    /// The newest entry of each key, then the changes (S5).
    Snapshot,
    /// The newest entries, at most so many.
    Last(u64),
    /// The first entry with at least this `ts`.
    Since(f64),
    /// A position the client held.
    At {
        /// Perhaps of a former history.
        epoch: String,
        /// The place after this entry.
        offset: u64,
    },
}

/// A start resolved against a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Opening {
    /// The position to tell (M42), perhaps of a former history.
    pub position: Position,
    /// Offset after which entries are delivered.
    pub after: u64,
    /// Entries up to the head, an upper bound of what is replayed (M42).
    pub behind: u64,
    /// To be sent before the first entry.
    pub gap: Option<Gap>,
    /// Whether the replay cap applies (R9).
    pub capped: bool,
    /// The newest entry of each key comes first (S5).
    pub snapshot: bool,
}

/// Resolve a start that was asked for when `head` was the head; under `latest` a log that keeps keys has no gaps but those
/// between histories (P12). Through a filter, `sifted`, entries count as far as they pass.
pub fn open(log: &Log, start: &Start, head: u64, latest: bool, sifted: &mut Sifted<'_>) -> Opening {
    // No further back than the log, no further on than where it was asked for.
    let kept = log.first().saturating_sub(1).min(head);
    let newest = log.newest().filter(|_| latest);
    match start {
        Start::New => plain(log, head, head),
        Start::Snapshot => snapshot(log, 0, head),
        Start::Last(count) => plain(log, sifted.before_newest(*count, kept, head), head),
        Start::Since(ts) => match newest.filter(|_| log.lost_since(*ts)) {
            Some(newest) => since_kept(log, newest, *ts, head),
            None => since(log, *ts, head),
        },
        Start::At { epoch, offset } if epoch == log.epoch().as_str() => match newest {
            Some(_) if *offset <= log.head() => plain(log, *offset, head),
            _ => at(log, *offset, head, sifted),
        },
        Start::At { epoch, offset } => {
            let position = Epoch::named(epoch).position(*offset);
            match newest {
                Some(_) => renewed(log, position, head),
                None => elsewhere(log, position, head),
            }
        }
    }
}

fn plain(log: &Log, after: u64, head: u64) -> Opening {
    Opening {
        position: log.epoch().position(after),
        after,
        behind: head.saturating_sub(after),
        gap: None,
        capped: false,
        snapshot: false,
    }
}

fn snapshot(log: &Log, after: u64, head: u64) -> Opening {
    Opening {
        snapshot: true,
        ..plain(log, after, head)
    }
}

/// A replay that R9 caps: `told` as its position, and everything after `after`.
fn capped(log: &Log, told: u64, after: u64, gap: Option<Gap>, head: u64) -> Opening {
    Opening {
        after,
        capped: true,
        gap,
        ..plain(log, told, head)
    }
}

/// M25: where entries of that time are gone, their number is gone with them, so the gap begins before the first entry.
fn since(log: &Log, ts: f64, head: u64) -> Opening {
    let after = log.before_ts(ts);
    if !log.lost_since(ts) {
        return capped(log, after, after, None, head);
    }
    let gap = Gap {
        missed: None,
        ..Gap::within(log.epoch(), 0, after, GapReason::Retention)
    };
    capped(log, 0, after, Some(gap), head)
}

/// The same from what is kept per key: what the ring has lost of that time and is not kept there has a newer entry of its
/// key, or was forgotten, and then a snapshot of what is kept is all that can be had.
fn since_kept(log: &Log, newest: &Newest, ts: f64, head: u64) -> Opening {
    let kept = newest
        .between(0, log.head(), false)
        .find(|entry| entry.ts() >= ts);
    let kept = kept.map_or(log.head(), |entry| entry.offset() - 1);
    let after = kept.min(log.before_ts(ts));
    if newest.forgotten() > after {
        snapshot(log, after, head)
    } else {
        plain(log, after, head)
    }
}

fn at(log: &Log, offset: u64, head: u64, sifted: &mut Sifted<'_>) -> Opening {
    if offset > log.head() {
        return beyond(log, offset);
    }
    let after = offset.max(log.first() - 1);
    let missed = sifted.owed(offset, after);
    // Where nothing of it was owed, nothing is missing.
    let lost = after > offset && missed != Some(0);
    let gap = lost.then(|| Gap {
        missed,
        ..Gap::within(log.epoch(), offset, after, GapReason::Retention)
    });
    capped(log, offset, after, gap, head)
}

/// P11: without a store behind it there is nothing that the log could catch up with.
fn beyond(log: &Log, offset: u64) -> Opening {
    let head = log.head();
    let gap = Gap::between(log.epoch().position(offset), head);
    capped(log, offset, head, Some(gap), head)
}

/// P10: everything still kept, behind a gap that says that the past is another.
fn elsewhere(log: &Log, position: Position, head: u64) -> Opening {
    let after = log.first() - 1;
    let gap = Gap::between(position.clone(), after);
    Opening {
        position,
        ..capped(log, after, after, Some(gap), head)
    }
}

/// P12: the same where the newest entry of each key is kept: all of them.
fn renewed(log: &Log, position: Position, head: u64) -> Opening {
    Opening {
        gap: Some(Gap::between(position.clone(), 0)),
        position,
        ..snapshot(log, 0, head)
    }
}

/// One opening that the cap of R9 weighs: the channel's name, and the `ts` of its newest owed entries, newest first.
#[derive(Debug)]
pub struct Owed<'a> {
    /// Breaks ties of `ts`.
    pub channel: &'a str,
    /// `ts` and offset of the entries, newest first; no more than the cap are needed.
    pub newest_first: Vec<(f64, u64)>,
}

/// How many of each opening's newest entries are among the newest `cap` of all (R9): by `ts`, ties by channel name.
pub fn share(owed: &[Owed<'_>], cap: usize) -> Vec<usize> {
    let mut kept = vec![0_usize; owed.len()];
    for _ in 0..cap {
        let next = owed
            .iter()
            .zip(&kept)
            .enumerate()
            .filter_map(|(at, (one, taken))| {
                let (ts, _) = one.newest_first.get(*taken)?;
                Some((ts, one.channel, at))
            })
            .max_by(|a, b| a.0.total_cmp(b.0).then_with(|| b.1.cmp(a.1)));
        match next.and_then(|(.., at)| kept.get_mut(at)) {
            Some(taken) => *taken += 1,
            None => break,
        }
    }
    kept
}

impl Opening {
    /// Replay only what comes after `after`; the older ones, of which so many are owed, are covered by the gap (R9).
    pub fn cut(&mut self, epoch: &Epoch, after: u64, owed: Option<u64>) {
        if after <= self.after || owed == Some(0) {
            return;
        }
        match &mut self.gap {
            Some(gap) => gap.extend(after, owed, GapReason::Limit),
            None => {
                self.gap = Some(Gap {
                    missed: owed,
                    ..Gap::within(epoch, self.after, after, GapReason::Limit)
                });
            }
        }
        self.after = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owed<'a>(channel: &'a str, newest_first: &[f64]) -> Owed<'a> {
        Owed {
            channel,
            newest_first: newest_first.iter().map(|ts| (*ts, 0)).collect(),
        }
    }

    /// R9: the newest entries of all channels together, by `ts`, ties by channel name.
    #[test]
    fn a_capped_replay_holds_the_newest_of_all_channels() {
        let two = [owed("a", &[9.0, 5.0, 1.0]), owed("b", &[8.0, 7.0, 6.0])];
        assert_eq!(vec![1, 3], share(&two, 4));
        assert_eq!(vec![3, 3], share(&two, 100));
        assert_eq!(vec![0, 0], share(&two, 0));
        assert_eq!(
            vec![1, 0],
            share(&[owed("a", &[1.0]), owed("b", &[1.0])], 1)
        );
    }
}
