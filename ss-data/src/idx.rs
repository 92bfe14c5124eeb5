//! The IDX format of the MNIST family, plain or gzip.
//!
//! Layout (Y. LeCun, C. Cortes, C. Burges, "The MNIST database"): two zero bytes, a type (`0x08` = `u8`), the
//! number of dimensions, each dimension as a big-endian `u32`, then the values in C order.

use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::error::{Error, Result};

const TYPE_U8: u8 = 0x08;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// An IDX array of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdxArray {
    pub(crate) dims: Vec<usize>,
    pub(crate) values: Vec<u8>,
}

/// Reads an IDX file of bytes with `rank` dimensions; gzip is known by its content, not by the name.
pub(crate) fn read(path: &Path, rank: usize) -> Result<IdxArray> {
    let mut bytes = fs::read(path).map_err(|error| Error::io("read", path, error))?;
    if bytes.starts_with(&GZIP_MAGIC) {
        let mut plain = Vec::new();
        MultiGzDecoder::new(bytes.as_slice())
            .read_to_end(&mut plain)
            .map_err(|error| Error::damaged(path, "a complete gzip stream", error.to_string()))?;
        bytes = plain;
    }
    parse(path, bytes, rank)
}

fn parse(path: &Path, mut bytes: Vec<u8>, rank: usize) -> Result<IdxArray> {
    let header = 4 + 4 * rank;
    if bytes.len() < header {
        return Err(Error::damaged(
            path,
            format!("an IDX header of {header} bytes"),
            format!("{} bytes in all", bytes.len()),
        ));
    }
    let magic = [0, 0, TYPE_U8, rank as u8];
    if bytes[..4] != magic {
        return Err(Error::Corrupt {
            path: path.to_path_buf(),
            expected: format!("IDX magic {magic:02x?} (bytes in {rank} dimensions)"),
            found: format!("{:02x?}", &bytes[..4]),
            remedy: "this is another file or a damaged one, get the published file again",
        });
    }
    let dims: Vec<usize> = bytes[4..header]
        .chunks_exact(4)
        .map(|d| u32::from_be_bytes([d[0], d[1], d[2], d[3]]) as usize)
        .collect();
    let found = bytes.len() - header;
    let expected = dims.iter().try_fold(1_usize, |product, &d| product.checked_mul(d));
    if expected != Some(found) {
        return Err(Error::damaged(
            path,
            match expected {
                Some(expected) => format!("{expected} values for dimensions {dims:?}"),
                None => format!("dimensions that fit in memory, not {dims:?}"),
            },
            format!("{found} values"),
        ));
    }
    bytes.drain(..header);
    Ok(IdxArray { dims, values: bytes })
}
