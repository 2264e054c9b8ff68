//! Text as a vector: deterministic, without a model, and the same to the last bit in every language that has it.
//!
//! It knows spelling, not meaning, and gives the axes none. `channels/encoder.py` describes the procedure step by step;
//! `tests/vectors/encoder.json` holds both to it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::vector::DIMENSIONS;

/// What a text without words becomes.
const CENTRE: f64 = 0.5;
/// How far from the centre a coordinate may come to lie.
const REACH: f64 = 0.2;

/// The text's vector: eight numbers above 0.3 and below 0.7.
pub fn encode_text(text: &str) -> [f64; DIMENSIONS] {
    let framed = framed_words(&normal_form(text));
    let mut sums = [0.0; DIMENSIONS];
    let mut squares = 0.0;
    for (feature, weight) in features_of(&framed).weighted {
        squares += weight;
        add(&mut sums, hash(feature), weight.sqrt());
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

/// Features with their weights, in the order of their first appearance: sums of floats depend on it.
#[derive(Default)]
struct Features<'a> {
    places: HashMap<&'a str, usize, BuildHasherDefault<Fnv>>,
    weighted: Vec<(&'a str, f64)>,
}

impl<'a> Features<'a> {
    fn count(&mut self, feature: &'a str, weight: f64) {
        let place = *self.places.entry(feature).or_insert(self.weighted.len());
        match self.weighted.get_mut(place) {
            Some((_, sum)) => *sum += weight,
            None => self.weighted.push((feature, weight)),
        }
    }
}

/// FNV-1a: the features are short, and the encoder's own hash is of the same kind.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// NFKC, then lower case.
fn normal_form(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    match is_nfkc_quick(text.chars()) {
        IsNormalized::Yes => text.to_lowercase(),
        _ => text.nfkc().collect::<String>().to_lowercase(),
    }
}

/// The words one after the other, each as `^word$`.
fn framed_words(normal: &str) -> String {
    let mut framed = String::with_capacity(normal.len() * 2);
    for word in normal
        .split(|c| !is_word_character(c))
        .filter(|word| !word.is_empty())
    {
        framed.push('^');
        framed.push_str(word);
        framed.push('$');
    }
    framed
}

fn features_of(framed: &str) -> Features<'_> {
    let mut features = Features::default();
    for word in framed.split_inclusive('$') {
        features.count(&word[1..word.len() - 1], 1.0);
        let starts = word.char_indices().map(|(place, _)| place);
        let ends = starts.clone().skip(3).chain([word.len()]);
        for (start, end) in starts.zip(ends) {
            features.count(&word[start..end], 0.5);
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
fn hash(feature: &str) -> u32 {
    let fnv = feature.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let mut mixed = fnv ^ (fnv >> 16);
    mixed = mixed.wrapping_mul(0x85eb_ca6b);
    mixed ^= mixed >> 13;
    mixed = mixed.wrapping_mul(0xc2b2_ae35);
    mixed ^ (mixed >> 16)
}

/// Bit i: the sign on axis i; the three bits from 8 + 3i: the size, from a half to one.
fn add(sums: &mut [f64; DIMENSIONS], hash: u32, weight: f64) {
    for (axis, sum) in (0..).zip(sums) {
        let size = 0.5 + f64::from((hash >> (8 + 3 * axis)) & 7) / 14.0;
        let signed = if (hash >> axis) & 1 == 1 { size } else { -size };
        *sum += signed * weight;
    }
}
