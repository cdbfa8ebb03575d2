//! What the operating system is asked for and Node cannot ask: a process that nobody looks into, a listener that only one interface reaches.

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::CString;
    use std::io::{Error, Result};
    use std::mem::{size_of, zeroed};
    use std::net::IpAddr;
    use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

    fn check(result: libc::c_int) -> Result<libc::c_int> {
        if result < 0 { Err(Error::last_os_error()) } else { Ok(result) }
    }

    /// No core dump, no debugger of the same user: prctl(2) PR_SET_DUMPABLE, getrlimit(2) RLIMIT_CORE.
    pub fn seal_process() -> Result<()> {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: plain system calls; the limit is read before the call returns.
        check(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) })?;
        check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) })?;
        Ok(())
    }

    /// A TCP listener on any port of `address` that takes only what comes in by `device` (socket(7), SO_BINDTODEVICE).
    pub fn listen_on_device(address: IpAddr, device: &str, backlog: i32) -> Result<i32> {
        let name = CString::new(device)?;
        let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: a fresh descriptor, owned from here on; the pointers below outlive their calls.
        let socket = unsafe { OwnedFd::from_raw_fd(check(libc::socket(family, kind, 0))?) };
        let fd = socket.as_raw_fd();
        unsafe {
            check(libc::setsockopt(
                fd,
                libc::SOL_SOCKET,
                libc::SO_BINDTODEVICE,
                name.as_ptr().cast(),
                name.as_bytes().len() as libc::socklen_t,
            ))?;
            match address {
                IpAddr::V4(ip) => {
                    let mut at: libc::sockaddr_in = zeroed();
                    at.sin_family = libc::AF_INET as libc::sa_family_t;
                    at.sin_addr.s_addr = u32::from_ne_bytes(ip.octets());
                    check(libc::bind(fd, (&raw const at).cast(), size_of::<libc::sockaddr_in>() as libc::socklen_t))?;
                }
                IpAddr::V6(ip) => {
                    let mut at: libc::sockaddr_in6 = zeroed();
                    at.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                    at.sin6_addr.s6_addr = ip.octets();
                    check(libc::bind(fd, (&raw const at).cast(), size_of::<libc::sockaddr_in6>() as libc::socklen_t))?;
                }
            }
            check(libc::listen(fd, backlog))?;
        }
        Ok(socket.into_raw_fd())
    }
}

#[cfg(not(target_os = "linux"))]
mod linux {
    use std::io::{Error, ErrorKind, Result};
    use std::net::IpAddr;

    pub fn seal_process() -> Result<()> {
        Err(Error::from(ErrorKind::Unsupported))
    }

    pub fn listen_on_device(_address: IpAddr, _device: &str, _backlog: i32) -> Result<i32> {
        Err(Error::from(ErrorKind::Unsupported))
    }
}

pub use linux::{listen_on_device, seal_process};
