//! Boxes as bits: one for each cell of each axis that a box has a part in. The boxes that may hold a point are those whose bit
//! is set in its cell of every axis: eight rows of bits are read, and nothing of the boxes themselves.

use super::grid::{CELLS, Cells};
use crate::DIMENSIONS;
use crate::lanes::fetch_ahead;

/// Bits of a word.
const WORD: usize = u64::BITS as usize;
/// Words of a line of the caches.
const WORDS: usize = 8;

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([u64; WORDS]);

/// Boxes by their places.
pub struct Sheet {
    /// Row by row, and those of an axis side by side.
    lines: Box<[Line]>,
    /// Words of a row: a power of two, or whole lines.
    width: usize,
}

/// Where the rows of eight cells begin: the number of a word.
pub type Rows = [u32; DIMENSIONS];

impl Sheet {
    /// No room at all.
    pub fn none() -> Self {
        Self {
            lines: Box::default(),
            width: 0,
        }
    }

    /// Room for so many boxes at least.
    pub fn new(places: usize) -> Self {
        let words = places.div_ceil(WORD).max(1);
        let width = if words < WORDS {
            words.next_power_of_two()
        } else {
            words.next_multiple_of(WORDS)
        };
        let lines = DIMENSIONS * CELLS * width / WORDS;
        Self {
            lines: vec![Line([0; WORDS]); lines].into_boxed_slice(),
            width,
        }
    }

    /// For how many boxes there is room.
    pub fn room(&self) -> usize {
        self.width * WORD
    }

    pub fn bytes(&self) -> usize {
        size_of_val(&*self.lines)
    }

    /// The rows of these cells.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // 2³² words are 32 GiB
    pub fn rows(&self, cells: &Cells) -> Rows {
        let mut rows = [0; DIMENSIONS];
        for ((row, cell), first) in rows.iter_mut().zip(cells).zip((0_u32..).step_by(CELLS)) {
            *row = first.wrapping_add(*cell).wrapping_mul(self.width as u32);
        }
        rows
    }

    /// A box between these cells has this place.
    pub fn put(&mut self, place: usize, lo: &Cells, hi: &Cells) {
        self.each_word(place, lo, hi, |word, bit| *word |= bit);
    }

    /// The box between these cells leaves its place.
    pub fn clear(&mut self, place: usize, lo: &Cells, hi: &Cells) {
        self.each_word(place, lo, hi, |word, bit| *word &= !bit);
    }

    fn each_word(&mut self, place: usize, lo: &Cells, hi: &Cells, change: impl Fn(&mut u64, u64)) {
        let (number, bit) = (place / WORD, 1 << (place % WORD));
        for (first, last) in self.rows(lo).into_iter().zip(self.rows(hi)) {
            for row in (first as usize..=last as usize).step_by(self.width) {
                change(self.word_mut(row + number), bit);
            }
        }
    }

    fn word_mut(&mut self, at: usize) -> &mut u64 {
        &mut self.lines[at / WORDS].0[at % WORDS]
    }

    /// Put boxes, of which each begins and ends in these cells, into the places from the first on; there were none.
    pub fn fill(&mut self, boxes: impl Iterator<Item = (Cells, Cells)>) {
        for (place, (lo, hi)) in boxes.enumerate() {
            let (number, bit) = (place / WORD, 1 << (place % WORD));
            for (first, last) in self.rows(&lo).into_iter().zip(self.rows(&hi)) {
                *self.word_mut(first as usize + number) ^= bit;
                let behind = last as usize + self.width;
                if !behind.is_multiple_of(CELLS * self.width) {
                    *self.word_mut(behind + number) ^= bit;
                }
            }
        }
        // What has begun goes on until it ends.
        for at in 0..DIMENSIONS * CELLS * self.width {
            if at % (CELLS * self.width) >= self.width {
                let before = *self.word_mut(at - self.width);
                *self.word_mut(at) ^= before;
            }
        }
    }

    /// A look at these rows is about to come.
    #[inline]
    pub fn expect(&self, rows: &Rows) {
        for row in rows {
            fetch_ahead(
                &raw const self.lines[*row as usize / WORDS],
                size_of::<Line>(),
            );
        }
    }

    /// The places of the boxes that have a part in the cells of all these rows.
    #[inline]
    pub fn find(&self, rows: &Rows, mut found: impl FnMut(usize)) {
        if self.width < WORDS {
            for number in 0..self.width {
                let word = |row: &u32| {
                    let at = *row as usize + number;
                    self.lines[at / WORDS].0[at % WORDS]
                };
                let all = rows.iter().fold(u64::MAX, |all, row| all & word(row));
                each_bit(number, all, &mut found);
            }
            return;
        }
        for line in 0..self.width / WORDS {
            let mut all = [u64::MAX; WORDS];
            for row in rows {
                let words = &self.lines[*row as usize / WORDS + line].0;
                for (all, word) in all.iter_mut().zip(words) {
                    *all &= word;
                }
            }
            if all.iter().fold(0, |any, word| any | word) == 0 {
                continue;
            }
            for (number, word) in all.into_iter().enumerate() {
                each_bit(line * WORDS + number, word, &mut found);
            }
        }
    }
}

#[inline]
fn each_bit(number: usize, word: u64, found: &mut impl FnMut(usize)) {
    let mut left = word;
    while left != 0 {
        found(number * WORD + left.trailing_zeros() as usize);
        left &= left - 1;
    }
}
