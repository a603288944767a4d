//! What a program or library says that it needs to run.

use std::fs::File;
use std::io::{self, Read, Seek};

use anyhow::Result;
use object::elf;
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::read::{ReadCache, ReadRef};

/// What a program or library needs to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The dynamic loader's path, of a program.
    pub loader: Option<String>,
    /// Names of libraries.
    pub libraries: Vec<String>,
}

impl Needs {
    /// Reads the program headers and the dynamic section (System V ABI, "Dynamic Linking").
    ///
    /// # Errors
    /// When it is no 64-bit ELF file, or a damaged one.
    pub fn of<'data, R: ReadRef<'data>>(data: R) -> Result<Needs> {
        let file = ElfFile64::<object::Endianness, R>::parse(data)?;
        let (endian, header) = (file.endian(), file.elf_header());
        let mut loader = None;
        for segment in header.program_headers(endian, data)? {
            if let Some(path) = segment.interpreter(endian, data)? {
                loader = Some(String::from_utf8(path.to_vec())?);
            }
        }
        let mut libraries = Vec::new();
        let table = file.elf_section_table().dynamic_table(endian, data)?;
        for entry in table.iter().filter(|entry| entry.tag == elf::DT_NEEDED) {
            libraries.push(String::from_utf8(table.string(entry)?.to_vec())?);
        }
        Ok(Needs { loader, libraries })
    }
    /// Reads them from a file, without what else is in it, which may be large; nothing when it is no ELF file. One for another
    /// kind of machine, or a damaged one, needs nothing.
    pub fn of_file(mut file: &File) -> io::Result<Option<Needs>> {
        let mut begin = Vec::new();
        file.take(elf::ELFMAG.len() as u64).read_to_end(&mut begin)?;
        file.rewind()?;
        if begin != elf::ELFMAG {
            return Ok(None);
        }
        Ok(Some(Needs::of(&ReadCache::new(file)).unwrap_or_default()))
    }
}
