//! Text as a vector: deterministic, without a model, and the same to the last bit in every language that has it.
//!
//! It knows spelling, not meaning, and gives the axes none. `channels/encoder.py` describes the procedure step by step;
//! `tests/vectors/encoder.json` holds both to it.

use std::hash::{BuildHasher, RandomState};

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::vector::DIMENSIONS;

/// What a text without words becomes.
const CENTRE: f64 = 0.5;
/// How far from the centre a coordinate may come to lie.
const REACH: f64 = 0.2;
/// Places that the table of features has at first.
const PLACES: usize = 256;
/// Bytes of a text whose features are placed by their own hash. It is known to everybody, and features can be chosen that all
/// ask for one place: those of a longer text are placed by a hash that nobody knows.
const SHORT: usize = 512;

/// The text's vector: eight numbers above 0.3 and below 0.7.
pub fn encode_text(text: &str) -> [f64; DIMENSIONS] {
    let framed = framed_words(text);
    let mut sums = [0.0; DIMENSIONS];
    let mut squares = 0.0;
    for feature in features_of(&framed).found {
        squares += feature.weight;
        add(&mut sums, feature.hash, feature.weight.sqrt());
    }
    if squares == 0.0 {
        return [CENTRE; DIMENSIONS];
    }
    let length = squares.sqrt();
    sums.map(|sum| {
        let value = sum / length;
        CENTRE + REACH * (value / (1.0 + value.abs()))
    })
}

/// What is spelt the same is one.
struct Feature<'a> {
    spelling: &'a [u8],
    hash: u32,
    weight: f64,
}

/// Features in the order of their first appearance: sums of floats depend on it.
struct Features<'a> {
    found: Vec<Feature<'a>>,
    /// For each place one more than the number of the feature there; twice as many places as features or more.
    places: Vec<u32>,
    /// What places the features of a long text.
    secret: Option<RandomState>,
}

impl<'a> Features<'a> {
    /// Those of so many bytes.
    fn of(bytes: usize) -> Self {
        Self {
            found: Vec::with_capacity(PLACES / 2),
            places: vec![0; PLACES],
            secret: (bytes > SHORT).then(RandomState::new),
        }
    }

    /// Where to look for a feature first.
    #[allow(clippy::cast_possible_truncation)] // the low bits are as good as any
    fn place(&self, spelling: &[u8], hash: u32) -> usize {
        match &self.secret {
            None => hash as usize & (self.places.len() - 1),
            Some(secret) => secret.hash_one(spelling) as usize & (self.places.len() - 1),
        }
    }

    fn count(&mut self, spelling: &'a [u8], weight: f64) {
        let hash = hash(spelling);
        let mask = self.places.len() - 1;
        let mut at = self.place(spelling, hash);
        while let Some(known) = self.feature_at(at) {
            if known.hash == hash && known.spelling == spelling {
                known.weight += weight;
                return;
            }
            at = (at + 1) & mask;
        }
        self.found.push(Feature {
            spelling,
            hash,
            weight,
        });
        self.places[at] = number(self.found.len());
        if self.found.len() * 2 > self.places.len() {
            self.grow();
        }
    }

    fn feature_at(&mut self, place: usize) -> Option<&mut Feature<'a>> {
        let number = self.places[place] as usize;
        self.found.get_mut(number.checked_sub(1)?)
    }

    fn grow(&mut self) {
        let mask = self.places.len() * 2 - 1;
        self.places.clear();
        self.places.resize(mask + 1, 0);
        for (before, feature) in self.found.iter().enumerate() {
            let mut at = self.place(feature.spelling, feature.hash);
            while self.places[at] != 0 {
                at = (at + 1) & mask;
            }
            self.places[at] = number(before + 1);
        }
    }
}

/// Features are at most as many as a text has bytes, and none that is encoded has 2³² different ones.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// NFKC, then lower case; the words of it one after the other, each as `^word$`.
fn framed_words(text: &str) -> String {
    if text.is_ascii() {
        return framed(text, |c| c.to_ascii_lowercase());
    }
    let normal = match is_nfkc_quick(text.chars()) {
        IsNormalized::Yes => text.to_lowercase(),
        _ => text.nfkc().collect::<String>().to_lowercase(),
    };
    framed(&normal, |c| c)
}

fn framed(text: &str, lower: impl Fn(char) -> char) -> String {
    let mut framed = String::with_capacity(text.len() * 2);
    let mut is_inside = false;
    for c in text.chars() {
        let is_part = is_word_character(c);
        if is_part != is_inside {
            framed.push(if is_part { '^' } else { '$' });
            is_inside = is_part;
        }
        if is_part {
            framed.push(lower(c));
        }
    }
    if is_inside {
        framed.push('$');
    }
    framed
}

fn features_of(framed: &str) -> Features<'_> {
    let mut features = Features::of(framed.len());
    for word in framed.split_inclusive('$') {
        let bytes = word.as_bytes();
        features.count(&bytes[1..bytes.len() - 1], 1.0);
        if word.is_ascii() {
            for run in bytes.windows(3) {
                features.count(run, 0.5);
            }
            continue;
        }
        let starts = word.char_indices().map(|(place, _)| place);
        let ends = starts.clone().skip(3).chain([word.len()]);
        for (start, end) in starts.zip(ends) {
            features.count(&bytes[start..end], 0.5);
        }
    }
    features
}

/// Letters, marks and numbers make words.
fn is_word_character(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || (!c.is_ascii()
            && matches!(
                c.general_category_group(),
                GeneralCategoryGroup::Letter
                    | GeneralCategoryGroup::Mark
                    | GeneralCategoryGroup::Number
            ))
}

/// FNV-1a over UTF-8, then the final mix of `MurmurHash3`.
fn hash(feature: &[u8]) -> u32 {
    let fnv = feature.iter().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    let mut mixed = fnv ^ (fnv >> 16);
    mixed = mixed.wrapping_mul(0x85eb_ca6b);
    mixed ^= mixed >> 13;
    mixed = mixed.wrapping_mul(0xc2b2_ae35);
    mixed ^ (mixed >> 16)
}

/// From a half to one in eight steps, below zero first.
const SIZES: [[f64; 8]; 2] = {
    let mut sizes = [[0.0; 8]; 2];
    let mut bits = 0;
    while bits < 8 {
        #[allow(clippy::cast_precision_loss)] // below 8
        let size = 0.5 + bits as f64 / 14.0;
        sizes[0][bits] = -size;
        sizes[1][bits] = size;
        bits += 1;
    }
    sizes
};

/// Bit i: the sign on axis i; the three bits from 8 + 3i: the size.
fn add(sums: &mut [f64; DIMENSIONS], hash: u32, weight: f64) {
    for (axis, sum) in (0..).zip(sums) {
        let (sign, size) = ((hash >> axis) & 1, (hash >> (8 + 3 * axis)) & 7);
        *sum += SIZES[sign as usize][size as usize] * weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(features: &Features<'_>) -> Vec<(String, u64)> {
        let all = features.found.iter();
        all.map(|one| {
            (
                String::from_utf8_lossy(one.spelling).into_owned(),
                one.weight.to_bits(),
            )
        })
        .collect()
    }

    proptest! {
        /// What is chosen so that it all asks for one place must not know the place; who is found, and in what order, is the same.
        #[test]
        fn features_of_a_long_text_are_placed_by_a_secret(
            words in prop::collection::vec("[a-d]{1,6}", 1..300),
        ) {
            let mut short = Features::of(SHORT);
            let mut long = Features::of(SHORT + 1);
            for word in &words {
                short.count(word.as_bytes(), 1.0);
                long.count(word.as_bytes(), 1.0);
            }
            prop_assert!(short.secret.is_none());
            prop_assert_eq!(told(&short), told(&long));
            let another = Features::of(SHORT + 1);
            let moved = |word: &&String| {
                another.place(word.as_bytes(), 0) != Features::of(SHORT + 1).place(word.as_bytes(), 0)
            };
            // Of many words some have another place under another secret.
            prop_assert!(words.len() < 20 || words.iter().filter(moved).count() > 0);
        }
    }
}
