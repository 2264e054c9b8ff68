//! Sockets, epoll, /proc readings, histogram.
use std::net::{Ipv4Addr, SocketAddrV4};

pub fn die(m: &str) -> ! {
    eprintln!("wsload: {m}");
    std::process::exit(2)
}
pub fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}
pub fn now() -> u64 {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut t) };
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

pub fn sleep_until(t: u64) {
    let ts = libc::timespec {
        tv_sec: (t / 1_000_000_000) as i64,
        tv_nsec: (t % 1_000_000_000) as i64,
    };
    unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            libc::TIMER_ABSTIME,
            &ts,
            std::ptr::null_mut(),
        )
    };
}
/// Wake-ups within a microsecond instead of the default 50.
pub fn sharp_timers() {
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1000u64, 0, 0, 0) };
}

pub struct Url {
    pub addr: SocketAddrV4,
    pub host: String,
    pub path: String,
}
pub fn parse_url(u: &str) -> Url {
    let rest = u.split_once("://").map(|x| x.1).unwrap_or(u);
    let (host, path) = match rest.find('/') {
        Some(i) => (&rest[..i], &rest[i..]),
        None => (rest, "/"),
    };
    let (h, p) = host.split_once(':').unwrap_or((host, "80"));
    let ip: Ipv4Addr = if h == "localhost" {
        Ipv4Addr::LOCALHOST
    } else {
        h.parse()
            .unwrap_or_else(|_| die("the host must be an IPv4 address"))
    };
    if !ip.is_loopback() {
        die("only loopback addresses are allowed")
    }
    Url {
        addr: SocketAddrV4::new(ip, p.parse().unwrap_or_else(|_| die("bad port"))),
        host: host.to_string(),
        path: path.to_string(),
    }
}

fn sa(ip: Ipv4Addr, port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(ip.octets()),
        },
        sin_zero: [0; 8],
    }
}
fn set(fd: i32, level: i32, name: i32, v: i32) {
    unsafe { libc::setsockopt(fd, level, name, &v as *const i32 as _, 4) };
}

/// Non-blocking connect from 127.0.0.2 + i/20000, so that ports do not run out.
/// `buffer`: bytes of the receive buffer (0: the kernel's own choice).
pub fn dial(to: &SocketAddrV4, i: usize, buffer: i32) -> i32 {
    unsafe {
        let fd = libc::socket(
            libc::AF_INET,
            libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
            0,
        );
        if fd < 0 {
            die("socket: no more descriptors")
        }
        set(
            fd,
            libc::IPPROTO_IP,
            24, /* IP_BIND_ADDRESS_NO_PORT */
            1,
        );
        set(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1);
        if buffer > 0 {
            set(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, buffer)
        }
        let a = sa(Ipv4Addr::new(127, 0, 0, 2 + (i / 20000) as u8), 0);
        if libc::bind(fd, &a as *const _ as _, 16) < 0 {
            die("bind")
        }
        let a = sa(*to.ip(), to.port());
        if libc::connect(fd, &a as *const _ as _, 16) < 0 && errno() != libc::EINPROGRESS {
            die(&format!("connect: {}", std::io::Error::last_os_error()))
        }
        fd
    }
}
pub fn so_error(fd: i32) -> i32 {
    let (mut e, mut l) = (0i32, 4u32);
    unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_ERROR,
            &mut e as *mut i32 as _,
            &mut l,
        )
    };
    e
}
/// A masked client frame; the masking key is zero, so the payload is sent as it is.
pub fn put_frame(out: &mut Vec<u8>, op: u8, body: &[u8]) {
    out.push(0x80 | op);
    if body.len() < 126 {
        out.push(0x80 | body.len() as u8)
    } else if body.len() < 65536 {
        out.push(0x80 | 126);
        out.extend_from_slice(&(body.len() as u16).to_be_bytes())
    } else {
        out.push(0x80 | 127);
        out.extend_from_slice(&(body.len() as u64).to_be_bytes())
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(body);
}
pub fn raise_nofile() {
    unsafe {
        let mut r: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut r);
        let want = libc::rlimit {
            rlim_cur: 200_000.max(r.rlim_max),
            rlim_max: 200_000.max(r.rlim_max),
        };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &want) < 0 {
            r.rlim_cur = r.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &r);
        }
    }
}
pub fn ep_new() -> i32 {
    unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }
}
fn ep_ctl(ep: i32, op: i32, fd: i32, id: u64, out: bool) {
    let mut e = libc::epoll_event {
        events: (libc::EPOLLIN | if out { libc::EPOLLOUT } else { 0 }) as u32,
        u64: id,
    };
    unsafe { libc::epoll_ctl(ep, op, fd, &mut e) };
}
pub fn ep_add(ep: i32, fd: i32, id: u64, out: bool) {
    ep_ctl(ep, libc::EPOLL_CTL_ADD, fd, id, out)
}
pub fn ep_mod(ep: i32, fd: i32, id: u64, out: bool) {
    ep_ctl(ep, libc::EPOLL_CTL_MOD, fd, id, out)
}
pub fn ep_del(ep: i32, fd: i32) {
    ep_ctl(ep, libc::EPOLL_CTL_DEL, fd, 0, false)
}
pub fn ep_wait(ep: i32, evs: &mut [libc::epoll_event], ns: u64) -> usize {
    let t = libc::timespec {
        tv_sec: (ns / 1_000_000_000) as i64,
        tv_nsec: (ns % 1_000_000_000) as i64,
    };
    let r = unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait2,
            ep,
            evs.as_mut_ptr(),
            evs.len() as i32,
            &t as *const _,
            0usize,
            8usize,
        )
    };
    if r < 0 {
        0
    } else {
        r as usize
    }
}

fn tree(pids: &[i32]) -> Vec<i32> {
    let mut all: Vec<i32> = pids.to_vec();
    let mut i = 0;
    while i < all.len() {
        if let Ok(d) = std::fs::read_dir(format!("/proc/{}/task", all[i])) {
            for t in d.flatten() {
                let s = std::fs::read_to_string(t.path().join("children")).unwrap_or_default();
                for c in s.split_whitespace().filter_map(|x| x.parse().ok()) {
                    if !all.contains(&c) {
                        all.push(c)
                    }
                }
            }
        }
        i += 1;
    }
    all
}
/// utime + stime of the processes, their live children and reaped children, in seconds.
pub fn cpu(pids: &[i32]) -> f64 {
    let mut n = 0u64;
    for p in tree(pids) {
        let s = std::fs::read_to_string(format!("/proc/{p}/stat")).unwrap_or_default();
        let f: Vec<&str> = s
            .rsplit(')')
            .next()
            .unwrap_or("")
            .split_whitespace()
            .collect();
        for k in 11..15 {
            n += f.get(k).and_then(|x| x.parse::<u64>().ok()).unwrap_or(0)
        }
    }
    n as f64 / 100.0
}
pub fn rss(pids: &[i32]) -> i64 {
    tree(pids)
        .iter()
        .map(|p| {
            let s = std::fs::read_to_string(format!("/proc/{p}/status")).unwrap_or_default();
            s.lines()
                .find_map(|l| l.strip_prefix("VmRSS:"))
                .and_then(|x| x.trim().trim_end_matches(" kB").parse::<i64>().ok())
                .unwrap_or(0)
        })
        .sum()
}
/// Kernel slab, in KiB (sockets of both ends live there).
pub fn sock_mem() -> i64 {
    let s = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    s.lines()
        .find_map(|l| l.strip_prefix("Slab:"))
        .and_then(|x| x.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}
pub fn self_cpu() -> f64 {
    let mut u: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut u) };
    (u.ru_utime.tv_sec + u.ru_stime.tv_sec) as f64
        + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) as f64 / 1e6
}
#[derive(Default, Clone, Copy)]
pub struct Cpu {
    pub busy: f64,
    pub steal: f64,
    pub softirq: f64,
}
impl Cpu {
    pub fn read() -> Cpu {
        let s = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let v: Vec<f64> = s
            .lines()
            .next()
            .unwrap_or("")
            .split_whitespace()
            .skip(1)
            .map(|x| x.parse::<f64>().unwrap_or(0.0) / 100.0)
            .collect();
        if v.len() < 8 {
            return Cpu::default();
        }
        Cpu {
            busy: v[0] + v[1] + v[2] + v[5] + v[6],
            steal: v[7],
            softirq: v[6],
        }
    }
}

/// Log-linear histogram, 64 steps an octave.
pub struct Hist {
    b: Vec<u32>,
    n: u64,
    pub max: u64,
}
impl Hist {
    pub fn new() -> Hist {
        Hist {
            b: vec![0; 64 * 48],
            n: 0,
            max: 0,
        }
    }
    pub fn add(&mut self, v: u64) {
        let i = if v < 64 {
            v as usize
        } else {
            let e = 63 - v.leading_zeros() as usize;
            (e - 5) * 64 + ((v >> (e - 6)) & 63) as usize
        };
        let l = self.b.len() - 1;
        self.b[i.min(l)] += 1;
        self.n += 1;
        if v > self.max {
            self.max = v
        }
    }
    pub fn q(&self, q: f64) -> u64 {
        let want = (self.n as f64 * q).ceil() as u64;
        let mut s = 0;
        for (i, c) in self.b.iter().enumerate() {
            s += *c as u64;
            if s >= want && s > 0 {
                if i < 64 {
                    return i as u64;
                }
                let (e, m) = (i / 64 + 5, i % 64);
                return ((64 + m as u64) << (e - 6)) + (1 << (e - 6)) / 2;
            }
        }
        0
    }
}
