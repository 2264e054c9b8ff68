//! A leaf: up to 512 balls that lie near one another and are about as large; more only where nothing tells them apart.

use super::extent::Extent;
use super::grid::Grid;
use super::sheet::{Rows, Sheet};
use crate::ball::narrow;
use crate::tree::fetch_ahead;
use crate::{Ball, DIMENSIONS, Vector};

/// Balls of a leaf: a row of its bits is a line of the caches then. (256 and 1,024 measured worse.)
pub const CAPACITY: usize = 512;
/// Balls that a small leaf has room for.
const SMALLEST: usize = 64;
/// So many balls are side by side whatever their order.
const SIDE_BY_SIDE: usize = 16;
/// A leaf is split where each part has this share of its balls at least.
const SHARE: usize = 8;

/// A ball as most points need to know it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub center: Vector,
    /// It holds what seems to lie within this square,
    pub sure: f32,
    /// and nothing beyond this one.
    pub reach: f32,
    pub number: u32,
    pub owner: u32,
}

impl Row {
    /// Of a ball that reaches so far.
    pub fn new(ball: &Ball, reach: f32, number: u32, owner: u32) -> Self {
        let square = |x: f32| x * x;
        Self {
            center: ball.center().map(narrow),
            sure: ball.sure().map_or(-1.0, |sure| square(sure).next_down()),
            reach: square(reach).next_up(),
            number,
            owner,
        }
    }

    /// How far it reaches, or a hair farther.
    pub fn reach(&self) -> f32 {
        self.reach.sqrt()
    }

    /// The box around it.
    pub fn corners(&self) -> (Vector, Vector) {
        let reach = self.reach();
        let lo = self.center.map(|x| (x - reach).next_down());
        (lo, self.center.map(|x| (x + reach).next_up()))
    }
}

/// What the balls of a leaf have in common.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    centers: Extent,
    /// The least of them reaches so far, and the most.
    least: f32,
    most: f32,
    square: f32,
}

impl Bounds {
    pub const NONE: Self = Self {
        centers: Extent::EMPTY,
        least: f32::INFINITY,
        most: 0.0,
        square: -1.0,
    };

    pub fn cover(&mut self, row: &Row) {
        let reach = row.reach();
        self.centers.cover(&row.center, &row.center);
        self.least = self.least.min(reach);
        self.most = self.most.max(reach);
        self.square = self.square.max(row.reach);
    }

    /// Whether one of them may reach a point.
    #[inline]
    pub fn reaches(&self, point: &Vector) -> bool {
        self.centers.least_square(point) <= self.square
    }

    /// How far a ball is from them, its size told like a place.
    pub fn gap(&self, center: &Vector, reach: f32) -> f32 {
        let larger = (reach - self.most).max(self.least - reach).max(0.0);
        self.centers.least_square(center) + larger * larger
    }
}

/// Balls by their places.
pub struct Leaf {
    grid: Grid,
    sheet: Sheet,
    rows: Vec<Row>,
    /// Places of those that have gone.
    free: Vec<u32>,
    /// How many there were when it was measured.
    measured: usize,
}

/// The number of a row that has gone.
const GONE: u32 = u32::MAX;

/// Room for so many, and for one more.
fn room(balls: usize) -> usize {
    (balls + 1).next_power_of_two().max(SMALLEST)
}

impl Leaf {
    /// None.
    pub fn none() -> Self {
        Self {
            grid: Grid::over(&Extent::EMPTY),
            sheet: Sheet::none(),
            rows: Vec::new(),
            free: Vec::new(),
            measured: 0,
        }
    }

    /// Of these balls; what they have in common, and the box around them all.
    pub fn of(balls: &mut [Row]) -> (Self, Bounds, Extent) {
        arrange(balls);
        let (mut bounds, mut outer) = (Bounds::NONE, Extent::EMPTY);
        for row in &*balls {
            let (lo, hi) = row.corners();
            bounds.cover(row);
            outer.cover(&lo, &hi);
        }
        let grid = Grid::over(&outer);
        let mut sheet = Sheet::new(room(balls.len()));
        sheet.fill(balls.iter().map(|row| {
            let (lo, hi) = row.corners();
            (grid.cells(&lo), grid.cells(&hi))
        }));
        let leaf = Self {
            grid,
            sheet,
            rows: balls.to_vec(),
            free: Vec::new(),
            measured: balls.len(),
        };
        (leaf, bounds, outer)
    }

    pub fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }

    pub fn bytes(&self) -> usize {
        self.sheet.bytes()
            + self.rows.capacity() * size_of::<Row>()
            + self.free.capacity() * size_of::<u32>()
    }

    pub fn is_full(&self) -> bool {
        self.len() == self.sheet.room()
    }

    /// Whether another measure would fit it better: there are twice as many as then, or half.
    pub fn is_stale(&self) -> bool {
        let (now, then) = (self.len(), self.measured);
        now >= 2 * then || 2 * now < then
    }

    /// Its balls, each with its place.
    pub fn balls(&self) -> impl Iterator<Item = (u32, &Row)> {
        let rows = (0..).zip(&self.rows);
        rows.filter(|(_, row)| row.number != GONE)
    }

    pub fn row_mut(&mut self, place: u32) -> Option<&mut Row> {
        self.rows.get_mut(place as usize)
    }

    /// Take in one more, if it is not full. -> its place
    pub fn insert(&mut self, row: Row) -> u32 {
        let (lo, hi) = row.corners();
        let place = if let Some(place) = self.free.pop() {
            self.rows[place as usize] = row;
            place
        } else {
            super::reserve(&mut self.rows);
            self.rows.push(row);
            #[allow(clippy::cast_possible_truncation)] // no memory there is holds 2³² of them
            let place = (self.rows.len() - 1) as u32;
            place
        };
        let (lo, hi) = (self.grid.cells(&lo), self.grid.cells(&hi));
        self.sheet.put(place as usize, &lo, &hi);
        place
    }

    /// The ball at a place goes.
    pub fn remove(&mut self, place: u32) {
        let row = &mut self.rows[place as usize];
        let (lo, hi) = row.corners();
        row.number = GONE;
        self.free.push(place);
        let (lo, hi) = (self.grid.cells(&lo), self.grid.cells(&hi));
        self.sheet.clear(place as usize, &lo, &hi);
    }

    /// The rows of bits that tell of a point. A look at them is about to come.
    #[inline]
    pub fn expect(&self, point: &Vector) -> Rows {
        let rows = self.sheet.rows(&self.grid.cells(point));
        self.sheet.expect(&rows);
        rows
    }

    /// The places of balls that may hold the point that these rows tell of.
    #[inline]
    pub fn find(&self, rows: &Rows, mut found: impl FnMut(u32)) {
        self.sheet.find(rows, |place| {
            fetch_ahead(&raw const self.rows[place], size_of::<Row>());
            #[allow(clippy::cast_possible_truncation)] // no memory there is holds 2³² of them
            found(place as u32);
        });
    }

    pub fn row(&self, place: u32) -> &Row {
        &self.rows[place as usize]
    }
}

/// By what a leaf may be split: a place on an axis, or a size.
fn key(row: &Row, axis: usize) -> f32 {
    row.center.get(axis).copied().unwrap_or(row.reach)
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
fn arrange(balls: &mut [Row]) {
    if balls.len() <= SIDE_BY_SIDE {
        return;
    }
    let mut centers = Extent::EMPTY;
    for row in balls.iter() {
        centers.cover(&row.center, &row.center);
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
