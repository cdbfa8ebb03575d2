//! Serving a named pipe of Windows so that the process at the other end is known. Node serves pipes by itself, but shows nobody their handles.

#[cfg(not(windows))]
use std::io;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub use windows::{Listener, listen};

/// Told each time that clients wait to be taken.
pub type Notify = Box<dyn Fn() + Send>;

/// One that connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Our end, as a descriptor of the C runtime that Node itself uses; whoever takes it closes it.
    pub descriptor: i32,
    /// The process that opened the other end; `None` where the system does not say.
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
pub fn listen(_path: &str, _sids: &[String], _notify: Notify) -> io::Result<Listener> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}
