//! What Node sees of processes that start and end.

use napi::bindgen_prelude::{Error, Result};
use napi_derive::napi;

use crate::processes::{Event, Watch};

#[napi(object)]
pub struct ProcessEvent {
    /// `fork`, `exec`, `exit` or `lost`.
    pub kind: String,
    pub pid: u32,
    pub parent: Option<u32>,
    pub start: Option<String>,
    pub path: Option<String>,
    pub arguments: Option<Vec<String>>,
    pub directory: Option<String>,
    pub environment: Option<Vec<String>>,
}

fn told(event: Event) -> ProcessEvent {
    let empty = ProcessEvent {
        kind: String::new(),
        pid: 0,
        parent: None,
        start: None,
        path: None,
        arguments: None,
        directory: None,
        environment: None,
    };
    match event {
        Event::Forked { pid, parent, start } => {
            ProcessEvent { kind: "fork".into(), pid, parent: Some(parent), start, ..empty }
        }
        Event::Executed(image) => ProcessEvent {
            kind: "exec".into(),
            pid: image.pid,
            start: image.start,
            path: image.path,
            arguments: Some(image.arguments),
            directory: image.directory,
            environment: Some(image.environment),
            ..empty
        },
        Event::Exited { pid } => ProcessEvent { kind: "exit".into(), pid, ..empty },
        Event::Lost => ProcessEvent { kind: "lost".into(), ..empty },
    }
}

/// After `close` it tells nothing more.
#[napi]
pub struct ProcessWatch {
    open: Option<Watch>,
}

#[napi]
impl ProcessWatch {
    /// Everything since the last call, in order, up to this moment.
    #[napi]
    pub fn take(&self) -> Vec<ProcessEvent> {
        let events = self.open.as_ref().map(Watch::take).unwrap_or_default();
        events.into_iter().map(told).collect()
    }

    /// Idempotent.
    #[napi]
    pub fn close(&mut self) {
        self.open = None;
    }
}

/// Throws where the kernel does not tell us of processes.
#[napi]
pub fn watch_processes(environment: Vec<String>) -> Result<ProcessWatch> {
    let open = Watch::open(environment).map_err(|error| Error::from_reason(error.to_string()))?;
    Ok(ProcessWatch { open: Some(open) })
}
