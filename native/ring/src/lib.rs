//! Many sends in one system call, by `io_uring`.
//!
//! Nothing is left pending: a send that would have to wait says so at once, as `send` with `MSG_DONTWAIT` does, and
//! [`Ring::send_all`] returns when the kernel is done with every buffer. A stalled peer therefore holds nothing here.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::Ring;
#[cfg(target_os = "linux")]
pub use linux::Ring;

use std::io;
use std::os::fd::BorrowedFd;

/// Bytes for a socket.
#[derive(Clone, Copy, Debug)]
pub struct Send<'a> {
    /// The socket.
    pub to: BorrowedFd<'a>,
    /// What it is to take; at least one byte.
    pub bytes: &'a [u8],
}

/// What became of a send: bytes taken, or why none was. `None`: it was not tried, since the ring failed.
pub type Sent = Option<io::Result<usize>>;

#[cfg(all(test, target_os = "linux"))]
mod tests;
