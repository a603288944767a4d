//! Tests that share one machine, because booting it takes most of the time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// What goes on, under the name that is told when it fails. No step depends on one before it.
pub type Step<T> = (&'static str, fn(&T));

/// Goes through all steps, with `before` at the beginning of each; the test fails when one of them does, and names all that
/// did.
pub fn run_steps<T>(machine: &T, before: fn(&T), steps: &[Step<T>]) {
    let mut failed = Vec::new();
    for (name, step) in steps {
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            before(machine);
            step(machine);
        }));
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        eprintln!("{name}: {word}, {:.1} s", begun.elapsed().as_secs_f64());
        if outcome.is_err() {
            failed.push(*name);
        }
    }
    assert!(failed.is_empty(), "failed: {}", failed.join(", "));
}
