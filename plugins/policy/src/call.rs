//! The host calls as a list: what is counted, and which capability each takes.

use abi_manifest::Capability;

/// One kind of host call; there is one for each method of
/// [`HostCalls`](host_extension::HostCalls) and of
/// [`GrpcStream`](host_extension::GrpcStream).
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
    /// Reads a connection's bytes.
    Data,
    /// Changes a connection's bytes.
    WriteData,
    /// Reads a property.
    Property,
    /// Sets a property.
    SetProperty,
    /// Answers a client from outside a hook.
    Respond,
    /// Breaks a stream off from outside a hook.
    Reset,
    /// Closes a connection.
    Close,
    /// Sends an HTTP request to a cluster.
    HttpCall,
    /// Opens a gRPC stream to a cluster.
    GrpcStream,
    /// Sends a message on such a stream.
    GrpcSend,
    /// Says that no more messages come on such a stream.
    GrpcClose,
    /// Sets a timer.
    Every,
    /// Reads a shared value.
    SharedData,
    /// Sets a shared value.
    SetSharedData,
    /// Registers at a queue.
    RegisterQueue,
    /// Finds a queue.
    ResolveQueue,
    /// Puts an item into a queue.
    Enqueue,
    /// Takes an item out of a queue.
    Dequeue,
    /// Defines a metric.
    DefineMetric,
    /// Records a value of a metric.
    RecordMetric,
    /// Moves a metric.
    IncrementMetric,
    /// Reads a metric.
    Metric,
    /// Calls a function beside the interface.
    Foreign,
    /// Writes a log line.
    Log,
    /// Reads the wall clock.
    Now,
}

impl HostCall {
    /// All host calls, in the order of [`HostCall::index`].
    pub const ALL: [Self; 30] = [
        Self::Header,
        Self::Headers,
        Self::WriteHeader,
        Self::Body,
        Self::WriteBody,
        Self::Data,
        Self::WriteData,
        Self::Property,
        Self::SetProperty,
        Self::Respond,
        Self::Reset,
        Self::Close,
        Self::HttpCall,
        Self::GrpcStream,
        Self::GrpcSend,
        Self::GrpcClose,
        Self::Every,
        Self::SharedData,
        Self::SetSharedData,
        Self::RegisterQueue,
        Self::ResolveQueue,
        Self::Enqueue,
        Self::Dequeue,
        Self::DefineMetric,
        Self::RecordMetric,
        Self::IncrementMetric,
        Self::Metric,
        Self::Foreign,
        Self::Log,
        Self::Now,
    ];

    /// A short stable word for metrics and logs: the name of the method.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Headers => "headers",
            Self::WriteHeader => "write_header",
            Self::Body => "body",
            Self::WriteBody => "write_body",
            Self::Data => "data",
            Self::WriteData => "write_data",
            Self::Property => "property",
            Self::SetProperty => "set_property",
            Self::Respond => "respond",
            Self::Reset => "reset",
            Self::Close => "close",
            Self::HttpCall => "http_call",
            Self::GrpcStream => "grpc_stream",
            Self::GrpcSend => "grpc_send",
            Self::GrpcClose => "grpc_close",
            Self::Every => "every",
            Self::SharedData => "shared_data",
            Self::SetSharedData => "set_shared_data",
            Self::RegisterQueue => "register_queue",
            Self::ResolveQueue => "resolve_queue",
            Self::Enqueue => "enqueue",
            Self::Dequeue => "dequeue",
            Self::DefineMetric => "define_metric",
            Self::RecordMetric => "record_metric",
            Self::IncrementMetric => "increment_metric",
            Self::Metric => "metric",
            Self::Foreign => "foreign",
            Self::Log => "log",
            Self::Now => "now",
        }
    }

    /// What it takes: one of these, by what it is about; none where it is only counted, or asks
    /// for what an earlier call was allowed.
    #[must_use]
    pub const fn capabilities(self) -> &'static [Capability] {
        use Capability as Of;
        match self {
            Self::Header | Self::Headers => &[Of::HeadersRequestRead, Of::HeadersResponseRead],
            Self::WriteHeader => &[Of::HeadersRequestWrite, Of::HeadersResponseWrite, Of::Route],
            Self::Body => &[Of::BodyRequestRead, Of::BodyResponseRead],
            Self::WriteBody => &[Of::BodyRequestWrite, Of::BodyResponseWrite],
            Self::Data => &[Of::TcpDownstreamRead, Of::TcpUpstreamRead],
            Self::WriteData => &[Of::TcpDownstreamWrite, Of::TcpUpstreamWrite],
            Self::Property => {
                &[Of::PropertiesRead, Of::HeadersRequestRead, Of::HeadersResponseRead]
            }
            Self::SetProperty => &[Of::PropertiesWrite],
            Self::Respond => &[Of::Reply],
            Self::Reset | Self::Close => &[Of::Close],
            Self::HttpCall => &[Of::HttpCall],
            Self::GrpcStream => &[Of::GrpcCall],
            Self::GrpcSend | Self::GrpcClose => &[],
            Self::Every => &[Of::Ticks],
            Self::SharedData => &[Of::SharedDataRead],
            Self::SetSharedData => &[Of::SharedDataWrite],
            Self::RegisterQueue | Self::ResolveQueue | Self::Enqueue | Self::Dequeue => {
                &[Of::Queues]
            }
            Self::DefineMetric | Self::RecordMetric | Self::IncrementMetric | Self::Metric => {
                &[Of::Metrics]
            }
            Self::Foreign => &[Of::Foreign, Of::PropertiesWrite],
            Self::Log => &[Of::Log],
            Self::Now => &[Of::Clock],
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
