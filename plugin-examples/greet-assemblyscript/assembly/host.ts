// The host's side of the Proxy-Wasm interface: the calls that this plugin makes, and the
// allocator through which the host passes data in.

@external("env", "proxy_log")
declare function proxy_log(level: i32, text: usize, size: usize): i32;
@external("env", "proxy_get_buffer_bytes")
declare function proxy_get_buffer_bytes(buffer: i32, start: usize, max: usize, data: usize, size: usize): i32;
@external("env", "proxy_replace_header_map_value")
declare function proxy_replace_header_map_value(map: i32, name: usize, nameSize: usize, value: usize, valueSize: usize): i32;

export const REQUEST_HEADERS: i32 = 0;
export const RESPONSE_HEADERS: i32 = 2;

const PLUGIN_CONFIGURATION: i32 = 7;
const LEVEL_ERROR: i32 = 4;

// The host writes an address and a size here.
const RESULT = memory.data(8);

export function logError(text: string): void {
  const bytes = String.UTF8.encode(text);
  proxy_log(LEVEL_ERROR, changetype<usize>(bytes), bytes.byteLength);
}

export function pluginConfiguration(): string {
  store<u64>(RESULT, 0);
  if (proxy_get_buffer_bytes(PLUGIN_CONFIGURATION, 0, i32.MAX_VALUE, RESULT, RESULT + 4) != 0) {
    return "";
  }
  const data = load<u32>(RESULT);
  const size = load<u32>(RESULT + 4);
  if (data == 0) {
    return "";
  }
  const text = String.UTF8.decodeUnsafe(data, size);
  heap.free(data);
  return text;
}

export function setHeader(map: i32, name: string, value: string): void {
  const nameBytes = String.UTF8.encode(name);
  const valueBytes = String.UTF8.encode(value);
  proxy_replace_header_map_value(
    map,
    changetype<usize>(nameBytes), nameBytes.byteLength,
    changetype<usize>(valueBytes), valueBytes.byteLength,
  );
}

// What the host allocates belongs to the plugin, which frees it.
export function malloc(size: usize): usize {
  return heap.alloc(size);
}

// Where the compiled code would abort.
export function stop(message: string | null, file: string | null, line: u32, column: u32): void {
  logError("greet: " + (message === null ? "aborted" : message));
  unreachable();
}
