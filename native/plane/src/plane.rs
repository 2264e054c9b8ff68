//! The plane as the rest of the process sees it: every method may be called from any thread, none waits for more than a short
//! lock, save [`Plane::stop`].

mod attaching;
mod following;
mod granting;
mod publishing;
mod replicas;

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::{Poll, Waker};

use crate::allowance::Clock;
use crate::appending::Appending;
use crate::closing::{Cause, Verdict};
use crate::command::{Command, Port};
use crate::content::Accepts;
use crate::directory::{Directory, Handle};
use crate::durable::{self, Root, Surroundings, Writer};
use crate::error::PlaneError;
use crate::figures::Figures;
use crate::filter::{Bounds, Totals};
use crate::inbox::Inbox;
use crate::logs::Logs;
use crate::settings::Settings;
use crate::shard::Shared;
use crate::story::{Account, Kind};
use crate::thread;

pub use following::{Appended, Subscription};
pub use granting::Terms;

/// A connection, never used again.
pub type ConnId = u64;

/// The data plane.
#[derive(Debug)]
pub struct Plane {
    shared: Shared,
    logs: Arc<Logs>,
    filters: Arc<Totals>,
    store: Option<Store>,
    ports: Arc<OnceLock<Vec<Arc<Port>>>>,
    threads: Mutex<Option<Threads>>,
    next_conn: AtomicU64,
    stopped: AtomicBool,
    pid: AtomicU32,
}

impl Drop for Plane {
    /// Whoever forgets `stop` leaves no threads behind, but does not wait for them either.
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

/// What durable logs need: their directory, and the queue before the thread that writes them.
#[derive(Debug)]
struct Store {
    root: Arc<Root>,
    writer: Arc<Writer>,
}

impl Store {
    fn open(settings: &Settings) -> Result<Option<Self>, PlaneError> {
        let Some(dir) = &settings.data_dir else {
            return Ok(None);
        };
        let figures = Arc::default();
        let writer = Writer::new(settings.log_queue, settings.log_queue_bytes, figures);
        Ok(Some(Self {
            root: Arc::new(Root::open(
                dir,
                settings.fsync,
                settings.log_segment as u64,
            )?),
            writer: Arc::new(writer),
        }))
    }
}

/// The I/O threads and the one that writes durable logs; `running` is disconnected when the last of them has ended.
#[derive(Debug)]
struct Threads {
    handles: Vec<JoinHandle<()>>,
    running: Receiver<()>,
}

impl Plane {
    /// A plane that is not yet started; logs may be opened and filled.
    pub fn new(settings: Settings) -> Result<Self, PlaneError> {
        let inbox = Inbox::new(settings.inbox_messages, settings.inbox_bytes)?;
        let logs = Arc::new(Logs::new(settings.io_threads, settings.log_memory));
        let store = Store::open(&settings)?;
        let directory = Directory::remembering(settings.recorder_ended, settings.recorder_time);
        let ports = Arc::default();
        let filters = Totals::new(Bounds {
            all: settings.max_filters,
            of_channel: settings.max_channel_filters,
            bytes: settings.filter_memory,
        });
        Ok(Self {
            shared: Shared {
                settings: Arc::new(settings),
                figures: Arc::new(Figures::default()),
                inbox: Arc::new(inbox),
                directory: Arc::new(directory),
                appending: Appending {
                    logs: Arc::clone(&logs),
                    ports: Arc::clone(&ports),
                },
                clock: Clock::new(),
            },
            logs,
            filters: Arc::new(filters),
            store,
            ports,
            threads: Mutex::default(),
            next_conn: AtomicU64::new(1),
            stopped: AtomicBool::new(false),
            pid: AtomicU32::new(0),
        })
    }

    /// Start the I/O threads.
    pub fn start(&self) -> Result<(), PlaneError> {
        if self.stopped.load(SeqCst) {
            return Err(PlaneError::Stopped);
        }
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        if self.ports.get().is_some() {
            return Err(PlaneError::Started);
        }
        let (ports, started) = self.spawn()?;
        *threads = Some(started);
        self.pid.store(std::process::id(), SeqCst);
        // Nobody else can have set it: `threads` is locked.
        let _ = self.ports.set(ports);
        Ok(())
    }

    fn spawn(&self) -> Result<(Vec<Arc<Port>>, Threads), PlaneError> {
        let (ending, running): (Sender<()>, _) = channel();
        let (mut ports, mut handles) = (Vec::new(), Vec::new());
        for number in 0..self.shared.settings.io_threads.max(1) {
            let poll = Poll::new()?;
            let port = Arc::new(Port::new(Waker::new(poll.registry(), thread::WAKER)?));
            ports.push(Arc::clone(&port));
            let (shared, ending) = (self.shared.clone(), ending.clone());
            let named = std::thread::Builder::new().name(format!("plane-io-{number}"));
            handles.push(named.spawn(move || {
                thread::run(number, poll, &shared, &port);
                drop(ending);
            })?);
        }
        if let Some(store) = &self.store {
            let around = Surroundings {
                logs: Arc::clone(&self.logs),
                ports: ports.clone(),
                inbox: Arc::clone(&self.shared.inbox),
                fsync: self.shared.settings.fsync,
                segment_bytes: self.shared.settings.log_segment,
            };
            let (writer, root) = (Arc::clone(&store.writer), Arc::clone(&store.root));
            let named = std::thread::Builder::new().name("plane-log".into());
            handles.push(named.spawn(move || {
                // After a panic nobody knows what the files are in the middle of: they stay ours as long as the plane is there.
                if durable::run(&writer, around) {
                    root.release();
                }
                drop(ending);
            })?);
        }
        Ok((ports, Threads { handles, running }))
    }

    /// Close what is open and end the threads; false if one did not end in time.
    pub fn stop(&self, timeout: Duration) -> bool {
        self.stopped.store(true, SeqCst);
        let Some(ports) = self.ports.get().filter(|_| !self.is_forked()) else {
            return true;
        };
        // The threads cut what is still open a little before, so that they are joined in time.
        let cut = Instant::now() + timeout.mul_f64(0.8);
        if let Some(store) = &self.store {
            store.writer.stop(cut);
        }
        for port in ports {
            port.push_now(Command::Stop(cut));
        }
        let threads = self
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        threads.is_none_or(|threads| {
            let ended =
                threads.running.recv_timeout(timeout) == Err(RecvTimeoutError::Disconnected);
            ended
                && threads
                    .handles
                    .into_iter()
                    .all(|thread| thread.join().is_ok())
        })
    }

    fn is_forked(&self) -> bool {
        let pid = self.pid.load(SeqCst);
        pid != 0 && pid != std::process::id()
    }

    fn ports(&self) -> Result<&[Arc<Port>], PlaneError> {
        if self.is_forked() {
            return Err(PlaneError::Forked);
        }
        if self.stopped.load(SeqCst) {
            return Err(PlaneError::Stopped);
        }
        self.ports
            .get()
            .map(Vec::as_slice)
            .ok_or(PlaneError::NotStarted)
    }

    fn port_of(&self, conn: ConnId) -> Option<&Arc<Port>> {
        let ports = self.ports.get()?;
        let number = conn.checked_rem(ports.len() as u64)?;
        ports.get(usize::try_from(number).ok()?)
    }

    /// Readable while there are events to drain.
    pub fn wakeup_fd(&self) -> BorrowedFd<'_> {
        self.shared.inbox.wakeup_fd()
    }

    /// Where events come from; after reading them, call [`Self::drained`].
    pub fn inbox(&self) -> &Inbox {
        &self.shared.inbox
    }

    /// There is room in the inbox: I/O threads that wait for it go on.
    pub fn drained(&self) {
        if let Some(ports) = self.ports.get() {
            for port in ports {
                port.relieve();
            }
        }
    }

    /// Wake the I/O threads for what was queued.
    pub fn flush(&self) {
        if let Some(store) = &self.store {
            store.writer.flush();
        }
        if let Some(ports) = self.ports.get() {
            for port in ports {
                port.flush();
            }
        }
    }

    fn command(&self, conn: ConnId, command: Command) {
        if let Some(port) = self.port_of(conn) {
            port.push(command);
        }
    }

    /// Queue one message.
    pub fn send(&self, conn: ConnId, data: &[u8]) {
        self.command(conn, Command::Send(conn, data.into()));
    }

    /// Queue many messages, with one lock per I/O thread.
    pub fn send_many(&self, messages: Vec<(ConnId, Box<[u8]>)>) {
        self.command_all(messages, |message| message.0, Command::SendMany);
    }

    /// Give each thread its own of `all`.
    fn command_all<T>(
        &self,
        all: Vec<T>,
        conn: impl Fn(&T) -> ConnId,
        command: impl Fn(Vec<T>) -> Command,
    ) {
        let Some(ports) = self.ports.get() else {
            return;
        };
        let mut parts: Vec<Vec<T>> = ports.iter().map(|_| Vec::new()).collect();
        for one in all {
            let number = conn(&one)
                .checked_rem(ports.len() as u64)
                .and_then(|number| usize::try_from(number).ok());
            if let Some(part) = number.and_then(|number| parts.get_mut(number)) {
                part.push(one);
            }
        }
        for (port, part) in ports.iter().zip(parts) {
            if !part.is_empty() {
                port.push(command(part));
            }
        }
    }

    /// End a connection, behind the answers that were queued.
    pub fn close(&self, conn: ConnId, code: u16, reason: &str) {
        self.command(
            conn,
            Command::Close(conn, Verdict::new(code, reason, Cause::Local)),
        );
    }

    /// End all connections.
    pub fn close_all(&self, code: u16, reason: &str) {
        for port in self.ports.get().into_iter().flatten() {
            port.push(Command::CloseAll(Verdict::new(code, reason, Cause::Local)));
        }
    }

    /// Change the limit of a connection's messages.
    pub fn set_max_message(&self, conn: ConnId, max_message: u64) {
        self.command(conn, Command::MaxMessage(conn, max_message));
    }

    /// The peer of a connection decodes these content encodings itself (M21).
    pub fn accept(&self, conn: ConnId, accepts: Accepts) {
        self.command(conn, Command::Accept(conn, accepts));
    }

    /// Figures of the plane.
    pub fn figures(&self) -> &Figures {
        &self.shared.figures
    }

    /// Connections that have not ended.
    pub fn connections(&self) -> usize {
        self.ports
            .get()
            .into_iter()
            .flatten()
            .map(|port| port.connections.load(SeqCst))
            .sum()
    }

    /// What happened to a connection; none if it is not remembered.
    pub fn story(&self, conn: ConnId) -> Option<Account> {
        let figures = self.shared.directory.remembered(conn);
        figures.map(|figures| figures.story.read())
    }

    /// Something happened to a connection that only its user knows; too late is no error.
    pub fn note(&self, conn: ConnId, kind: Kind, text: &str) {
        if let Some(figures) = self.shared.directory.remembered(conn) {
            figures.story.tell(Instant::now(), kind, text);
        }
    }

    /// How many ended connections are remembered, and the bytes of their stories.
    pub fn remembers(&self) -> (usize, usize) {
        self.shared.directory.remembers()
    }

    /// Figures of one connection.
    pub fn connection(&self, conn: ConnId) -> Option<Handle> {
        self.shared.directory.find(conn)
    }
}
