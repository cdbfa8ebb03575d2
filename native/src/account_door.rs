//! What Node sees of accounts, their processes and their files on Windows, and of processes on macOS.

use napi::bindgen_prelude::{Error, Result};
use napi_derive::napi;

use crate::account;

#[napi(object)]
pub struct ChainedProcess {
    pub pid: u32,
    pub parent: u32,
    /// As text: more than a number holds.
    pub start: Option<String>,
    pub path: Option<String>,
    pub command: Option<String>,
    pub sid: Option<String>,
    pub user: Option<String>,
}

#[napi(object)]
pub struct Grant {
    pub sid: String,
    pub mask: u32,
}

#[napi(object)]
pub struct FileRights {
    pub owner: String,
    pub grants: Vec<Grant>,
}

fn failure(error: &std::io::Error) -> Error {
    Error::from_reason(error.to_string())
}

/// The process and its living parents, nearest first.
#[napi]
pub fn process_chain(pid: u32) -> Result<Vec<ChainedProcess>> {
    let found = account::chain(pid).map_err(|error| failure(&error))?;
    let told = |one: account::Process| ChainedProcess {
        pid: one.pid,
        parent: one.parent,
        start: one.start.map(|start| start.to_string()),
        path: one.path,
        command: one.command,
        sid: one.sid,
        user: one.user,
    };
    Ok(found.into_iter().map(told).collect())
}

/// Files of all programs that run.
#[napi]
pub fn running_programs() -> Result<Vec<String>> {
    account::programs().map_err(|error| failure(&error))
}

#[napi]
pub fn pipe_server(path: String) -> Result<Option<u32>> {
    account::pipe_server(&path).map_err(|error| failure(&error))
}

#[napi]
pub fn system_directory() -> Result<String> {
    account::system_directory().map_err(|error| failure(&error))
}

#[napi]
pub fn file_rights(path: String) -> Result<FileRights> {
    let found = account::rights(&path).map_err(|error| failure(&error))?;
    let grants = found.grants.into_iter().map(|one| Grant { sid: one.sid, mask: one.mask }).collect();
    Ok(FileRights { owner: found.owner, grants })
}

#[napi]
pub fn restrict_file(path: String, sids: Vec<String>) -> Result<()> {
    account::restrict(&path, &sids).map_err(|error| failure(&error))
}
