//! Greet: adds one header, named by its configuration, to every request and its response.
//! The host calls the functions that are exported here.

const std = @import("std");
const host = @import("host.zig");

/// The configuration: `{"header": "x-greeting", "value": "hello"}`, and nothing else.
const Greeting = struct {
    header: []const u8,
    value: []const u8,

    fn problem(self: Greeting) ?[]const u8 {
        if (self.header.len == 0) return "`header` is empty";
        for (self.header) |byte| {
            if (!std.ascii.isLower(byte) and !std.ascii.isDigit(byte) and byte != '-' and byte != '_')
                return "`header` is not a lower-case header name";
        }
        for (self.value) |byte| {
            if (!std.ascii.isPrint(byte)) return "`value` has a character that no header carries";
        }
        return null;
    }
};

/// The configuration of each root context, and the root context of each stream.
var greetings: std.AutoHashMapUnmanaged(u32, std.json.Parsed(Greeting)) = .empty;
var roots: std.AutoHashMapUnmanaged(u32, u32) = .empty;

const go_on: u32 = 0;

/// Tells the host which version of the interface this is.
export fn proxy_abi_version_0_2_1() void {}

export fn proxy_on_context_create(context: u32, root: u32) void {
    if (root != 0) roots.put(host.allocator, context, root) catch @trap();
}

export fn proxy_on_configure(root: u32, _: usize) bool {
    const bytes = host.configuration();
    defer host.allocator.free(bytes);
    // The strings are copied: the configuration is freed when this returns.
    const parsed = std.json.parseFromSlice(Greeting, host.allocator, bytes, .{ .allocate = .alloc_always }) catch |why| {
        host.logError("greet: bad configuration: {s}", .{@errorName(why)});
        return false;
    };
    if (parsed.value.problem()) |why| {
        host.logError("greet: bad configuration: {s}", .{why});
        parsed.deinit();
        return false;
    }
    greetings.put(host.allocator, root, parsed) catch @trap();
    return true;
}

export fn proxy_on_request_headers(context: u32, _: u32, _: u32) u32 {
    return greet(context, .request_headers);
}

export fn proxy_on_response_headers(context: u32, _: u32, _: u32) u32 {
    return greet(context, .response_headers);
}

export fn proxy_on_delete(context: u32) void {
    _ = roots.remove(context);
    if (greetings.fetchRemove(context)) |entry| entry.value.deinit();
}

fn greet(context: u32, map: host.Map) u32 {
    const root = roots.get(context) orelse return go_on;
    const parsed = greetings.get(root) orelse return go_on;
    host.setHeader(map, parsed.value.header, parsed.value.value);
    return go_on;
}
