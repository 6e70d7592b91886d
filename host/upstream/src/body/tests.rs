use bytes::Bytes;
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;

use super::{Body, BodyError};

#[tokio::test]
async fn a_full_body_comes_once() {
    let mut body = Body::full(Bytes::from_static(b"all"));
    assert_eq!(body.size_hint().exact(), Some(3));
    assert!(!body.is_end_stream());
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "all");
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn no_bytes_are_no_body() {
    for mut body in [Body::Empty, Body::full(Bytes::new()), Body::Full(Bytes::new())] {
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
        assert!(body.frame().await.is_none());
    }
}

#[tokio::test]
async fn a_stream_passes_trailers_and_errors() {
    let frames = vec![
        Ok(Frame::data(Bytes::from_static(b"a"))),
        Ok(Frame::trailers(http::HeaderMap::new())),
        Err(BodyError::Stopped("enough")),
    ];
    let mut body = Body::stream(futures_util::stream::iter(frames));
    assert!(!body.is_end_stream());
    assert_eq!(body.size_hint().exact(), None);
    assert!(body.frame().await.unwrap().unwrap().is_data());
    assert!(body.frame().await.unwrap().unwrap().is_trailers());
    assert!(matches!(body.frame().await, Some(Err(BodyError::Stopped("enough")))));
    assert!(body.frame().await.is_none());
}
