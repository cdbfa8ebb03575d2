//! Who owns a socket. A file a platform; where a platform cannot say, the answer is `None`.

use std::io;

use crate::packet::Tuple;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::{credentials, holders_of, owner};
#[cfg(target_os = "macos")]
mod darwin;
#[cfg(target_os = "macos")]
pub use darwin::{credentials, holders_of, owner};
#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub use windows::{credentials, holders_of, owner};

/// The process at the other end of a local socket, as it was when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub pid: Option<u32>,
    pub uid: u32,
    pub gid: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Udp,
}

/// What the kernel says of one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Linux: the inode that `/proc/PID/fd` names. Elsewhere zero.
    pub inode: u64,
    pub uid: u32,
    /// Where the platform names the process outright.
    pub pid: Option<u32>,
}

/// A look-up's result: `Ok(None)` where no socket has this tuple.
pub type Found = io::Result<Option<Owner>>;

/// `tuple` is seen from the socket looked for: its own end is the source.
#[derive(Clone, Copy, Debug)]
pub struct SocketQuery {
    pub transport: Transport,
    pub tuple: Tuple,
}
