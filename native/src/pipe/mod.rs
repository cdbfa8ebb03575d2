//! Named pipes of Windows, so that the process at the other end is known, when serving one and when connecting to one. Node does both by itself, but
//! shows nobody the handles.

#[cfg(not(windows))]
use std::io;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub use windows::{Listener, connect, listen};

/// Told each time that clients wait to be taken.
pub type Notify = Box<dyn Fn() + Send>;

/// A connection, from either end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Our end, as a descriptor of the C runtime that Node itself uses; whoever takes it closes it.
    pub descriptor: i32,
    /// The process at the other end; `None` where the system does not say.
    pub pid: Option<u32>,
}

/// There is none where there are no such pipes.
#[cfg(not(windows))]
pub enum Listener {}

#[cfg(not(windows))]
impl Listener {
    pub fn take(&self) -> Vec<Client> {
        match *self {}
    }
}

#[cfg(not(windows))]
pub fn connect(_path: &str) -> io::Result<Option<Client>> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

#[cfg(not(windows))]
pub fn listen(_path: &str, _sids: &[String], _notify: Notify) -> io::Result<Listener> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}
