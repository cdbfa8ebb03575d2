//! A million mutated packets through parser, table and rewriter: none panics, each is dropped by reason, rewritten or
//! raised, and what was whole stays whole.

use node_tun::packet::{
    Endpoint, Malformed, PROTOCOL_TCP, Packet, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN, TcpHead, Tuple, complete_checksum,
    parse, pseudo_sum, sum,
};
use node_tun::reset::reset_packet;
use node_tun::rewrite::rewrite;
use node_tun::table::{Action, FlowTable, Mapping};

/// xorshift64*: small, and the same run every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

fn end(ip: &str, port: u16) -> Endpoint {
    Endpoint { ip: ip.parse().unwrap(), port }
}

fn tuple(family: u8) -> Tuple {
    if family == 4 {
        Tuple { source: end("100.64.0.1", 40_000), destination: end("100.64.3.9", 80) }
    } else {
        Tuple { source: end("fd00::1", 40_000), destination: end("fd00::3:9", 80) }
    }
}

fn mapping(family: u8) -> Mapping {
    let listener = if family == 4 {
        Tuple { source: end("100.64.0.8", 1024), destination: end("100.64.0.1", 3333) }
    } else {
        Tuple { source: end("fd00::8", 1024), destination: end("fd00::1", 3333) }
    };
    Mapping { application: tuple(family), listener }
}

/// A TCP segment with finished checksums.
fn segment(tuple: &Tuple, flags: u8, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = reset_packet(tuple, sequence, Some(77));
    packet.extend_from_slice(payload);
    let ip = if tuple.source.ip.is_ipv4() { 20 } else { 40 };
    let length = packet.len();
    if ip == 20 {
        packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        packet[10..12].fill(0);
        let checksum = !sum(&packet[..20], 0);
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    } else {
        packet[4..6].copy_from_slice(&((length - 40) as u16).to_be_bytes());
    }
    packet[ip + 13] = flags;
    packet[ip + 16..ip + 18].fill(0);
    let pseudo = pseudo_sum(tuple.source.ip, tuple.destination.ip, PROTOCOL_TCP, length - ip);
    let checksum = !sum(&packet[ip..], pseudo);
    packet[ip + 16..ip + 18].copy_from_slice(&checksum.to_be_bytes());
    packet
}

fn head(packet: &[u8]) -> TcpHead {
    match parse(packet) {
        Ok(Packet::Tcp(head)) => head,
        other => panic!("not a TCP segment: {other:?}"),
    }
}

fn assert_checksums(packet: &[u8]) {
    let head = head(packet);
    if head.tuple.source.ip.is_ipv4() {
        assert_eq!(sum(&packet[..usize::from(packet[0] & 15) * 4], 0), 0xffff, "IPv4 header checksum");
    }
    let Tuple { source, destination } = head.tuple;
    let pseudo = pseudo_sum(source.ip, destination.ip, PROTOCOL_TCP, packet.len() - head.offset);
    assert_eq!(sum(&packet[head.offset..], pseudo), 0xffff, "TCP checksum");
}

#[test]
fn a_rewritten_segment_has_its_new_ends_and_right_checksums() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..20_000 {
        let family = if round % 2 == 0 { 4 } else { 6 };
        let payload: Vec<u8> = (0..random.below(97)).map(|_| random.next() as u8).collect();
        let mut packet = segment(&tuple(family), TCP_ACK, random.next() as u32, &payload);
        let to = mapping(family).listener;
        let view = head(&packet);
        assert!(rewrite(&mut packet, &view, to.source, to.destination, false));
        assert_eq!(head(&packet).tuple, to);
        assert_checksums(&packet);
    }
}

#[test]
fn a_partial_checksum_stays_partial_and_completes_right() {
    for family in [4, 6] {
        let from = tuple(family);
        let mut packet = segment(&from, TCP_ACK, 5, b"odd");
        let offset = head(&packet).offset;
        let pseudo = pseudo_sum(from.source.ip, from.destination.ip, PROTOCOL_TCP, packet.len() - offset);
        packet[offset + 16..offset + 18].copy_from_slice(&sum(&[], pseudo).to_be_bytes());
        let to = mapping(family).listener;
        let view = head(&packet);
        assert!(rewrite(&mut packet, &view, to.source, to.destination, true));
        assert!(complete_checksum(&mut packet, offset, 16));
        assert_checksums(&packet);
    }
}

#[test]
fn families_are_never_mixed() {
    let mut packet = segment(&tuple(4), TCP_ACK, 5, b"x");
    let before = packet.clone();
    let to = mapping(6).listener;
    assert!(!rewrite(&mut packet, &head(&before), to.source, to.destination, false));
    assert_eq!(packet, before);
    let mixed = Mapping { application: tuple(4), listener: to };
    assert!(!FlowTable::default().add(1, mixed, 1, 0));
}

#[test]
fn a_known_flow_passes_both_ways_and_a_second_syn_is_raised() {
    let mut table = FlowTable::default();
    let Mapping { application, listener } = mapping(4);
    assert!(table.add(1, mapping(4), 100, 0));
    assert!(!table.add(2, mapping(4), 100, 0), "the same ends twice");
    let out = Action::Rewrite { source: listener.source, destination: listener.destination };
    assert_eq!(table.pass(&head(&segment(&application, TCP_SYN, 100, b"")), 1), out);
    assert_eq!(table.pass(&head(&segment(&application, TCP_SYN, 101, b"")), 1), Action::Raise);
    assert_eq!(table.pass(&head(&segment(&application, TCP_ACK, 101, b"hello")), 1), out);
    let answer = Tuple { source: listener.destination, destination: listener.source };
    let back = Action::Rewrite { source: application.destination, destination: application.source };
    assert_eq!(table.pass(&head(&segment(&answer, TCP_ACK, 1, b"")), 1), back);
    let stranger = Tuple { source: end("100.64.0.1", 40_001), ..application };
    assert_eq!(table.pass(&head(&segment(&stranger, TCP_ACK, 1, b"")), 1), Action::Raise);
}

#[test]
fn a_retired_flow_ends_after_its_closing_handshake() {
    let mut table = FlowTable::default();
    let Mapping { application, listener } = mapping(4);
    let answer = Tuple { source: listener.destination, destination: listener.source };
    table.add(1, mapping(4), 100, 0);
    table.pass(&head(&segment(&application, TCP_FIN | TCP_ACK, 101, b"")), 10);
    table.pass(&head(&segment(&answer, TCP_FIN | TCP_ACK, 1, b"")), 10);
    assert_eq!(table.sweep(60_000).0, Vec::<u32>::new(), "a flow lives as long as its socket");
    table.retire(1, 60_000);
    assert_eq!(table.sweep(60_500).0, Vec::<u32>::new());
    assert_eq!(table.sweep(62_500).0, vec![1]);
    assert!(table.is_empty());

    table.add(2, mapping(4), 100, 0);
    table.pass(&head(&segment(&answer, TCP_RST, 1, b"")), 10);
    table.retire(2, 10);
    assert_eq!(table.sweep(600).0, vec![2]);

    table.add(3, mapping(4), 100, 0);
    table.retire(3, 0);
    assert_eq!(table.sweep(100_000).0, Vec::<u32>::new());
    let (ended, resets) = table.sweep(200_000);
    assert_eq!(ended, vec![3]);
    assert_eq!(head(&resets[0]).flags & TCP_RST, TCP_RST);
}

#[test]
fn a_reset_carries_the_numbers_each_side_expects() {
    let mut table = FlowTable::default();
    let Mapping { application, listener } = mapping(6);
    table.add(7, mapping(6), 100, 0);
    table.pass(&head(&segment(&application, TCP_ACK, 101, b"abc")), 1);
    let answer = Tuple { source: listener.destination, destination: listener.source };
    table.pass(&head(&segment(&answer, TCP_ACK, 900, b"")), 1);
    let resets = table.reset(7);
    assert_eq!(resets.len(), 2);
    let to_application = head(&resets[0]);
    assert_eq!(to_application.tuple, Tuple { source: application.destination, destination: application.source });
    assert_eq!((to_application.sequence, to_application.acknowledgment), (77, 104));
    let to_listener = head(&resets[1]);
    assert_eq!((to_listener.tuple, to_listener.sequence), (listener, 77));
    resets.iter().for_each(|packet| assert_checksums(packet));
    assert!(table.reset(7).is_empty(), "once");
}

#[test]
fn a_million_mutated_packets_are_parsed_and_rewritten_without_a_panic() {
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut table = FlowTable::default();
    let mut whole = Vec::new();
    for family in [4, 6] {
        table.add(u32::from(family), mapping(family), 100, 0);
        let Mapping { application, listener } = mapping(family);
        let answer = Tuple { source: listener.destination, destination: listener.source };
        for from in [application, answer] {
            for flags in [TCP_SYN, TCP_ACK, TCP_FIN | TCP_ACK, TCP_RST] {
                whole.push(segment(&from, flags, 100, b"a payload of some bytes"));
            }
        }
    }
    let mut seen = [0u64; 6];
    for round in 0..1_000_000u64 {
        let mut packet = whole[random.below(whole.len())].clone();
        for _ in 0..random.below(4) {
            let at = random.below(packet.len());
            packet[at] = match random.below(3) {
                0 => random.next() as u8,
                1 => packet[at] ^ (1 << random.below(8)),
                _ => [0, 0xff, 0x80, 0x7f][random.below(4)],
            };
        }
        match random.below(8) {
            0 => packet.truncate(random.below(packet.len() + 1)),
            1 => packet.resize(packet.len() + random.below(64), random.next() as u8),
            _ => {}
        }
        let kind = match parse(&packet) {
            Ok(Packet::Tcp(head)) => {
                if let Action::Rewrite { source, destination } = table.pass(&head, round) {
                    assert!(rewrite(&mut packet, &head, source, destination, random.below(2) == 0));
                    assert!(matches!(parse(&packet), Ok(Packet::Tcp(_))));
                }
                0
            }
            Ok(Packet::Other { .. }) => 1,
            Err(Malformed::Truncated) => 2,
            Err(Malformed::Version) => 3,
            Err(Malformed::HeaderLength) => 4,
            Err(Malformed::Fragment) => 5,
        };
        seen[kind] += 1;
        complete_checksum(&mut packet, random.below(200), random.below(70_000));
    }
    assert!(seen.iter().all(|count| *count > 100), "each reason is reached: {seen:?}");
}
