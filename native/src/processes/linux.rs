//! Linux: the process connector (include/uapi/linux/cn_proc.h), and `/proc` at the moment of each execution.
//!
//! A thread reads events as they come, so that short lives are seen; `take` reads what it has not come to yet, so that who asks about a
//! process knows everything that happened before it asked.

use std::fs;
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Event, Image};

/// include/uapi/linux/connector.h
const CN_IDX_PROC: u32 = 1;
const CN_VAL_PROC: u32 = 1;
const PROC_CN_MCAST_LISTEN: u32 = 1;
/// struct nlmsghdr, then struct cn_msg (20 bytes), then struct proc_event: what, cpu, an eight-byte time, the event's own part.
const CN_MESSAGE: usize = 16;
const EVENT: usize = CN_MESSAGE + 20;
const EVENT_DATA: usize = EVENT + 16;
const PROC_EVENT_NONE: u32 = 0;
const PROC_EVENT_FORK: u32 = 1;
const PROC_EVENT_EXEC: u32 = 2;
const PROC_EVENT_EXIT: u32 = 0x8000_0000;

/// What the kernel keeps for us while nobody reads: tens of thousands of events.
const BUFFER_BYTES: libc::c_int = 32 * 1024 * 1024;
/// Events that wait for TypeScript; beyond it they count as lost.
const MAX_WAITING: usize = 200_000;
/// How long the kernel may take to say that it lets us listen; it answers within the request, or never.
const ANSWER: Duration = Duration::from_millis(500);
const MAX_ARGUMENT_BYTES: usize = 16 * 1024;
const MAX_ENVIRONMENT_BYTES: usize = 256 * 1024;

struct Source {
    socket: OwnedFd,
    /// Names of the environment variables that are told with each program.
    names: Vec<String>,
    waiting: Vec<Event>,
}

pub struct Watch {
    source: Arc<Mutex<Source>>,
    stop: OwnedFd,
    reader: Option<JoinHandle<()>>,
}

impl Watch {
    /// Fails where the kernel does not tell us: too old for users without CAP_NET_ADMIN, or in a namespace of its own.
    pub fn open(names: Vec<String>) -> io::Result<Self> {
        let socket = connector()?;
        // SAFETY: plain system call.
        let stop = owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) })?;
        let (socket_fd, stop_fd) = (socket.as_raw_fd(), stop.as_raw_fd());
        let source = Arc::new(Mutex::new(Source { socket, names, waiting: Vec::new() }));
        let shared = Arc::clone(&source);
        // Both descriptors outlive the thread: dropping a watch waits for it first.
        let reader = std::thread::Builder::new().name("culvert-processes".into()).spawn(move || {
            hurry();
            while wait(socket_fd, stop_fd, -1) == Ready::Socket {
                lock(&shared).read();
            }
        })?;
        Ok(Self { source, stop, reader: Some(reader) })
    }

    /// Everything that happened since the last call, in order, up to now.
    pub fn take(&self) -> Vec<Event> {
        let mut source = lock(&self.source);
        source.read();
        std::mem::take(&mut source.waiting)
    }
}

/// Be the next to run when something happened, where we may: a program that executes another one at once is read before it does.
fn hurry() {
    // SAFETY: all-zero is a valid sched_param.
    let mut parameter: libc::sched_param = unsafe { zeroed() };
    parameter.sched_priority = 1;
    // Without CAP_SYS_NICE it stays as it is: later, but the same.
    // SAFETY: pid 0 is this thread; `parameter` is live.
    let _ = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const parameter) };
}

impl Drop for Watch {
    fn drop(&mut self) {
        let one = 1u64;
        // SAFETY: pointer and length are of one live integer.
        unsafe { libc::write(self.stop.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
        if let Some(reader) = self.reader.take() {
            // One that panicked has ended all the same.
            let _ = reader.join();
        }
    }
}

fn lock(source: &Mutex<Source>) -> MutexGuard<'_, Source> {
    // Events are pushed whole, so a panic elsewhere while it was held has not torn the list.
    source.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Source {
    /// Take in all that the kernel has for us now.
    fn read(&mut self) {
        let mut message = [0u8; 4096];
        loop {
            // SAFETY: pointer and length are of one live array.
            let length = unsafe {
                libc::recv(self.socket.as_raw_fd(), message.as_mut_ptr().cast(), message.len(), libc::MSG_DONTWAIT)
            };
            if length < 0 {
                match io::Error::last_os_error().raw_os_error() {
                    Some(libc::EINTR) => continue,
                    Some(libc::ENOBUFS) => self.push(Event::Lost),
                    _ => return,
                }
                continue;
            }
            if length == 0 {
                return;
            }
            if let Some(event) = parse(&message[..length as usize]) {
                self.take_in(event);
            }
        }
    }

    fn take_in(&mut self, told: Told) {
        match told {
            Told::Forked { pid, parent } => self.push(Event::Forked { pid, parent, start: start_of(pid) }),
            Told::Executed { pid } => {
                let image = image_of(pid, &self.names);
                self.push(Event::Executed(Box::new(image)));
            }
            Told::Exited { pid } => self.push(Event::Exited { pid }),
        }
    }

    fn push(&mut self, event: Event) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push(event);
        } else if self.waiting.last() != Some(&Event::Lost) {
            self.waiting.push(Event::Lost);
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Forked { pid: u32, parent: u32 },
    Executed { pid: u32 },
    Exited { pid: u32 },
}

/// Events of threads are none of ours.
fn parse(message: &[u8]) -> Option<Told> {
    let word = |at: usize| Some(u32::from_ne_bytes(message.get(at..at + 4)?.try_into().ok()?));
    if word(CN_MESSAGE)? != CN_IDX_PROC {
        return None;
    }
    let (first, second) = (word(EVENT_DATA)?, word(EVENT_DATA + 4)?);
    match word(EVENT)? {
        PROC_EVENT_FORK => {
            let (thread, pid) = (word(EVENT_DATA + 8)?, word(EVENT_DATA + 12)?);
            (thread == pid).then_some(Told::Forked { pid, parent: second })
        }
        PROC_EVENT_EXEC => Some(Told::Executed { pid: second }),
        PROC_EVENT_EXIT => (first == second).then_some(Told::Exited { pid: second }),
        _ => None,
    }
}

fn image_of(pid: u32, names: &[String]) -> Image {
    let link = |name: &str| Some(fs::read_link(format!("/proc/{pid}/{name}")).ok()?.to_string_lossy().into_owned());
    let texts = |name: &str, limit: usize| -> Vec<String> {
        let mut bytes = fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        bytes.truncate(limit);
        let text = String::from_utf8_lossy(&bytes);
        text.strip_suffix('\0').unwrap_or(&text).split('\0').map(str::to_owned).collect()
    };
    let is_asked = |entry: &String| entry.split_once('=').is_some_and(|(name, _)| names.iter().any(|one| one == name));
    Image {
        pid,
        start: start_of(pid),
        path: link("exe"),
        arguments: texts("cmdline", MAX_ARGUMENT_BYTES),
        directory: link("cwd"),
        environment: texts("environ", MAX_ENVIRONMENT_BYTES).into_iter().filter(is_asked).collect(),
    }
}

/// Field 22 of `/proc/PID/stat`; the name in field 2 may hold anything, so it is skipped from behind. proc_pid_stat(5)
fn start_of(pid: u32) -> Option<String> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let behind = text.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(text.get(behind + 2..)?).ok()?;
    fields.split(' ').nth(19).map(str::to_owned)
}

fn owned(fd: libc::c_int) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `fd` was just opened and has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A socket on which the kernel has agreed to tell us of processes.
fn connector() -> io::Result<OwnedFd> {
    // SAFETY: plain system call.
    let socket = owned(unsafe {
        libc::socket(libc::AF_NETLINK, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, libc::NETLINK_CONNECTOR)
    })?;
    let fd = socket.as_raw_fd();
    let (bytes, size) = (BUFFER_BYTES, size_of::<libc::c_int>() as libc::socklen_t);
    // Past the system's limit where we may, up to it where not.
    for option in [libc::SO_RCVBUFFORCE, libc::SO_RCVBUF] {
        // SAFETY: pointer and length are of one live integer.
        if unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, option, (&raw const bytes).cast(), size) } == 0 {
            break;
        }
    }
    // SAFETY: all-zero is a valid sockaddr_nl.
    let mut address: libc::sockaddr_nl = unsafe { zeroed() };
    address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    address.nl_groups = CN_IDX_PROC;
    // SAFETY: pointer and length are of one live address.
    check(unsafe { libc::bind(fd, (&raw const address).cast(), size_of::<libc::sockaddr_nl>() as libc::socklen_t) })?;
    let request = listen_request();
    // SAFETY: pointer and length are of one live array.
    check(unsafe { libc::send(fd, request.as_ptr().cast(), request.len(), 0) } as libc::c_int)?;
    await_answer(fd)?;
    Ok(socket)
}

fn listen_request() -> [u8; EVENT + 4] {
    let mut message = [0u8; EVENT + 4];
    message[0..4].copy_from_slice(&((EVENT + 4) as u32).to_ne_bytes());
    message[4..6].copy_from_slice(&(libc::NLMSG_DONE as u16).to_ne_bytes());
    message[CN_MESSAGE..CN_MESSAGE + 4].copy_from_slice(&CN_IDX_PROC.to_ne_bytes());
    message[CN_MESSAGE + 4..CN_MESSAGE + 8].copy_from_slice(&CN_VAL_PROC.to_ne_bytes());
    message[CN_MESSAGE + 16..CN_MESSAGE + 18].copy_from_slice(&4u16.to_ne_bytes());
    message[EVENT..].copy_from_slice(&PROC_CN_MCAST_LISTEN.to_ne_bytes());
    message
}

/// The answer is an event of kind "none" with an error number. Where the kernel does not want us it stays silent.
fn await_answer(fd: libc::c_int) -> io::Result<()> {
    let silent = || io::Error::new(io::ErrorKind::PermissionDenied, "the kernel does not tell this user of processes");
    let mut message = [0u8; 4096];
    // Events of others may come first, and go on coming where there is no answer: what is kept to is the time since the request.
    let ends = Instant::now() + ANSWER;
    loop {
        let left = ends.saturating_duration_since(Instant::now());
        if left.is_zero() || wait(fd, -1, left.as_millis() as libc::c_int) != Ready::Socket {
            return Err(silent());
        }
        // SAFETY: pointer and length are of one live array.
        let length = unsafe { libc::recv(fd, message.as_mut_ptr().cast(), message.len(), libc::MSG_DONTWAIT) };
        if length < EVENT_DATA as isize + 4 {
            continue;
        }
        let word = |at: usize| u32::from_ne_bytes([message[at], message[at + 1], message[at + 2], message[at + 3]]);
        if word(EVENT) == PROC_EVENT_NONE {
            let error = word(EVENT_DATA) as i32;
            return if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error.abs())) };
        }
    }
}

#[derive(PartialEq, Eq)]
enum Ready {
    Socket,
    Stopped,
}

fn wait(socket: libc::c_int, stop: libc::c_int, timeout_ms: libc::c_int) -> Ready {
    let mut watched = [
        libc::pollfd { fd: stop, events: libc::POLLIN, revents: 0 },
        libc::pollfd { fd: socket, events: libc::POLLIN, revents: 0 },
    ];
    loop {
        // SAFETY: `watched` is a live array of its stated length; a negative descriptor in it is passed over.
        let found = unsafe { libc::poll(watched.as_mut_ptr(), watched.len() as libc::nfds_t, timeout_ms) };
        if found < 0 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted {
            continue;
        }
        let socket_ready = found > 0 && watched[0].revents == 0;
        return if socket_ready { Ready::Socket } else { Ready::Stopped };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(what: u32, words: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0u8; EVENT_DATA];
        bytes[CN_MESSAGE..CN_MESSAGE + 4].copy_from_slice(&CN_IDX_PROC.to_ne_bytes());
        bytes[EVENT..EVENT + 4].copy_from_slice(&what.to_ne_bytes());
        bytes.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        bytes
    }

    #[test]
    fn tells_processes_from_threads() {
        assert_eq!(parse(&message(PROC_EVENT_FORK, &[7, 5, 9, 9])), Some(Told::Forked { pid: 9, parent: 5 }));
        assert_eq!(parse(&message(PROC_EVENT_FORK, &[5, 5, 9, 5])), None);
        assert_eq!(parse(&message(PROC_EVENT_EXEC, &[9, 9])), Some(Told::Executed { pid: 9 }));
        assert_eq!(parse(&message(PROC_EVENT_EXIT, &[9, 9, 0, 0])), Some(Told::Exited { pid: 9 }));
        assert_eq!(parse(&message(PROC_EVENT_EXIT, &[10, 9, 0, 0])), None);
    }

    #[test]
    fn passes_over_what_is_too_short() {
        let whole = message(PROC_EVENT_FORK, &[7, 5, 9, 9]);
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]), None);
        }
    }

    #[test]
    fn waits_no_longer_for_an_answer_where_others_are_told_of() {
        let (ours, kernel) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let telling = std::thread::spawn(move || {
            while kernel.send(&message(PROC_EVENT_EXEC, &[9, 9])).is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        assert!(await_answer(ours.as_raw_fd()).is_err());
        drop(ours);
        telling.join().unwrap();
    }

    #[test]
    fn sees_a_program_that_lives_for_a_moment() {
        let Ok(watch) = Watch::open(vec!["CULVERT_SEEN".into()]) else { return };
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", "exit 0", "sh"])
            .env("CULVERT_SEEN", "yes")
            .spawn()
            .expect("a shell");
        let pid = child.id();
        child.wait().expect("its end");
        let events = watch.take();
        let parent = std::process::id();
        assert!(
            events
                .iter()
                .any(|event| matches!(event, Event::Forked { pid: p, parent: of, .. } if *p == pid && *of == parent))
        );
        assert!(events.contains(&Event::Exited { pid }));
    }
}
