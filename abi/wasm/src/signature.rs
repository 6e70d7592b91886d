//! The shape of a function that a host offers to a guest.

/// The type of a parameter; the interfaces know only these two.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ParamType {
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
}

/// One function of a host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HostFunction {
    /// Its name in the import section.
    pub name: &'static str,
    shape: &'static str,
    answers: bool,
}

impl HostFunction {
    /// A function that answers with an `i32`; `shape` has a letter for each parameter:
    /// `i` for 32 bits, `l` for 64.
    pub(crate) const fn new(name: &'static str, shape: &'static str) -> Self {
        Self { name, shape, answers: true }
    }

    /// A function without a result.
    pub(crate) const fn silent(name: &'static str, shape: &'static str) -> Self {
        Self { name, shape, answers: false }
    }

    /// The types of its parameters, in order.
    pub fn params(&self) -> impl Iterator<Item = ParamType> {
        self.shape.bytes().map(|letter| match letter {
            b'l' => ParamType::I64,
            _ => ParamType::I32,
        })
    }

    /// True where it answers with an `i32`.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.answers
    }
}
