//! JSON as peers may send it (M10–M13), checked without being decoded, and the few bytes of JSON and msgpack that the plane
//! writes itself. Nothing here recurses, and nothing reserves memory by a size that a peer declares.

#![forbid(unsafe_code)]
// Tests index what they have made themselves.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

pub mod escape;
mod exact;
mod fault;
mod find;
mod keys;
mod lexer;
mod meta;
pub mod msgpack;
mod number;
mod paths;
mod plain;
mod scan;
mod tags;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
mod top;
mod tree;
mod value;
mod walk;

pub use exact::Exact;
pub use fault::JsonFault;
pub use find::{Finder, elements, scalar};
pub use meta::check_meta;
pub use paths::Paths;
pub use scan::{MAX_DEPTH, check, check_data, check_value};
pub use tags::{check_tags, is_tag_name, write_tags};
pub use top::{Kind, Member, Span, check_members};
pub use tree::Tree;
pub use value::{Text, Value, float};
