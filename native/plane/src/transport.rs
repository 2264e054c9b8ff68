//! Where the bytes of a connection go: a socket, or the pipe of a virtual connection.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use socket2::SockRef;

use crate::pipe::Pipe;
use crate::settings::Settings;

/// Unsent bytes above which the kernel takes no more (`TCP_NOTSENT_LOWAT`): what it hides cannot be conflated, nor told as slow.
const NOTSENT: u32 = 32 << 10;

/// A socket registered with the thread's poll until it is dropped.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    registry: Rc<Registry>,
}

impl Socket {
    /// Take over `fd`: non-blocking, its options set, its readiness told as `token`.
    pub fn open(
        fd: OwnedFd,
        registry: &Rc<Registry>,
        token: Token,
        settings: &Settings,
    ) -> io::Result<Self> {
        // Only reads and writes are done with it, which are the same for every kind of stream socket.
        let stream = TcpStream::from(fd);
        stream.set_nonblocking(true)?;
        // A socket pair has none of these options, and needs none.
        let _ = set_tcp_options(&stream, settings);
        let fd = stream.as_raw_fd();
        registry.register(
            &mut SourceFd(&fd),
            token,
            Interest::READABLE | Interest::WRITABLE,
        )?;
        let registry = Rc::clone(registry);
        Ok(Self { stream, registry })
    }
}

/// Whether the kernel knows this descriptor.
pub fn is_open(fd: BorrowedFd<'_>) -> bool {
    rustix::io::fcntl_getfd(fd).is_ok()
}

fn set_tcp_options(stream: &TcpStream, settings: &Settings) -> io::Result<()> {
    let socket = SockRef::from(stream);
    stream.set_nodelay(true)?;
    socket.set_tcp_notsent_lowat(NOTSENT)?;
    let patience = settings.heartbeat_interval + settings.heartbeat_timeout;
    socket.set_tcp_user_timeout(Some(patience))
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Another descriptor of the same socket may live on elsewhere, and would keep it registered.
        let fd = self.stream.as_raw_fd();
        let _ = self.registry.deregister(&mut SourceFd(&fd));
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// One connection's way out and in.
#[derive(Debug)]
pub enum Transport {
    /// A socket that was handed over.
    Socket(Socket),
    /// A connection relayed by an ASGI server.
    Virtual(Arc<Pipe>),
    /// Takes everything so many times, then panics.
    #[cfg(test)]
    Faulty(u32),
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Bytes taken.
    pub taken: usize,
    /// The reader of a virtual connection has to be told that there is something to take.
    pub tell: bool,
}

impl Transport {
    /// Write as much as is taken now; `WouldBlock` if that is nothing.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<Written> {
        match self {
            Self::Socket(socket) => loop {
                match (&socket.stream).write(bytes) {
                    Ok(taken) => return Ok(Written { taken, tell: false }),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            },
            Self::Virtual(pipe) => pipe
                .write(bytes)
                .map(|(taken, tell)| Written { taken, tell }),
            #[cfg(test)]
            #[allow(clippy::panic)]
            Self::Faulty(0) => panic!("a faulty transport was written to"),
            #[cfg(test)]
            Self::Faulty(left) => {
                *left -= 1;
                let taken = bytes.len();
                Ok(Written { taken, tell: false })
            }
        }
    }

    /// The socket to send to, where writing is nothing else.
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Socket(socket) => Some(socket.stream.as_fd()),
            Self::Virtual(_) => None,
            #[cfg(test)]
            Self::Faulty(_) => None,
        }
    }

    /// Read what is there; `Ok(0)` at the end of the stream. Virtual connections are fed messages, not bytes.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => loop {
                match (&socket.stream).read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => return other,
                }
            },
            Self::Virtual(_) => Err(io::ErrorKind::WouldBlock.into()),
            #[cfg(test)]
            Self::Faulty(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// No byte will be written any more; the peer may still send.
    pub fn shutdown_write(&mut self) {
        if let Self::Socket(socket) = self {
            // An error means that the peer is gone, which reading will show.
            let _ = socket.stream.shutdown(Shutdown::Write);
        }
    }

    /// Its heartbeat is another's concern.
    pub fn is_virtual(&self) -> bool {
        !matches!(self, Self::Socket(_))
    }
}
