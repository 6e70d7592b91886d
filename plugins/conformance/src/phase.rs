//! The callbacks of the interface, as the places where a case makes its calls.

use abi_wasm::AbiVersion;

macro_rules! phases {
    ($($(#[$doc:meta])* $name:ident = $export:literal, $params:literal, $answer:expr;)*) => {
        /// A callback.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Phase {
            $($(#[$doc])* $name,)*
        }

        impl Phase {
            /// All of them.
            pub const ALL: [Self; [$($export),*].len()] = [$(Self::$name),*];

            /// The name of the export.
            #[must_use]
            pub fn export(self) -> &'static str {
                match self { $(Self::$name => $export,)* }
            }

            fn shape(self) -> (usize, Option<i32>) {
                match self { $(Self::$name => ($params, $answer),)* }
            }
        }
    };
}

phases! {
    /// A context begins.
    ContextCreate = "proxy_on_context_create", 2, None;
    /// The machine starts.
    VmStart = "proxy_on_vm_start", 2, Some(1);
    /// The plugin is configured.
    Configure = "proxy_on_configure", 2, Some(1);
    /// Time passed.
    Tick = "proxy_on_tick", 1, None;
    /// A connection was accepted.
    NewConnection = "proxy_on_new_connection", 1, Some(0);
    /// Bytes of the client.
    DownstreamData = "proxy_on_downstream_data", 3, Some(0);
    /// Bytes of the upstream.
    UpstreamData = "proxy_on_upstream_data", 3, Some(0);
    /// The client's connection was closed.
    DownstreamClose = "proxy_on_downstream_connection_close", 2, None;
    /// The upstream's connection was closed.
    UpstreamClose = "proxy_on_upstream_connection_close", 2, None;
    /// The head of a request.
    RequestHeaders = "proxy_on_request_headers", 3, Some(0);
    /// A part of a request's body.
    RequestBody = "proxy_on_request_body", 3, Some(0);
    /// The trailers of a request.
    RequestTrailers = "proxy_on_request_trailers", 2, Some(0);
    /// The head of a response.
    ResponseHeaders = "proxy_on_response_headers", 3, Some(0);
    /// A part of a response's body.
    ResponseBody = "proxy_on_response_body", 3, Some(0);
    /// The trailers of a response.
    ResponseTrailers = "proxy_on_response_trailers", 2, Some(0);
    /// The answer to an HTTP call.
    HttpCallResponse = "proxy_on_http_call_response", 5, None;
    /// The first metadata of a gRPC answer.
    GrpcInitialMetadata = "proxy_on_grpc_receive_initial_metadata", 3, None;
    /// A message of a gRPC answer.
    GrpcReceive = "proxy_on_grpc_receive", 3, None;
    /// The last metadata of a gRPC answer.
    GrpcTrailingMetadata = "proxy_on_grpc_receive_trailing_metadata", 3, None;
    /// A gRPC call is over.
    GrpcClose = "proxy_on_grpc_close", 3, None;
    /// A queue has something.
    QueueReady = "proxy_on_queue_ready", 2, None;
    /// The host calls a function of the plugin.
    ForeignFunction = "proxy_on_foreign_function", 3, None;
    /// A context is over.
    Done = "proxy_on_done", 1, Some(1);
    /// Time for the last entry.
    Log = "proxy_on_log", 1, None;
    /// A context is gone.
    Delete = "proxy_on_delete", 1, None;
}

impl Phase {
    /// Its number in scripts and records.
    pub(crate) fn number(self) -> i32 {
        i32::from(self as u8)
    }

    /// The phase of a number.
    pub(crate) fn of_number(number: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// What it is called in names of cases.
    #[must_use]
    pub fn label(self) -> &'static str {
        self.export().trim_start_matches("proxy_on_")
    }

    /// How many parameters it has.
    pub(crate) fn params(self, version: AbiVersion) -> usize {
        let (count, _) = self.shape();
        let head = matches!(self, Self::RequestHeaders | Self::ResponseHeaders);
        if head && version == AbiVersion::V0_1_0 { count - 1 } else { count }
    }

    /// What it answers where it answers at all and the script says nothing.
    pub(crate) fn default_answer(self) -> Option<i32> {
        self.shape().1
    }

    /// True where the root contexts' script is meant, whatever the context's number is.
    pub(crate) fn is_of_root(self) -> bool {
        matches!(
            self,
            Self::VmStart
                | Self::Configure
                | Self::Tick
                | Self::HttpCallResponse
                | Self::GrpcInitialMetadata
                | Self::GrpcReceive
                | Self::GrpcTrailingMetadata
                | Self::GrpcClose
                | Self::QueueReady
                | Self::ForeignFunction
        )
    }
}
