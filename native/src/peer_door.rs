//! What Node sees of socket ownership.

use napi::bindgen_prelude::{AsyncTask, Env, Error, Float64Array, Result, Task};
use napi_derive::napi;

use crate::packet::{Endpoint, Tuple};
use crate::peer::{SocketQuery, Transport, credentials, holders_of, owner};

#[napi(object)]
pub struct PeerCredentials {
    pub pid: Option<u32>,
    pub uid: u32,
    pub gid: u32,
}

#[napi(object)]
pub struct SocketOwner {
    pub inode: f64,
    pub uid: u32,
    pub pid: Option<u32>,
}

fn failure(error: &std::io::Error) -> Error {
    Error::from_reason(error.to_string())
}

#[napi]
pub fn peer_credentials(fd: i32) -> Result<PeerCredentials> {
    let found = credentials(fd).map_err(|error| failure(&error))?;
    Ok(PeerCredentials { pid: found.pid, uid: found.uid, gid: found.gid })
}

/// Null where no such socket exists. Addresses are text; `local` is the looked-for socket's own end.
#[napi]
pub fn socket_owner(
    protocol: String,
    local_address: String,
    local_port: u16,
    remote_address: String,
    remote_port: u16,
) -> Result<Option<SocketOwner>> {
    let transport = match protocol.as_str() {
        "tcp" => Transport::Tcp,
        "udp" => Transport::Udp,
        _ => return Err(Error::from_reason("protocol is tcp or udp")),
    };
    let end = |address: &str, port: u16| -> Result<Endpoint> {
        let ip = address.parse().map_err(|_| Error::from_reason(format!("not an IP address: {address}")))?;
        Ok(Endpoint { ip, port })
    };
    let tuple = Tuple { source: end(&local_address, local_port)?, destination: end(&remote_address, remote_port)? };
    let found = owner(&SocketQuery { transport, tuple }).map_err(|error| failure(&error))?;
    Ok(found.map(|owner| SocketOwner { inode: owner.inode as f64, uid: owner.uid, pid: owner.pid }))
}

pub struct FindHolders(Vec<u64>);

impl Task for FindHolders {
    type Output = Vec<(u64, u32)>;
    type JsValue = Float64Array;

    fn compute(&mut self) -> Result<Vec<(u64, u32)>> {
        Ok(holders_of(&self.0))
    }

    fn resolve(&mut self, _env: Env, found: Vec<(u64, u32)>) -> Result<Float64Array> {
        let flat: Vec<f64> = found.into_iter().flat_map(|(inode, pid)| [inode as f64, f64::from(pid)]).collect();
        Ok(flat.into())
    }
}

/// Inode, pid, inode, pid: every process that holds one of these sockets. Looked for off the JavaScript thread.
#[napi]
pub fn socket_holders(inodes: Vec<f64>) -> AsyncTask<FindHolders> {
    AsyncTask::new(FindHolders(inodes.into_iter().map(|inode| inode as u64).collect()))
}
