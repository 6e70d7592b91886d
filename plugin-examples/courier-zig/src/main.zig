//! Courier: teaches the proxy a private RPC protocol of this name. The host calls the functions
//! that are exported here; the protocol is in `frames.zig`.

const std = @import("std");
const frames = @import("frames.zig");
const host = @import("host.zig");
const records = @import("records.zig");

/// The configuration: `{"frame_bytes_max": 1048576}`, or nothing.
const Limits = struct { frame_bytes_max: u32 = frames.frame_bytes_max };

/// The limit of each root context, and of each connection's codec.
var limits: std.AutoHashMapUnmanaged(u32, u32) = .empty;

/// What the host puts in, and what it takes out before it calls again.
var input: []u8 = &.{};
var output: std.ArrayList(u8) = .empty;
/// The fields of the frame in hand.
var fields: [frames.fields_max]frames.Field = undefined;

/// An answer of bytes: their address above their number; 0 is none.
const Bytes = u64;

/// Many requests at a time, ids of four bytes, heartbeats, go-away; three seconds for a request
/// that does not say.
const profile: u64 = records.version | (2 | 4) << 16 | 3000 << 32;

/// Tells the host which version of the interface this is.
export fn proxy_abi_version_0_2_1() void {}

export fn proxy_on_context_create(_: u32, _: u32) void {}

export fn proxy_on_configure(root: u32, _: usize) bool {
    const bytes = host.configuration();
    defer host.allocator.free(bytes);
    const text = if (bytes.len == 0) "{}" else bytes;
    const parsed = std.json.parseFromSlice(Limits, host.allocator, text, .{}) catch |why| {
        host.logError("courier: bad configuration: {s}", .{@errorName(why)});
        return false;
    };
    defer parsed.deinit();
    const max = parsed.value.frame_bytes_max;
    if (max < frames.head_bytes) {
        host.logError("courier: bad configuration: `frame_bytes_max` is less than the {} bytes that every frame has", .{frames.head_bytes});
        return false;
    }
    limits.put(host.allocator, root, max) catch @trap();
    return true;
}

export fn proxy_on_delete(context: u32) void {
    _ = limits.remove(context);
}

export fn mortise_codec_profile(_: u32) u64 {
    return profile;
}

/// A codec for a connection, of a client or to an upstream. It keeps nothing between frames.
export fn mortise_on_codec_context(context: u32, root: u32) u32 {
    const max = limits.get(root) orelse return 0;
    limits.put(host.allocator, context, max) catch @trap();
    return 1;
}

export fn mortise_codec_buffer(length: usize) [*]u8 {
    if (input.len < length) {
        input = host.allocator.realloc(input, length) catch @trap();
    }
    return input.ptr;
}

export fn mortise_codec_detect(_: u32, length: usize) u32 {
    return @intFromEnum(frames.detect(input[0..length]));
}

/// All whole frames of the bytes.
export fn mortise_codec_decode(context: u32, length: usize) Bytes {
    return decode(input[0..length], limitOf(context)) catch @trap();
}

export fn mortise_codec_encode(context: u32, length: usize) Bytes {
    const record = input[0..length];
    var reader = records.Reader.begin(record) orelse @trap();
    const kind: frames.Kind = @enumFromInt(reader.take(u8));
    _ = reader.take(u8);
    _ = reader.take(u64);
    const id = reader.take(u64);
    const start = reader.take(u32);
    const size = reader.take(u32);
    const head = frames.Head.read(reader.text()) orelse return 0;
    const list = reader.pairs(&fields) orelse return 0;
    const calls = kind == .request or kind == .one_way;
    // A request without a method stands for nothing.
    if (calls and frames.valueOf(list, "method") == null) return 0;
    const body = record[start..][0..size];
    return written(context, .{ .kind = kind, .id = id, .word = head.word }, list, body);
}

export fn mortise_codec_heartbeat(context: u32, id: u64) Bytes {
    return written(context, .{ .kind = .heartbeat, .id = id }, &.{}, "");
}

export fn mortise_codec_heartbeat_reply(context: u32, length: usize) Bytes {
    var reader = records.Reader.begin(input[0..length]) orelse @trap();
    _ = reader.take(u16);
    return written(context, .{ .kind = .heartbeat_reply, .id = reader.take(u64) }, &.{}, "");
}

export fn mortise_codec_reject(context: u32, length: usize) Bytes {
    var reader = records.Reader.begin(input[0..length]) orelse @trap();
    const status = frames.statusOf(reader.take(u16));
    const id = reader.take(u64);
    _ = reader.text();
    const message = reader.text();
    const list = reader.pairs(&fields) orelse return 0;
    const body = reader.text();
    const told = if (status != 0 and body.len == 0) message else body;
    return written(context, .{ .kind = .response, .id = id, .word = status }, list, told);
}

export fn mortise_codec_go_away(context: u32) Bytes {
    return written(context, .{ .kind = .go_away, .id = 0 }, &.{}, "");
}

fn decode(bytes: []const u8, max: u32) error{OutOfMemory}!Bytes {
    var answer = try records.Answer.begin(host.allocator, &output);
    var rest = bytes;
    while (rest.len > 0 and answer.count < records.frames_max) {
        switch (frames.read(rest, max, &fields)) {
            .frame => |frame| {
                try answer.frame(frame);
                rest = rest[frame.length..];
            },
            .more => |needed| {
                try answer.end(needed, null);
                return bytesOf(output.items);
            },
            .lost => |why| {
                try answer.end(0, why);
                return bytesOf(output.items);
            },
        }
    }
    try answer.end(0, null);
    return bytesOf(output.items);
}

/// A frame as the answer of an export; none where it cannot stand in the protocol.
fn written(context: u32, head: anytype, list: []const frames.Field, body: []const u8) Bytes {
    output.clearRetainingCapacity();
    const fits = frames.write(host.allocator, &output, limitOf(context), .{
        .kind = head.kind,
        .id = head.id,
        .word = if (@hasField(@TypeOf(head), "word")) head.word else 0,
    }, list, body) catch @trap();
    return if (fits) bytesOf(output.items) else 0;
}

fn limitOf(context: u32) u32 {
    return limits.get(context) orelse frames.frame_bytes_max;
}

fn bytesOf(bytes: []const u8) Bytes {
    return @as(u64, @intFromPtr(bytes.ptr)) << 32 | bytes.len;
}
