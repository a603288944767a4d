//! What is in a tar file, one member after the other, as it is written by POSIX's rules and by GNU's (POSIX.1-2024, pax; GNU tar's
//! manual, "Tar Internals"). The crate `tar` reads a member's header; what stands before a header and tells more of the member is
//! read here, because records of a pax header end where their length says, and nothing says how long such a text may be.

mod holes;

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use tar::{EntryType, Header};

use self::holes::{NAME, Piece, SPARSE};
use crate::source::compressed::{self, CopyError};

const BLOCK: u64 = 512;
/// Bytes of the longest text that tells more of a member; it is read as a whole. On Linux, an extended attribute has 64 KiB at most
/// (xattr(7)), and names are shorter.
const LONGEST_TEXT: u64 = 1 << 20;
/// How extended attributes are called in a pax header.
const XATTR: &[u8] = b"SCHILY.xattr.";

/// A tar file that is being read.
pub struct Members<R> {
    tar: R,
    /// Bytes of the member's content that nobody has read, and those that fill its last block.
    left: u64,
    padding: u64,
}

/// A file, folder, link or something else.
pub struct Member {
    pub kind: EntryType,
    pub name: Vec<u8>,
    /// What a link leads to.
    pub target: Vec<u8>,
    pub uid: u64,
    pub gid: u64,
    pub mode: u32,
    /// Seconds since 1970.
    pub mtime: u64,
    /// Extended attributes by their names.
    pub extended: Vec<(String, Vec<u8>)>,
    /// Where the pieces of the content belong, in ascending order; between them are holes.
    pieces: Vec<Piece>,
    /// Bytes of the file, with holes.
    size: u64,
}

/// What stands before a member's header.
#[derive(Default)]
struct Before {
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    records: Vec<Record>,
}

type Record = (Vec<u8>, Vec<u8>);

impl<R: Read> Members<R> {
    pub fn new(tar: R) -> Members<R> {
        Members {
            tar,
            left: 0,
            padding: 0,
        }
    }

    /// Returns the next member; none behind the last.
    pub fn next(&mut self) -> io::Result<Option<Member>> {
        let mut before = Before::default();
        loop {
            self.skip()?;
            let Some(header) = self.header()? else {
                let is_end = before.name.is_none() && before.target.is_none() && before.records.is_empty();
                return match is_end {
                    true => Ok(None),
                    false => Err(ErrorKind::UnexpectedEof.into()),
                };
            };
            match header.entry_type() {
                EntryType::GNULongName => before.name = Some(c_text(self.text(&header)?)),
                EntryType::GNULongLink => before.target = Some(c_text(self.text(&header)?)),
                EntryType::XHeader => before.records = records(&self.text(&header)?)?,
                // What holds for all members says nothing that matters here.
                EntryType::XGlobalHeader => self.begin(header.entry_size()?)?,
                _ => return self.member(&header, before).map(Some),
            }
        }
    }

    /// Puts the content of the member, which [`Members::next`] returned last, into an empty file.
    pub fn copy(&mut self, member: &Member, to: &mut File) -> Result<(), CopyError> {
        let mut end = 0;
        // GNU tar marks a hole at the end by an empty piece.
        for piece in member.pieces.iter().filter(|piece| piece.length > 0) {
            if piece.offset != end {
                to.seek(SeekFrom::Start(piece.offset)).map_err(CopyError::Write)?;
            }
            let mut content = (&mut self.tar).take(piece.length);
            compressed::copy(&mut content, to)?;
            if content.limit() > 0 {
                return Err(CopyError::Read(ErrorKind::UnexpectedEof.into()));
            }
            self.left -= piece.length;
            end = piece.offset + piece.length;
        }
        match end < member.size {
            true => to.set_len(member.size).map_err(CopyError::Write),
            false => Ok(()),
        }
    }

    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut header = Header::new_old();
        let mut block = Vec::new();
        (&mut self.tar).take(BLOCK).read_to_end(&mut block)?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        if block.len() as u64 != BLOCK {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        header.as_mut_bytes().copy_from_slice(&block);
        let told = header.cksum()?;
        // The sum is that of a header with blanks in the sum's place.
        header.as_old_mut().cksum = [b' '; 8];
        let sum: u32 = header.as_bytes().iter().map(|byte| u32::from(*byte)).sum();
        if sum != told {
            return Err(io::Error::other("the checksum of a header is wrong"));
        }
        Ok(Some(header))
    }

    fn member(&mut self, header: &Header, before: Before) -> io::Result<Member> {
        let find = |key: &str| {
            let mut found = before.records.iter().rev();
            found
                .find(|(name, _)| name == key.as_bytes())
                .map(|(_, value)| value.as_slice())
        };
        let number = |key: &str| find(key).map(decimal).transpose();
        let size = number("size")?.map_or_else(|| header.entry_size(), Ok)?;
        self.begin(size)?;
        let kind = header.entry_type();
        let (pieces, whole) = if kind == EntryType::GNUSparse {
            self.old_map(header)?
        } else if before.records.iter().any(|(name, _)| name.starts_with(SPARSE)) {
            self.map(&before.records)?
        } else {
            (
                vec![Piece {
                    offset: 0,
                    length: size,
                }],
                size,
            )
        };
        self.check(&pieces, whole)?;
        let name = find(NAME).or(before.name.as_deref()).or(find("path"));
        let target = before.target.as_deref().or(find("linkpath"));
        let is_extended = |(name, value): &Record| {
            let name = String::from_utf8(name.strip_prefix(XATTR)?.to_vec()).ok()?;
            Some((name, value.clone()))
        };
        Ok(Member {
            kind,
            name: name.map_or_else(|| header.path_bytes().into_owned(), <[u8]>::to_vec),
            target: target
                .map(<[u8]>::to_vec)
                .or(header.link_name_bytes().map(|target| target.into_owned()))
                .unwrap_or_default(),
            uid: number("uid")?.map_or_else(|| header.uid(), Ok)?,
            gid: number("gid")?.map_or_else(|| header.gid(), Ok)?,
            mode: header.mode()?,
            mtime: header.mtime()?,
            extended: before.records.iter().filter_map(is_extended).collect(),
            pieces,
            size: whole,
        })
    }

    /// Begins to read content of this size.
    fn begin(&mut self, size: u64) -> io::Result<()> {
        let whole = size.checked_next_multiple_of(BLOCK);
        let whole = whole.ok_or_else(|| io::Error::other("a size is too large"))?;
        (self.left, self.padding) = (size, whole - size);
        Ok(())
    }

    /// Reads content that tells of the next member.
    fn text(&mut self, header: &Header) -> io::Result<Vec<u8>> {
        let size = header.entry_size()?;
        if size > LONGEST_TEXT {
            return Err(io::Error::other(format!(
                "{size} bytes tell of one file's name and attributes, and no file has so many"
            )));
        }
        self.begin(size)?;
        let mut text = vec![0; size as usize];
        self.tar.read_exact(&mut text)?;
        self.left = 0;
        Ok(text)
    }

    /// Reads on to the next header.
    fn skip(&mut self) -> io::Result<()> {
        let rest = self.left + self.padding;
        if io::copy(&mut (&mut self.tar).take(rest), &mut io::sink())? < rest {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        (self.left, self.padding) = (0, 0);
        Ok(())
    }
}

impl<R: Read + Seek> Members<R> {
    /// Returns where in the tar file the content of the member is, which [`Members::next`] returned last, with its length, and goes
    /// on behind it; none where it has holes.
    pub fn place(&mut self, member: &Member) -> io::Result<Option<(u64, u64)>> {
        let offset = self.tar.stream_position()?;
        let rest = i64::try_from(self.left + self.padding);
        self.tar
            .seek_relative(rest.map_err(|_| io::Error::other("a size is too large"))?)?;
        (self.left, self.padding) = (0, 0);
        let is_whole = matches!(member.pieces[..], [Piece { offset: 0, length }] if length == member.size);
        Ok(is_whole.then_some((offset, member.size)))
    }
}

/// Returns the records of a pax header: `LENGTH KEY=VALUE\n`, where any byte may be in a value.
fn records(mut text: &[u8]) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    while !text.is_empty() {
        let record = || {
            let blank = text.iter().position(|byte| *byte == b' ')?;
            let length = usize::try_from(decimal(&text[..blank]).ok()?).ok()?;
            let line = text.get(blank + 1..length)?.strip_suffix(b"\n")?;
            let equals = line.iter().position(|byte| *byte == b'=')?;
            Some((length, (line[..equals].to_vec(), line[equals + 1..].to_vec())))
        };
        let (length, record) = record().ok_or_else(|| io::Error::other("a pax header has a wrong record"))?;
        records.push(record);
        text = &text[length..];
    }
    Ok(records)
}

fn decimal(text: &[u8]) -> io::Result<u64> {
    let digits = std::str::from_utf8(text)
        .ok()
        .filter(|text| !text.starts_with('+'));
    let number = digits.and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| io::Error::other("a pax header has no number where one must be"))
}

/// Returns a text up to the zero byte that ends it.
fn c_text(mut text: Vec<u8>) -> Vec<u8> {
    if let Some(end) = text.iter().position(|byte| *byte == 0) {
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests;
