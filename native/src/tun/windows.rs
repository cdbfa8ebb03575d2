//! Windows: a Wintun adapter. `wintun.dll` (signed by its authors) is loaded from beside the program or the system folder;
//! its functions are declared here after its public header, api/wintun.h.

use std::ffi::c_void;
use std::io;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{
    CloseHandle, ERROR_BUFFER_OVERFLOW, ERROR_HANDLE_EOF, ERROR_NO_MORE_ITEMS, GetLastError, HANDLE, HMODULE,
    WAIT_OBJECT_0,
};
use windows_sys::Win32::System::LibraryLoader::{
    GetProcAddress, LOAD_LIBRARY_SEARCH_APPLICATION_DIR, LOAD_LIBRARY_SEARCH_SYSTEM32, LoadLibraryExW,
};
use windows_sys::Win32::System::Threading::{CreateEventW, INFINITE, SetEvent, WaitForMultipleObjects};
use windows_sys::core::GUID;

use super::{Device, HEADROOM, Offload, OpenOptions, Wake};
use crate::account::wide;

/// Between 128 KiB and 64 MiB, a power of two (api/wintun.h, WintunStartSession).
const RING_BYTES: u32 = 4 * 1024 * 1024;
/// Always the same adapter, so that Windows keeps its network profile.
const ADAPTER: GUID =
    GUID { data1: 0x9b0c_1c5e, data2: 0x6f0a, data3: 0x4b7d, data4: [0xa1, 0x5d, 0x2e, 0x43, 0x75, 0x6c, 0x76, 0x74] };

type Adapter = *mut c_void;
type Session = *mut c_void;

struct Api {
    create: unsafe extern "system" fn(*const u16, *const u16, *const GUID) -> Adapter,
    close: unsafe extern "system" fn(Adapter),
    start: unsafe extern "system" fn(Adapter, u32) -> Session,
    end: unsafe extern "system" fn(Session),
    read_event: unsafe extern "system" fn(Session) -> HANDLE,
    receive: unsafe extern "system" fn(Session, *mut u32) -> *mut u8,
    release: unsafe extern "system" fn(Session, *const u8),
    allocate: unsafe extern "system" fn(Session, u32) -> *mut u8,
    send: unsafe extern "system" fn(Session, *const u8),
}

struct WindowsTun {
    api: Api,
    adapter: Adapter,
    session: Session,
    stop: HANDLE,
    name: String,
}

// SAFETY: Wintun's session functions may be called from any thread, and handles are not bound to one.
unsafe impl Send for WindowsTun {}
// SAFETY: as above; receive is called by the pump alone, send takes its own lock within Wintun.
unsafe impl Sync for WindowsTun {}

fn last_error() -> io::Error {
    io::Error::last_os_error()
}

/// # Safety
/// `F` must be the type of the function exported as `name`.
unsafe fn symbol<F: Copy>(library: HMODULE, name: &[u8]) -> io::Result<F> {
    assert_eq!(size_of::<F>(), size_of::<*const c_void>());
    // SAFETY: `name` ends in NUL; the caller vouches for the type.
    unsafe {
        let found = GetProcAddress(library, name.as_ptr()).ok_or_else(last_error)?;
        Ok(std::mem::transmute_copy(&found))
    }
}

fn load() -> io::Result<Api> {
    let file = wide("wintun.dll");
    let places = LOAD_LIBRARY_SEARCH_APPLICATION_DIR | LOAD_LIBRARY_SEARCH_SYSTEM32;
    // SAFETY: `file` ends in NUL. The library stays loaded for the life of the process.
    let library = unsafe { LoadLibraryExW(file.as_ptr(), null_mut(), places) };
    if library.is_null() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "wintun.dll was not found"));
    }
    // SAFETY: the types follow api/wintun.h.
    unsafe {
        Ok(Api {
            create: symbol(library, b"WintunCreateAdapter\0")?,
            close: symbol(library, b"WintunCloseAdapter\0")?,
            start: symbol(library, b"WintunStartSession\0")?,
            end: symbol(library, b"WintunEndSession\0")?,
            read_event: symbol(library, b"WintunGetReadWaitEvent\0")?,
            receive: symbol(library, b"WintunReceivePacket\0")?,
            release: symbol(library, b"WintunReleaseReceivePacket\0")?,
            allocate: symbol(library, b"WintunAllocateSendPacket\0")?,
            send: symbol(library, b"WintunSendPacket\0")?,
        })
    }
}

/// Create the adapter. It goes when it is closed or the process ends.
pub fn open(options: &OpenOptions) -> io::Result<Box<dyn Device>> {
    let api = load()?;
    let (name, kind) = (wide(&options.name), wide("Culvert"));
    // SAFETY: both names end in NUL, the GUID is static.
    let adapter = unsafe { (api.create)(name.as_ptr(), kind.as_ptr(), &ADAPTER) };
    if adapter.is_null() {
        return Err(last_error());
    }
    // SAFETY: `adapter` is open.
    let session = unsafe { (api.start)(adapter, RING_BYTES) };
    if session.is_null() {
        let error = last_error();
        // SAFETY: `adapter` is open and not used after.
        unsafe { (api.close)(adapter) };
        return Err(error);
    }
    // A manual-reset event: once set, every later wait sees it.
    // SAFETY: no attributes, no name.
    let stop = unsafe { CreateEventW(null(), 1, 0, null()) };
    let tun = WindowsTun { api, adapter, session, stop, name: options.name.clone() };
    if stop.is_null() { Err(last_error()) } else { Ok(Box::new(tun)) }
}

impl Device for WindowsTun {
    fn name(&self) -> &str {
        &self.name
    }

    fn offloads(&self) -> bool {
        false
    }

    fn read(&self, frame: &mut [u8]) -> io::Result<(usize, Offload)> {
        let mut length = 0u32;
        // SAFETY: the session is open; `length` is live.
        let packet = unsafe { (self.api.receive)(self.session, &mut length) };
        if packet.is_null() {
            // SAFETY: plain call.
            return Err(match unsafe { GetLastError() } {
                ERROR_NO_MORE_ITEMS => io::ErrorKind::WouldBlock.into(),
                ERROR_HANDLE_EOF => io::Error::new(io::ErrorKind::NotConnected, "the adapter is gone"),
                code => io::Error::from_raw_os_error(code as i32),
            });
        }
        let length = length as usize;
        let fits = frame.len() >= HEADROOM + length;
        if fits {
            // SAFETY: Wintun owns `length` bytes at `packet` until release; the frame has room.
            unsafe { std::ptr::copy_nonoverlapping(packet, frame[HEADROOM..].as_mut_ptr(), length) };
        }
        // SAFETY: `packet` came from receive and is released once.
        unsafe { (self.api.release)(self.session, packet) };
        if fits {
            Ok((length, Offload::default()))
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "packet larger than any IP packet"))
        }
    }

    fn write(&self, frame: &mut [u8], length: usize, _offload: &Offload) -> io::Result<()> {
        let bytes = &frame[HEADROOM..HEADROOM + length];
        // SAFETY: the session is open.
        let packet = unsafe { (self.api.allocate)(self.session, length as u32) };
        if packet.is_null() {
            // SAFETY: plain call.
            return Err(match unsafe { GetLastError() } {
                ERROR_BUFFER_OVERFLOW => io::ErrorKind::WouldBlock.into(),
                code => io::Error::from_raw_os_error(code as i32),
            });
        }
        // SAFETY: Wintun gave us `length` bytes at `packet`; send takes them back, once.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), packet, length);
            (self.api.send)(self.session, packet);
        }
        Ok(())
    }

    fn wait(&self) -> io::Result<Wake> {
        // SAFETY: the session is open; its event lives as long as it.
        let handles = [self.stop, unsafe { (self.api.read_event)(self.session) }];
        // SAFETY: both handles are open.
        let woken = unsafe { WaitForMultipleObjects(handles.len() as u32, handles.as_ptr(), 0, INFINITE) };
        if woken == WAIT_OBJECT_0 {
            Ok(Wake::Stopped)
        } else if woken == WAIT_OBJECT_0 + 1 {
            Ok(Wake::Readable)
        } else {
            Err(last_error())
        }
    }

    fn stop(&self) {
        // SAFETY: the event is open until drop.
        unsafe { SetEvent(self.stop) };
    }
}

impl Drop for WindowsTun {
    fn drop(&mut self) {
        // SAFETY: each is open, closed once and not used after; the pump has ended, for it shares ownership.
        unsafe {
            (self.api.end)(self.session);
            (self.api.close)(self.adapter);
            if !self.stop.is_null() {
                CloseHandle(self.stop);
            }
        }
    }
}
