//! macOS: a utun kernel control socket. Each packet stands behind its address family, four bytes, big-endian.

use std::ffi::CStr;
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::unix::{self, check};
use super::{Device, HEADROOM, Offload, OpenOptions, Wake};

/// bsd/net/if_utun.h
const UTUN_CONTROL_NAME: &[u8] = b"com.apple.net.utun_control";
const UTUN_OPT_IFNAME: libc::c_int = 2;
const FAMILY_HEADER: usize = 4;

struct DarwinTun {
    device: OwnedFd,
    stop_reader: OwnedFd,
    stop_writer: OwnedFd,
    name: String,
}

fn set_flags(fd: RawFd) -> io::Result<()> {
    // SAFETY: plain system calls on an open descriptor.
    unsafe {
        check(libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC))?;
        let flags = check(libc::fcntl(fd, libc::F_GETFL))?;
        check(libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK))?;
    }
    Ok(())
}

/// Open the next free utun. The system names it; the asked-for name is only heeded as `utunN`.
pub fn open(options: &OpenOptions) -> io::Result<Box<dyn Device>> {
    let wanted = options.name.strip_prefix("utun").and_then(|number| number.parse::<u32>().ok());
    // SAFETY: plain system call; the descriptor is owned at once.
    let device = unsafe {
        OwnedFd::from_raw_fd(check(libc::socket(libc::PF_SYSTEM, libc::SOCK_DGRAM, libc::SYSPROTO_CONTROL))?)
    };
    let fd = device.as_raw_fd();

    // SAFETY: all-zero is a valid ctl_info.
    let mut info: libc::ctl_info = unsafe { zeroed() };
    for (to, from) in info.ctl_name.iter_mut().zip(UTUN_CONTROL_NAME) {
        *to = *from as libc::c_char;
    }
    // SAFETY: CTLIOCGINFO reads and writes one ctl_info.
    check(unsafe { libc::ioctl(fd, libc::CTLIOCGINFO, &mut info) })?;

    // SAFETY: all-zero is a valid sockaddr_ctl.
    let mut address: libc::sockaddr_ctl = unsafe { zeroed() };
    address.sc_len = size_of::<libc::sockaddr_ctl>() as libc::c_uchar;
    address.sc_family = libc::AF_SYSTEM as libc::c_uchar;
    address.ss_sysaddr = libc::AF_SYS_CONTROL as u16;
    address.sc_id = info.ctl_id;
    // Unit 0 asks for any; unit N is utun(N-1).
    address.sc_unit = wanted.map_or(0, |number| number + 1);
    // SAFETY: pointer and length are of one live sockaddr_ctl.
    check(unsafe {
        libc::connect(fd, (&raw const address).cast(), size_of::<libc::sockaddr_ctl>() as libc::socklen_t)
    })?;

    let mut name = [0 as libc::c_char; libc::IFNAMSIZ];
    let mut length = name.len() as libc::socklen_t;
    // SAFETY: `name` and `length` are live and of the stated size.
    check(unsafe {
        libc::getsockopt(fd, libc::SYSPROTO_CONTROL, UTUN_OPT_IFNAME, name.as_mut_ptr().cast(), &mut length)
    })?;
    // SAFETY: the kernel leaves a NUL-terminated name.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned();
    set_flags(fd)?;

    let mut ends = [0; 2];
    // SAFETY: pipe writes two descriptors, which are owned at once.
    let (stop_reader, stop_writer) = unsafe {
        check(libc::pipe(ends.as_mut_ptr()))?;
        (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))
    };
    set_flags(stop_reader.as_raw_fd())?;
    set_flags(stop_writer.as_raw_fd())?;
    Ok(Box::new(DarwinTun { device, stop_reader, stop_writer, name }))
}

impl Device for DarwinTun {
    fn name(&self) -> &str {
        &self.name
    }

    fn offloads(&self) -> bool {
        false
    }

    fn read(&self, frame: &mut [u8]) -> io::Result<(usize, Offload)> {
        let room = &mut frame[HEADROOM - FAMILY_HEADER..];
        // SAFETY: the pointer and length are of one live slice.
        let read = unsafe { libc::read(self.device.as_raw_fd(), room.as_mut_ptr().cast(), room.len()) };
        match usize::try_from(read) {
            Err(_) => Err(io::Error::last_os_error()),
            Ok(read) if read < FAMILY_HEADER => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "frame without its header"))
            }
            Ok(read) => Ok((read - FAMILY_HEADER, Offload::default())),
        }
    }

    fn write(&self, frame: &mut [u8], length: usize, _offload: &Offload) -> io::Result<()> {
        let family = if frame[HEADROOM] >> 4 == 6 { libc::AF_INET6 } else { libc::AF_INET };
        frame[HEADROOM - FAMILY_HEADER..HEADROOM].copy_from_slice(&(family as u32).to_be_bytes());
        let whole = &frame[HEADROOM - FAMILY_HEADER..HEADROOM + length];
        unix::write(&self.device, whole)
    }

    fn wait(&self) -> io::Result<Wake> {
        unix::wait(&self.stop_reader, &self.device)
    }

    fn stop(&self) {
        // SAFETY: writes one live byte. A pipe that is full is readable already, so a failure changes nothing.
        unsafe { libc::write(self.stop_writer.as_raw_fd(), [1u8].as_ptr().cast(), 1) };
    }
}
