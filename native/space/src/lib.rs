//! Points in eight dimensions: what lies near one (`Tree`), and which balls hold it (`Balls`).
//!
//! Pure: no clock, no I/O, no knowledge of signals or subscriptions. Distances are plain L2; whoever weighs axes does so
//! before points come here. Everything is exact unless a search is told to give up early, and then it says so.

#![deny(unsafe_code)] // but for the loads of `lanes.rs`

mod ball;
mod balls;
mod extent;
mod index;
mod lanes;
mod scan;
mod tree;

pub use ball::{Ball, NotABall};
pub use balls::Balls;
pub use index::{Budget, Entry, Hit, Index, IndexInfo, Nearest, Query};
pub use lanes::fetch_ahead;
pub use scan::Scan;
pub use tree::Tree;

/// How many coordinates a point has.
pub const DIMENSIONS: usize = 8;

/// Eight coordinates.
pub type Vector = [f32; DIMENSIONS];

/// The square of a distance, summed axis by axis in single precision without fused multiply-add: every implementation
/// gives the same bits.
pub fn square_between(a: &Vector, b: &Vector) -> f32 {
    let mut sum = 0.0;
    for (x, y) in a.iter().zip(b) {
        let offset = y - x;
        sum += offset * offset;
    }
    sum
}

#[allow(clippy::cast_precision_loss)] // counters: 53 bits are enough
fn share(part: u64, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}
