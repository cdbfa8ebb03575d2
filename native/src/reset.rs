//! Building a bare RST segment.

use std::net::IpAddr;

use crate::packet::{PROTOCOL_TCP, TCP_ACK, TCP_RST, Tuple, pseudo_sum, sum};

/// Hops left in packets we make; they only cross to the host's own stack.
const HOP_LIMIT: u8 = 64;

/// A whole IP packet that resets the connection `tuple`, as its source. `acknowledgment` also sets ACK, which a peer that
/// has only sent its SYN asks for (RFC 9293 section 3.5.2).
pub fn reset_packet(tuple: &Tuple, sequence: u32, acknowledgment: Option<u32>) -> Vec<u8> {
    let mut tcp = [0u8; 20];
    tcp[0..2].copy_from_slice(&tuple.source.port.to_be_bytes());
    tcp[2..4].copy_from_slice(&tuple.destination.port.to_be_bytes());
    tcp[4..8].copy_from_slice(&sequence.to_be_bytes());
    tcp[12] = 5 << 4;
    tcp[13] = TCP_RST;
    if let Some(acknowledgment) = acknowledgment {
        tcp[8..12].copy_from_slice(&acknowledgment.to_be_bytes());
        tcp[13] |= TCP_ACK;
    }
    let pseudo = pseudo_sum(tuple.source.ip, tuple.destination.ip, PROTOCOL_TCP, tcp.len());
    let checksum = !sum(&tcp, pseudo);
    tcp[16..18].copy_from_slice(&checksum.to_be_bytes());

    let mut packet = Vec::with_capacity(60);
    match (tuple.source.ip, tuple.destination.ip) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut ip = [0u8; 20];
            ip[0] = 0x45;
            ip[2..4].copy_from_slice(&40u16.to_be_bytes());
            ip[6] = 0x40;
            ip[8] = HOP_LIMIT;
            ip[9] = PROTOCOL_TCP;
            ip[12..16].copy_from_slice(&source.octets());
            ip[16..20].copy_from_slice(&destination.octets());
            let checksum = !sum(&ip, 0);
            ip[10..12].copy_from_slice(&checksum.to_be_bytes());
            packet.extend_from_slice(&ip);
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut ip = [0u8; 40];
            ip[0] = 0x60;
            ip[4..6].copy_from_slice(&20u16.to_be_bytes());
            ip[6] = PROTOCOL_TCP;
            ip[7] = HOP_LIMIT;
            ip[8..24].copy_from_slice(&source.octets());
            ip[24..40].copy_from_slice(&destination.octets());
            packet.extend_from_slice(&ip);
        }
        // A tuple of two families is never in the table.
        _ => return packet,
    }
    packet.extend_from_slice(&tcp);
    packet
}
