//! Modbus/TCP by tokio-modbus: `floor-client PORT` reads before, between and after what it must not do, as `peers.py` says.
use std::fmt::Debug;

use tokio_modbus::prelude::*;

async fn read(client: &mut client::Context) -> String {
    match client.read_holding_registers(3, 2).await {
        Ok(Ok(words)) => format!("{words:?}"),
        other => format!("\"{other:?}\""),
    }
}

fn shown(said: impl Debug) -> String {
    format!("{said:?}").replace('\\', "\\\\").replace('"', "\\\"")
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let port = std::env::args().nth(1).expect("a port");
    let address = format!("127.0.0.1:{port}").parse().expect("a port");
    let mut client = tcp::connect_slave(address, Slave(1)).await.expect("a connection");
    let mut reads = vec![read(&mut client).await];
    let mut refused = Vec::new();
    for name in ["write coil", "write coils", "write register", "write registers", "mask write", "read and write"] {
        let sight = match name {
            "write coil" => shown(client.write_single_coil(1, true).await),
            "write coils" => shown(client.write_multiple_coils(1, &[true, false]).await),
            "write register" => shown(client.write_single_register(3, 9).await),
            "write registers" => shown(client.write_multiple_registers(3, &[9, 9]).await),
            "mask write" => shown(client.masked_write_register(3, 0, 9).await),
            _ => shown(client.read_write_multiple_registers(3, 1, 3, &[9]).await),
        };
        refused.push(format!("\"{name}\": \"{sight}\""));
        reads.push(read(&mut client).await);
    }
    println!("{{\"reads\": [{}], \"refused\": {{{}}}}}", reads.join(", "), refused.join(", "));
}
