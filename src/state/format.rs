//! The bytes of a state file. Everything is big-endian.
//!
//! ```text
//! file    magic 8 │ version 4 │ block of kind 1 │ block of kind 4, or none │
//!         blocks of kind 2 … │ block of kind 3
//! block   kind 1 │ number 4 │ length of payload 4 │ CRC-32 of these and the payload 4 │ payload
//! kind 1  saved at, Unix seconds 8 │ whether peers have ids 1
//! kind 2  swarm …
//! kind 3  peers 8 │ swarms 8 │ end of the file
//! kind 4  figures: see `figures`
//! swarm   info hash 20 │ completed 4 │ peers that follow 2 │ peer …
//! peer    flags 1 │ age in seconds 2 │ port 2 │ IPv4 4 or IPv6 16 │ id 20, if peers have ids
//! flags   bit 0: IPv6; bit 1: its completion was counted; bits 2–3: leecher, seeder, paused
//! ```
//!
//! A swarm that does not fit a block goes on in the next, under its name again. A file without its
//! last block is one that was never finished.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::figures;
use crate::limits;
use crate::protocol::announce::Role;
use crate::protocol::ids::{InfoHash, PeerId};
use crate::stats::Ledger;
use crate::swarm::Resident;

const MAGIC: [u8; 8] = *b"WILDKAT\n";
const VERSION: u32 = 1;
/// Payload from which on a block is ended.
const BLOCK_FULL: usize = 64 * 1024;
/// Longest payload: full, and then one more peer of a new swarm.
const BLOCK_MAX: usize = BLOCK_FULL + 128;
const BLOCK_HEAD: usize = 13;
const SWARM_HEAD: usize = 26;

const HEADER: u8 = 1;
const SWARMS: u8 = 2;
const END: u8 = 3;
const FIGURES: u8 = 4;

const IS_V6: u8 = 1;
const HAS_COUNTED: u8 = 2;
const ROLE_SHIFT: u32 = 2;

/// What a whole file says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Peers in it.
    pub peers: u64,
    /// Swarms in it.
    pub torrents: u64,
}

/// What stands at the head of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// When its writing began, in seconds since 1970.
    pub saved_at: u64,
    /// Whether its peers have ids.
    pub has_ids: bool,
}

/// Why a file is of no use.
#[derive(Debug)]
pub enum Fault {
    /// There is nothing in it.
    Empty,
    /// It is not a state file.
    Foreign,
    /// It was written by a later version, in a format with this number.
    Newer(u32),
    /// It ends too early: its writing, or a copy of it, was cut short.
    CutShort,
    /// The block with this number is not as it was written.
    Damaged(u32),
    /// More bytes follow its end.
    TooLong,
    /// The system did not let it be read.
    Io(io::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Empty => f.write_str("it is empty"),
            Fault::Foreign => f.write_str("it is not a state file of this program"),
            Fault::Newer(version) => write!(
                f,
                "it has format {version}, of a later version; this one reads format {VERSION}"
            ),
            Fault::CutShort => f.write_str("it is cut short"),
            Fault::Damaged(block) => write!(f, "its block {block} is damaged"),
            Fault::TooLong => f.write_str("it goes on after its end"),
            Fault::Io(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        match error.kind() {
            ErrorKind::UnexpectedEof => Fault::CutShort,
            _ => Fault::Io(error),
        }
    }
}

/// Writes a file, block by block. After the first error nothing more is written.
pub struct Writer<W> {
    out: W,
    has_ids: bool,
    payload: Vec<u8>,
    number: u32,
    /// The swarm that is being written.
    swarm: Option<InfoHash>,
    /// Where in the payload its number of peers stands, if it has begun in this block.
    count_at: Option<usize>,
    totals: Totals,
    error: Option<io::Error>,
}

impl<W: Write> Writer<W> {
    /// Begins a file.
    pub fn new(out: W, header: Header) -> Writer<W> {
        let mut writer = Writer {
            out,
            has_ids: header.has_ids,
            payload: Vec::with_capacity(BLOCK_MAX),
            number: 0,
            swarm: None,
            count_at: None,
            totals: Totals::default(),
            error: None,
        };
        writer.try_write(&MAGIC);
        writer.try_write(&VERSION.to_be_bytes());
        writer.payload.extend(header.saved_at.to_be_bytes());
        writer.payload.push(header.has_ids.into());
        writer.end_block(HEADER);
        writer
    }

    /// Appends what was counted. To be called once, before the first peer, or not at all.
    pub fn write_figures(&mut self, ledger: &Ledger) {
        figures::encode(ledger, &mut self.payload);
        self.end_block(FIGURES);
    }

    /// Appends a peer. The peers of one swarm are to come one after the other.
    pub fn write(&mut self, resident: &Resident) {
        let is_same = self.swarm == Some(resident.info_hash);
        let count_at = match self.count_at.filter(|_| is_same) {
            Some(count_at) => count_at,
            None => self.begin_swarm(resident),
        };
        let count = u16::from_be_bytes([self.payload[count_at], self.payload[count_at + 1]]) + 1;
        self.payload[count_at..count_at + 2].copy_from_slice(&count.to_be_bytes());
        self.write_peer(resident);
        self.totals.peers += 1;
        if self.payload.len() >= BLOCK_FULL {
            self.end_block(SWARMS);
        }
    }

    fn begin_swarm(&mut self, resident: &Resident) -> usize {
        self.totals.torrents += u64::from(self.swarm != Some(resident.info_hash));
        self.payload.extend(resident.info_hash.0);
        self.payload.extend(resident.completed.to_be_bytes());
        let count_at = self.payload.len();
        self.payload.extend([0; 2]);
        self.swarm = Some(resident.info_hash);
        self.count_at = Some(count_at);
        count_at
    }

    fn write_peer(&mut self, resident: &Resident) {
        let counted = if resident.has_counted { HAS_COUNTED } else { 0 };
        let role = match resident.role {
            Role::Leecher => 0,
            Role::Seeder => 1,
            Role::Paused => 2,
        };
        let family = u8::from(resident.peer.is_ipv6()) * IS_V6;
        let age = u16::try_from(resident.age).unwrap_or(u16::MAX);
        self.payload.push(family | counted | role << ROLE_SHIFT);
        self.payload.extend(age.to_be_bytes());
        self.payload.extend(resident.peer.port().to_be_bytes());
        match resident.peer.ip() {
            IpAddr::V4(ip) => self.payload.extend(ip.octets()),
            IpAddr::V6(ip) => self.payload.extend(ip.octets()),
        }
        if self.has_ids {
            self.payload.extend(resident.peer_id.map_or([0; 20], |id| id.0));
        }
    }

    fn end_block(&mut self, kind: u8) {
        let payload = std::mem::take(&mut self.payload);
        let head = block_head(kind, self.number, &payload);
        self.try_write(&head);
        self.try_write(&payload);
        self.number += 1;
        self.payload = payload;
        self.payload.clear();
        self.count_at = None;
    }

    fn try_write(&mut self, bytes: &[u8]) {
        if self.error.is_none() {
            self.error = self.out.write_all(bytes).err();
        }
    }

    /// Writes what is left and the end.
    ///
    /// # Errors
    /// The first error of the whole file.
    pub fn finish(mut self) -> io::Result<(W, Totals)> {
        if !self.payload.is_empty() {
            self.end_block(SWARMS);
        }
        self.payload.extend(self.totals.peers.to_be_bytes());
        self.payload.extend(self.totals.torrents.to_be_bytes());
        self.end_block(END);
        match self.error {
            Some(error) => Err(error),
            None => Ok((self.out, self.totals)),
        }
    }
}

fn block_head(kind: u8, number: u32, payload: &[u8]) -> [u8; BLOCK_HEAD] {
    let mut head = [0; BLOCK_HEAD];
    head[0] = kind;
    head[1..5].copy_from_slice(&number.to_be_bytes());
    head[5..9].copy_from_slice(&(payload.len() as u32).to_be_bytes());
    let mut sum = crc32fast::Hasher::new();
    sum.update(&head[..9]);
    sum.update(payload);
    head[9..].copy_from_slice(&sum.finalize().to_be_bytes());
    head
}

/// What a whole file holds beside its peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Its head.
    pub header: Header,
    /// What was counted, where that was kept.
    pub ledger: Option<Ledger>,
    /// What it says of itself.
    pub totals: Totals,
}

/// Reads a file to its end, and shows its peers.
///
/// # Errors
/// [`Fault`], as late as at the file's last byte: what was shown by then is to be thrown away.
pub fn read(mut from: impl Read, show: impl FnMut(&Header, &Resident)) -> Result<Contents, Fault> {
    let version = read_version(&mut from)?;
    if version != VERSION {
        return Err(if version > VERSION { Fault::Newer(version) } else { Fault::Foreign });
    }
    let mut blocks = Blocks { from, number: 0, payload: Vec::new() };
    if blocks.next()? != HEADER {
        return Err(blocks.damaged());
    }
    let header = (|| {
        let mut fields = Fields(&blocks.payload);
        let header = Header { saved_at: fields.u64()?, has_ids: fields.bool()? };
        fields.0.is_empty().then_some(header)
    })()
    .ok_or_else(|| blocks.damaged())?;
    let mut kind = blocks.next()?;
    let mut ledger = None;
    if kind == FIGURES {
        ledger = Some(figures::decode(&blocks.payload).ok_or_else(|| blocks.damaged())?);
        kind = blocks.next()?;
    }
    let totals = read_to_end(&mut blocks, kind, &header, show)?;
    Ok(Contents { header, ledger, totals })
}

/// Reads on from a block of this kind, which has been read.
fn read_to_end(
    blocks: &mut Blocks<impl Read>,
    mut kind: u8,
    header: &Header,
    mut show: impl FnMut(&Header, &Resident),
) -> Result<Totals, Fault> {
    let mut totals = Totals::default();
    let mut swarm = None;
    loop {
        match kind {
            SWARMS => {
                let mut fields = Fields(&blocks.payload);
                let mut show = |resident: &Resident| {
                    totals.peers += 1;
                    totals.torrents += u64::from(swarm != Some(resident.info_hash));
                    swarm = Some(resident.info_hash);
                    show(header, resident);
                };
                read_swarms(&mut fields, header.has_ids, &mut show)
                    .ok_or_else(|| blocks.damaged())?;
            }
            END => {
                let mut fields = Fields(&blocks.payload);
                let told = fields.u64().zip(fields.u64());
                if told != Some((totals.peers, totals.torrents)) || !fields.0.is_empty() {
                    return Err(blocks.damaged());
                }
                return match blocks.from.read(&mut [0])? {
                    0 => Ok(totals),
                    _ => Err(Fault::TooLong),
                };
            }
            _ => return Err(blocks.damaged()),
        }
        kind = blocks.next()?;
    }
}

fn read_version(from: &mut impl Read) -> Result<u32, Fault> {
    let mut magic = Vec::with_capacity(MAGIC.len());
    from.take(MAGIC.len() as u64).read_to_end(&mut magic)?;
    if magic.is_empty() {
        return Err(Fault::Empty);
    }
    if !MAGIC.starts_with(&magic) {
        return Err(Fault::Foreign);
    }
    let mut version = [0; 4];
    from.read_exact(&mut version)?;
    Ok(u32::from_be_bytes(version))
}

/// The blocks of a file, one after the other.
struct Blocks<R> {
    from: R,
    /// The number of the next one.
    number: u32,
    payload: Vec<u8>,
}

impl<R: Read> Blocks<R> {
    /// Reads the next block's payload and tells its kind.
    fn next(&mut self) -> Result<u8, Fault> {
        let mut head = [0; BLOCK_HEAD];
        self.from.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) as usize;
        let number = self.number;
        self.number += 1;
        if length > BLOCK_MAX {
            return Err(self.damaged());
        }
        self.payload.resize(length, 0);
        self.from.read_exact(&mut self.payload)?;
        if head != block_head(head[0], number, &self.payload) {
            return Err(self.damaged());
        }
        Ok(head[0])
    }

    /// What to say of the block that was read last.
    fn damaged(&self) -> Fault {
        Fault::Damaged(self.number.saturating_sub(1))
    }
}

/// `None` when the payload cannot have been written by a [`Writer`].
fn read_swarms(
    fields: &mut Fields<'_>,
    has_ids: bool,
    show: &mut impl FnMut(&Resident),
) -> Option<()> {
    while !fields.0.is_empty() {
        let info_hash = InfoHash(fields.array()?);
        let completed = u32::from_be_bytes(fields.array()?);
        let peers = fields.u16()?;
        if peers == 0 {
            return None;
        }
        for _ in 0..peers {
            let flags = fields.array::<1>()?[0];
            let age = fields.u16()?.into();
            let port = fields.u16().filter(|port| *port != 0)?;
            let ip = if flags & IS_V6 == 0 {
                IpAddr::V4(Ipv4Addr::from(fields.array::<4>()?))
            } else {
                IpAddr::V6(Ipv6Addr::from(fields.array::<16>()?))
            };
            let role = match flags >> ROLE_SHIFT {
                0 => Role::Leecher,
                1 => Role::Seeder,
                2 => Role::Paused,
                _ => return None,
            };
            if ip.to_canonical() != ip || age > limits::PEER_TTL_MAX {
                return None;
            }
            let peer_id = if has_ids { Some(PeerId(fields.array()?)) } else { None };
            let has_counted = flags & HAS_COUNTED != 0;
            let peer = SocketAddr::new(ip, port);
            show(&Resident { info_hash, completed, peer, peer_id, role, has_counted, age });
        }
    }
    Some(())
}

/// What is left of a payload.
pub(super) struct Fields<'a>(pub &'a [u8]);

impl Fields<'_> {
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn bool(&mut self) -> Option<bool> {
        match self.array()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }
}

// What was counted fits a block.
const _: () = assert!(figures::PAYLOAD_MAX <= BLOCK_FULL);
// A swarm's head and its largest peer fit behind a payload that is not full yet.
const _: () = assert!(BLOCK_FULL - 1 + SWARM_HEAD + 1 + 2 + 2 + 16 + 20 <= BLOCK_MAX);

/// A file of blocks with right numbers, lengths and checksums. Each begins with its kind and the
/// length of its payload, a byte each.
#[cfg(any(test, fuzzing))]
pub fn with_checksums(mut blocks: &[u8]) -> Vec<u8> {
    let mut file = [&MAGIC[..], &VERSION.to_be_bytes()].concat();
    for number in 0.. {
        let [kind, length, rest @ ..] = blocks else { break };
        let (payload, rest) = rest.split_at(rest.len().min((*length).into()));
        file.extend(block_head(*kind, number, payload));
        file.extend(payload);
        blocks = rest;
    }
    file
}
