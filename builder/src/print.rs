//! What commands print: the answer to standard output, and remarks to standard error.

use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};

/// Prints a part of what was asked for, as it is. Whoever stops reading, such as `head`, has seen enough: that is no error.
///
/// # Errors
/// When it can't be written, for example because a disk is full.
pub fn answer(text: &str) -> Result<()> {
    write(&mut io::stdout().lock(), text)
}

/// Prints a line about what happens. That nobody can read it is no reason to end.
pub fn remark(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

fn write(out: &mut impl Write, text: &str) -> Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("printing the answer"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn only_a_reader_who_has_gone_is_no_error() {
        let (reader, mut pipe) = io::pipe().unwrap();
        drop(reader);
        assert!(write(&mut pipe, "x\n").is_ok());
        let mut full = File::options().write(true).open("/dev/full").unwrap();
        let error = write(&mut full, "x\n").unwrap_err();
        assert!(
            format!("{error:#}").contains("No space left on device"),
            "{error:#}"
        );
        let mut text = Vec::new();
        write(&mut text, "x").unwrap();
        assert_eq!(text, b"x");
    }
}
