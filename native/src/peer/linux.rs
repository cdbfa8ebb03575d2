//! Linux: SO_PEERCRED, NETLINK_SOCK_DIAG and /proc.

use std::collections::HashSet;
use std::ffi::CString;
use std::fs;
use std::io;
use std::mem::{size_of, zeroed};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::{Credentials, Found, Owner, SocketQuery, Transport};

/// include/uapi/linux/sock_diag.h, include/uapi/linux/inet_diag.h
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_HEADER: usize = 16;
const REQUEST: usize = NLMSG_HEADER + 56;
/// struct inet_diag_msg: four bytes, the 48-byte socket id, then expires, rqueue, wqueue, uid, inode.
const MESSAGE_UID: usize = NLMSG_HEADER + 4 + 48 + 12;
const MESSAGE_INODE: usize = MESSAGE_UID + 4;
/// INET_DIAG_NOCOOKIE
const NO_COOKIE: u32 = u32::MAX;

/// The process at the other end of the Unix socket `fd`.
pub fn credentials(fd: RawFd) -> io::Result<Credentials> {
    // SAFETY: all-zero is a valid ucred.
    let mut found: libc::ucred = unsafe { zeroed() };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: `found` and `length` are live and of the stated size.
    let result =
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut found).cast(), &mut length) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // Pid zero: the peer lives in a pid namespace that ours cannot see.
    let pid = u32::try_from(found.pid).ok().filter(|pid| *pid != 0);
    Ok(Credentials { pid, uid: found.uid, gid: found.gid })
}

fn put_ip(id: &mut [u8], ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => id[..4].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => id[..16].copy_from_slice(&ip.octets()),
    }
}

/// struct inet_diag_req_v2 behind its netlink header, for exactly one socket.
fn request(query: &SocketQuery) -> [u8; REQUEST] {
    let mut message = [0u8; REQUEST];
    message[0..4].copy_from_slice(&(REQUEST as u32).to_ne_bytes());
    message[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message[6..8].copy_from_slice(&(libc::NLM_F_REQUEST as u16).to_ne_bytes());
    let body = &mut message[NLMSG_HEADER..];
    body[0] = if query.tuple.source.ip.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 } as u8;
    body[1] = match query.transport {
        Transport::Tcp => libc::IPPROTO_TCP,
        Transport::Udp => libc::IPPROTO_UDP,
    } as u8;
    body[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
    // For UDP the kernel takes the ends of an exact request the other way round (net/ipv4/udp_diag.c, udp_dump_one).
    let (first, second) = match query.transport {
        Transport::Tcp => (query.tuple.source, query.tuple.destination),
        Transport::Udp => (query.tuple.destination, query.tuple.source),
    };
    let id = &mut body[8..];
    id[0..2].copy_from_slice(&first.port.to_be_bytes());
    id[2..4].copy_from_slice(&second.port.to_be_bytes());
    put_ip(&mut id[4..20], first.ip);
    put_ip(&mut id[20..36], second.ip);
    id[40..44].copy_from_slice(&NO_COOKIE.to_ne_bytes());
    id[44..48].copy_from_slice(&NO_COOKIE.to_ne_bytes());
    message
}

/// Ask the kernel for the socket that has exactly this tuple, in our network namespace.
pub fn owner(query: &SocketQuery) -> Found {
    // SAFETY: plain system call.
    let fd = unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, libc::NETLINK_SOCK_DIAG) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `fd` was just opened and has no other owner.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let message = request(query);
    // SAFETY: pointer and length are of one live array.
    if unsafe { libc::send(socket.as_raw_fd(), message.as_ptr().cast(), message.len(), 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut answer = [0u8; 1024];
    // The answer to a request for one socket is made within `send`, so there is nothing to wait for.
    // SAFETY: pointer and length are of one live array.
    let length =
        unsafe { libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), libc::MSG_DONTWAIT) };
    if length < 0 {
        return Err(io::Error::last_os_error());
    }
    parse_answer(&answer[..length as usize])
}

fn parse_answer(answer: &[u8]) -> Found {
    let word = |at: usize| -> io::Result<u32> {
        let bytes = answer.get(at..at + 4).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        Ok(u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    };
    let kind = word(4)? as u16;
    if i32::from(kind) == libc::NLMSG_ERROR {
        let error = -(word(NLMSG_HEADER)? as i32);
        return if error == libc::ENOENT { Ok(None) } else { Err(io::Error::from_raw_os_error(error)) };
    }
    let inode = word(MESSAGE_INODE)?;
    // A socket without an inode belongs to no process any more (TIME_WAIT and the like).
    Ok((inode != 0).then_some(Owner { inode: u64::from(inode), uid: word(MESSAGE_UID)?, pid: None }))
}

/// Who holds each of these sockets, as pairs of inode and pid, lowest pid first. Processes that end meanwhile, or that we may not look into,
/// are passed over. One walk over all descriptors of the host, whatever the number of sockets.
pub fn holders_of(inodes: &[u64]) -> Vec<(u64, u32)> {
    let wanted: HashSet<u64> = inodes.iter().copied().collect();
    let mut pids: Vec<u32> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .collect();
    pids.sort_unstable();
    let mut found = Vec::new();
    for pid in pids {
        let mut held = HashSet::new();
        let _ = each_socket(pid, |inode| {
            if wanted.contains(&inode) && held.insert(inode) {
                found.push((inode, pid));
            }
        });
    }
    found
}

/// Call `see` with the inode of every socket among a process's descriptors.
fn each_socket(pid: u32, mut see: impl FnMut(u64)) -> io::Result<()> {
    let path = CString::new(format!("/proc/{pid}/fd"))?;
    // SAFETY: `path` is a live C string.
    let directory = unsafe { libc::opendir(path.as_ptr()) };
    if directory.is_null() {
        return Err(io::Error::last_os_error());
    }
    loop {
        // SAFETY: `directory` is open, and no other thread reads it.
        let entry = unsafe { libc::readdir(directory) };
        if entry.is_null() {
            break;
        }
        // A link's text is short: `socket:[4294967295]`.
        let mut link = [0u8; 64];
        // SAFETY: the entry lives until the next `readdir`; the buffer is live and of the stated size.
        let length = unsafe {
            libc::readlinkat(libc::dirfd(directory), (*entry).d_name.as_ptr(), link.as_mut_ptr().cast(), link.len())
        };
        let inode = usize::try_from(length).ok().and_then(|length| socket_inode(&link[..length]));
        if let Some(inode) = inode {
            see(inode);
        }
    }
    // SAFETY: opened above, closed once.
    unsafe { libc::closedir(directory) };
    Ok(())
}

fn socket_inode(link: &[u8]) -> Option<u64> {
    std::str::from_utf8(link).ok()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}
