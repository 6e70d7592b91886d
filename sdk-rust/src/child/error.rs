//! Why a child does not serve.

use std::{error::Error, io};

use abi_process::bootstrap::BootstrapError;

/// Why a child does not serve. Told to a person, on the standard error output.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServeError {
    /// Nobody who speaks the protocol started it.
    #[error(
        "this is a plugin of the Mortise proxy, which starts it. To use it, name it in the \
         proxy's configuration:\n\n  plugins:\n    - name: {0}\n      backend: process\n      \
         source: {1}\n\nWith the argument --describe it says what it holds"
    )]
    ByHand(&'static str, String),
    /// The host passed no parameters, or others.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// There is no such socket among what was passed.
    #[error("the host passed no listening socket of the kind `{0}` as file descriptor 3")]
    NoListener(String),
    /// The socket cannot be used or made.
    #[error("cannot listen")]
    Listen(#[source] io::Error),
    /// The host wants what this side of go-plugin does not offer.
    #[error(
        "the host asks for AutoMTLS (PLUGIN_CLIENT_CERT), which plugins of this SDK do not speak: \
         switch it off, since the socket is in a directory of the host's own"
    )]
    MutualTls,
    /// The sockets' thread cannot be set up.
    #[error("cannot start serving")]
    Runtime(#[source] io::Error),
    /// The server ended by itself.
    #[error("the server failed")]
    Server(#[from] tonic::transport::Error),
}

/// An error with what caused it, in one line.
pub(super) fn story(error: &dyn Error) -> String {
    let mut story = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        story.push_str(": ");
        story.push_str(&error.to_string());
        cause = error.source();
    }
    story
}
