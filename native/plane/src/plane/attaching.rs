//! How connections come, and what relays do with those that have no socket.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use socket2::{SockRef, Type};

use crate::command::{Attach, Command, Port, Via};
use crate::directory::Handle;
use crate::entry::Encoding;
use crate::error::PlaneError;
use crate::figures::ConnectionFigures;
use crate::peer::Service;
use crate::pipe::{Fed, Pipe, Taken};
use crate::plane::{ConnId, Plane};

/// A connection that is to be attached.
struct New<'a> {
    via: Via,
    pipe: Option<Arc<Pipe>>,
    head: &'a [u8],
    tail: &'a [u8],
    service: Service,
    deflate: bool,
    max_message: Option<u64>,
}

impl Plane {
    /// Own a socket: `head` is sent first, `tail` is parsed first; `deflate` was negotiated (B2). It is closed on any error. It
    /// begins with the next [`Self::flush`], together with what is queued for it up to then.
    pub fn attach(
        &self,
        fd: OwnedFd,
        head: &[u8],
        tail: &[u8],
        encoding: Encoding,
        deflate: bool,
        max_message: Option<u64>,
    ) -> Result<ConnId, PlaneError> {
        let service = Service::Hub(encoding);
        self.attach_socket(fd, head, tail, service, deflate, max_message)
    }

    /// Own a socket whose messages are echoed.
    pub fn attach_echo(
        &self,
        fd: OwnedFd,
        head: &[u8],
        tail: &[u8],
        deflate: bool,
        max_message: u64,
    ) -> Result<ConnId, PlaneError> {
        self.attach_socket(fd, head, tail, Service::Echo, deflate, Some(max_message))
    }

    fn attach_socket(
        &self,
        fd: OwnedFd,
        head: &[u8],
        tail: &[u8],
        service: Service,
        deflate: bool,
        max_message: Option<u64>,
    ) -> Result<ConnId, PlaneError> {
        let kind = SockRef::from(&fd).r#type()?;
        if kind != Type::STREAM {
            return Err(PlaneError::Argument(format!(
                "a stream socket was expected, the descriptor is a {kind:?}"
            )));
        }
        self.attach_new(New {
            via: Via::Socket(fd),
            pipe: None,
            head,
            tail,
            service,
            deflate,
            max_message,
        })
    }

    /// A connection whose messages come by [`Self::feed`] and leave by [`Self::take_output`].
    pub fn attach_virtual(
        &self,
        encoding: Encoding,
        max_message: Option<u64>,
    ) -> Result<ConnId, PlaneError> {
        let pipe = Arc::new(Pipe::default());
        self.attach_new(New {
            via: Via::Virtual(Arc::clone(&pipe)),
            pipe: Some(pipe),
            head: b"",
            tail: b"",
            service: Service::Hub(encoding),
            // The ASGI server writes the frames.
            deflate: false,
            max_message,
        })
    }

    fn attach_new(&self, new: New<'_>) -> Result<ConnId, PlaneError> {
        let ports = self.ports()?;
        let load = |port: &Arc<Port>| port.connections.load(SeqCst);
        let (number, port) = ports
            .iter()
            .enumerate()
            .min_by_key(|(_, port)| load(port))
            .ok_or(PlaneError::NotStarted)?;
        port.connections.fetch_add(1, SeqCst);
        let conn = self.next_conn.fetch_add(1, SeqCst) * ports.len() as u64 + number as u64;
        let figures = Arc::<ConnectionFigures>::default();
        let limit = self.shared.settings.recorder;
        figures.story.attached(limit, new.pipe.is_some());
        self.shared.directory.add(
            conn,
            Handle {
                figures: Arc::clone(&figures),
                pipe: new.pipe,
            },
        );
        self.shared.figures.opened.add(1);
        port.push(Command::Attach(Box::new(Attach {
            conn,
            via: new.via,
            service: new.service,
            deflate: new.deflate,
            head: new.head.into(),
            tail: new.tail.into(),
            max_message: new.max_message.unwrap_or(self.shared.settings.max_message),
            figures,
        })));
        Ok(conn)
    }

    fn pipe(&self, conn: ConnId) -> Result<Arc<Pipe>, PlaneError> {
        let handle = self.shared.directory.find(conn);
        handle
            .and_then(|handle| handle.pipe)
            .ok_or(PlaneError::NotVirtual(conn))
    }

    /// A message from the peer of a virtual connection; false if the next one should wait for the event FEED. Too late is
    /// no error: the connection's last event says what became of it.
    pub fn feed(&self, conn: ConnId, data: &[u8], binary: bool) -> bool {
        self.feed_pipe(
            conn,
            if binary {
                Fed::Binary(data.into())
            } else {
                Fed::Text(data.into())
            },
        )
    }

    /// The peer of a virtual connection closed, or is gone (1006).
    pub fn feed_close(&self, conn: ConnId, code: u16, reason: &str) {
        self.feed_pipe(conn, Fed::Close(code, reason.into()));
    }

    fn feed_pipe(&self, conn: ConnId, fed: Fed) -> bool {
        let Ok(pipe) = self.pipe(conn) else {
            return true;
        };
        let goes_on = pipe.feed(fed);
        if let Some(port) = self.port_of(conn) {
            port.push_now(Command::Input(conn));
        }
        goes_on
    }

    /// Messages for the peer of a virtual connection: about `max_bytes` of them.
    pub fn take_output(&self, conn: ConnId, max_bytes: usize) -> Vec<(u8, Vec<u8>)> {
        let Ok(pipe) = self.pipe(conn) else {
            return Vec::new();
        };
        let Taken {
            messages,
            unblocked,
            ended,
        } = pipe.take(max_bytes);
        if ended {
            self.shared.directory.forget(conn);
        }
        if let (true, Some(port)) = (unblocked, self.port_of(conn)) {
            port.push_now(Command::Room(conn));
        }
        messages
    }
}
