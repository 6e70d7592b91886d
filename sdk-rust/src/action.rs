//! What a callback answers.

/// How a stream goes on after a callback.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Action {
    /// Go on with the next filter.
    #[default]
    Continue,
    /// Wait. A head or trailers wait until the direction is resumed; a body is kept, up to the
    /// listener's limit, and the callback comes again with all that is kept when more came.
    Pause,
    /// Answer the client now, in the upstream's place. After the response's head is on its way
    /// this breaks the stream off. A status that no whole response has, below 200 or above 599,
    /// becomes 500.
    Respond(Response),
    /// Break the stream off.
    Reset,
}

/// How the bytes of a connection go on after a callback.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FlowAction {
    /// Pass them on.
    #[default]
    Continue,
    /// Keep them, up to the listener's limit, and call again with more.
    Pause,
    /// Close the connection.
    Close,
}

/// A whole response that a plugin makes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Response {
    /// The status: 200 to 599.
    pub status: u16,
    /// Fields, in order. Framing fields are the proxy's.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// The status of gRPC (0 to 16) for a client that asked in gRPC; without one the counterpart
    /// of `status`.
    pub grpc_status: Option<u32>,
    /// Why, for the proxy's access log; not sent.
    pub details: String,
}

impl Response {
    /// A response without fields and body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// A response with a line of plain text.
    #[must_use]
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Self::new(status)
            .header("content-type", "text/plain; charset=utf-8")
            .body(text.into().into_bytes())
    }

    /// With one more field.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With this status for a client that asked in gRPC.
    #[must_use]
    pub fn grpc_status(mut self, status: u32) -> Self {
        self.grpc_status = Some(status);
        self
    }

    /// With a reason for the access log.
    #[must_use]
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }
}

impl From<Response> for Action {
    fn from(response: Response) -> Self {
        Self::Respond(response)
    }
}
