//! Semantic subscriptions by themselves: `cargo bench -p ng-plane --bench filters`, one JSON object a line. What an event costs
//! that is judged for many distinct balls (its JSON read, or its members where the `SignalSystem` has told them; the balls found,
//! every match decided and noted), and for names; with arguments such as `clustered:100000:0.3` (the widest radius) or `names`,
//! these alone. Times are processor time of the thread.

#![allow(clippy::panic)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use plane::filter::{Bounds, Filter, Limits, Roster, Scratch, Sieve, Totals};
use plane::{Entry, Epoch, Log, MARKED, Marks, NewEntry, Retention};
use rustix::time::{ClockId, clock_gettime};

/// Runs, of which the median and the best are kept.
const RUNS: usize = 9;
/// Events of a run, judged in batches as an I/O thread reads them.
const EVENTS: usize = 4_096;
const BATCH: usize = 256;

/// Counts what is allocated.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Numbers with a fixed seed.
struct Chance(u64);

impl Chance {
    fn number(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        #[allow(clippy::cast_precision_loss)] // 53 bits
        let number = (self.0 >> 11) as f64;
        number / 9_007_199_254_740_992.0
    }

    fn vector(&mut self) -> [f64; 8] {
        std::array::from_fn(|_| self.number())
    }

    /// Around one of 1,000 centres, about 0.05 away on each axis, or anywhere.
    fn source(&mut self, centers: &[[f64; 8]]) -> [f64; 8] {
        if centers.is_empty() {
            return self.vector();
        }
        let at = (self.number() * 1_000.0).floor();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 999
        let center = centers[at as usize];
        center.map(|x| {
            let sum: f64 = (0..12).map(|_| self.number()).sum();
            x + (sum - 6.0) * 0.05
        })
    }
}

/// As vectors of signals are written: in single precision, by the shortest decimals.
#[allow(clippy::cast_possible_truncation)] // rounding is what is asked for
fn text(vector: &[f64; 8]) -> String {
    let numbers = vector.map(|x| format!("{:?}", x as f32));
    format!("[{}]", numbers.join(","))
}

/// Processor time of this thread.
#[allow(clippy::cast_precision_loss)] // small
fn cpu_us() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e6 + now.tv_nsec as f64 / 1e3
}

/// Where the members of a signal stand in its data.
#[allow(clippy::cast_possible_truncation)] // rounding is what is asked for
fn marks(data: &str, vector: &[f64; 8]) -> Marks {
    let mark = |name: &str| {
        let head = format!("\"{name}\":");
        let start = data.find(&head).map_or(0, |at| at + head.len());
        let rest = &data[start..];
        let len = match name {
            "vector" => rest.find(']').map_or(0, |end| end + 1),
            _ => rest.find([',', '}']).unwrap_or(0),
        };
        let short = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
        (short(start), short(start + len))
    };
    Marks::new(MARKED.map(mark), vector.map(|x| x as f32))
}

fn entries(vectors: &[[f64; 8]], are_marked: bool) -> Vec<Arc<Entry>> {
    let retention = Retention {
        seconds: 1e9,
        max_bytes: 1 << 30,
        max_entries: 1 << 20,
        last_per_key: None,
    };
    let mut log = Log::new("signals", Epoch::named("bench"), retention);
    let new = vectors.iter().enumerate().map(|(number, vector)| {
        let neighbors: Vec<String> = (1..6).map(|near| format!("{{\"token_id\":{near},\"distance\":0.0734}}")).collect();
        let data = format!(
            "{{\"token_id\":{number},\"vector\":{},\"priority\":128,\"is_novel\":false,\"nearest_dist\":0.0312,\
             \"anomaly_score\":0.6,\"neighbors\":[{}],\"node\":\"n1\"}}",
            text(vector),
            neighbors.join(",")
        );
        NewEntry {
            event: "signal.input.text".into(),
            marks: are_marked.then(|| Box::new(marks(&data, vector))),
            data: data.into_bytes().into(),
            ..NewEntry::default()
        }
    });
    log.append(new.collect(), 1.0);
    log.after(0).map(Arc::clone).collect()
}

fn sieves() -> Arc<Roster> {
    let bounds = Bounds {
        all: usize::MAX,
        of_channel: usize::MAX,
        bytes: usize::MAX,
    };
    Arc::new(Roster::new(Arc::new(Totals::new(bounds))))
}

fn take(sieves: &Arc<Roster>, filter: &str) -> Arc<Sieve> {
    let filter = Filter::parse(filter.as_bytes(), Limits::default())
        .unwrap_or_else(|fault| panic!("{fault}"));
    sieves
        .take(filter, true)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Microseconds per event, median and best, and matches per event; each run is a history, from `first` on.
fn judge(sieves: &Roster, entries: &[Arc<Entry>], first: u64) -> (f64, f64, f64) {
    let (mut scratch, mut hits, mut found) = (Scratch::default(), Vec::new(), 0);
    let mut took = Vec::new();
    for history in first..first + RUNS as u64 {
        let started = cpu_us();
        for batch in entries.chunks(BATCH) {
            sieves.sift(history, batch, &mut scratch, &mut hits);
            found += black_box(&hits).len();
        }
        #[allow(clippy::cast_precision_loss)] // small
        took.push((cpu_us() - started) / entries.len() as f64);
    }
    took.sort_by(f64::total_cmp);
    #[allow(clippy::cast_precision_loss)] // small
    let matches = found as f64 / (RUNS * entries.len()) as f64;
    (took[RUNS / 2], took[0], matches)
}

fn measure_balls(count: usize, (low, high): (f64, f64), input: &str) {
    let mut chance = Chance(7);
    let centers: Vec<[f64; 8]> = match input {
        "clustered" => (0..1_000).map(|_| chance.vector()).collect(),
        _ => Vec::new(),
    };
    let sieves = sieves();
    let balls: Vec<([f64; 8], f64)> = (0..count)
        .map(|_| {
            (
                chance.source(&centers),
                low + (high - low) * chance.number(),
            )
        })
        .collect();
    let vectors: Vec<[f64; 8]> = (0..EVENTS).map(|_| chance.source(&centers)).collect();
    let before = HELD.load(Relaxed);
    let started = cpu_us();
    let held: Vec<Arc<Sieve>> = balls
        .iter()
        .map(|(center, radius)| {
            let near = format!("{{\"data.vector\":{{\"near\":{{\"center\":{},\"radius\":{radius}}}}},\"data.priority\":{{\"gte\":100}}}}", text(center));
            take(&sieves, &near)
        })
        .collect();
    #[allow(clippy::cast_precision_loss)] // small
    let us_to_subscribe = (cpu_us() - started) / count.max(1) as f64;
    let mut first = 1;
    let bytes = (HELD.load(Relaxed) - before) / count.max(1);
    for are_marked in [false, true] {
        let sieves = &sieves;
        let (median, best, matches) = judge(sieves, &entries(&vectors, are_marked), first);
        first += RUNS as u64;
        println!(
            "{{\"what\":\"near filters\",\"count\":{count},\"radius\":[{low},{high}],\"input\":\"{input}\",\"marked\":{are_marked},\
             \"us_median\":{median:.3},\"us_best\":{best:.3},\"matches\":{matches:.2},\"us_to_subscribe\":{us_to_subscribe:.2},\
             \"bytes_each\":{bytes}}}"
        );
    }
    drop(held);
}

fn measure_names(count: usize) {
    let sieves = sieves();
    let held: Vec<Arc<Sieve>> = (0..count)
        .map(|number| {
            take(
                &sieves,
                &format!("{{\"event\":{{\"glob\":\"action.n{number}.*\"}},\"data.x\":1}}"),
            )
        })
        .collect();
    let mut chance = Chance(9);
    let vectors: Vec<[f64; 8]> = (0..EVENTS).map(|_| chance.vector()).collect();
    let (median, best, _) = judge(&sieves, &entries(&vectors, false), 1);
    println!(
        "{{\"what\":\"filters of other names\",\"count\":{count},\"us_median\":{median:.3},\"us_best\":{best:.3}}}"
    );
    drop(held);
}

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        measure_balls(100, (0.1, 0.1), "uniform");
        return;
    }
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|one| one == name);
    for input in ["clustered", "uniform"] {
        for (count, radii) in [
            (0, (0.1, 0.1)),
            (1_000, (0.1, 0.1)),
            (100_000, (0.05, 0.05)),
            (100_000, (0.1, 0.1)),
            (100_000, (0.2, 0.2)),
            (100_000, (0.02, 0.3)),
        ] {
            if is_asked(&format!("{input}:{count}:{}", radii.1)) {
                measure_balls(count, radii, input);
            }
        }
    }
    for count in [1_000, 100_000] {
        if is_asked("names") {
            measure_names(count);
        }
    }
}
