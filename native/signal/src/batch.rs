//! What a consumer takes: processed signals, ready to become entries of a log.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use space::Hit;

use crate::connections::NamedConnection;
use crate::json::{write_f32, write_seconds, write_str, write_uint};
use crate::names::Names;
use crate::queue::{Dropped, Segment, Taken};
use crate::record::{Change, Extra, Novelty, Question, Record, SignalRecord, Sum};
use crate::token::Token;
use crate::tokens::NamedToken;
use crate::vector::Vector;

/// One entry of the channel `signals` (signals.md §7).
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The event's name.
    pub event: Arc<str>,
    /// A JSON object.
    pub data: Vec<u8>,
    /// Key, tags and trace context; the payload is part of `data`.
    pub extra: Option<Arc<Extra>>,
    /// Of a signal, where its members stand in `data`, in the order of [`MEMBERS`], and its vector; of others nothing is told.
    pub marks: Option<([Mark; MEMBERS.len()], Vector)>,
}

/// A value in `data`: its first byte, and the one behind its last.
pub type Mark = (u16, u16);

/// The members of a signal's `data` that are told where they stand.
pub const MEMBERS: [&str; 7] = [
    "token_id",
    "vector",
    "priority",
    "is_novel",
    "nearest_dist",
    "anomaly_score",
    "node",
];

/// A run of the queue, in order.
pub struct Batch {
    taken: Taken,
    names: Arc<Names>,
    /// The node's name as a JSON string.
    node: Arc<[u8]>,
    event_neighbors: usize,
    len: usize,
    places: OnceLock<HashMap<u64, usize>>,
}

impl Batch {
    pub(crate) fn new(
        taken: Taken,
        names: Arc<Names>,
        node: Arc<[u8]>,
        event_neighbors: usize,
    ) -> Self {
        let records: usize = taken
            .segments
            .iter()
            .map(|segment| segment.records.len())
            .sum();
        Self {
            len: records + usize::from(taken.dropped.is_some()),
            taken,
            names,
            node,
            event_neighbors,
            places: OnceLock::new(),
        }
    }

    /// How many entries it makes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it makes none; a batch that was taken never does.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What was lost before its first record; told by its first entry.
    pub fn dropped(&self) -> Option<Dropped> {
        self.taken.dropped
    }

    /// Where the entry of the signal with this token stands. The first call looks at all of them, the others at one.
    pub fn index_of(&self, token_id: u64) -> Option<usize> {
        self.places
            .get_or_init(|| self.places())
            .get(&token_id)
            .copied()
    }

    fn places(&self) -> HashMap<u64, usize> {
        let first = usize::from(self.taken.dropped.is_some());
        let place = |(place, (_, record)): (usize, (_, &Record))| match record {
            Record::Signal(signal) => Some((signal.token_id, place)),
            _ => None,
        };
        (first..).zip(self.records()).filter_map(place).collect()
    }

    fn records(&self) -> impl Iterator<Item = (&Segment, &Record)> {
        let segments = self.taken.segments.iter();
        segments.flat_map(|segment| segment.records.iter().map(move |record| (segment, record)))
    }

    /// Its entries, composed now.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        let names = self.names.snapshot();
        let name = move |id: u16| {
            names
                .get(usize::from(id))
                .map_or_else(|| Arc::from(""), Arc::clone)
        };
        let lost = self
            .taken
            .dropped
            .iter()
            .map(|dropped| self.dropped_entry(*dropped));
        let events = self.records().map(move |(segment, record)| match record {
            Record::Signal(signal) => {
                let (data, marks) = self.signal_data(signal, segment.near_of(signal));
                Entry {
                    event: name(signal.event_type),
                    data,
                    extra: signal.extra.clone(),
                    marks,
                }
            }
            Record::Token(change, token) => plain(
                change.event(),
                self.token_data(token, &name(token.event_type)),
            ),
            Record::Tokens(change, sum) => plain(change.event(), self.sum_data(*change, sum)),
            Record::Connections(change, list) => {
                plain(change.connection_event(), self.connections_data(list))
            }
            Record::Severed(count, _) => plain(
                Change::Deleted.connection_event(),
                self.severed_data(*count),
            ),
            Record::Novelty(novelty) => plain(
                "signal.anomaly.novelty",
                self.novelty_data(novelty, &name(novelty.event_type)),
            ),
            Record::Question(question) => plain("grid.query", self.question_data(question)),
        });
        lost.chain(events)
    }

    /// One JSON text per entry: `event`, `key`, `tags`, `data`, as far as there are such.
    pub fn to_json(&self) -> Vec<Vec<u8>> {
        self.entries().map(|entry| entry.to_json()).collect()
    }

    fn signal_data(
        &self,
        signal: &SignalRecord,
        near: &[Hit],
    ) -> (Vec<u8>, Option<([Mark; MEMBERS.len()], Vector)>) {
        let payload = signal
            .extra
            .as_ref()
            .and_then(|extra| extra.payload.as_deref());
        let mut out = Vec::with_capacity(256 + near.len() * 48 + payload.map_or(0, <[u8]>::len));
        let mut marks = [(0, 0); MEMBERS.len()];
        let short = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
        let mut write = |out: &mut Vec<u8>, member: usize, write: &dyn Fn(&mut Vec<u8>)| {
            out.push(if member == 0 { b'{' } else { b',' });
            out.push(b'"');
            out.extend_from_slice(MEMBERS[member].as_bytes());
            out.extend_from_slice(b"\":");
            let start = short(out.len());
            write(out);
            marks[member] = (start, short(out.len()));
        };
        write(&mut out, 0, &|out| write_uint(out, signal.token_id));
        write(&mut out, 1, &|out| write_coordinates(out, &signal.vector));
        write(&mut out, 2, &|out| {
            write_uint(out, u64::from(signal.priority));
        });
        write(&mut out, 3, &|out| {
            out.extend_from_slice(if signal.is_novel { b"true" } else { b"false" });
        });
        write(&mut out, 4, &|out| write_distance(out, signal.nearest_dist));
        write(&mut out, 5, &|out| write_f32(out, signal.anomaly_score));
        write_neighbors(&mut out, near.iter().take(self.event_neighbors));
        write(&mut out, 6, &|out| out.extend_from_slice(&self.node));
        let are_marked = out.len() < usize::from(u16::MAX);
        if let Some(payload) = payload {
            out.extend_from_slice(b",\"payload\":");
            out.extend_from_slice(payload);
        }
        out.push(b'}');
        (out, are_marked.then_some((marks, signal.vector)))
    }

    fn token_data(&self, token: &Token, event_type: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        write_token(&mut out, token, event_type);
        self.write_node(&mut out);
        out.push(b'}');
        out
    }

    fn sum_data(&self, change: Change, sum: &Sum) -> Vec<u8> {
        debug_assert!(change != Change::Updated, "updates are told one by one");
        let mut out = b"{\"reason\":".to_vec();
        write_str(&mut out, sum.reason);
        out.extend_from_slice(b",\"count\":");
        write_uint(&mut out, sum.count);
        out.extend_from_slice(b",\"up_to\":");
        write_uint(&mut out, sum.up_to);
        self.write_node(&mut out);
        out.push(b'}');
        out
    }

    fn connections_data(&self, list: &[NamedConnection]) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + 160 * list.len());
        out.extend_from_slice(b"{\"connections\":[");
        for (n, one) in list.iter().enumerate() {
            if n > 0 {
                out.push(b',');
            }
            write_connection(&mut out, one);
        }
        out.push(b']');
        self.write_node(&mut out);
        out.push(b'}');
        out
    }

    fn severed_data(&self, count: u64) -> Vec<u8> {
        let mut out = b"{\"reason\":\"token\",\"count\":".to_vec();
        write_uint(&mut out, count);
        self.write_node(&mut out);
        out.push(b'}');
        out
    }

    fn novelty_data(&self, novelty: &Novelty, event: &str) -> Vec<u8> {
        let mut out = b"{\"token_id\":".to_vec();
        write_uint(&mut out, novelty.token_id);
        out.extend_from_slice(b",\"nearest_dist\":");
        write_distance(&mut out, novelty.nearest_dist);
        out.extend_from_slice(b",\"event\":");
        write_str(&mut out, event);
        out.extend_from_slice(b",\"left_out\":");
        write_uint(&mut out, novelty.left_out);
        self.write_node(&mut out);
        out.push(b'}');
        out
    }

    fn question_data(&self, question: &Question) -> Vec<u8> {
        let radius = question
            .radius
            .map_or_else(|| "null".to_owned(), |radius| format!("{radius:?}"));
        let (k, hits, us) = (question.k, question.hits, question.us);
        let mut out = format!(
            "{{\"k\":{k},\"radius\":{radius},\"hits\":{hits},\"processing_time_us\":{us:.3}"
        )
        .into_bytes();
        self.write_node(&mut out);
        out.push(b'}');
        out
    }

    fn dropped_entry(&self, dropped: Dropped) -> Entry {
        let mut out = b"{\"count\":".to_vec();
        write_uint(&mut out, dropped.count);
        out.extend_from_slice(b",\"first_token_id\":");
        write_uint(&mut out, dropped.first_token_id);
        out.extend_from_slice(b",\"last_token_id\":");
        write_uint(&mut out, dropped.last_token_id);
        self.write_node(&mut out);
        out.push(b'}');
        plain("signal.dropped", out)
    }

    fn write_node(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"node\":");
        out.extend_from_slice(&self.node);
    }
}

impl Segment {
    fn near_of(&self, signal: &SignalRecord) -> &[Hit] {
        let start = signal.near_start as usize;
        self.near
            .get(start..start + usize::from(signal.near_len))
            .unwrap_or_default()
    }
}

impl Entry {
    /// Event, key, tags, trace context and data, as far as there are such.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = b"{\"event\":".to_vec();
        write_str(&mut out, &self.event);
        if let Some(extra) = &self.extra {
            if let Some(key) = &extra.key {
                out.extend_from_slice(b",\"key\":");
                write_str(&mut out, key);
            }
            if let Some(tags) = &extra.tags {
                out.extend_from_slice(b",\"tags\":");
                out.extend_from_slice(tags);
            }
            for (name, text) in [
                ("traceparent", &extra.traceparent),
                ("tracestate", &extra.tracestate),
            ] {
                if let Some(text) = text {
                    out.extend_from_slice(format!(",\"{name}\":").as_bytes());
                    write_str(&mut out, text);
                }
            }
        }
        out.extend_from_slice(b",\"data\":");
        out.extend_from_slice(&self.data);
        out.push(b'}');
        out
    }
}

fn write_connection(out: &mut Vec<u8>, one: &NamedConnection) {
    let connection = &one.connection;
    for (name, number) in [
        ("{\"connection_id\":", one.id),
        (",\"token_a\":", connection.token_a),
        (",\"token_b\":", connection.token_b),
    ] {
        out.extend_from_slice(name.as_bytes());
        write_uint(out, number);
    }
    out.extend_from_slice(b",\"kind\":");
    write_str(out, &one.kind);
    out.extend_from_slice(b",\"pull_strength\":");
    write_f32(out, connection.pull_strength);
    out.extend_from_slice(b",\"preferred_distance\":");
    write_distance(out, connection.preferred_distance);
    out.extend_from_slice(b",\"activations\":");
    write_uint(out, u64::from(connection.activations));
    out.push(b'}');
}

fn plain(event: &str, data: Vec<u8>) -> Entry {
    Entry {
        event: Arc::from(event),
        data,
        extra: None,
        marks: None,
    }
}

/// The members of a token, of an object that is not closed yet.
fn write_token(out: &mut Vec<u8>, token: &Token, event_type: &str) {
    out.extend_from_slice(b"{\"token_id\":");
    write_uint(out, token.id);
    write_vector(out, &token.pos);
    out.extend_from_slice(b",\"event_type\":");
    write_str(out, event_type);
    out.extend_from_slice(b",\"priority\":");
    write_uint(out, u64::from(token.priority));
    out.extend_from_slice(b",\"weight\":");
    write_f32(out, token.weight);
    out.extend_from_slice(b",\"created\":");
    write_seconds(out, token.created_us);
}

impl NamedToken {
    /// An event of its type whose data is the token: what filters of tokens look at.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = b"{\"event\":".to_vec();
        write_str(&mut out, &self.event_type);
        out.extend_from_slice(b",\"data\":");
        write_token(&mut out, &self.token, &self.event_type);
        out.extend_from_slice(b",\"is_novel\":");
        out.extend_from_slice(if self.token.is_novel() {
            b"true"
        } else {
            b"false"
        });
        out.extend_from_slice(b",\"nearest_dist\":");
        let nearest = self.token.nearest();
        write_distance(
            &mut out,
            nearest.map_or(f32::INFINITY, |(_, distance)| distance),
        );
        out.extend_from_slice(b"}}");
        out
    }
}

fn write_vector(out: &mut Vec<u8>, vector: &Vector) {
    out.extend_from_slice(b",\"vector\":");
    write_coordinates(out, vector);
}

fn write_coordinates(out: &mut Vec<u8>, vector: &Vector) {
    out.push(b'[');
    for (axis, x) in vector.iter().enumerate() {
        if axis > 0 {
            out.push(b',');
        }
        write_f32(out, *x);
    }
    out.push(b']');
}

fn write_neighbors<'a>(out: &mut Vec<u8>, near: impl Iterator<Item = &'a Hit>) {
    out.extend_from_slice(b",\"neighbors\":[");
    for (n, hit) in near.enumerate() {
        out.extend_from_slice(if n > 0 {
            b",{\"token_id\":"
        } else {
            b"{\"token_id\":"
        });
        write_uint(out, hit.entry.id);
        out.extend_from_slice(b",\"distance\":");
        write_f32(out, hit.distance());
        out.push(b'}');
    }
    out.push(b']');
}

/// JSON has no infinity: nothing near is `null`.
fn write_distance(out: &mut Vec<u8>, distance: f32) {
    if distance.is_finite() {
        write_f32(out, distance);
    } else {
        out.extend_from_slice(b"null");
    }
}
