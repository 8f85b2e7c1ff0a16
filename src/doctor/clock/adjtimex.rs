//! The one system call of the examination that no safe crate offers.

#![allow(unsafe_code)] // adjtimex(2) takes a pointer to what it fills

use std::io;

use super::Synchronisation;
use crate::doctor::finding::Unseen;

/// Asks the kernel whether its clock is kept right; changes nothing.
///
/// # Errors
/// Why it does not tell, as under a filter of system calls.
pub fn ask() -> Result<Synchronisation, Unseen> {
    // SAFETY: a `timex` of zeros is a valid one; its mode is 0, to ask alone.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills the one `timex` it is given, which lives through the call.
    let told = unsafe { libc::adjtimex(&raw mut state) };
    if told < 0 {
        return Err(Unseen(format!("adjtimex: {}", io::Error::last_os_error())));
    }
    Ok(Synchronisation { is_kept: told != libc::TIME_ERROR, error_max: state.maxerror })
}
