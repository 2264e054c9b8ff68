//! The state behind the mutex: what one emit does, from the search to the queue.

use std::sync::Arc;
use std::thread::ThreadId;

use space::{Budget, Entry, Hit, Index, Nearest, Query, Tree};

use crate::SignalError;
use crate::config::{Config, Neighbors, Overflow, Publish};
use crate::connections::{Connections, NamedConnection};
use crate::names::Interner;
use crate::queue::Queue;
use crate::record::{Change, Extra, Novelty, Question, Record, SignalRecord, Sum};
use crate::rules::MAX_EXTRA;
use crate::slab::Slab;
use crate::token::{INDEXED, NOVEL, Token};
use crate::vector::{Vector, radius_of, scaled, square_limit};

/// Evictions are told in sums, at most one in so many microseconds.
const EVICTION_INTERVAL_US: u64 = 1_000_000;
/// Novel signals are told once more, at most one in so many microseconds.
const NOVELTY_INTERVAL_US: u64 = 100_000;
/// One question to the grid in so many is told.
const QUESTIONS_PER_EVENT: u64 = 100;

/// Tokens before its turn that what a token displaces is fetched.
const SOON: u64 = 4;

/// A signal that passed every check.
#[derive(Debug, Clone)]
pub struct Signal {
    /// Interned.
    pub event_type: u16,
    /// Finite.
    pub vector: Vector,
    /// 0–255.
    pub priority: u8,
    /// `None`: as the system is set.
    pub publish: Option<bool>,
    /// What travels with the event.
    pub extra: Option<Arc<Extra>>,
}

/// What the system says about a signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// The token it became.
    pub token_id: u64,
    /// Nothing live of the window lies within the novelty radius.
    pub is_novel: bool,
    /// The nearest within the neighbour radius.
    pub nearest_dist: Option<f32>,
    /// 1 without neighbours, else their mean distance by the neighbour radius, at most 1.
    pub anomaly_score: f32,
    /// The search was exact; false if there was none.
    pub exact: bool,
    /// It became an event.
    pub published: bool,
}

/// Counters since the start or the last reset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Counts {
    pub emits: u64,
    pub novel: u64,
    pub published: u64,
    pub refused: u64,
    pub dropped: u64,
    pub created: u64,
    pub deleted: u64,
    pub evicted: u64,
    pub connections_refused: u64,
    pub queries: u64,
}

pub(crate) struct Core {
    pub config: Config,
    pub slab: Slab,
    pub index: Option<Box<dyn Index>>,
    pub interner: Interner,
    pub queue: Queue,
    pub connections: Connections,
    pub counts: Counts,
    /// Something was queued where nothing waited: the consumer is to be woken once the lock is free.
    pub wake: bool,
    /// The thread that takes batches: it cannot wait for itself.
    pub consumer: Option<ThreadId>,
    pub is_closed: bool,
    nearest: Nearest,
    /// What the searches of a piece found.
    pub found: Vec<Nearest>,
    neighbor_limit: f32,
    novelty_radius: f32,
    budget: Option<Budget>,
    ttl_us: Option<u64>,
    /// Ids up to here have left the index by age.
    aged: u64,
    pub evicted: Option<Sum>,
    evicted_told_us: u64,
    severed: u64,
    novelty_told_us: u64,
    novelties_left_out: u64,
}

impl Core {
    pub fn new(config: Config) -> Self {
        let index: Option<Box<dyn Index>> = match config.neighbors {
            Neighbors::Exact | Neighbors::Bounded => Some(Box::new(Tree::new(config.index_window))),
            Neighbors::Off => None,
        };
        Self {
            slab: Slab::new(config.capacity),
            index,
            interner: Interner::default(),
            queue: Queue::new(config.queue_size),
            connections: Connections::new(config.max_connections),
            counts: Counts::default(),
            wake: false,
            consumer: None,
            is_closed: false,
            nearest: Nearest::default(),
            found: Vec::new(),
            neighbor_limit: square_limit(radius_of(config.neighbor_radius)),
            novelty_radius: radius_of(config.novelty_radius),
            budget: (config.neighbors == Neighbors::Bounded).then(|| Budget {
                leaves: config.max_leaves,
                decisive: square_limit(radius_of(config.novelty_radius)),
            }),
            ttl_us: config.novelty_ttl.map(microseconds),
            aged: 0,
            evicted: None,
            evicted_told_us: 0,
            severed: 0,
            novelty_told_us: 0,
            novelties_left_out: 0,
            config,
        }
    }

    /// Queue records that `signal` may make.
    pub fn records_of(&self, signal: &Signal) -> usize {
        let publishes = signal
            .publish
            .unwrap_or(self.config.publish != Publish::None);
        usize::from(publishes)
            + usize::from(self.config.token_events)
            + usize::from(self.config.novelty_events)
            + usize::from(self.config.auto_connect > 0)
    }

    /// Bytes that it may keep waiting.
    pub fn bytes_of(&self, signal: &Signal) -> usize {
        if self.records_of(signal) == 0 {
            return 0;
        }
        signal.extra.as_ref().map_or(0, |extra| extra.bytes())
            + self.config.auto_connect * size_of::<NamedConnection>()
    }

    /// Refuse, before anything is processed, what the queue could not take.
    pub fn check_room(&mut self, records: usize, bytes: usize) -> Result<(), SignalError> {
        let waits = self.queue.has_consumer() && self.config.overflow != Overflow::DropOldest;
        if !waits || records == 0 || self.queue.has_room(records, bytes) {
            return Ok(());
        }
        Err(SignalError::Overloaded {
            waiting: self.queue.len(),
        })
    }

    /// Process a signal: search, store, queue. `sink` sees the outcome and the neighbours.
    pub fn admit(&mut self, now_us: u64, signal: &Signal, sink: &mut dyn FnMut(Outcome, &[Hit])) {
        self.age_out(now_us);
        let mut nearest = std::mem::take(&mut self.nearest);
        self.search(&signal.vector, 0, &mut nearest);
        self.admit_found(now_us, signal, &nearest, sink);
        self.nearest = nearest;
    }

    /// What an emit of `vector` looks for, among ids from `oldest` on.
    pub fn search(&self, vector: &Vector, oldest: u64, nearest: &mut Nearest) {
        nearest.start(self.config.max_neighbors, self.neighbor_limit);
        if let Some(index) = &self.index {
            let query = Query {
                oldest,
                budget: self.budget,
                ..Query::around(scaled(vector, &self.config.scales))
            };
            index.search(&query, nearest);
        }
    }

    /// Process a signal whose neighbours are known.
    pub fn admit_found(
        &mut self,
        now_us: u64,
        signal: &Signal,
        nearest: &Nearest,
        sink: &mut dyn FnMut(Outcome, &[Hit]),
    ) {
        let mut outcome = self.judge(nearest);
        outcome.token_id = self.store_signal(now_us, signal, &outcome, nearest);
        outcome.published = self.publish(now_us, signal, &outcome, nearest.hits());
        self.counts.emits += 1;
        self.counts.novel += u64::from(outcome.is_novel);
        self.counts.published += u64::from(outcome.published);
        sink(outcome, nearest.hits());
    }

    fn judge(&self, nearest: &Nearest) -> Outcome {
        let searched = self.index.is_some();
        let hits = nearest.hits();
        let nearest_dist = hits.first().map(Hit::distance);
        Outcome {
            token_id: 0,
            is_novel: searched
                && nearest_dist.is_none_or(|distance| distance > self.novelty_radius),
            nearest_dist,
            anomaly_score: if searched {
                self.anomaly_score(hits)
            } else {
                0.0
            },
            exact: searched && nearest.is_exact,
            published: false,
        }
    }

    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // at most 64 neighbours; a score from 0 to 1
    fn anomaly_score(&self, hits: &[Hit]) -> f32 {
        if hits.is_empty() {
            return 1.0;
        }
        let sum: f64 = hits.iter().map(|hit| f64::from(hit.distance())).sum();
        (sum / hits.len() as f64 / self.config.neighbor_radius).min(1.0) as f32
    }

    fn store_signal(
        &mut self,
        now_us: u64,
        signal: &Signal,
        outcome: &Outcome,
        nearest: &Nearest,
    ) -> u64 {
        let id = self.slab.last() + 1;
        let first = nearest.hits().first();
        let token = Token {
            pos: signal.vector,
            created_us: now_us,
            // The window is at most 2³¹ ids wide.
            nearest_back: first.map_or(0, |hit| u32::try_from(id - hit.entry.id).unwrap_or(0)),
            nearest_dist: outcome.nearest_dist.unwrap_or(f32::INFINITY),
            event_type: signal.event_type,
            priority: signal.priority,
            flags: if outcome.is_novel { NOVEL } else { 0 },
            ..Token::EMPTY
        };
        self.store(now_us, token, true, Some(nearest))
    }

    /// What will soon leave the window is on its way from memory meanwhile.
    fn expect_leaver(&self) {
        let leaver = (self.slab.last() + SOON).checked_sub(self.config.index_window);
        if let (Some(index), Some(leaver)) = (&self.index, leaver) {
            index.expect_removal(leaver);
        }
    }

    /// Give `token` the next id; what has to leave for it leaves. `found` is what was searched for around it. -> its id
    pub fn store(
        &mut self,
        now_us: u64,
        mut token: Token,
        indexed: bool,
        found: Option<&Nearest>,
    ) -> u64 {
        if indexed {
            token.flags |= INDEXED;
        }
        let (id, evicted) = self.slab.push(token);
        if let Some(evicted) = evicted {
            self.severed += self.connections.remove_of(evicted.id);
            self.count_eviction(now_us, evicted.id);
        }
        if let Some(index) = &mut self.index {
            if let Some(leaver) = id.checked_sub(self.config.index_window) {
                index.remove(leaver);
            }
            if indexed {
                let entry = Entry {
                    id,
                    event_type: token.event_type,
                };
                let point = scaled(&token.pos, &self.config.scales);
                match found {
                    Some(found) => index.insert_found(entry, &point, found),
                    None => index.insert(entry, &point),
                }
            }
            self.expect_leaver();
        }
        id
    }

    fn publish(&mut self, now_us: u64, signal: &Signal, outcome: &Outcome, hits: &[Hit]) -> bool {
        if !self.queue.has_consumer() {
            if self.config.auto_connect > 0 {
                self.connect_nearest(outcome.token_id, hits);
            }
            return false;
        }
        if self.config.token_events
            && let Some(token) = self.slab.get(outcome.token_id)
        {
            let record = Record::Token(Change::Created, Box::new(*token));
            self.push(record, &[]);
        }
        let publishes = match self.config.publish {
            Publish::All => true,
            Publish::Novel => outcome.is_novel,
            Publish::None => false,
        };
        let publishes = signal.publish.unwrap_or(publishes);
        if publishes {
            let near = &hits[..hits.len().min(self.config.event_neighbors)];
            self.push(Record::Signal(record_of(signal, outcome)), near);
        }
        if self.config.auto_connect > 0 {
            self.connect_nearest(outcome.token_id, hits);
        }
        if self.config.novelty_events && outcome.is_novel {
            self.tell_novelty(now_us, signal, outcome);
        }
        publishes
    }

    fn tell_novelty(&mut self, now_us: u64, signal: &Signal, outcome: &Outcome) {
        if now_us.abs_diff(self.novelty_told_us) < NOVELTY_INTERVAL_US {
            self.novelties_left_out += 1;
            return;
        }
        self.novelty_told_us = now_us;
        let novelty = Novelty {
            token_id: outcome.token_id,
            nearest_dist: outcome.nearest_dist.unwrap_or(f32::INFINITY),
            event_type: signal.event_type,
            left_out: std::mem::take(&mut self.novelties_left_out),
        };
        self.push(Record::Novelty(novelty), &[]);
    }

    /// Count a question to the grid; now and then one is told, as far as there is room.
    pub fn note_question(&mut self, question: Question) {
        self.counts.queries += 1;
        if self.counts.queries.is_multiple_of(QUESTIONS_PER_EVENT) && self.check_room(1, 0).is_ok()
        {
            self.tell(Record::Question(question));
        }
    }

    /// Tell the consumer, if there is one; the caller has made sure of the room.
    pub fn tell(&mut self, record: Record) {
        if self.queue.has_consumer() {
            self.push(record, &[]);
        }
    }

    fn push(&mut self, record: Record, near: &[Hit]) {
        if self.config.overflow == Overflow::DropOldest {
            self.counts.dropped += self.queue.make_room(&record);
        }
        self.wake |= self.queue.push(record, near);
    }

    fn count_eviction(&mut self, now_us: u64, id: u64) {
        self.counts.evicted += 1;
        let count = self.evicted.map_or(0, |sum| sum.count) + 1;
        let sum = Sum {
            reason: "evicted",
            count,
            up_to: id,
        };
        let due = now_us.abs_diff(self.evicted_told_us) >= EVICTION_INTERVAL_US;
        // Beside the sum there must be room for what the emit itself makes.
        if due && self.queue.has_consumer() && self.queue.has_room(6, MAX_EXTRA) {
            self.push(Record::Tokens(Change::Deleted, sum), &[]);
            self.tell_severed(id);
            self.evicted_told_us = now_us;
            self.evicted = None;
        } else {
            self.evicted = Some(sum);
        }
    }

    /// Tell of the connections that went with tokens.
    pub fn tell_severed(&mut self, token_id: u64) {
        match std::mem::take(&mut self.severed) {
            0 => (),
            count => self.tell(Record::Severed(count, token_id)),
        }
    }

    /// Remove the connections of a token that goes.
    pub fn sever(&mut self, token_id: u64) {
        self.severed += self.connections.remove_of(token_id);
        self.tell_severed(token_id);
    }

    /// The oldest id that neighbours may have.
    pub fn window_start(&self) -> u64 {
        let start = self.slab.last().saturating_sub(self.config.index_window) + 1;
        start.max(self.slab.first()).max(self.aged + 1)
    }

    /// What is older than the time to live leaves the index.
    pub fn age_out(&mut self, now_us: u64) {
        let Some(ttl) = self.ttl_us else { return };
        let mut id = self.window_start();
        // Every id is passed once in its life, so this costs an emit one step on average.
        while id <= self.slab.last() {
            if let Some(token) = self.slab.get(id) {
                if token.created_us.saturating_add(ttl) >= now_us {
                    break;
                }
                if let Some(index) = &mut self.index {
                    index.remove(id);
                }
            }
            self.aged = id;
            id += 1;
        }
    }

    /// The live tokens that neighbours may be.
    pub fn window(&self) -> impl Iterator<Item = &Token> {
        let ids = self.window_start()..=self.slab.last();
        ids.filter_map(|id| self.slab.get(id))
            .filter(|token| token.flags & INDEXED != 0)
    }
}

fn record_of(signal: &Signal, outcome: &Outcome) -> SignalRecord {
    SignalRecord {
        token_id: outcome.token_id,
        vector: signal.vector,
        nearest_dist: outcome.nearest_dist.unwrap_or(f32::INFINITY),
        anomaly_score: outcome.anomaly_score,
        near_start: 0,
        near_len: 0,
        priority: signal.priority,
        is_novel: outcome.is_novel,
        event_type: signal.event_type,
        extra: signal.extra.clone(),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // checked: above 0 and at most 10⁹ seconds
fn microseconds(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}
