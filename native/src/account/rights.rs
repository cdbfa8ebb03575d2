//! Windows: who owns a file, who may do what with it, and giving it to certain accounts alone.

use std::io;
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{ERROR_SUCCESS, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, GetNamedSecurityInfoW, SDDL_REVISION_1, SE_FILE_OBJECT,
    SetNamedSecurityInfoW,
};
use windows_sys::Win32::Security::{
    ACCESS_ALLOWED_ACE, ACE_HEADER, ACL, DACL_SECURITY_INFORMATION, GetAce, GetSecurityDescriptorDacl,
    INHERIT_ONLY_ACE, OWNER_SECURITY_INFORMATION, PROTECTED_DACL_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, PSID,
};
use windows_sys::Win32::System::SystemServices::ACCESS_ALLOWED_ACE_TYPE;

use super::windows::sid_text;
use super::{FileRights, Grant};

/// As the system's calls want it.
pub fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

fn failed(code: u32) -> io::Error {
    io::Error::from_raw_os_error(code as i32)
}

/// Memory that the system gave us.
pub struct Descriptor(pub PSECURITY_DESCRIPTOR);

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: allocated by the call that filled it, freed once.
        unsafe { LocalFree(self.0) };
    }
}

/// Owner and grants. What is only handed down to what lies in it grants nothing here.
pub fn rights(path: &str) -> io::Result<FileRights> {
    let (mut owner, mut list, mut memory): (PSID, *mut ACL, PSECURITY_DESCRIPTOR) =
        (null_mut(), null_mut(), null_mut());
    let wanted = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    // SAFETY: all places are live; owner and list point into `memory`.
    let code = unsafe {
        GetNamedSecurityInfoW(
            wide(path).as_ptr(),
            SE_FILE_OBJECT,
            wanted,
            &mut owner,
            null_mut(),
            &mut list,
            null_mut(),
            &mut memory,
        )
    };
    if code != ERROR_SUCCESS {
        return Err(failed(code));
    }
    let _memory = Descriptor(memory);
    let owner = sid_text(owner).ok_or_else(io::Error::last_os_error)?;
    if list.is_null() {
        // No list at all: everybody may do everything.
        return Ok(FileRights { owner, grants: vec![Grant { sid: "S-1-1-0".into(), mask: u32::MAX }] });
    }
    let mut grants = Vec::new();
    // SAFETY: the list lives in `memory`.
    for at in 0..u32::from(unsafe { (*list).AceCount }) {
        let mut entry = null_mut();
        // SAFETY: `at` is below the count.
        if unsafe { GetAce(list, at, &mut entry) } == 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: every entry begins with a header.
        let header = unsafe { &*entry.cast::<ACE_HEADER>() };
        if u32::from(header.AceType) != ACCESS_ALLOWED_ACE_TYPE || u32::from(header.AceFlags) & INHERIT_ONLY_ACE != 0 {
            continue;
        }
        // SAFETY: of that type, by its header; the SID begins at `SidStart`.
        let allowed = unsafe { &*entry.cast::<ACCESS_ALLOWED_ACE>() };
        let sid: PSID = (&raw const allowed.SidStart).cast_mut().cast();
        grants.push(Grant { sid: sid_text(sid).ok_or_else(io::Error::last_os_error)?, mask: allowed.Mask });
    }
    Ok(FileRights { owner, grants })
}

/// Full access for these accounts, for nobody else, handed down to what lies in it; nothing is inherited from above.
pub fn restrict(path: &str, sids: &[String]) -> io::Result<()> {
    let descriptor = descriptor_for(sids, "FA", "OICI")?;
    let (mut present, mut list, mut defaulted) = (0, null_mut(), 0);
    // SAFETY: all places are live; the list points into the descriptor's memory.
    if unsafe { GetSecurityDescriptorDacl(descriptor.0, &mut present, &mut list, &mut defaulted) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let what = DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION;
    // SAFETY: the path ends in NUL, the list is live.
    let code = unsafe {
        SetNamedSecurityInfoW(wide(path).as_ptr(), SE_FILE_OBJECT, what, null_mut(), null_mut(), list, null_mut())
    };
    if code == ERROR_SUCCESS { Ok(()) } else { Err(failed(code)) }
}

/// A list of these accounts alone with these rights, in the words of SDDL; nothing is inherited from above.
pub fn descriptor_for(sids: &[String], rights: &str, inheritance: &str) -> io::Result<Descriptor> {
    let entries: String = sids.iter().map(|sid| format!("(A;{inheritance};{rights};;;{sid})")).collect();
    let text = wide(&format!("D:P{entries}"));
    let mut memory: PSECURITY_DESCRIPTOR = null_mut();
    // SAFETY: the text ends in NUL; what is made is freed with the descriptor.
    let ok = unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(text.as_ptr(), SDDL_REVISION_1, &mut memory, null_mut())
    };
    if ok == 0 { Err(io::Error::last_os_error()) } else { Ok(Descriptor(memory)) }
}
