//! Native floor of Culvert, package `node-tun`.
//!
//! A packet meets the modules in this order: [`tun`] reads it off the descriptor, [`packet`] views its headers,
//! [`table`] finds its flow, [`rewrite`] changes it in place, and it goes back to the device. What no flow claims goes up
//! to TypeScript through [`queue`]. [`pump`] is the thread that does it, [`door`] what Node sees. [`peer`] is apart: who
//! owns a socket; and [`processes`]: who started whom; and [`account`]: whose a process or a file is on Windows; and [`pipe`]: serving a named pipe there; and [`keystore`]: keys that stay in hardware, and HTTPS with them.

pub mod account;
pub mod host;
#[cfg(feature = "keystore")]
pub mod keystore;
pub mod packet;
pub mod peer;
pub mod pipe;
pub mod processes;
pub mod pump;
pub mod queue;
pub mod reset;
pub mod rewrite;
pub mod stats;
pub mod table;
pub mod tun;

#[cfg(feature = "addon")]
mod account_door;
#[cfg(feature = "addon")]
mod door;
#[cfg(feature = "addon")]
mod host_door;
#[cfg(all(feature = "addon", feature = "keystore"))]
mod keystore_door;
#[cfg(feature = "addon")]
mod peer_door;
#[cfg(feature = "addon")]
mod pipe_door;
#[cfg(feature = "addon")]
mod process_door;
