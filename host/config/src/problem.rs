//! What is wrong with a file, gathered while it is read, checked and made into a plan.

use std::{cell::RefCell, fmt, rc::Rc};

use crate::{suggest, tree::Span};

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) message: String,
    /// `None` where the file as a whole is meant.
    pub(crate) span: Option<Span>,
    /// What stands under the marked place.
    pub(crate) label: String,
    /// A second place that belongs to it, with its label.
    pub(crate) other: Option<(Span, String)>,
    pub(crate) help: Option<String>,
    pub(crate) path: Path,
}

/// The way from the root of a file to a value: `listeners[0].routes[2].cluster`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Path(Option<Rc<(Self, Segment)>>);

#[derive(Clone, Debug)]
enum Segment {
    Key(String),
    Item(usize),
}

/// All that is wrong with one file, up to a limit.
#[derive(Debug, Default)]
pub(crate) struct Problems(RefCell<Vec<Problem>>);

/// Most problems that are told at once.
pub(crate) const PROBLEMS_MAX: usize = 100;

impl Problem {
    pub(crate) fn new(message: impl Into<String>, span: Span, label: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            span: Some(span),
            label: label.into(),
            other: None,
            help: None,
            path: Path::default(),
        }
    }

    /// A problem of the file as a whole.
    pub(crate) fn of_file(message: impl Into<String>) -> Self {
        Self { span: None, ..Self::new(message, 0..0, "") }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Small enough to be an error that functions return.
    pub(crate) fn boxed(self) -> Box<Self> {
        Box::new(self)
    }

    pub(crate) fn at(mut self, path: &Path) -> Self {
        self.path = path.clone();
        self
    }

    /// Helps with a word that is not among the known ones.
    pub(crate) fn suggest<'a>(
        self,
        word: &str,
        known: impl Iterator<Item = &'a str> + Clone,
        what: &str,
    ) -> Self {
        match suggest::nearest(word, known.clone()) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => match suggest::list(known) {
                Some(list) => self.help(format!("{what}: {list}")),
                None => self,
            },
        }
    }
}

impl Problems {
    /// Takes over what was gathered elsewhere.
    pub(crate) fn append(&self, others: Self) {
        for problem in others.0.into_inner() {
            self.add(problem);
        }
    }

    /// Adds a problem. What an alias repeats is told once, and there is an end to it.
    pub(crate) fn add(&self, problem: Problem) {
        let mut problems = self.0.borrow_mut();
        let told = |known: &Problem| known.span == problem.span && known.message == problem.message;
        if problems.len() <= PROBLEMS_MAX && !problems.iter().any(told) {
            problems.push(problem);
        }
    }

    /// Adds a problem of two places.
    pub(crate) fn twice(&self, message: String, span: Span, label: &str, first: Span) {
        let other = Some((first, String::from("first here")));
        self.add(Problem { other, ..Problem::new(message, span, label) });
    }

    pub(crate) fn is_full(&self) -> bool {
        self.0.borrow().len() > PROBLEMS_MAX
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// All of them in the order of their places.
    pub(crate) fn into_sorted(self) -> Vec<Problem> {
        let mut problems = self.0.into_inner();
        problems.sort_by_key(|problem| problem.span.as_ref().map(|span| span.start));
        problems
    }
}

impl Path {
    pub(crate) fn key(&self, key: &str) -> Self {
        Self(Some(Rc::new((self.clone(), Segment::Key(key.to_owned())))))
    }

    pub(crate) fn item(&self, place: usize) -> Self {
        Self(Some(Rc::new((self.clone(), Segment::Item(place)))))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(step) = &self.0 else { return Ok(()) };
        let (before, segment) = &**step;
        before.fmt(f)?;
        match segment {
            Segment::Key(key) if before.0.is_none() => f.write_str(key),
            Segment::Key(key) => write!(f, ".{key}"),
            Segment::Item(place) => write!(f, "[{place}]"),
        }
    }
}
