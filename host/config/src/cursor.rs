//! Walks the tree of a file in step with the model that was made of it, so that a check of the
//! model can point at the place in the file.

use crate::{
    problem::{Path, Problem, Problems},
    tree::{Entry, Node, Span, Tree},
};

/// A place in the tree. Of what the file does not say, it is the place where that would stand.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    node: Option<&'a Node>,
    /// What a problem points at.
    span: Span,
    path: Path,
    problems: &'a Problems,
}

impl<'a> Cursor<'a> {
    pub(crate) fn root(node: &'a Node, problems: &'a Problems) -> Self {
        Self { node: Some(node), span: node.head_span(), path: Path::default(), problems }
    }

    /// The value of a key.
    pub(crate) fn key(&self, key: &str) -> Self {
        let value = self.entry(key).map(|entry| &entry.value);
        self.child(value.map(|value| (value, value.head_span())), self.path.key(key))
    }

    /// The key itself, for problems that are not about its value.
    pub(crate) fn name(&self, key: &str) -> Self {
        let entry = self.entry(key);
        let found = entry.map(|entry| (&entry.value, entry.key_span.clone()));
        self.child(found, self.path.key(key))
    }

    /// True where this map says something of a key.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// An item of a list.
    pub(crate) fn item(&self, place: usize) -> Self {
        let item = self.node.and_then(|node| node.items().get(place));
        self.child(item.map(|item| (item, item.head_span())), self.path.item(place))
    }

    /// The items of a list with what the model made of each.
    pub(crate) fn zip<'m, T>(
        &'m self,
        models: &'m [T],
    ) -> impl Iterator<Item = (Self, &'m T)> + use<'a, 'm, T> {
        models.iter().enumerate().map(|(place, model)| (self.item(place), model))
    }

    /// True where nothing in this map was refused before: only then may what is missing be
    /// called missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.node.is_some_and(|node| !node.damaged && !node.missing)
    }

    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// A problem of this place, to be added with [`Cursor::add`].
    pub(crate) fn problem(&self, message: impl Into<String>, label: &str) -> Problem {
        Problem::new(message, self.span.clone(), label).at(&self.path)
    }

    /// Tells a problem of this place, unless it only stands in for what is missing.
    pub(crate) fn add(&self, problem: Problem) {
        if !self.node.is_some_and(|node| node.missing) {
            self.problems.add(problem);
        }
    }

    /// True where no further problem will be told.
    pub(crate) fn is_enough(&self) -> bool {
        self.problems.is_full()
    }

    /// Tells that this place is wrong. `None`, to be returned by who can make nothing of it.
    pub(crate) fn refuse<T>(&self, message: impl Into<String>, label: &str) -> Option<T> {
        self.add(self.problem(message, label));
        None
    }

    /// As [`Cursor::refuse`], with advice.
    pub(crate) fn refuse_with<T>(
        &self,
        message: impl Into<String>,
        label: &str,
        help: &str,
    ) -> Option<T> {
        self.add(self.problem(message, label).help(help));
        None
    }

    /// Tells that this place says what `first` said before.
    pub(crate) fn refuse_twice(&self, message: impl Into<String>, first: Span) {
        let other = Some((first, String::from("first here")));
        self.add(Problem { other, ..self.problem(message, "again here") });
    }

    fn entry(&self, key: &str) -> Option<&'a Entry> {
        let node = self.node?;
        // An entry that says nothing (`key:` alone) is as good as none.
        node.entry(key).filter(|entry| !matches!(entry.value.tree, Tree::Null))
    }

    fn child(&self, found: Option<(&'a Node, Span)>, path: Path) -> Self {
        let (node, span) = match found {
            Some((node, span)) => (Some(node), span),
            None => (None, self.span.clone()),
        };
        Self { node, span, path, problems: self.problems }
    }
}
