//! What the descriptors of Linux and macOS have in common.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::Wake;

pub fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// One packet with its header: a device takes it whole or not at all.
pub fn write(device: &OwnedFd, whole: &[u8]) -> io::Result<()> {
    // SAFETY: the pointer and length are of one live slice.
    let written = unsafe { libc::write(device.as_raw_fd(), whole.as_ptr().cast(), whole.len()) };
    if written < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Until the device can be read, or `stop` can.
pub fn wait(stop: &OwnedFd, device: &OwnedFd) -> io::Result<Wake> {
    let mut watched = [
        libc::pollfd { fd: stop.as_raw_fd(), events: libc::POLLIN, revents: 0 },
        libc::pollfd { fd: device.as_raw_fd(), events: libc::POLLIN, revents: 0 },
    ];
    loop {
        // SAFETY: `watched` is a live array of its stated length.
        match check(unsafe { libc::poll(watched.as_mut_ptr(), watched.len() as libc::nfds_t, -1) }) {
            Ok(_) if watched[0].revents != 0 => return Ok(Wake::Stopped),
            // The interface was deleted under us: reading would fail for ever.
            Ok(_) if watched[1].revents & (libc::POLLERR | libc::POLLNVAL) != 0 => {
                return Err(io::Error::new(io::ErrorKind::NotConnected, "the interface is gone"));
            }
            Ok(_) => return Ok(Wake::Readable),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
