//! Which process started which, as the kernel tells it at the moment it happens. Linux only; elsewhere nothing can be watched.

#[cfg(not(target_os = "linux"))]
use std::io;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::Watch;

/// One thing that happened to a process. Threads are told apart by the kernel and left out here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A process came to be as a copy of its parent. `start` is absent where it was gone before it could be looked at.
    Forked {
        pid: u32,
        parent: u32,
        start: Option<String>,
    },
    /// It runs another program from now on.
    Executed(Box<Image>),
    Exited {
        pid: u32,
    },
    /// Events were lost: who was started meanwhile has to be looked for.
    Lost,
}

/// What the kernel kept of a program when it was executed, before it could change any of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Image {
    pub pid: u32,
    pub start: Option<String>,
    pub path: Option<String>,
    pub arguments: Vec<String>,
    pub directory: Option<String>,
    /// `NAME=VALUE` of the variables asked for.
    pub environment: Vec<String>,
}

#[cfg(not(target_os = "linux"))]
pub struct Watch;

#[cfg(not(target_os = "linux"))]
impl Watch {
    pub fn open(_names: Vec<String>) -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "processes are not watched on this platform"))
    }

    pub fn take(&self) -> Vec<Event> {
        Vec::new()
    }
}
