//! wsload: a light WebSocket pub/sub load generator (Linux, epoll, one thread).
//!
//! Every event carries `"wl_ns":<ns>`, `"seq":<n>`, `"pub":<n>`; a delivery is one occurrence of
//! `"wl_ns":` in a data frame, whatever the envelope or batching. Sampled connections also parse
//! the three fields (latency, gaps, duplicates, order).
mod net;
mod proto;
use flate2::{Decompress, FlushDecompress};
use memchr::memmem;
use net::*;
use proto::*;
use std::collections::VecDeque;

const SEQ0: u64 = 1_000_000_000;
/// What a delivery is counted by; the number behind it is the time of sending.
const MARKER: &str = "\"wl_ns\":";
const TS0: u64 = 1_000_000_000_000_000_000;

struct Opts {
    protocol: String,
    url: String,
    pub_url: String,
    subs: usize,
    channel: String,
    channels: usize,
    pubs: usize,
    rate: f64,
    payload: usize,
    duration: f64,
    warmup: f64,
    batch: u64,
    window: u64,
    pids: Vec<i32>,
    deflate: bool,
    inflate_all: bool,
    publish_http: bool,
    pub_header: String,
    pub_body: String,
    settle: f64,
    drain: f64,
    concurrency: usize,
    sample: usize,
    subprotocol: Option<String>,
    expect: Option<String>,
    pad: String,
    label: String,
    header: String,
    timeout: f64,
    tick: u64,
    never: usize,
    slow: usize,
    slow_rate: u64,
}

const HELP: &str = "wsload --url ws://127.0.0.1:PORT/path [options]
  --protocol raw|ng|bun|centrifugo-json|nats|mqtt|socketio|phoenix   (default raw)
  --subscribers N  --channel NAME  --channels K   subscriber i takes channel i mod K
  --publishers P  --rate EV_PER_S  --batch B (events sent back to back)  --payload BYTES  --pad x|json|random
  --window W    closed loop instead of --rate: at most W events in flight (ingest test)
  --pub-url URL (ws://: in band there; http://: one POST an event)  --pub-header 'K: v'  --pub-body TEMPLATE
  --duration S  --warmup S  --settle S  --drain S (longest wait without progress)  --timeout S
  --server-pid PID[,PID]  --deflate  --inflate-all  --sample K (every Kth subscriber; 0: about 20)
  --concurrency C  --header 'K: v'  --subprotocol NAME  --expect TEXT|none  --label TEXT
  --tick US     read the sockets every US microseconds (500; adds up to that to a latency) instead of sleeping
                in epoll: else each server send() also pays for waking this process. 0: sleep in epoll.
  --never N     N more subscribers of the first channel that never read     --slow N  N more that read slowly,
  --slow-rate B bytes a second of each (1000); both have small receive buffers and are in no figure but disconnects
 {channel} and {i} in the URL are filled in. Output: one JSON object.";

fn opts() -> Opts {
    let mut o = Opts {
        protocol: "raw".into(),
        url: String::new(),
        pub_url: String::new(),
        subs: 100,
        channel: "bench".into(),
        channels: 1,
        pubs: 1,
        rate: 50.0,
        payload: 128,
        duration: 10.0,
        warmup: 2.0,
        batch: 1,
        window: 0,
        pids: vec![],
        deflate: false,
        inflate_all: false,
        publish_http: false,
        pub_header: String::new(),
        pub_body: "{data}".into(),
        settle: 1.0,
        drain: 2.0,
        concurrency: 64,
        sample: 0,
        subprotocol: None,
        expect: None,
        pad: "x".into(),
        label: String::new(),
        header: String::new(),
        timeout: 120.0,
        tick: 500,
        never: 0,
        slow: 0,
        slow_rate: 1000,
    };
    let a: Vec<String> = std::env::args().skip(1).collect();
    let mut i = 0;
    while i < a.len() {
        let k = a[i].as_str();
        i += 1;
        let flag = matches!(k, "--deflate" | "--inflate-all" | "--help" | "-h");
        let v = if flag {
            String::new()
        } else if i < a.len() {
            i += 1;
            a[i - 1].clone()
        } else {
            die(&format!("{k} needs a value"))
        };
        let n = || {
            v.parse::<f64>()
                .unwrap_or_else(|_| die(&format!("bad number for {k}")))
        };
        match k {
            "--protocol" => o.protocol = v,
            "--url" => o.url = v,
            "--pub-url" => o.pub_url = v,
            "--subscribers" => o.subs = n() as usize,
            "--channel" => o.channel = v,
            "--channels" => o.channels = n() as usize,
            "--publishers" => o.pubs = n() as usize,
            "--rate" => o.rate = n(),
            "--payload" => o.payload = n() as usize,
            "--duration" => o.duration = n(),
            "--warmup" => o.warmup = n(),
            "--batch" => o.batch = n() as u64,
            "--window" => o.window = n() as u64,
            "--settle" => o.settle = n(),
            "--drain" => o.drain = n(),
            "--concurrency" => o.concurrency = n() as usize,
            "--sample" => o.sample = n() as usize,
            "--timeout" => o.timeout = n(),
            "--tick" => o.tick = n() as u64,
            "--never" => o.never = n() as usize,
            "--slow" => o.slow = n() as usize,
            "--slow-rate" => o.slow_rate = n() as u64,
            "--server-pid" => o.pids = v.split(',').filter_map(|x| x.trim().parse().ok()).collect(),
            "--deflate" => o.deflate = true,
            "--inflate-all" => o.inflate_all = true,
            "--subprotocol" => o.subprotocol = Some(v),
            "--expect" => o.expect = Some(v),
            "--pad" => o.pad = v,
            "--label" => o.label = v,
            "--header" => o.header = v,
            "--pub-header" => o.pub_header = v,
            "--pub-body" => o.pub_body = v,
            "--help" | "-h" => {
                println!("{HELP}");
                std::process::exit(0)
            }
            _ => die(&format!("unknown option {k}\n{HELP}")),
        }
    }
    if o.url.is_empty() {
        die(HELP)
    }
    if o.pub_url.is_empty() {
        o.pub_url = o.url.clone()
    }
    o.publish_http = o.pub_url.starts_with("http://");
    o
}

#[derive(PartialEq, Clone, Copy)]
enum State {
    Connecting,
    Upgrade,
    Setup(usize),
    Ready,
    Closed,
}
#[derive(PartialEq, Clone, Copy)]
enum Kind {
    Sub,
    Pub,
    Http,
    /// A subscriber that reads slowly or not at all.
    Lag,
}

#[derive(Clone, Copy, Default)]
struct Track {
    last: u64,
    seen: u64,
}

struct Conn {
    fd: i32,
    kind: Kind,
    state: State,
    steps: Vec<Step>,
    carry: Vec<u8>,
    frag: Vec<u8>,
    frag_comp: bool,
    out: Vec<u8>,
    out_pos: usize,
    want_out: bool,
    sampled: bool,
    tracks: Vec<Track>,
    infl: Option<Box<Decompress>>,
    infl_reset: bool,
    // HTTP publisher: lengths of queued requests; one is in flight at a time.
    reqs: VecDeque<usize>,
    busy: bool,
}

#[derive(Default)]
struct Stats {
    recv: u64,
    frames: u64,
    bytes: u64,
    reads: u64,
    sampled: u64,
    dup: u64,
    ooo: u64,
    gap: u64,
    closed: u64,
    http_bad: u64,
    acks: u64,
}

struct App {
    o: Opts,
    ep: i32,
    conns: Vec<Conn>,
    st: Stats,
    hist: Hist,
    ready: usize,
    ping: &'static [u8],
    pong: &'static [u8],
    binary: bool,
    tmp: Vec<u8>,
    marker: memmem::Finder<'static>,
    mseq: memmem::Finder<'static>,
    mpub: memmem::Finder<'static>,
    running: bool,
    ext: String,
    next_tick: u64,
    /// Those who are read slowly, and when they are read next.
    slow: Vec<usize>,
    next_slow: u64,
}

fn num(b: &[u8]) -> u64 {
    let mut v = 0u64;
    let mut it = b.iter().skip_while(|c| **c == b' ');
    while let Some(c) = it.next() {
        if !c.is_ascii_digit() {
            break;
        }
        v = v.wrapping_mul(10).wrapping_add((c - b'0') as u64);
    }
    v
}

impl App {
    fn want(&mut self, ci: usize, out: bool) {
        let c = &mut self.conns[ci];
        if c.want_out != out {
            c.want_out = out;
            ep_mod(self.ep, c.fd, ci as u64, out);
        }
    }
    fn flush(&mut self, ci: usize) {
        loop {
            let c = &mut self.conns[ci];
            if c.state == State::Closed {
                return;
            }
            let mut end = c.out.len();
            if c.kind == Kind::Http {
                if c.out_pos == 0 {
                    if c.busy || c.reqs.is_empty() {
                        break;
                    }
                    c.busy = true;
                }
                end = c.reqs[0];
            }
            if c.out_pos >= end {
                break;
            }
            let r = unsafe {
                libc::send(
                    c.fd,
                    c.out[c.out_pos..].as_ptr() as _,
                    end - c.out_pos,
                    libc::MSG_NOSIGNAL,
                )
            };
            if r < 0 {
                if errno() == libc::EAGAIN {
                    self.want(ci, true)
                } else {
                    self.close(ci)
                }
                return;
            }
            c.out_pos += r as usize;
            if c.kind == Kind::Http {
                if c.out_pos == end {
                    c.out.drain(..end);
                    c.out_pos = 0;
                    c.reqs.pop_front();
                    break;
                }
            } else if c.out_pos == c.out.len() {
                c.out.clear();
                c.out_pos = 0
            }
        }
        self.want(ci, false);
    }
    fn close(&mut self, ci: usize) {
        let c = &mut self.conns[ci];
        if c.state == State::Closed {
            return;
        }
        if c.state != State::Ready {
            eprintln!(
                "connection {ci} closed during set-up: {}",
                String::from_utf8_lossy(&c.carry[..c.carry.len().min(300)])
            )
        }
        c.state = State::Closed;
        unsafe { libc::close(c.fd) };
        self.st.closed += 1;
    }
    fn send_msg(&mut self, ci: usize, body: &[u8], op: u8) {
        put_frame(&mut self.conns[ci].out, op, body);
        self.flush(ci);
    }
    fn advance(&mut self, ci: usize, mut k: usize) {
        loop {
            let c = &mut self.conns[ci];
            if k >= c.steps.len() {
                c.state = State::Ready;
                self.ready += 1;
                if c.kind == Kind::Sub {
                    c.steps = Vec::new()
                }
                return;
            }
            c.state = State::Setup(k);
            match c.steps[k].clone() {
                Step::Send(b) => {
                    let op = if self.binary { 2 } else { 1 };
                    self.send_msg(ci, &b, op);
                    k += 1
                }
                Step::Expect(_) => return,
            }
        }
    }
    fn message(&mut self, ci: usize, body: &[u8]) {
        if !self.ping.is_empty() && body == self.ping {
            let (p, op) = (self.pong, if self.binary { 2 } else { 1 });
            return self.send_msg(ci, p, op);
        }
        match self.conns[ci].state {
            State::Setup(k) => {
                let hit = match &self.conns[ci].steps[k] {
                    Step::Expect(x) => x.is_empty() || memmem::find(body, x).is_some(),
                    _ => false,
                };
                if hit {
                    self.advance(ci, k + 1)
                }
            }
            State::Ready if self.conns[ci].kind == Kind::Sub => self.count(ci, body),
            State::Ready if self.conns[ci].kind == Kind::Pub => {
                self.st.acks += memmem::find(body, b"\"type\":\"ack\"").is_some() as u64
            }
            _ => {}
        }
    }
    fn count(&mut self, ci: usize, body: &[u8]) {
        let mut p = 0;
        let sampled = self.conns[ci].sampled;
        while let Some(i) = self.marker.find(&body[p..]) {
            p += i + MARKER.len();
            self.st.recv += 1;
            if sampled && self.running {
                self.st.sampled += 1;
                let ts = num(&body[p..]);
                let rest = &body[p..body.len().min(p + 96)];
                let seq = self
                    .mseq
                    .find(rest)
                    .map(|j| num(&rest[j + 6..]))
                    .unwrap_or(SEQ0)
                    - SEQ0
                    + 1;
                let pb = self
                    .mpub
                    .find(rest)
                    .map(|j| num(&rest[j + 6..]))
                    .unwrap_or(0) as usize;
                self.hist.add((now() + TS0).saturating_sub(ts));
                if let Some(t) = self.conns[ci].tracks.get_mut(pb) {
                    if t.last == 0 || seq == t.last + 1 {
                        t.seen = (t.seen << 1) | 1;
                        t.last = seq
                    } else if seq > t.last {
                        self.st.gap += seq - t.last - 1;
                        let d = seq - t.last;
                        t.seen = if d < 64 { t.seen << d } else { 0 } | 1;
                        t.last = seq;
                    } else {
                        let d = t.last - seq;
                        if d < 64 && t.seen >> d & 1 == 1 {
                            self.st.dup += 1
                        } else {
                            self.st.ooo += 1;
                            if d < 64 {
                                t.seen |= 1 << d
                            }
                        }
                    }
                }
            }
        }
    }
    fn frames(&mut self, ci: usize, buf: &[u8]) -> usize {
        let mut p = 0;
        while buf.len() - p >= 2 {
            let (b0, b1) = (buf[p], buf[p + 1]);
            let (mut h, mut len) = (2, (b1 & 0x7f) as usize);
            if len == 126 {
                if buf.len() - p < 4 {
                    break;
                }
                len = u16::from_be_bytes([buf[p + 2], buf[p + 3]]) as usize;
                h = 4;
            } else if len == 127 {
                if buf.len() - p < 10 {
                    break;
                }
                len = u64::from_be_bytes(buf[p + 2..p + 10].try_into().unwrap()) as usize;
                h = 10;
            }
            if buf.len() - p < h + len {
                break;
            }
            let body = &buf[p + h..p + h + len];
            p += h + len;
            self.st.frames += 1;
            let op = b0 & 15;
            match op {
                0..=2 => {
                    let fin = b0 & 0x80 != 0;
                    let comp = if op == 0 {
                        self.conns[ci].frag_comp
                    } else {
                        b0 & 0x40 != 0
                    };
                    if fin && op != 0 {
                        self.data(ci, body, comp)
                    } else {
                        let c = &mut self.conns[ci];
                        c.frag_comp = comp;
                        c.frag.extend_from_slice(body);
                        if fin {
                            let f = std::mem::take(&mut c.frag);
                            self.data(ci, &f, comp);
                            let c = &mut self.conns[ci];
                            c.frag = f;
                            c.frag.clear();
                        }
                    }
                }
                8 => {
                    self.close(ci);
                    return p;
                }
                9 => {
                    let b = body.to_vec();
                    self.send_msg(ci, &b, 10)
                }
                _ => {}
            }
            if self.conns[ci].state == State::Closed {
                return p;
            }
        }
        p
    }
    fn data(&mut self, ci: usize, body: &[u8], comp: bool) {
        if !comp {
            return self.message(ci, body);
        }
        let c = &mut self.conns[ci];
        if c.state == State::Ready && !c.sampled && !self.o.inflate_all {
            if c.kind == Kind::Sub {
                self.st.recv += 1
            } // header only: one event a frame
            return;
        }
        let Some(d) = c.infl.as_mut() else {
            die("compressed frame without negotiation")
        };
        let mut tmp = std::mem::take(&mut self.tmp);
        tmp.clear();
        let before = d.total_in();
        for (part, tail) in [(body, false), (&[0u8, 0, 0xff, 0xff][..], true)] {
            let start = d.total_in();
            loop {
                if tmp.capacity() - tmp.len() < 4096 {
                    tmp.reserve(65536)
                }
                let used = (d.total_in() - start) as usize;
                let n0 = tmp.len();
                if d.decompress_vec(&part[used..], &mut tmp, FlushDecompress::Sync)
                    .is_err()
                {
                    die("bad deflate data")
                }
                let used = (d.total_in() - start) as usize;
                if used == part.len() && tmp.len() < tmp.capacity() {
                    break;
                }
                if used < part.len() && tmp.len() == n0 && tmp.len() < tmp.capacity() {
                    break;
                } // final block ended
            }
            let _ = (tail, before);
        }
        if c.infl_reset {
            d.reset(false)
        }
        self.message(ci, &tmp);
        self.tmp = tmp;
    }
    /// Returns bytes consumed.
    fn input(&mut self, ci: usize, buf: &[u8]) -> usize {
        match self.conns[ci].state {
            State::Upgrade => {
                let Some(end) = memmem::find(buf, b"\r\n\r\n") else {
                    return 0;
                };
                let head = String::from_utf8_lossy(&buf[..end]).to_lowercase();
                if !head.starts_with("http/1.1 101") {
                    die(&format!("upgrade refused: {head}"))
                }
                if let Some(l) = head
                    .lines()
                    .find(|l| l.starts_with("sec-websocket-extensions:"))
                {
                    if self.ext.is_empty() {
                        self.ext = l.splitn(2, ':').nth(1).unwrap().trim().to_string()
                    }
                    let c = &mut self.conns[ci];
                    c.infl = Some(Box::new(Decompress::new(false)));
                    c.infl_reset = l.contains("server_no_context_takeover");
                }
                self.advance(ci, 0);
                end + 4
            }
            State::Setup(_) | State::Ready => {
                if self.conns[ci].kind == Kind::Http {
                    return self.http(ci, buf);
                }
                self.frames(ci, buf)
            }
            _ => buf.len(),
        }
    }
    fn http(&mut self, ci: usize, buf: &[u8]) -> usize {
        let Some(end) = memmem::find(buf, b"\r\n\r\n") else {
            return 0;
        };
        let head = String::from_utf8_lossy(&buf[..end]).to_lowercase();
        let total = match head.lines().find_map(|l| l.strip_prefix("content-length:")) {
            Some(n) => end + 4 + n.trim().parse::<usize>().unwrap_or(0),
            None if head.contains("transfer-encoding: chunked") => {
                match memmem::find(&buf[end..], b"0\r\n\r\n") {
                    Some(i) => end + i + 5,
                    None => return 0,
                }
            }
            None => end + 4,
        };
        if buf.len() < total {
            return 0;
        }
        if !head.starts_with("http/1.1 2") || memmem::find(&buf[end..total], b"\"error\"").is_some()
        {
            if self.st.http_bad == 0 {
                eprintln!(
                    "publish refused: {}",
                    String::from_utf8_lossy(&buf[..total])
                )
            }
            self.st.http_bad += 1
        }
        self.conns[ci].busy = false;
        self.flush(ci);
        total
    }
    fn readable(&mut self, ci: usize, rb: &mut [u8]) {
        let fd = self.conns[ci].fd;
        let r = unsafe { libc::recv(fd, rb.as_mut_ptr() as _, rb.len(), 0) };
        if r <= 0 {
            if r == 0 || errno() != libc::EAGAIN {
                self.close(ci)
            }
            return;
        }
        let n = r as usize;
        self.st.reads += 1;
        self.st.bytes += n as u64;
        let mut p = 0;
        if self.conns[ci].carry.is_empty() {
            loop {
                // the upgrade reply may be followed by frames
                let k = self.input(ci, &rb[p..n]);
                p += k;
                if k == 0 || p == n {
                    break;
                }
            }
            if p < n {
                self.conns[ci].carry.extend_from_slice(&rb[p..n])
            }
        } else {
            let mut c = std::mem::take(&mut self.conns[ci].carry);
            c.extend_from_slice(&rb[..n]);
            loop {
                let k = self.input(ci, &c[p..]);
                p += k;
                if k == 0 || p == c.len() {
                    break;
                }
            }
            if p == c.len() {
                c.clear()
            } else {
                c.drain(..p);
            }
            self.conns[ci].carry = c;
        }
    }
    fn event(&mut self, ev: &libc::epoll_event, rb: &mut [u8]) {
        let ci = ev.u64 as usize;
        if ci == usize::MAX {
            return;
        }
        if self.conns[ci].state == State::Closed {
            return;
        }
        if self.conns[ci].state == State::Connecting {
            let e = so_error(self.conns[ci].fd);
            if e != 0 {
                die(&format!(
                    "connect failed: {}",
                    std::io::Error::from_raw_os_error(e)
                ))
            }
            let c = &mut self.conns[ci];
            if c.kind == Kind::Http {
                c.state = State::Ready;
                self.ready += 1;
                self.want(ci, false);
            } else {
                c.state = State::Upgrade;
                self.flush(ci);
            }
            return;
        }
        if ev.events & libc::EPOLLOUT as u32 != 0 {
            self.flush(ci)
        }
        if ev.events & !(libc::EPOLLOUT as u32) != 0 {
            self.readable(ci, rb)
        }
    }
    /// A tenth of a second's bytes from each of those who read slowly.
    fn read_slowly(&mut self, rb: &mut [u8]) {
        self.next_slow = now() + 100_000_000;
        let most = (self.o.slow_rate / 10).clamp(1, rb.len() as u64) as usize;
        for ci in self.slow.clone() {
            let fd = self.conns[ci].fd;
            let r = unsafe { libc::recv(fd, rb.as_mut_ptr() as _, most, 0) };
            if r == 0 || (r < 0 && errno() != libc::EAGAIN) {
                self.slow.retain(|other| *other != ci);
                self.close(ci)
            }
        }
    }
    fn poll(&mut self, evs: &mut [libc::epoll_event], rb: &mut [u8], until: u64) -> usize {
        if !self.slow.is_empty() && now() >= self.next_slow {
            self.read_slowly(rb)
        }
        if self.running && self.o.tick > 0 {
            sleep_until(until.min(self.next_tick));
            let t = now();
            if t < self.next_tick {
                return 0;
            }
            self.next_tick = t + self.o.tick * 1000;
            let mut total = 0;
            loop {
                let n = ep_wait(self.ep, evs, 0);
                for e in &evs[..n] {
                    self.event(e, rb)
                }
                total += n;
                if n < evs.len() {
                    return total;
                }
                if now() >= until {
                    self.next_tick = 0;
                    return total;
                } // an event is due: publish it, then read on
            }
        }
        let n = ep_wait(self.ep, evs, until.saturating_sub(now()));
        for e in &evs[..n] {
            self.event(e, rb)
        }
        n
    }
    fn connect(&mut self, kind: Kind, idx: usize, u: &Url, chan: &str, pr: &Proto) {
        let ci = self.conns.len();
        let (shift, buffer) = match kind {
            Kind::Sub => (0, 0),
            Kind::Lag => (60000, 2048),
            _ => (40000, 0),
        };
        let fd = dial(&u.addr, idx + shift, buffer);
        let mut c = Conn {
            fd,
            kind,
            state: State::Connecting,
            steps: vec![],
            carry: vec![],
            frag: vec![],
            frag_comp: false,
            out: vec![],
            out_pos: 0,
            want_out: true,
            sampled: false,
            tracks: vec![],
            infl: None,
            infl_reset: false,
            reqs: VecDeque::new(),
            busy: false,
        };
        if kind != Kind::Http {
            let path = u
                .path
                .replace("{channel}", chan)
                .replace("{i}", &idx.to_string());
            let sp = self
                .o
                .subprotocol
                .clone()
                .unwrap_or(pr.subprotocol.to_string());
            let mut r = format!("GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n", path, u.host);
            if !sp.is_empty() {
                r += &format!("Sec-WebSocket-Protocol: {sp}\r\n")
            }
            if self.o.deflate {
                r += "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
            }
            if !self.o.header.is_empty() {
                r += &format!("{}\r\n", self.o.header)
            }
            r += "\r\n";
            c.out = r.into_bytes();
            let mut st: Vec<Step> = pr.hello.clone();
            if matches!(kind, Kind::Sub | Kind::Lag) {
                st.extend(pr.subscribe.iter().cloned());
                match self.o.expect.as_deref() {
                    Some("none") => {
                        if let Some(Step::Expect(_)) = st.last() {
                            st.pop();
                        }
                    }
                    Some(x) => {
                        if let Some(Step::Expect(b)) = st.last_mut() {
                            *b = x.as_bytes().to_vec()
                        }
                    }
                    None => {}
                }
            }
            c.steps = st
                .into_iter()
                .map(|s| match s {
                    Step::Send(b) => Step::Send(fill(&b, chan, ci, b"")),
                    e => e,
                })
                .collect();
        }
        self.conns.push(c);
        ep_add(self.ep, fd, ci as u64, true);
    }
}

/// A ready-made publish message for one channel; the fields are patched in place.
struct Tmpl {
    bytes: Vec<u8>,
    /// Where the id stands, in protocols that have one answered.
    id: Option<usize>,
    ts: usize,
    seq: usize,
    pb: usize,
    pad: usize,
}

fn digits(b: &mut [u8], mut v: u64) {
    for c in b.iter_mut().rev() {
        *c = b'0' + (v % 10) as u8;
        v /= 10
    }
}

fn pads(kind: &str, len: usize) -> Vec<Vec<u8>> {
    let mut x = 0x9E3779B97F4A7C15u64;
    let mut rnd = move |n: u64| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 20) % n
    };
    let n = if kind == "x" { 1 } else { 64 };
    (0..n).map(|_| match kind {
        "json" => {
            let mut s = String::new();
            while s.len() < len + 64 {
                s += &format!("{{'symbol':'SYM{:03}','side':'{}','price':{}.{:02},'qty':{},'status':'open'}},", rnd(500), if rnd(2) == 0 { "buy" } else { "sell" }, 90 + rnd(20), rnd(100), 1 + rnd(900));
            }
            s.into_bytes()[..len].to_vec()
        }
        "random" => (0..len).map(|_| b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[rnd(64) as usize]).collect(),
        _ => vec![b'x'; len],
    }).collect()
}

fn main() {
    let o = opts();
    let pr = table()
        .into_iter()
        .find(|p| p.name == o.protocol)
        .unwrap_or_else(|| die("unknown protocol"));
    raise_nofile();
    sharp_timers();
    let (u, pu) = (parse_url(&o.url), parse_url(&o.pub_url));
    let chans: Vec<String> = (0..o.channels)
        .map(|k| {
            if o.channels == 1 {
                o.channel.clone()
            } else {
                format!("{}{}", o.channel, k)
            }
        })
        .collect();
    let rss0 = rss(&o.pids);
    let mem0 = sock_mem();
    let ep = ep_new();
    let mut app = App {
        ep,
        conns: vec![],
        st: Stats::default(),
        hist: Hist::new(),
        ready: 0,
        ping: pr.ping,
        pong: pr.pong,
        binary: pr.binary,
        tmp: Vec::with_capacity(65536),
        marker: memmem::Finder::new(MARKER).into_owned(),
        mseq: memmem::Finder::new("\"seq\":").into_owned(),
        mpub: memmem::Finder::new("\"pub\":").into_owned(),
        running: false,
        ext: String::new(),
        next_tick: 0,
        slow: vec![],
        next_slow: 0,
        o,
    };
    let mut evs = vec![libc::epoll_event { events: 0, u64: 0 }; 64];
    let mut rb = vec![0u8; 256 * 1024];
    let step = if app.o.sample > 0 {
        app.o.sample
    } else {
        (app.o.subs / 20).max(1)
    };

    // Connect the subscribers, then the publishers.
    let t0 = now();
    let deadline = t0 + (app.o.timeout * 1e9) as u64;
    let total = app.o.subs;
    let mut made = 0;
    let mut subs_per: Vec<u64> = vec![0; chans.len()];
    while app.ready < total {
        while made < total && made - app.ready < app.o.concurrency {
            let k = made % chans.len();
            subs_per[k] += 1;
            app.connect(Kind::Sub, made, &u, &chans[k], &pr);
            let pubs = app.o.pubs;
            let c = app.conns.last_mut().unwrap();
            if made % step == step / 2 {
                c.sampled = true;
                c.tracks = vec![Track::default(); pubs]
            }
            made += 1;
        }
        app.poll(&mut evs, &mut rb, now() + 100_000_000);
        if now() > deadline || app.st.closed > 0 {
            die(&format!(
                "only {} of {} subscribers became ready",
                app.ready, total
            ))
        }
    }
    let lags = app.o.never + app.o.slow;
    for i in 0..lags {
        app.connect(Kind::Lag, i, &u, &chans[0], &pr)
    }
    while app.ready < total + lags {
        app.poll(&mut evs, &mut rb, now() + 100_000_000);
        if now() > deadline || app.st.closed > 0 {
            die("those who read slowly did not become ready")
        }
    }
    for ci in total..total + lags {
        ep_del(ep, app.conns[ci].fd);
        if ci - total >= app.o.never {
            app.slow.push(ci)
        }
    }
    let connect_s = (now() - t0) as f64 / 1e9;
    let cpu_conn = cpu(&app.o.pids);
    let t = now() + (app.o.settle * 1e9) as u64;
    while now() < t {
        app.poll(&mut evs, &mut rb, t);
    }
    let rss1 = rss(&app.o.pids);
    let mem1 = sock_mem();
    let first_pub = app.conns.len();
    let idle_only = app.o.duration == 0.0;
    if !idle_only {
        let kind = if app.o.publish_http {
            Kind::Http
        } else {
            Kind::Pub
        };
        for i in 0..app.o.pubs {
            app.connect(kind, i, &pu, &chans[i % chans.len()], &pr)
        }
        while app.ready < total + lags + app.o.pubs {
            app.poll(&mut evs, &mut rb, now() + 100_000_000);
            if now() > deadline {
                die("publishers did not become ready")
            }
        }
    }

    // Publish templates.
    let head = format!("{{\"wl_ns\":{TS0},\"seq\":{SEQ0},\"pub\":1000,\"pad\":\"");
    let padlen = app.o.payload.saturating_sub(head.len() + 2).max(1);
    let pads = pads(&app.o.pad, padlen);
    let data = [head.as_bytes(), &pads[0], b"\"}"].concat();
    let tmpls: Vec<Tmpl> = chans.iter().map(|ch| {
        let mut b = Vec::new();
        if app.o.publish_http {
            let body = fill(app.o.pub_body.as_bytes(), ch, 0, &data);
            let mut h = format!("POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", pu.path.replace("{channel}", ch), pu.host, body.len());
            if !app.o.pub_header.is_empty() { h += &format!("{}\r\n", app.o.pub_header) }
            b = [h.as_bytes(), b"\r\n", &body].concat();
        } else {
            put_frame(&mut b, if pr.binary { 2 } else { 1 }, &fill(&pr.publish, ch, 0, &data));
        }
        let at = |m: &str| memmem::find(&b, m.as_bytes()).unwrap() + m.len();
        let id = memmem::find(&b, b"\"id\":").map(|n| n + 5);
        Tmpl { id, ts: at("\"wl_ns\":"), seq: at("\"seq\":"), pb: at("\"pub\":"), pad: at("\"pad\":\""), bytes: b }
    }).collect();
    let np = app.o.pubs.max(1);
    // raw in band: a publisher's channel is in its URL, so take at least as many publishers as channels.
    let fixed = app.o.protocol == "raw" && !app.o.publish_http;
    let mut seqs = vec![0u64; np * chans.len()];
    let mut k: u64 = 0;
    let mut dirty: Vec<usize> = vec![];
    let mut publish = |app: &mut App, dirty: &mut Vec<usize>| -> u64 {
        let p = (k % np as u64) as usize;
        let ch = if fixed {
            p % tmpls.len()
        } else {
            (k / np as u64 % tmpls.len() as u64) as usize
        };
        k += 1;
        let c = &mut app.conns[first_pub + p];
        if c.state == State::Closed {
            return 0;
        }
        let t = &tmpls[ch];
        let n = c.out.len();
        c.out.extend_from_slice(&t.bytes);
        let s = &mut seqs[p * tmpls.len() + ch];
        digits(&mut c.out[n + t.ts..n + t.ts + 19], TS0 + now());
        digits(&mut c.out[n + t.seq..n + t.seq + 10], SEQ0 + *s);
        digits(&mut c.out[n + t.pb + 1..n + t.pb + 4], p as u64);
        if pads.len() > 1 {
            c.out[n + t.pad..n + t.pad + padlen].copy_from_slice(&pads[(k % 64) as usize])
        }
        if let Some(id) = t.id {
            digits(&mut c.out[n + id..n + id + 10], SEQ0 + k)
        }
        *s += 1;
        if c.kind == Kind::Http {
            c.reqs.push_back(t.bytes.len())
        }
        if dirty.last() != Some(&(first_pub + p)) {
            dirty.push(first_pub + p)
        }
        subs_per[ch]
    };
    // "pub" is written 1ppp so that its width is fixed: tracks are indexed from 1000.
    for c in app.conns.iter_mut().filter(|c| c.sampled) {
        let mut v = vec![Track::default(); 1000 + np];
        v.truncate(1000 + np);
        c.tracks = v
    }

    let mut phases = vec![];
    if !idle_only {
        if app.o.warmup > 0.0 {
            phases.push((false, app.o.warmup))
        }
        phases.push((true, app.o.duration))
    }
    let (mut sent, mut expected, mut run_s, mut late) = (0u64, 0u64, 0.0, 0u64);
    let (mut c0, mut c1, mut m0, mut m1, mut s0, mut s1) =
        (0.0, 0.0, 0.0, 0.0, Cpu::default(), Cpu::default());
    let (mut in_time, mut tail_s) = (0u64, 0.0);
    for (measured, secs) in phases {
        app.st = Stats {
            closed: app.st.closed,
            ..Default::default()
        };
        app.hist = Hist::new();
        app.running = true;
        for c in app.conns.iter_mut().filter(|c| c.sampled) {
            for t in c.tracks.iter_mut() {
                *t = Track::default()
            }
        }
        sent = 0;
        expected = 0;
        late = 0;
        let mut lost_stall = 0u64;
        c0 = cpu(&app.o.pids);
        m0 = self_cpu();
        s0 = Cpu::read();
        let start = now();
        let end = start + (secs * 1e9) as u64;
        let mut last_progress = (start, 0u64);
        let gap = if app.o.rate > 0.0 {
            1e9 / app.o.rate * app.o.batch as f64
        } else {
            0.0
        };
        let mut bursts = 0u64;
        let max_bursts = (secs * app.o.rate / app.o.batch as f64).round() as u64;
        loop {
            let t = now();
            if app.o.window > 0 {
                if t >= end {
                    break;
                }
                let got = app.st.recv + lost_stall;
                if app.st.recv != last_progress.1 {
                    last_progress = (t, app.st.recv)
                } else if t - last_progress.0 > 1_000_000_000 {
                    lost_stall += expected.saturating_sub(got);
                    last_progress.0 = t
                }
                let mut room = app.o.window.saturating_sub(expected.saturating_sub(got));
                while room > 0 {
                    expected += publish(&mut app, &mut dirty);
                    sent += 1;
                    room -= 1
                }
                dirty.sort_unstable();
                dirty.dedup();
                for d in dirty.drain(..) {
                    app.flush(d)
                }
                app.poll(&mut evs, &mut rb, end.min(t + 50_000_000));
            } else {
                let mut due = start + (bursts as f64 * gap) as u64;
                while bursts < max_bursts && due <= t {
                    late = late.max(t - due);
                    for _ in 0..app.o.batch {
                        expected += publish(&mut app, &mut dirty);
                        sent += 1
                    }
                    for d in dirty.drain(..) {
                        app.flush(d)
                    }
                    bursts += 1;
                    due = start + (bursts as f64 * gap) as u64;
                }
                if bursts >= max_bursts && t >= end {
                    break;
                }
                app.poll(
                    &mut evs,
                    &mut rb,
                    if bursts < max_bursts { due } else { end },
                );
            }
        }
        in_time = app.st.recv;
        run_s = (now() - start) as f64 / 1e9;
        let td = now();
        let mut last = (td, app.st.recv);
        while app.st.recv + lost_stall < expected {
            app.poll(&mut evs, &mut rb, now() + 50_000_000);
            let t = now();
            if app.st.recv != last.1 {
                last = (t, app.st.recv)
            }
            if t - last.0 > (app.o.drain * 1e9) as u64 || t - td > 30_000_000_000 {
                break;
            }
        }
        tail_s = (last.0 - td) as f64 / 1e9;
        c1 = cpu(&app.o.pids);
        m1 = self_cpu();
        s1 = Cpu::read();
        let t = now() + 200_000_000; // late duplicates
        while now() < t {
            app.poll(&mut evs, &mut rb, t);
        }
        app.running = false;
        if !measured {
            let t = now() + 300_000_000;
            while now() < t {
                app.poll(&mut evs, &mut rb, t);
            }
        }
    }
    let rss2 = rss(&app.o.pids);
    let st = &app.st;
    let d = st.recv;
    let lost = expected.saturating_sub(d);
    let cpu_s = c1 - c0;
    let n = app.o.subs.max(1) as f64;
    let q = |x: f64| app.hist.q(x) as f64 / 1e6;
    println!("{{\"label\":\"{}\",\"protocol\":\"{}\",\"subscribers\":{},\"channels\":{},\"publishers\":{},\"rate\":{},\"batch\":{},\"window\":{},\"payload\":{},\"deflate\":\"{}\",\"sent\":{},\"expected\":{},\"deliveries\":{},\"lost\":{},\"extra\":{},\"dup_sampled\":{},\"ooo_sampled\":{},\"gap_sampled\":{},\"sampled\":{},\"disconnects\":{},\"http_errors\":{},\"acks\":{},\"run_s\":{:.3},\"drain_s\":{:.3},\"deliveries_per_s\":{:.0},\"in_time_per_s\":{:.0},\"server_cpu_s\":{:.3},\"cpu_s_per_million\":{:.4},\"msgs_per_cpu_s\":{:.0},\"loader_cpu_s\":{:.3},\"other_cpu_s\":{:.3},\"steal_s\":{:.3},\"softirq_s\":{:.3},\"frames\":{},\"reads\":{},\"recv_bytes\":{},\"bytes_per_delivery\":{:.1},\"publish_late_ms\":{:.2},\"p50_ms\":{:.3},\"p95_ms\":{:.3},\"p99_ms\":{:.3},\"max_ms\":{:.3},\"connect_s\":{:.2},\"connect_cpu_s\":{:.2},\"rss_idle_kb\":{},\"rss_conn_kb\":{},\"rss_end_kb\":{},\"bytes_per_conn\":{:.0},\"kernel_bytes_per_conn_both_ends\":{:.0}}}",
        app.o.label, app.o.protocol, app.o.subs, app.o.channels, app.o.pubs, if app.o.window > 0 { 0.0 } else { app.o.rate }, app.o.batch, app.o.window, app.o.payload, app.ext.replace('"', ""),
        sent, expected, d, lost, d.saturating_sub(expected), st.dup, st.ooo, st.gap, st.sampled, st.closed, st.http_bad, st.acks, run_s, tail_s,
        d as f64 / (run_s + tail_s).max(1e-9), in_time as f64 / run_s.max(1e-9), cpu_s, if d > 0 { cpu_s * 1e6 / d as f64 } else { 0.0 }, if cpu_s > 0.0 { d as f64 / cpu_s } else { 0.0 },
        m1 - m0, s1.busy - s0.busy - cpu_s - (m1 - m0), s1.steal - s0.steal, s1.softirq - s0.softirq, st.frames, st.reads, st.bytes, if d > 0 { st.bytes as f64 / d as f64 } else { 0.0 }, late as f64 / 1e6,
        q(0.5), q(0.95), q(0.99), app.hist.max as f64 / 1e6, connect_s, cpu_conn, rss0, rss1, rss2, (rss1 - rss0) as f64 * 1024.0 / n, (mem1 - mem0) as f64 * 1024.0 / n);
}
