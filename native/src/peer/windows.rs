//! Windows: the extended TCP and UDP tables name the owning process. Named pipes have no descriptor here, so their
//! credentials are not looked up.

use std::io;
use std::net::IpAddr;

use windows_sys::Win32::Foundation::{ERROR_INSUFFICIENT_BUFFER, NO_ERROR};
use windows_sys::Win32::NetworkManagement::IpHelper::{
    GetExtendedTcpTable, GetExtendedUdpTable, TCP_TABLE_OWNER_PID_ALL, UDP_TABLE_OWNER_PID,
};
use windows_sys::Win32::Networking::WinSock::{AF_INET, AF_INET6};

use super::{Credentials, Found, Owner, SocketQuery, Transport};

pub fn credentials(_fd: i32) -> io::Result<Credentials> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

pub fn holders_of(_inodes: &[u64]) -> Vec<(u64, u32)> {
    Vec::new()
}

fn table(transport: Transport, family: u32) -> io::Result<Vec<u8>> {
    let mut size = 0u32;
    let mut bytes: Vec<u8> = Vec::new();
    // The table may grow between two calls.
    for _ in 0..8 {
        let place = bytes.as_mut_ptr().cast();
        // SAFETY: `place` has `size` bytes.
        let result = unsafe {
            match transport {
                Transport::Tcp => GetExtendedTcpTable(place, &mut size, 0, family, TCP_TABLE_OWNER_PID_ALL, 0),
                Transport::Udp => GetExtendedUdpTable(place, &mut size, 0, family, UDP_TABLE_OWNER_PID, 0),
            }
        };
        match result {
            NO_ERROR => {
                bytes.truncate(size as usize);
                return Ok(bytes);
            }
            ERROR_INSUFFICIENT_BUFFER => bytes.resize(size as usize, 0),
            code => return Err(io::Error::from_raw_os_error(code as i32)),
        }
    }
    Err(io::Error::from(io::ErrorKind::OutOfMemory))
}

/// Where a row of each table keeps what (iphlpapi's MIB_TCPROW_OWNER_PID, MIB_TCP6ROW_OWNER_PID and the UDP twins). Ports
/// stand in network order in the low half of their word.
struct Row {
    bytes: usize,
    local: usize,
    local_port: usize,
    remote: Option<(usize, usize)>,
    pid: usize,
}

const TCP4: Row = Row { bytes: 24, local: 4, local_port: 8, remote: Some((12, 16)), pid: 20 };
const TCP6: Row = Row { bytes: 56, local: 0, local_port: 20, remote: Some((24, 44)), pid: 52 };
const UDP4: Row = Row { bytes: 12, local: 0, local_port: 4, remote: None, pid: 8 };
const UDP6: Row = Row { bytes: 28, local: 0, local_port: 20, remote: None, pid: 24 };

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

pub fn owner(query: &SocketQuery) -> Found {
    let v4 = query.tuple.source.ip.is_ipv4();
    let row = match (query.transport, v4) {
        (Transport::Tcp, true) => TCP4,
        (Transport::Tcp, false) => TCP6,
        (Transport::Udp, true) => UDP4,
        (Transport::Udp, false) => UDP6,
    };
    let table = table(query.transport, u32::from(if v4 { AF_INET } else { AF_INET6 }))?;
    let (source, destination) = (octets(query.tuple.source.ip), octets(query.tuple.destination.ip));
    let port_is = |bytes: &[u8], at: usize, port: u16| bytes[at..at + 2] == port.to_be_bytes();
    // An unconnected UDP socket may be bound to every address.
    let any = vec![0u8; source.len()];
    let found = table.get(4..).unwrap_or_default().chunks_exact(row.bytes).find(|bytes| {
        let local = &bytes[row.local..row.local + source.len()];
        port_is(bytes, row.local_port, query.tuple.source.port)
            && (local == source || (row.remote.is_none() && local == any))
            && row.remote.is_none_or(|(address, port)| {
                bytes[address..address + destination.len()] == destination
                    && port_is(bytes, port, query.tuple.destination.port)
            })
    });
    Ok(found.map(|bytes| {
        let at = row.pid;
        let pid = u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Owner { inode: 0, uid: 0, pid: Some(pid) }
    }))
}
