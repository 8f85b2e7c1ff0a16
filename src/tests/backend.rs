//! Which backend runs, and what it does when the system gives it nothing: the program itself, under
//! a seccomp filter, stopped for a while, or out of descriptors.

#![expect(clippy::unwrap_used, reason = "a test that fails here should stop")]
#![allow(unsafe_code)] // a filter has to be set between fork and exec

#[path = "backend/unit_filter.rs"]
mod unit_filter;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

const PATIENCE: Duration = Duration::from_secs(10);

/// A running tracker, ended when dropped.
struct Tracker {
    child: Child,
    port: u16,
    web: u16,
    /// What it has said since it was ready.
    said: Arc<Mutex<String>>,
}

impl Drop for Tracker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free for TCP and UDP at the moment.
fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// `serve` on loopback with one worker on `--io io`, which may make no ring: the kernel answers
/// `refusal` to `io_uring_setup`, if there is one.
fn command(io: &str, (port, web): (u16, u16), refusal: Option<i32>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wildkat"));
    let words = ["serve", "--host", "127.0.0.1", "--workers", "1", "--io", io];
    command.args(words).args(["--udp-port", &port.to_string(), "--http-port", &port.to_string()]);
    command.args(["--web-http-port", &web.to_string()]);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    if let Some(refusal) = refusal {
        let filter = filter(refusal);
        // SAFETY: between fork and exec it makes two system calls and allocates nothing.
        unsafe {
            command.pre_exec(move || apply_filter(&filter).map_err(io::Error::other));
        }
    }
    command
}

/// A filter that lets every call through but `io_uring_setup`.
fn filter(refusal: i32) -> BpfProgram {
    let rules = [(libc::SYS_io_uring_setup, Vec::new())].into();
    let refused = SeccompAction::Errno(refusal.cast_unsigned());
    let machine = std::env::consts::ARCH.try_into().unwrap();
    SeccompFilter::new(rules, SeccompAction::Allow, refused, machine).unwrap().try_into().unwrap()
}

/// Has the program begin with few descriptors left: it may have 300 and finds 250 taken, so that it
/// reckons with 44 connections and can have about 50 more of any kind.
fn leave_few_descriptors(command: &mut Command) {
    let taken = || {
        let limit = Rlimit { current: Some(300), maximum: Some(300) };
        setrlimit(Resource::Nofile, limit)?;
        for _ in 0..250 {
            // SAFETY: 0 is open, and what this opens is nobody's yet.
            if unsafe { libc::dup(0) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: between fork and exec it makes system calls alone.
    unsafe { command.pre_exec(taken) };
}

/// Starts it, and tells the line by which it says that it is ready.
fn start(io: &str, refusal: Option<i32>) -> (Tracker, String) {
    let ports = (free_port(), free_port());
    start_command(command(io, ports, refusal), ports)
}

fn start_command(mut command: Command, (port, web): (u16, u16)) -> (Tracker, String) {
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "it ended");
    }
    let said = Arc::<Mutex<String>>::default();
    let saying = said.clone();
    std::thread::spawn(move || {
        for line in lines.lines().map_while(Result::ok) {
            saying.lock().unwrap().push_str(&line);
        }
    });
    (Tracker { child, port, web, said }, line)
}

impl Tracker {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn connect(&self) -> TcpStream {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn udp(&self) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", self.port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// Asks over UDP and HTTP.
    fn assert_serves(&self) {
        let socket = self.udp();
        socket.send(&[&CONNECT[..], b"\x01\x02\x03\x04"].concat()).unwrap();
        let mut reply = [0; 64];
        assert_eq!(socket.recv(&mut reply).unwrap(), 16);
        assert_eq!(reply[..8], *b"\0\0\0\0\x01\x02\x03\x04");
        assert!(ask(&mut self.connect()).starts_with("HTTP/1.1 200 OK"));
    }

    /// The figures of the page, as JSON.
    fn figures(&self) -> serde_json::Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.web)).unwrap();
        let request = b"GET /stats.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        serde_json::from_str(reply.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

/// A connect request without its transaction id (BEP 15).
const CONNECT: [u8; 12] = *b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0";

/// One request and the beginning of its reply.
fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(b"GET /scrape HTTP/1.1\r\n\r\n").unwrap();
    let mut reply = [0; 15];
    stream.read_exact(&mut reply).unwrap();
    String::from_utf8(reply.to_vec()).unwrap()
}

/// Waits until `is_true`, and fails when that takes longer than anything may.
fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn io_uring_is_taken_where_it_is_to_be_had_and_epoll_where_it_is_asked_for() {
    for (io, said) in [
        ("auto", "ready: 1 workers on io_uring\n"),
        ("uring", "ready: 1 workers on io_uring\n"),
        ("epoll", "ready: 1 workers on epoll, as --io asks\n"),
    ] {
        let (tracker, line) = start(io, None);
        assert!(line.ends_with(said), "{line}");
        tracker.assert_serves();
    }
}

#[test]
fn epoll_is_taken_where_io_uring_is_refused_and_the_cure_is_said() {
    for (refusal, cure) in [
        (libc::EPERM, "a profile that allows io_uring_setup"),
        (libc::ENOSYS, "it takes Linux 6.0"),
        (libc::ENOMEM, "ulimit -l"),
    ] {
        let (tracker, line) = start("auto", Some(refusal));
        assert!(line.contains("ready: 1 workers on epoll, since "), "{line}");
        assert!(line.contains(cure), "{line}");
        tracker.assert_serves();
    }
}

#[test]
fn io_uring_that_is_asked_for_and_refused_is_no_start() {
    let ports = (free_port(), free_port());
    let output = command("uring", ports, Some(libc::EPERM)).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("io_uring") && said.contains("leave out --io uring"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(TcpStream::connect(("127.0.0.1", ports.0)).is_err(), "nothing listens");
}

#[test]
fn datagrams_that_the_kernel_drops_are_counted() {
    for io in ["uring", "epoll"] {
        let (tracker, _) = start(io, None);
        tracker.assert_serves();
        assert_eq!(tracker.figures()["udp"]["dropped"], 0, "{io}");
        // Nobody reads while it is stopped, and its receive buffer is at most 8 MB.
        kill_process(tracker.pid(), Signal::STOP).unwrap();
        let socket = tracker.udp();
        for _ in 0..30_000 {
            socket.send(&[0xff; 1400]).unwrap();
        }
        kill_process(tracker.pid(), Signal::CONT).unwrap();
        wait_until(io, || tracker.figures()["udp"]["dropped"].as_u64().unwrap() > 0);
        tracker.assert_serves();
    }
}

#[test]
fn connections_wait_while_descriptors_have_run_out_and_are_then_served() {
    for io in ["uring", "epoll"] {
        let ports = (free_port(), free_port());
        let mut command = command(io, ports, None);
        leave_few_descriptors(&mut command);
        let (tracker, _) = start_command(command, ports);
        // As many as it reckons with are more than it can have.
        let open = std::fs::read_dir(format!("/proc/{}/fd", tracker.child.id())).unwrap().count();
        assert!((257..290).contains(&open), "{open}: the numbers above no longer fit");
        let mut streams: Vec<TcpStream> = (0..100).map(|_| tracker.connect()).collect();
        let is_said = || tracker.said.lock().unwrap().contains("cannot accept connections");
        wait_until("it says so", is_said);
        let socket = tracker.udp();
        socket.send(&[&CONNECT[..], b"\x01\x02\x03\x04"].concat()).unwrap();
        assert_eq!(socket.recv(&mut [0; 64]).unwrap(), 16, "{io}: UDP is served meanwhile");
        // Each has its turn when those before it have gone.
        for mut stream in streams.drain(..) {
            assert!(ask(&mut stream).starts_with("HTTP/1.1 200 OK"), "{io}");
        }
        let said = tracker.said.lock().unwrap().clone();
        assert_eq!(said.matches("cannot accept").count(), 1, "{io}: once a minute: {said}");
    }
}

#[test]
fn tracker_that_was_killed_can_be_started_again_at_once() {
    let ports = (free_port(), free_port());
    for _ in 0..5 {
        let (tracker, _) = start_command(command("uring", ports, None), ports);
        let _open: Vec<TcpStream> = (0..20).map(|_| tracker.connect()).collect();
        tracker.assert_serves();
        drop(tracker); // by SIGKILL
    }
}
