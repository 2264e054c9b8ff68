//! What a payload is that is no plain JSON, checked (B6–B8).

use ::plane::{Content, ContentEncoding, Refusal, check_content, check_payload, is_much, is_null};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::convert::content_encoding;

/// From so many bytes on the GIL is given up.
const MUCH: usize = 4 << 10;

/// B6.
#[pyfunction]
#[pyo3(name = "check_content", signature = (media_type, meta = None))]
fn check(media_type: &str, meta: Option<&[u8]>) -> PyResult<()> {
    let content = Content {
        media_type,
        encoding: None,
        meta,
    };
    check_content(&content).map_err(|breach| PyValueError::new_err(breach.to_string()))
}

/// B8, L9.
#[pyfunction]
#[pyo3(name = "check_payload", signature = (payload, media_type, encoding, *, max_decoded, max_ratio))]
fn payload_fault(
    py: Python<'_>,
    payload: &[u8],
    media_type: &str,
    encoding: Option<&str>,
    max_decoded: usize,
    max_ratio: usize,
) -> PyResult<Option<(&'static str, String, Option<usize>)>> {
    let encoding = encoding.map(content_encoding).transpose()?;
    let content = Content {
        media_type,
        encoding,
        meta: None,
    };
    let check = || check_payload(payload, &content, max_decoded, max_ratio);
    let checked = if payload.len() > MUCH {
        py.detach(check)
    } else {
        check()
    };
    Ok(checked.err().map(|refusal| match refusal {
        Refusal::TooLarge(limit) => (
            "too_large",
            format!("expected at most {limit} bytes when decoded, came more"),
            Some(limit),
        ),
        Refusal::Ratio(limit) => (
            "too_large",
            format!("expected at most {limit} times its bytes when decoded, came more"),
            Some(limit),
        ),
        Refusal::Invalid(what) => ("content_invalid", what, None),
    }))
}

/// How much work [`payload_fault`] has.
#[pyfunction]
#[pyo3(name = "is_much", signature = (payload, media_type, encoding, budget))]
fn much(payload: &[u8], media_type: &str, encoding: Option<&str>, budget: usize) -> PyResult<bool> {
    let content = Content {
        media_type,
        encoding: encoding.map(content_encoding).transpose()?,
        meta: None,
    };
    Ok(is_much(payload, &content, budget))
}

/// S6, F10.
#[pyfunction]
#[pyo3(name = "is_null")]
fn null(payload: &[u8], media_type: &str, encoding: Option<&str>) -> PyResult<bool> {
    let content = Content {
        media_type,
        encoding: encoding.map(content_encoding).transpose()?,
        meta: None,
    };
    Ok(is_null(payload, &content))
}

/// What this file adds to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let names = ContentEncoding::ALL.map(ContentEncoding::name);
    module.add("CONTENT_ENCODINGS", (names[0], names[1], names[2]))?;
    module.add_function(wrap_pyfunction!(check, module)?)?;
    module.add_function(wrap_pyfunction!(much, module)?)?;
    module.add_function(wrap_pyfunction!(null, module)?)?;
    module.add_function(wrap_pyfunction!(payload_fault, module)?)
}
