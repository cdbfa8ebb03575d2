//! macOS: LOCAL_PEERCRED and LOCAL_PEERPID. The owner of an Internet socket would need the pcblist of every process; it is
//! not looked up.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::RawFd;

use super::{Credentials, Found, SocketQuery};

/// bsd/sys/un.h
const SOL_LOCAL: libc::c_int = 0;

fn option<T>(fd: RawFd, name: libc::c_int) -> io::Result<T> {
    // SAFETY: only used with types for which all-zero is valid.
    let mut value: T = unsafe { zeroed() };
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: `value` and `length` are live and of the stated size.
    let result = unsafe { libc::getsockopt(fd, SOL_LOCAL, name, (&raw mut value).cast(), &mut length) };
    if result != 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}

/// The process at the other end of the Unix socket `fd`.
pub fn credentials(fd: RawFd) -> io::Result<Credentials> {
    let found: libc::xucred = option(fd, libc::LOCAL_PEERCRED)?;
    if found.cr_version != libc::XUCRED_VERSION {
        return Err(io::Error::from(io::ErrorKind::Unsupported));
    }
    let pid: libc::pid_t = option(fd, libc::LOCAL_PEERPID)?;
    Ok(Credentials { pid: u32::try_from(pid).ok(), uid: found.cr_uid, gid: found.cr_groups[0] })
}

pub fn owner(_query: &SocketQuery) -> Found {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

pub fn holders_of(_inodes: &[u64]) -> Vec<(u64, u32)> {
    Vec::new()
}
