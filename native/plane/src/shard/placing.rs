//! Where the subscriptions of one request begin, and what of the past they share (R9).

use crate::command::Spec;
use crate::cursor::Delivery;
use crate::epoch::{Epoch, Position};
use crate::filter::{Scratch, Sifted};
use crate::shard::Shard;
use crate::start::{self, Opening, Owed};

/// A subscription on its way: what to tell, and where it begins unless it stays where it is.
pub(super) struct Placed {
    pub(super) spec: Spec,
    /// The history of the channel at this moment.
    pub(super) epoch: Epoch,
    pub(super) turn: u64,
    pub(super) position: Position,
    pub(super) behind: u64,
    pub(super) opening: Option<Opening>,
}

impl Shard {
    /// Where a subscription begins, or stays (M26).
    pub(super) fn place(&mut self, slot: usize, mut spec: Spec) -> Placed {
        let connection = self.connections.get(slot);
        let held = connection.and_then(|connection| {
            let at = connection
                .cursor_on(spec.channel.id)
                .filter(|_| spec.keep)?;
            connection.cursors.get(at)
        });
        let kept = held.map(|cursor| self.position(cursor));
        let log = spec.channel.log();
        let (epoch, turn) = (log.epoch().clone(), log.turn());
        if log.began_after(spec.turn) {
            // All that there is of this history was appended after the request.
            spec.head = log.origin();
        }
        let (position, behind, opening) = if let Some(position) = kept {
            let told = if position.epoch == epoch {
                position.offset
            } else {
                0
            };
            (position, log.head().saturating_sub(told), None)
        } else {
            let latest = spec.options.delivery == Delivery::Latest;
            let scratch = &mut self.reading.scratch;
            let mut sifted = Sifted::new(&log, spec.sieve.as_deref(), scratch);
            let opening = start::open(&log, &spec.start, spec.head, latest, &mut sifted);
            (opening.position.clone(), opening.behind, Some(opening))
        };
        drop(log);
        Placed {
            spec,
            epoch,
            turn,
            position,
            behind,
            opening,
        }
    }
}

/// R9: one replay holds at most so many entries over all its channels; `latest` ones do not count.
pub(super) fn cap_replay(placed: &mut [Placed], cap: u64, scratch: &mut Scratch) {
    let counted = |one: &Placed| {
        one.spec.options.delivery == Delivery::All
            && one.opening.as_ref().is_some_and(|opening| opening.capped)
    };
    let cap_len = usize::try_from(cap).unwrap_or(usize::MAX);
    let owed: Vec<Owed<'_>> = placed
        .iter()
        .filter(|one| counted(one))
        .map(|one| owed(one, cap_len, scratch))
        .collect();
    let shares = start::share(&owed, cap_len);
    // What each goes on after: the entry before the last that it keeps.
    let afters = owed.iter().zip(shares).map(|(one, kept)| {
        let oldest = kept
            .checked_sub(1)
            .and_then(|last| one.newest_first.get(last));
        oldest.map(|(_, offset)| offset - 1)
    });
    let afters: Vec<Option<u64>> = afters.collect();
    drop(owed);
    for (one, after) in placed.iter_mut().filter(|one| counted(one)).zip(afters) {
        if let Some(opening) = &mut one.opening {
            let after = after.unwrap_or(one.spec.head);
            let log = one.spec.channel.log();
            let mut sifted = Sifted::new(&log, one.spec.sieve.as_deref(), scratch);
            let missed = sifted.owed(opening.after, after);
            drop(log);
            opening.cut(&one.epoch, after, missed);
            // Of another history it is counted from where its gap leads to (P10): the client knows no other place there.
            if one.position.epoch != one.epoch {
                one.behind = one.spec.head.saturating_sub(after);
            }
        }
    }
}

fn owed<'a>(one: &'a Placed, cap: usize, scratch: &mut Scratch) -> Owed<'a> {
    let log = one.spec.channel.log();
    // What was rotated away since is owed no more.
    let head = if log.began_after(one.turn) {
        0
    } else {
        one.spec.head
    };
    let after = one.opening.as_ref().map_or(head, |opening| opening.after);
    let mut sifted = Sifted::new(&log, one.spec.sieve.as_deref(), scratch);
    let newest = (after + 1..=head)
        .rev()
        .filter(|offset| sifted.passes(*offset));
    Owed {
        channel: &one.spec.channel.name,
        newest_first: newest
            .take(cap)
            .filter_map(|offset| Some((log.seen(offset)?, offset)))
            .collect(),
    }
}
