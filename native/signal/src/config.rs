//! What a system is made with.

use crate::SignalError;
use crate::rules::MAX_NEIGHBORS;
use crate::vector::{DIMENSIONS, Vector, finite};

/// Smallest capacity and window.
const MIN_SIZE: u64 = 1_024;
/// Largest capacity and window.
const MAX_SIZE: u64 = 1 << 31;
/// Largest radius.
const MAX_RADIUS: f64 = 1e9;
/// Smallest queue: a record per segment.
const MIN_QUEUE: usize = 64;
/// Largest queue.
const MAX_QUEUE: usize = 1 << 22;
/// Most buckets that a bounded search may be allowed.
const MAX_LEAVES: u32 = 1 << 20;
/// Most token connections.
const MAX_CONNECTIONS: usize = 1 << 26;
/// Most threads that search for one batch.
const MAX_THREADS: usize = 64;
/// Longest node name in bytes.
const MAX_NODE: usize = 256;

/// Whether emits look for neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbors {
    /// Every emit finds the true nearest ones.
    Exact,
    /// As far as `max_leaves` buckets tell; what is called novel is novel all the same.
    Bounded,
    /// No index: no emit is novel, none has neighbours.
    Off,
}

/// Which emits become events, where the emit itself does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publish {
    /// All of them.
    All,
    /// Those that are novel.
    Novel,
    /// None.
    None,
}

/// What happens when the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The emit is refused before it is processed.
    Refuse,
    /// The emitter waits.
    Block,
    /// The oldest events leave, and an event says so.
    DropOldest,
}

/// Settings of a `SignalSystem`; the meaning of each is that of signals.md §2.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Config {
    pub capacity: u64,
    pub index_window: u64,
    pub neighbor_radius: f64,
    pub novelty_radius: f64,
    /// Seconds.
    pub novelty_ttl: Option<f64>,
    pub max_neighbors: usize,
    pub neighbors: Neighbors,
    /// Buckets that a bounded search looks into.
    pub max_leaves: u32,
    pub scales: Vector,
    pub publish: Publish,
    pub event_neighbors: usize,
    pub queue_size: usize,
    pub overflow: Overflow,
    /// Whether an emit tells of its token too.
    pub token_events: bool,
    /// Whether novel signals are told once more, a few per second.
    pub novelty_events: bool,
    /// With how many of its nearest an emit connects its token.
    pub auto_connect: usize,
    pub max_connections: usize,
    /// Threads that search for one batch; 1: the caller's.
    pub threads: usize,
    /// The name that events carry.
    pub node: String,
}

/// Where nothing is said: the index of so many points fits the caches of most machines.
pub const DEFAULT_WINDOW: u64 = 131_072;

impl Default for Config {
    fn default() -> Self {
        Self {
            capacity: 1_048_576,
            index_window: DEFAULT_WINDOW,
            neighbor_radius: 0.1,
            novelty_radius: 0.1,
            novelty_ttl: None,
            max_neighbors: 10,
            neighbors: Neighbors::Exact,
            max_leaves: 24,
            scales: [1.0; DIMENSIONS],
            publish: Publish::All,
            event_neighbors: 5,
            queue_size: 65_536,
            overflow: Overflow::Refuse,
            token_events: false,
            novelty_events: false,
            auto_connect: 0,
            max_connections: 262_144,
            threads: 1,
            node: String::new(),
        }
    }
}

fn require(
    holds: bool,
    name: &'static str,
    expected: impl Into<String>,
    came: impl std::fmt::Display,
) -> Result<(), SignalError> {
    if holds {
        return Ok(());
    }
    Err(SignalError::Setting {
        name,
        expected: expected.into(),
        came: came.to_string(),
    })
}

impl Config {
    /// Whether everything is within its limits (signals.md §10).
    pub fn check(&self) -> Result<(), SignalError> {
        self.check_sizes()?;
        self.check_radii()?;
        let k = self.max_neighbors;
        require(
            (1..=MAX_NEIGHBORS).contains(&k),
            "max_neighbors",
            "1 to 64",
            k,
        )?;
        let n = self.auto_connect;
        require(
            n <= k,
            "auto_connect",
            format!("0 to max_neighbors ({k})"),
            n,
        )?;
        let n = self.event_neighbors;
        require(n <= MAX_NEIGHBORS, "event_neighbors", "0 to 64", n)?;
        require(
            self.publish != Publish::Novel || self.neighbors != Neighbors::Off,
            "publish",
            "\"all\" or \"none\" where neighbors is \"off\", for nothing is novel then",
            "\"novel\"",
        )?;
        let node = self.node.len();
        require(
            node <= MAX_NODE,
            "node",
            "at most 256 bytes",
            format!("{node} bytes"),
        )?;
        check_scales(&self.scales)
    }

    fn check_sizes(&self) -> Result<(), SignalError> {
        let size = MIN_SIZE..=MAX_SIZE;
        let (capacity, window, queue) = (self.capacity, self.index_window, self.queue_size);
        require(
            size.contains(&capacity),
            "capacity",
            "1024 to 2147483648",
            capacity,
        )?;
        require(
            (MIN_SIZE..=capacity).contains(&window),
            "index_window",
            format!("1024 to capacity ({capacity})"),
            window,
        )?;
        require(
            (MIN_QUEUE..=MAX_QUEUE).contains(&queue),
            "queue_size",
            "64 to 4194304",
            queue,
        )?;
        let n = self.max_leaves;
        require(
            (1..=MAX_LEAVES).contains(&n),
            "max_leaves",
            "1 to 1048576",
            n,
        )?;
        let n = self.max_connections;
        require(n <= MAX_CONNECTIONS, "max_connections", "0 to 67108864", n)?;
        let n = self.threads;
        require((1..=MAX_THREADS).contains(&n), "threads", "1 to 64", n)
    }

    fn check_radii(&self) -> Result<(), SignalError> {
        let (near, novel) = (self.neighbor_radius, self.novelty_radius);
        let in_range = |radius: f64| radius > 0.0 && radius <= MAX_RADIUS;
        require(
            in_range(near),
            "neighbor_radius",
            "above 0 and at most 1e9",
            near,
        )?;
        require(
            in_range(novel) && novel <= near,
            "novelty_radius",
            format!("above 0 and at most neighbor_radius ({near})"),
            novel,
        )?;
        let ttl = self.novelty_ttl.unwrap_or(1.0);
        require(
            ttl > 0.0 && ttl <= 1e9,
            "novelty_ttl",
            "above 0 and at most 1e9 seconds",
            ttl,
        )
    }
}

/// Scales: finite and above 0.
pub fn check_scales(scales: &Vector) -> Result<(), SignalError> {
    let good = finite(*scales).is_ok() && scales.iter().all(|scale| *scale > 0.0);
    require(
        good,
        "scales",
        "8 finite numbers above 0",
        format!("{scales:?}"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn refusal(change: impl FnOnce(&mut Config)) -> String {
        let mut config = Config::default();
        change(&mut config);
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_are_within_their_limits() {
        assert_eq!(Ok(()), Config::default().check());
    }

    #[test]
    fn a_wrong_setting_is_named_with_what_was_expected_and_what_came() {
        assert_eq!(
            "capacity must be 1024 to 2147483648, got 5",
            refusal(|c| c.capacity = 5)
        );
        assert_eq!(
            "index_window must be 1024 to capacity (1048576), got 1048577",
            refusal(|c| c.index_window = 1_048_577)
        );
        assert_eq!(
            "novelty_radius must be above 0 and at most neighbor_radius (0.1), got 0.2",
            refusal(|c| c.novelty_radius = 0.2)
        );
        for change in [
            (|c| c.neighbor_radius = f64::NAN) as fn(&mut Config),
            |c| c.neighbor_radius = 1e10,
            |c| c.novelty_radius = 0.0,
            |c| c.novelty_ttl = Some(-1.0),
            |c| c.max_neighbors = 65,
            |c| c.max_neighbors = 0,
            |c| c.event_neighbors = 65,
            |c| c.max_leaves = 0,
            |c| c.auto_connect = 11,
            |c| c.max_connections = 1 << 27,
            |c| c.threads = 0,
            |c| c.queue_size = 1,
            |c| c.scales[2] = 0.0,
            |c| c.scales[2] = f32::INFINITY,
            |c| c.node = "n".repeat(257),
            |c| (c.publish, c.neighbors) = (Publish::Novel, Neighbors::Off),
        ] {
            let text = refusal(change);
            assert!(text.contains(" must be "), "{text}");
        }
    }
}
