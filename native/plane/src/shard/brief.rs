//! Messages in a few letters, as scenarios compare them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::shard::rig::Rig;

/// What was received since the last time, in brief: `3` for an event, `gap A:3 B:0 epoch`, `ack logs=A:5`, and `at A:3+2` for
/// an answer; histories are called by the letters given.
pub fn brief(rig: &mut Rig, conn: u64, histories: &[&str]) -> Vec<String> {
    let messages = rig.messages(conn);
    messages
        .iter()
        .map(|message| {
            let text = |name: &str| {
                let value = &message[name];
                named(
                    value.as_str().map_or(value.to_string(), str::to_owned),
                    histories,
                )
            };
            match message["type"].as_str().unwrap() {
                "event" => text("offset"),
                "gap" => format!("gap {} {} {}", text("from"), text("to"), text("reason")),
                "ack" => {
                    let positions = message["positions"].as_object().unwrap();
                    let told = positions.iter().map(|(channel, position)| {
                        format!(
                            " {channel}={}",
                            named(position.as_str().unwrap().to_owned(), histories)
                        )
                    });
                    format!("ack{}", told.collect::<String>())
                }
                _ => format!("at {}+{}", text("position"), text("behind")),
            }
        })
        .collect()
}

fn named(position: String, histories: &[&str]) -> String {
    let letters = ["A", "B", "C"];
    let all = histories.iter().zip(letters);
    all.fold(position, |text, (epoch, letter)| {
        text.replace(epoch, letter)
    })
}
