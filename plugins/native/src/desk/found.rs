//! A frame that a library tells of, where it says that it is.
#![expect(unsafe_code, reason = "the other side of the table said where it is")]

use std::slice;

use abi_native::{
    number::{FRAME_HAS_TIMEOUT, FRAME_MALFORMED},
    table::{Field, Fields, Frame},
};
use host_extension::{FrameRecord, RecordPlace};

use super::{Pair, borrowed};

/// A frame that a codec found.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) record: FrameRecord<'a>,
    pub(crate) fields: Lent<'a>,
    pub(crate) attributes: Lent<'a>,
}

/// Fields that are read where they lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lent<'a>(&'a [Field]);

impl<'a> Lent<'a> {
    /// # Safety
    /// The fields may be read for so long, with all that they point to.
    unsafe fn new(fields: &'a Fields) -> Self {
        if fields.data.is_null() || fields.count == 0 {
            return Self(&[]);
        }
        // SAFETY: promised by the caller.
        Self(unsafe { slice::from_raw_parts(fields.data, fields.count) })
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Pair<'a>> {
        self.0.iter().map(|field| {
            // SAFETY: promised to `new`.
            let name = unsafe { borrowed(&field.name) };
            // SAFETY: as above.
            (name, unsafe { borrowed(&field.value) })
        })
    }
}

impl<'a> Found<'a> {
    /// # Safety
    /// All that the frame points to may be read for so long.
    pub(super) unsafe fn new(frame: &'a Frame) -> Self {
        let has = |flag| frame.flags & flag != 0;
        // SAFETY, for all of these: promised by the caller.
        let record = FrameRecord {
            length: frame.length as u64,
            kind: frame.kind,
            id: frame.id,
            id_place: (frame.id_width != 0).then_some(RecordPlace {
                offset: frame.id_offset as u64,
                width: frame.id_width,
                little_endian: frame.id_little_endian != 0,
            }),
            // SAFETY: as above.
            service: unsafe { borrowed(&frame.service) },
            // SAFETY: as above.
            method: unsafe { borrowed(&frame.method) },
            timeout_ms: has(FRAME_HAS_TIMEOUT).then_some(frame.timeout_ms),
            status: frame.status,
            http_status: frame.http_status,
            body_start: frame.body_start as u64,
            body_length: frame.body_length as u64,
            malformed: has(FRAME_MALFORMED).then(|| {
                // SAFETY: as above.
                unsafe { borrowed(&frame.malformed) }
            }),
        };
        // SAFETY: as above.
        let fields = unsafe { Lent::new(&frame.fields) };
        // SAFETY: as above.
        let attributes = unsafe { Lent::new(&frame.attributes) };
        Self { record, fields, attributes }
    }
}
