//! What Windows tells by other means than Unix: whose a process is, what it descends from, and who may change a file; and of macOS which file a process
//! runs, and its parents. Elsewhere nothing here works, for Node or /proc tell it there.

#[cfg(not(windows))]
use std::io;

#[cfg(target_os = "macos")]
mod darwin;
#[cfg(windows)]
mod rights;
#[cfg(windows)]
mod windows;
#[cfg(target_os = "macos")]
pub use darwin::{chain, programs};
#[cfg(windows)]
pub use rights::{Descriptor, descriptor_for, restrict, rights, wide};
#[cfg(windows)]
pub use windows::{Handle, chain, open_pipe, pipe_server, programs, server_of, system_directory};

/// A process. What it lets nobody read is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    pub parent: u32,
    /// Grows with the time: units of 100 ns since 1601 (Windows), microseconds since 1970 (macOS).
    pub start: Option<u64>,
    pub path: Option<String>,
    pub command: Option<String>,
    pub sid: Option<String>,
    pub user: Option<String>,
}

/// What one account may do with a file, as an access mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub sid: String,
    pub mask: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRights {
    pub owner: String,
    pub grants: Vec<Grant>,
}

#[cfg(not(windows))]
fn unsupported<T>() -> io::Result<T> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

#[cfg(not(any(windows, target_os = "macos")))]
pub fn chain(_pid: u32) -> io::Result<Vec<Process>> {
    unsupported()
}

#[cfg(not(any(windows, target_os = "macos")))]
pub fn programs() -> io::Result<Vec<String>> {
    unsupported()
}

#[cfg(not(windows))]
pub fn pipe_server(_path: &str) -> io::Result<Option<u32>> {
    unsupported()
}

#[cfg(not(windows))]
pub fn system_directory() -> io::Result<String> {
    unsupported()
}

#[cfg(not(windows))]
pub fn rights(_path: &str) -> io::Result<FileRights> {
    unsupported()
}

#[cfg(not(windows))]
pub fn restrict(_path: &str, _sids: &[String]) -> io::Result<()> {
    unsupported()
}
