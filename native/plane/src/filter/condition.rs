//! Conditions: a literal, or operators that must all hold (F3).

use std::sync::Arc;

use space::{Ball, DIMENSIONS};

use crate::filter::fault::FilterFault;
use crate::filter::glob::Glob;
use crate::filter::grammar::{Reader, quoted};
use crate::filter::literal::{Bound, Literal};
use crate::filter::node::{Field, Node, Test};
use crate::json::Tree;

/// Literals of `in` and `nin`.
const MAX_LITERALS: usize = 64;

const LITERAL: &str = "text, a number, true, false or null";
const OPERATORS: &str = "eq, ne, in, nin, gt, gte, lt, lte, exists, prefix, contains, glob or near";

/// The condition of one field.
pub fn read(reader: &mut Reader, field: Field, tree: &Tree) -> Result<Node, FilterFault> {
    let Tree::Object(operators) = tree else {
        reader.count()?;
        let literal = Literal::of(tree);
        let literal =
            literal.ok_or_else(|| reader.expected("a literal or an object of operators", tree))?;
        return Ok(Node::Is(field, Test::Eq(literal)));
    };
    if operators.is_empty() {
        return Err(reader.fault("at least one operator", "none"));
    }
    let mut nodes = Vec::new();
    for (name, operand) in operators {
        let test = reader.within(name.as_str(), |reader| {
            reader.count()?;
            operator(reader, field, name, operand)
        })?;
        nodes.push(Node::Is(field, test));
    }
    Ok(Node::all(nodes, &reader.members))
}

fn operator(
    reader: &mut Reader,
    field: Field,
    name: &str,
    operand: &Tree,
) -> Result<Test, FilterFault> {
    Ok(match name {
        "eq" => Test::Eq(literal(reader, operand)?),
        "ne" => Test::Ne(literal(reader, operand)?),
        "contains" => Test::Contains(literal(reader, operand)?),
        "in" => Test::In(literals(reader, operand)?),
        "nin" => Test::Nin(literals(reader, operand)?),
        "gt" => Test::Gt(bound(reader, operand)?),
        "gte" => Test::Gte(bound(reader, operand)?),
        "lt" => Test::Lt(bound(reader, operand)?),
        "lte" => Test::Lte(bound(reader, operand)?),
        "prefix" => Test::Prefix(text(reader, operand)?.into()),
        "exists" => match operand {
            Tree::Bool(wanted) => Test::Exists(*wanted),
            other => return Err(reader.expected("true or false", other)),
        },
        "glob" if field == Field::Event => {
            let pattern = text(reader, operand)?;
            let glob = Glob::parse(pattern);
            Test::Glob(glob.map_err(|expected| reader.fault(expected, quoted(pattern)))?)
        }
        "glob" => return Err(reader.fault("glob on event only", "it on another field")),
        "near" => Test::Near(Arc::new(near(reader, operand)?)),
        other => return Err(reader.fault(OPERATORS, quoted(other))),
    })
}

fn literal(reader: &Reader, tree: &Tree) -> Result<Literal, FilterFault> {
    Literal::of(tree).ok_or_else(|| reader.expected(LITERAL, tree))
}

/// Each once, in an order of their own.
fn literals(reader: &mut Reader, tree: &Tree) -> Result<Box<[Literal]>, FilterFault> {
    let Tree::Array(elements) = tree else {
        return Err(reader.expected("an array of literals", tree));
    };
    if !(1..=MAX_LITERALS).contains(&elements.len()) {
        let expected = format!("1 to {MAX_LITERALS} literals");
        return Err(reader.fault(expected, elements.len().to_string()));
    }
    let mut keyed = Vec::new();
    for (at, element) in elements.iter().enumerate() {
        let one = reader.within(at.to_string(), |reader| literal(reader, element))?;
        let mut form = Vec::new();
        one.write(&mut form);
        keyed.push((form, one));
    }
    keyed.sort_by(|one, other| one.0.cmp(&other.0));
    keyed.dedup_by(|one, other| one.0 == other.0);
    Ok(keyed.into_iter().map(|(_, one)| one).collect())
}

fn bound(reader: &Reader, tree: &Tree) -> Result<Bound, FilterFault> {
    match tree {
        Tree::Number(number) => Ok(Bound::Number(*number)),
        Tree::Text(text) => Ok(Bound::Text(text.as_str().into())),
        other => Err(reader.expected("a number or text", other)),
    }
}

fn text<'t>(reader: &Reader, tree: &'t Tree) -> Result<&'t str, FilterFault> {
    match tree {
        Tree::Text(text) => Ok(text),
        other => Err(reader.expected("text", other)),
    }
}

fn near(reader: &mut Reader, tree: &Tree) -> Result<Ball, FilterFault> {
    let form = r#"an object {"center":[8 numbers],"radius":number}"#;
    let Tree::Object(members) = tree else {
        return Err(reader.expected(form, tree));
    };
    let (mut center, mut radius) = (None, None);
    for (name, value) in members {
        reader.within(name.as_str(), |reader| {
            match name.as_str() {
                "center" => center = Some(vector(reader, value)?),
                "radius" => {
                    let number = number(value).filter(|number| *number >= 0.0);
                    let expected = "a number of zero or more";
                    radius = Some(number.ok_or_else(|| reader.expected(expected, value))?);
                }
                other => return Err(reader.fault("center or radius", quoted(other))),
            }
            Ok(())
        })?;
    }
    match (center, radius) {
        (Some(center), Some(radius)) => {
            Ball::new(center, radius).map_err(|fault| reader.fault(form, fault.to_string()))
        }
        (None, _) => Err(reader.fault(form, "one without center")),
        (_, None) => Err(reader.fault(form, "one without radius")),
    }
}

fn vector(reader: &mut Reader, tree: &Tree) -> Result<[f64; DIMENSIONS], FilterFault> {
    let form = format!("an array of {DIMENSIONS} numbers");
    let Tree::Array(elements) = tree else {
        return Err(reader.expected(&form, tree));
    };
    let mut center = [0.0; DIMENSIONS];
    if elements.len() != DIMENSIONS {
        return Err(reader.fault(form, format!("{} elements", elements.len())));
    }
    for (at, (place, element)) in center.iter_mut().zip(elements).enumerate() {
        *place = reader.within(at.to_string(), |reader| {
            number(element).ok_or_else(|| reader.expected("a number", element))
        })?;
    }
    Ok(center)
}

/// A number as a 64-bit float.
fn number(tree: &Tree) -> Option<f64> {
    match tree {
        Tree::Number(number) => Some(number.nearest()),
        _ => None,
    }
}
