//! Numbers by which RTF calls an encoding.

use encoding_rs::{self as tables, Encoding};

/// Returns the characters of a Windows code page.
pub(super) fn table_of_code_page(number: i32) -> &'static Encoding {
    match number {
        874 => tables::WINDOWS_874,
        932 => tables::SHIFT_JIS,
        936 => tables::GBK,
        949 => tables::EUC_KR,
        950 => tables::BIG5,
        1250 => tables::WINDOWS_1250,
        1251 => tables::WINDOWS_1251,
        1253 => tables::WINDOWS_1253,
        1254 => tables::WINDOWS_1254,
        1255 => tables::WINDOWS_1255,
        1256 => tables::WINDOWS_1256,
        1257 => tables::WINDOWS_1257,
        1258 => tables::WINDOWS_1258,
        10000 => tables::MACINTOSH,
        65001 => tables::UTF_8,
        _ => tables::WINDOWS_1252,
    }
}

/// Returns the code page of a font's character set (`LOGFONT`, Windows); none for that of the file.
pub(super) fn table_of_charset(number: i32) -> Option<&'static Encoding> {
    Some(table_of_code_page(match number {
        0 => 1252,
        77 => 10000,
        128 => 932,
        129 => 949,
        134 => 936,
        136 => 950,
        161 => 1253,
        162 => 1254,
        163 => 1258,
        177 => 1255,
        178 => 1256,
        186 => 1257,
        204 => 1251,
        222 => 874,
        238 => 1250,
        _ => return None,
    }))
}

/// Whether a byte is the first of the two that make a character.
pub(super) fn begins_pair(table: &'static Encoding, byte: u8) -> bool {
    if table == tables::SHIFT_JIS {
        return matches!(byte, 0x81..=0x9f | 0xe0..=0xfc);
    }
    [tables::GBK, tables::EUC_KR, tables::BIG5].contains(&table) && matches!(byte, 0x81..=0xfe)
}
