//! The numbers of the contract. An enum of another language never crosses: what comes in is a
//! number, and one that is not known is an answer, too.

/// The version of the contract: libraries of another one are refused.
pub const MAJOR: u16 = 1;
/// How far the tables have grown since [`MAJOR`].
pub const MINOR: u16 = 1;

/// What the file of a library begins its mark with.
pub const MAGIC: [u8; 8] = *b"MORTISE\0";
/// The symbol of that mark.
pub const ABI_SYMBOL: &str = "mortise_plugin_abi";
/// The symbol of the function that a library is entered by.
pub const ENTRY_SYMBOL: &str = "mortise_plugin_entry";

/// What a library has beside the C table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Nothing.
    C,
    /// The abi_stable module.
    Rust,
}

impl Kind {
    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::C => 1,
            Self::Rust => 2,
        }
    }

    /// The kind of a number.
    #[must_use]
    pub const fn of(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::C),
            2 => Some(Self::Rust),
            _ => None,
        }
    }
}

/// Why a call was not carried out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// What was asked for is not there.
    NotFound,
    /// An argument makes no sense.
    BadArgument,
    /// Not in this phase.
    WrongPhase,
    /// Not granted.
    Denied,
    /// A limit was reached.
    LimitReached,
    /// Not offered.
    Unsupported,
    /// Somebody else changed it.
    Conflict,
    /// Nothing is in it.
    Empty,
}

/// The status of a call that was carried out.
pub const OK: u32 = 0;

impl Refusal {
    const ALL: [Self; 8] = [
        Self::NotFound,
        Self::BadArgument,
        Self::WrongPhase,
        Self::Denied,
        Self::LimitReached,
        Self::Unsupported,
        Self::Conflict,
        Self::Empty,
    ];

    /// Its status.
    #[must_use]
    pub const fn status(self) -> u32 {
        self as u32 + 1
    }

    /// What a status says. Numbers to come are failures, too.
    ///
    /// # Errors
    /// The call was not carried out.
    pub fn of(status: u32) -> Result<(), Self> {
        match status {
            OK => Ok(()),
            other => Err(Self::ALL
                .into_iter()
                .find(|it| it.status() == other)
                .unwrap_or(Self::Unsupported)),
        }
    }
}

/// What a callback answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Go on.
    Continue,
    /// Wait.
    Pause,
    /// Answer the client with what was given to `respond`.
    Respond,
    /// Break off.
    Reset,
    /// The instance failed.
    Failed,
}

impl Action {
    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The action of a number.
    #[must_use]
    pub const fn of(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Continue),
            1 => Some(Self::Pause),
            2 => Some(Self::Respond),
            3 => Some(Self::Reset),
            4 => Some(Self::Failed),
            _ => None,
        }
    }
}

/// A section of fields.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Section {
    /// The request's head.
    RequestHeaders,
    /// The request's trailers.
    RequestTrailers,
    /// The response's head.
    ResponseHeaders,
    /// The response's trailers.
    ResponseTrailers,
}

impl Section {
    /// The section of a number.
    #[must_use]
    pub const fn of(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::RequestHeaders),
            1 => Some(Self::RequestTrailers),
            2 => Some(Self::ResponseHeaders),
            3 => Some(Self::ResponseTrailers),
            _ => None,
        }
    }
}

/// One of two directions: the request or the client's bytes, the response or those for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// From the client.
    In,
    /// To the client.
    Out,
}

impl Way {
    /// The direction of a number.
    #[must_use]
    pub const fn of(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::In),
            1 => Some(Self::Out),
            _ => None,
        }
    }
}

/// A change of a field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// To one value.
    Set,
    /// Behind the values that it has.
    Add,
    /// Away with all values.
    Remove,
}

impl Change {
    /// The change of a number.
    #[must_use]
    pub const fn of(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Set),
            1 => Some(Self::Add),
            2 => Some(Self::Remove),
            _ => None,
        }
    }
}

/// The kind of a metric.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Metric {
    /// It only grows.
    Counter,
    /// It has a value.
    Gauge,
    /// It takes values.
    Histogram,
}

impl Metric {
    /// The kind of a number.
    #[must_use]
    pub const fn of(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Counter),
            1 => Some(Self::Gauge),
            2 => Some(Self::Histogram),
            _ => None,
        }
    }
}

/// The level of a line of the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// The finest.
    Trace,
    /// For debugging.
    Debug,
    /// Worth knowing.
    Info,
    /// Odd, but handled.
    Warn,
    /// Something failed.
    Error,
    /// The plugin cannot go on.
    Critical,
}

impl Level {
    /// The level of a number.
    #[must_use]
    pub const fn of(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Trace),
            1 => Some(Self::Debug),
            2 => Some(Self::Info),
            3 => Some(Self::Warn),
            4 => Some(Self::Error),
            5 => Some(Self::Critical),
            _ => None,
        }
    }
}

/// Who closed a side of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    /// Not known.
    Unknown,
    /// The proxy.
    Local,
    /// The other side.
    Remote,
}

impl Peer {
    /// Who it is by number; one that is not known is not known.
    #[must_use]
    pub const fn of(number: u32) -> Self {
        match number {
            1 => Self::Local,
            2 => Self::Remote,
            _ => Self::Unknown,
        }
    }
}

/// What the first bytes of a connection say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Detection {
    /// It is this protocol.
    Match,
    /// More bytes must tell.
    More,
    /// It is another one.
    No,
}

impl Detection {
    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The meaning of a number.
    #[must_use]
    pub const fn of(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Match),
            1 => Some(Self::More),
            2 => Some(Self::No),
            _ => None,
        }
    }
}

/// The flag of a frame that says how long its caller waits.
pub const FRAME_HAS_TIMEOUT: u32 = 1;
/// The flag of a frame with something wrong inside.
pub const FRAME_MALFORMED: u32 = 2;
/// The flag of a rewrite whose fields are not those that came.
pub const FIELDS_CHANGED: u32 = 1;
/// The flag of a rewrite whose body is not the one that came.
pub const BODY_CHANGED: u32 = 2;
/// The flag of a protocol on which the proxy may send heartbeats of its own.
pub const CODEC_HEARTBEATS: u32 = 1;
/// The flag of a protocol that has a go-away frame.
pub const CODEC_GO_AWAY: u32 = 2;
/// Most frames of one answer.
pub const FRAMES_MAX: usize = 1024;
