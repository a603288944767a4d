//! What a program or library says that it needs to run.

use anyhow::Result;
use object::elf;
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};

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
    pub fn of(data: &[u8]) -> Result<Needs> {
        let file = ElfFile64::<object::Endianness>::parse(data)?;
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
}
