//! The numbers of the interface by name.

/// A number that names nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{number} is no {kind}")]
pub struct UnknownNumber {
    /// What it should have been.
    pub kind: &'static str,
    /// The number.
    pub number: u32,
}

macro_rules! numbers {
    ($(#[$doc:meta])* $name:ident as $kind:literal { $($(#[$item_doc:meta])* $item:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[repr(u32)]
        pub enum $name {
            $($(#[$item_doc])* $item = $number,)*
        }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$item),*];
        }

        impl TryFrom<u32> for $name {
            type Error = UnknownNumber;

            fn try_from(number: u32) -> Result<Self, UnknownNumber> {
                match number {
                    $($number => Ok(Self::$item),)*
                    _ => Err(UnknownNumber { kind: $kind, number }),
                }
            }
        }

        impl From<$name> for u32 {
            fn from(value: $name) -> Self {
                match value {
                    $($name::$item => $number,)*
                }
            }
        }
    };
}

numbers! {
    /// What a host call answers.
    Status as "status" {
        /// Done.
        Ok = 0,
        /// What was asked for is not there.
        NotFound = 1,
        /// An argument makes no sense, or not in this phase.
        BadArgument = 2,
        /// A value could not be written as bytes.
        SerializationFailure = 3,
        /// Bytes could not be read as a value.
        ParseFailure = 4,
        /// A pointer outside of the guest's memory.
        InvalidMemoryAccess = 6,
        /// A queue has nothing.
        Empty = 7,
        /// Somebody else changed the value first.
        CasMismatch = 8,
        /// The host could not do it.
        InternalFailure = 10,
        /// This host does not offer it.
        Unimplemented = 12,
    }
}

numbers! {
    /// The severity of a log line.
    LogLevel as "log level" {
        /// The finest.
        Trace = 0,
        /// For debugging.
        Debug = 1,
        /// Worth knowing.
        Info = 2,
        /// Odd, but handled.
        Warn = 3,
        /// Something failed.
        Error = 4,
        /// The guest cannot go on.
        Critical = 5,
    }
}

numbers! {
    /// What a callback answers. Guests of some SDKs answer with larger numbers; see
    /// [`Action::stops`].
    Action as "action" {
        /// Go on.
        Continue = 0,
        /// Stop here until told to go on.
        Pause = 1,
    }
}

impl Action {
    /// What the answer of a header callback means, with the numbers that the C++ SDK adds:
    /// 2 (continue and end) behaves as continue, and all above stop.
    #[must_use]
    pub fn of_headers(number: u32) -> Self {
        match number {
            0 | 2 => Self::Continue,
            _ => Self::Pause,
        }
    }

    /// What the answer of a body or trailer callback means: the numbers above 1 are ways to
    /// stop that differ in who keeps the bytes.
    #[must_use]
    pub fn of_data(number: u32) -> Self {
        match number {
            0 => Self::Continue,
            _ => Self::Pause,
        }
    }

    /// True for [`Action::Pause`].
    #[must_use]
    pub fn stops(self) -> bool {
        self == Self::Pause
    }
}

numbers! {
    /// A buffer that a guest can read, and in part write.
    BufferType as "buffer" {
        /// The request's body.
        RequestBody = 0,
        /// The response's body.
        ResponseBody = 1,
        /// Bytes from the client.
        DownstreamData = 2,
        /// Bytes from the upstream.
        UpstreamData = 3,
        /// The body of an HTTP call's answer.
        HttpCallResponseBody = 4,
        /// A gRPC message.
        GrpcReceiveBuffer = 5,
        /// The configuration of the VM.
        VmConfiguration = 6,
        /// The configuration of the plugin.
        PluginConfiguration = 7,
        /// The arguments of a foreign call.
        CallData = 8,
    }
}

numbers! {
    /// A field section.
    MapType as "header map" {
        /// The request's head.
        RequestHeaders = 0,
        /// The request's trailers.
        RequestTrailers = 1,
        /// The response's head.
        ResponseHeaders = 2,
        /// The response's trailers.
        ResponseTrailers = 3,
        /// The first metadata of a gRPC answer.
        GrpcInitialMetadata = 4,
        /// The last metadata of a gRPC answer.
        GrpcTrailingMetadata = 5,
        /// The head of an HTTP call's answer.
        HttpCallResponseHeaders = 6,
        /// The trailers of an HTTP call's answer.
        HttpCallResponseTrailers = 7,
    }
}

numbers! {
    /// A direction that can be continued or closed.
    StreamType as "stream type" {
        /// The request.
        Request = 0,
        /// The response.
        Response = 1,
        /// Bytes from the client.
        Downstream = 2,
        /// Bytes from the upstream.
        Upstream = 3,
    }
}

numbers! {
    /// Who closed a connection.
    PeerType as "peer type" {
        /// Not known.
        Unknown = 0,
        /// The host.
        Local = 1,
        /// The other side.
        Remote = 2,
    }
}

numbers! {
    /// The kind of a metric.
    MetricType as "metric type" {
        /// Only grows.
        Counter = 0,
        /// Goes up and down.
        Gauge = 1,
        /// Counts values by size.
        Histogram = 2,
    }
}

#[cfg(test)]
mod tests;
