//! Entries on their way to the disk: what one append brought, and how appends become writes.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use crate::channel::Channel;
use crate::durable::record::{self, Encoded};
use crate::entry::NewEntry;
use crate::epoch::Epoch;
use crate::logs::LogId;

/// Bytes that an entry is counted with beside its texts.
const OVERHEAD: usize = 128;

/// Entries of one append, in their places.
#[derive(Debug)]
pub struct Job {
    /// Where they go.
    pub channel: Arc<Channel>,
    /// Of the first and all of them.
    pub epoch: Epoch,
    /// Offset of the first.
    pub first: u64,
    /// Their time.
    pub ts: f64,
    /// What they are.
    pub entries: Vec<NewEntry>,
    /// What Python gave beside each.
    pub marks: Vec<Option<Box<[u8]>>>,
    /// What they and their marks are counted with.
    pub bytes: usize,
}

/// Bytes that an entry is counted with.
pub fn size(entry: &NewEntry) -> usize {
    let texts = [&entry.key, &entry.traceparent, &entry.tracestate];
    let optional = texts.map(|text| text.as_ref().map_or(0, |text| text.len()));
    let tags = entry.tags.as_ref().map_or(0, |tags| tags.len());
    entry.event.len() + entry.data.len() + tags + optional.iter().sum::<usize>() + OVERHEAD
}

/// Jobs of one channel together, in the order of their places.
pub fn by_channel(jobs: Vec<Job>) -> Vec<Vec<Job>> {
    let mut groups: Vec<Vec<Job>> = Vec::new();
    let mut numbers: HashMap<LogId, usize> = HashMap::new();
    for job in jobs {
        let number = *numbers.entry(job.channel.id).or_insert(groups.len());
        match groups.get_mut(number) {
            Some(group) => group.push(job),
            None => groups.push(vec![job]),
        }
    }
    groups
}

/// Jobs in order, in portions for one write each.
pub fn chunks(jobs: Vec<Job>, size: usize) -> Vec<Vec<Job>> {
    let mut all = Vec::new();
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    for job in jobs {
        bytes += job.bytes;
        chunk.push(job);
        if bytes >= size {
            all.push(mem::take(&mut chunk));
            bytes = 0;
        }
    }
    if !chunk.is_empty() {
        all.push(chunk);
    }
    all
}

/// One record for each entry.
pub fn encode(jobs: &[Job]) -> Encoded {
    let mut encoded = Encoded {
        bytes: Vec::with_capacity(jobs.iter().map(|job| job.bytes).sum()),
        latest_ts: f64::NEG_INFINITY,
        ..Encoded::default()
    };
    for job in jobs {
        let mut marks = job.marks.iter();
        for (offset, entry) in (job.first..).zip(&job.entries) {
            let mark = marks.next().and_then(Option::as_deref);
            let starts_batch = encoded.count == 0;
            record::write(
                &mut encoded.bytes,
                offset,
                job.ts,
                entry,
                mark,
                starts_batch,
            );
            encoded.count += 1;
            encoded.has_marks |= mark.is_some();
        }
        encoded.latest_ts = encoded.latest_ts.max(job.ts);
    }
    encoded
}
