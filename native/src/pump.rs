//! The thread between device and kernel, and what other threads may ask of it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::packet::{Packet, complete_checksum, parse};
use crate::queue::{Offered, RaisedQueue};
use crate::rewrite::rewrite;
use crate::stats::Stats;
use crate::table::{Action, FlowTable};
use crate::tun::{Device, FRAME_BYTES, HEADROOM, Offload, Wake};

/// Packets handled between two looks at whether to sleep or to wake TypeScript.
const BATCH: usize = 64;

/// Called from the pump's thread; must not block.
pub trait Raise: Send + Sync {
    /// The queue was empty and is not any more.
    fn readable(&self);
    /// The device failed; the pump has ended.
    fn failed(&self, error: &io::Error);
}

pub struct Shared {
    pub device: Box<dyn Device>,
    pub queue: RaisedQueue,
    pub stats: Stats,
    table: Mutex<FlowTable>,
    started: Instant,
}

impl Shared {
    pub fn new(device: Box<dyn Device>, queue_bytes: usize) -> Self {
        Self {
            device,
            queue: RaisedQueue::new(queue_bytes),
            stats: Stats::default(),
            table: Mutex::new(FlowTable::default()),
            started: Instant::now(),
        }
    }

    /// Held for look-ups only, never across a system call.
    pub fn table(&self) -> MutexGuard<'_, FlowTable> {
        // Its operations do not panic half-way; a poisoned table is still whole.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Write whole packets with finished checksums; how many the kernel took.
    pub fn write_all<'a>(&self, packets: impl IntoIterator<Item = &'a [u8]>) -> u32 {
        let mut frame = Vec::new();
        let mut taken = 0;
        for packet in packets {
            frame.clear();
            frame.resize(HEADROOM, 0);
            frame.extend_from_slice(packet);
            if self.device.write(&mut frame, packet.len(), &Offload::default()).is_ok() {
                taken += 1;
            } else {
                Stats::add(&self.stats.dropped_write, 1);
            }
        }
        Stats::add(&self.stats.written, u64::from(taken));
        taken
    }
}

/// What became of one packet.
enum Outcome {
    Done,
    Wake,
}

fn handle(shared: &Shared, frame: &mut [u8], length: usize, offload: &Offload) -> Outcome {
    let packet = &mut frame[HEADROOM..HEADROOM + length];
    let parsed = match parse(packet) {
        Ok(parsed) => parsed,
        Err(reason) => {
            shared.stats.malformed(reason);
            return Outcome::Done;
        }
    };
    if let Packet::Tcp(head) = parsed {
        let action = shared.table().pass(&head, shared.now_ms());
        if let Action::Rewrite { source, destination } = action {
            rewrite(packet, &head, source, destination, offload.partial_checksum());
            match shared.device.write(frame, length, offload) {
                Ok(()) => {
                    Stats::add(&shared.stats.rewritten, 1);
                    Stats::add(&shared.stats.rewritten_bytes, length as u64);
                }
                Err(_) => Stats::add(&shared.stats.dropped_write, 1),
            }
            return Outcome::Done;
        }
    }
    if offload.partial_checksum()
        && !complete_checksum(packet, usize::from(offload.checksum_start), usize::from(offload.checksum_offset))
    {
        Stats::add(&shared.stats.dropped_offload, 1);
        return Outcome::Done;
    }
    match shared.queue.offer(packet) {
        Offered::Full => {
            Stats::add(&shared.stats.dropped_queue, 1);
            Outcome::Done
        }
        offered => {
            Stats::add(&shared.stats.raised, 1);
            if offered == Offered::First { Outcome::Wake } else { Outcome::Done }
        }
    }
}

/// Read what is there, at most a batch.
fn drain(shared: &Shared, frame: &mut [u8], raise: &dyn Raise) -> io::Result<()> {
    let mut wake = false;
    let mut result = Ok(());
    for _ in 0..BATCH {
        match shared.device.read(frame) {
            Ok((length, offload)) => {
                Stats::add(&shared.stats.read, 1);
                wake |= matches!(handle(shared, frame, length, &offload), Outcome::Wake);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Seen when the interface is set down; it may come up again.
            #[cfg(target_os = "linux")]
            Err(error) if error.raw_os_error() == Some(libc::EIO) => break,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Stats::add(&shared.stats.dropped_truncated, 1);
            }
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    if wake {
        raise.readable();
    }
    result
}

/// Start the pump. It ends when the device is stopped or fails.
pub fn start(shared: Arc<Shared>, raise: Arc<dyn Raise>) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("culvert-tun".into()).spawn(move || {
        let mut frame = vec![0u8; FRAME_BYTES];
        loop {
            let result = match shared.device.wait() {
                Ok(Wake::Stopped) => return,
                Ok(Wake::Readable) => drain(&shared, &mut frame, raise.as_ref()),
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                raise.failed(&error);
                return;
            }
        }
    })
}
