// Reads the configuration: an object of two strings, as JSON.

#include "greeting.h"

namespace {

// Reads one token after the other; what does not fit leaves it failed.
class Reader {
public:
  explicit Reader(std::string_view text) : rest_(text) {}

  // True where the next thing is this mark.
  bool mark(char wanted) {
    space();
    if (rest_.empty() || rest_.front() != wanted) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }

  bool done() {
    space();
    return rest_.empty();
  }

  // A string without escapes beyond the single-letter ones: no header needs others.
  std::optional<std::string> string() {
    if (!mark('"')) {
      return std::nullopt;
    }
    std::string text;
    while (!rest_.empty()) {
      char letter = take();
      if (letter == '"') {
        return text;
      }
      if (letter == '\\') {
        if (rest_.empty()) {
          return std::nullopt;
        }
        letter = take();
        if (letter != '"' && letter != '\\' && letter != '/') {
          return std::nullopt;
        }
      }
      text.push_back(letter);
    }
    return std::nullopt;
  }

private:
  char take() {
    const char letter = rest_.front();
    rest_.remove_prefix(1);
    return letter;
  }

  void space() {
    while (!rest_.empty() && std::string_view(" \t\r\n").find(rest_.front()) != std::string_view::npos) {
      rest_.remove_prefix(1);
    }
  }

  std::string_view rest_;
};

bool is_name(std::string_view text) {
  for (const char letter : text) {
    const bool lower = letter >= 'a' && letter <= 'z';
    const bool digit = letter >= '0' && letter <= '9';
    if (!lower && !digit && letter != '-' && letter != '_') {
      return false;
    }
  }
  return !text.empty();
}

bool is_value(std::string_view text) {
  for (const char letter : text) {
    if (letter < ' ' || letter > '~') {
      return false;
    }
  }
  return true;
}

// The members of the object; false where it is none, or has a member of another name.
bool members(Reader &reader, std::optional<std::string> &header, std::optional<std::string> &value) {
  if (!reader.mark('{')) {
    return false;
  }
  if (reader.mark('}')) {
    return reader.done();
  }
  do {
    const auto name = reader.string();
    if (!name || !reader.mark(':')) {
      return false;
    }
    auto text = reader.string();
    if (!text || (*name != "header" && *name != "value")) {
      return false;
    }
    (*name == "header" ? header : value) = std::move(text);
  } while (reader.mark(','));
  return reader.mark('}') && reader.done();
}

} // namespace

std::optional<Greeting> parse(std::string_view text, std::string &why) {
  Reader reader(text);
  std::optional<std::string> header;
  std::optional<std::string> value;
  if (!members(reader, header, value)) {
    why = "not an object of the texts `header` and `value`";
  } else if (!header || !value) {
    why = "both `header` and `value` are needed";
  } else if (!is_name(*header)) {
    why = "`header` is not a lower-case header name";
  } else if (!is_value(*value)) {
    why = "`value` has a character that no header carries";
  } else {
    return Greeting{std::move(*header), std::move(*value)};
  }
  return std::nullopt;
}
