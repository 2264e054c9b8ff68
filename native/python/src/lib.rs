//! `channels._native`: the thin binding over the crates `plane` and `signal`.
//!
//! Here belong conversions between Python and Rust values and the mapping of errors; no logic.

mod content;
mod convert;
mod error;
mod filter;
mod grants;
mod json;
mod plane;
mod publishes;
mod replicas;
mod signal;
mod stats;
mod story;
mod wake;

use pyo3::prelude::*;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[pymodule(gil_used = false)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    plane::register(module)?;
    filter::register(module)?;
    grants::register(module)?;
    json::register(module)?;
    publishes::register(module)?;
    replicas::register(module)?;
    content::register(module)?;
    signal::register(module)
}
