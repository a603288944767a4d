//! Tables and sizes for people.

use unicode_width::UnicodeWidthStr;

/// Returns bytes in MiB, or KiB where that says more.
pub fn size(bytes: u64) -> String {
    let kib = bytes as f64 / 1024.0;
    match bytes {
        0..1024 => format!("{bytes} B"),
        _ if kib < 999.95 => format!("{kib:.1} KiB"),
        _ => format!("{:.1} MiB", kib / 1024.0),
    }
}

/// Returns a difference of sizes, with its sign.
pub fn change(before: u64, after: u64) -> String {
    match after.cmp(&before) {
        std::cmp::Ordering::Equal => "same size".into(),
        std::cmp::Ordering::Greater => format!("+{}", size(after - before)),
        std::cmp::Ordering::Less => format!("-{}", size(before - after)),
    }
}

/// Returns rows as lines with two spaces in front and between columns. The columns numbered in `right` end below one another; the
/// last one is not filled up.
pub fn lines<const N: usize>(rows: &[[String; N]], right: &[usize]) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].width())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<_> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let fill = " ".repeat(widths[column] - cell.width());
            line += "  ";
            line += &match right.contains(&column) {
                true => format!("{fill}{cell}"),
                false => format!("{cell}{fill}"),
            };
        }
        text += line.trim_end();
        text += "\n";
    }
    text
}

/// Returns words joined by commas in lines of at most 96 columns, with two spaces in front.
pub fn flow(words: impl IntoIterator<Item = String>) -> String {
    const WIDTH: usize = 96;
    let mut text = String::new();
    let mut line = String::new();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        let word = if words.peek().is_some() { word + "," } else { word };
        if !line.is_empty() && line.width() + 1 + word.width() > WIDTH {
            text += &(line + "\n");
            line = String::new();
        }
        line += if line.is_empty() { "  " } else { " " };
        line += &word;
    }
    if !line.is_empty() {
        text += &(line + "\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let shown = [0, 1023, 1024, 1_023_000, 1_048_576, 5 << 30].map(size);
        assert_eq!(
            shown,
            ["0 B", "1023 B", "1.0 KiB", "999.0 KiB", "1.0 MiB", "5120.0 MiB"]
        );
        assert_eq!(
            (change(2048, 1024), change(0, 1)),
            ("-1.0 KiB".into(), "+1 B".into())
        );
    }

    #[test]
    fn columns_stand_below_one_another() {
        let row = |a: &str, b: &str| [a.to_string(), b.to_string(), "x".to_string()];
        assert_eq!(
            lines(&[row("a", "10"), row("long", "5")], &[1]),
            "  a     10  x\n  long   5  x\n"
        );
    }

    #[test]
    fn words_flow_in_lines() {
        assert_eq!(flow(["a".into(), "b".into()]), "  a, b\n");
        let text = flow((0..60).map(|n| format!("word{n}")));
        assert!(
            text.lines().count() > 3 && text.lines().all(|line| line.len() <= 96),
            "{text}"
        );
    }
}
