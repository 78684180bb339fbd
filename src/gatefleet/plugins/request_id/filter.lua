pcall(ffi.cdef, "long getrandom(void *buffer, unsigned long size, unsigned int flags);")

local function random(size)
  local buffer = ffi.new("unsigned char[?]", size)
  if ffi.C.getrandom(buffer, size, 0) ~= size then
    error("no random bytes")
  end
  return buffer
end

-- Characters of the alphabet, all equally likely: bytes beyond the largest multiple of its size are thrown away.
local function draw(alphabet, length)
  local size = #alphabet
  local limit = 256 - 256 % size
  local chars = {}
  while #chars < length do
    local bytes = random(length)
    for i = 0, length - 1 do
      if bytes[i] < limit and #chars < length then
        local at = bytes[i] % size + 1
        chars[#chars + 1] = sub(alphabet, at, at)
      end
    end
  end
  return table.concat(chars)
end

local DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
local URL_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

-- https://github.com/segmentio/ksuid: 4 bytes of seconds since 2014-05-13T16:53:20Z, 16 random ones, base62 in 27 digits.
local function ksuid()
  local seconds, bytes, noise = os.time() - 1400000000, {}, random(16)
  for i = 4, 1, -1 do
    bytes[i] = seconds % 256
    seconds = math.floor(seconds / 256)
  end
  for i = 0, 15 do
    bytes[5 + i] = noise[i]
  end
  local digits = {}
  for place = 27, 1, -1 do
    local rest = 0
    for i = 1, #bytes do
      local value = rest * 256 + bytes[i]
      bytes[i] = math.floor(value / 62)
      rest = value % 62
    end
    digits[place] = sub(DIGITS, rest + 1, rest + 1)
  end
  return table.concat(digits)
end

function on.request(handle, conf)
  local headers = handle:headers()
  local own = headers:get(conf.header)
  if own and own ~= "" then
    return
  end
  local id
  if conf.algorithm == "ksuid" then
    id = ksuid()
  elseif conf.algorithm == "nanoid" then
    id = draw(URL_SAFE, 21)
  else
    id = draw(conf.chars, conf.length)
  end
  headers:replace(conf.header, id)
end
