//! What the developer sees while an image is built: stages, percent and elapsed time on a terminal, plain lines
//! elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The whole build's progress, on standard error.
pub struct Progress {
    terminal: bool,
    begun: Instant,
    stages: usize,
    current: usize,
}

impl Progress {
    /// Returns the progress of a build of `stages` stages.
    pub fn new(stages: usize) -> Progress {
        Progress {
            terminal: std::io::stderr().is_terminal(),
            begun: Instant::now(),
            stages,
            current: 0,
        }
    }

    /// Runs the next stage.
    pub fn stage<T>(&mut self, title: &str, work: impl FnOnce(&Stage) -> Result<T>) -> Result<T> {
        self.current += 1;
        let label = format!("[{}/{}] {title}", self.current, self.stages);
        let begun = Instant::now();
        let stage = Stage {
            // A bar a stage: one that is used again shows the old stage's figures for a moment.
            bar: self.terminal.then(|| bar(&label)),
        };
        if !self.terminal {
            eprintln!("{label}");
        }
        let outcome = work(&stage);
        if let Some(bar) = &stage.bar {
            bar.finish_and_clear();
        }
        let verdict = if outcome.is_ok() { "done" } else { "failed" };
        eprintln!("{label}: {verdict}, {:.1} s", begun.elapsed().as_secs_f64());
        outcome
    }

    /// Returns the time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }
}

/// The stage under way.
pub struct Stage {
    bar: Option<ProgressBar>,
}

impl Stage {
    /// Adds a line on how the stage is done.
    pub fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("      {text}")),
            None => eprintln!("      {text}"),
        }
    }

    /// Shows how far the stage is: `done` of `total` of anything.
    pub fn at(&self, done: u64, total: u64) {
        let Some(bar) = self.bar.as_ref().filter(|_| total > 0) else {
            return;
        };
        if bar.length().is_none() {
            bar.set_length(100);
            bar.set_style(style("{spinner} {wide_msg} {percent}% [{bar:20}] {elapsed}"));
        }
        bar.set_position(done.saturating_mul(100) / total);
    }
}

fn bar(label: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
        .with_style(style("{spinner} {wide_msg} {elapsed}"))
        .with_message(label.to_string());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this module; a broken one shows indicatif's own bar.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
