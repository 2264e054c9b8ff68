//! What is computed lane by lane: distances between cells, 64 at once, and how far a box is. Every way gives the same bits.

#![allow(unsafe_code)] // loads into vector registers, hints to caches, and calls of what the processor was asked for first

use std::ops::RangeInclusive;

use crate::tree::CAPACITY;
use crate::{DIMENSIONS, Vector};

/// Points of a group.
const LANES: usize = 16;
/// Offsets between cells count up to here: two of their squares fit 16 bits.
const FARTHEST: u8 = 127;
/// A hair is taken off a sum of squares for the order in which it was summed.
const HAIR: f32 = 0.999_999;

/// The square of how far a point is from a box at least.
#[inline]
pub fn box_square(lo: &Vector, hi: &Vector, point: &Vector) -> f32 {
    #[cfg(target_arch = "x86_64")]
    return x86::box_square_sse(lo, hi, point) * HAIR;
    #[cfg(not(target_arch = "x86_64"))]
    return box_square_plain(lo, hi, point) * HAIR;
}

#[cfg_attr(all(target_arch = "x86_64", not(test)), allow(dead_code))]
fn box_square_plain(lo: &Vector, hi: &Vector, point: &Vector) -> f32 {
    let mut gaps = [0.0; DIMENSIONS];
    for (((gap, lo), hi), x) in gaps.iter_mut().zip(lo).zip(hi).zip(point) {
        let below = lo - x;
        let above = x - hi;
        let larger = if below > above { below } else { above };
        *gap = if larger > 0.0 { larger } else { 0.0 };
    }
    sum_of_squares(&gaps)
}

/// No point has a smaller square that is at least so far away along each axis: the terms are those of its distance or less,
/// and room is left for the order of summing.
#[inline]
pub fn least_square(gaps: &Vector) -> f32 {
    sum_of_squares(gaps) * HAIR
}

/// Summed in pairs, as vector registers do it.
#[inline]
pub fn sum_of_squares(gaps: &Vector) -> f32 {
    let mut halves = [0.0_f32; DIMENSIONS / 2];
    for (axis, half) in halves.iter_mut().enumerate() {
        let (a, b) = (gaps[axis], gaps[axis + DIMENSIONS / 2]);
        *half = a * a + b * b;
    }
    (halves[0] + halves[2]) + (halves[1] + halves[3])
}

/// Largest coordinate of a cell, either way from the middle, one more than those of points inside.
const BORDER: f32 = 127.0;
const MIDDLE: u8 = 128;
/// The coordinates of points inside.
pub const INSIDE: RangeInclusive<u8> = 2..=254;

/// The cell nearest to a point; of a point outside, one on the border, nearer to everything inside.
#[inline]
pub fn cells_of(point: &Vector, origin: &Vector, per_unit: f32) -> [u8; DIMENSIONS] {
    #[cfg(target_arch = "x86_64")]
    return x86::cells_of_sse2(point, origin, per_unit);
    #[cfg(not(target_arch = "x86_64"))]
    return cells_of_plain(point, origin, per_unit);
}

#[cfg_attr(all(target_arch = "x86_64", not(test)), allow(dead_code))]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // rounded and clamped
fn cells_of_plain(point: &Vector, origin: &Vector, per_unit: f32) -> [u8; DIMENSIONS] {
    std::array::from_fn(|axis| {
        let x = (point[axis] - origin[axis]) * per_unit;
        let x = if x > -BORDER { x } else { -BORDER };
        let x = if x < BORDER { x } else { BORDER };
        (x.round_ties_even() + f32::from(MIDDLE)) as u8
    })
}

/// The coordinates of a bucket's points in its own measure, two axes side by side: what one multiply-add takes.
#[derive(Clone)]
#[repr(C, align(64))]
pub struct Cells([[[u8; 2 * LANES]; DIMENSIONS / 2]; CAPACITY / LANES]);

impl Cells {
    pub const ZERO: Self = Self([[[0; 2 * LANES]; DIMENSIONS / 2]; CAPACITY / LANES]);

    pub fn put(&mut self, place: usize, cell: [u8; DIMENSIONS]) {
        let (group, lane) = (place / LANES, place % LANES);
        for (pair, two) in self.0[group].iter_mut().zip(cell.as_chunks::<2>().0) {
            pair[2 * lane] = two[0];
            pair[2 * lane + 1] = two[1];
        }
    }

    /// The cell of this place is about to be replaced.
    #[inline]
    pub fn expect(&self, place: usize) {
        if let Some(group) = self.0.get(place / LANES) {
            fetch_ahead(group, size_of_val(group));
        }
    }

    /// One bit for each place whose square is at most `limit`; beyond the points there are, bits mean nothing. An offset
    /// counts as [`FARTHEST`] at most, and a square as the largest number of 16 bits at most.
    #[inline]
    pub fn within(&self, query: [u8; DIMENSIONS], limit: i16) -> u64 {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has just said that it has AVX2.
            return unsafe { x86::within_avx2(self, query, limit) };
        }
        self.within_plain(query, limit)
    }

    fn within_plain(&self, query: [u8; DIMENSIONS], limit: i16) -> u64 {
        let mut mask = 0;
        for (group, pairs) in self.0.iter().enumerate() {
            let mut sums = [0_i16; LANES];
            for (pair, two) in pairs.iter().zip(query.as_chunks::<2>().0) {
                for (sum, cell) in sums.iter_mut().zip(pair.as_chunks::<2>().0) {
                    let a = i16::from(cell[0].abs_diff(two[0]).min(FARTHEST));
                    let b = i16::from(cell[1].abs_diff(two[1]).min(FARTHEST));
                    *sum = sum.saturating_add(a * a + b * b);
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
    for line in lines(thing, bytes) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: every x86-64 processor has SSE; nothing is read, and no address is wrong to ask for.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<3>(line);
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = line;
    }
}

/// The same, for what is looked at once: it does not displace what is needed again and again.
#[inline]
pub fn fetch_once<T>(thing: *const T, bytes: usize) {
    for line in lines(thing, bytes) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<0>(line);
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = line;
    }
}

#[inline]
fn lines<T>(thing: *const T, bytes: usize) -> impl Iterator<Item = *const i8> {
    let start = thing.cast::<i8>();
    let count = bytes.min(size_of::<T>()).div_ceil(64);
    (0..count).map(move |line| start.wrapping_add(64 * line))
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #![allow(clippy::cast_ptr_alignment)] // the loads need none

    use std::arch::x86_64::{
        __m256i, _mm_add_epi16, _mm_add_ps, _mm_add_ss, _mm_cvtps_epi32, _mm_cvtsi128_si64,
        _mm_cvtss_f32, _mm_loadu_ps, _mm_max_ps, _mm_min_ps, _mm_movehl_ps, _mm_movemask_epi8,
        _mm_mul_ps, _mm_packs_epi16, _mm_packs_epi32, _mm_packus_epi16, _mm_set1_epi16,
        _mm_set1_ps, _mm_setzero_ps, _mm_shuffle_ps, _mm_sub_ps, _mm256_adds_epi16,
        _mm256_castsi256_si128, _mm256_cmpgt_epi16, _mm256_extracti128_si256, _mm256_loadu_si256,
        _mm256_maddubs_epi16, _mm256_max_epu8, _mm256_min_epu8, _mm256_set1_epi8,
        _mm256_set1_epi16, _mm256_setzero_si256, _mm256_sub_epi8,
    };

    use super::{BORDER, Cells, DIMENSIONS, FARTHEST, LANES, MIDDLE, Vector};

    #[inline]
    pub fn box_square_sse(lo: &Vector, hi: &Vector, point: &Vector) -> f32 {
        let squares = |half: usize| {
            let [lo, hi, x] = [lo, hi, point].map(|all| {
                let four = &all.as_chunks::<4>().0[half];
                // SAFETY: the array is as long as the register, and every x86-64 processor has SSE.
                unsafe { _mm_loadu_ps(four.as_ptr()) }
            });
            // SAFETY: every x86-64 processor has SSE.
            unsafe {
                let outside = _mm_max_ps(_mm_sub_ps(lo, x), _mm_sub_ps(x, hi));
                let gap = _mm_max_ps(outside, _mm_setzero_ps());
                _mm_mul_ps(gap, gap)
            }
        };
        // SAFETY: as above. The order is that of the plain sum.
        unsafe {
            let four = _mm_add_ps(squares(0), squares(1));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    #[inline]
    pub fn cells_of_sse2(point: &Vector, origin: &Vector, per_unit: f32) -> [u8; DIMENSIONS] {
        let four = |half: usize| {
            let [x, origin] = [point, origin].map(|all| {
                let four = &all.as_chunks::<4>().0[half];
                // SAFETY: the array is as long as the register, and every x86-64 processor has SSE.
                unsafe { _mm_loadu_ps(four.as_ptr()) }
            });
            // SAFETY: every x86-64 processor has SSE2. Rounded to the nearest, to the even one of two.
            unsafe {
                let x = _mm_mul_ps(_mm_sub_ps(x, origin), _mm_set1_ps(per_unit));
                let x = _mm_min_ps(_mm_max_ps(x, _mm_set1_ps(-BORDER)), _mm_set1_ps(BORDER));
                _mm_cvtps_epi32(x)
            }
        };
        // SAFETY: as above.
        let cells = unsafe {
            let eight = _mm_packs_epi32(four(0), four(1));
            let eight = _mm_add_epi16(eight, _mm_set1_epi16(i16::from(MIDDLE)));
            _mm_cvtsi128_si64(_mm_packus_epi16(eight, eight))
        };
        cells.to_le_bytes()
    }

    #[target_feature(enable = "avx2")]
    pub fn within_avx2(cells: &Cells, query: [u8; DIMENSIONS], limit: i16) -> u64 {
        let pair = |pair: usize| {
            let two = [query[2 * pair], query[2 * pair + 1]];
            _mm256_set1_epi16(i16::from_le_bytes(two))
        };
        let query = [pair(0), pair(1), pair(2), pair(3)];
        let farthest = _mm256_set1_epi8(FARTHEST.cast_signed());
        let limit = _mm256_set1_epi16(limit);
        let mut beyond = 0;
        for (group, axes) in cells.0.iter().enumerate() {
            let mut sums = _mm256_setzero_si256();
            for (sixteen, query) in axes.iter().zip(query) {
                // SAFETY: the array is as long as the register.
                let cell = unsafe { _mm256_loadu_si256(sixteen.as_ptr().cast::<__m256i>()) };
                let larger = _mm256_max_epu8(cell, query);
                let offsets = _mm256_sub_epi8(larger, _mm256_min_epu8(cell, query));
                let offsets = _mm256_min_epu8(offsets, farthest);
                sums = _mm256_adds_epi16(sums, _mm256_maddubs_epi16(offsets, offsets));
            }
            let sixteen = _mm256_cmpgt_epi16(sums, limit);
            let (low, high) = (
                _mm256_castsi256_si128(sixteen),
                _mm256_extracti128_si256::<1>(sixteen),
            );
            let mask = _mm_movemask_epi8(_mm_packs_epi16(low, high));
            beyond |= u64::from(mask.cast_unsigned()) << (LANES * group);
        }
        !beyond
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cells_are_the_same_either_way(
            point in prop::array::uniform8(-3e38_f32..3e38),
            origin in prop::array::uniform8(-3e38_f32..3e38),
            near in prop::array::uniform8(-300_i16..300),
            per_unit in prop_oneof![Just(0.5_f32), Just(8e13), 1e-3_f32..1e3],
        ) {
            // Halves too, where rounding has a choice.
            let close = std::array::from_fn(|axis| f32::from(near[axis]) / per_unit);
            for (point, origin) in [(point, origin), (close, [0.0; DIMENSIONS])] {
                prop_assert_eq!(cells_of_plain(&point, &origin, per_unit), cells_of(&point, &origin, per_unit));
            }
        }

        #[test]
        fn a_box_is_as_far_either_way(
            corners in prop::array::uniform2(prop::array::uniform8(-3e38_f32..3e38)),
            point in prop::array::uniform8(-3e38_f32..3e38),
            scale in prop_oneof![Just(1.0_f32), Just(1e-38), Just(3e-39)],
        ) {
            let [a, b] = corners.map(|corner| corner.map(|x| x * scale));
            let point = point.map(|x| x * scale);
            let lo: Vector = std::array::from_fn(|axis| a[axis].min(b[axis]));
            let hi: Vector = std::array::from_fn(|axis| a[axis].max(b[axis]));
            let plain = box_square_plain(&lo, &hi, &point) * HAIR;
            prop_assert_eq!(plain.to_bits(), box_square(&lo, &hi, &point).to_bits());
            prop_assert!(plain <= crate::square_between(&point, &lo));
            prop_assert_eq!(box_square(&lo, &hi, &lo).to_bits(), 0.0_f32.to_bits());
        }

        /// signals.md §11, 12
        #[test]
        fn every_way_gives_the_same_bits(
            cells in prop::collection::vec(prop::array::uniform8(any::<u8>()), CAPACITY),
            query in prop::array::uniform8(any::<u8>()),
            limit in prop_oneof![0..=i16::MAX, Just(i16::MAX), Just(0)],
        ) {
            let mut all = Cells::ZERO;
            for (place, cell) in cells.iter().enumerate() {
                all.put(place, *cell);
            }
            let plain = all.within_plain(query, limit);
            for (place, cell) in cells.iter().enumerate() {
                let offsets = cell.iter().zip(&query).map(|(x, y)| i64::from(x.abs_diff(*y)));
                let square: i64 = offsets.map(|offset| offset.min(127).pow(2)).sum();
                prop_assert_eq!(square.min(32_767) <= i64::from(limit), plain >> place & 1 == 1);
            }
            prop_assert_eq!(plain, all.within(query, limit));
        }
    }
}
