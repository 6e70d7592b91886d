//! The host calls as a list: what is counted and, in policies, granted by name.

/// One kind of host call; there is one for each method of
/// [`HostCalls`](host_extension::HostCalls).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum HostCall {
    /// Reads one field.
    Header,
    /// Reads a field section.
    Headers,
    /// Changes a field section.
    WriteHeader,
    /// Reads a body.
    Body,
    /// Changes a body.
    WriteBody,
    /// Reads a property.
    Property,
    /// Sets a property.
    SetProperty,
    /// Answers a client from outside a hook.
    Respond,
    /// Breaks a stream off from outside a hook.
    Reset,
    /// Writes a log line.
    Log,
    /// Reads the wall clock.
    Now,
}

impl HostCall {
    /// All host calls, in the order of [`HostCall::index`].
    pub const ALL: [Self; 11] = [
        Self::Header,
        Self::Headers,
        Self::WriteHeader,
        Self::Body,
        Self::WriteBody,
        Self::Property,
        Self::SetProperty,
        Self::Respond,
        Self::Reset,
        Self::Log,
        Self::Now,
    ];

    /// A short stable word for metrics and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Headers => "headers",
            Self::WriteHeader => "write_header",
            Self::Body => "body",
            Self::WriteBody => "write_body",
            Self::Property => "property",
            Self::SetProperty => "set_property",
            Self::Respond => "respond",
            Self::Reset => "reset",
            Self::Log => "log",
            Self::Now => "now",
        }
    }

    /// Its place in [`HostCall::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests;
