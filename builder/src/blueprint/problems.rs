//! Mistakes in a developer's input, all that there are, each shown where it stands.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity, SourceCode,
};
use serde::Serialize;

/// A file that is read, as mistakes in it quote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As the developer named it.
    pub name: String,
    /// Its whole text.
    pub text: String,
}

impl Source {
    /// Returns the source of a text.
    pub fn new(path: &Path, text: String) -> Arc<Source> {
        Arc::new(Source {
            name: path.display().to_string(),
            text,
        })
    }
}

/// One mistake, or something to be warned of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    label: String,
    help: Option<String>,
    place: Option<Range<usize>>,
    source: Option<Arc<Source>>,
    about: Option<Mention>,
}

/// Something that a field names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The fields that may name it.
    pub fields: &'static [&'static str],
    /// The text of the field or in its list, the `name` of an object in the list, or a name in the field's object.
    pub name: String,
}

impl Problem {
    /// Returns a problem at a place of a file that [`Problem::of`] adds.
    pub fn at(place: Range<usize>, label: impl Into<String>) -> Problem {
        Problem {
            place: Some(place),
            ..Problem::plain(label)
        }
    }

    /// Returns a problem that no single line is to blame for.
    pub fn plain(message: impl Into<String>) -> Problem {
        Problem {
            label: message.into(),
            help: None,
            place: None,
            source: None,
            about: None,
        }
    }

    /// Returns a problem with something that one of these fields names. `BlueprintFile::locate` adds its place.
    pub fn about(fields: &'static [&'static str], name: &str, message: impl Into<String>) -> Problem {
        let name = name.to_string();
        Problem {
            about: Some(Mention { fields, name }),
            ..Problem::plain(message)
        }
    }

    /// Adds what to do about it.
    pub fn with_help(self, help: impl Into<String>) -> Problem {
        Problem {
            help: Some(help.into()),
            ..self
        }
    }

    /// Gives it a place.
    pub fn moved(self, place: Range<usize>) -> Problem {
        Problem {
            place: Some(place),
            ..self
        }
    }

    /// Adds the file that its place is in.
    pub fn of(self, source: &Arc<Source>) -> Problem {
        Problem {
            source: self.place.is_some().then(|| source.clone()),
            ..self
        }
    }

    /// Adds the file to problems that were found in it, and puts them in its order.
    pub fn all_of(mut problems: Vec<Problem>, source: &Arc<Source>) -> Vec<Problem> {
        problems.sort_by_key(|problem| problem.place.as_ref().map(|place| place.start));
        problems.into_iter().map(|problem| problem.of(source)).collect()
    }

    /// Adds problems to others, each of which is told once.
    pub fn add(problems: &mut Vec<Problem>, more: impl IntoIterator<Item = Problem>) {
        for problem in more {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }

    /// Whether no file is to blame.
    pub fn is_plain(&self) -> bool {
        self.source.is_none()
    }

    /// Returns what it is about, where its place was not known.
    pub fn mention(&self) -> Option<&Mention> {
        self.about.as_ref()
    }

    /// Returns what is wrong, without the place.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Returns it as the text of a warning.
    pub fn render_warning(&self, colours: bool) -> String {
        self.render("worth a look", Severity::Warning, colours)
    }

    /// Returns it as text under `heading`: file, line, and a caret below it. Without a place it is the message alone.
    fn render(&self, heading: &str, severity: Severity, colours: bool) -> String {
        let Some(source) = &self.source else {
            // Lines are not broken: they have commands and addresses that people copy.
            let help = self.help.iter().map(|help| format!("\n  help: {help}"));
            return self.label.clone() + &help.collect::<String>();
        };
        let theme = match colours {
            true => GraphicalTheme::unicode(),
            false => GraphicalTheme::unicode_nocolor(),
        };
        let shown = Shown {
            heading,
            severity,
            file: NamedSource::new(&source.name, source.text.clone()).with_language("json5"),
            problem: self,
        };
        let mut text = String::new();
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_links(false)
            // Help has commands and addresses that people copy.
            .with_wrap_lines(false);
        match handler.render_report(&mut text, &shown) {
            Ok(()) => text,
            Err(_) => self.label.clone(),
        }
    }

    /// Returns it as programs read it; lines and columns count from 1, columns in characters.
    pub fn record(&self) -> Record<'_> {
        let before = self.source.as_ref().zip(self.place.as_ref());
        let before = before.map(|(source, place)| &source.text[..place.start]);
        let line_of = |text: &str| text.matches('\n').count() + 1;
        let column_of = |text: &str| text.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Record {
            file: self.source.as_ref().map(|source| source.name.as_str()),
            line: before.map(line_of),
            column: before.map(column_of),
            message: &self.label,
            help: self.help.as_deref(),
        }
    }
}

/// A problem as data.
#[derive(Debug, Serialize)]
pub struct Record<'a> {
    file: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    message: &'a str,
    help: Option<&'a str>,
}

/// What miette draws.
#[derive(Debug, thiserror::Error)]
#[error("{heading}")]
struct Shown<'a> {
    heading: &'a str,
    severity: Severity,
    file: NamedSource<String>,
    problem: &'a Problem,
}

impl Diagnostic for Shown<'_> {
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.problem.help.as_ref()?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.file)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.problem.place.clone()?;
        let label = LabeledSpan::new(Some(self.problem.label.clone()), place.start, place.len());
        Some(Box::new(std::iter::once(label)))
    }
}

/// Mistakes in what the developer wrote, at least one. The program ends with status 2 for these.
#[derive(Debug, Clone)]
pub struct InputError(Vec<Problem>);

impl InputError {
    /// Returns an error that no single line is to blame for.
    pub fn plain(message: impl Into<String>) -> InputError {
        InputError(vec![Problem::plain(message)])
    }

    /// Returns `value` when there are no problems, and else those.
    pub fn unless_none<T>(problems: Vec<Problem>, value: T) -> Result<T, InputError> {
        match problems.is_empty() {
            true => Ok(value),
            false => Err(InputError(problems)),
        }
    }

    /// Returns the value of `outcome` when there are no further problems, and else all that there are.
    pub fn together<T>(outcome: Result<T, InputError>, further: Vec<Problem>) -> Result<T, InputError> {
        match outcome {
            Ok(value) => InputError::unless_none(further, value),
            Err(mut mistakes) => {
                mistakes.0.extend(further);
                Err(mistakes)
            }
        }
    }

    /// Returns the same mistakes, each changed.
    pub fn map(self, change: impl FnMut(Problem) -> Problem) -> InputError {
        InputError(self.0.into_iter().map(change).collect())
    }

    /// Returns the mistakes.
    pub fn into_problems(self) -> Vec<Problem> {
        self.0
    }

    /// Returns the mistakes.
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }

    /// Returns the error as text: every mistake, and, when its place is known, file, line, and a caret below it.
    pub fn render(&self, colours: bool) -> String {
        if let [only] = self.0.as_slice() {
            return only.render(&self.to_string(), Severity::Error, colours);
        }
        let count = self.0.len();
        let one = |(index, problem): (usize, &Problem)| {
            let heading = format!("mistake {} of {count}", index + 1);
            match &problem.source {
                Some(_) => problem
                    .render(&heading, Severity::Error, colours)
                    .trim()
                    .to_string(),
                None => format!(
                    "× {heading}\n  {}",
                    problem.render(&heading, Severity::Error, colours)
                ),
            }
        };
        self.0
            .iter()
            .enumerate()
            .map(one)
            .collect::<Vec<_>>()
            .join("\n\n")
    }
}

impl From<Problem> for InputError {
    fn from(problem: Problem) -> InputError {
        InputError(vec![problem])
    }
}

impl std::error::Error for InputError {}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [
                Problem {
                    source: None, label, ..
                },
            ] => f.write_str(label),
            [
                Problem {
                    source: Some(source), ..
                },
            ] => write!(f, "{} can't be used", source.name),
            several => write!(f, "there are {} mistakes", several.len()),
        }
    }
}
