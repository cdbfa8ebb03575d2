//! Windows: a thread holds free instances of the pipe, notes who connects, and hands the instance over. Clients of other machines are turned away:
//! what they say of their process is their own word.

use std::io;
use std::mem::{size_of, transmute, zeroed};
use std::ptr::{null, null_mut};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use windows_sys::Win32::Foundation::{
    ERROR_IO_PENDING, ERROR_NO_DATA, ERROR_PIPE_CONNECTED, GENERIC_READ, GENERIC_WRITE, GetLastError, HANDLE,
    INVALID_HANDLE_VALUE, WAIT_OBJECT_0,
};
use windows_sys::Win32::Security::SECURITY_ATTRIBUTES;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX,
};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::Win32::System::Pipes::{
    ConnectNamedPipe, CreateNamedPipeW, DisconnectNamedPipe, GetNamedPipeClientProcessId, PIPE_READMODE_BYTE,
    PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_UNLIMITED_INSTANCES, PIPE_WAIT,
};
use windows_sys::Win32::System::Threading::{
    CreateEventW, INFINITE, SetEvent, WaitForMultipleObjects, WaitForSingleObject,
};

use super::{Client, Notify};
use crate::account::{Descriptor, Handle, descriptor_for, open_pipe, server_of, wide};

/// Instances that wait, so that clients that come together each find one. As many as libuv holds.
const WAITING: usize = 4;
/// Bytes that may stand in each direction unread.
const BUFFER_BYTES: u32 = 65_536;
/// A client may come and go before it is looked at; nobody does that for ever.
const ATTEMPTS: usize = 64;
/// How long a cancelled instance may take to say so, before its memory is given up.
const CANCEL_MS: u32 = 1_000;

/// A pipe that is served. Dropping it stops that; who was taken before stays connected.
pub struct Listener {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    stop: Handle,
    arrived: Mutex<Vec<Arrived>>,
}

// SAFETY: an event may be set and waited for from any thread; what arrived is behind its lock.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// A connected instance that nobody has taken yet; its handle is closed with it.
struct Arrived {
    pipe: Handle,
    pid: Option<u32>,
}

/// How each instance is made.
struct Plan {
    path: Vec<u16>,
    descriptor: Descriptor,
}

// SAFETY: the descriptor is memory that nobody else has.
unsafe impl Send for Plan {}

/// Serve `path`, for the accounts `sids` alone. Fails where somebody else serves it.
pub fn listen(path: &str, sids: &[String], notify: Notify) -> io::Result<Listener> {
    let shared = Arc::new(Shared { stop: event()?, arrived: Mutex::new(Vec::new()) });
    let plan = Plan { path: wide(path), descriptor: descriptor_for(sids, "GA", "")? };
    let (opened, first) = channel();
    let of_thread = Arc::clone(&shared);
    let thread = Builder::new().name("pipe".into()).spawn(move || serve(&plan, &of_thread, &notify, &opened))?;
    let listener = Listener { shared, thread: Some(thread) };
    first.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))??;
    Ok(listener)
}

impl Listener {
    /// Who connected since the last call, in order.
    pub fn take(&self) -> Vec<Client> {
        std::mem::take(&mut *self.shared.arrived()).into_iter().filter_map(Arrived::handed_over).collect()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // SAFETY: the event lives as long as the listener.
        unsafe { SetEvent(self.shared.stop.0) };
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has ended all the same.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn arrived(&self) -> std::sync::MutexGuard<'_, Vec<Arrived>> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arrived {
    /// `None`, and the client is let go, where Node's C runtime has no room for it.
    fn handed_over(self) -> Option<Client> {
        Some(Client { descriptor: descriptor_of(self.pipe)?, pid: self.pid })
    }
}

/// The handle as a descriptor of Node's C runtime; `None`, and it is closed, where that has no room for it.
fn descriptor_of(pipe: Handle) -> Option<i32> {
    // SAFETY: the running program itself.
    let program = unsafe { GetModuleHandleW(null()) };
    // SAFETY: the name ends in NUL.
    let found = unsafe { GetProcAddress(program, c"uv_open_osfhandle".as_ptr().cast()) }?;
    // SAFETY: declared so in uv.h: int uv_open_osfhandle(uv_os_fd_t), and uv_os_fd_t is HANDLE.
    let open: unsafe extern "C" fn(HANDLE) -> i32 = unsafe { transmute(found) };
    // SAFETY: the handle is ours, and the descriptor's from here on.
    let descriptor = unsafe { open(pipe.0) };
    if descriptor < 0 {
        return None;
    }
    std::mem::forget(pipe);
    Some(descriptor)
}

/// Connect to the pipe `path`, and say who serves this very connection; `None` where nobody serves it. Nothing has been said on it yet.
pub fn connect(path: &str) -> io::Result<Option<Client>> {
    let Some(pipe) = open_pipe(path, GENERIC_READ | GENERIC_WRITE, FILE_FLAG_OVERLAPPED)? else { return Ok(None) };
    let pid = server_of(&pipe).ok();
    let descriptor = descriptor_of(pipe).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
    Ok(Some(Client { descriptor, pid }))
}

/// The thread: keeps instances waiting until it is told to stop.
fn serve(plan: &Plan, shared: &Shared, notify: &Notify, opened: &Sender<io::Result<()>>) {
    let made: io::Result<Vec<Instance>> = (0..WAITING).map(|at| Instance::open(plan, at == 0)).collect();
    let mut waiting = match made {
        Ok(waiting) => waiting,
        Err(error) => {
            let _ = opened.send(Err(error));
            return;
        }
    };
    let _ = opened.send(Ok(()));
    while !waiting.is_empty() {
        let events: Vec<HANDLE> =
            [shared.stop.0].into_iter().chain(waiting.iter().map(|one| one.connected.0)).collect();
        // SAFETY: all are events of ours that live.
        let woken = unsafe { WaitForMultipleObjects(events.len() as u32, events.as_ptr(), 0, INFINITE) };
        let Some(at) = (woken.wrapping_sub(WAIT_OBJECT_0) as usize).checked_sub(1).filter(|at| *at < waiting.len())
        else {
            return;
        };
        let done = waiting.swap_remove(at);
        // Another takes its place before anybody is served, so that there is always one that is free.
        waiting.extend(Instance::open(plan, false));
        if let Some(arrived) = done.arrived() {
            shared.arrived().push(arrived);
            notify();
        }
    }
}

/// An instance that waits for its client.
struct Instance {
    /// Empty once it was handed over.
    pipe: Option<Handle>,
    connected: Handle,
    /// The system writes here while it waits.
    state: Option<Box<OVERLAPPED>>,
}

impl Instance {
    fn open(plan: &Plan, first: bool) -> io::Result<Self> {
        let attributes = SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
            lpSecurityDescriptor: plan.descriptor.0,
            bInheritHandle: 0,
        };
        let flags = PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | if first { FILE_FLAG_FIRST_PIPE_INSTANCE } else { 0 };
        let mode = PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS;
        // SAFETY: the path ends in NUL, the attributes are live.
        let pipe = unsafe {
            CreateNamedPipeW(
                plan.path.as_ptr(),
                flags,
                mode,
                PIPE_UNLIMITED_INSTANCES,
                BUFFER_BYTES,
                BUFFER_BYTES,
                0,
                &attributes,
            )
        };
        if pipe == INVALID_HANDLE_VALUE {
            return Err(io::Error::last_os_error());
        }
        let pipe = Handle(pipe);
        let connected = event()?;
        // SAFETY: all-zero is valid.
        let mut state: Box<OVERLAPPED> = Box::new(unsafe { zeroed() });
        state.hEvent = connected.0;
        let mut instance = Self { pipe: Some(pipe), connected, state: Some(state) };
        instance.wait()?;
        Ok(instance)
    }

    fn wait(&mut self) -> io::Result<()> {
        let (Some(pipe), Some(state)) = (&self.pipe, &mut self.state) else { return Ok(()) };
        for _ in 0..ATTEMPTS {
            // SAFETY: pipe and state live until the client is there or the wait is cancelled.
            if unsafe { ConnectNamedPipe(pipe.0, &mut **state) } != 0 {
                return Ok(());
            }
            // SAFETY: plain call.
            match unsafe { GetLastError() } {
                ERROR_IO_PENDING => return Ok(()),
                ERROR_PIPE_CONNECTED => {
                    // SAFETY: our event; nobody else sets it where the client was there before the call.
                    unsafe { SetEvent(self.connected.0) };
                    return Ok(());
                }
                ERROR_NO_DATA => {
                    // SAFETY: our handle.
                    unsafe { DisconnectNamedPipe(pipe.0) };
                }
                code => return Err(io::Error::from_raw_os_error(code as i32)),
            }
        }
        Err(io::Error::from(io::ErrorKind::BrokenPipe))
    }

    /// Who connected; `None` where the wait failed.
    fn arrived(mut self) -> Option<Arrived> {
        let pipe = self.pipe.take()?;
        let state = self.state.take()?;
        let mut transferred = 0u32;
        // SAFETY: the wait is over, so nobody writes to the state any more.
        if unsafe { GetOverlappedResult(pipe.0, &*state, &mut transferred, 0) } == 0 {
            return None;
        }
        let mut pid = 0u32;
        // SAFETY: `pid` is live.
        let told = unsafe { GetNamedPipeClientProcessId(pipe.0, &mut pid) } != 0;
        Some(Arrived { pipe, pid: told.then_some(pid) })
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let (Some(pipe), Some(state)) = (self.pipe.take(), self.state.take()) else { return };
        // SAFETY: our handle and event; the state outlives the wait, or is given up below.
        let over = unsafe {
            CancelIoEx(pipe.0, null());
            WaitForSingleObject(self.connected.0, CANCEL_MS) == WAIT_OBJECT_0
        };
        if !over {
            // The system may yet write to it.
            Box::leak(state);
        }
    }
}

/// One that stays set until its wait begins anew.
fn event() -> io::Result<Handle> {
    // SAFETY: no name, nothing handed over.
    let made = unsafe { CreateEventW(null(), 1, 0, null()) };
    if made == null_mut() { Err(io::Error::last_os_error()) } else { Ok(Handle(made)) }
}
