//! Message templates. To add a protocol: add one entry to `table()`.
//!
//! Placeholders: `{channel}` the channel name, `{channels}` a JSON array holding it,
//! `{data}` the JSON payload, `{len}` the payload's byte length, `{i}` connection number,
//! `{id}` a number that is another one for each publish.

#[derive(Clone)]
pub enum Step {
    Send(Vec<u8>),
    /// Wait for a message containing these bytes (empty: any message).
    Expect(Vec<u8>),
}

pub struct Proto {
    pub name: &'static str,
    /// WebSocket subprotocol header value ("" for none).
    pub subprotocol: &'static str,
    /// Messages are sent in binary frames.
    pub binary: bool,
    /// Steps common to every connection after the upgrade (login).
    pub hello: Vec<Step>,
    /// Steps for a subscriber.
    pub subscribe: Vec<Step>,
    /// One in-band publish.
    pub publish: Vec<u8>,
    /// Application ping (whole message equals this) and what is sent back.
    pub ping: &'static [u8],
    pub pong: &'static [u8],
}

fn s(x: &str) -> Step {
    Step::Send(x.as_bytes().to_vec())
}
fn e(x: &str) -> Step {
    Step::Expect(x.as_bytes().to_vec())
}

pub fn table() -> Vec<Proto> {
    vec![
        Proto { name: "raw", subprotocol: "", binary: false, hello: vec![], subscribe: vec![],
            publish: b"{data}".to_vec(), ping: b"", pong: b"" },
        Proto { name: "ng", subprotocol: "", binary: false, hello: vec![],
            subscribe: vec![s(r#"{"type":"subscribe","channels":{channels},"delivery":"all"}"#), e("\"subscribed\"")],
            publish: br#"{"type":"publish","channel":"{channel}","event":"bench","data":{data}}"#.to_vec(), ping: b"", pong: b"" },
        Proto { name: "ng-acked", subprotocol: "", binary: false, hello: vec![],
            subscribe: vec![s(r#"{"type":"subscribe","channels":{channels},"delivery":"all"}"#), e("\"subscribed\"")],
            publish: br#"{"type":"publish","id":{id},"channel":"{channel}","event":"bench","data":{data}}"#.to_vec(), ping: b"", pong: b"" },
        Proto { name: "bun", subprotocol: "", binary: false, hello: vec![],
            subscribe: vec![s(r#"{"type":"subscribe","channels":{channels}}"#), e("subscribed")],
            publish: br#"{"type":"publish","channel":"{channel}","data":{data}}"#.to_vec(), ping: b"", pong: b"" },
        Proto { name: "centrifugo-json", subprotocol: "", binary: false,
            hello: vec![s(r#"{"id":1,"connect":{}}"#), e("\"connect\"")],
            subscribe: vec![s(r#"{"id":2,"subscribe":{"channel":"{channel}"}}"#), e("\"subscribe\"")],
            publish: br#"{"id":9,"publish":{"channel":"{channel}","data":{data}}}"#.to_vec(), ping: b"{}", pong: b"{}" },
        Proto { name: "socketio", subprotocol: "", binary: false,
            hello: vec![e("0{"), s("40"), e("40")],
            subscribe: vec![s(r#"42["subscribe",{channels}]"#), e("subscribed")],
            publish: br#"42["publish",{"channel":"{channel}","data":{data}}]"#.to_vec(), ping: b"2", pong: b"3" },
        Proto { name: "phoenix", subprotocol: "", binary: false, hello: vec![],
            subscribe: vec![s(r#"["1","1","{channel}","phx_join",{}]"#), e("phx_reply")],
            publish: br#"["1","2","{channel}","publish",{data}]"#.to_vec(), ping: b"", pong: b"" },
        Proto { name: "nats", subprotocol: "", binary: true,
            hello: vec![e("INFO "), s("CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"wsload\",\"version\":\"0\",\"protocol\":1}\r\nPING\r\n"), e("PONG")],
            subscribe: vec![s("SUB {channel} 1\r\nPING\r\n"), e("PONG")],
            publish: b"PUB {channel} {len}\r\n{data}\r\n".to_vec(), ping: b"PING\r\n", pong: b"PONG\r\n" },
        // MQTT 3.1.1: the packets are built by the functions below.
        Proto { name: "mqtt", subprotocol: "mqtt", binary: true,
            hello: vec![Step::Send(b"{mqtt-connect}".to_vec()), Step::Expect(vec![0x20, 0x02])],
            subscribe: vec![Step::Send(b"{mqtt-subscribe}".to_vec()), Step::Expect(vec![0x90, 0x03])],
            publish: b"{mqtt-publish}".to_vec(), ping: b"", pong: b"" },
    ]
}

fn replace(src: &[u8], what: &str, with: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(src.len() + with.len());
    let f = memchr::memmem::Finder::new(what.as_bytes());
    let mut p = 0;
    while let Some(i) = f.find(&src[p..]) {
        out.extend_from_slice(&src[p..p + i]);
        out.extend_from_slice(with);
        p += i + what.len();
    }
    out.extend_from_slice(&src[p..]);
    out
}

fn mqtt_packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    let mut n = body.len();
    loop {
        let b = (n & 0x7f) as u8;
        n >>= 7;
        if n > 0 {
            out.push(b | 0x80)
        } else {
            out.push(b);
            break;
        }
    }
    out.extend_from_slice(body);
    out
}

pub fn fill(t: &[u8], channel: &str, i: usize, data: &[u8]) -> Vec<u8> {
    match t {
        b"{mqtt-connect}" => {
            let id = format!("w{}-{}", std::process::id(), i);
            let mut b = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0];
            b.extend_from_slice(&(id.len() as u16).to_be_bytes());
            b.extend_from_slice(id.as_bytes());
            return mqtt_packet(0x10, &b);
        }
        b"{mqtt-subscribe}" => {
            let mut b = vec![0, 1];
            b.extend_from_slice(&(channel.len() as u16).to_be_bytes());
            b.extend_from_slice(channel.as_bytes());
            b.push(0);
            return mqtt_packet(0x82, &b);
        }
        b"{mqtt-publish}" => {
            let mut b = (channel.len() as u16).to_be_bytes().to_vec();
            b.extend_from_slice(channel.as_bytes());
            b.extend_from_slice(data);
            return mqtt_packet(0x30, &b);
        }
        _ => {}
    }
    let t = replace(t, "{channels}", format!("[\"{}\"]", channel).as_bytes());
    let t = replace(&t, "{channel}", channel.as_bytes());
    let t = replace(&t, "{i}", i.to_string().as_bytes());
    let t = replace(&t, "{id}", crate::SEQ0.to_string().as_bytes());
    let t = replace(&t, "{len}", data.len().to_string().as_bytes());
    replace(&t, "{data}", data)
}
