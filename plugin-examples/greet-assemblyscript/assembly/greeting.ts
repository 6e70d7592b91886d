// The configuration: `{"header": "x-greeting", "value": "hello"}`, and nothing else.

export class Greeting {
  header: string = "";
  value: string = "";
  // Why the configuration cannot serve; empty where it can.
  problem: string = "";
}

export function parseGreeting(text: string): Greeting {
  const greeting = new Greeting();
  const reader = new Reader(text);
  let headerSeen = false;
  let valueSeen = false;
  reader.take("{");
  while (reader.problem.length == 0) {
    const key = reader.string();
    reader.take(":");
    const value = reader.string();
    if (reader.problem.length > 0) break;
    if (key == "header" && !headerSeen) {
      greeting.header = value;
      headerSeen = true;
    } else if (key == "value" && !valueSeen) {
      greeting.value = value;
      valueSeen = true;
    } else {
      reader.problem = "unknown or repeated key `" + key + "`";
    }
    if (!reader.at(",")) break;
    reader.take(",");
  }
  reader.take("}");
  reader.end();
  greeting.problem = reader.problem;
  if (greeting.problem.length > 0) return greeting;
  if (!headerSeen) greeting.problem = "missing key `header`";
  else if (!valueSeen) greeting.problem = "missing key `value`";
  else if (!isName(greeting.header)) greeting.problem = "`header` is not a lower-case header name";
  else if (!isVisible(greeting.value)) greeting.problem = "`value` has a character that no header carries";
  return greeting;
}

function isName(text: string): bool {
  if (text.length == 0) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const letter = code >= 97 && code <= 122;
    const digit = code >= 48 && code <= 57;
    if (!letter && !digit && code != 45 && code != 95) return false;
  }
  return true;
}

function isVisible(text: string): bool {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 32 || code > 126) return false;
  }
  return true;
}

// Reads the little of JSON that the configuration is made of. The first problem stays.
class Reader {
  problem: string = "";
  private place: i32 = 0;

  constructor(private text: string) {}

  at(symbol: string): bool {
    this.skipSpace();
    return this.place < this.text.length && this.text.charAt(this.place) == symbol;
  }

  take(symbol: string): void {
    if (this.problem.length > 0) return;
    if (this.at(symbol)) this.place++;
    else this.fail("expected `" + symbol + "`");
  }

  end(): void {
    this.skipSpace();
    if (this.problem.length == 0 && this.place < this.text.length) this.fail("expected the end");
  }

  string(): string {
    this.take('"');
    let value = "";
    while (this.problem.length == 0) {
      if (this.place >= this.text.length) {
        this.fail("unfinished string");
        break;
      }
      const symbol = this.text.charAt(this.place++);
      if (symbol == '"') break;
      if (symbol.charCodeAt(0) < 32) this.fail("control character in a string");
      value += symbol == "\\" ? this.escape() : symbol;
    }
    return value;
  }

  private escape(): string {
    const symbol = this.text.charAt(this.place++);
    if (symbol == '"' || symbol == "\\" || symbol == "/") return symbol;
    if (symbol == "b") return "\b";
    if (symbol == "f") return "\f";
    if (symbol == "n") return "\n";
    if (symbol == "r") return "\r";
    if (symbol == "t") return "\t";
    if (symbol != "u" || this.place + 4 > this.text.length) {
      this.fail("unknown escape");
      return "";
    }
    let code = 0;
    for (let i = 0; i < 4; i++) {
      const digit = hexDigit(this.text.charCodeAt(this.place++));
      if (digit < 0) this.fail("unknown escape");
      code = code * 16 + digit;
    }
    return String.fromCharCode(code);
  }

  private skipSpace(): void {
    while (this.place < this.text.length && " \t\r\n".includes(this.text.charAt(this.place))) {
      this.place++;
    }
  }

  private fail(what: string): void {
    if (this.problem.length == 0) this.problem = what + " at character " + this.place.toString();
  }
}

function hexDigit(code: i32): i32 {
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 65 && code <= 70) return code - 55;
  if (code >= 97 && code <= 102) return code - 87;
  return -1;
}
