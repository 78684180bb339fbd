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

local function json_string(text, at)
  local parts = {}
  while true do
    local stop = find(text, '["\\%c]', at) or json_fail(#text + 1, "unfinished string")
    parts[#parts + 1] = sub(text, at, stop - 1)
    local char = sub(text, stop, stop)
    if char == '"' then
      return table.concat(parts), stop + 1
    elseif char ~= "\\" then
      if char ~= "\127" then
        json_fail(stop, "control character in a string")
      end
      parts[#parts + 1], at = char, stop + 1
    else
      local kind = sub(text, stop + 1, stop + 1)
      if kind == "u" then
        parts[#parts + 1], at = json_unicode(text, stop + 2)
      else
        parts[#parts + 1], at = json_escapes[kind] or json_fail(stop, "invalid escape"), stop + 2
      end
    end
  end
end

local function json_number(text, at)
  local digits = match(text, "^-?%d+", at) or json_fail(at, "invalid token")
  if find(digits, "^-?0%d") then
    json_fail(at, "invalid number")
  end
  local stop = at + #digits
  stop = stop + #(match(text, "^%.%d+", stop) or "")
  stop = stop + #(match(text, "^[eE][+-]?%d+", stop) or "")
  return tonumber(sub(text, at, stop - 1)), stop
end

local function json_space(text, at)
  return find(text, "[^ \t\r\n]", at) or #text + 1
end

local function json_array(text, at, depth)
  local items, count = json_list({}), 0
  at = json_space(text, at)
  if sub(text, at, at) == "]" then
    return items, at + 1
  end
  while true do
    count = count + 1
    items[count], at = json_value(text, at, depth)
    at = json_space(text, at)
    local char = sub(text, at, at)
    if char == "]" then
      return items, at + 1
    elseif char ~= "," then
      json_fail(at, "expected comma or array end")
    end
    at = at + 1
  end
end

local function json_object(text, at, depth)
  local fields = {}
  at = json_space(text, at)
  if sub(text, at, at) == "}" then
    return fields, at + 1
  end
  while true do
    at = json_space(text, at)
    if sub(text, at, at) ~= '"' then
      json_fail(at, "expected object key string")
    end
    local key
    key, at = json_string(text, at + 1)
    at = json_space(text, at)
    if sub(text, at, at) ~= ":" then
      json_fail(at, "expected colon")
    end
    fields[key], at = json_value(text, at + 1, depth)
    at = json_space(text, at)
    local char = sub(text, at, at)
    if char == "}" then
      return fields, at + 1
    elseif char ~= "," then
      json_fail(at, "expected comma or object end")
    end
    at = at + 1
  end
end

local json_words = { t = { "true", true }, f = { "false", false }, n = { "null", json_null } }

function json_value(text, at, depth)
  at = json_space(text, at)
  if depth > JSON_DEPTH then
    json_fail(at, "too deep")
  end
  local char = sub(text, at, at)
  local word = json_words[char]
  if char == "{" then
    return json_object(text, at + 1, depth + 1)
  elseif char == "[" then
    return json_array(text, at + 1, depth + 1)
  elseif char == '"' then
    return json_string(text, at + 1)
  elseif word and sub(text, at, at + #word[1] - 1) == word[1] then
    return word[2], at + #word[1]
  end
  return json_number(text, at)
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
