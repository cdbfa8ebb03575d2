//! Windows: a process with what it descends from, and who runs it. One snapshot of all processes; only those of the chain are opened.

use std::collections::HashMap;
use std::ffi::c_void;
use std::io;
use std::mem::{size_of, zeroed};
use std::ptr::{null, null_mut};

use windows_sys::Wdk::System::Threading::{
    NtQueryInformationProcess, ProcessBasicInformation, ProcessCommandLineInformation,
};
use windows_sys::Win32::Foundation::{
    CloseHandle, ERROR_FILE_NOT_FOUND, ERROR_PIPE_BUSY, FILETIME, GENERIC_READ, GetLastError, HANDLE,
    INVALID_HANDLE_VALUE, LocalFree, UNICODE_STRING,
};
use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
use windows_sys::Win32::Security::{
    GetTokenInformation, LookupAccountSidW, PSID, SID_NAME_USE, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::Storage::FileSystem::{CreateFileW, OPEN_EXISTING, SECURITY_SQOS_PRESENT};
use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
};
use windows_sys::Win32::System::Pipes::{GetNamedPipeServerProcessId, WaitNamedPipeW};
use windows_sys::Win32::System::SystemInformation::GetSystemDirectoryW;
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, OpenProcessToken, PROCESS_BASIC_INFORMATION, PROCESS_NAME_WIN32,
    PROCESS_QUERY_INFORMATION, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_VM_READ, QueryFullProcessImageNameW,
};

use super::{Process, wide};

/// Longer chains of living parents are nobody's honest work.
const LONGEST: usize = 64;
/// Longest path of a file, \\?\ and all.
const PATH_WORDS: usize = 32_768;
/// How often, and how long each time, a pipe whose instances are all taken is waited for.
const BUSY_ATTEMPTS: usize = 20;
const BUSY_MS: u32 = 50;

/// A handle of ours, closed with it.
pub struct Handle(pub HANDLE);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: opened by us, closed once.
        unsafe { CloseHandle(self.0) };
    }
}

/// The process `pid` and then its parents, nearest first, as far as they live. Windows keeps the number of a parent that has ended: whoever has
/// it now started later than its child, and ends the chain.
pub fn chain(pid: u32) -> io::Result<Vec<Process>> {
    let parents = parents()?;
    let mut found: Vec<Process> = Vec::new();
    let mut at = pid;
    while at != 0 && found.len() < LONGEST {
        let Some(parent) = parents.get(&at) else { break };
        let process = describe(at, *parent);
        if let (Some(child), Some(start)) = (found.last().and_then(|one| one.start), process.start) {
            if start > child {
                break;
            }
        }
        if found.iter().any(|one| one.pid == at) {
            break;
        }
        found.push(process);
        at = *parent;
    }
    Ok(found)
}

/// Files of all programs that run, as far as they let themselves be looked at.
pub fn programs() -> io::Result<Vec<String>> {
    let file_of = |pid: u32| {
        // SAFETY: plain call.
        let handle = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid) };
        if handle.is_null() { None } else { path_of(Handle(handle).0) }
    };
    Ok(parents()?.into_keys().filter_map(file_of).collect())
}

/// Each process's parent, by pid.
fn parents() -> io::Result<HashMap<u32, u32>> {
    // SAFETY: plain call; the handle is ours.
    let snapshot = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) };
    if snapshot == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    let snapshot = Handle(snapshot);
    // SAFETY: all-zero is valid; the size tells the version.
    let mut entry: PROCESSENTRY32W = unsafe { zeroed() };
    entry.dwSize = size_of::<PROCESSENTRY32W>() as u32;
    let mut found = HashMap::new();
    // SAFETY: `entry` is live and says its size.
    let mut more = unsafe { Process32FirstW(snapshot.0, &mut entry) };
    while more != 0 {
        found.insert(entry.th32ProcessID, entry.th32ParentProcessID);
        // SAFETY: as above.
        more = unsafe { Process32NextW(snapshot.0, &mut entry) };
    }
    Ok(found)
}

/// What may be read of it; a process of the system lets nobody look, and has a parent all the same.
fn describe(pid: u32, parent: u32) -> Process {
    let mut process = Process { pid, parent, ..Process::default() };
    // SAFETY: plain call.
    let handle = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid) };
    if handle.is_null() {
        return process;
    }
    let handle = Handle(handle);
    process.start = start_of(handle.0);
    process.path = path_of(handle.0);
    process.command = command_of(handle.0).or_else(|| command_in_memory(pid));
    if let Some((sid, user)) = user_of(handle.0) {
        process.sid = Some(sid);
        process.user = user;
    }
    process
}

/// Units of 100 ns since 1601.
fn start_of(process: HANDLE) -> Option<u64> {
    // SAFETY: all-zero is a valid FILETIME.
    let mut times: [FILETIME; 4] = unsafe { zeroed() };
    let [created, exited, kernel, user] = &mut times;
    // SAFETY: the four places are live.
    let ok = unsafe { GetProcessTimes(process, created, exited, kernel, user) };
    (ok != 0).then(|| u64::from(created.dwHighDateTime) << 32 | u64::from(created.dwLowDateTime))
}

fn path_of(process: HANDLE) -> Option<String> {
    let mut text = vec![0u16; PATH_WORDS];
    let mut length = text.len() as u32;
    // SAFETY: `text` has `length` words.
    let ok = unsafe { QueryFullProcessImageNameW(process, PROCESS_NAME_WIN32, text.as_mut_ptr(), &mut length) };
    (ok != 0).then(|| String::from_utf16_lossy(&text[..length as usize]))
}

fn command_of(process: HANDLE) -> Option<String> {
    let mut size = 0u32;
    // SAFETY: asks for the size alone.
    unsafe { NtQueryInformationProcess(process, ProcessCommandLineInformation, null_mut(), 0, &mut size) };
    if (size as usize) < size_of::<UNICODE_STRING>() {
        return None;
    }
    // In words of eight bytes, for the string's head has a pointer in it.
    let mut bytes = vec![0u64; (size as usize).div_ceil(8)];
    let place: *mut c_void = bytes.as_mut_ptr().cast();
    // SAFETY: `place` has `size` bytes.
    let status = unsafe { NtQueryInformationProcess(process, ProcessCommandLineInformation, place, size, &mut size) };
    if status < 0 {
        return None;
    }
    // SAFETY: the answer begins with the string's head, whose buffer lies in the same memory.
    let head = unsafe { &*place.cast::<UNICODE_STRING>() };
    if head.Buffer.is_null() {
        return None;
    }
    // SAFETY: as above; the length is in bytes.
    let words = unsafe { std::slice::from_raw_parts(head.Buffer, usize::from(head.Length) / 2) };
    Some(String::from_utf16_lossy(words))
}

/// The same out of the process's own memory, for a system that does not answer the question (Wine 8). As x64 has it: ProcessParameters stands at
/// 0x20 of the process's environment block, its CommandLine at 0x70.
#[cfg(target_pointer_width = "64")]
fn command_in_memory(pid: u32) -> Option<String> {
    // SAFETY: plain call.
    let handle = unsafe { OpenProcess(PROCESS_QUERY_INFORMATION | PROCESS_VM_READ, 0, pid) };
    if handle.is_null() {
        return None;
    }
    let handle = Handle(handle);
    // SAFETY: all-zero is valid.
    let mut basic: PROCESS_BASIC_INFORMATION = unsafe { zeroed() };
    let (place, size): (*mut c_void, _) = ((&raw mut basic).cast(), size_of::<PROCESS_BASIC_INFORMATION>() as u32);
    // SAFETY: `place` has `size` bytes.
    if unsafe { NtQueryInformationProcess(handle.0, ProcessBasicInformation, place, size, null_mut()) } < 0 {
        return None;
    }
    let [parameters] = read_words::<1>(handle.0, basic.PebBaseAddress as u64 + 0x20)?;
    // A UNICODE_STRING: the length in its first two bytes, the buffer's place in its second word.
    let [head, buffer] = read_words::<2>(handle.0, parameters + 0x70)?;
    let mut text = vec![0u16; usize::from(head as u16) / 2];
    read_memory(handle.0, buffer, text.as_mut_ptr().cast(), text.len() * 2)?;
    Some(String::from_utf16_lossy(&text))
}

#[cfg(not(target_pointer_width = "64"))]
fn command_in_memory(_pid: u32) -> Option<String> {
    None
}

#[cfg(target_pointer_width = "64")]
fn read_words<const N: usize>(process: HANDLE, at: u64) -> Option<[u64; N]> {
    let mut words = [0u64; N];
    read_memory(process, at, words.as_mut_ptr().cast(), N * 8)?;
    Some(words)
}

/// `place` has room for `length` bytes.
#[cfg(target_pointer_width = "64")]
fn read_memory(process: HANDLE, at: u64, place: *mut c_void, length: usize) -> Option<()> {
    let mut read = 0;
    // SAFETY: `place` has `length` bytes; what the other process has at `at` is its own matter.
    let ok = unsafe { ReadProcessMemory(process, at as *const c_void, place, length, &mut read) };
    (ok != 0 && read == length).then_some(())
}

/// SID and name of the account a process runs as, by its token.
fn user_of(process: HANDLE) -> Option<(String, Option<String>)> {
    let mut token: HANDLE = null_mut();
    // SAFETY: `token` is live.
    if unsafe { OpenProcessToken(process, TOKEN_QUERY, &mut token) } == 0 {
        return None;
    }
    let token = Handle(token);
    let mut size = 0u32;
    // SAFETY: asks for the size alone.
    unsafe { GetTokenInformation(token.0, TokenUser, null_mut(), 0, &mut size) };
    let mut bytes = vec![0u64; (size as usize).div_ceil(8).max(1)];
    // SAFETY: `bytes` has at least `size` bytes.
    if unsafe { GetTokenInformation(token.0, TokenUser, bytes.as_mut_ptr().cast(), size, &mut size) } == 0 {
        return None;
    }
    // SAFETY: the answer begins with a TOKEN_USER; its SID lies in the same memory.
    let sid = unsafe { (*bytes.as_ptr().cast::<TOKEN_USER>()).User.Sid };
    Some((sid_text(sid)?, account_name(sid)))
}

/// `S-1-5-…`.
pub fn sid_text(sid: PSID) -> Option<String> {
    let mut text: *mut u16 = null_mut();
    // SAFETY: the caller's SID is live; the text is freed below.
    if unsafe { ConvertSidToStringSidW(sid, &mut text) } == 0 {
        return None;
    }
    // SAFETY: ends in NUL.
    let words = unsafe { std::slice::from_raw_parts(text, (0..).take_while(|at| *text.add(*at) != 0).count()) };
    let found = String::from_utf16_lossy(words);
    // SAFETY: allocated by the call above.
    unsafe { LocalFree(text.cast()) };
    Some(found)
}

fn account_name(sid: PSID) -> Option<String> {
    let (mut name, mut domain) = ([0u16; 257], [0u16; 257]);
    let (mut name_length, mut domain_length) = (name.len() as u32, domain.len() as u32);
    let mut kind: SID_NAME_USE = 0;
    // SAFETY: all places are live and of the stated lengths.
    let ok = unsafe {
        LookupAccountSidW(
            null(),
            sid,
            name.as_mut_ptr(),
            &mut name_length,
            domain.as_mut_ptr(),
            &mut domain_length,
            &mut kind,
        )
    };
    (ok != 0).then(|| String::from_utf16_lossy(&name[..name_length as usize]))
}

/// The process that serves the named pipe `path`, by a connection of our own that says nothing; `None` where nobody serves it. Fails where that
/// cannot be told, as of a pipe that stays busy or lets us not look.
pub fn pipe_server(path: &str) -> io::Result<Option<u32>> {
    let Some(pipe) = open_pipe(path, GENERIC_READ, 0)? else { return Ok(None) };
    server_of(&pipe).map(Some)
}

/// Our end of the named pipe `path`; `None` where nobody serves it. Whoever serves it may not act as us (SECURITY_ANONYMOUS is the level 0). One
/// whose instances are all taken is waited for a moment, and then counts as failed.
pub fn open_pipe(path: &str, access: u32, flags: u32) -> io::Result<Option<Handle>> {
    let path = wide(path);
    for _ in 0..BUSY_ATTEMPTS {
        // SAFETY: the path ends in NUL; nothing else is handed over.
        let pipe = unsafe {
            CreateFileW(path.as_ptr(), access, 0, null(), OPEN_EXISTING, SECURITY_SQOS_PRESENT | flags, null_mut())
        };
        if pipe != INVALID_HANDLE_VALUE {
            return Ok(Some(Handle(pipe)));
        }
        // SAFETY: plain call.
        match unsafe { GetLastError() } {
            ERROR_FILE_NOT_FOUND => return Ok(None),
            ERROR_PIPE_BUSY => {}
            code => return Err(io::Error::from_raw_os_error(code as i32)),
        }
        // SAFETY: as above. That it did not come free, or another was quicker, shows at the next attempt.
        unsafe { WaitNamedPipeW(path.as_ptr(), BUSY_MS) };
    }
    Err(io::Error::from_raw_os_error(ERROR_PIPE_BUSY as i32))
}

/// The process at the other end of a pipe that we opened.
pub fn server_of(pipe: &Handle) -> io::Result<u32> {
    let mut pid = 0u32;
    // SAFETY: our handle; `pid` is live.
    if unsafe { GetNamedPipeServerProcessId(pipe.0, &mut pid) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(pid)
}

/// Where the system's own programs are (System32), by the system's word: the environment is whoever's who set it.
pub fn system_directory() -> io::Result<String> {
    let mut text = vec![0u16; PATH_WORDS];
    // SAFETY: `text` has the stated length.
    let length = unsafe { GetSystemDirectoryW(text.as_mut_ptr(), text.len() as u32) } as usize;
    if length == 0 || length > text.len() {
        return Err(io::Error::last_os_error());
    }
    Ok(String::from_utf16_lossy(&text[..length]))
}
