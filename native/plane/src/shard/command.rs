//! Commands of Python, done in the order in which they came.

use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Instant;

use mio::{Registry, Token};

use crate::batch::Event;
use crate::closing::{Cause, Verdict};
use crate::command::{Attach, Command, Via};
use crate::connection::Connection;
use crate::inbound::Answers;
use crate::shard::Shard;
use crate::transport::{Socket, Transport};

/// Answers may pile up to this many times `answer_buffer` (S11) while Python still answers what it had been given before.
const ANSWERS: usize = 4;

/// Where sockets are registered; nowhere, in a test without sockets.
#[derive(Clone, Debug)]
pub struct Registrar(pub Option<Rc<Registry>>);

impl Registrar {
    fn open(&self, fd: OwnedFd, slot: usize, shard: &Shard) -> std::io::Result<Transport> {
        let registry = self.0.as_ref().ok_or(std::io::ErrorKind::Unsupported)?;
        Ok(Transport::Socket(Socket::open(
            fd,
            registry,
            Token(slot),
            shard.settings(),
        )?))
    }
}

impl Shard {
    /// Do what was asked. A panic costs the connection it was about (pr1); about no single one, it is the thread's.
    pub fn apply(&mut self, command: Command, registrar: &Registrar, now: Instant) {
        let conn = command.conn();
        let applied = catch_unwind(AssertUnwindSafe(|| self.apply_now(command, registrar, now)));
        if let Err(panic) = applied {
            match conn.and_then(|conn| self.slots.get(&conn).copied()) {
                Some(slot) => self.panicked(slot, now),
                None => resume_unwind(panic),
            }
        }
    }

    fn apply_now(&mut self, command: Command, registrar: &Registrar, now: Instant) {
        match command {
            Command::Attach(attach) => self.attach(*attach, registrar, now),
            Command::Input(conn) => self.input(conn),
            Command::Room(conn) => self.room(conn),
            Command::Send(conn, data) => self.send(conn, &data, now),
            Command::SendMany(messages) => {
                for (conn, data) in messages {
                    self.send(conn, &data, now);
                }
            }
            Command::Answers(all) => {
                for answers in all {
                    self.send_all(&answers, now);
                }
            }
            Command::Close(conn, verdict) => {
                if let Some(slot) = self.open_slot(conn) {
                    self.begin_close(slot, verdict, now);
                }
            }
            Command::CloseAll(verdict) => self.close_all(&verdict, now),
            Command::MaxMessage(conn, max_message) => {
                if let Some(connection) = self
                    .open_slot(conn)
                    .and_then(|slot| self.connections.get_mut(slot))
                {
                    connection.set_max_message(max_message);
                }
            }
            Command::Accept(conn, accepts) => self.accept(conn, accepts),
            Command::Subscribe(subscribe) => self.subscribe(*subscribe, now),
            Command::Unsubscribe {
                conn,
                channels,
                reply,
            } => self.unsubscribe(conn, &channels, reply.as_deref()),
            Command::Ack(conn, positions) => self.acknowledge(conn, &positions),
            Command::Positions(conn) => self.ask_positions(conn),
            Command::Watermark(conn, channels) => self.affirm(conn, &channels),
            Command::Grant(conn, grant) => self.grant(conn, *grant),
            Command::Handled(counts) => {
                for (conn, count) in counts {
                    self.handled(conn, count);
                }
            }
            Command::Withdraw(conn) => self.withdraw(conn),
            Command::Appended(channel, at) => self.appended(&channel, at),
            Command::Forget(channel) => self.forget(channel),
            Command::InboxRoom => self.inbox_has_room(),
            Command::Stop(at) => {
                self.stop_at = Some(at);
                self.close_all(&Verdict::new(4301, "draining", Cause::Stop), now);
            }
            #[cfg(test)]
            #[allow(clippy::panic)]
            Command::Fail => panic!("asked to"),
        }
    }

    fn attach(&mut self, attach: Attach, registrar: &Registrar, now: Instant) {
        let Attach {
            conn,
            via,
            service,
            deflate,
            head,
            mut tail,
            max_message,
            figures,
        } = attach;
        let slot = self.connections.vacant_key();
        let transport = match via {
            Via::Socket(fd) => registrar.open(fd, slot, self),
            Via::Virtual(pipe) => Ok(Transport::Virtual(pipe)),
        };
        let Ok(transport) = transport else {
            self.attach_failed(conn);
            return;
        };
        let mut connection =
            Connection::new(conn, transport, service, deflate, self.settings(), now);
        connection.set_max_message(max_message);
        connection.figures = figures;
        connection.out.open_with(&head);
        self.slots.insert(conn, slot);
        self.connections.insert(connection);
        if !tail.is_empty() {
            if let Some(connection) = self.connections.get_mut(slot) {
                connection
                    .peer
                    .bytes_received(tail.len(), &self.shared.settings, now);
            }
            self.parse(slot, &mut tail, now);
        }
        self.enqueue(slot);
    }

    /// The descriptor is no stream socket, or gone: one CLOSED all the same.
    fn attach_failed(&mut self, conn: u64) {
        self.shared.figures.count_closed(1006);
        self.batch.push(conn, Event::Closed(Verdict::lost()));
        self.shared.directory.end(conn);
        self.port
            .connections
            .fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
    }

    fn input(&mut self, conn: u64) {
        if let Some(slot) = self.slots.get(&conn).copied() {
            if let Some(connection) = self.connections.get_mut(slot) {
                connection.readable = true;
            }
            self.enqueue(slot);
        }
    }

    fn room(&mut self, conn: u64) {
        if let Some(slot) = self.slots.get(&conn).copied() {
            self.socket_ready(slot, false, true, false);
        }
    }

    fn send(&mut self, conn: u64, data: &[u8], now: Instant) {
        if let Some(slot) = self.open_slot(conn) {
            self.queue_answer(slot, data);
            self.answered(slot, data.len(), now);
        }
    }

    fn send_all(&mut self, answers: &Answers, now: Instant) {
        if let Some(slot) = self.open_slot(answers.conn) {
            for message in answers.messages() {
                self.queue_answer(slot, message);
            }
            self.answered(slot, answers.largest(), now);
        }
    }

    /// Answers were queued, the largest of so many bytes: they are written soon, unless too many of them are not read.
    fn answered(&mut self, slot: usize, largest: usize, now: Instant) {
        self.bound_answers(slot, largest, now);
        self.enqueue(slot);
    }

    /// Too many answers that are not read are the end.
    pub(super) fn bound_answers(&mut self, slot: usize, largest: usize, now: Instant) {
        let most = self.settings().answer_buffer.saturating_mul(ANSWERS);
        let unread = self
            .connections
            .get(slot)
            .map_or(0, |connection| connection.out.unread_answers());
        if unread > most.max(largest) {
            self.begin_close(slot, Verdict::unread_answers(), now);
        }
    }

    fn close_all(&mut self, verdict: &Verdict, now: Instant) {
        let slots: Vec<usize> = self.connections.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.begin_close(slot, verdict.clone(), now);
        }
    }
}
