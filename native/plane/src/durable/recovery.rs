//! What a start finds of a channel: the history as it was, or the reason why another one begins.
//!
//! A record that was not written to its end is cut off: nobody has seen it. Everything else that is not as it was written
//! means that a position somebody holds may name another entry, or none: then the epoch ends, and every subscriber is told.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::durable::history::{History, Kept, Options, Said, Segment, remove_files};
use crate::durable::keys;
use crate::durable::manifest::Manifest;
use crate::durable::record::{self, Read, Record};
use crate::durable::segments::{Head, Kind, keys_names, kind_of, segment_name};
use crate::durable::sync::Fsync;
use crate::epoch::Epoch;

/// Why a channel has another epoch than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The machine went down, and what was written last may be lost with it.
    Power,
    /// Files are not as they were written.
    Damage,
}

impl Reason {
    /// As counters call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Power => "power_loss",
            Self::Damage => "damage",
        }
    }
}

/// What happened at the recovery of a channel that an operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// So many bytes of a record that was not written to its end were cut off.
    Torn(u64),
    /// Another history begins: why, and what was found.
    NewEpoch(Reason, String),
}

/// A channel as it was.
#[derive(Debug)]
pub struct Past {
    /// Its files, to be written on.
    pub history: History,
    /// Newest records of keys from before the first of `recent`.
    pub keyed: Vec<Record>,
    /// Records with consecutive offsets, up to the head.
    pub recent: Vec<Record>,
    /// The largest `ts` of records that are gone.
    pub lost_ts: f64,
    /// Whether `keyed` and `recent` hold the newest record of every key.
    pub has_all_keys: bool,
    /// What an operator should know.
    pub notes: Vec<Note>,
}

/// Why the history cannot go on.
#[derive(Debug)]
enum Stop {
    Io(io::Error),
    New(Reason, String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn damage(text: String) -> Stop {
    Stop::New(Reason::Damage, text)
}

/// Open the history of a channel in `dir`; `fresh` is the name of the next one if this cannot go on.
pub fn open(
    options: Options,
    dir: &Path,
    channel: &str,
    kept: Kept,
    fresh: Epoch,
) -> io::Result<Past> {
    let reading = Reading {
        options: options.clone(),
        dir: dir.to_owned(),
        channel: channel.into(),
        kept,
        notes: Vec::new(),
    };
    let notes = match reading.run() {
        Ok(Some(past)) => return Ok(past),
        Ok(None) => Vec::new(),
        Err(Stop::Io(error)) => return Err(error),
        Err(Stop::New(reason, text)) => vec![Note::NewEpoch(reason, text)],
    };
    let disk = Arc::clone(&options.disk);
    let history = History::begin(options, dir.to_owned(), channel, fresh, kept)?;
    remove_files(&*disk, dir)?;
    Ok(Past {
        history,
        keyed: Vec::new(),
        recent: Vec::new(),
        lost_ts: f64::NEG_INFINITY,
        has_all_keys: true,
        notes,
    })
}

struct Reading {
    options: Options,
    dir: PathBuf,
    channel: Arc<str>,
    kept: Kept,
    notes: Vec<Note>,
}

/// What the segments hold together.
#[derive(Default)]
struct Found {
    segments: VecDeque<Segment>,
    records: Vec<Record>,
    head: u64,
    lost_ts: f64,
    latest_ts: f64,
}

/// One segment file that is read.
struct Source {
    base: u64,
    path: PathBuf,
    bytes: Vec<u8>,
    is_last: bool,
    /// A loss of power under `always`: what was never told may be there in any state.
    is_lenient: bool,
}

impl Reading {
    fn run(mut self) -> Result<Option<Past>, Stop> {
        let manifest = match Manifest::read(&*self.options.disk, &self.dir) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(damage(error.to_string()));
            }
            other => other?,
        };
        let names = self.options.disk.list(&self.dir)?;
        let Some(manifest) = manifest else {
            let is_lost = names.iter().any(|name| kind_of(name) != Kind::Other);
            return if is_lost {
                Err(damage("the manifest is missing".into()))
            } else {
                Ok(None)
            };
        };
        self.check(&manifest)?;
        let found = self.segments(&names, &manifest)?;
        let (keyed, keys) = self.keys(&names, &manifest, &found)?;
        Ok(Some(self.past(&manifest, found, keyed, keys)))
    }

    fn check(&self, manifest: &Manifest) -> Result<(), Stop> {
        if manifest.channel != self.channel {
            return Err(damage(format!(
                "{} was expected, the manifest is that of {}",
                self.channel, manifest.channel
            )));
        }
        let may_lack = !manifest.is_clean && manifest.has_begun && manifest.fsync != Fsync::Always;
        if may_lack && manifest.boot != self.options.boot {
            let text = "the machine went down before everything was synced".into();
            return Err(Stop::New(Reason::Power, text));
        }
        Ok(())
    }

    fn segments(&mut self, names: &[String], manifest: &Manifest) -> Result<Found, Stop> {
        let mut bases = Vec::new();
        for name in names {
            match kind_of(name) {
                Kind::Segment(base) => bases.push(base),
                Kind::Fresh => self.options.disk.remove(&self.dir.join(name))?,
                Kind::Keys(_) | Kind::Other => {}
            }
        }
        bases.sort_unstable();
        let last = bases.last().copied();
        let mut found = Found {
            lost_ts: f64::NEG_INFINITY,
            latest_ts: f64::NEG_INFINITY,
            ..Found::default()
        };
        for base in bases {
            let path = self.dir.join(segment_name(base));
            let source = Source {
                base,
                bytes: self.options.disk.read(&path)?,
                path,
                is_last: Some(base) == last,
                is_lenient: !manifest.is_clean && manifest.boot != self.options.boot,
            };
            self.segment(&source, &manifest.epoch, &mut found)?;
        }
        let is_gone = manifest.has_begun && found.segments.is_empty();
        if is_gone || found.head < manifest.head {
            let (least, head) = (manifest.head, found.head);
            let text = format!("entries up to {least} at least were expected, {head} is the last");
            return Err(damage(text));
        }
        Ok(found)
    }

    fn segment(&mut self, source: &Source, epoch: &str, found: &mut Found) -> Result<(), Stop> {
        let bytes = &source.bytes;
        let (head, at) = match Head::read(bytes) {
            Ok(read) => read,
            Err(is_torn) if source.may_lack_end(is_torn, 0) => {
                return self.drop_unbegun(source, found);
            }
            Err(_) => {
                return Err(damage(format!(
                    "segment {}: its head is wrong",
                    source.base
                )));
            }
        };
        if &*head.epoch != epoch {
            // What is left of a history that was ended.
            return Ok(self.options.disk.remove(&source.path)?);
        }
        if found.segments.is_empty() {
            found.head = source.base.saturating_sub(1);
            found.lost_ts = head.latest_ts;
            found.latest_ts = head.latest_ts;
        }
        if head.number != source.base || source.base != found.head + 1 {
            let text = format!("segment {}: {} was expected", source.base, found.head + 1);
            return Err(damage(text));
        }
        self.records(source, at, found)
    }

    /// A segment of which nothing but its name was finished.
    fn drop_unbegun(&mut self, source: &Source, found: &mut Found) -> Result<(), Stop> {
        if found.segments.is_empty() {
            found.head = source.base.saturating_sub(1);
            if found.head > 0 {
                let text = format!("segment {}: its head is missing", source.base);
                return Err(damage(text));
            }
        }
        if source.base != found.head + 1 {
            let text = format!("segment {}: {} was expected", source.base, found.head + 1);
            return Err(damage(text));
        }
        self.notes.push(Note::Torn(source.bytes.len() as u64));
        Ok(self.options.disk.remove(&source.path)?)
    }

    fn records(&mut self, source: &Source, start: usize, found: &mut Found) -> Result<(), Stop> {
        let (mut at, mut has_marks) = (start, false);
        loop {
            let is_torn = match record::read(&source.bytes, at) {
                Read::End => break,
                Read::Record(record, next) if record.offset == found.head + 1 => {
                    found.head += 1;
                    found.latest_ts = found.latest_ts.max(record.ts);
                    has_marks |= record.mark.is_some();
                    found.records.push(*record);
                    at = next;
                    continue;
                }
                Read::Record(..) | Read::Bad => false,
                Read::Torn => true,
            };
            if !source.may_lack_end(is_torn, at) {
                let (base, after) = (source.base, found.head);
                let text = format!("segment {base}: what stands after entry {after} is wrong");
                return Err(damage(text));
            }
            self.cut(source, at)?;
            break;
        }
        found.segments.push_back(Segment {
            base: source.base,
            bytes: at as u64,
            latest_ts: found.latest_ts,
            has_marks,
        });
        Ok(())
    }

    fn cut(&mut self, source: &Source, at: usize) -> io::Result<()> {
        self.notes
            .push(Note::Torn((source.bytes.len() - at) as u64));
        self.options.disk.open(&source.path)?.cut(at as u64)
    }

    fn keys(
        &self,
        names: &[String],
        manifest: &Manifest,
        found: &Found,
    ) -> Result<(Vec<Record>, Option<u64>), Stop> {
        let mut all: Vec<u64> = names
            .iter()
            .filter_map(|name| match kind_of(name) {
                Kind::Keys(upto) => Some(upto),
                _ => None,
            })
            .collect();
        all.sort_unstable();
        let newest = all.pop_if(|_| self.kept.per_key);
        for upto in all {
            self.options.disk.remove(&self.keys_path(upto))?;
        }
        let Some(upto) = newest else {
            return Ok((Vec::new(), None));
        };
        let bytes = self.options.disk.read(&self.keys_path(upto))?;
        let first = found.segments.front().map_or(0, |first| first.base);
        let records = keys::read(&bytes, &manifest.epoch, upto).filter(|_| upto + 1 >= first);
        let Some(mut records) = records else {
            return Err(damage(format!(
                "the newest entries of keys up to {upto} are wrong"
            )));
        };
        records.retain(|record| record.offset < first);
        Ok((records, Some(upto)))
    }

    fn keys_path(&self, upto: u64) -> PathBuf {
        Path::new(&self.dir).join(keys_names(upto).0)
    }

    fn past(
        self,
        manifest: &Manifest,
        found: Found,
        keyed: Vec<Record>,
        keys: Option<u64>,
    ) -> Past {
        let first = found.segments.front().map_or(1, |first| first.base);
        Past {
            keyed,
            recent: found.records,
            lost_ts: found.lost_ts,
            has_all_keys: first == 1 || keys.is_some(),
            notes: self.notes,
            history: History {
                options: self.options,
                dir: self.dir,
                channel: self.channel,
                epoch: Epoch::named(&manifest.epoch),
                kept: self.kept,
                segments: found.segments,
                keys,
                head: found.head,
                latest_ts: found.latest_ts,
                file: None,
                said: if manifest.is_clean {
                    Said::Clean
                } else {
                    Said::Left
                },
                has_remains: false,
                is_unsynced: false,
            },
        }
    }
}

impl Source {
    /// Whether what stands at `at` may be the rest of a write that nobody was told of: one that was cut short, or under
    /// `always` any bytes of the last batch, whose sync was never over.
    fn may_lack_end(&self, is_torn: bool, at: usize) -> bool {
        self.is_last && (is_torn || (self.is_lenient && !self.has_batch_after(at)))
    }

    fn has_batch_after(&self, at: usize) -> bool {
        let begins = |at| matches!(record::read(&self.bytes, at), Read::Record(record, _) if record.starts_batch);
        (at + 1..self.bytes.len()).any(begins)
    }
}
