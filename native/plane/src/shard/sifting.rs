//! Views with filters: a thread reads what is new on a channel once for all of them, and touches those for which there is
//! something in it.

use std::sync::Arc;
use std::time::Instant;

use crate::channel::Channel;
use crate::entry::Entry;
use crate::feed::Reading;
use crate::filter::Hit;
use crate::form::Writer;
use crate::shard::Shard;
use crate::shard::composing::{ADVANCED, LOOKING, ReadOn, Turned, read_on, turned_for};
use crate::view::Passed;
use crate::watermark::FAR;

/// After so many entries it is looked whether anybody has to be told where he stands (P9).
const LOOK: u64 = FAR / 4;

/// How far a channel was read for the views with filters.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) channel: Arc<Channel>,
    pub(super) passed: Arc<Passed>,
    /// When the oldest entry that was not yet read was appended.
    pub(super) appended_at: Option<Instant>,
    /// How many views there are.
    pub(super) views: usize,
    /// Where it stood when the views were last looked at for those that were passed over.
    looked: u64,
}

impl Watch {
    /// Begin where the log stands.
    pub(super) fn new(channel: &Arc<Channel>, appended_at: Option<Instant>) -> Self {
        let log = channel.log();
        let (turn, head) = (log.turn(), log.head());
        drop(log);
        Self {
            channel: Arc::clone(channel),
            passed: Arc::new(Passed::new(turn, head)),
            appended_at,
            views: 0,
            looked: head,
        }
    }
}

/// One batch of what a channel has new.
struct News<'a> {
    entries: &'a [Arc<Entry>],
    hits: &'a [Hit],
    appended_at: Option<Instant>,
}

impl Shard {
    /// Read what a channel has new, and write it to all for whom there is something in it.
    pub(super) fn sift(&mut self, id: u64, now: Instant) {
        let Some(watch) = self.views.watches.get_mut(&id) else {
            return;
        };
        let appended_at = watch.appended_at.take();
        let (channel, passed) = (Arc::clone(&watch.channel), Arc::clone(&watch.passed));
        channel.heard(self.thread);
        let mut budget = ADVANCED;
        while budget > 0 {
            let mut reading = std::mem::take(&mut self.reading);
            let (turn, head) = (passed.turn(), passed.head());
            let more = match read_on(&channel, (turn, head), &mut reading.entries) {
                ReadOn::Entries(history) => {
                    if let Some(last) = reading.entries.last() {
                        let (
                            head,
                            Reading {
                                entries,
                                scratch,
                                hits,
                                ..
                            },
                        ) = (last.offset(), &mut reading);
                        channel.sift(history, entries, scratch, hits);
                        passed.set(turn, head);
                    } else {
                        reading.hits.clear();
                    }
                    let news = News {
                        entries: &reading.entries,
                        hits: &reading.hits,
                        appended_at,
                    };
                    budget = budget.saturating_sub(self.spread(id, &news, now));
                    !reading.entries.is_empty()
                }
                ReadOn::Lost(head) => {
                    // Where each stands follows from what was read, until all are fed from the log.
                    let numbers = self.views.filtered(id);
                    for number in &numbers {
                        self.overtaken(*number, head);
                    }
                    passed.set(turn, head);
                    for number in numbers {
                        self.write_out(number, false, now);
                    }
                    false
                }
                ReadOn::Turned(turned) => {
                    self.turned_for_all(&channel, &passed, &turned, now);
                    true
                }
            };
            reading.entries.clear();
            self.reading = reading;
            if !more {
                break;
            }
        }
        if let Some(watch) = self.views.watches.get_mut(&id)
            && budget == 0
        {
            watch.appended_at = Some(now);
            self.views.unread.push(id);
        }
        self.look_for_passed_over(id);
    }

    /// Write to each view what there is for it; what that came to: bytes that were written, or were worth looking through.
    fn spread(&mut self, channel: u64, news: &News<'_>, now: Instant) -> usize {
        let looked = news.entries.iter().map(|entry| entry.size()).sum::<usize>() / LOOKING;
        let mut written = 0;
        for hits in news.hits.chunk_by(|one, other| one.sieve == other.sieve) {
            let sieve = hits.first().map_or(0, |hit| hit.sieve);
            for number in self.views.through(channel, sieve) {
                written += self.compose_hits(number, news, hits);
                self.write_out(number, false, now);
            }
        }
        written.max(looked)
    }

    fn compose_hits(&mut self, number: usize, news: &News<'_>, hits: &[Hit]) -> usize {
        let Some(view) = self.views.all.get_mut(number) else {
            return 0;
        };
        let before = view.bytes();
        let mut writer = Writer::new(view.form, &mut self.deflater);
        for entry in hits.iter().filter_map(|hit| news.entries.get(hit.entry)) {
            // What was there before the view was is read from the log.
            if entry.offset() > view.read() {
                view.push(entry, &mut writer);
            }
        }
        view.appended_at = news.appended_at.filter(|_| view.has_news);
        let composed = view.bytes() - before;
        self.views.bytes += composed;
        self.keep_bounds(number);
        composed
    }

    /// P12, for all views with filters at once.
    fn turned_for_all(
        &mut self,
        channel: &Channel,
        passed: &Passed,
        turned: &Turned,
        now: Instant,
    ) {
        let numbers = self.views.filtered(channel.id);
        let views = numbers.into_iter().filter_map(|number| {
            let view = self.views.all.get(number)?;
            let turned = turned_for(&channel.log(), (view.turn, view.head()))?;
            Some((number, turned))
        });
        let views: Vec<(usize, Turned)> = views.collect();
        let head = if turned.is_elsewhere {
            turned.origin
        } else {
            passed.head()
        };
        for (number, turned) in &views {
            self.turn_view(*number, turned);
        }
        passed.set(turned.turn, head);
        for (number, _) in views {
            self.write_out(number, false, now);
        }
        self.enqueue_on(|cursor| cursor.channel.id == channel.id && cursor.sieve.is_some());
    }

    /// What passes no filter costs those who follow nothing, until it is so much that they have to be told (P9).
    fn look_for_passed_over(&mut self, channel: u64) {
        let Some(watch) = self.views.watches.get_mut(&channel) else {
            return;
        };
        let head = watch.passed.head();
        if head.abs_diff(watch.looked) < LOOK {
            return;
        }
        watch.looked = head;
        for number in self.views.filtered(channel) {
            self.passed_over(number);
        }
    }
}
