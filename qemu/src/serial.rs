//! The memory of what came out of a serial port: every byte, and as plain text.

/// How much of each form is remembered at least; the oldest is forgotten first.
const KEEP: usize = 16 << 20;

/// Bytes with the position of the first one in the whole stream, so that positions stay valid when old bytes go.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    start: usize,
    bytes: Vec<u8>,
}

impl Tape {
    fn trim(&mut self) {
        if self.bytes.len() > 2 * KEEP {
            let surplus = self.bytes.len() - KEEP;
            self.bytes.drain(..surplus);
            self.start += surplus;
        }
    }

    /// The position after the last byte.
    pub(crate) fn end(&self) -> usize {
        self.start + self.bytes.len()
    }

    /// Everything that is remembered.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The index in [`Tape::bytes`] of a position in the stream; 0 when that byte is forgotten.
    pub(crate) fn index(&self, position: usize) -> usize {
        position.saturating_sub(self.start).min(self.bytes.len())
    }

    /// The position of an index in [`Tape::bytes`].
    pub(crate) fn position(&self, index: usize) -> usize {
        self.start + index
    }
}

/// What a guest wrote to its serial port.
#[derive(Debug, Default)]
pub(crate) struct Serial {
    /// As it came.
    pub(crate) raw: Tape,
    /// Without escape sequences and control characters; a carriage return that does not end a line begins a new one.
    pub(crate) text: Tape,
    /// The position in `text` up to which output has been matched.
    pub(crate) cursor: usize,
    cleaner: Cleaner,
}

impl Serial {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.raw.bytes.extend_from_slice(bytes);
        for &byte in bytes {
            self.cleaner.push(byte, &mut self.text.bytes);
        }
        self.raw.trim();
        self.text.trim();
    }

    /// The plain text that is remembered.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.text.bytes()).into_owned()
    }
}

/// Takes terminal control out of a stream (ECMA-48 control sequences and strings).
#[derive(Debug, Default)]
struct Cleaner {
    state: State,
    carriage_return: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum State {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After ESC and an intermediate byte such as `(`: one more byte belongs to it.
    Intermediate,
    /// After ESC `[`, up to a final byte.
    Sequence,
    /// After ESC `]`, `P`, `X`, `^` or `_`, up to BEL or ESC `\`.
    Str,
}

impl Cleaner {
    fn push(&mut self, byte: u8, out: &mut Vec<u8>) {
        const ESC: u8 = 0x1b;
        self.state = match (self.state, byte) {
            (_, ESC) => State::Escape,
            (State::Escape, b'[') => State::Sequence,
            (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => State::Str,
            (State::Escape | State::Intermediate, 0x20..=0x2f) => State::Intermediate,
            (State::Escape | State::Intermediate, _) => State::Text,
            (State::Sequence, 0x20..=0x3f) => State::Sequence,
            (State::Sequence, 0x40..=0x7e) => State::Text,
            (State::Str, 0x07) => State::Text,
            // Nobody names a window over two lines: that string was cut off, and the text must not be lost with it.
            (State::Str, byte) if byte != b'\n' => State::Str,
            (_, byte) => {
                self.text(byte, out);
                State::Text
            }
        };
    }

    fn text(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'\r' => self.carriage_return = true,
            b'\n' => {
                self.carriage_return = false;
                out.push(b'\n');
            }
            b'\t' | 0x20..=0x7e | 0x80.. => {
                if std::mem::take(&mut self.carriage_return) && out.last().is_some_and(|&last| last != b'\n')
                {
                    out.push(b'\n');
                }
                out.push(byte);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(raw: &[u8]) -> String {
        let mut serial = Serial::default();
        raw.iter().for_each(|&byte| serial.push(&[byte]));
        assert_eq!(serial.raw.bytes(), raw);
        serial.text()
    }

    #[test]
    fn colours_and_titles_are_taken_out() {
        assert_eq!(
            clean(b"[\x1b[0;32m  OK  \x1b[0m] Reached \x1b[0;1;39mtarget\x1b[0m\r\n"),
            "[  OK  ] Reached target\n"
        );
        assert_eq!(
            clean(b"\x1b]0;title\x07a\x1b]0;title\x1b\\b\x1b(Bc\x1b=d\x1bcE"),
            "abcdE"
        );
        assert_eq!(clean(b"\x1b]0;cut off\nnext"), "\nnext");
    }

    #[test]
    fn line_ends_are_one_newline() {
        assert_eq!(clean(b"a\r\nb\r\r\nc\nd"), "a\nb\nc\nd");
        assert_eq!(clean(b"first\rsecond\r\n\rthird\x07\x00"), "first\nsecond\nthird");
    }

    #[test]
    fn old_output_is_forgotten_but_positions_hold() {
        let mut serial = Serial::default();
        let line = [b'x'; 1 << 20];
        (0..40).for_each(|_| serial.push(&line));
        serial.push(b"end");
        let tape = &serial.text;
        assert!(tape.bytes().len() <= 2 * KEEP);
        assert_eq!(tape.end(), 40 * line.len() + 3);
        assert_eq!(tape.index(0), 0);
        assert_eq!(&tape.bytes()[tape.index(40 * line.len())..], b"end");
        assert_eq!(tape.position(tape.index(tape.end())), tape.end());
    }
}
