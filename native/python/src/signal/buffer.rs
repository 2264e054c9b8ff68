//! Floats that other objects keep in memory (PEP 3118), read where they lie.

use std::ffi::{CStr, c_char};
use std::marker::PhantomData;

use pyo3::buffer::ElementType;
use pyo3::ffi;
use pyo3::prelude::*;

#[allow(clippy::cast_possible_wrap)] // an ASCII letter, of whatever sign a character has here
const C_ORDER: c_char = b'C' as c_char;

/// An object's memory, for as long as it is looked at.
pub struct View<'a> {
    /// It may point into itself, so it stays where the interpreter filled it in.
    raw: &'a mut ffi::Py_buffer,
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        // SAFETY: it was filled in by `PyObject_GetBuffer`, and whoever looks is attached to the interpreter.
        unsafe { ffi::PyBuffer_Release(self.raw) };
    }
}

/// What `work` finds in the memory of `given`; `None` if it shows none.
pub fn look<R>(given: &Bound<'_, PyAny>, work: impl FnOnce(&View<'_>) -> R) -> Option<R> {
    let mut raw = ffi::Py_buffer::new();
    // SAFETY: `given` is alive.
    if unsafe { ffi::PyObject_CheckBuffer(given.as_ptr()) } == 0 {
        return None;
    }
    // SAFETY: `given` is alive, and what is filled in is released by the view.
    if unsafe { ffi::PyObject_GetBuffer(given.as_ptr(), &raw mut raw, ffi::PyBUF_FULL_RO) } == 0 {
        return Some(work(&View { raw: &mut raw }));
    }
    // SAFETY: the caller is attached to the interpreter.
    unsafe { ffi::PyErr_Clear() };
    None
}

/// The items of a view, by their type.
pub enum Floats<'a> {
    Single(Items<'a, f32>),
    Double(Items<'a, f64>),
}

impl View<'_> {
    /// Its items, if they are floats of 32 or 64 bits as this machine has them.
    pub fn floats(&self) -> Option<Floats<'_>> {
        if self.raw.format.is_null() {
            return None;
        }
        // SAFETY: a format is a C string that lives as long as the view.
        let format = unsafe { CStr::from_ptr(self.raw.format) };
        let foreign: &[u8] = if cfg!(target_endian = "little") {
            b">!"
        } else {
            b"<"
        };
        if foreign.contains(format.to_bytes().first()?) {
            return None;
        }
        match (ElementType::from_format(format), self.raw.itemsize) {
            (ElementType::Float { bytes: 4 }, 4) => Some(Floats::Single(Items::of(self))),
            (ElementType::Float { bytes: 8 }, 8) => Some(Floats::Double(Items::of(self))),
            _ => None,
        }
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        let len = self.raw.len.checked_div(self.raw.itemsize);
        len.and_then(|len| usize::try_from(len).ok()).unwrap_or(0)
    }

    /// The extent of the last of several axes.
    pub fn width(&self) -> Option<usize> {
        let last = usize::try_from(self.raw.ndim).ok()?.checked_sub(1)?;
        if last == 0 || self.raw.shape.is_null() {
            return None;
        }
        // SAFETY: a shape has as many members as there are axes.
        let extent = unsafe { *self.raw.shape.add(last) };
        usize::try_from(extent).ok()
    }

    /// Whether the items lie one after the other, the last axis first.
    pub fn is_contiguous(&self) -> bool {
        // SAFETY: the view is filled in.
        unsafe { ffi::PyBuffer_IsContiguous(self.raw, C_ORDER) != 0 }
    }
}

/// Items of a type that was asked for: of any bits one can be made.
pub struct Items<'a, T> {
    view: &'a View<'a>,
    kind: PhantomData<T>,
}

impl<'a, T: Copy + Default> Items<'a, T> {
    fn of(view: &'a View<'a>) -> Self {
        let kind = PhantomData;
        Self { view, kind }
    }

    /// All of them, if there are exactly `N`.
    pub fn array<const N: usize>(&self, py: Python<'_>) -> PyResult<Option<[T; N]>> {
        if self.view.len() != N {
            return Ok(None);
        }
        if let Some(only) = self.rows().next() {
            return Ok(Some(only));
        }
        let mut items = [T::default(); N];
        // SAFETY: as many bytes as the view has are as many as N items have.
        let copied = unsafe {
            let (target, len) = (items.as_mut_ptr().cast(), self.view.raw.len);
            ffi::PyBuffer_ToContiguous(target, self.view.raw, len, C_ORDER)
        };
        if copied == 0 {
            return Ok(Some(items));
        }
        Err(PyErr::fetch(py))
    }

    /// Rows of `N` of them, as far as they are contiguous and fill one.
    pub fn rows<const N: usize>(&self) -> impl ExactSizeIterator<Item = [T; N]> {
        let count = if self.view.is_contiguous() {
            self.view.len().checked_div(N).unwrap_or(0)
        } else {
            0
        };
        let first = self.view.raw.buf.cast::<[T; N]>();
        // SAFETY: so many contiguous items of this type are there while the view is.
        (0..count).map(move |row| unsafe { first.add(row).read_unaligned() })
    }
}
