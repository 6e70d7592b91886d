//! The host's side: the two calls that this plugin makes, and the allocator through which the
//! host passes its configuration in.

const std = @import("std");

pub const allocator = std.heap.wasm_allocator;

extern "env" fn proxy_log(level: u32, text: [*]const u8, size: usize) u32;
extern "env" fn proxy_get_buffer_bytes(buffer: u32, start: usize, max: usize, data: *?[*]u8, size: *usize) u32;

const plugin_configuration = 7;
const level_error = 4;

pub fn logError(comptime format: []const u8, arguments: anytype) void {
    var line: [512]u8 = undefined;
    const text = std.fmt.bufPrint(&line, format, arguments) catch line[0..];
    _ = proxy_log(level_error, text.ptr, text.len);
}

/// The plugin's configuration; the caller frees it.
pub fn configuration() []u8 {
    var data: ?[*]u8 = null;
    var size: usize = 0;
    const status = proxy_get_buffer_bytes(plugin_configuration, 0, std.math.maxInt(u32), &data, &size);
    if (status != 0) return &.{};
    return if (data) |start| start[0..size] else &.{};
}

/// What the host allocates belongs to the plugin, which frees it.
export fn malloc(size: usize) ?[*]u8 {
    const bytes = allocator.alloc(u8, size) catch return null;
    return bytes.ptr;
}
