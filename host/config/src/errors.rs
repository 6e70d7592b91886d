//! The errors of a file, as a caller gets them: all at once, each with its place.
//!
//! `Display` gives a line for each, [`ConfigErrors::report`] the picture with the lines of the
//! file, [`ConfigErrors::to_json`] the form for programs.

use std::{fmt, sync::Arc};

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode,
};
use serde_json::{Value, json};

use crate::{
    problem::{PROBLEMS_MAX, Problem, Problems},
    tree::Span,
};

/// All that is wrong with one file. Nothing of such a file is ever used.
#[derive(Clone, thiserror::Error)]
pub struct ConfigErrors(Box<Inner>);

#[derive(Clone)]
struct Inner {
    errors: Vec<ConfigError>,
    more: bool,
}

/// One thing that is wrong with a file.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    message: String,
    file: String,
    path: String,
    place: Option<Place>,
    labels: Vec<LabeledSpan>,
    help: Option<String>,
    source_code: Option<Arc<NamedSource<String>>>,
}

/// A place in a file, counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl ConfigErrors {
    pub(crate) fn new(name: &str, text: &str, problems: Problems) -> Self {
        let mut problems = problems.into_sorted();
        let more = problems.len() > PROBLEMS_MAX;
        problems.truncate(PROBLEMS_MAX);
        let source = Arc::new(NamedSource::new(name, text.to_owned()));
        let lines = LineStarts::new(text);
        let errors = problems.into_iter().map(|problem| error(name, problem, &source, &lines));
        Self(Box::new(Inner { errors: errors.collect(), more }))
    }

    /// One error of a file that was not read.
    pub(crate) fn of_file(name: &str, message: String) -> Self {
        let problems = Problems::default();
        problems.add(Problem::of_file(message));
        Self::new(name, "", problems)
    }

    /// The errors, in the order of their places; at most 100.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.errors.iter()
    }

    /// The errors drawn beside the lines of the file, for a person at a terminal, with colours
    /// or without. Colours only add to what can be read without them.
    #[must_use]
    pub fn report(&self, colour: bool) -> String {
        let theme =
            if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_links(false)
            .with_width(100)
            .with_context_lines(1);
        let mut report = String::new();
        for error in &self.0.errors {
            // Without a place there is nothing to draw, but the file has to be named. (Writing
            // to a string does not fail.)
            if error.place.is_none() || handler.render_report(&mut report, error).is_err() {
                report.push_str(&error.line());
                report.push('\n');
            }
            report.push('\n');
        }
        report.push_str(&self.summary());
        report
    }

    /// The errors for a program.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let errors: Vec<Value> = self.iter().map(ConfigError::to_json).collect();
        json!({ "errors": errors, "more": self.0.more })
    }

    fn summary(&self) -> String {
        let count = self.0.errors.len();
        let noun = if count == 1 { "error" } else { "errors" };
        if self.0.more {
            format!("more than {count} {noun}\n")
        } else {
            format!("{count} {noun}\n")
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.0.errors.iter().enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(f, "{separator}{}", error.line())?;
        }
        if self.0.more { f.write_str("\nand more") } else { Ok(()) }
    }
}

impl fmt::Debug for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl ConfigError {
    /// Where it is; `None` where the file as a whole is meant.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.place
    }

    /// The way from the root of the file to what is wrong: `listeners[0].address`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Advice, where there is some.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }

    fn line(&self) -> String {
        let place = self
            .place
            .map_or_else(String::new, |place| format!(":{}:{}", place.line, place.column));
        let help = self.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
        format!("{}{place}: {}{help}", self.file, self.message)
    }

    fn to_json(&self) -> Value {
        json!({
            "file": self.file,
            "line": self.place.map(|place| place.line),
            "column": self.place.map(|place| place.column),
            "path": self.path,
            "message": self.message,
            "help": self.help,
        })
    }
}

impl Diagnostic for ConfigError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source_code.as_deref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

impl Diagnostic for ConfigErrors {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        // The others are told in full by the text of all.
        let drawn = self.0.errors.iter().filter(|error| error.source_code.is_some());
        Some(Box::new(drawn.map(|error| error as &dyn Diagnostic)))
    }
}

fn error(
    name: &str,
    problem: Problem,
    source: &Arc<NamedSource<String>>,
    lines: &LineStarts<'_>,
) -> ConfigError {
    let place = problem.span.as_ref().map(|span| lines.place(span.start));
    let mut labels = Vec::new();
    if let Some(span) = &problem.span {
        let (start, length) = lines.first_line(span);
        labels.push(LabeledSpan::new_primary_with_span(Some(problem.label), (start, length)));
    }
    if let Some((span, label)) = &problem.other {
        let (start, length) = lines.first_line(span);
        labels.push(LabeledSpan::new_with_span(Some(label.clone()), (start, length)));
    }
    ConfigError {
        message: problem.message,
        file: name.to_owned(),
        path: problem.path.to_string(),
        place,
        source_code: problem
            .span
            .as_ref()
            .filter(|span| lines.can_be_shown(span.start))
            .map(|_| source.clone()),
        labels,
        help: problem.help,
    }
}

/// Where the lines of a text begin.
pub(crate) struct LineStarts<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> LineStarts<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(ends).collect() }
    }

    pub(crate) fn place(&self, at: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= at);
        let start = line.checked_sub(1).and_then(|line| self.starts.get(line)).copied();
        let before = self.text.get(start.unwrap_or_default()..at).unwrap_or_default();
        Place { line, column: before.chars().count() + 1 }
    }

    /// As [`LineStarts::place`], of what comes behind a place that is known.
    pub(crate) fn place_behind(&self, (known_at, known): (usize, Place), at: usize) -> Place {
        let next_line = self.starts.get(known.line).copied().unwrap_or(usize::MAX);
        if at >= next_line {
            return self.place(at);
        }
        let between = self.text.get(known_at..at).unwrap_or_default();
        Place { line: known.line, column: known.column + between.chars().count() }
    }

    /// True where the line of a place and its neighbours are short enough to be drawn: each
    /// error draws them, and a file may be one line.
    fn can_be_shown(&self, at: usize) -> bool {
        let line = self.starts.partition_point(|start| *start <= at);
        let start_of = |line: usize| self.starts.get(line).copied().unwrap_or(self.text.len());
        let drawn = start_of(line + 1) - start_of(line.saturating_sub(2));
        drawn <= DRAWN_BYTES_MAX
    }

    /// The part of a span that is on its first line, as start and length.
    fn first_line(&self, span: &Span) -> (usize, usize) {
        let text = self.text.get(span.clone()).unwrap_or_default();
        let line = text.lines().next().unwrap_or_default().trim_end();
        (span.start, line.len())
    }
}

/// Most bytes of the lines that one error draws.
const DRAWN_BYTES_MAX: usize = 2048;

#[cfg(test)]
mod tests;
