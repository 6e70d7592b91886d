use super::Recorder;
use crate::{RawPeer, parse_replies};

#[tokio::test]
async fn requests_are_told_apart_by_their_framing() {
    let recorder = Recorder::start().await;
    let mut client = RawPeer::connect(recorder.address()).await;
    client
        .send(
            "POST /1 HTTP/1.1\r\ncontent-length: 4\r\n\r\nGET POST /2 HTTP/1.1\r\n\
             transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx-end: yes\r\n\r\n\
             GET /3 HTTP/1.1\r\nX-One: 1\r\n\r\n",
        )
        .await;
    client.finish().await;
    let replies = parse_replies(&client.read_to_end().await);
    assert_eq!(replies.len(), 3);
    let all = recorder.take();
    assert_eq!((all[0].line.as_str(), &all[0].body[..]), ("POST /1 HTTP/1.1", &b"GET "[..]));
    assert_eq!(
        (&all[1].body[..], &all[1].trailers[..]),
        (&b"body"[..], &["x-end: yes".to_owned()][..])
    );
    assert_eq!(all[2].values("x-one"), ["1"]);
    assert!(recorder.requests().is_empty());
}
