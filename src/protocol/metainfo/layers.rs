//! `piece layers` of a .torrent (BEP 52): for each file of more than one piece the hashes of its
//! pieces. They stand outside what is hashed, so each must be shown to belong to a `pieces root`,
//! or a client would take the file and then find no piece right.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::protocol::bencode::{Dict, Value};

use super::SHA256_LEN;
use super::torrent::{TorrentError, field};

/// Bytes under one leaf of the tree of hashes (BEP 52, "pieces root").
const BLOCK_LEN: u64 = 16 * 1024;

/// A SHA-256.
pub(super) type Hash = [u8; SHA256_LEN];

/// The files that a tree lists: the root of each, and its length in bytes.
pub(super) type Roots = Vec<(Hash, u64)>;

/// Checks the layers of a v2 or hybrid torrent: one for each file of more than one piece, whose
/// hashes make the root of that file. Others are passed over. Hashes each layer once, however many
/// files have the same.
///
/// # Errors
/// [`TorrentError::PieceLayer`], for a layer that is missing or does not belong to its file.
pub(super) fn check(
    metainfo: Dict<'_>,
    roots: &[(Hash, u64)],
    piece_length: u64,
) -> Result<(), TorrentError> {
    let mut wanted = BTreeMap::new();
    for (root, length) in roots.iter().filter(|(_, length)| *length > piece_length) {
        if *wanted.entry(root).or_insert(*length) != *length {
            return Err(TorrentError::PieceLayer); // one content cannot have two lengths
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let layers = field(metainfo, "piece layers", Value::dict)?.ok_or(TorrentError::PieceLayer)?;
    for (root, layer) in layers.entries() {
        let Some(length) = <&Hash>::try_from(root).ok().and_then(|root| wanted.remove(root)) else {
            continue;
        };
        let hashes = layer.bytes().ok_or(TorrentError::WrongType("piece layers"))?;
        let (hashes, rest) = hashes.as_chunks::<SHA256_LEN>();
        let is_whole = rest.is_empty() && hashes.len() as u64 == length.div_ceil(piece_length);
        if !is_whole || root != root_of(hashes.to_vec(), piece_length) {
            return Err(TorrentError::PieceLayer);
        }
    }
    if wanted.is_empty() { Ok(()) } else { Err(TorrentError::PieceLayer) }
}

/// The root above the hashes of pieces. What is missing to a full tree are blocks of zero hashes
/// (BEP 52: "the remaining leaf hashes beyond the end of the file are set to zero").
fn root_of(mut layer: Vec<Hash>, piece_length: u64) -> Hash {
    let mut filler = [0; SHA256_LEN];
    for _ in 0..(piece_length / BLOCK_LEN).ilog2() {
        filler = parent(&filler, &filler);
    }
    while layer.len() > 1 {
        layer =
            layer.chunks(2).map(|pair| parent(&pair[0], pair.get(1).unwrap_or(&filler))).collect();
        filler = parent(&filler, &filler);
    }
    layer.first().copied().unwrap_or(filler)
}

fn parent(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update(left).chain_update(right).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The root of content by the whole tree over its blocks, as BEP 52 defines it.
    fn root_by_blocks(content: &[u8]) -> Hash {
        let mut leaves: Vec<Hash> =
            content.chunks(BLOCK_LEN as usize).map(|block| Sha256::digest(block).into()).collect();
        leaves.resize(leaves.len().next_power_of_two(), [0; SHA256_LEN]);
        while leaves.len() > 1 {
            leaves = leaves.chunks(2).map(|pair| parent(&pair[0], &pair[1])).collect();
        }
        leaves[0]
    }

    #[test]
    fn root_of_a_layer_is_the_root_of_the_content() {
        let piece_length = 4 * BLOCK_LEN;
        for blocks in [5_usize, 8, 9, 12, 13, 31, 32, 33] {
            let content: Vec<u8> = (0..blocks * BLOCK_LEN as usize - 7).map(|i| i as u8).collect();
            let piece = |piece: &[u8]| {
                // Of the last piece, the leaves beyond the file are zero.
                let mut leaves: Vec<Hash> = piece
                    .chunks(BLOCK_LEN as usize)
                    .map(|block| Sha256::digest(block).into())
                    .collect();
                leaves.resize(4, [0; SHA256_LEN]);
                let [a, b] = [0, 2].map(|at| parent(&leaves[at], &leaves[at + 1]));
                parent(&a, &b)
            };
            let layer = content.chunks(piece_length as usize).map(piece).collect();
            assert_eq!(root_of(layer, piece_length), root_by_blocks(&content), "{blocks}");
        }
    }
}
