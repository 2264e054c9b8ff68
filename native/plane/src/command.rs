//! What Python asks of an I/O thread, and the queue it goes through.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use mio::Waker;

use crate::channel::Channel;
use crate::closing::Verdict;
use crate::content::Accepts;
use crate::cursor::Options;
use crate::figures::ConnectionFigures;
use crate::filter::Sieve;
use crate::inbound::{Answers, Grant};
use crate::peer::Service;
use crate::pipe::Pipe;
use crate::start::Start;

/// One channel of a `subscribe`.
#[derive(Debug)]
pub struct Spec {
    /// The channel.
    pub channel: Arc<Channel>,
    /// How it is delivered.
    pub options: Options,
    /// What it lets through; none: everything.
    pub sieve: Option<Arc<Sieve>>,
    /// Where it starts.
    pub start: Start,
    /// A cursor that exists stays where it is (M26).
    pub keep: bool,
    /// The channel's head when this was asked for: what is appended after that is after the start (C14).
    pub head: u64,
    /// The turn of the log at that time.
    pub turn: u64,
}

impl Spec {
    /// A spec asked for at this moment.
    pub fn new(
        channel: Arc<Channel>,
        options: Options,
        sieve: Option<Arc<Sieve>>,
        start: Start,
        keep: bool,
    ) -> Self {
        let (turn, head) = {
            let log = channel.log();
            (log.turn(), log.head())
        };
        Self {
            channel,
            options,
            sieve,
            start,
            keep,
            head,
            turn,
        }
    }
}

/// Something to be done by the I/O thread of a connection, in the order in which it was asked for.
#[derive(Debug)]
pub enum Command {
    /// A socket comes; `head` is sent first, `tail` is parsed first.
    Attach(Box<Attach>),
    /// The peer of a virtual connection sent something.
    Input(u64),
    /// There is room in the pipe of a virtual connection again.
    Room(u64),
    /// One message to the peer.
    Send(u64, Box<[u8]>),
    /// Many of them.
    SendMany(Vec<(u64, Box<[u8]>)>),
    /// Answers to publishes.
    Answers(Vec<Answers>),
    /// The end of a connection.
    Close(u64, Verdict),
    /// The end of all of them.
    CloseAll(Verdict),
    /// Another limit of a message.
    MaxMessage(u64, u64),
    /// What the peer decodes itself (M21).
    Accept(u64, Accepts),
    /// Cursors and their answer, in one step.
    Subscribe(Box<Subscribe>),
    /// Cursors go, then the answer.
    Unsubscribe {
        /// The connection.
        conn: u64,
        /// Numbers of channels.
        channels: Vec<u64>,
        /// What is sent after that.
        reply: Option<Box<[u8]>>,
    },
    /// The peer has handled what comes before these places: (channel, epoch, offset).
    Ack(u64, Vec<(u64, String, u64)>),
    /// Where the cursors of a connection stand is to be told.
    Positions(u64),
    /// The peer is to be told where its cursors on these channels stand, though nothing may have moved (E4).
    Watermark(u64, Vec<u64>),
    /// The thread may take the publishes of a connection to a channel by itself.
    Grant(u64, Box<Grant>),
    /// Python has handled so many messages of each of these connections.
    Handled(Vec<(u64, u64)>),
    /// Python decides again whatever a connection says.
    Withdraw(u64),
    /// A channel this thread follows has new entries, or begins another history.
    Appended(Arc<Channel>, Instant),
    /// A channel is gone.
    Forget(u64),
    /// Python has drained the inbox.
    InboxRoom,
    /// Close everything and end, at this time at the latest.
    Stop(Instant),
    /// A fault outside of every connection.
    #[cfg(test)]
    Fail,
}

impl Command {
    /// The one connection it concerns.
    pub fn conn(&self) -> Option<u64> {
        match self {
            Self::Attach(attach) => Some(attach.conn),
            Self::Subscribe(subscribe) => Some(subscribe.conn),
            Self::Input(conn)
            | Self::Room(conn)
            | Self::Send(conn, _)
            | Self::Close(conn, _)
            | Self::MaxMessage(conn, _)
            | Self::Accept(conn, _)
            | Self::Ack(conn, _)
            | Self::Positions(conn)
            | Self::Watermark(conn, _)
            | Self::Grant(conn, _)
            | Self::Withdraw(conn)
            | Self::Unsubscribe { conn, .. } => Some(*conn),
            _ => None,
        }
    }
}

/// Where the bytes of a new connection go.
#[derive(Debug)]
pub enum Via {
    /// A socket.
    Socket(OwnedFd),
    /// A pipe.
    Virtual(Arc<Pipe>),
}

/// A new connection.
#[derive(Debug)]
pub struct Attach {
    /// Its number.
    pub conn: u64,
    /// Its transport.
    pub via: Via,
    /// What is done with its messages.
    pub service: Service,
    /// permessage-deflate was negotiated (B2).
    pub deflate: bool,
    /// Sent first, as it is.
    pub head: Box<[u8]>,
    /// Read already.
    pub tail: Vec<u8>,
    /// Largest message.
    pub max_message: u64,
    /// Its public figures.
    pub figures: Arc<ConnectionFigures>,
}

/// A `subscribe`.
#[derive(Debug)]
pub struct Subscribe {
    /// The connection.
    pub conn: u64,
    /// The channels.
    pub specs: Vec<Spec>,
    /// The answer, cut where `position` and `behind` of each channel belong; none: nobody is answered.
    pub reply: Option<Vec<Box<[u8]>>>,
}

/// The way to one I/O thread.
#[derive(Debug)]
pub struct Port {
    commands: Mutex<Vec<Command>>,
    waker: Waker,
    waiting: AtomicBool,
    parked: AtomicBool,
    starved: AtomicBool,
    withdrawals: AtomicUsize,
    /// Connections of the thread.
    pub connections: AtomicUsize,
}

impl Port {
    /// A port that ends the sleep of a poll by `waker`.
    pub fn new(waker: Waker) -> Self {
        Self {
            commands: Mutex::default(),
            waker,
            waiting: AtomicBool::new(false),
            parked: AtomicBool::new(false),
            starved: AtomicBool::new(false),
            withdrawals: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
        }
    }

    /// Queue a command; it is done when the thread next wakes, see [`Self::flush`].
    pub fn push(&self, command: Command) {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.push(command);
        self.waiting.store(true, SeqCst);
    }

    /// Wake the thread if it sleeps although there is something to do.
    pub fn flush(&self) {
        if self.waiting.load(SeqCst) && self.parked.swap(false, SeqCst) {
            // It can only fail while the process is out of kernel memory; the thread looks by itself within a second.
            let _ = self.waker.wake();
        }
    }

    /// Queue a command that cannot wait for a flush.
    pub fn push_now(&self, command: Command) {
        self.push(command);
        self.flush();
    }

    /// What rests on a connection's grants is about to change: of what is read from now on the thread takes nothing by a grant
    /// before it has done this.
    pub fn withdraw(&self, conn: u64) {
        self.withdrawals.fetch_add(1, SeqCst);
        self.push_now(Command::Withdraw(conn));
    }

    /// Thread: whether grants may be used.
    pub fn may_grant(&self) -> bool {
        self.withdrawals.load(SeqCst) == 0
    }

    /// Thread: a withdrawal is done.
    pub fn withdrawn(&self) {
        self.withdrawals.fetch_sub(1, SeqCst);
    }

    /// Thread: everything that was queued, in place of an empty list.
    pub fn take(&self, into: &mut Vec<Command>) {
        if self.waiting.swap(false, SeqCst) {
            let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut *commands, into);
        }
    }

    /// Thread: it is about to sleep; false if there is something to do.
    pub fn park(&self) -> bool {
        self.parked.store(true, SeqCst);
        !self.waiting.load(SeqCst)
    }

    /// Thread: it is awake.
    pub fn unpark(&self) {
        self.parked.store(false, SeqCst);
    }

    /// Thread: it waits for room in the inbox.
    pub fn starve(&self) {
        self.starved.store(true, SeqCst);
    }

    /// Python: there is room in the inbox.
    pub fn relieve(&self) {
        if self.starved.swap(false, SeqCst) {
            self.push_now(Command::InboxRoom);
        }
    }
}
