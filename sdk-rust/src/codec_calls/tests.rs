use super::{Batch, FRAMES_MAX, decode};
use crate::{Codec, Decoded, Detection, Frame, Rewrite};

/// Frames of a length in one byte, which counts itself; `0xFF` is none of the protocol, and
/// `0xFE` a lie of the codec.
struct Counted;

impl Codec for Counted {
    fn detect(&mut self, _first: &[u8]) -> Detection {
        Detection::Match
    }

    fn decode(&mut self, bytes: &[u8]) -> Decoded {
        match bytes.first().map_or(0, |first| usize::from(*first)) {
            0xFF => Decoded::Lost("it is none".to_owned()),
            0xFE => Decoded::Frame(Box::new(Frame { length: 9999, ..Frame::default() })),
            length if bytes.len() < length => Decoded::NeedMore { total: length },
            length => Decoded::Frame(Box::new(Frame { length, ..Frame::default() })),
        }
    }

    fn encode(&mut self, _rewrite: &Rewrite<'_>) -> Option<Vec<u8>> {
        None
    }
}

#[track_caller]
fn check(bytes: &[u8], lengths: &[usize], needed: usize, lost: Option<&str>) {
    let Batch { frames, needed: said, lost: why } = decode(&mut Counted, bytes);
    let found: Vec<_> = frames.iter().map(|frame| frame.length).collect();
    assert_eq!((found.as_slice(), said, why.as_deref()), (lengths, needed, lost), "{bytes:?}");
}

#[test]
fn whole_frames_are_taken_in_order_and_the_beginning_of_one_is_left() {
    check(&[], &[], 0, None);
    check(&[1, 2, 0], &[1, 2], 0, None);
    check(&[2, 0, 4, 0], &[2], 4, None);
    check(&[1, 0xFF, 1], &[1], 0, Some("it is none"));
}

#[test]
fn a_frame_that_is_not_as_long_as_it_says_is_the_last_one() {
    check(&[1, 0xFE, 1], &[1, 9999], 0, None);
    check(&[1, 0, 1], &[1, 0], 0, None);
}

#[test]
fn an_answer_has_a_bounded_number_of_frames() {
    let batch = decode(&mut Counted, &vec![1; FRAMES_MAX + 5]);
    assert_eq!(batch.frames.len(), FRAMES_MAX);
    assert_eq!((batch.needed, batch.lost), (0, None));
}
