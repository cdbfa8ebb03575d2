//! Linux: /dev/net/tun, with offload headers so that one read carries up to 64 KiB of a stream whatever the MTU.

use std::ffi::CStr;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::unix::{self, check};
use super::{Device, HEADROOM, Offload, OpenOptions, Wake};

/// include/uapi/linux/if_tun.h
const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
const TUNSETOFFLOAD: libc::c_ulong = 0x4004_54d0;
const TUNSETVNETHDRSZ: libc::c_ulong = 0x4004_54d8;
const TUN_F_CSUM: libc::c_ulong = 0x01;
const TUN_F_TSO4: libc::c_ulong = 0x02;
const TUN_F_TSO6: libc::c_ulong = 0x04;
/// struct virtio_net_hdr, include/uapi/linux/virtio_net.h
const OFFLOAD_HEADER: usize = 10;

struct LinuxTun {
    device: OwnedFd,
    /// An eventfd that, once written, stays readable.
    stop: OwnedFd,
    name: String,
}

/// Open and create the interface. It is not persistent: it goes when the last descriptor does, however the process ends.
pub fn open(options: &OpenOptions) -> io::Result<Box<dyn Device>> {
    let name = options.name.as_bytes();
    if name.len() >= libc::IFNAMSIZ || name.contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "interface name too long"));
    }
    // SAFETY: the path is a NUL-terminated literal.
    let fd = check(unsafe { libc::open(c"/dev/net/tun".as_ptr(), libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC) })?;
    // SAFETY: `fd` was just opened and has no other owner.
    let device = unsafe { OwnedFd::from_raw_fd(fd) };

    // SAFETY: all-zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name) {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes one ifreq.
    check(unsafe { libc::ioctl(fd, TUNSETIFF as _, &mut request) })?;
    let header = OFFLOAD_HEADER as libc::c_int;
    // SAFETY: TUNSETVNETHDRSZ reads one int.
    check(unsafe { libc::ioctl(fd, TUNSETVNETHDRSZ as _, &header) })?;
    // SAFETY: TUNSETOFFLOAD takes its argument by value.
    check(unsafe { libc::ioctl(fd, TUNSETOFFLOAD as _, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) })?;

    // SAFETY: the kernel leaves a NUL-terminated name in ifr_name.
    let name = unsafe { CStr::from_ptr(request.ifr_name.as_ptr()) }.to_string_lossy().into_owned();
    // SAFETY: plain system call; the descriptor is owned at once.
    let stop = unsafe { OwnedFd::from_raw_fd(check(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))?) };
    Ok(Box::new(LinuxTun { device, stop, name }))
}

impl Device for LinuxTun {
    fn name(&self) -> &str {
        &self.name
    }

    fn offloads(&self) -> bool {
        true
    }

    fn read(&self, frame: &mut [u8]) -> io::Result<(usize, Offload)> {
        let start = HEADROOM - OFFLOAD_HEADER;
        let room = &mut frame[start..];
        // SAFETY: the pointer and length are of one live slice.
        let read = unsafe { libc::read(self.device.as_raw_fd(), room.as_mut_ptr().cast(), room.len()) };
        if read < 0 {
            return Err(io::Error::last_os_error());
        }
        let read = read as usize;
        if read < OFFLOAD_HEADER {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "frame without its header"));
        }
        let short = |at: usize| u16::from_ne_bytes([room[at], room[at + 1]]);
        let offload = Offload {
            flags: room[0],
            segmentation: room[1],
            header_length: short(2),
            segment_size: short(4),
            checksum_start: short(6),
            checksum_offset: short(8),
        };
        Ok((read - OFFLOAD_HEADER, offload))
    }

    fn write(&self, frame: &mut [u8], length: usize, offload: &Offload) -> io::Result<()> {
        let start = HEADROOM - OFFLOAD_HEADER;
        let header = &mut frame[start..HEADROOM];
        header[0] = offload.flags;
        header[1] = offload.segmentation;
        header[2..4].copy_from_slice(&offload.header_length.to_ne_bytes());
        header[4..6].copy_from_slice(&offload.segment_size.to_ne_bytes());
        header[6..8].copy_from_slice(&offload.checksum_start.to_ne_bytes());
        header[8..10].copy_from_slice(&offload.checksum_offset.to_ne_bytes());
        let whole = &frame[start..HEADROOM + length];
        unix::write(&self.device, whole)
    }

    fn wait(&self) -> io::Result<Wake> {
        unix::wait(&self.stop, &self.device)
    }

    fn stop(&self) {
        let one = 1u64;
        // SAFETY: writes eight live bytes. An eventfd that is full is readable already, so a failure changes nothing.
        unsafe { libc::write(self.stop.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
    }
}
