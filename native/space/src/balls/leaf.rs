//! A leaf: up to 512 balls that lie near one another and are about as large; more only where nothing tells them apart.

use super::grid::Grid;
use super::sheet::{Rows, Sheet};
use super::split::arrange;
use crate::ball::narrow;
use crate::extent::Extent;
use crate::lanes::{fetch_ahead, sum_of_squares};
use crate::{Ball, Vector};

/// Balls of a leaf: a row of its bits is a line of the caches then. (256 and 1,024 measured worse.)
pub const CAPACITY: usize = 512;
/// Balls that a small leaf has room for.
const SMALLEST: usize = 64;
/// Sides of a box.
const SIDES: f32 = 16.0;

/// Half a line of the caches, and in no two of them.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
struct Center(Vector);

/// What a point needs to know of a ball that is about as near as it reaches.
#[derive(Clone, Copy, Debug)]
pub struct Tag {
    /// It holds what seems to lie within this square of its centre,
    pub sure: f32,
    /// and nothing beyond this one.
    pub reach: f32,
    pub number: u32,
    pub owner: u32,
}

/// A ball on its way into a leaf.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub center: Vector,
    pub tag: Tag,
}

impl Row {
    /// Of a ball that reaches so far.
    pub fn new(ball: &Ball, reach: f32, number: u32, owner: u32) -> Self {
        let square = |x: f32| x * x;
        let tag = Tag {
            sure: ball.sure().map_or(-1.0, |sure| square(sure).next_down()),
            reach: square(reach).next_up(),
            number,
            owner,
        };
        Self {
            center: ball.center().map(narrow),
            tag,
        }
    }

    /// How far it reaches, or a hair farther.
    pub fn reach(&self) -> f32 {
        self.tag.reach.sqrt()
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
    pub centers: Extent,
    /// The least of them reaches so far, and the most.
    least: f32,
    pub most: f32,
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
        self.centers.cover(&row.center);
        self.least = self.least.min(reach);
        self.most = self.most.max(reach);
        self.square = self.square.max(row.tag.reach);
    }

    /// Whether one of them may reach a point.
    #[inline]
    pub fn reaches(&self, point: &Vector) -> bool {
        self.centers.least_square(point) <= self.square
    }

    /// None of them reaches farther than the root of this.
    #[inline]
    pub fn square(&self) -> f32 {
        self.square
    }

    /// How far a ball is from them. As much larger or smaller counts on every axis, and to both sides.
    pub fn gap(&self, center: &Vector, reach: f32) -> f32 {
        let larger = (reach - self.most).max(self.least - reach).max(0.0);
        self.centers.least_square(center) + SIDES * larger * larger
    }
}

/// Balls by their places.
pub struct Leaf {
    grid: Grid,
    sheet: Sheet,
    centers: Vec<Center>,
    tags: Vec<Tag>,
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
            centers: Vec::new(),
            tags: Vec::new(),
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
            outer.cover_box(&lo, &hi);
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
            centers: balls.iter().map(|row| Center(row.center)).collect(),
            tags: balls.iter().map(|row| row.tag).collect(),
            free: Vec::new(),
            measured: balls.len(),
        };
        (leaf, bounds, outer)
    }

    pub fn len(&self) -> usize {
        self.tags.len() - self.free.len()
    }

    pub fn bytes(&self) -> usize {
        self.sheet.bytes()
            + self.centers.capacity() * size_of::<Center>()
            + self.tags.capacity() * size_of::<Tag>()
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

    fn row(&self, place: usize) -> Row {
        Row {
            center: self.centers[place].0,
            tag: self.tags[place],
        }
    }

    /// Its balls, each with its place.
    pub fn balls(&self) -> impl Iterator<Item = (u32, Row)> {
        let places = (0..).zip(&self.tags);
        let used = places.filter(|(_, tag)| tag.number != GONE);
        used.map(|(place, _)| (place, self.row(place as usize)))
    }

    pub fn tag_mut(&mut self, place: u32) -> Option<&mut Tag> {
        self.tags.get_mut(place as usize)
    }

    /// Take in one more, if it is not full. -> its place
    pub fn insert(&mut self, row: Row) -> u32 {
        let place = if let Some(place) = self.free.pop() {
            self.centers[place as usize] = Center(row.center);
            self.tags[place as usize] = row.tag;
            place
        } else {
            super::reserve(&mut self.centers);
            super::reserve(&mut self.tags);
            self.centers.push(Center(row.center));
            self.tags.push(row.tag);
            #[allow(clippy::cast_possible_truncation)] // no memory there is holds 2³² of them
            let place = (self.tags.len() - 1) as u32;
            place
        };
        let (lo, hi) = row.corners();
        let (lo, hi) = (self.grid.cells(&lo), self.grid.cells(&hi));
        self.sheet.put(place as usize, &lo, &hi);
        place
    }

    /// The ball at a place goes.
    pub fn remove(&mut self, place: u32) {
        let (lo, hi) = self.row(place as usize).corners();
        self.tags[place as usize].number = GONE;
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

    /// The places of balls whose boxes have the point that these rows tell of. A look at their centres is about to come.
    #[inline]
    pub fn find(&self, rows: &Rows, mut found: impl FnMut(u32)) {
        self.sheet.find(rows, |place| {
            fetch_ahead(&raw const self.centers[place], size_of::<Center>());
            #[allow(clippy::cast_possible_truncation)] // no memory there is holds 2³² of them
            found(place as u32);
        });
    }

    /// How far a point is from a centre: the square of that.
    #[inline]
    pub fn square(&self, place: u32, point: &Vector) -> f32 {
        square(point, &self.centers[place as usize].0)
    }

    /// A look at this tag is about to come.
    #[inline]
    pub fn expect_tag(&self, place: u32) {
        fetch_ahead(&raw const self.tags[place as usize], size_of::<Tag>());
    }

    #[inline]
    pub fn tag(&self, place: u32) -> &Tag {
        &self.tags[place as usize]
    }
}

/// The square of a distance, to a few places in the last digit.
#[inline]
fn square(a: &Vector, b: &Vector) -> f32 {
    sum_of_squares(&std::array::from_fn(|axis| a[axis] - b[axis]))
}
