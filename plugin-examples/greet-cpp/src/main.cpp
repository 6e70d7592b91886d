// Greet: adds one header, named by its configuration, to every request and its response.
// The host calls the functions that are exported here.

#include "greeting.h"
#include "host.h"

#include <map>
#include <string>

namespace {

// The greeting of each root context, and the root context of each stream.
std::map<uint32_t, Greeting> greetings;
std::map<uint32_t, uint32_t> roots;

host::Action greet(uint32_t context, host::Map map) {
  const auto root = roots.find(context);
  if (root == roots.end()) {
    return host::Action::Continue;
  }
  const auto greeting = greetings.find(root->second);
  if (greeting != greetings.end()) {
    host::set_header(map, greeting->second.header, greeting->second.value);
  }
  return host::Action::Continue;
}

} // namespace

// Tells the host which version of the interface this is.
EXPORT(proxy_abi_version_0_2_1) void proxy_abi_version_0_2_1() {}

EXPORT(proxy_on_context_create) void proxy_on_context_create(uint32_t context, uint32_t root) {
  if (root != 0) {
    roots[context] = root;
  }
}

EXPORT(proxy_on_configure) bool proxy_on_configure(uint32_t root, uint32_t) {
  const host::Bytes bytes = host::configuration();
  std::string why;
  auto greeting = parse(bytes.view(), why);
  if (!greeting) {
    host::log_error("greet: bad configuration: " + why);
    return false;
  }
  greetings[root] = std::move(*greeting);
  return true;
}

EXPORT(proxy_on_request_headers) host::Action proxy_on_request_headers(uint32_t context, uint32_t, uint32_t) {
  return greet(context, host::Map::RequestHeaders);
}

EXPORT(proxy_on_response_headers) host::Action proxy_on_response_headers(uint32_t context, uint32_t, uint32_t) {
  return greet(context, host::Map::ResponseHeaders);
}

EXPORT(proxy_on_delete) void proxy_on_delete(uint32_t context) {
  roots.erase(context);
  greetings.erase(context);
}
