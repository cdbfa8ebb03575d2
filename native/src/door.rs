//! What Node sees of a TUN device. `index.d.ts` describes it; the types here follow it by hand.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use napi::bindgen_prelude::{Buffer, Error, Function, Result, Status, Uint8Array, Uint32Array};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use crate::packet::{Endpoint, Tuple};
use crate::pump::{Raise, Shared, start};
use crate::table::Mapping;
use crate::tun::{OpenOptions, open};

/// An empty string means "packets are waiting", any other text that the device failed.
type Notify = ThreadsafeFunction<String, (), String, Status, false, true, 0>;

#[napi(object)]
pub struct TunOptions {
    pub name: String,
    pub mtu: u32,
    /// Bytes of packets that may wait for TypeScript; more are dropped and counted.
    pub queue_bytes: u32,
}

#[napi(object)]
pub struct FlowEnd {
    pub address: Uint8Array,
    pub port: u16,
}

#[napi(object)]
pub struct FlowEnds {
    pub source: FlowEnd,
    pub destination: FlowEnd,
}

#[napi(object)]
pub struct Counter {
    pub name: String,
    pub value: f64,
}

fn failure(error: &io::Error) -> Error {
    let code = match error.kind() {
        io::ErrorKind::PermissionDenied => "EPERM",
        io::ErrorKind::NotFound => "ENOENT",
        io::ErrorKind::ResourceBusy => "EBUSY",
        io::ErrorKind::InvalidInput => "EINVAL",
        _ => "EIO",
    };
    Error::new(Status::GenericFailure, format!("{code}: {error}"))
}

fn endpoint(end: &FlowEnd) -> Result<Endpoint> {
    let bytes: &[u8] = &end.address;
    let ip = if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        IpAddr::from(octets)
    } else if let Ok(octets) = <[u8; 16]>::try_from(bytes) {
        IpAddr::from(octets)
    } else {
        return Err(Error::new(Status::InvalidArg, "an address has 4 or 16 bytes"));
    };
    Ok(Endpoint { ip, port: end.port })
}

fn tuple(ends: &FlowEnds) -> Result<Tuple> {
    Ok(Tuple { source: endpoint(&ends.source)?, destination: endpoint(&ends.destination)? })
}

struct ToNode(Notify);

impl Raise for ToNode {
    fn readable(&self) {
        self.0.call(String::new(), ThreadsafeFunctionCallMode::NonBlocking);
    }

    fn failed(&self, error: &io::Error) {
        self.0.call(error.to_string(), ThreadsafeFunctionCallMode::NonBlocking);
    }
}

/// After `close` there is nothing behind it, and its methods do nothing.
#[napi]
pub struct Tun {
    open: Option<(Arc<Shared>, JoinHandle<()>)>,
}

impl Tun {
    fn shared(&self) -> Option<&Shared> {
        self.open.as_ref().map(|(shared, _)| shared.as_ref())
    }
}

/// Open a device and start its pump.
#[napi]
pub fn open_tun(options: TunOptions, notify: Function<String, ()>) -> Result<Tun> {
    let notify: Notify = notify.build_threadsafe_function().weak::<true>().build()?;
    let device = open(&OpenOptions { name: options.name, mtu: options.mtu }).map_err(|error| failure(&error))?;
    let shared = Arc::new(Shared::new(device, options.queue_bytes as usize));
    let pump = start(Arc::clone(&shared), Arc::new(ToNode(notify))).map_err(|error| failure(&error))?;
    Ok(Tun { open: Some((shared, pump)) })
}

#[napi]
impl Tun {
    #[napi(getter)]
    pub fn name(&self) -> String {
        self.shared().map(|shared| shared.device.name().to_owned()).unwrap_or_default()
    }

    #[napi(getter)]
    pub fn offloads(&self) -> bool {
        self.shared().is_some_and(|shared| shared.device.offloads())
    }

    /// Packets raised since the last call, each behind its length (4 bytes, little-endian).
    #[napi]
    pub fn take(&self) -> Buffer {
        self.shared().map(|shared| shared.queue.take()).unwrap_or_default().into()
    }

    #[napi]
    pub fn write(&self, packets: Vec<Uint8Array>) -> u32 {
        self.shared().map_or(0, |shared| shared.write_all(packets.iter().map(|packet| &packet[..])))
    }

    #[napi]
    pub fn add_flow(&self, id: u32, application: FlowEnds, listener: FlowEnds, isn: u32) -> Result<bool> {
        let mapping = Mapping { application: tuple(&application)?, listener: tuple(&listener)? };
        Ok(self.shared().is_some_and(|shared| shared.table().add(id, mapping, isn, shared.now_ms())))
    }

    #[napi]
    pub fn retire_flow(&self, id: u32) {
        if let Some(shared) = self.shared() {
            shared.table().retire(id, shared.now_ms());
        }
    }

    #[napi]
    pub fn reset_flow(&self, id: u32) {
        if let Some(shared) = self.shared() {
            let packets = shared.table().reset(id);
            shared.write_all(packets.iter().map(Vec::as_slice));
        }
    }

    /// Ids of retired flows that have ended since the last call.
    #[napi]
    pub fn sweep(&self) -> Uint32Array {
        let Some(shared) = self.shared() else { return Vec::new().into() };
        let (ended, packets) = shared.table().sweep(shared.now_ms());
        shared.write_all(packets.iter().map(Vec::as_slice));
        ended.into()
    }

    #[napi]
    pub fn flow_count(&self) -> u32 {
        self.shared().map_or(0, |shared| shared.table().len() as u32)
    }

    #[napi]
    pub fn stats(&self) -> Vec<Counter> {
        let counters = self.shared().map(|shared| shared.stats.snapshot()).unwrap_or_default();
        counters.into_iter().map(|(name, value)| Counter { name: name.into(), value: value as f64 }).collect()
    }

    /// Reset every flow on both sides, stop the pump, let the interface go. Idempotent.
    #[napi]
    pub fn close(&mut self) {
        let Some((shared, pump)) = self.open.take() else { return };
        let packets = shared.table().reset_all();
        shared.write_all(packets.iter().map(Vec::as_slice));
        shared.device.stop();
        // A pump that panicked has ended all the same.
        let _ = pump.join();
    }
}
