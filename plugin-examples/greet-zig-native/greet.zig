//! Greet: adds one header, named by its configuration, to every request and its response.
//! A native library: the proxy calls the functions of the table at the end of this file.

const std = @import("std");
const c = @import("mortise");

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

/// What one instance keeps.
const Instance = struct {
    handle: *c.mortise_handle,
    greeting: std.json.Parsed(Greeting),

    /// A host that does not let us greet is no reason to fail a request.
    fn greet(self: *const Instance, context: u64, section: u32) c.mortise_action {
        const said = self.greeting.value;
        _ = self.handle.host.*.write_field.?(
            self.handle,
            context,
            section,
            c.MORTISE_SET,
            bytes(said.header),
            bytes(said.value),
        );
        return c.MORTISE_CONTINUE;
    }
};

const allocator = std.heap.c_allocator;

/// What stands in the file for the proxy to read before it loads the library.
export const mortise_plugin_abi: c.mortise_abi = .{
    .magic = "MORTISE\x00".*,
    .major = c.MORTISE_ABI_MAJOR,
    .minor = c.MORTISE_ABI_MINOR,
    .kind = c.MORTISE_KIND_C,
};

export fn mortise_plugin_entry(host: *const c.mortise_host) ?*const c.mortise_plugin {
    return if (host.major == c.MORTISE_ABI_MAJOR) &plugin else null;
}

fn start(
    handle: ?*c.mortise_handle,
    _: c.mortise_bytes,
    config: c.mortise_bytes,
    _: [*c]u32,
) callconv(.c) ?*anyopaque {
    const json = if (config.length == 0) "" else config.data[0..config.length];
    const parsed = std.json.parseFromSlice(Greeting, allocator, json, .{ .allocate = .alloc_always }) catch |why|
        return refuse(handle.?, @errorName(why));
    if (parsed.value.problem()) |why| {
        parsed.deinit();
        return refuse(handle.?, why);
    }
    const instance = allocator.create(Instance) catch {
        parsed.deinit();
        return refuse(handle.?, "there is no memory");
    };
    instance.* = .{ .handle = handle.?, .greeting = parsed };
    return instance;
}

fn end(instance: ?*anyopaque) callconv(.c) void {
    const self = of(instance);
    self.greeting.deinit();
    allocator.destroy(self);
}

fn requestHeaders(instance: ?*anyopaque, _: ?*anyopaque, context: u64, _: u32) callconv(.c) c.mortise_action {
    return of(instance).greet(context, c.MORTISE_REQUEST_HEADERS);
}

fn responseHeaders(instance: ?*anyopaque, _: ?*anyopaque, context: u64, _: u32) callconv(.c) c.mortise_action {
    return of(instance).greet(context, c.MORTISE_RESPONSE_HEADERS);
}

fn refuse(handle: *c.mortise_handle, why: []const u8) ?*anyopaque {
    var line: [256]u8 = undefined;
    const told = std.fmt.bufPrint(&line, "bad configuration: {s}", .{why}) catch why;
    _ = handle.host.*.fail.?(handle, bytes(told));
    return null;
}

fn of(instance: ?*anyopaque) *Instance {
    return @ptrCast(@alignCast(instance.?));
}

fn bytes(text: []const u8) c.mortise_bytes {
    return .{ .data = text.ptr, .length = text.len };
}

const plugin: c.mortise_plugin = .{
    .size = @sizeOf(c.mortise_plugin),
    .major = c.MORTISE_ABI_MAJOR,
    .minor = c.MORTISE_ABI_MINOR,
    .name = bytes("greet-zig-native"),
    .version = bytes("0.1.0"),
    .phases = c.MORTISE_PHASE_REQUEST_HEADERS | c.MORTISE_PHASE_RESPONSE_HEADERS,
    .instance_new = start,
    .instance_free = end,
    .request_headers = requestHeaders,
    .response_headers = responseHeaders,
};
