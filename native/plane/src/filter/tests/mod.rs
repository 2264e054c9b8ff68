#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bounds;
mod filing;
mod grammar;
mod judging;
mod marked;
mod meaning;
mod model;
mod named;
mod random;

use crate::filter::{Bounds, Filter, FilterFault, Limits, Scratch, Subject};

fn bounds(all: usize, of_channel: usize) -> Bounds {
    Bounds {
        all,
        of_channel,
        bytes: 1 << 30,
    }
}

fn read(text: &str) -> Result<Filter, FilterFault> {
    Filter::parse(text.as_bytes(), Limits::default())
}

fn filter(text: &str) -> Filter {
    read(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

/// An `event` message with these members, the name and the key among them.
struct Event {
    name: String,
    key: Option<String>,
    message: String,
}

impl Event {
    fn new(event: &str, key: Option<&str>, others: &str) -> Self {
        let key_member = key.map(|key| format!(",\"key\":{}", serde_json::json!(key)));
        let key_member = key_member.unwrap_or_default();
        let comma = if others.is_empty() { "" } else { "," };
        Self {
            name: event.into(),
            key: key.map(Into::into),
            message: format!(
                r#"{{"type":"event","channel":"logs","offset":1,"event":"{event}","ts":1.5{comma}{others}{key_member}}}"#
            ),
        }
    }

    fn subject(&self) -> Subject<'_> {
        Subject::new(&self.name, self.key.as_deref(), self.message.as_bytes())
    }
}

fn passes(text: &str, event: &Event) -> bool {
    filter(text).passes(&event.subject(), &mut Scratch::default())
}
