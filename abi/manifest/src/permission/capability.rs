//! The catalogue of capabilities: equal entries, in the order of the documentation.

/// One kind of thing that a plugin may do.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Capability {
    /// Read fields of the request's head and trailers.
    HeadersRequestRead,
    /// Add, change and remove such fields of the request.
    HeadersRequestWrite,
    /// Read fields of the response's head and trailers.
    HeadersResponseRead,
    /// Add, change and remove such fields of the response.
    HeadersResponseWrite,
    /// Read the request's body.
    BodyRequestRead,
    /// Change the request's body.
    BodyRequestWrite,
    /// Read the response's body.
    BodyResponseRead,
    /// Change the response's body.
    BodyResponseWrite,
    /// Answer a request itself, in place of the upstream.
    Reply,
    /// Change where a request goes: `:method`, `:scheme`, `:authority`, `:path` and `host`.
    Route,
    /// Break off a stream, close a connection.
    Close,
    /// Read properties of the host, of connections and of streams, by path (`source.address`).
    PropertiesRead,
    /// Set attributes that other plugins and the access log can read, by path.
    PropertiesWrite,
    /// Send HTTP requests to clusters, by their name.
    HttpCall,
    /// Call gRPC methods of clusters, by their name.
    GrpcCall,
    /// Read values that plugins share on all workers.
    SharedDataRead,
    /// Set such values.
    SharedDataWrite,
    /// Make queues, put items into them and take items out.
    Queues,
    /// Define metrics, count, and read its own.
    Metrics,
    /// Write to the log.
    Log,
    /// Read the clocks.
    Clock,
    /// Draw random numbers.
    Random,
    /// Be called again and again by a timer.
    Ticks,
    /// See environment variables, by their name, of those that the configuration gives it.
    Environment,
    /// Call functions that the host has beside the interface, by their name.
    Foreign,
    /// Read the bytes that a client sends on a connection.
    TcpDownstreamRead,
    /// Change such bytes.
    TcpDownstreamWrite,
    /// Read the bytes that a client is sent on a connection.
    TcpUpstreamRead,
    /// Change such bytes.
    TcpUpstreamWrite,
    /// Read files and directories, by their absolute path, where it runs as a process.
    FilesRead,
}

/// What the pattern behind a capability is matched with.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Argument {
    /// There is none: it is granted as a whole.
    None,
    /// The name of a header field, in any case.
    Header,
    /// The path of a property, its parts joined by `.`.
    Property,
    /// The name of a cluster.
    Cluster,
    /// A namespace of shared data and queues. Without a pattern: the plugin's own.
    Namespace,
    /// The name of an environment variable.
    Variable,
    /// The name of a function.
    Function,
    /// An absolute path: this one, and all below where it is a directory.
    Path,
}

impl Capability {
    /// All of them, in the order of [`Capability::index`].
    pub const ALL: [Self; 30] = [
        Self::HeadersRequestRead,
        Self::HeadersRequestWrite,
        Self::HeadersResponseRead,
        Self::HeadersResponseWrite,
        Self::BodyRequestRead,
        Self::BodyRequestWrite,
        Self::BodyResponseRead,
        Self::BodyResponseWrite,
        Self::Reply,
        Self::Route,
        Self::Close,
        Self::PropertiesRead,
        Self::PropertiesWrite,
        Self::HttpCall,
        Self::GrpcCall,
        Self::SharedDataRead,
        Self::SharedDataWrite,
        Self::Queues,
        Self::Metrics,
        Self::Log,
        Self::Clock,
        Self::Random,
        Self::Ticks,
        Self::Environment,
        Self::Foreign,
        Self::TcpDownstreamRead,
        Self::TcpDownstreamWrite,
        Self::TcpUpstreamRead,
        Self::TcpUpstreamWrite,
        Self::FilesRead,
    ];

    /// How it is written in manifests, policies, metrics and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::HeadersRequestRead => "headers.request.read",
            Self::HeadersRequestWrite => "headers.request.write",
            Self::HeadersResponseRead => "headers.response.read",
            Self::HeadersResponseWrite => "headers.response.write",
            Self::BodyRequestRead => "body.request.read",
            Self::BodyRequestWrite => "body.request.write",
            Self::BodyResponseRead => "body.response.read",
            Self::BodyResponseWrite => "body.response.write",
            Self::Reply => "reply",
            Self::Route => "route",
            Self::Close => "close",
            Self::PropertiesRead => "properties.read",
            Self::PropertiesWrite => "properties.write",
            Self::HttpCall => "http_call",
            Self::GrpcCall => "grpc_call",
            Self::SharedDataRead => "shared_data.read",
            Self::SharedDataWrite => "shared_data.write",
            Self::Queues => "queues",
            Self::Metrics => "metrics",
            Self::Log => "log",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Ticks => "ticks",
            Self::Environment => "environment",
            Self::Foreign => "foreign",
            Self::TcpDownstreamRead => "tcp.downstream.read",
            Self::TcpDownstreamWrite => "tcp.downstream.write",
            Self::TcpUpstreamRead => "tcp.upstream.read",
            Self::TcpUpstreamWrite => "tcp.upstream.write",
            Self::FilesRead => "files.read",
        }
    }

    /// What a pattern behind it is matched with.
    #[must_use]
    pub const fn argument(self) -> Argument {
        match self {
            Self::HeadersRequestRead
            | Self::HeadersRequestWrite
            | Self::HeadersResponseRead
            | Self::HeadersResponseWrite => Argument::Header,
            Self::BodyRequestRead
            | Self::BodyRequestWrite
            | Self::BodyResponseRead
            | Self::BodyResponseWrite
            | Self::Reply
            | Self::Route
            | Self::Close
            | Self::Metrics
            | Self::Log
            | Self::Clock
            | Self::Random
            | Self::Ticks
            | Self::TcpDownstreamRead
            | Self::TcpDownstreamWrite
            | Self::TcpUpstreamRead
            | Self::TcpUpstreamWrite => Argument::None,
            Self::PropertiesRead | Self::PropertiesWrite => Argument::Property,
            Self::HttpCall | Self::GrpcCall => Argument::Cluster,
            Self::SharedDataRead | Self::SharedDataWrite | Self::Queues => Argument::Namespace,
            Self::Environment => Argument::Variable,
            Self::Foreign => Argument::Function,
            Self::FilesRead => Argument::Path,
        }
    }

    /// What it lets a plugin do, in a sentence; documentation is made of it.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        match self {
            Self::HeadersRequestRead => {
                "Read fields of the request's head and trailers; others are as if they were not there."
            }
            Self::HeadersRequestWrite => {
                "Add, change and remove such fields of the request. Not those that frame or route a message: see `route`, and name framing fields exactly."
            }
            Self::HeadersResponseRead => {
                "Read fields of the response's head and trailers; others are as if they were not there."
            }
            Self::HeadersResponseWrite => {
                "Add, change and remove such fields of the response. Name framing fields exactly."
            }
            Self::BodyRequestRead => "Read the request's body.",
            Self::BodyRequestWrite => "Change the request's body.",
            Self::BodyResponseRead => "Read the response's body.",
            Self::BodyResponseWrite => "Change the response's body.",
            Self::Reply => {
                "Answer a request itself, in place of the upstream, with fields and a body of its own."
            }
            Self::Route => {
                "Change where a request goes: `:method`, `:scheme`, `:authority`, `:path` and `host`."
            }
            Self::Close => "Break off a stream, close a connection.",
            Self::PropertiesRead => {
                "Read properties of the host, of connections and of streams, by path (`source.address`)."
            }
            Self::PropertiesWrite => {
                "Set attributes that other plugins and the access log can read, by path."
            }
            Self::HttpCall => "Send HTTP requests to clusters, by their name.",
            Self::GrpcCall => "Call gRPC methods of clusters, by their name.",
            Self::SharedDataRead => "Read values that plugins share on all workers.",
            Self::SharedDataWrite => "Set such values.",
            Self::Queues => "Make queues, put items into them and take items out.",
            Self::Metrics => "Define metrics, count, and read its own.",
            Self::Log => "Write to the log.",
            Self::Clock => "Read the clocks.",
            Self::Random => "Draw random numbers.",
            Self::Ticks => "Be called again and again by a timer.",
            Self::Environment => {
                "See environment variables, by their name, of those that the configuration gives it."
            }
            Self::Foreign => {
                "Call functions that the host has beside the interface, by their name."
            }
            Self::TcpDownstreamRead => "Read the bytes that a client sends on a connection.",
            Self::TcpDownstreamWrite => "Change such bytes.",
            Self::TcpUpstreamRead => "Read the bytes that a client is sent on a connection.",
            Self::TcpUpstreamWrite => "Change such bytes.",
            Self::FilesRead => {
                "Read files and directories, by their absolute path, where it runs as a process."
            }
        }
    }

    /// Its place in [`Capability::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// The word of the catalogue that is nearest to what was written, if one is near.
pub(super) fn nearest(written: &str) -> Option<&'static str> {
    let words = Capability::ALL.map(Capability::word);
    let rated = words.map(|word| (strsim::jaro_winkler(written, word), word));
    let best = rated.into_iter().max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 > 0.8).then_some(best.1)
}
