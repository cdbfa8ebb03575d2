//! A TUN device: the kernel hands us IP packets and takes ours. A file a platform.

use std::io;

#[cfg(unix)]
mod unix;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::open;
#[cfg(target_os = "macos")]
mod darwin;
#[cfg(target_os = "macos")]
pub use darwin::open;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub use windows::open;

/// Bytes before the packet in a frame that are enough for every platform's own header.
pub const HEADROOM: usize = 16;
/// A frame buffer: the largest IP packet behind its headroom.
pub const FRAME_BYTES: usize = HEADROOM + 65_536;

/// What the kernel left for the device to do (virtio specification 5.1.6), kept so that it can be handed back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    pub flags: u8,
    pub segmentation: u8,
    pub header_length: u16,
    pub segment_size: u16,
    pub checksum_start: u16,
    pub checksum_offset: u16,
}

impl Offload {
    /// VIRTIO_NET_HDR_F_NEEDS_CSUM: the checksum field holds only the pseudo-header's sum.
    pub const NEEDS_CHECKSUM: u8 = 1;

    pub fn partial_checksum(&self) -> bool {
        self.flags & Self::NEEDS_CHECKSUM != 0
    }
}

/// Why [`Device::wait`] returned.
#[derive(Debug, PartialEq, Eq)]
pub enum Wake {
    Readable,
    Stopped,
}

#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Asked-for interface name; the platform may choose another.
    pub name: String,
    /// For platforms that set it at creation; others set it with the addresses.
    pub mtu: u32,
}

/// One open device. `read` and `wait` are called by one thread, `write` and `stop` by any. Closed when dropped.
pub trait Device: Send + Sync {
    /// The interface's name as the system shows it.
    fn name(&self) -> &str;

    /// True where frames carry an [`Offload`] and packets may exceed the MTU.
    fn offloads(&self) -> bool;

    /// Read one packet into `frame[HEADROOM..]`; its length and offload. `WouldBlock` where there is none now.
    fn read(&self, frame: &mut [u8]) -> io::Result<(usize, Offload)>;

    /// Write the packet at `frame[HEADROOM..HEADROOM + length]`. The headroom before it is overwritten.
    fn write(&self, frame: &mut [u8], length: usize, offload: &Offload) -> io::Result<()>;

    /// Sleep until a packet can be read or [`Device::stop`] was called.
    fn wait(&self) -> io::Result<Wake>;

    /// Make `wait` return `Stopped`, now and ever after.
    fn stop(&self);
}
