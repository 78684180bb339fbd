-- Protobuf's binary form to and from what JSON says. Behind json.lua and native.lua.
-- `schema` has `messages`, each a list of fields, and `enums`, each a list of values, as protobuf.py writes them.
local bit = require("bit")
local PB_DEPTH = 100
local U64, I64 = ffi.typeof("uint64_t"), ffi.typeof("int64_t")
local pb_four = ffi.new("union { uint8_t bytes[4]; int32_t whole; uint32_t natural; float real; }")
local pb_eight = ffi.new("union { uint8_t bytes[8]; int64_t whole; uint64_t natural; double real; }")
local EXACT = 9007199254740992

local function pb_fail(why)
  error({ protobuf = why }, 0)
end

-- Varints below 2^49 are Lua's numbers, others 64 bits wide.
local function pb_varint(text, at)
  local value, scale = 0, 1
  for i = 0, 6 do
    local one = byte(text, at + i) or pb_fail("unfinished number")
    value = value + one % 128 * scale
    if one < 128 then
      return value, at + i + 1
    end
    scale = scale * 128
  end
  local wide = ffi.cast(U64, value)
  for i = 7, 9 do
    local one = byte(text, at + i) or pb_fail("unfinished number")
    wide = wide + bit.lshift(ffi.cast(U64, one % 128), 7 * i)
    if one < 128 then
      return wide, at + i + 1
    end
  end
  pb_fail("number of more than ten bytes")
end

local function pb_put_varint(out, value)
  if type(value) == "number" and value >= 0 and value < 128 then
    out[#out + 1] = string.char(value)
    return
  end
  local wide = ffi.cast(U64, type(value) == "number" and value < 0 and ffi.cast(I64, value) or value)
  while wide >= 128 do
    out[#out + 1] = string.char(tonumber(wide % 128) + 128)
    wide = wide / 128
  end
  out[#out + 1] = string.char(tonumber(wide))
end

local function pb_bytes(text, at, size, union)
  if at + size - 1 > #text then
    pb_fail("unfinished value")
  end
  ffi.copy(union.bytes, sub(text, at, at + size - 1), size)
  return at + size
end

local function pb_unzigzag(value)
  local wide = ffi.cast(U64, value)
  return bit.bxor(ffi.cast(I64, bit.rshift(wide, 1)), -ffi.cast(I64, bit.band(wide, 1)))
end

-- Of 64 bits: a number where that says it exactly or is asked for, else text behind a "#" as lua-protobuf writes it.
local function pb_told_wide(value, conf)
  local signed = ffi.istype(I64, value)
  local plain = tonumber(value)
  local fits = signed and plain >= -2147483648 and plain <= 4294967295 or not signed and plain <= 4294967295
  if conf.int64 == "number" or fits then
    return plain
  elseif conf.int64 == "hexstring" then
    return "#0x" .. bit.tohex(value, 16):gsub("^0+(.)", "%1")
  end
  return "#" .. (gsub(tostring(value), "U?LL$", ""))
end

-- Numbers that are the same in every kind of whole number: most are, and 64 bits are dear.
local function pb_small(value)
  return type(value) == "number" and value < 2147483648
end

local function pb_signed(value)
  return ffi.cast(I64, type(value) == "number" and value or ffi.cast(I64, value))
end

local pb_varints = {
  int32 = function(value)
    return tonumber(ffi.cast("int32_t", pb_signed(value)))
  end,
  uint32 = function(value)
    return tonumber(ffi.cast("uint32_t", ffi.cast(U64, value)))
  end,
  sint32 = function(value)
    return tonumber(pb_unzigzag(value))
  end,
  bool = function(value)
    return value ~= 0
  end,
  int64 = function(value, conf)
    return pb_told_wide(pb_signed(value), conf)
  end,
  uint64 = function(value, conf)
    return pb_told_wide(ffi.cast(U64, value), conf)
  end,
  sint64 = function(value, conf)
    return pb_told_wide(pb_unzigzag(value), conf)
  end,
}

local pb_fixed = {
  fixed32 = function()
    return tonumber(pb_four.natural)
  end,
  sfixed32 = function()
    return tonumber(pb_four.whole)
  end,
  float = function()
    return tonumber(pb_four.real)
  end,
  fixed64 = function(conf)
    return pb_told_wide(ffi.cast(U64, pb_eight.natural), conf)
  end,
  sfixed64 = function(conf)
    return pb_told_wide(ffi.cast(I64, pb_eight.whole), conf)
  end,
  double = function()
    return tonumber(pb_eight.real)
  end,
}
local PB_WIRE = { fixed32 = 5, sfixed32 = 5, float = 5, fixed64 = 1, sfixed64 = 1, double = 1 }
local PB_PLAIN = { int32 = true, uint32 = true, int64 = true, uint64 = true }
PB_WIRE.string, PB_WIRE.bytes, PB_WIRE.message = 2, 2, 2

local function pb_wire(field)
  return PB_WIRE[field.kind] or 0
end

local function pb_enum_name(schema, field, number)
  for _, value in ipairs(schema.enums[field.of]) do
    if value.number == number then
      return value.name
    end
  end
end

local pb_message

-- One value of a field, and where the next begins.
local function pb_value(schema, conf, field, text, at, depth)
  local wire = pb_wire(field)
  if wire == 0 then
    local value
    value, at = pb_varint(text, at)
    if field.kind == "enum" then
      local number = pb_small(value) and value or pb_varints.int32(value)
      return not conf.enum_as_value and pb_enum_name(schema, field, number) or number, at
    end
    return pb_small(value) and PB_PLAIN[field.kind] and value or pb_varints[field.kind](value, conf), at
  elseif wire == 2 then
    local size
    size, at = pb_varint(text, at)
    if type(size) ~= "number" or at + size - 1 > #text then
      pb_fail("unfinished value")
    end
    local whole = sub(text, at, at + size - 1)
    return field.kind == "message" and pb_message(schema, conf, field.of, whole, depth + 1) or whole, at + size
  end
  at = pb_bytes(text, at, wire == 5 and 4 or 8, wire == 5 and pb_four or pb_eight)
  return pb_fixed[field.kind](conf), at
end

local function pb_skipped(text, at, wire)
  if wire == 0 then
    return (select(2, pb_varint(text, at)))
  elseif wire == 2 then
    local size
    size, at = pb_varint(text, at)
    at = at + tonumber(size)
  else
    at = at + (wire == 1 and 8 or wire == 5 and 4 or pb_fail("groups cannot be carried"))
  end
  return at <= #text + 1 and at or pb_fail("unfinished value")
end

local function pb_default(schema, conf, field)
  if field.list then
    return json_list({})
  elseif field.map then
    return {}
  elseif field.kind == "message" then
    return nil
  elseif field.kind == "enum" then
    local first = schema.enums[field.of][1]
    return conf.enum_as_value and first.number or first.name
  elseif field.kind == "bool" then
    return false
  end
  return (field.kind == "string" or field.kind == "bytes") and "" or 0
end

local function pb_keep(made, field, value)
  if field.map then
    made[field.name] = made[field.name] or {}
    if value.key ~= nil and value.value ~= nil then
      made[field.name][tostring(value.key)] = value.value
    end
  elseif field.list then
    made[field.name] = made[field.name] or json_list({})
    table.insert(made[field.name], value)
  else
    made[field.name] = value
  end
end

local function pb_read_field(schema, conf, field, made, text, at, wire, depth)
  local value
  if wire == 2 and field.list and pb_wire(field) ~= 2 then
    local size
    size, at = pb_varint(text, at)
    local stop = at + tonumber(size)
    while at < stop do
      value, at = pb_value(schema, conf, field, text, at, depth)
      pb_keep(made, field, value)
    end
    return at
  elseif wire ~= pb_wire(field) then
    return pb_skipped(text, at, wire)
  end
  -- the parts of a map's entry are needed even where they are not sent
  value, at = pb_value(schema, field.map and setmetatable({ defaults = "all" }, { __index = conf }) or conf, field, text, at, depth)
  pb_keep(made, field, value)
  return at
end

local numbered = setmetatable({}, { __mode = "k" })

-- The fields of a message by their numbers.
local function pb_fields(list)
  local fields = numbered[list]
  if not fields then
    fields = {}
    for _, field in ipairs(list) do
      fields[field.number] = field
    end
    numbered[list] = fields
  end
  return fields
end

function pb_message(schema, conf, name, text, depth)
  if depth > PB_DEPTH then
    pb_fail("too deep")
  end
  local fields, made, at = pb_fields(schema.messages[name]), {}, 1
  while at <= #text do
    local tag
    tag, at = pb_varint(text, at)
    local wire, field = tonumber(tag % 8), fields[tonumber((tag - tag % 8) / 8)]
    if field then
      at = pb_read_field(schema, conf, field, made, text, at, wire, depth)
    else
      at = pb_skipped(text, at, wire)
    end
  end
  for _, field in ipairs(schema.messages[name]) do
    local wanted = conf.defaults == "all" and not field.oneof
      or conf.defaults == "auto" and field.default
    if made[field.name] == nil and wanted then
      made[field.name] = pb_default(schema, conf, field)
    end
  end
  return made
end

-- What a message says, as JSON can. conf: `int64` (number, string, hexstring), `enum_as_value`, `defaults` (auto, all, no).
local function pb_decode(schema, conf, name, text)
  return pb_message(schema, conf, name, text, 0)
end

-- A whole number, wide where it must be; also from text in digits, which may stand behind "#" and be hexadecimal.
local function pb_whole(value)
  if type(value) == "string" then
    local sign, digits = match(value, "^#?(-?)(%d+)$")
    if digits and #digits <= 15 then
      return tonumber(sign .. digits)
    elseif digits and #digits <= 20 then
      local wide = ffi.cast(U64, 0)
      for digit in string.gmatch(digits, "%d") do
        wide = wide * 10 + tonumber(digit)
      end
      return sign == "-" and -ffi.cast(I64, wide) or wide
    end
    value = tonumber((gsub(value, "^#", "")))
  end
  if type(value) == "number" and value == math.floor(value) and math.abs(value) <= 2 ^ 63 then
    return value
  end
end

local function pb_true(value)
  if type(value) == "boolean" then
    return value
  elseif value == "true" or value == "1" or value == 1 then
    return true
  elseif value == "false" or value == "0" or value == "" or value == 0 then
    return false
  end
end

local function pb_text(value)
  return type(value) == "string" and value or type(value) == "number" and number_text(value) or nil
end

local function pb_zigzag(value)
  local wide = ffi.cast(I64, value)
  return ffi.cast(U64, bit.bxor(bit.lshift(wide, 1), bit.arshift(wide, 63)))
end

local function pb_enum_number(schema, field, value)
  for _, one in ipairs(schema.enums[field.of]) do
    if one.name == value then
      return one.number
    end
  end
  return pb_whole(value)
end

local function pb_packed_number(kind, value)
  local union = PB_WIRE[kind] == 5 and pb_four or pb_eight
  if kind == "float" or kind == "double" then
    union.real = tonumber(value)
  else
    union[sub(kind, 1, 1) == "s" and "whole" or "natural"] = value
  end
  return ffi.string(union.bytes, PB_WIRE[kind] == 5 and 4 or 8)
end

local function pb_wrong(field)
  pb_fail(format("field [%s] cannot hold what it is given", field.name))
end

local pb_put_message

local function pb_put_value(schema, out, field, value, depth)
  local kind = field.kind
  if kind == "message" then
    if type(value) ~= "table" then
      pb_wrong(field)
    end
    local inner = pb_put_message(schema, field.of, value, depth + 1)
    pb_put_varint(out, #inner)
    out[#out + 1] = inner
  elseif kind == "string" or kind == "bytes" then
    local text = pb_text(value) or pb_wrong(field)
    pb_put_varint(out, #text)
    out[#out + 1] = text
  elseif kind == "bool" then
    local said = pb_true(value)
    if said == nil then
      pb_wrong(field)
    end
    out[#out + 1] = said and "\1" or "\0"
  elseif kind == "enum" then
    pb_put_varint(out, pb_enum_number(schema, field, value) or pb_wrong(field))
  elseif kind == "float" or kind == "double" then
    out[#out + 1] = pb_packed_number(kind, tonumber(value) or pb_wrong(field))
  else
    local whole = pb_whole(value) or pb_wrong(field)
    if pb_wire(field) ~= 0 then
      out[#out + 1] = pb_packed_number(kind, whole)
    else
      pb_put_varint(out, sub(kind, 1, 1) == "s" and pb_zigzag(whole) or whole)
    end
  end
end

-- The values of a field: those of a list, a map's entries, or the one.
local function pb_values(field, value)
  if field.map then
    local entries = {}
    if type(value) ~= "table" then
      pb_fail(format("field [%s] has to be an object", field.name))
    end
    for key, one in pairs(value) do
      entries[#entries + 1] = { key = key, value = one }
    end
    return entries
  end
  return field.list and type(value) == "table" and value or { value }
end

function pb_put_message(schema, name, told, depth)
  if depth > PB_DEPTH then
    pb_fail("too deep")
  end
  local out = {}
  for _, field in ipairs(schema.messages[name]) do
    local value = told[field.name]
    if value ~= nil and value ~= json_null then
      for _, one in ipairs(pb_values(field, value)) do
        pb_put_varint(out, field.number * 8 + pb_wire(field))
        pb_put_value(schema, out, field, one, depth)
      end
    end
  end
  return table.concat(out)
end

-- The message that says what `told` says; what it has no field for is left out.
local function pb_encode(schema, name, told)
  return pb_put_message(schema, name, told, 0)
end

-- The result, or nil and what is wrong with what it was given; errors of the script itself go on.
local function pb_tried(make, ...)
  local ok, made = pcall(make, ...)
  if ok then
    return made
  elseif type(made) == "table" and made.protobuf then
    return nil, made.protobuf
  end
  error(made, 0)
end
