local SAFE = { GET = true, HEAD = true, OPTIONS = true }

local HEX16, HEX32 = string.rep("%02x", 16), string.rep("%02x", 32)

local function signature(random, made_at, key)
  return format(HEX32, byte(hmac("SHA256", key, random .. "." .. format("%d", made_at)), 1, 32))
end

local function new_token(handle, conf)
  local now, random = os.time(), format(HEX16, byte(random_bytes(16), 1, 16))
  local token = '{"expires":%d,"random":"%s","sign":"%s"}'
  return handle:base64Escape(format(token, now, random, signature(random, now, conf.key)))
end

local function good(conf, token)
  local said = json_read(unbase64(token) or "")
  if type(said) ~= "table" or type(said.random) ~= "string" or type(said.sign) ~= "string" then
    return false
  elseif type(said.expires) ~= "number" or (conf.expires > 0 and os.time() - said.expires > conf.expires) then
    return false
  end
  return equal(said.sign, signature(said.random, said.expires, conf.key))
end

local function problem(handle, conf)
  local sent, kept = header(handle, conf.header), cookie(handle, conf.cookie)
  if not sent or sent == "" then
    return "no csrf token in headers"
  elseif not kept then
    return "no csrf cookie"
  elseif not equal(sent, kept) then
    return "csrf token mismatch"
  elseif not good(conf, kept) then
    return "Failed to verify the csrf token signature"
  end
end

function on.request(handle, conf)
  local why = not SAFE[header(handle, ":method")] and problem(handle, conf)
  if why then
    refuse(handle, "401", conf.body or format('{"error_msg":"%s"}\n', why))
  end
end

function on.response(handle, conf)
  local ends = os.date("!%a, %d-%b-%y %H:%M:%S GMT", os.time() + conf.expires)
  local value = format("%s=%s;path=/;SameSite=Lax;Expires=%s", conf.cookie, new_token(handle, conf), ends)
  handle:headers():add("set-cookie", value)
end
