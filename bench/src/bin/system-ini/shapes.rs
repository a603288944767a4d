//! Files that a reader might be slow at, each in any size.

/// A kind of file.
pub struct Shape {
    /// What it is like.
    pub name: &'static str,
    head: &'static str,
    /// Repeated; `#` is a running number in six digits where `numbered`.
    piece: &'static str,
    numbered: bool,
    coding: Coding,
}

enum Coding {
    Utf8,
    Utf16,
    /// Bytes that are not UTF-8.
    Old(&'static [u8]),
}

const fn shape(name: &'static str, head: &'static str, piece: &'static str) -> Shape {
    Shape {
        name,
        head,
        piece,
        numbered: false,
        coding: Coding::Utf8,
    }
}

const fn numbered(name: &'static str, head: &'static str, piece: &'static str) -> Shape {
    Shape {
        numbered: true,
        ..shape(name, head, piece)
    }
}

const fn old(name: &'static str, piece: &'static [u8]) -> Shape {
    Shape {
        coding: Coding::Old(piece),
        ..shape(name, "", "")
    }
}

const fn utf16(name: &'static str, piece: &'static str) -> Shape {
    Shape {
        coding: Coding::Utf16,
        ..shape(name, "\u{feff}", piece)
    }
}

impl Shape {
    /// Returns a file of this many bytes, or a few less where the last piece would be cut.
    pub fn bytes(&self, size: usize) -> Vec<u8> {
        let mut file = match self.coding {
            Coding::Utf16 => utf16_bytes(self.head),
            _ => self.head.as_bytes().to_vec(),
        };
        for number in 0.. {
            let piece = match (&self.coding, self.numbered) {
                (Coding::Old(bytes), _) => bytes.to_vec(),
                (Coding::Utf16, _) => utf16_bytes(self.piece),
                (Coding::Utf8, true) => self.piece.replace('#', &format!("{number:06}")).into_bytes(),
                (Coding::Utf8, false) => self.piece.as_bytes().to_vec(),
            };
            if file.len() + piece.len() > size {
                break;
            }
            file.extend(piece);
        }
        file
    }
}

fn utf16_bytes(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// All of them.
pub const ALL: &[Shape] = &[
    shape(
        "an ordinary file, over and over",
        "",
        "[system]\r\nhostname = kitchen\r\n\r\n# The cable\r\n[network]\r\naddress = 192.168.1.30/24\r\ngateway = 192.168.1.1\r\n",
    ),
    shape("empty lines", "a=b", "\n"),
    shape("CR only", "a=b", "\r"),
    shape("one line of one letter", "", "x"),
    shape("one value of one line", "hostname = ", "x"),
    shape("one line of blanks in front of a key", "", " "),
    shape("one line of words", "", "a b "),
    shape("`[` only", "", "["),
    shape("`]` only", "", "]"),
    shape("`[]` in one line", "", "[]"),
    shape("`=` only", "", "="),
    shape("`a=` in one line", "", "a="),
    shape("`:` in one line", "a", ":"),
    shape("zeros between letters", "a\n", "\0b\n"),
    shape("rubbish lines and headers in turn", "", "\u{1}\n[x]\n"),
    shape("double quotes in one line", "hostname = ", "\""),
    shape("both quotes in turn", "hostname = ", "\"'"),
    shape("opening quotes", "hostname = ", " \""),
    shape("closing quotes", "hostname = ", "\" "),
    shape("quoted words", "[network]\ndns = ", "\"a\" 'b' "),
    shape("`;` and `#` in turn", "hostname = a", ";#"),
    shape("remarks behind a value", "hostname = ", " ;a #b"),
    shape("commas in one list", "[network]\ndns = ", ","),
    shape("values of one list", "[network]\ndns = ", "1.1.1.1,"),
    shape("bad values of one list", "[network]\naddress = ", "1.1.1.300 "),
    shape("slashes in one list", "[network]\naddress = ", "/ "),
    shape(
        "digits and one slash after another",
        "[network]\naddress = ",
        "1 / ",
    ),
    numbered("a list of many lines", "[network]\ndns = 1.1.1.1\n", "  10.#\n"),
    numbered(
        "distinct keys of SSH",
        "[ssh]\n",
        "key = ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI# a\n",
    ),
    shape("one key, many times", "", "hostname=a\n"),
    shape("one list key, many times", "[network]\n", "dns=1.1.1.1\n"),
    numbered(
        "distinct unknown keys of 40 characters",
        "",
        "an-unknown-name-of-forty-characters#=1\n",
    ),
    shape("a misspelt key", "", "hostnmae=a\n"),
    shape(
        "a key of 40 letters, unlike any",
        "",
        "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq=a\n",
    ),
    shape(
        "a long key, many times",
        "",
        "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq=a\n",
    ),
    shape(
        "a key made of fillers",
        "",
        "-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_=a\n",
    ),
    shape("one key of fillers", "h", "-_ "),
    shape("one header of fillers", "[n", "-_ "),
    numbered("distinct unknown sections", "", "[unknown #]\n"),
    numbered("distinct ports", "", "[network eth#]\n"),
    numbered(
        "distinct ports with an address",
        "",
        "[network e#]\naddress=1.1.1.1/8\ngateway=1.1.1.2\n",
    ),
    numbered(
        "distinct wireless networks",
        "",
        "[wifi n#]\nssid=a\npassword=12345678\n",
    ),
    numbered("distinct users", "", "[user u#]\npassword=12345678\n"),
    numbered("distinct services", "[services]\n", "a#=on\n"),
    numbered(
        "distinct peers",
        "[wireguard wg0]\n",
        "[wireguard wg0 peer p#]\npeer_allowed_ips=10.0.0.0/8\n",
    ),
    numbered("distinct VLANs", "", "[vlan v#]\nparent=eth0\nid=7\n"),
    numbered("ports of one bridge", "[bridge br0]\nports = ", "e# "),
    numbered("distinct machines", "", "[match serial=#]\nsystem.hostname=a\n"),
    shape(
        "this machine, many times",
        "",
        "[match serial=1]\nsystem.hostname=a\n",
    ),
    shape("many conditions", "[match ", "serial=1 "),
    shape(
        "many settings for one machine",
        "[match serial=1]\n",
        "network.address=10.0.0.1/8\n",
    ),
    shape("dots in one key", "[match serial=1]\n", "a."),
    shape("stray lines", "", "stray line\n"),
    shape(
        "lines of a private key",
        "[ssh]\nkey=-----BEGIN PRIVATE KEY-----\n",
        "AAAA\n",
    ),
    shape("private keys", "[ssh]\n", "key=-----BEGIN PRIVATE KEY-----\n"),
    shape("backslashes", "hostname = ", "\\"),
    shape("percent signs", "hostname = ", "%"),
    shape("rich text: braces", "{\\rtf1", "{"),
    shape("rich text: closed braces", "{\\rtf1", "{}"),
    shape("rich text: control words", "{\\rtf1", "\\par\\b0 a"),
    shape("rich text: hidden groups", "{\\rtf1", "{\\*\\x a}"),
    shape("rich text: old letters", "{\\rtf1\\ansi ", "\\'e4"),
    shape("rich text: Unicode letters", "{\\rtf1\\uc1 ", "\\u8220?"),
    shape("rich text: binary data", "{\\rtf1", "\\bin9"),
    shape("zero-width characters", "hostname = ", "\u{200b}a"),
    shape("byte order marks", "hostname = ", "\u{feff}"),
    shape("smart quotes", "hostname = ", "\u{201c}a\u{201d}"),
    shape("smart quotes in many lines", "", "hostname=\u{201c}a\u{201d}\n"),
    shape(
        "full-width settings",
        "",
        "\u{ff3b}network\u{ff3d}\naddress\u{ff1d}\u{ff11}\u{ff12}\n",
    ),
    shape("ideographic blanks", "hostname = ", "\u{3000}"),
    shape("letters that grow in lower case", "", "\u{130}\u{130}\u{130}=a\n"),
    utf16("UTF-16", "hostname = \u{3042}\r\n"),
    utf16("UTF-16, one line", "\u{3042}"),
    old("halves of UTF-16 pairs", b"a\0\x00\xd8"),
    old("Windows-1252, one line", b"\xfc"),
    old("Windows-1252, many lines", b"# K\xfcche\r\n"),
    old("Shift-JIS", b"# \x91\xe4\x8f\x8a\x82\xcc\x8b\x40\x8a\x42\r\n"),
    old("Shift-JIS, one line", b"\x91\xe4\x8f\x8a"),
    old("lead bytes without their trail", b"\x81\n"),
    old("GBK", b"# \xb3\xf8\xb7\xbf\xb5\xc4\xbb\xfa\xc6\xf7\r\n"),
    old(
        "every line in another encoding",
        b"# \xfc\n# \x91\xe4\n# \xe3\x81\x82\n",
    ),
    old("line ends without text in an old encoding", b"\xff\r\r\n\n\r"),
];
