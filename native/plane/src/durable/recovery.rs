//! What a start finds of a channel: the history as it was, or the reason why another one begins.
//!
//! A record that was not written to its end is cut off: nobody has seen it. Everything else that is not as it was written
//! means that a position somebody holds may name another entry, or none: then the epoch ends, and every subscriber is told. What
//! is whole up to there is the beginning of the next one (see `carry`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::durable::apart::is_apart;
use crate::durable::carry::{self, carry};
use crate::durable::found::{Found, Source};
use crate::durable::history::{History, Said};
use crate::durable::keys;
use crate::durable::manifest::Manifest;
use crate::durable::options::{Kept, Options};
use crate::durable::record::Record;
use crate::durable::salvage::salvage;
use crate::durable::segments::{Head, Kind, keys_names, kind_of, segment_name};
use crate::durable::sync::Fsync;
use crate::durable::tip::Tip;
use crate::durable::verdict::{Note, Reason, Stop, damage};
use crate::epoch::Epoch;

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
    /// The newest records of keys up to this offset may be in neither.
    pub forgotten: u64,
    /// What an operator should know.
    pub notes: Vec<Note>,
    /// Entries of the former history that this one has begun with.
    pub carried: u64,
    /// Files of the former history are kept beside this one.
    pub is_set_aside: bool,
}

/// Open the history of a channel in `dir`; `fresh` is the name of the next one if this cannot go on.
pub fn open(
    options: Options,
    dir: &Path,
    channel: &str,
    kept: Kept,
    fresh: Epoch,
) -> io::Result<Past> {
    let reading = || Reading {
        options: options.clone(),
        dir: dir.to_owned(),
        channel: channel.into(),
        kept,
    };
    match reading().run() {
        Ok(Some(past)) => Ok(past),
        Ok(None) if carry::resume(&*options.disk, dir)? => reading().read_again(),
        Ok(None) => Ok(Past::new(History::begin(
            options,
            dir.to_owned(),
            channel,
            fresh,
            kept,
        )?)),
        Err(Stop::Io(error)) => Err(error),
        Err(Stop::New(reason, text)) => {
            let salvaged = salvage(&*options.disk, dir, kept.per_key)?;
            let is_set_aside = reason == Reason::Damage || !salvaged.is_whole;
            carry(&options, dir, channel, kept, fresh, &salvaged, is_set_aside)
                .map_err(|error| not_carried(&text, &error))?;
            let carried = salvaged.records.len() as u64;
            let text = format!("{text}; it begins with {carried} entries that were whole");
            Ok(Past {
                notes: vec![Note::NewEpoch(reason, text)],
                carried,
                is_set_aside,
                ..reading().read_again()?
            })
        }
    }
}

fn not_carried(why: &str, error: &io::Error) -> io::Error {
    let text =
        format!("{why}; what is whole is still there, but could not be carried over: {error}");
    io::Error::new(error.kind(), text)
}

impl Past {
    /// A history without an entry.
    fn new(history: History) -> Self {
        Self {
            history,
            keyed: Vec::new(),
            recent: Vec::new(),
            lost_ts: f64::NEG_INFINITY,
            forgotten: 0,
            notes: Vec::new(),
            carried: 0,
            is_set_aside: false,
        }
    }
}

/// What is known of keys from before the first segment.
#[derive(Default)]
struct Keys {
    records: Vec<Record>,
    upto: Option<u64>,
    /// The newest records of those up to this offset may not be there.
    forgotten: u64,
}

struct Reading {
    options: Options,
    dir: PathBuf,
    channel: Arc<str>,
    kept: Kept,
}

impl Reading {
    /// What was just written.
    fn read_again(self) -> io::Result<Past> {
        let dir = self.dir.clone();
        match self.run() {
            Ok(Some(past)) => Ok(past),
            Err(Stop::Io(error)) => Err(error),
            Ok(None) | Err(Stop::New(..)) => {
                let text = format!("{} is not as it was just written", dir.display());
                Err(io::Error::other(text))
            }
        }
    }

    fn run(self) -> Result<Option<Past>, Stop> {
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
        if is_apart(&names) {
            let text = "the hub ran without keeping it, and may have taken entries".into();
            return Err(Stop::New(Reason::Apart, text));
        }
        let mut found = self.segments(&names, &manifest)?;
        let tip = self.tip(&manifest, &found)?;
        found.check_head(&manifest)?;
        self.mark_synced(&manifest, &mut found)?;
        let keys = self.keys(&names, &manifest, &found)?;
        let mut past = self.past(&manifest, found, keys, tip);
        if manifest.has_begun {
            // A whole record that it did not tell of is seen from now on.
            past.history.tell_end()?;
        }
        Ok(Some(past))
    }

    fn check(&self, manifest: &Manifest) -> Result<(), Stop> {
        manifest.check_channel(&self.channel)?;
        let may_lack = !manifest.is_clean && manifest.has_begun && manifest.fsync != Fsync::Always;
        if may_lack && manifest.boot != self.options.boot {
            let text = "the machine went down before everything was synced".into();
            return Err(Stop::New(Reason::Power, text));
        }
        Ok(())
    }

    /// What is shown from now on must survive a loss of power where one is trusted; elsewhere a clean end sees to it.
    fn mark_synced(&self, manifest: &Manifest, found: &mut Found) -> io::Result<()> {
        // Until the next write, a loss of power is judged by the policy that the manifest tells.
        let is_trusted = [self.options.fsync, manifest.fsync].contains(&Fsync::Always);
        for segment in &mut found.segments {
            if !manifest.is_clean && is_trusted {
                let path = self.dir.join(segment_name(segment.base));
                self.options.disk.open(&path)?.sync()?;
                segment.is_synced = true;
            }
            segment.is_synced |= manifest.is_clean;
        }
        Ok(())
    }

    /// What could not be removed before may stay: it is nothing.
    fn drop_foreign(&self, path: &Path) {
        let _ = self.options.disk.remove(path);
    }

    /// Left by a rotation that could not remove it.
    fn is_foreign(&self, path: &Path, manifest: &Manifest) -> io::Result<bool> {
        let bytes = match self.options.disk.read(path) {
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => return Ok(true),
            other => other?,
        };
        let head = Head::read(&bytes);
        Ok(head.is_ok_and(|(head, _)| *head.epoch != *manifest.epoch))
    }

    fn segments(&self, names: &[String], manifest: &Manifest) -> Result<Found, Stop> {
        let mut bases = Vec::new();
        for name in names {
            match kind_of(name) {
                Kind::Segment(base) => bases.push(base),
                Kind::Fresh => self.options.disk.remove(&self.dir.join(name))?,
                Kind::Keys(_) | Kind::Tip | Kind::Other => {}
            }
        }
        bases.sort_unstable();
        while let Some(last) = bases.last() {
            let path = self.dir.join(segment_name(*last));
            if !self.is_foreign(&path, manifest)? {
                break;
            }
            self.drop_foreign(&path);
            bases.pop();
        }
        let last = bases.last().copied();
        let mut found = Found::default();
        for base in bases {
            let path = self.dir.join(segment_name(base));
            let source = Source {
                base,
                bytes: self.options.disk.read(&path)?,
                path,
                is_last: Some(base) == last,
                is_lenient: !manifest.is_clean && manifest.boot != self.options.boot,
            };
            found.take(&*self.options.disk, &source, &manifest.epoch)?;
        }
        Ok(found)
    }

    /// The tip, which the segments must reach. Before the manifest knows of a segment nobody has seen an entry; after a loss
    /// of power it may lack what the kernel had not written yet.
    fn tip(&self, manifest: &Manifest, found: &Found) -> Result<Option<Tip>, Stop> {
        if !manifest.has_begun {
            return Ok(None);
        }
        let may_be_old = !manifest.is_clean && manifest.boot != self.options.boot;
        match Tip::read(&*self.options.disk, &self.dir, &manifest.epoch)? {
            Some((_, _, false)) => Err(damage(
                "the files are a copy, which may be older than what was seen".into(),
            )),
            Some((tip, place, true)) => {
                found.check_end(place, may_be_old)?;
                Ok(Some(tip))
            }
            None if may_be_old => Ok(None),
            None => Err(damage("the tip is missing or not readable".into())),
        }
    }

    fn keys(&self, names: &[String], manifest: &Manifest, found: &Found) -> Result<Keys, Stop> {
        let mut all = Vec::new();
        for name in names {
            let Kind::Keys(upto) = kind_of(name) else {
                continue;
            };
            let path = self.keys_path(upto);
            if self.is_foreign(&path, manifest)? {
                self.drop_foreign(&path);
            } else {
                all.push(upto);
            }
        }
        all.sort_unstable();
        let newest = all.pop_if(|_| self.kept.per_key);
        for upto in all {
            self.options.disk.remove(&self.keys_path(upto))?;
        }
        let first = found.segments.front().map_or(0, |first| first.base);
        let Some(upto) = newest else {
            return Ok(Keys {
                forgotten: first.saturating_sub(1),
                ..Keys::default()
            });
        };
        let bytes = self.options.disk.read(&self.keys_path(upto))?;
        let read = keys::read(&bytes, &manifest.epoch, upto).filter(|_| upto + 1 >= first);
        let Some((mut records, forgotten)) = read else {
            return Err(damage(format!(
                "the newest entries of keys up to {upto} are wrong"
            )));
        };
        records.retain(|record| record.offset < first);
        Ok(Keys {
            records,
            upto: Some(upto),
            forgotten: forgotten.min(first.saturating_sub(1)),
        })
    }

    fn keys_path(&self, upto: u64) -> PathBuf {
        Path::new(&self.dir).join(keys_names(upto).0)
    }

    fn past(self, manifest: &Manifest, found: Found, keys: Keys, tip: Option<Tip>) -> Past {
        let epoch = Epoch::named(&manifest.epoch);
        let history = History {
            segments: found.segments,
            keys: keys.upto,
            head: found.head,
            latest_ts: found.latest_ts,
            tip,
            said: if manifest.is_clean {
                Said::Clean
            } else {
                Said::Left
            },
            forgotten: keys.forgotten,
            ..History::new(self.options, self.dir, self.channel, epoch, self.kept)
        };
        Past {
            keyed: keys.records,
            recent: found.records,
            lost_ts: found.lost_ts,
            forgotten: keys.forgotten,
            notes: found.notes,
            ..Past::new(history)
        }
    }
}
