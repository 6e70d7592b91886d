//! The frames of Courier: bytes in, frames out, and the other way round. Nothing here knows of
//! the host.

const std = @import("std");

pub const head_bytes = 20;
pub const fields_max = 1024;
pub const frame_bytes_max = 4 * 1024 * 1024;

const magic = "CR\x01";

pub const Kind = enum(u8) { request, one_way, response, heartbeat, heartbeat_reply, go_away };

pub const Field = struct { name: []const u8, value: []const u8 };

pub const Detection = enum(u32) { no, match, more };

/// The statuses of a response by their numbers, as HTTP would say them.
const http_statuses = [_]u16{ 200, 400, 403, 404, 413, 429, 500, 502, 503, 504 };
const refused = 1;
const failed = 6;

/// What the first twenty bytes say.
pub const Head = struct {
    kind: Kind,
    id: u32,
    /// The timeout of a request in milliseconds, or the status of a response.
    word: u32,
    fields: u32,
    body: u32,

    /// The head; null where not all of it is there, or it is none.
    pub fn read(bytes: []const u8) ?Head {
        if (bytes.len < head_bytes or !isBeginning(bytes)) return null;
        const kind = std.enums.fromInt(Kind, bytes[magic.len]) orelse return null;
        return .{
            .kind = kind,
            .id = number(u32, bytes, 4),
            .word = number(u32, bytes, 8),
            .fields = number(u32, bytes, 12),
            .body = number(u32, bytes, 16),
        };
    }
};

/// A whole frame. Its parts point into the bytes that it was read from.
pub const Frame = struct {
    head: Head,
    length: u32,
    fields: []const Field = &.{},
    service: []const u8 = "",
    method: []const u8 = "",
    malformed: ?[]const u8 = null,
};

pub const Read = union(enum) {
    frame: Frame,
    /// More bytes are needed: so many in all, or 0.
    more: u32,
    /// None of this protocol.
    lost: []const u8,
};

/// Whether the first bytes of a connection are of this protocol.
pub fn detect(first: []const u8) Detection {
    if (!isBeginning(first)) return .no;
    if (first.len <= magic.len) return .more;
    return if (std.enums.fromInt(Kind, first[magic.len]) == null) .no else .match;
}

/// The first frame of the bytes; its fields are put into `fields`.
pub fn read(bytes: []const u8, bytes_max: u32, fields: *[fields_max]Field) Read {
    // Each byte is looked at as soon as it is there: a peer that speaks something else must not
    // be waited for.
    if (!isBeginning(bytes)) return .{ .lost = "it does not begin as a frame does" };
    if (bytes.len > magic.len and std.enums.fromInt(Kind, bytes[magic.len]) == null)
        return .{ .lost = "there is no frame of this kind" };
    const head = Head.read(bytes) orelse return .{ .more = 0 };
    const total = @as(u64, head_bytes) + head.fields + head.body;
    if (total > bytes_max) return .{ .lost = "a frame is too long" };
    const length: u32 = @intCast(total);
    if (bytes.len < length) return .{ .more = length };
    var frame: Frame = .{ .head = head, .length = length };
    frame.fields = fieldsOf(bytes[head_bytes..][0..head.fields], fields) catch |why| {
        frame.malformed = switch (why) {
            error.EndsNowhere => "a field ends nowhere",
            error.Nameless => "a field without a name",
            error.TooMany => "too many fields",
        };
        return .{ .frame = frame };
    };
    if (head.kind == .request or head.kind == .one_way) call(&frame);
    return .{ .frame = frame };
}

/// Writes a frame behind `bytes`; false, and nothing is written, where it cannot stand in the
/// protocol.
pub fn write(
    allocator: std.mem.Allocator,
    bytes: *std.ArrayList(u8),
    bytes_max: u32,
    head: struct { kind: Kind, id: u64, word: u32 = 0 },
    fields: []const Field,
    body: []const u8,
) error{OutOfMemory}!bool {
    if (head.id > std.math.maxInt(u32)) return false;
    var block: u64 = 0;
    for (fields) |field| {
        if (field.name.len > std.math.maxInt(u16) or field.value.len > std.math.maxInt(u16)) return false;
        block += 4 + field.name.len + field.value.len;
    }
    const total = head_bytes + block + body.len;
    if (total > bytes_max) return false;
    try bytes.ensureUnusedCapacity(allocator, @intCast(total));
    bytes.appendSliceAssumeCapacity(magic);
    bytes.appendAssumeCapacity(@intFromEnum(head.kind));
    for ([_]u32{ @intCast(head.id), head.word, @intCast(block), @intCast(body.len) }) |each|
        bytes.appendSliceAssumeCapacity(&std.mem.toBytes(std.mem.nativeToBig(u32, each)));
    for (fields) |field| {
        for ([_]usize{ field.name.len, field.value.len }) |length|
            bytes.appendSliceAssumeCapacity(&std.mem.toBytes(std.mem.nativeToBig(u16, @intCast(length))));
        bytes.appendSliceAssumeCapacity(field.name);
        bytes.appendSliceAssumeCapacity(field.value);
    }
    bytes.appendSliceAssumeCapacity(body);
    return true;
}

/// What HTTP would say of a status.
pub fn httpOf(status: u32) u16 {
    return if (status < http_statuses.len) http_statuses[status] else 500;
}

/// The status for what HTTP would say.
pub fn statusOf(http: u32) u32 {
    for (http_statuses, 0..) |known, status| {
        if (known == http) return @intCast(status);
    }
    if (http < 400) return 0;
    return if (http < 500) refused else failed;
}

pub fn valueOf(fields: []const Field, name: []const u8) ?[]const u8 {
    for (fields) |field| {
        if (std.mem.eql(u8, field.name, name)) return field.value;
    }
    return null;
}

/// Fills in what a request is for.
fn call(frame: *Frame) void {
    const service = valueOf(frame.fields, "service") orelse "";
    if (!std.unicode.utf8ValidateSlice(service)) {
        frame.malformed = "the service is no text";
        return;
    }
    frame.service = service;
    const method = valueOf(frame.fields, "method") orelse {
        frame.malformed = "a request without a method";
        return;
    };
    if (!std.unicode.utf8ValidateSlice(method)) {
        frame.malformed = "the method is no text";
        return;
    }
    frame.method = method;
}

/// The fields of a block, which end where it does.
fn fieldsOf(block: []const u8, into: *[fields_max]Field) error{ EndsNowhere, Nameless, TooMany }![]const Field {
    var rest = block;
    var count: usize = 0;
    while (rest.len > 0) : (count += 1) {
        if (rest.len < 4) return error.EndsNowhere;
        const name: usize = number(u16, rest, 0);
        const value: usize = number(u16, rest, 2);
        rest = rest[4..];
        if (rest.len < name + value) return error.EndsNowhere;
        if (name == 0) return error.Nameless;
        if (count == fields_max) return error.TooMany;
        into[count] = .{ .name = rest[0..name], .value = rest[name..][0..value] };
        rest = rest[name + value ..];
    }
    return into[0..count];
}

/// True where the bytes are those that every frame begins with, as far as they go.
fn isBeginning(bytes: []const u8) bool {
    const there = @min(bytes.len, magic.len);
    return std.mem.eql(u8, bytes[0..there], magic[0..there]);
}

fn number(comptime Number: type, bytes: []const u8, at: usize) Number {
    return std.mem.readInt(Number, bytes[at..][0..@sizeOf(Number)], .big);
}
