//! `emit` as the interpreter calls it: the call that an application makes most often.
//!
//! The method of `system.rs` is its meaning. Here the arguments are found by the identity of their names, which the
//! interpreter interns, without a comparison of text; what is not found so, or is not as it should be, goes the way of
//! that method, which says what is wrong.

use std::ffi::CStr;
use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyDict, PyInt, PyString, PyTuple, PyType};
use signal::SignalError;

use super::arguments::{DEFAULT_PRIORITY, Priority};
use super::boundary::answered;
use super::extra::Members;
use super::system::PySignalSystem;
use crate::error::refusal;

const NAME: &str = "emit";
/// As the method says it.
const DOC: &CStr =
    c"emit($self, /, event_type, vector, priority=128, *, key=None, tags=None, payload=None, \
traceparent=None, publish=None)\n--\n\n";

/// The parameters, those that may come without their names first.
const PARAMETERS: [&str; 8] = [
    "event_type",
    "vector",
    "priority",
    "key",
    "tags",
    "payload",
    "traceparent",
    "publish",
];
const POSITIONAL: usize = 3;

/// What the call needs of the interpreter.
struct Known {
    names: [Py<PyString>; PARAMETERS.len()],
    /// The method of `system.rs`.
    method: Py<PyAny>,
}

static KNOWN: PyOnceLock<Known> = PyOnceLock::new();

/// Let the class have it in place of the method, which it keeps for what is not plain.
pub fn install(class: &Bound<'_, PyType>) -> PyResult<()> {
    let py = class.py();
    let mut is_first = false;
    KNOWN.get_or_try_init(py, || {
        is_first = true;
        let method = class.getattr(NAME)?.unbind();
        let names = PARAMETERS.map(|name| PyString::intern(py, name).unbind());
        Ok::<_, PyErr>(Known { names, method })
    })?;
    if !is_first {
        return Ok(());
    }
    // The class lives as long as the process, and so does what describes its method.
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: c"emit".as_ptr(),
        ml_meth: ffi::PyMethodDefPointer {
            PyCFunctionFastWithKeywords: emit,
        },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: DOC.as_ptr(),
    }));
    // SAFETY: the class is alive, the definition is never freed; what comes is a new reference, or an exception.
    let described = unsafe {
        let described = ffi::PyDescr_NewMethod(class.as_type_ptr(), ptr::from_mut(definition));
        Bound::from_owned_ptr_or_err(py, described)?
    };
    class.setattr(NAME, described)
}

/// The interpreter's side of it.
///
/// # Safety
/// `slf` is a `SignalSystem`; `args` has `nargs` objects and one for each name of the tuple `kwnames`, which may be missing
/// (`METH_FASTCALL | METH_KEYWORDS`). The thread is attached.
unsafe extern "C" fn emit(
    slf: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    nargs: ffi::Py_ssize_t,
    kwnames: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as the caller promises; what it lends lasts until this returns.
    unsafe {
        answered(|py| {
            let system = Borrowed::from_ptr(py, slf).cast_unchecked::<PySignalSystem>();
            let call = Call::of(py, args, nargs, kwnames);
            match call.read() {
                Some(read) => read.answer(py, system.get()),
                None => call.by_the_method(&system),
            }
        })
    }
}

/// One call, as it came.
struct Call<'a, 'py> {
    py: Python<'py>,
    positional: &'a [*mut ffi::PyObject],
    named: &'a [*mut ffi::PyObject],
    names: Option<Borrowed<'a, 'py, PyTuple>>,
}

/// Its arguments, if they are what the parameters say. Only the vector, and what travels with it, is not looked at yet.
struct Read<'a, 'py> {
    event_type: &'a str,
    vector: Borrowed<'a, 'py, PyAny>,
    priority: Priority,
    members: Members<'a, 'py>,
    publish: Option<bool>,
}

impl<'a, 'py> Call<'a, 'py> {
    /// # Safety
    /// As of `emit`.
    unsafe fn of(
        py: Python<'py>,
        args: *const *mut ffi::PyObject,
        nargs: ffi::Py_ssize_t,
        kwnames: *mut ffi::PyObject,
    ) -> Self {
        // SAFETY: it is a tuple, or nothing.
        let names = unsafe {
            Borrowed::from_ptr_or_opt(py, kwnames).map(|names| names.cast_unchecked::<PyTuple>())
        };
        let (count, named) = (nargs.unsigned_abs(), names.map_or(0, |names| names.len()));
        let objects = if count + named == 0 {
            &[]
        } else {
            // SAFETY: so many there are.
            unsafe { std::slice::from_raw_parts(args, count + named) }
        };
        let (positional, named) = objects.split_at(count);
        Self {
            py,
            positional,
            named,
            names,
        }
    }

    /// # Safety
    /// `object` is one of the arguments.
    unsafe fn borrow(&self, object: *mut ffi::PyObject) -> Borrowed<'a, 'py, PyAny> {
        // SAFETY: the caller of `emit` holds it, and none is missing.
        unsafe { Borrowed::from_ptr(self.py, object) }
    }

    fn without_names(&self) -> impl Iterator<Item = Borrowed<'a, 'py, PyAny>> {
        // SAFETY: they are arguments.
        self.positional
            .iter()
            .map(|object| unsafe { self.borrow(*object) })
    }

    fn by_name(
        &self,
    ) -> impl Iterator<Item = (Borrowed<'_, 'py, PyAny>, Borrowed<'a, 'py, PyAny>)> {
        let names = self.names.iter().flat_map(|names| names.iter_borrowed());
        // SAFETY: they are arguments.
        names
            .zip(self.named)
            .map(|(name, object)| (name, unsafe { self.borrow(*object) }))
    }

    /// The arguments by parameter; `None` if there is something to be said about them.
    #[inline]
    fn by_parameter(&self) -> Option<[Option<Borrowed<'a, 'py, PyAny>>; PARAMETERS.len()]> {
        let known = KNOWN.get(self.py)?;
        if self.positional.len() > POSITIONAL {
            return None;
        }
        let mut found = [None; PARAMETERS.len()];
        for (parameter, argument) in found.iter_mut().zip(self.without_names()) {
            *parameter = Some(argument);
        }
        for (name, argument) in self.by_name() {
            let parameter = known.names.iter().position(|one| one.is(name))?;
            if found.get_mut(parameter)?.replace(argument).is_some() {
                return None;
            }
        }
        Some(found)
    }

    /// `None` if there is something to be said about the arguments.
    fn read(&self) -> Option<Read<'a, 'py>> {
        let [
            event_type,
            vector,
            priority,
            key,
            tags,
            payload,
            traceparent,
            publish,
        ] = self.by_parameter()?;
        // Of other types an extraction may run code, whose exceptions are the method's to tell.
        let plain = [event_type, priority, key, payload, traceparent, publish];
        if !plain
            .into_iter()
            .flatten()
            .all(|argument| is_plain(&argument))
        {
            return None;
        }
        Some(Read {
            event_type: event_type?.extract().ok()?,
            vector: vector?,
            priority: match priority {
                Some(priority) => priority.extract().ok()?,
                None => DEFAULT_PRIORITY,
            },
            members: Members {
                key: given(key).ok()?,
                tags: tags.filter(|tags| !tags.is_none()),
                payload: given(payload).ok()?,
                traceparent: given(traceparent).ok()?,
                tracestate: None,
            },
            publish: given(publish).ok()?,
        })
    }

    fn by_the_method(&self, system: &Bound<'py, PySignalSystem>) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        let mut arguments = vec![system.as_any().as_borrowed()];
        arguments.extend(self.without_names());
        let named = PyDict::new(py);
        for (name, argument) in self.by_name() {
            named.set_item(name, argument)?;
        }
        let known = KNOWN.get(py).ok_or_else(|| refusal(SignalError::Failed))?;
        let method = known.method.bind(py);
        method.call(PyTuple::new(py, arguments)?, Some(&named))
    }
}

fn is_plain(argument: &Bound<'_, PyAny>) -> bool {
    argument.is_exact_instance_of::<PyString>()
        || argument.is_exact_instance_of::<PyInt>()
        || argument.is_exact_instance_of::<PyBytes>()
        || argument.is_exact_instance_of::<PyBool>()
        || argument.is_none()
}

/// An argument that may be left out, or be None.
fn given<'a, 'py, T: FromPyObject<'a, 'py>>(
    argument: Option<Borrowed<'a, 'py, PyAny>>,
) -> Result<Option<T>, T::Error> {
    argument
        .filter(|argument| !argument.is_none())
        .map(Borrowed::extract)
        .transpose()
}

impl<'py> Read<'_, 'py> {
    fn answer(&self, py: Python<'py>, system: &PySignalSystem) -> PyResult<Bound<'py, PyAny>> {
        let result = system.emit_one(
            py,
            self.event_type,
            &self.vector,
            self.priority,
            &self.members,
            self.publish,
        )?;
        result.into_pyobject(py)
    }
}
