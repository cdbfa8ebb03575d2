//! Rewriting a TCP segment's addresses and ports in place, with checksums updated incrementally (RFC 1624).

use std::net::IpAddr;

use crate::packet::{Endpoint, TcpHead};

/// The change of a one's complement sum: the complement of what goes, plus what comes.
#[derive(Default)]
struct Change(u64);

impl Change {
    fn replace(&mut self, packet: &mut [u8], at: usize, new: &[u8]) {
        for (index, word) in new.chunks_exact(2).enumerate() {
            let place = at + index * 2;
            let old = u16::from_be_bytes([packet[place], packet[place + 1]]);
            self.0 += u64::from(!old) + u64::from(u16::from_be_bytes([word[0], word[1]]));
        }
        packet[at..at + new.len()].copy_from_slice(new);
    }

    fn applied_to(&self, sum: u16) -> u16 {
        let mut total = u64::from(sum) + self.0;
        while total > 0xffff {
            total = (total & 0xffff) + (total >> 16);
        }
        total as u16
    }

    /// Update a finished checksum field.
    fn update(&self, packet: &mut [u8], at: usize) {
        let old = u16::from_be_bytes([packet[at], packet[at + 1]]);
        packet[at..at + 2].copy_from_slice(&(!self.applied_to(!old)).to_be_bytes());
    }

    /// Update a field that holds only the pseudo-header's sum, uncomplemented.
    fn update_partial(&self, packet: &mut [u8], at: usize) {
        let old = u16::from_be_bytes([packet[at], packet[at + 1]]);
        packet[at..at + 2].copy_from_slice(&self.applied_to(old).to_be_bytes());
    }
}

/// Give the segment new ends. `head` must be this packet's own; `partial` says that its TCP checksum field holds only the
/// pseudo-header's sum, so that ports are no part of it yet. False (and no change) where the families differ.
pub fn rewrite(packet: &mut [u8], head: &TcpHead, source: Endpoint, destination: Endpoint, partial: bool) -> bool {
    let mut change = Change::default();
    match (head.tuple.source.ip, source.ip, destination.ip) {
        (IpAddr::V4(_), IpAddr::V4(from), IpAddr::V4(to)) => {
            change.replace(packet, 12, &from.octets());
            change.replace(packet, 16, &to.octets());
            change.update(packet, 10);
        }
        (IpAddr::V6(_), IpAddr::V6(from), IpAddr::V6(to)) => {
            change.replace(packet, 8, &from.octets());
            change.replace(packet, 24, &to.octets());
        }
        _ => return false,
    }
    let checksum = head.offset + 16;
    if partial {
        change.update_partial(packet, checksum);
        packet[head.offset..head.offset + 2].copy_from_slice(&source.port.to_be_bytes());
        packet[head.offset + 2..head.offset + 4].copy_from_slice(&destination.port.to_be_bytes());
    } else {
        change.replace(packet, head.offset, &source.port.to_be_bytes());
        change.replace(packet, head.offset + 2, &destination.port.to_be_bytes());
        change.update(packet, checksum);
    }
    true
}
