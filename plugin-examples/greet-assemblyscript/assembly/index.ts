// Greet: adds one header, named by its configuration, to every request and its response.
// The host calls the functions that are exported here.

import { Greeting, parseGreeting } from "./greeting";
import { REQUEST_HEADERS, RESPONSE_HEADERS, logError, pluginConfiguration, setHeader } from "./host";

export { malloc } from "./host";

const CONTINUE: i32 = 0;

// The configuration of each root context, and the root context of each stream.
const greetings = new Map<i32, Greeting>();
const roots = new Map<i32, i32>();

// Tells the host which version of the interface this is.
export function proxy_abi_version_0_2_1(): void {}

export function proxy_on_context_create(context: i32, root: i32): void {
  if (root != 0) roots.set(context, root);
}

export function proxy_on_configure(root: i32, size: i32): i32 {
  const greeting = parseGreeting(pluginConfiguration());
  if (greeting.problem.length > 0) {
    logError("greet: bad configuration: " + greeting.problem);
    return 0;
  }
  greetings.set(root, greeting);
  return 1;
}

export function proxy_on_request_headers(context: i32, count: i32, end: i32): i32 {
  return greet(context, REQUEST_HEADERS);
}

export function proxy_on_response_headers(context: i32, count: i32, end: i32): i32 {
  return greet(context, RESPONSE_HEADERS);
}

export function proxy_on_delete(context: i32): void {
  roots.delete(context);
  greetings.delete(context);
}

function greet(context: i32, map: i32): i32 {
  const root = roots.has(context) ? roots.get(context) : 0;
  if (greetings.has(root)) {
    const greeting = greetings.get(root);
    setHeader(map, greeting.header, greeting.value);
  }
  return CONTINUE;
}
