//! What balls become a leaf together, and in which order they stand there.

use super::leaf::{Bounds, Row};
use crate::DIMENSIONS;
use crate::extent::Extent;

/// Each part of a leaf that is split has this share of its balls at least.
const SHARE: usize = 8;
/// So many balls are side by side whatever their order.
const SIDE_BY_SIDE: usize = 16;

/// By what a leaf may be split: a place on an axis, or a size.
fn key(row: &Row, axis: usize) -> f32 {
    row.center.get(axis).copied().unwrap_or(row.tag.reach)
}

/// Two parts of balls of which each is found by fewer points; none where nothing tells enough of them apart.
pub fn split(balls: &[Row]) -> Option<(Vec<Row>, Vec<Row>)> {
    let mut bounds = Bounds::NONE;
    for row in balls {
        bounds.cover(row);
    }
    let mut reaches: Vec<f32> = balls.iter().map(Row::reach).collect();
    let half = reaches.len() / 2;
    let median = *reaches.select_nth_unstable_by(half, f32::total_cmp).1;
    let (most, widths) = (bounds.most, bounds.centers);
    // How many points find a part, compared with the whole: as many as lie in the box around it.
    let share = |axis: usize, side: f32, reach: f32| {
        let whole = widths.side(axis) + 2.0 * most;
        if whole > 0.0 {
            (side + 2.0 * reach) / whole
        } else {
            1.0
        }
    };
    let smaller: f32 = (0..DIMENSIONS)
        .map(|axis| share(axis, widths.side(axis), median))
        .product();
    let mut axes: Vec<(f32, usize)> = (0..DIMENSIONS)
        .map(|axis| (share(axis, widths.side(axis) / 2.0, most), axis))
        .collect();
    axes.push((f32::midpoint(1.0, smaller), DIMENSIONS));
    axes.sort_by(|one, other| one.0.total_cmp(&other.0));
    axes.iter().find_map(|(_, axis)| halves(balls, *axis))
}

fn halves(balls: &[Row], axis: usize) -> Option<(Vec<Row>, Vec<Row>)> {
    let mut keys: Vec<f32> = balls.iter().map(|row| key(row, axis)).collect();
    let half = keys.len() / 2;
    let median = *keys.select_nth_unstable_by(half, f32::total_cmp).1;
    let below = |row: &&Row| key(row, axis) < median;
    let upto = |row: &&Row| key(row, axis) <= median;
    let is_even =
        |(one, other): &(Vec<Row>, Vec<Row>)| one.len().min(other.len()) >= balls.len() / SHARE;
    let parts = balls.iter().partition(below);
    Some(parts)
        .filter(is_even)
        .or_else(|| Some(balls.iter().partition(upto)).filter(is_even))
}

/// Have balls that lie near one another side by side, so that who holds a point shares lines of the caches.
pub fn arrange(balls: &mut [Row]) {
    if balls.len() <= SIDE_BY_SIDE {
        return;
    }
    let mut centers = Extent::EMPTY;
    for row in balls.iter() {
        centers.cover(&row.center);
    }
    let side = |axis: &usize| centers.side(*axis);
    let widest = (0..DIMENSIONS).max_by(|one, other| side(one).total_cmp(&side(other)));
    let axis = widest.unwrap_or(0);
    let half = balls.len() / 2;
    balls.select_nth_unstable_by(half, |one, other| {
        key(one, axis).total_cmp(&key(other, axis))
    });
    let (one, other) = balls.split_at_mut(half);
    arrange(one);
    arrange(other);
}
