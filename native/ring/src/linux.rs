//! The ring itself.

use std::fmt;
use std::io;
use std::os::fd::AsRawFd as _;

use io_uring::{IoUring, Probe, opcode, types};

use crate::{Send, Sent};

/// A ring of one thread. Opening it fails where the kernel has none, or where it is forbidden (containers often do).
pub struct Ring(IoUring);

impl Ring {
    /// Of so many sends per system call, rounded up to a power of two.
    pub fn open(entries: u32) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_coop_taskrun()
            .build(entries)?;
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        if !probe.is_supported(opcode::Send::CODE) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Self(ring))
    }

    /// Send to all, without waiting for any of them. `sent` is filled with what became of each, in their order.
    ///
    /// An error means that the ring is of no use any more: what has `None` was not tried.
    pub fn send_all(&mut self, sends: &[Send<'_>], sent: &mut Vec<Sent>) -> io::Result<()> {
        sent.clear();
        sent.resize_with(sends.len(), || None);
        let most = self.0.params().sq_entries() as usize;
        for (first, some) in (0..).step_by(most).zip(sends.chunks(most)) {
            self.send_some(some, first, sent)?;
        }
        Ok(())
    }

    /// Those of one system call, or of several where signals interrupt it.
    fn send_some(&mut self, sends: &[Send<'_>], first: usize, sent: &mut [Sent]) -> io::Result<()> {
        let mut queue = self.0.submission();
        for (at, send) in (first as u64..).zip(sends) {
            let length = u32::try_from(send.bytes.len()).unwrap_or(u32::MAX);
            let entry =
                opcode::Send::new(types::Fd(send.to.as_raw_fd()), send.bytes.as_ptr(), length)
                    .flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
                    .build()
                    .user_data(at);
            // SAFETY: buffer and descriptor are borrowed until this method returns, which it does when the kernel has told
            // of every entry that it took; what it did not take is never submitted, since a ring that failed is dropped.
            unsafe { queue.push(&entry) }
                .map_err(|_| io::Error::other("the queue is shorter than said"))?;
        }
        drop(queue);
        let (mut submitted, mut told, mut fault) = (0, 0, None);
        while told < submitted || (submitted < sends.len() && fault.is_none()) {
            match self.0.submit_and_wait(sends.len() - told) {
                Ok(more) => submitted += more,
                Err(error) if is_passing(&error) => {}
                Err(error) => fault = Some(error),
            }
            for entry in self.0.completion() {
                told += 1;
                if let Some(place) = usize::try_from(entry.user_data())
                    .ok()
                    .and_then(|at| sent.get_mut(at))
                {
                    *place = Some(outcome(entry.result()));
                }
            }
        }
        fault.map_or(Ok(()), Err)
    }
}

/// A call that may be repeated as it is.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EINTR | libc::EAGAIN | libc::EBUSY)
    )
}

fn outcome(result: i32) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ring({} entries)", self.0.params().sq_entries())
    }
}
