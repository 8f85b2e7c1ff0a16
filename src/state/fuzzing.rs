//! The check behind the fuzz target `state_file`.

use super::format::{self, Writer};

/// Reads `bytes` as a state file. A fuzzer does not guess checksums, so it may leave them out:
/// after a first byte of 1, the payloads follow of blocks that are otherwise right.
///
/// # Panics
/// When what was read is not read again from what is written of it.
pub fn check(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let file = if *first == 1 { format::with_checksums(rest) } else { bytes.to_vec() };
    let mut residents = Vec::new();
    let Ok(contents) = format::read(&file[..], |_, it| residents.push(*it)) else { return };
    assert_eq!(contents.totals.peers, residents.len() as u64);
    let mut writer = Writer::new(Vec::new(), contents.header);
    if let Some(ledger) = &contents.ledger {
        writer.write_figures(ledger);
    }
    for resident in &residents {
        writer.write(resident);
    }
    let (again, written) = writer.finish().expect("a vector takes all that is written to it");
    let mut shown = residents.iter();
    let read = format::read(&again[..], |_, it| {
        let expected = shown.next().map(|resident| (resident.info_hash, resident.peer));
        assert_eq!(expected, Some((it.info_hash, it.peer)));
    });
    assert_eq!(written, contents.totals);
    assert_eq!(read.ok(), Some(contents));
}
