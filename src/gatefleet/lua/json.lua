-- JSON as RFC 8259 has it. Lists and null have marks of their own, so that what was read can be written again.
local json_null = {}
local list_mark = {}

local function json_list(items)
  return setmetatable(items, list_mark)
end

local function is_json_list(value)
  return getmetatable(value) == list_mark
end

local JSON_DEPTH = 128
local json_escapes = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }
local QUOTE, BACKSLASH, COMMA, COLON, OBJECT, OBJECT_END, ARRAY, ARRAY_END = byte('"\\,:{}[]', 1, -1)
local MINUS, POINT, ZERO, NINE, SMALL_E, LARGE_E = byte("-.09eE", 1, -1)
local JSON_SPECIAL = gsub(CONTROLS, "\127", "") .. '"\\'
local json_value

local function json_fail(at, why)
  error({ json = format("%s at character %d", why, at) }, 0)
end

local function utf8_of(code)
  if code < 0x80 then
    return string.char(code)
  elseif code < 0x800 then
    return string.char(0xC0 + math.floor(code / 64), 0x80 + code % 64)
  elseif code < 0x10000 then
    return string.char(0xE0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
  end
  return string.char(
    0xF0 + math.floor(code / 262144),
    0x80 + math.floor(code / 4096) % 64,
    0x80 + math.floor(code / 64) % 64,
    0x80 + code % 64
  )
end

local function json_unicode(text, at)
  local code = tonumber(match(text, "^%x%x%x%x", at) or json_fail(at, "invalid unicode escape"), 16)
  if code < 0xD800 or code > 0xDFFF then
    return utf8_of(code), at + 4
  end
  local low = tonumber(match(text, "^\\u([dD][c-fC-F]%x%x)", at + 4) or "", 16)
  if code > 0xDBFF or not low then
    json_fail(at, "invalid surrogate")
  end
  return utf8_of(0x10000 + (code - 0xD800) * 1024 + (low - 0xDC00)), at + 10
end

-- What an escape at `at` stands for, and what follows it.
local function json_unescaped(text, at)
  local kind = sub(text, at + 1, at + 1)
  if kind == "u" then
    return json_unicode(text, at + 2)
  end
  return json_escapes[kind] or json_fail(at, "invalid escape"), at + 2
end

-- Where a string ends, or has something that does not stand for itself. Not by a pattern: LuaJIT compiles none.
local function json_special(text, at)
  return at + tonumber(ffi.C.strcspn(ffi.cast("const char *", text) + (at - 1), JSON_SPECIAL))
end

local function json_string(text, at)
  local parts, stop = nil, json_special(text, at)
  while byte(text, stop) == BACKSLASH do
    parts = parts or {}
    parts[#parts + 1] = sub(text, at, stop - 1)
    parts[#parts + 1], at = json_unescaped(text, stop)
    stop = json_special(text, at)
  end
  if byte(text, stop) ~= QUOTE then
    json_fail(stop, stop > #text and "unfinished string" or "control character in a string")
  end
  local rest = sub(text, at, stop - 1)
  return parts and table.concat(parts) .. rest or rest, stop + 1
end

-- The first character from `at` on that is no digit.
local function json_digits(text, at)
  local code = byte(text, at)
  while code and code >= ZERO and code <= NINE do
    at = at + 1
    code = byte(text, at)
  end
  return at, code
end

local function json_number(text, at, code)
  local first = code == MINUS and at + 1 or at
  local stop, after = json_digits(text, first)
  if stop == first then
    json_fail(at, "invalid token")
  elseif stop > first + 1 and byte(text, first) == ZERO then
    json_fail(at, "invalid number")
  elseif after == POINT or after == SMALL_E or after == LARGE_E then
    stop = stop + #(match(text, "^%.%d+", stop) or "")
    stop = stop + #(match(text, "^[eE][+-]?%d+", stop) or "")
  end
  return tonumber(sub(text, at, stop - 1)), stop
end

-- The first character from `at` on that is no space: where it is, and its code, or nil at the end.
local function json_space(text, at)
  local code = byte(text, at)
  while code == 32 or code == 10 or code == 13 or code == 9 do
    at = at + 1
    code = byte(text, at)
  end
  return at, code
end

local function json_array(text, at, depth)
  local items, count, code = json_list({}), 0, nil
  at, code = json_space(text, at)
  if code == ARRAY_END then
    return items, at + 1
  end
  while true do
    count = count + 1
    items[count], at = json_value(text, at, depth)
    at, code = json_space(text, at)
    if code == ARRAY_END then
      return items, at + 1
    elseif code ~= COMMA then
      json_fail(at, "expected comma or array end")
    end
    at = at + 1
  end
end

local function json_object(text, at, depth)
  local fields, key, code = {}, nil, nil
  at, code = json_space(text, at)
  if code == OBJECT_END then
    return fields, at + 1
  end
  while true do
    at, code = json_space(text, at)
    if code ~= QUOTE then
      json_fail(at, "expected object key string")
    end
    key, at = json_string(text, at + 1)
    at, code = json_space(text, at)
    if code ~= COLON then
      json_fail(at, "expected colon")
    end
    fields[key], at = json_value(text, at + 1, depth)
    at, code = json_space(text, at)
    if code == OBJECT_END then
      return fields, at + 1
    elseif code ~= COMMA then
      json_fail(at, "expected comma or object end")
    end
    at = at + 1
  end
end

local json_words = { [byte("t")] = { "true", true }, [byte("f")] = { "false", false }, [byte("n")] = { "null", json_null } }

function json_value(text, at, depth)
  local code
  at, code = json_space(text, at)
  if depth > JSON_DEPTH then
    json_fail(at, "too deep")
  elseif code == OBJECT then
    return json_object(text, at + 1, depth + 1)
  elseif code == ARRAY then
    return json_array(text, at + 1, depth + 1)
  elseif code == QUOTE then
    return json_string(text, at + 1)
  end
  local word = json_words[code]
  if word and sub(text, at, at + #word[1] - 1) == word[1] then
    return word[2], at + #word[1]
  end
  return json_number(text, at, code)
end

local function json_whole(text)
  local value, at = json_value(text, 1, 0)
  at = json_space(text, at)
  if at <= #text then
    json_fail(at, "something follows the value")
  end
  return value
end

-- The value that a text says, or nil and what is wrong with it.
local function json_read(text)
  local ok, value = pcall(json_whole, text)
  if ok then
    return value
  elseif type(value) == "table" and value.json then
    return nil, value.json
  end
  error(value, 0)
end

local json_short = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local JSON_ESCAPED = CONTROLS .. '"\\'

local function json_escape(char)
  return json_short[char] or format("\\u%04x", byte(char))
end

-- Whole numbers as they are; of others as few digits as say them exactly.
local function number_text(value)
  if value == math.floor(value) and math.abs(value) < 9007199254740992 then
    return format("%d", value)
  elseif value ~= value or value == math.huge or value == -math.huge then
    error("JSON has no such number")
  end
  local short = format("%.14g", value)
  return tonumber(short) == value and short or format("%.17g", value)
end

-- The text of a value; keys in order, so that equal values have equal texts.
local function json_text(value)
  local kind = type(value)
  if kind == "string" then
    return '"' .. escaped(value, JSON_ESCAPED, '[%c"\\\127]', json_escape) .. '"'
  elseif value == json_null or value == nil then
    return "null"
  elseif kind == "number" then
    return number_text(value)
  elseif kind ~= "table" then
    return tostring(value)
  end
  local texts = {}
  if is_json_list(value) then
    for i, item in ipairs(value) do
      texts[i] = json_text(item)
    end
    return "[" .. table.concat(texts, ",") .. "]"
  end
  local keys = {}
  for key in pairs(value) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  for i, key in ipairs(keys) do
    texts[i] = json_text(key) .. ":" .. json_text(value[key])
  end
  return "{" .. table.concat(texts, ",") .. "}"
end
