//! Files with holes: where the pieces of their content belong, as GNU tar says it in one of four ways (GNU tar's manual, "Storing
//! Sparse Files").

use std::io::{self, Read};

use tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

use super::{BLOCK, Members, Record, decimal};

/// How the records in a pax header begin.
pub const SPARSE: &[u8] = b"GNU.sparse.";
/// The record with the file's name; the header has another one.
pub const NAME: &str = "GNU.sparse.name";
/// How many pieces a file may have.
const MOST_PIECES: u64 = 1 << 20;

/// Where a piece of the content belongs in the file.
pub struct Piece {
    pub offset: u64,
    pub length: u64,
}

impl<R: Read> Members<R> {
    /// Reads where a file's pieces belong, in GNU tar's own format, and how long the file is.
    pub(super) fn old_map(&mut self, header: &Header) -> io::Result<(Vec<Piece>, u64)> {
        let header = header
            .as_gnu()
            .ok_or_else(|| wrong_map("it has another header"))?;
        let mut pieces = Vec::new();
        let mut add = |blocks: &[GnuSparseHeader]| -> io::Result<()> {
            for block in blocks.iter().filter(|block| !block.is_empty()) {
                pieces.push(Piece {
                    offset: block.offset()?,
                    length: block.length()?,
                });
            }
            match pieces.len() as u64 > MOST_PIECES {
                true => Err(wrong_map("it is too long")),
                false => Ok(()),
            }
        };
        add(&header.sparse)?;
        let mut goes_on = header.is_extended();
        while goes_on {
            let mut block = GnuExtSparseHeader::new();
            // They stand before the content, and are no part of it.
            self.tar.read_exact(block.as_mut_bytes())?;
            add(&block.sparse)?;
            goes_on = block.is_extended();
        }
        Ok((pieces, header.real_size()?))
    }

    /// Reads the same where it is in a pax header (formats 0.0 and 0.1), or at the beginning of the content (1.0).
    pub(super) fn map(&mut self, records: &[Record]) -> io::Result<(Vec<Piece>, u64)> {
        let of = |key: &str| {
            let key = [SPARSE, key.as_bytes()].concat();
            records
                .iter()
                .filter(move |(name, _)| *name == key)
                .map(|(_, value)| value.as_slice())
        };
        let size = of("realsize").chain(of("size")).next_back();
        let size = decimal(size.ok_or_else(|| wrong_map("the file's size is missing"))?)?;
        let numbers: Vec<u64> = if of("major").next_back() == Some(b"1") {
            self.numbers()?
        } else if let Some(map) = of("map").next_back().filter(|map| !map.is_empty()) {
            map.split(|byte| *byte == b',')
                .map(decimal)
                .collect::<io::Result<_>>()?
        } else {
            let both = of("offset")
                .zip(of("numbytes"))
                .flat_map(|(offset, length)| [offset, length]);
            both.map(decimal).collect::<io::Result<_>>()?
        };
        let pieces = numbers.chunks(2).map(|pair| match *pair {
            [offset, length] => Ok(Piece { offset, length }),
            _ => Err(wrong_map("it ends too early")),
        });
        Ok((pieces.collect::<io::Result<_>>()?, size))
    }

    /// Reads decimal numbers, each on a line, from the content; the first says how many pairs follow.
    fn numbers(&mut self) -> io::Result<Vec<u64>> {
        let (mut block, mut at) = ([0; BLOCK as usize], BLOCK as usize);
        let mut number = || -> io::Result<u64> {
            let mut line = Vec::new();
            loop {
                if at == block.len() {
                    let left = self.left.checked_sub(BLOCK);
                    self.left = left.ok_or_else(|| wrong_map("it ends too early"))?;
                    self.tar.read_exact(&mut block)?;
                    at = 0;
                }
                at += 1;
                match block[at - 1] {
                    b'\n' => return decimal(&line),
                    byte if line.len() < BLOCK as usize => line.push(byte),
                    _ => return Err(wrong_map("it has no numbers")),
                }
            }
        };
        match number()? {
            many if many > MOST_PIECES => Err(wrong_map("it is too long")),
            pairs => (0..2 * pairs).map(|_| number()).collect(),
        }
    }

    /// Fails unless the pieces are all that is left of the content, one after the other, and in the file. Writers do not agree
    /// on how a piece that ends within a block is followed by another.
    pub(super) fn check(&self, pieces: &[Piece], size: u64) -> io::Result<()> {
        let (mut end, mut read) = (0, 0);
        for piece in pieces.iter().filter(|piece| piece.length > 0) {
            let last = piece.offset.checked_add(piece.length);
            if piece.offset < end || last.is_none_or(|last| last > size) || read % BLOCK != 0 {
                return Err(wrong_map("its pieces are in disorder"));
            }
            end = piece.offset + piece.length;
            read += piece.length;
        }
        match read == self.left {
            true => Ok(()),
            false => Err(wrong_map("it is another file's")),
        }
    }
}

fn wrong_map(why: &str) -> io::Error {
    io::Error::other(format!("the list of holes in a file is wrong: {why}"))
}
