//! Vectors as Python gives them: sequences of numbers, or buffers of 32- or 64-bit floats.

use pyo3::buffer::{Element, PyBuffer, PyUntypedBuffer};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PySequence, PyString, PyTuple};
use signal::vector::{finite, vector_of};
use signal::{DIMENSIONS, SignalError, Vector};

use crate::error::{self, Refusal, refusal};

/// One vector: any sequence of 8 real numbers, or a buffer of 8 of them.
pub fn one(given: &Bound<'_, PyAny>) -> PyResult<Vector> {
    one_of(given, refusal)
}

fn one_of(given: &Bound<'_, PyAny>, refuse: impl Fn(SignalError) -> PyErr) -> PyResult<Vector> {
    if let Ok(list) = given.cast::<PyList>() {
        return of_numbers(list.len(), list.iter(), refuse);
    }
    if let Ok(tuple) = given.cast::<PyTuple>() {
        return of_numbers(tuple.len(), tuple.iter(), refuse);
    }
    if let Ok(floats) = PyBuffer::<f32>::get(given) {
        return of_floats(&floats, given.py(), refuse, finite);
    }
    if let Ok(floats) = PyBuffer::<f64>::get(given) {
        return of_floats(&floats, given.py(), refuse, |numbers: [f64; DIMENSIONS]| {
            vector_of(&numbers)
        });
    }
    let sequence = given
        .cast::<PySequence>()
        .map_err(|_| error::wrong_type(VECTOR, given))?;
    if given.is_instance_of::<PyString>() || given.is_instance_of::<PyBytes>() {
        return Err(error::wrong_type(VECTOR, given));
    }
    let items: Vec<Bound<'_, PyAny>> = sequence
        .try_iter()?
        .take(DIMENSIONS + 1)
        .collect::<PyResult<_>>()?;
    of_numbers(sequence.len()?, items.into_iter(), refuse)
}

const VECTOR: &str =
    "vector must be a sequence of 8 real numbers or a buffer of 8 32- or 64-bit floats";
const VECTORS: &str = "vectors must be a contiguous buffer of 32- or 64-bit floats in rows of 8";

fn of_numbers<'py>(
    len: usize,
    items: impl Iterator<Item = Bound<'py, PyAny>>,
    refuse: impl Fn(SignalError) -> PyErr,
) -> PyResult<Vector> {
    if len != DIMENSIONS {
        return Err(refuse(SignalError::Dimensions { came: len }));
    }
    let mut numbers = [0.0_f64; DIMENSIONS];
    let mut read = 0;
    for (axis, (number, item)) in numbers.iter_mut().zip(items).enumerate() {
        *number = item
            .extract()
            .map_err(|error| too_large(&item, axis, error, &refuse))?;
        read += 1;
    }
    // A list that another thread shortens meanwhile.
    vector_of(numbers.get(..read).unwrap_or_default()).map_err(refuse)
}

/// An integer that no float can hold is as wrong as an infinite one.
fn too_large(
    item: &Bound<'_, PyAny>,
    axis: usize,
    error: PyErr,
    refuse: &impl Fn(SignalError) -> PyErr,
) -> PyErr {
    if error::is_overflow(item.py(), &error) {
        refuse(SignalError::NotFinite {
            axis,
            came: f64::INFINITY,
        })
    } else {
        error
    }
}

fn of_floats<T: Element + Default>(
    buffer: &PyBuffer<T>,
    py: Python<'_>,
    refuse: impl Fn(SignalError) -> PyErr,
    check: impl Fn([T; DIMENSIONS]) -> Result<Vector, SignalError>,
) -> PyResult<Vector> {
    let came = buffer.item_count();
    if came != DIMENSIONS {
        return Err(refuse(SignalError::Dimensions { came }));
    }
    let mut numbers = [T::default(); DIMENSIONS];
    buffer.copy_to_slice(py, &mut numbers)?;
    check(numbers).map_err(refuse)
}

/// Many vectors: a contiguous N×8 buffer of 32- or 64-bit floats (or a flat one of N·8).
pub fn many(given: &Bound<'_, PyAny>) -> PyResult<Vec<Vector>> {
    if let Ok(floats) = PyBuffer::<f32>::get(given) {
        return rows(&floats, given.py(), finite);
    }
    if let Ok(floats) = PyBuffer::<f64>::get(given) {
        return rows(&floats, given.py(), |row: [f64; DIMENSIONS]| {
            vector_of(&row)
        });
    }
    // An empty array has no aligned address, so it is no buffer of floats.
    if PyUntypedBuffer::get(given).is_ok_and(|nothing| nothing.item_count() == 0) {
        return Ok(Vec::new());
    }
    Err(error::wrong_type(VECTORS, given))
}

fn rows<T: Element>(
    buffer: &PyBuffer<T>,
    py: Python<'_>,
    check: impl Fn([T; DIMENSIONS]) -> Result<Vector, SignalError>,
) -> PyResult<Vec<Vector>> {
    let width = buffer
        .shape()
        .last()
        .copied()
        .filter(|_| buffer.dimensions() > 1)
        .unwrap_or(DIMENSIONS);
    if width != DIMENSIONS {
        return Err(refusal(SignalError::Dimensions { came: width }));
    }
    if !buffer.is_c_contiguous() {
        return Err(error::misuse(VECTORS));
    }
    let numbers = buffer.to_vec(py)?;
    let (rows, rest) = numbers.as_chunks::<DIMENSIONS>();
    if !rest.is_empty() {
        let error = SignalError::Dimensions { came: rest.len() };
        return Err(Refusal::of_vector(error, rows.len()).into());
    }
    let checked = |(index, row): (usize, &[T; DIMENSIONS])| {
        check(*row).map_err(|error| Refusal::of_vector(error, index).into())
    };
    rows.iter().enumerate().map(checked).collect()
}

/// The vectors of one item of `emit_many`: little-endian 32-bit floats in `bytes`, one vector, or a sequence of vectors.
pub fn of_item(given: &Bound<'_, PyAny>) -> PyResult<Vec<Vector>> {
    if let Ok(packed) = given.cast::<PyBytes>() {
        return unpacked(packed.as_bytes());
    }
    let is_sequence = given.is_instance_of::<PyList>() || given.is_instance_of::<PyTuple>();
    if !is_sequence || !holds_vectors(given)? {
        return Ok(vec![one(given)?]);
    }
    let vectors = given.try_iter()?.enumerate();
    vectors
        .map(|(index, vector)| one_of(&vector?, |error| Refusal::of_vector(error, index).into()))
        .collect()
}

fn holds_vectors(given: &Bound<'_, PyAny>) -> PyResult<bool> {
    let first = given.try_iter()?.next().transpose()?;
    Ok(first.is_some_and(|first| first.cast::<PySequence>().is_ok()))
}

fn unpacked(packed: &[u8]) -> PyResult<Vec<Vector>> {
    let (numbers, rest) = packed.as_chunks::<4>();
    let (rows, tail) = numbers.as_chunks::<DIMENSIONS>();
    if !rest.is_empty() || !tail.is_empty() || rows.is_empty() {
        return Err(error::misuse(
            "packed vectors must be one or more of 32 bytes each",
        ));
    }
    let checked = |(index, row): (usize, &[[u8; 4]; DIMENSIONS])| {
        finite(row.map(f32::from_le_bytes)).map_err(|error| Refusal::of_vector(error, index).into())
    };
    rows.iter().enumerate().map(checked).collect()
}
