//! Text as a vector: deterministic, without a model, and the same to the last bit in every language that has it.
//!
//! It knows spelling, not meaning, and gives the axes none. `channels/encoder.py` describes the procedure step by step;
//! `tests/vectors/encoder.json` holds both to it.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::vector::DIMENSIONS;

/// What a text without words becomes.
const CENTRE: f64 = 0.5;
/// How far from the centre a coordinate may come to lie.
const REACH: f64 = 0.2;

/// The text's vector: eight numbers above 0.3 and below 0.7.
pub fn encode_text(text: &str) -> [f64; DIMENSIONS] {
    let features = features_of(text);
    let mut sums = [0.0; DIMENSIONS];
    let mut squares = 0.0;
    for (feature, weight) in features.in_order() {
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
struct Features {
    places: HashMap<String, usize>,
    weights: Vec<f64>,
}

impl Features {
    fn count(&mut self, feature: &str, weight: f64) {
        if let Some(place) = self.places.get(feature) {
            self.weights[*place] += weight;
        } else {
            self.places.insert(feature.to_owned(), self.weights.len());
            self.weights.push(weight);
        }
    }

    fn in_order(&self) -> impl Iterator<Item = (&str, f64)> {
        let mut names: Vec<&str> = vec![""; self.weights.len()];
        for (name, place) in &self.places {
            names[*place] = name;
        }
        names.into_iter().zip(self.weights.iter().copied())
    }
}

fn features_of(text: &str) -> Features {
    let normal: String = text.nfkc().collect::<String>().to_lowercase();
    let mut features = Features::default();
    for word in normal
        .split(|c| !is_word_character(c))
        .filter(|word| !word.is_empty())
    {
        features.count(word, 1.0);
        let framed: Vec<char> = format!("^{word}$").chars().collect();
        for trigram in framed.windows(3) {
            features.count(&trigram.iter().collect::<String>(), 0.5);
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
