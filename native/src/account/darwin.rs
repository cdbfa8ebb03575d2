//! macOS: a process with what it descends from, by the kernel's word. ps shows what a program calls itself; libproc names the file that it runs.

use std::io;
use std::mem::{size_of, zeroed};
use std::ptr::null_mut;

use super::Process;

/// Longer chains are nobody's honest work.
const LONGEST: usize = 64;
const MICROSECONDS: u64 = 1_000_000;

/// The process `pid` and then its parents, nearest first. One whose parent has ended is launchd's from then on.
pub fn chain(pid: u32) -> io::Result<Vec<Process>> {
    let mut found: Vec<Process> = Vec::new();
    let mut at = pid;
    while at != 0 && found.len() < LONGEST {
        let Some(process) = describe(at) else { break };
        at = process.parent;
        found.push(process);
    }
    Ok(found)
}

/// Files of all programs that run.
pub fn programs() -> io::Result<Vec<String>> {
    // SAFETY: no buffer asks for the number alone.
    let number = unsafe { libc::proc_listallpids(null_mut(), 0) };
    let Ok(number) = usize::try_from(number) else { return Err(io::Error::last_os_error()) };
    // Some may start meanwhile.
    let mut pids = vec![0 as libc::pid_t; number + 64];
    let bytes = (pids.len() * size_of::<libc::pid_t>()) as libc::c_int;
    // SAFETY: `pids` has the stated length.
    let listed = unsafe { libc::proc_listallpids(pids.as_mut_ptr().cast(), bytes) };
    let Ok(listed) = usize::try_from(listed) else { return Err(io::Error::last_os_error()) };
    Ok(pids.into_iter().take(listed).filter_map(|pid| path_of(u32::try_from(pid).ok()?)).collect())
}

/// `None` where it is gone. Parent and file are told of anybody's process, its start of our own user's alone (bsd/kern/proc_info.c).
fn describe(pid: u32) -> Option<Process> {
    let short: libc::proc_bsdshortinfo = asked(pid, libc::PROC_PIDT_SHORTBSDINFO)?;
    let whole: Option<libc::proc_bsdinfo> = asked(pid, libc::PROC_PIDTBSDINFO);
    let start = whole.map(|found| found.pbi_start_tvsec * MICROSECONDS + found.pbi_start_tvusec);
    Some(Process { pid, parent: short.pbsi_ppid, start, path: path_of(pid), ..Process::default() })
}

fn asked<T>(pid: u32, flavor: libc::c_int) -> Option<T> {
    let size = size_of::<T>() as libc::c_int;
    // SAFETY: only used with types for which all-zero is valid.
    let mut found: T = unsafe { zeroed() };
    // SAFETY: `found` is live and of the stated size.
    let told = unsafe { libc::proc_pidinfo(pid as libc::c_int, flavor, 0, (&raw mut found).cast(), size) };
    (told == size).then_some(found)
}

fn path_of(pid: u32) -> Option<String> {
    let mut text = vec![0u8; libc::PROC_PIDPATHINFO_MAXSIZE as usize];
    // SAFETY: `text` has the stated length.
    let length = unsafe { libc::proc_pidpath(pid as libc::c_int, text.as_mut_ptr().cast(), text.len() as u32) };
    let path = text.get(..usize::try_from(length).ok().filter(|length| *length > 0)?)?;
    Some(String::from_utf8_lossy(path).into_owned())
}
