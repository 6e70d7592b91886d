//! The records that pass between the host and a codec: little-endian numbers, and texts with
//! their length before them. What they hold is in the host's description of its exports.

const std = @import("std");
const frames = @import("frames.zig");

const Field = frames.Field;

pub const version = 1;
pub const frames_max = 1024;

const lost_flag = 1;
const has_id_place = 1;
const has_timeout = 8;
const is_malformed = 16;

/// Writes an answer of `decode`.
pub const Answer = struct {
    allocator: std.mem.Allocator,
    bytes: *std.ArrayList(u8),
    count: u32 = 0,

    pub fn begin(allocator: std.mem.Allocator, bytes: *std.ArrayList(u8)) error{OutOfMemory}!Answer {
        bytes.clearRetainingCapacity();
        const self: Answer = .{ .allocator = allocator, .bytes = bytes };
        try self.put(u16, version);
        // Flags, frames and needed bytes, which are known at the end.
        try bytes.appendNTimes(allocator, 0, 10);
        return self;
    }

    pub fn frame(self: *Answer, read: frames.Frame) error{OutOfMemory}!void {
        const head = read.head;
        const calls = head.kind == .request or head.kind == .one_way;
        const timeout = if (calls and read.malformed == null) head.word else 0;
        const status = if (head.kind == .response) head.word else 0;
        var flags: u8 = has_id_place;
        if (timeout > 0) flags |= has_timeout;
        if (read.malformed != null) flags |= is_malformed;
        try self.put(u32, read.length);
        try self.bytes.appendSlice(self.allocator, &.{ @intFromEnum(head.kind), flags });
        try self.put(u16, frames.httpOf(status));
        try self.put(u32, status);
        try self.put(u64, head.id);
        // The place of the id, which stands behind magic and kind as four bytes, big-endian.
        try self.put(u32, 4);
        try self.put(u32, timeout);
        try self.put(u32, frames.head_bytes + head.fields);
        try self.put(u32, head.body);
        try self.text(read.service);
        try self.text(read.method);
        try self.text(read.malformed orelse "");
        try self.pairs(if (read.malformed == null) read.fields else &.{});
        try self.pairs(&.{.{ .name = ":version", .value = "1" }});
        self.count += 1;
    }

    pub fn end(self: *Answer, needed: u32, lost: ?[]const u8) error{OutOfMemory}!void {
        try self.text(lost orelse "");
        const head = self.bytes.items[2..12];
        std.mem.writeInt(u16, head[0..2], if (lost == null) 0 else lost_flag, .little);
        std.mem.writeInt(u32, head[2..6], self.count, .little);
        std.mem.writeInt(u32, head[6..10], needed, .little);
    }

    fn pairs(self: *Answer, list: []const Field) error{OutOfMemory}!void {
        try self.put(u32, @intCast(list.len));
        for (list) |field| {
            try self.text(field.name);
            try self.text(field.value);
        }
    }

    fn text(self: *Answer, bytes: []const u8) error{OutOfMemory}!void {
        try self.put(u32, @intCast(bytes.len));
        try self.bytes.appendSlice(self.allocator, bytes);
    }

    fn put(self: Answer, comptime Number: type, value: Number) error{OutOfMemory}!void {
        const digits = std.mem.toBytes(std.mem.nativeToLittle(Number, value));
        try self.bytes.appendSlice(self.allocator, &digits);
    }
};

/// Reads a record. The host wrote it, so that one which ends early is a mistake of this file.
pub const Reader = struct {
    whole: []const u8,
    at: usize = 0,

    /// Begins behind the version; null where it is another one.
    pub fn begin(record: []const u8) ?Reader {
        var reader: Reader = .{ .whole = record };
        return if (reader.take(u16) == version) reader else null;
    }

    pub fn take(self: *Reader, comptime Number: type) Number {
        const digits = self.whole[self.at..][0..@sizeOf(Number)];
        self.at += digits.len;
        return std.mem.readInt(Number, digits, .little);
    }

    pub fn text(self: *Reader) []const u8 {
        const length = self.take(u32);
        const bytes = self.whole[self.at..][0..length];
        self.at += length;
        return bytes;
    }

    /// All pairs; null where there are more than any frame has.
    pub fn pairs(self: *Reader, into: *[frames.fields_max]Field) ?[]const Field {
        const count = self.take(u32);
        for (0..count) |place| {
            const field: Field = .{ .name = self.text(), .value = self.text() };
            if (place < into.len) into[place] = field;
        }
        return if (count > into.len) null else into[0..count];
    }
};
