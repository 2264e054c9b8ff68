//! One WebSocket connection as its I/O thread holds it.

use std::sync::Arc;
use std::time::Instant;

use crate::closing::{Cause, Closing, Verdict};
use crate::cursor::Cursor;
use crate::entry::Encoding;
use crate::figures::{ConnectionFigures, Figures};
use crate::form::Form;
use crate::frame::{FrameReader, Opcode, ReaderLimits, write_close, write_control};
use crate::inbound::Grants;
use crate::outbound::Outbound;
use crate::peer::{Peer, Service};
use crate::questions::Questions;
use crate::settings::Settings;
use crate::transport::Transport;

/// Limit of a message beyond which a connection is closed instead of skipping it, as a factor (L10).
pub const SKIP_FACTOR: u64 = 8;

/// Why a connection is not read although there is something to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptWaiting {
    /// It is read.
    No,
    /// Python has to drain first; the connection is in the shard's list of those.
    ForPython,
    /// It sent too many bytes; the timer of its connection is set (L19).
    Until(Instant),
    /// It does not take its answers (S11).
    ForItself,
}

/// A connection, its two directions, and its cursors.
#[derive(Debug)]
pub struct Connection {
    /// Never used again.
    pub id: u64,
    /// Where its bytes go.
    pub transport: Transport,
    /// What is done with its messages.
    pub service: Service,
    /// What is on its way to the peer.
    pub out: Outbound,
    /// Bytes to messages.
    pub reader: FrameReader,
    /// Messages to events.
    pub peer: Peer,
    /// Its subscriptions; at most one per channel.
    pub cursors: Vec<Cursor>,
    /// The cursor whose turn it is.
    pub next_cursor: usize,
    /// Where they stand was asked, and could not be told yet.
    pub questions: Questions,
    /// What is taken of its messages without asking Python.
    pub grants: Option<Box<Grants>>,
    /// Set once it is to end.
    pub closing: Option<Box<Closing>>,
    /// Bytes that were read and not parsed yet.
    pub rest: Vec<u8>,
    /// There may be something to read.
    pub readable: bool,
    /// The stream is known to end behind what is still to be read.
    pub hung_up: bool,
    /// It waits for its turn.
    pub queued: bool,
    /// Whether reading was put off by us.
    pub kept_waiting: KeptWaiting,
    /// Bytes of its largest message.
    pub max_message: u64,
    /// How messages are written to it.
    pub form: Form,
    /// What others may read about it.
    pub figures: Arc<ConnectionFigures>,
}

impl Connection {
    /// A connection that has just come; `deflate`: that was negotiated (B2).
    pub fn new(
        id: u64,
        transport: Transport,
        service: Service,
        deflate: bool,
        settings: &Settings,
        now: Instant,
    ) -> Self {
        Self {
            id,
            transport,
            service,
            out: Outbound::new(now),
            reader: FrameReader::new(ReaderLimits {
                max_message: settings.max_message,
                skip_factor: SKIP_FACTOR,
                max_empty_fragments: settings.max_empty_fragments,
                deflate,
            }),
            peer: Peer::new(settings, now),
            cursors: Vec::new(),
            next_cursor: 0,
            questions: Questions::default(),
            grants: None,
            closing: None,
            rest: Vec::new(),
            readable: true,
            hung_up: false,
            queued: false,
            kept_waiting: KeptWaiting::No,
            max_message: settings.max_message,
            form: Form {
                deflate,
                ..service.encoding().into()
            },
            figures: Arc::default(),
        }
    }

    /// The subprotocol of its messages.
    pub fn encoding(&self) -> Encoding {
        self.form.encoding
    }

    /// Change the limit of a message, also of one that has begun.
    pub fn set_max_message(&mut self, max_message: u64) {
        self.max_message = max_message;
        self.reader.set_max_message(max_message);
    }

    /// An event may be written at once.
    pub fn is_clear(&self) -> bool {
        self.out.is_clear() && self.closing.is_none()
    }

    /// Put the close frame behind the answers; nothing follows it (X6). A peer that closed first gets its own code back.
    pub fn begin_close(&mut self, verdict: Verdict, settings: &Settings, now: Instant) {
        self.figures.story.closing(now, &verdict);
        let peer_done = verdict.cause == Cause::Peer;
        let answers = self.out.answers();
        if peer_done && verdict.code == 1005 {
            write_control(answers, Opcode::Close, b"");
        } else if peer_done {
            write_close(answers, verdict.code, "");
        } else {
            write_close(answers, verdict.code, &verdict.reason);
        }
        self.closing = Some(Box::new(Closing {
            verdict,
            peer_done,
            written: false,
            deadline: now + settings.close_wait,
        }));
    }

    /// The cursor on a channel.
    pub fn cursor_on(&self, channel: u64) -> Option<usize> {
        self.cursors
            .iter()
            .position(|cursor| cursor.channel.id == channel)
    }

    /// Bring the figures others may read up to date, and those of the plane with them. Whether nothing came since the last
    /// time.
    pub fn report(&mut self, plane: &Figures) -> bool {
        let own = &self.figures;
        let received = self.peer.byte_count - own.bytes_in.get();
        plane.bytes_in.add(received);
        plane.bytes_out.add(self.out.bytes - own.bytes_out.get());
        plane
            .messages_in
            .add(self.peer.message_count - own.messages_in.get());
        plane
            .unreadable
            .add(std::mem::take(&mut self.peer.unreadable));
        own.messages_in.set(self.peer.message_count);
        own.bytes_in.set(self.peer.byte_count);
        own.bytes_out.set(self.out.bytes);
        own.subscriptions.set(self.cursors.len() as u64);
        own.unread_answers.set(self.out.unread_answers() as u64);
        own.blocked.set(u64::from(self.out.is_blocked()));
        received == 0
    }

    /// Give back what an idle connection does not need.
    pub fn shrink(&mut self) {
        self.out.shrink();
        self.cursors.iter_mut().for_each(Cursor::shrink);
        self.cursors.shrink_to_fit();
        if self.rest.is_empty() {
            self.rest = Vec::new();
        }
    }
}
