//! The class `EmitResult`: its objects own nothing of Python's, so the garbage collector does not follow them.
//!
//! Every emit makes one. What `pyo3` makes of a class is followed, and made and freed through the general ways of
//! `object`: that took a fifth of an emit without neighbours.

use std::ffi::{CStr, c_int, c_uint, c_void};
use std::ptr;

use pyo3::exceptions::PyMemoryError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyType};

use super::boundary::answered;
use super::result::{EmitResult, MEMBERS};

static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();

const NAME: &CStr = c"channels._native.EmitResult";
const DOC: &CStr = c"What the system said about one signal.";

#[repr(C)]
struct Object {
    head: ffi::PyObject,
    result: EmitResult,
}

/// The class.
pub fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    let class = CLASS.get_or_try_init(py, || make_class(py))?;
    Ok(class.bind(py))
}

impl<'py> IntoPyObject<'py> for EmitResult {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let class = class(py)?.as_type_ptr();
        // SAFETY: the memory is as large as the object, which is whole when it is handed out.
        unsafe {
            let object = ffi::PyObject_Malloc(size_of::<Object>()).cast::<Object>();
            if object.is_null() {
                return Err(PyMemoryError::new_err(()));
            }
            (&raw mut (*object).result).write(self);
            Ok(Bound::from_owned_ptr(
                py,
                ffi::PyObject_Init(object.cast(), class),
            ))
        }
    }
}

fn make_class(py: Python<'_>) -> PyResult<Py<PyType>> {
    let members = MEMBERS
        .iter()
        .enumerate()
        .map(|(place, name)| ffi::PyGetSetDef {
            name: name.as_ptr(),
            get: Some(member),
            closure: ptr::without_provenance_mut(place),
            ..ffi::PyGetSetDef::default()
        });
    let method =
        |name: &'static CStr, doc: &'static CStr, call: ffi::PyCFunction| ffi::PyMethodDef {
            ml_name: name.as_ptr(),
            ml_meth: ffi::PyMethodDefPointer { PyCFunction: call },
            ml_flags: ffi::METH_NOARGS,
            ml_doc: doc.as_ptr(),
        };
    let methods = [
        method(c"to_dict", c"to_dict($self, /)\n--\n\n", to_dict),
        method(c"to_json", c"to_json($self, /)\n--\n\n", to_json),
    ];
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_tp_doc, DOC.as_ptr().cast_mut().cast()),
        slot(
            ffi::Py_tp_dealloc,
            dealloc as ffi::destructor as *mut c_void,
        ),
        slot(ffi::Py_tp_repr, repr as ffi::reprfunc as *mut c_void),
        slot(ffi::Py_mp_subscript, item as ffi::binaryfunc as *mut c_void),
        slot(
            ffi::Py_tp_getset,
            ended(members, ffi::PyGetSetDef::default()),
        ),
        slot(
            ffi::Py_tp_methods,
            ended(methods, ffi::PyMethodDef::zeroed()),
        ),
        slot(0, ptr::null_mut()),
    ];
    let flags = ffi::Py_TPFLAGS_DEFAULT
        | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION
        | ffi::Py_TPFLAGS_IMMUTABLETYPE;
    let mut spec = ffi::PyType_Spec {
        name: NAME.as_ptr(),
        basicsize: c_int::try_from(size_of::<Object>())?,
        itemsize: 0,
        flags: c_uint::try_from(flags)?,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the slots are what they are called, and what they point to is never freed.
    let class = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&raw mut spec))? };
    Ok(class.cast_into::<PyType>()?.unbind())
}

/// A list as C ends it, for as long as the process lives.
fn ended<T>(list: impl IntoIterator<Item = T>, end: T) -> *mut c_void {
    let list: Vec<T> = list.into_iter().chain([end]).collect();
    list.leak().as_mut_ptr().cast()
}

/// # Safety
/// `object` is an `EmitResult` that lives as long as the reference.
unsafe fn result_of<'a>(object: *mut ffi::PyObject) -> &'a EmitResult {
    // SAFETY: it was made here, and nobody changes it.
    unsafe { &(*object.cast::<Object>()).result }
}

unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
    // SAFETY: nobody refers to it any more, and it holds a reference to its class.
    unsafe {
        let class = ffi::Py_TYPE(object);
        ptr::drop_in_place(&raw mut (*object.cast::<Object>()).result);
        ffi::PyObject_Free(object.cast());
        ffi::Py_DECREF(class.cast());
    }
}

unsafe extern "C" fn member(object: *mut ffi::PyObject, place: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls it for an object of the class.
    unsafe { answered(|py| result_of(object).member(py, place.addr())) }
}

unsafe extern "C" fn item(
    object: *mut ffi::PyObject,
    key: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the same, and the key is an object.
    unsafe {
        answered(|py| {
            let key = Borrowed::from_ptr(py, key);
            result_of(object).item(py, key.cast::<PyString>()?.to_str()?)
        })
    }
}

unsafe extern "C" fn repr(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the same.
    unsafe { answered(|py| Ok(PyString::new(py, &result_of(object).to_string()).into_any())) }
}

unsafe extern "C" fn to_dict(
    object: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the same.
    unsafe { answered(|py| Ok(result_of(object).to_dict(py)?.into_any())) }
}

unsafe extern "C" fn to_json(
    object: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the same.
    unsafe { answered(|py| Ok(result_of(object).to_json(py).into_any())) }
}
