//! What the targets of codecs share: the driver of the ordinary test of damaged frames.

#[path = "../../../host/codec/tests/mutations/drive.rs"]
mod drive;

use host_codec::BuiltinCodec;

/// Drives a codec over some bytes; the first one says where they are cut into pieces.
pub(crate) fn read(codec: BuiltinCodec, input: &[u8]) {
    let Some((seed, bytes)) = input.split_first() else { return };
    let mut dice = usize::from(*seed);
    let found = drive::drive(codec, bytes, true, |below| {
        dice = dice.wrapping_mul(31).wrapping_add(7);
        dice % below
    });
    assert!(found.sound <= found.frames);
}
