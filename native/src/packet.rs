//! Views over IPv4, IPv6 and TCP headers, and the Internet checksum. Pure; never panics, whatever the bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IANA protocol numbers (RFC 5237 registry).
pub const PROTOCOL_TCP: u8 = 6;
pub const PROTOCOL_UDP: u8 = 17;

/// TCP control bits (RFC 9293 section 3.1).
pub const TCP_FIN: u8 = 0x01;
pub const TCP_SYN: u8 = 0x02;
pub const TCP_RST: u8 = 0x04;
pub const TCP_ACK: u8 = 0x10;

/// IPv6 extension headers that may stand before the transport header (RFC 8200 section 4.1), fragments apart.
const IPV6_HOP_BY_HOP: u8 = 0;
const IPV6_ROUTING: u8 = 43;
const IPV6_FRAGMENT: u8 = 44;
const IPV6_DESTINATION: u8 = 60;
/// More extension headers than this in one packet is no real sender's doing.
const IPV6_EXTENSIONS_MAX: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    pub ip: IpAddr,
    pub port: u16,
}

/// Both ends of a packet, as it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuple {
    pub source: Endpoint,
    pub destination: Endpoint,
}

/// Why a packet is dropped; each is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than its headers say, or than the least header.
    Truncated,
    /// Neither IPv4 nor IPv6.
    Version,
    /// A header length below its least value.
    HeaderLength,
    /// A fragment: the device's MTU makes none, and no flow can claim one.
    Fragment,
}

/// What the pump must know of a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpHead {
    pub tuple: Tuple,
    /// Offset of the TCP header.
    pub offset: usize,
    pub sequence: u32,
    pub acknowledgment: u32,
    pub flags: u8,
    /// Sequence space the segment takes: payload, SYN and FIN.
    pub span: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet {
    Tcp(TcpHead),
    /// Anything else that is whole: UDP, ICMP, …
    Other {
        protocol: u8,
    },
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn ipv6_at(bytes: &[u8], at: usize) -> Option<Ipv6Addr> {
    let octets: [u8; 16] = bytes.get(at..at + 16)?.try_into().ok()?;
    Some(Ipv6Addr::from(octets))
}

struct Network {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    offset: usize,
    /// Offset of the end of the packet, padding excluded.
    end: usize,
}

/// Read the headers of one IP packet.
pub fn parse(packet: &[u8]) -> Result<Packet, Malformed> {
    let network = match packet.first().ok_or(Malformed::Truncated)? >> 4 {
        4 => parse_ipv4(packet)?,
        6 => parse_ipv6(packet)?,
        _ => return Err(Malformed::Version),
    };
    if network.protocol != PROTOCOL_TCP {
        return Ok(Packet::Other { protocol: network.protocol });
    }
    parse_tcp(packet, &network).map(Packet::Tcp)
}

/// RFC 791 section 3.1.
fn parse_ipv4(packet: &[u8]) -> Result<Network, Malformed> {
    if packet.len() < 20 {
        return Err(Malformed::Truncated);
    }
    let offset = usize::from(packet[0] & 0x0f) * 4;
    if offset < 20 {
        return Err(Malformed::HeaderLength);
    }
    let end = usize::from(be16(packet, 2).ok_or(Malformed::Truncated)?);
    if end < offset {
        return Err(Malformed::HeaderLength);
    }
    if end > packet.len() {
        return Err(Malformed::Truncated);
    }
    // More-fragments bit or a fragment offset.
    if be16(packet, 6).ok_or(Malformed::Truncated)? & 0x3fff != 0 {
        return Err(Malformed::Fragment);
    }
    let address = |at: usize| IpAddr::V4(Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]));
    Ok(Network { source: address(12), destination: address(16), protocol: packet[9], offset, end })
}

/// RFC 8200 section 3.
fn parse_ipv6(packet: &[u8]) -> Result<Network, Malformed> {
    if packet.len() < 40 {
        return Err(Malformed::Truncated);
    }
    let end = 40 + usize::from(be16(packet, 4).ok_or(Malformed::Truncated)?);
    if end > packet.len() {
        return Err(Malformed::Truncated);
    }
    let source = IpAddr::V6(ipv6_at(packet, 8).ok_or(Malformed::Truncated)?);
    let destination = IpAddr::V6(ipv6_at(packet, 24).ok_or(Malformed::Truncated)?);
    let mut protocol = packet[6];
    let mut offset = 40;
    for _ in 0..IPV6_EXTENSIONS_MAX {
        match protocol {
            IPV6_HOP_BY_HOP | IPV6_ROUTING | IPV6_DESTINATION => {
                if offset + 8 > end {
                    return Err(Malformed::Truncated);
                }
                protocol = packet[offset];
                offset += (usize::from(packet[offset + 1]) + 1) * 8;
                if offset > end {
                    return Err(Malformed::Truncated);
                }
            }
            IPV6_FRAGMENT => return Err(Malformed::Fragment),
            _ => return Ok(Network { source, destination, protocol, offset, end }),
        }
    }
    Err(Malformed::HeaderLength)
}

/// RFC 9293 section 3.1.
fn parse_tcp(packet: &[u8], network: &Network) -> Result<TcpHead, Malformed> {
    let Network { offset, end, .. } = *network;
    if end < offset + 20 {
        return Err(Malformed::Truncated);
    }
    let header = usize::from(packet[offset + 12] >> 4) * 4;
    if header < 20 {
        return Err(Malformed::HeaderLength);
    }
    if offset + header > end {
        return Err(Malformed::Truncated);
    }
    let flags = packet[offset + 13];
    let payload = (end - offset - header) as u32;
    let control = u32::from(flags & TCP_SYN != 0) + u32::from(flags & TCP_FIN != 0);
    let port = |at: usize| be16(packet, at).ok_or(Malformed::Truncated);
    Ok(TcpHead {
        tuple: Tuple {
            source: Endpoint { ip: network.source, port: port(offset)? },
            destination: Endpoint { ip: network.destination, port: port(offset + 2)? },
        },
        offset,
        sequence: be32(packet, offset + 4).ok_or(Malformed::Truncated)?,
        acknowledgment: be32(packet, offset + 8).ok_or(Malformed::Truncated)?,
        flags,
        span: payload + control,
    })
}

/// One's complement sum of big-endian 16-bit words (RFC 1071), folded; an odd last byte is padded with zero.
pub fn sum(bytes: &[u8], start: u32) -> u16 {
    let mut total = u64::from(start);
    let mut words = bytes.chunks_exact(2);
    for word in &mut words {
        total += u64::from(u16::from_be_bytes([word[0], word[1]]));
    }
    if let [last] = words.remainder() {
        total += u64::from(*last) << 8;
    }
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

/// Sum of the pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1).
pub fn pseudo_sum(source: IpAddr, destination: IpAddr, protocol: u8, length: usize) -> u32 {
    let mut total = u32::from(protocol) + (length as u32 & 0xffff) + (length as u32 >> 16);
    for ip in [source, destination] {
        total += match ip {
            IpAddr::V4(ip) => u32::from(sum(&ip.octets(), 0)),
            IpAddr::V6(ip) => u32::from(sum(&ip.octets(), 0)),
        };
    }
    total
}

/// Finish a checksum the kernel left to the device: the field at `start + offset` holds the pseudo-header's sum, and the
/// checksum covers everything from `start` on (virtio specification, VIRTIO_NET_HDR_F_NEEDS_CSUM). False where it does
/// not fit the packet.
pub fn complete_checksum(packet: &mut [u8], start: usize, offset: usize) -> bool {
    let at = start + offset;
    if start > packet.len() || at + 2 > packet.len() {
        return false;
    }
    let checksum = match !sum(&packet[start..], 0) {
        // All zero means "no checksum" in UDP (RFC 768) and is the same number in one's complement.
        0 => 0xffff,
        value => value,
    };
    packet[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    true
}
