//! What Node sees of the host's own services to a process.

use napi::bindgen_prelude::{Error, Result};
use napi_derive::napi;

use crate::host;

#[napi]
pub fn seal_process() -> Result<()> {
    host::seal_process().map_err(|error| Error::from_reason(error.to_string()))
}

/// The descriptor is the caller's.
#[napi]
pub fn listen_on_device(address: String, device: String, backlog: i32) -> Result<i32> {
    let ip = address.parse().map_err(|_| Error::from_reason(format!("not an IP address: {address}")))?;
    host::listen_on_device(ip, &device, backlog).map_err(|error| Error::from_reason(error.to_string()))
}
