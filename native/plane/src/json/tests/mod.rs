//! The scanner and the writers from outside: clause by clause, and against `serde_json`.

use super::{JsonFault, check, check_value};

mod members;
mod model;
mod random;
mod tokens;
mod writing;

fn refused(result: Result<(), JsonFault>) -> Option<String> {
    result.err().map(|fault| fault.to_string())
}

fn message(text: &str) -> Option<String> {
    refused(check(text.as_bytes()))
}

fn value(text: &str) -> Option<String> {
    refused(check_value(text.as_bytes()))
}

/// A value in both places: as a member, and as `data`.
fn both(text: &str) -> [bool; 2] {
    [
        format!(r#"{{"id":{text}}}"#),
        format!(r#"{{"data":{text}}}"#),
    ]
    .map(|text| check(text.as_bytes()).is_ok())
}
