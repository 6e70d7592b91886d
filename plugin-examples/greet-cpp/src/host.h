// The host's side of the Proxy-Wasm interface: the calls that this plugin makes, and the
// allocator through which the host passes data in. What it hands out belongs to the plugin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#define IMPORT(name) __attribute__((import_module("env"), import_name(#name))) name
#define EXPORT(name) extern "C" __attribute__((export_name(#name)))

namespace host {

extern "C" {
uint32_t IMPORT(proxy_log)(uint32_t level, const char *text, size_t size);
uint32_t IMPORT(proxy_get_buffer_bytes)(uint32_t buffer, size_t start, size_t max, char **data,
                                        size_t *size);
uint32_t IMPORT(proxy_replace_header_map_value)(uint32_t map, const char *name, size_t name_size,
                                                const char *value, size_t value_size);
}

enum class Map : uint32_t { RequestHeaders = 0, ResponseHeaders = 2 };
enum class Action : uint32_t { Continue = 0, Pause = 1 };

constexpr uint32_t plugin_configuration = 7;
constexpr uint32_t level_error = 4;

// Bytes that the host allocated with our malloc, freed with this value.
class Bytes {
public:
  Bytes() = default;
  Bytes(char *data, size_t size) : data_(data), size_(size) {}
  Bytes(const Bytes &) = delete;
  Bytes &operator=(const Bytes &) = delete;
  ~Bytes() { std::free(data_); }

  std::string_view view() const { return data_ ? std::string_view(data_, size_) : std::string_view(); }

private:
  char *data_ = nullptr;
  size_t size_ = 0;
};

// What the host allocates belongs to the plugin, which frees it.
EXPORT(proxy_on_memory_allocate) inline __attribute__((used)) void *allocate(size_t size) {
  return std::malloc(size);
}

inline void log_error(std::string_view text) {
  proxy_log(level_error, text.data(), text.size());
}

// The plugin's configuration; empty where there is none.
inline Bytes configuration() {
  char *data = nullptr;
  size_t size = 0;
  if (proxy_get_buffer_bytes(plugin_configuration, 0, SIZE_MAX, &data, &size) != 0) {
    return Bytes();
  }
  return Bytes(data, size);
}

inline void set_header(Map map, std::string_view name, std::string_view value) {
  proxy_replace_header_map_value(static_cast<uint32_t>(map), name.data(), name.size(), value.data(),
                                 value.size());
}

} // namespace host
