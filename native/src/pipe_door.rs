//! What Node sees of a named pipe that the addon serves, or connects to.

use napi::bindgen_prelude::{Error, Function, Result, Status};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use crate::pipe::{Client, Listener, connect, listen};

/// Keeps the process alive, as any server does.
type Notify = ThreadsafeFunction<(), (), (), Status, false>;

#[napi(object)]
pub struct PipeClient {
    pub descriptor: i32,
    pub pid: Option<u32>,
}

/// After `close` nobody connects any more, and `take` is empty.
#[napi]
pub struct PipeListener {
    open: Option<Listener>,
}

fn told(one: Client) -> PipeClient {
    PipeClient { descriptor: one.descriptor, pid: one.pid }
}

/// Nothing where nobody serves it.
#[napi]
pub fn connect_pipe(path: String) -> Result<Option<PipeClient>> {
    let found = connect(&path).map_err(|error| Error::from_reason(error.to_string()))?;
    Ok(found.map(told))
}

#[napi]
pub fn listen_pipe(path: String, sids: Vec<String>, notify: Function<(), ()>) -> Result<PipeListener> {
    let notify: Notify = notify.build_threadsafe_function().build()?;
    let waiting = Box::new(move || {
        notify.call((), ThreadsafeFunctionCallMode::NonBlocking);
    });
    let open = listen(&path, &sids, waiting).map_err(|error| Error::from_reason(error.to_string()))?;
    Ok(PipeListener { open: Some(open) })
}

#[napi]
impl PipeListener {
    /// Who connected since the last call.
    #[napi]
    pub fn take(&self) -> Vec<PipeClient> {
        let clients = self.open.as_ref().map(Listener::take).unwrap_or_default();
        clients.into_iter().map(told).collect()
    }

    /// Idempotent.
    #[napi]
    pub fn close(&mut self) {
        self.open = None;
    }
}
