//! Vectors as Python gives them: sequences of numbers, or buffers of 32- or 64-bit floats.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::critical_section::with_critical_section;
use pyo3::types::{PyBytes, PyList, PySequence, PyString, PyTuple};
use signal::vector::{finite, vector_of};
use signal::{DIMENSIONS, SignalError, Vector};

use super::buffer::{self, Floats, Items, View};
use crate::error::{self, Refusal, refusal};

/// One vector: any sequence of 8 real numbers, or a buffer of 8 of them.
pub fn one(given: &Bound<'_, PyAny>) -> PyResult<Vector> {
    one_of(given, refusal)
}

fn one_of(given: &Bound<'_, PyAny>, refuse: impl Fn(SignalError) -> PyErr) -> PyResult<Vector> {
    if let Ok(list) = given.cast::<PyList>() {
        return match plain_floats(list) {
            Some(numbers) => vector_of(&numbers).map_err(refuse),
            None => of_numbers(list.len(), list.iter(), refuse),
        };
    }
    if let Ok(tuple) = given.cast::<PyTuple>() {
        return of_numbers(tuple.len(), tuple.iter(), refuse);
    }
    if let Some(vector) = buffer::look(given, |view| in_memory(view, given.py(), &refuse)).flatten()
    {
        return vector;
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

/// The numbers of a list of exactly eight floats, which is what mostly comes.
fn plain_floats(list: &Bound<'_, PyList>) -> Option<[f64; DIMENSIONS]> {
    with_critical_section(list, || {
        if list.len() != DIMENSIONS {
            return None;
        }
        let mut numbers = [0.0; DIMENSIONS];
        for (place, number) in (0..).zip(&mut numbers) {
            // SAFETY: nobody changes the list meanwhile, for no code of Python runs: a float, and nothing derived from it,
            // is only read. So the reference that the list has is enough.
            unsafe {
                let item = ffi::PyList_GetItem(list.as_ptr(), place);
                if item.is_null() {
                    ffi::PyErr_Clear();
                    return None;
                }
                if ffi::PyFloat_CheckExact(item) == 0 {
                    return None;
                }
                *number = ffi::PyFloat_AsDouble(item);
            }
        }
        Some(numbers)
    })
}

/// The vector that lies in an object's memory; `None` if what is there are no floats.
fn in_memory(
    view: &View<'_>,
    py: Python<'_>,
    refuse: &impl Fn(SignalError) -> PyErr,
) -> Option<PyResult<Vector>> {
    let read = |checked: PyResult<Option<Result<Vector, SignalError>>>| {
        let came = view.len();
        checked?
            .unwrap_or(Err(SignalError::Dimensions { came }))
            .map_err(refuse)
    };
    Some(match view.floats()? {
        Floats::Single(floats) => read(floats.array(py).map(|eight| eight.map(finite))),
        Floats::Double(floats) => {
            let checked = |eight: [f64; DIMENSIONS]| vector_of(&eight);
            read(floats.array(py).map(|eight| eight.map(checked)))
        }
    })
}

/// Many vectors: a contiguous N×8 buffer of 32- or 64-bit floats (or a flat one of N·8).
pub fn many(given: &Bound<'_, PyAny>) -> PyResult<Vec<Vector>> {
    let read = buffer::look(given, |view| match view.floats() {
        Some(Floats::Single(floats)) => Some(rows(view, &floats, finite)),
        Some(Floats::Double(floats)) => Some(rows(view, &floats, |row: [f64; DIMENSIONS]| {
            vector_of(&row)
        })),
        // What holds nothing says nothing of its type.
        None => (view.len() == 0).then(|| Ok(Vec::new())),
    });
    read.flatten()
        .unwrap_or_else(|| Err(error::wrong_type(VECTORS, given)))
}

fn rows<T: Copy + Default>(
    view: &View<'_>,
    floats: &Items<'_, T>,
    check: impl Fn([T; DIMENSIONS]) -> Result<Vector, SignalError>,
) -> PyResult<Vec<Vector>> {
    let width = view.width().unwrap_or(DIMENSIONS);
    if width != DIMENSIONS {
        return Err(refusal(SignalError::Dimensions { came: width }));
    }
    if !view.is_contiguous() {
        return Err(error::misuse(VECTORS));
    }
    let (count, rest) = (view.len() / DIMENSIONS, view.len() % DIMENSIONS);
    if rest > 0 {
        let error = SignalError::Dimensions { came: rest };
        return Err(Refusal::of_vector(error, count).into());
    }
    let checked = |(index, row): (usize, [T; DIMENSIONS])| {
        check(row).map_err(|error| Refusal::of_vector(error, index).into())
    };
    floats.rows().enumerate().map(checked).collect()
}

/// The vectors of one item of `emit_many`: little-endian 32-bit floats in `bytes`, one vector, or a sequence of vectors.
pub fn of_item(given: &Bound<'_, PyAny>) -> PyResult<Vec<Vector>> {
    if let Ok(packed) = given.cast::<PyBytes>() {
        return unpacked(packed.as_bytes());
    }
    if let Some(numbers) = given.cast::<PyList>().ok().and_then(plain_floats) {
        return Ok(vec![vector_of(&numbers).map_err(refusal)?]);
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
