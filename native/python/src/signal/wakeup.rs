//! The descriptor that is readable while events wait.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};

/// An eventfd, shared by the system that writes it and the object that Python reads it through.
#[derive(Clone)]
pub struct Wakeup(Arc<OwnedFd>);

impl Wakeup {
    pub fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self(Arc::new(fd)))
    }

    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    pub fn set(&self) {
        // It can only fail when it is set already.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }

    pub fn clear(&self) {
        // It can only fail when it is not set.
        let _ = rustix::io::read(&*self.0, &mut [0_u8; 8]);
    }
}
