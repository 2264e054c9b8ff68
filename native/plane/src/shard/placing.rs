//! Where the subscriptions of one request begin, and what of the past they share (R9).

use crate::command::Spec;
use crate::cursor::Delivery;
use crate::epoch::{Epoch, Position};
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
    pub(super) fn place(&self, slot: usize, mut spec: Spec) -> Placed {
        let connection = self.connections.get(slot);
        let held = connection.and_then(|connection| {
            let at = connection
                .cursor_on(spec.channel.id)
                .filter(|_| spec.keep)?;
            connection.cursors.get(at)
        });
        let log = spec.channel.log();
        let (epoch, turn) = (log.epoch().clone(), log.turn());
        if log.began_after(spec.turn) {
            // All that there is of this history was appended after the request.
            spec.head = log.origin();
        }
        let (position, behind, opening) = if let Some(cursor) = held {
            let position = self.position(cursor);
            let told = if position.epoch == epoch {
                position.offset
            } else {
                0
            };
            (position, log.head().saturating_sub(told), None)
        } else {
            let latest = spec.options.delivery == Delivery::Latest;
            let opening = start::open(&log, &spec.start, spec.head, latest);
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
pub(super) fn cap_replay(placed: &mut [Placed], cap: u64) {
    let counted = |one: &Placed| {
        one.spec.options.delivery == Delivery::All
            && one.opening.as_ref().is_some_and(|opening| opening.capped)
    };
    let cap_len = usize::try_from(cap).unwrap_or(usize::MAX);
    let owed: Vec<Owed<'_>> = placed
        .iter()
        .filter(|one| counted(one))
        .map(|one| owed(one, cap_len))
        .collect();
    let shares = start::share(&owed, cap_len);
    drop(owed);
    for (one, kept) in placed.iter_mut().filter(|one| counted(one)).zip(shares) {
        if let Some(opening) = &mut one.opening {
            opening.cut(&one.epoch, kept as u64, one.spec.head);
        }
    }
}

fn owed(one: &Placed, cap: usize) -> Owed<'_> {
    let log = one.spec.channel.log();
    // What was rotated away since is owed no more.
    let head = if log.began_after(one.turn) {
        0
    } else {
        one.spec.head
    };
    let after = one.opening.as_ref().map_or(head, |opening| opening.after);
    let newest = (after + 1..=head).rev().take(cap);
    Owed {
        channel: &one.spec.channel.name,
        newest_first: newest.filter_map(|offset| log.seen(offset)).collect(),
    }
}
