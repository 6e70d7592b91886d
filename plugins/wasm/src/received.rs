//! What came from an upstream, for as long as the callback runs that is told of it.

use abi_wasm::{BufferType, MapType};
use bytes::Bytes;
use host_extension::HttpAnswer;
use host_types::Headers;

/// What the callback that runs was called for.
#[derive(Debug, Default)]
pub(crate) enum Received {
    /// Something else.
    #[default]
    Nothing,
    /// The answer to an HTTP call.
    Http(HttpAnswer),
    /// The end of an HTTP call that has no answer.
    NoAnswer,
    /// The first metadata of a gRPC answer.
    InitialMetadata(Headers),
    /// A message of a gRPC answer.
    Message(Bytes),
    /// The last metadata of a gRPC answer.
    TrailingMetadata(Headers),
}

/// A field section of what came.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Section<'a> {
    /// Its fields.
    Fields(&'a Headers),
    /// It could be there, and is not.
    Without,
}

impl Received {
    /// A field section that a guest asks for; `None` where nothing of this kind came.
    pub(crate) fn section(&self, map: MapType) -> Option<Section<'_>> {
        match (self, map) {
            (Self::Http(answer), MapType::HttpCallResponseHeaders) => {
                Some(Section::Fields(&answer.headers))
            }
            (Self::Http(answer), MapType::HttpCallResponseTrailers) => {
                Some(answer.trailers.as_ref().map_or(Section::Without, Section::Fields))
            }
            (
                Self::NoAnswer,
                MapType::HttpCallResponseHeaders | MapType::HttpCallResponseTrailers,
            ) => Some(Section::Without),
            (Self::InitialMetadata(headers), MapType::GrpcInitialMetadata)
            | (Self::TrailingMetadata(headers), MapType::GrpcTrailingMetadata) => {
                Some(Section::Fields(headers))
            }
            _ => None,
        }
    }

    /// The bytes that a guest asks for; `None` where nothing of this kind came.
    pub(crate) fn bytes(&self, buffer: BufferType) -> Option<&Bytes> {
        match (self, buffer) {
            (Self::Http(answer), BufferType::HttpCallResponseBody) => Some(&answer.body),
            (Self::Message(message), BufferType::GrpcReceiveBuffer) => Some(message),
            _ => None,
        }
    }
}
