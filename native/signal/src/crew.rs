//! Searches of a piece of a batch side by side, with the answers that one after the other would have had.
//!
//! The index does not change meanwhile. What does change from one signal to the next is known before: the token that leaves
//! the window for it, and the tokens of the piece that came before it. The first is a lowest id for its search, the others
//! are looked at one by one.

use std::sync::{Mutex, OnceLock, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};
use space::{DIMENSIONS, Entry, Hit, Nearest};

use crate::core::{Core, Outcome, Signal};
use crate::vector::{Vector, scaled};

/// Fewer signals are searched for by the caller's thread alone.
const WORTH: usize = 128;
/// Signals that a thread takes at a time.
const HANDFUL: usize = 16;
/// Points whose distances are computed at once.
const LANES: usize = 16;

/// Threads that search beside the caller's; they are started when they are first needed.
pub struct Crew {
    threads: usize,
    pool: OnceLock<Option<ThreadPool>>,
}

impl Crew {
    pub fn new(threads: usize) -> Self {
        Self {
            threads,
            pool: OnceLock::new(),
        }
    }

    /// Whether so many signals are searched for side by side.
    pub fn is_worth(&self, signals: usize) -> bool {
        self.threads > 1 && signals >= WORTH && self.pool().is_some()
    }

    /// `None` where the system gives no threads: then one does it all.
    fn pool(&self) -> Option<&ThreadPool> {
        let build = || {
            let builder = ThreadPoolBuilder::new().num_threads(self.threads - 1);
            builder.thread_name(|n| format!("signals-{n}")).build().ok()
        };
        self.pool.get_or_init(build).as_ref()
    }
}

/// The points of a piece, axis by axis.
struct Piece {
    blocks: Vec<[[f32; LANES]; DIMENSIONS]>,
    types: Vec<u16>,
    /// The id before the first.
    before: u64,
}

impl Piece {
    fn new(points: &[Vector], signals: &[Signal], before: u64) -> Self {
        let mut blocks = vec![[[f32::INFINITY; LANES]; DIMENSIONS]; points.len().div_ceil(LANES)];
        for (place, point) in points.iter().enumerate() {
            for (axis, x) in blocks[place / LANES].iter_mut().zip(point) {
                axis[place % LANES] = *x;
            }
        }
        Self {
            blocks,
            types: signals.iter().map(|signal| signal.event_type).collect(),
            before,
        }
    }

    /// Offer those of the first `count` that can be among the nearest.
    fn offer(&self, count: usize, point: &Vector, nearest: &mut Nearest) {
        for (number, block) in self.blocks.iter().take(count.div_ceil(LANES)).enumerate() {
            let bound = nearest.bound();
            let mut squares = [0.0_f32; LANES];
            // Most blocks are out of reach after half the axes.
            let (some, others) = block.split_at(DIMENSIONS / 2);
            add_squares(&mut squares, some, point);
            if !is_any_within(&squares, bound) {
                continue;
            }
            add_squares(&mut squares, others, &point[DIMENSIONS / 2..]);
            if !is_any_within(&squares, bound) {
                continue;
            }
            for (lane, square) in squares.into_iter().enumerate() {
                let place = number * LANES + lane;
                if place < count && square <= nearest.bound() {
                    let entry = Entry {
                        id: self.before + 1 + place as u64,
                        event_type: self.types[place],
                    };
                    nearest.offer(Hit { entry, square });
                }
            }
        }
    }
}

#[inline]
fn add_squares(squares: &mut [f32; LANES], axes: &[[f32; LANES]], point: &[f32]) {
    for (axis, x) in axes.iter().zip(point) {
        for (square, y) in squares.iter_mut().zip(axis) {
            let offset = y - x;
            *square += offset * offset;
        }
    }
}

#[inline]
fn is_any_within(squares: &[f32; LANES], bound: f32) -> bool {
    let least = squares
        .iter()
        .copied()
        .reduce(|a, b| if b < a { b } else { a });
    least.is_some_and(|least| least <= bound)
}

impl Core {
    /// Process `signals` as if each were admitted after the other; their searches run side by side.
    pub fn admit_together(
        &mut self,
        now_us: u64,
        signals: &[Signal],
        crew: &Crew,
        sink: &mut dyn FnMut(Outcome, &[Hit]),
    ) {
        let Some(pool) = crew.pool() else { return };
        self.age_out(now_us);
        let mut found = std::mem::take(&mut self.found);
        found.resize_with(found.len().max(signals.len()), Nearest::default);
        let scales = &self.config.scales;
        let points: Vec<Vector> = signals
            .iter()
            .map(|signal| scaled(&signal.vector, scales))
            .collect();
        let piece = Piece::new(&points, signals, self.slab.last());
        let core = &*self;
        let search = |place: usize, nearest: &mut Nearest| {
            let newest = piece.before + place as u64;
            let oldest = (newest + 1).saturating_sub(core.config.index_window);
            core.search(&signals[place].vector, oldest, nearest);
            piece.offer(place, &points[place], nearest);
        };
        let handfuls = found[..signals.len()].chunks_mut(HANDFUL).enumerate();
        let handfuls = Mutex::new(handfuls);
        let take_part = || {
            loop {
                // Nothing between the lock and the take panics.
                let taken = handfuls
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .next();
                let Some((number, handful)) = taken else {
                    return;
                };
                for (place, nearest) in handful.iter_mut().enumerate() {
                    search(number * HANDFUL + place, nearest);
                }
            }
        };
        // Whoever comes takes part, and the caller does what the others leave; one that comes late is still waited for.
        pool.in_place_scope(|scope| {
            for _ in 1..crew.threads {
                scope.spawn(|_| take_part());
            }
            take_part();
        });
        for (signal, nearest) in signals.iter().zip(&found) {
            self.admit_found(now_us, signal, nearest, sink);
        }
        self.found = found;
    }
}
