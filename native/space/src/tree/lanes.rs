//! Sixteen-bit distances, 48 at once. Every way of computing them gives the same bits, since they are integers.

#![allow(unsafe_code)] // loads into vector registers, hints to caches, and calls of what the processor was asked for first

use super::bucket::CAPACITY;
use crate::DIMENSIONS;

/// Points of a group.
const LANES: usize = 16;
/// Largest coordinate of a cell, either way; that of a query is at most one more, so that eight squares fit 31 bits.
pub const REACH: i16 = 4_095;

/// The coordinates of a bucket's points in its own measure, two axes side by side: what one multiply-add takes.
#[derive(Clone)]
#[repr(C, align(64))]
pub struct Cells([[[i16; 2 * LANES]; DIMENSIONS / 2]; CAPACITY / LANES]);

impl Cells {
    pub const ZERO: Self = Self([[[0; 2 * LANES]; DIMENSIONS / 2]; CAPACITY / LANES]);

    pub fn put(&mut self, place: usize, cell: &[i16; DIMENSIONS]) {
        let (group, lane) = (place / LANES, place % LANES);
        for (pair, two) in self.0[group].iter_mut().zip(cell.as_chunks::<2>().0) {
            pair[2 * lane] = two[0];
            pair[2 * lane + 1] = two[1];
        }
    }

    /// One bit for each place whose square is at most `limit`; beyond the points there are, bits mean nothing.
    pub fn within(&self, query: &[i16; DIMENSIONS], limit: i32) -> u64 {
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has just said that it has AVX2.
                return unsafe { x86::within_avx2(self, query, limit) };
            }
            return x86::within_sse2(self, query, limit);
        }
        #[allow(unreachable_code)]
        self.within_plain(query, limit)
    }

    #[cfg_attr(all(target_arch = "x86_64", not(test)), allow(dead_code))]
    fn within_plain(&self, query: &[i16; DIMENSIONS], limit: i32) -> u64 {
        let mut mask = 0;
        for (group, pairs) in self.0.iter().enumerate() {
            let mut sums = [0_i32; LANES];
            for (pair, two) in pairs.iter().zip(query.as_chunks::<2>().0) {
                for (sum, cell) in sums.iter_mut().zip(pair.as_chunks::<2>().0) {
                    let a = i32::from(cell[0].wrapping_sub(two[0]));
                    let b = i32::from(cell[1].wrapping_sub(two[1]));
                    *sum = sum.wrapping_add(a.wrapping_mul(a).wrapping_add(b.wrapping_mul(b)));
                }
            }
            for (lane, sum) in sums.iter().enumerate() {
                mask |= u64::from(*sum <= limit) << (group * LANES + lane);
            }
        }
        mask
    }
}

/// Have the first `bytes` of a thing on their way into the caches before they are needed.
#[inline]
pub fn fetch_ahead<T>(thing: *const T, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        let start = thing.cast::<i8>();
        for line in 0..bytes.min(size_of::<T>()).div_ceil(64) {
            // SAFETY: every x86-64 processor has SSE; nothing is read, and no address is wrong to ask for.
            unsafe { std::arch::x86_64::_mm_prefetch::<3>(start.wrapping_add(64 * line)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (thing, bytes);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #![allow(clippy::cast_ptr_alignment)] // the loads need none

    use std::arch::x86_64::{
        __m128i, __m256i, _mm_add_epi32, _mm_castsi128_ps, _mm_cmpgt_epi32, _mm_loadu_si128,
        _mm_madd_epi16, _mm_movemask_ps, _mm_set1_epi32, _mm_setzero_si128, _mm_sub_epi16,
        _mm256_add_epi32, _mm256_castsi256_ps, _mm256_cmpgt_epi32, _mm256_loadu_si256,
        _mm256_madd_epi16, _mm256_movemask_ps, _mm256_set1_epi32, _mm256_setzero_si256,
        _mm256_sub_epi16,
    };

    use super::{CAPACITY, Cells, DIMENSIONS};

    /// Two coordinates in one word, as they lie in memory.
    fn pairs(query: &[i16; DIMENSIONS]) -> [i32; DIMENSIONS / 2] {
        let word = |pair: usize| {
            let [a, b] = [
                query[2 * pair].to_le_bytes(),
                query[2 * pair + 1].to_le_bytes(),
            ];
            i32::from_le_bytes([a[0], a[1], b[0], b[1]])
        };
        [word(0), word(1), word(2), word(3)]
    }

    #[target_feature(enable = "avx2")]
    pub fn within_avx2(cells: &Cells, query: &[i16; DIMENSIONS], limit: i32) -> u64 {
        let query = pairs(query).map(|pair| _mm256_set1_epi32(pair));
        let limit = _mm256_set1_epi32(limit);
        let mut beyond = 0_u64;
        for (group, axes) in cells.0.iter().enumerate() {
            for half in 0..2 {
                let mut sums = _mm256_setzero_si256();
                for (pair, query) in axes.iter().zip(query) {
                    let eight = &pair.as_chunks::<16>().0[half];
                    // SAFETY: the array is as long as the register.
                    let cell = unsafe { _mm256_loadu_si256(eight.as_ptr().cast::<__m256i>()) };
                    let offsets = _mm256_sub_epi16(cell, query);
                    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(offsets, offsets));
                }
                let mask = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(sums, limit)));
                beyond |= u64::from(mask.cast_unsigned()) << (16 * group + 8 * half);
            }
        }
        !beyond & ((1 << CAPACITY) - 1)
    }

    pub fn within_sse2(cells: &Cells, query: &[i16; DIMENSIONS], limit: i32) -> u64 {
        // SAFETY: every x86-64 processor has SSE2.
        unsafe { sse2(cells, query, limit) }
    }

    #[target_feature(enable = "sse2")]
    fn sse2(cells: &Cells, query: &[i16; DIMENSIONS], limit: i32) -> u64 {
        let query = pairs(query).map(|pair| _mm_set1_epi32(pair));
        let limit = _mm_set1_epi32(limit);
        let mut beyond = 0_u64;
        for (group, axes) in cells.0.iter().enumerate() {
            for quarter in 0..4 {
                let mut sums = _mm_setzero_si128();
                for (pair, query) in axes.iter().zip(query) {
                    let four = &pair.as_chunks::<8>().0[quarter];
                    // SAFETY: the array is as long as the register.
                    let cell = unsafe { _mm_loadu_si128(four.as_ptr().cast::<__m128i>()) };
                    let offsets = _mm_sub_epi16(cell, query);
                    sums = _mm_add_epi32(sums, _mm_madd_epi16(offsets, offsets));
                }
                let mask = _mm_movemask_ps(_mm_castsi128_ps(_mm_cmpgt_epi32(sums, limit)));
                beyond |= u64::from(mask.cast_unsigned()) << (16 * group + 4 * quarter);
            }
        }
        !beyond & ((1 << CAPACITY) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// signals.md §11, 12
        #[test]
        fn every_way_gives_the_same_bits(
            cells in prop::collection::vec(prop::array::uniform8(-REACH..=REACH), CAPACITY),
            query in prop::array::uniform8(-REACH - 1..=REACH + 1),
            limit in prop_oneof![0_i32..1 << 28, Just(i32::MAX), Just(0)],
        ) {
            let mut all = Cells::ZERO;
            for (place, cell) in cells.iter().enumerate() {
                all.put(place, cell);
            }
            let plain = all.within_plain(&query, limit);
            for (place, cell) in cells.iter().enumerate() {
                let square: i64 = cell.iter().zip(&query).map(|(x, y)| i64::from(x - y).pow(2)).sum();
                prop_assert_eq!(square <= i64::from(limit), plain >> place & 1 == 1);
            }
            prop_assert_eq!(plain, all.within(&query, limit));
            #[cfg(target_arch = "x86_64")]
            prop_assert_eq!(plain, x86::within_sse2(&all, &query, limit));
        }
    }
}
