//! What a filter means, read off the protocol: over trees of `serde_json`, one line for each row of F3.

use std::cmp::Ordering;

use serde_json::{Map, Value};

pub fn passes(filter: &Value, event: &Value) -> bool {
    filter
        .as_object()
        .unwrap()
        .iter()
        .all(|(name, value)| match name.as_str() {
            "all" => value
                .as_array()
                .unwrap()
                .iter()
                .all(|one| passes(one, event)),
            "any" => value
                .as_array()
                .unwrap()
                .iter()
                .any(|one| passes(one, event)),
            "not" => !passes(value, event),
            field => match value {
                Value::Object(operators) => operators
                    .iter()
                    .all(|(operator, operand)| holds(operator, operand, find(field, event), field)),
                literal => equal(find(field, event), literal),
            },
        })
}

fn find<'v>(field: &str, event: &'v Value) -> Option<&'v Value> {
    if let Some(tag) = field.strip_prefix("tags.") {
        return event.get("tags")?.get(tag);
    }
    let step = |value: &'v Value, segment: &str| match value {
        Value::Array(elements) => {
            let index: usize = segment.parse().ok()?;
            elements.get(index).filter(|_| index.to_string() == segment)
        }
        other => other.get(segment),
    };
    field.split('.').try_fold(event, step)
}

fn holds(operator: &str, operand: &Value, value: Option<&Value>, field: &str) -> bool {
    let among = |literals: &Value| {
        literals
            .as_array()
            .unwrap()
            .iter()
            .any(|one| equal(value, one))
    };
    match operator {
        "eq" => equal(value, operand),
        "ne" => value.is_some() && !equal(value, operand),
        "in" => among(operand),
        "nin" => value.is_some() && !among(operand),
        "gt" => order(value, operand).is_some_and(Ordering::is_gt),
        "gte" => order(value, operand).is_some_and(Ordering::is_ge),
        "lt" => order(value, operand).is_some_and(Ordering::is_lt),
        "lte" => order(value, operand).is_some_and(Ordering::is_le),
        "exists" => value.is_some() == operand.as_bool().unwrap(),
        "prefix" => text(value).is_some_and(|value| value.starts_with(operand.as_str().unwrap())),
        "contains" => match value {
            Some(Value::String(value)) => operand.as_str().is_some_and(|part| value.contains(part)),
            Some(Value::Array(elements)) => elements.iter().any(|one| equal(Some(one), operand)),
            _ => false,
        },
        "glob" => {
            assert_eq!("event", field);
            let name: Vec<&str> = text(value).unwrap().split('.').collect();
            let pattern: Vec<&str> = operand.as_str().unwrap().split('.').collect();
            glob(&pattern, &name)
        }
        "near" => near(operand.as_object().unwrap(), value),
        other => panic!("{other}"),
    }
}

fn text(value: Option<&Value>) -> Option<&str> {
    value?.as_str()
}

fn equal(value: Option<&Value>, literal: &Value) -> bool {
    match (value, literal) {
        (Some(Value::Number(_)), Value::Number(_)) => {
            order(value, literal) == Some(Ordering::Equal)
        }
        (Some(Value::Array(_) | Value::Object(_)) | None, _) => false,
        (Some(value), literal) => value == literal,
    }
}

fn order(value: Option<&Value>, bound: &Value) -> Option<Ordering> {
    match (value?, bound) {
        (Value::Number(one), Value::Number(other)) => {
            let whole = |number: &serde_json::Number| {
                let signed = number.as_i64().map(i128::from);
                signed.or(number.as_u64().map(i128::from))
            };
            match (whole(one), whole(other)) {
                (Some(one), Some(other)) => Some(one.cmp(&other)),
                (Some(one), None) => Some(mixed(one, other.as_f64()?)),
                (None, Some(other)) => Some(mixed(other, one.as_f64()?).reverse()),
                (None, None) => one.as_f64()?.partial_cmp(&other.as_f64()?),
            }
        }
        (Value::String(one), Value::String(other)) => Some(one.chars().cmp(other.chars())),
        _ => None,
    }
}

/// Either the float is whole, and then an integer of 128 bits, or it is small enough for the integer to be compared as a float.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn mixed(integer: i128, float: f64) -> Ordering {
    if float.abs() > 1e30 {
        return 0.0.partial_cmp(&float).unwrap();
    }
    if float.fract() == 0.0 {
        return integer.cmp(&(float as i128));
    }
    // Not whole: below 2^53, and beyond that no integer is on the wrong side when it is rounded.
    (integer as f64).partial_cmp(&float).unwrap()
}

fn glob(pattern: &[&str], name: &[&str]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => {
            glob(rest, name) || !name.is_empty() && glob(pattern, &name[1..])
        }
        (Some((part, rest)), Some((segment, left))) => {
            (*part == "*" || part == segment) && glob(rest, left)
        }
        _ => false,
    }
}

fn near(ball: &Map<String, Value>, value: Option<&Value>) -> bool {
    let numbers = |value: &Value| -> Option<Vec<f64>> {
        value.as_array()?.iter().map(Value::as_f64).collect()
    };
    let center = numbers(&ball["center"]).unwrap();
    let Some(vector) = value.and_then(numbers).filter(|vector| vector.len() == 8) else {
        return false;
    };
    let square: f64 = vector
        .iter()
        .zip(&center)
        .map(|(one, other)| (one - other).powi(2))
        .sum();
    square.sqrt() <= ball["radius"].as_f64().unwrap()
}
