//! The loop that drives a shard: waits for sockets, commands and deadlines, and gives each its part of a turn.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::batch::{Batch, Event};
use crate::command::{Command, Port};
use crate::shard::{Registrar, Shard, Shared};

/// The waker's token; slots of connections are small numbers.
pub const WAKER: Token = Token(usize::MAX);
const ALARM: Token = Token(usize::MAX - 1);

/// Readiness taken from the kernel in one call.
const EVENTS: usize = 1_024;

/// Run an I/O thread until it is stopped. A panic outside of every connection's turn is told as FATAL: its connections are
/// gone, and the process should end.
pub fn run(thread: usize, poll: Poll, shared: &Shared, port: &Arc<Port>) {
    let ended = catch_unwind(AssertUnwindSafe(|| {
        Driver::new(thread, poll, shared.clone(), Arc::clone(port))
            .and_then(|mut driver| driver.run())
    }));
    let text = match ended {
        Ok(Ok(())) => return,
        Ok(Err(error)) => format!("I/O thread {thread} ended: {error}"),
        Err(_) => format!("I/O thread {thread} panicked"),
    };
    let mut batch = Batch::default();
    batch.push(0, Event::Fatal(text));
    shared.inbox.hand_over(&mut batch);
}

struct Driver {
    poll: Poll,
    port: Arc<Port>,
    shared: Shared,
    shard: Shard,
    registrar: Registrar,
    alarm: Alarm,
    commands: Vec<Command>,
}

impl Driver {
    fn new(thread: usize, poll: Poll, shared: Shared, port: Arc<Port>) -> io::Result<Self> {
        let registry = Rc::new(poll.registry().try_clone()?);
        let alarm = Alarm::new()?;
        poll.registry().register(
            &mut SourceFd(&alarm.fd.as_raw_fd()),
            ALARM,
            Interest::READABLE,
        )?;
        Ok(Self {
            shard: Shard::new(thread, shared.clone(), Arc::clone(&port), Instant::now()),
            registrar: Registrar(Some(registry)),
            poll,
            port,
            shared,
            alarm,
            commands: Vec::new(),
        })
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            self.wait(&mut events)?;
            let now = Instant::now();
            self.turn(&events, now);
            if self.shard.is_over(now) {
                self.shard.report();
                return Ok(());
            }
            self.shared.figures.turns.observe(now.elapsed());
        }
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let now = Instant::now();
        self.shard.starve();
        let wakes_at = self.shard.wakes_at(now);
        let sleeps = wakes_at.is_some() && self.port.park();
        let timeout = match wakes_at {
            Some(at) if sleeps => at.saturating_duration_since(now),
            _ => Duration::ZERO,
        };
        // The poll counts in milliseconds and rounds up; a flush is due in less.
        if sleeps && self.shard.flush_at().is_some_and(|at| Some(at) == wakes_at) {
            self.alarm.set(timeout)?;
        }
        let polled = self.poll.poll(events, Some(timeout));
        self.port.unpark();
        match polled {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            other => other,
        }
    }

    fn turn(&mut self, events: &Events, now: Instant) {
        for event in events {
            match event.token() {
                WAKER => {}
                ALARM => self.alarm.clear(),
                Token(slot) => {
                    let hung_up = event.is_read_closed() || event.is_error();
                    self.shard.socket_ready(
                        slot,
                        event.is_readable(),
                        event.is_writable(),
                        hung_up,
                    );
                }
            }
        }
        let mut commands = std::mem::take(&mut self.commands);
        self.port.take(&mut commands);
        for command in commands.drain(..) {
            self.shard.apply(command, &self.registrar, now);
        }
        self.commands = commands;
        self.shard.flush(now);
        self.shard.run(now);
        self.shard.flush_published();
        self.shard.tick(now);
        self.shard.report();
    }
}

/// A timer with microseconds.
struct Alarm {
    fd: OwnedFd,
}

impl Alarm {
    fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self {
            fd: timerfd_create(TimerfdClockId::Monotonic, flags)?,
        })
    }

    fn set(&self, after: Duration) -> io::Result<()> {
        let zero = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let after = after.max(Duration::from_micros(1));
        let it_value = Timespec {
            tv_sec: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(after.subsec_nanos()),
        };
        let timer = Itimerspec {
            it_interval: zero,
            it_value,
        };
        timerfd_settime(&self.fd, TimerfdTimerFlags::empty(), &timer)?;
        Ok(())
    }

    fn clear(&self) {
        let _ = rustix::io::read(&self.fd, &mut [0_u8; 8]);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use mio::Waker;

    use super::*;
    use crate::allowance::Clock;
    use crate::appending::Appending;
    use crate::figures::Figures;
    use crate::inbox::Inbox;
    use crate::logs::Logs;
    use crate::settings::Settings;

    /// pr1: a panic outside of every connection's turn is told, and ends the thread; nothing hangs.
    #[test]
    fn a_panic_outside_of_connections_is_fatal() {
        let poll = Poll::new().unwrap();
        let port = Arc::new(Port::new(Waker::new(poll.registry(), WAKER).unwrap()));
        let shared = Shared {
            settings: Arc::new(Settings::default()),
            figures: Arc::new(Figures::default()),
            inbox: Arc::new(Inbox::new(10, 10).unwrap()),
            directory: Arc::default(),
            appending: Appending {
                logs: Arc::new(Logs::new(1, 1 << 20)),
                ports: Arc::default(),
            },
            clock: Clock::new(),
        };
        port.push(Command::Fail);
        run(0, poll, &shared, &port);
        let taken = shared.inbox.take(10);
        let (batch, range) = taken.first().unwrap();
        match batch.events(range.clone()) {
            [(0, Event::Fatal(text))] => assert_eq!("I/O thread 0 panicked", text),
            other => panic!("FATAL was expected, {other:?} came"),
        }
    }
}
