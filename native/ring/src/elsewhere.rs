//! Systems without `io_uring`.

use std::io;

use crate::{Send, Sent};

/// There is none here.
#[derive(Debug)]
pub struct Ring(std::convert::Infallible);

impl Ring {
    /// Always an error of kind `Unsupported`.
    pub fn open(_entries: u32) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Never called.
    pub fn send_all(&mut self, _sends: &[Send<'_>], _sent: &mut Vec<Sent>) -> io::Result<()> {
        match self.0 {}
    }
}
