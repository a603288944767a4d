//! Files that may be compressed, read as what is in them.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, Write};

use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use sha2::{Digest, Sha256};

use crate::hash;

/// The first bytes of what can be read (RFC 1952 2.3.1; RFC 8878 3.1.1; the .xz file format 2.1.1.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const XZ: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
/// The longest of them.
const LONGEST: u64 = 6;
/// The first bytes of what can't be read, and what it is called (file(1)).
const FOREIGN: [(&[u8], &str); 6] = [
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
    (b"7z\xbc\xaf", "7-Zip"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"LZIP", "lzip"),
    (b"\x1f\x9d", "compress"),
];

/// Returns the content, whether it is compressed by gzip, xz or zstd, or not at all. The first bytes tell.
///
/// # Errors
/// `ErrorKind::Unsupported` for what is compressed by something else.
pub fn open<'a>(mut file: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut begin = Vec::new();
    file.by_ref().take(LONGEST).read_to_end(&mut begin)?;
    if let Some((_, name)) = FOREIGN.iter().find(|(magic, _)| begin.starts_with(magic)) {
        return Err(io::Error::new(
            ErrorKind::Unsupported,
            format!(
                "it is packed by {name}; plain files can be read, and those compressed by gzip, xz or zstd"
            ),
        ));
    }
    let whole = BufReader::with_capacity(1 << 18, io::Cursor::new(begin.clone()).chain(file));
    Ok(if begin.starts_with(&GZIP) {
        Box::new(MultiGzDecoder::new(whole))
    } else if begin.starts_with(&ZSTD) {
        Box::new(zstd_decoder(whole)?)
    } else if begin.starts_with(&XZ) {
        Box::new(XzDecoder::new_multi_decoder(whole))
    } else {
        Box::new(whole)
    })
}

/// Which side of a copy failed.
#[derive(Debug)]
pub enum CopyError {
    /// What is copied can't be read.
    Read(io::Error),
    /// The copy can't be written.
    Write(io::Error),
}

/// Copies all of `from`. Whoever gave it is to blame for what can't be read, and this machine for what can't be written.
pub fn copy(from: &mut impl Read, to: &mut impl Write) -> Result<(), CopyError> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => to.write_all(&buffer[..length]).map_err(CopyError::Write)?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(CopyError::Read(error)),
        }
    }
}

/// Returns what is to be said of a file that can't be read to its end.
pub fn fault(error: &io::Error) -> String {
    if error.kind() == ErrorKind::Unsupported {
        return error.to_string();
    }
    format!(
        "it is damaged, or ends too early: {}; make or copy it again",
        shown(error)
    )
}

/// Errors may quote what was read, which is anything.
pub fn shown(error: &io::Error) -> String {
    let printable = |character: char| match character.is_control() {
        true => '?',
        false => character,
    };
    error.to_string().chars().map(printable).collect()
}

/// Whether a file is compressed; it is read from its beginning afterwards.
pub fn is_compressed(file: &mut (impl Read + Seek)) -> io::Result<bool> {
    let mut begin = Vec::new();
    file.by_ref().take(LONGEST).read_to_end(&mut begin)?;
    file.rewind()?;
    Ok([GZIP.as_slice(), &ZSTD, &XZ]
        .iter()
        .any(|magic| begin.starts_with(magic)))
}

fn zstd_decoder(file: impl BufRead) -> io::Result<impl Read> {
    zstd::Decoder::with_buffer(file)
}

/// A reader that knows what has gone through it.
pub struct Measured<R> {
    inner: R,
    hasher: Sha256,
    /// How many bytes at the end were zero.
    zeros: u64,
}

impl<R: Read> Measured<R> {
    /// Measures what is read from `inner`.
    pub fn new(inner: R) -> Measured<R> {
        Measured {
            inner,
            hasher: Sha256::new(),
            zeros: 0,
        }
    }

    /// Reads what is left, and returns the SHA-256 of everything in hexadecimal, and with how many zero bytes it ends.
    pub fn finish(mut self) -> io::Result<(String, u64)> {
        io::copy(&mut self, &mut io::sink())?;
        Ok((hash::hex(&self.hasher.finalize()), self.zeros))
    }
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        let read = &buffer[..length];
        self.hasher.update(read);
        let zeros = read.iter().rev().take_while(|byte| **byte == 0).count();
        self.zeros = zeros as u64 + if zeros == length { self.zeros } else { 0 };
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_how_to_read() {
        let text = "abc".repeat(1000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(text.as_bytes()).unwrap();
        let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
        for packed in [
            gzip.finish().unwrap(),
            xz.finish().unwrap(),
            zstd,
            text.clone().into_bytes(),
        ] {
            let mut read = String::new();
            open(packed.as_slice())
                .unwrap()
                .read_to_string(&mut read)
                .unwrap();
            assert_eq!(read, text);
            let mut cut = Vec::new();
            let short = &packed[..packed.len() - 5];
            let outcome = open(short).unwrap().read_to_end(&mut cut);
            assert!(outcome.is_err() || cut == text.as_bytes()[..text.len() - 5]);
        }
        assert_eq!(open(&b""[..]).unwrap().read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn what_can_not_be_read_is_named() {
        let error = open(&b"BZh91AY"[..]).map(drop).unwrap_err();
        assert!(
            fault(&error).starts_with("it is packed by bzip2; plain files"),
            "{error}"
        );
        let error = io::Error::other("no number: \u{1b}[31m");
        assert_eq!(
            fault(&error),
            "it is damaged, or ends too early: no number: ?[31m; make or copy it again"
        );
    }

    #[test]
    fn what_goes_through_is_measured() {
        let mut measured = Measured::new(&b"abc"[..]);
        measured.read_exact(&mut [0; 2]).unwrap();
        assert_eq!(measured.finish().unwrap(), (hash::text("abc"), 0));
        let ends = Measured::new((&b"a\0"[..]).chain(&b"\0\0"[..]));
        assert_eq!(ends.finish().unwrap().1, 3);
    }
}
