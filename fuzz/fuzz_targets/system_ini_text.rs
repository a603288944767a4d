//! Files made of lines as people write them: line ends and Unicode encodings make no difference, and no secret is
//! shown.

#![no_main]

use genpack_fuzz::lines::{File, holds_secret};
use genpack_fuzz::{check, phrases, read};
use genpack_spec::system_ini::{Secrets, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: File| {
    let text = file.text("\n");
    let parsed = read(text.as_bytes());
    check(&parsed);

    for end in ["\r\n", "\r"] {
        let other = read(file.text(end).as_bytes());
        assert_eq!(
            (&parsed.settings, &parsed.diagnostics),
            (&other.settings, &other.diagnostics),
            "{end:?} {text}"
        );
    }
    for order in [u16::to_le_bytes, u16::to_be_bytes] {
        let utf16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(order).collect();
        let other = read(&utf16);
        assert_eq!(
            (&parsed.settings, &parsed.diagnostics),
            (&other.settings, &other.diagnostics),
            "{text}"
        );
    }

    for found in &parsed.diagnostics {
        let places = [&found.section, &found.key, &found.text];
        let said: Vec<_> = phrases(found)
            .chain(places.into_iter().flatten().cloned())
            .collect();
        assert!(!said.iter().any(|text| holds_secret(text)), "{said:#?}\n\n{text}");
    }
    for shown in [
        parsed.settings.shown().to_string(),
        format!("{:?}", parsed.settings),
        write(&parsed.settings, Secrets::Masked),
    ] {
        assert!(!holds_secret(&shown), "{shown}\n\n{text}");
    }
});
