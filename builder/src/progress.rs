//! What the developer sees while an image is built: stages, percent and elapsed time on a terminal, plain lines
//! elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The whole build's progress, on standard error.
pub struct Progress {
    bar: Option<ProgressBar>,
    begun: Instant,
    stages: usize,
    current: usize,
}

impl Progress {
    /// Returns the progress of a build of `stages` stages.
    pub fn new(stages: usize) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(100), ProgressDrawTarget::stderr());
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Progress {
            bar,
            begun: Instant::now(),
            stages,
            current: 0,
        }
    }

    /// Runs the next stage.
    pub fn stage<T>(
        &mut self,
        title: &str,
        work: impl FnOnce(&Stage) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.current += 1;
        let label = format!("[{}/{}] {title}", self.current, self.stages);
        let begun = Instant::now();
        match &self.bar {
            Some(bar) => {
                bar.reset();
                bar.set_message(label.clone());
                bar.set_style(style("{spinner} {msg}  {elapsed}"));
            }
            None => eprintln!("{label}"),
        }
        let outcome = work(&Stage {
            bar: self.bar.as_ref(),
        });
        let seconds = begun.elapsed().as_secs_f64();
        let verdict = if outcome.is_ok() { "done" } else { "failed" };
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{label}: {verdict}, {seconds:.1} s")),
            None => eprintln!("{label}: {verdict}, {seconds:.1} s"),
        }
        outcome
    }

    /// Prints a line that is neither progress nor an error.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }

    /// Ends the display and returns the time since the beginning.
    pub fn finish(self) -> Duration {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.begun.elapsed()
    }
}

/// The stage under way.
pub struct Stage<'a> {
    bar: Option<&'a ProgressBar>,
}

impl Stage<'_> {
    /// Adds a word on how the stage is done.
    pub fn note(&self, text: &str) {
        match self.bar {
            Some(bar) => bar.suspend(|| eprintln!("      {text}")),
            None => eprintln!("      {text}"),
        }
    }

    /// Shows how far the stage is: `done` of `total` of anything.
    pub fn at(&self, done: u64, total: u64) {
        let Some(bar) = self.bar.filter(|_| total > 0) else {
            return;
        };
        if bar.position() == 0 {
            bar.set_style(style("{spinner} {msg}  {percent}% [{bar:20}] {elapsed}"));
        }
        bar.set_position((done * 100 / total).clamp(1, 100));
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this module; a broken one shows indicatif's own bar.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
