// The configuration: {"header": "x-greeting", "value": "hello"}, and nothing else.
#pragma once

#include <optional>
#include <string>
#include <string_view>

struct Greeting {
  std::string header;
  std::string value;
};

// Reads the configuration, or says in `why` why it cannot serve.
std::optional<Greeting> parse(std::string_view text, std::string &why);
