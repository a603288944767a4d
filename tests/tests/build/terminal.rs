//! What is shown while an image is built.

use std::process::Command;

use crate::site::{Running, Site, quick, shared_cache, tiny, tiny_image};

/// Runs a build with a terminal and returns its exit status and everything that came on that terminal.
fn on_a_terminal(site: &Site) -> (Option<i32>, String) {
    let build = site.build();
    let line: Vec<_> = std::iter::once(build.get_program())
        .chain(build.get_args())
        .map(|word| word.to_str().unwrap())
        .collect();
    // Standard error is read while it comes; a pipe for standard output could fill up.
    let mut script = Command::new("sh");
    script.args(["-c", "exec \"$@\" >&2", "sh", "script"]);
    script.args(["--quiet", "--return", "--command", &line.join(" "), "/dev/null"]);
    script
        .env("TMPDIR", site.path("tmp"))
        .env("XDG_CACHE_HOME", shared_cache())
        .env("TERM", "xterm");
    let said = Running::start(script).finish();
    (said.status, said.stderr)
}

/// Returns the lines that stay on the screen: what a carriage return and "erase line" took away is gone.
fn what_stays(output: &str) -> Vec<String> {
    let last = |line: &str| {
        let line = line.trim_end_matches('\r');
        let kept = line.rsplit("\r\u{1b}[2K").next().unwrap_or_default();
        kept.rsplit('\r').next().unwrap_or_default().to_string()
    };
    output.split('\n').map(last).collect()
}

#[test]
fn a_terminal_shows_stages_percent_and_time_and_keeps_only_results() {
    tiny_image();
    let site = Site::new(&quick());
    site.be_unlike_any();
    let (status, output) = on_a_terminal(&site);
    assert_eq!(status, Some(0), "{output}");
    assert!(output.contains("% [█"), "{output}");
    let lines = what_stays(&output);
    let stages: Vec<_> = lines.iter().filter(|line| line.starts_with('[')).collect();
    assert_eq!(stages.len(), 7, "{lines:#?}");
    for (number, line) in stages.iter().enumerate() {
        assert!(line.starts_with(&format!("[{}/7] ", number + 1)), "{line}");
        assert!(line.contains(": done, ") && line.ends_with(" s"), "{line}");
    }
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("built in ") && line.contains("system.img ")),
        "{lines:#?}"
    );
    assert!(
        !lines.iter().any(|line| line.contains(['█', '░', '⠋', '⠙', '⠹'])),
        "{lines:#?}"
    );
}

#[test]
fn a_failure_leaves_no_bar_on_the_terminal() {
    let site = Site::new("{ name: 'web', packages: ['of-nowhere'] }");
    let (status, output) = on_a_terminal(&site);
    assert_eq!(status, Some(2), "{output}");
    let lines = what_stays(&output);
    // Another test's build may make this one wait, and that is said before.
    let end = lines
        .iter()
        .skip_while(|line| !line.starts_with('['))
        .collect::<Vec<_>>();
    assert!(
        end[0].starts_with("[1/7] resolve ") && end[0].contains(": failed, "),
        "{lines:#?}"
    );
    assert!(
        end[1].starts_with("genpack: error: ") && end[1].ends_with("genpack.json5 can't be used"),
        "{lines:#?}"
    );
}

#[test]
fn without_a_terminal_there_are_plain_lines() {
    tiny_image();
    let site = Site::new(&tiny("setup_commands: ['false']"));
    let said = Running::start(site.build()).finish();
    said.assert(
        1,
        &[
            "[1/7] resolve ",
            ": done, ",
            "customise: genpack's own files, files/, 1 setup command: failed, ",
        ],
    );
    assert!(!said.stderr.contains(['\u{1b}', '\r', '█']), "{}", said.stderr);
}
