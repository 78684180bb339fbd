local SAFE = { GET = true, HEAD = true, OPTIONS = true }

local HEX32 = string.rep("%02x", 32)

local function signature(random, made_at, key)
  return format(HEX32, byte(hmac("SHA256", key, random .. "." .. format("%d", made_at)), 1, 32))
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

function on.unconcerned(handle)
  return SAFE[header(handle, ":method")]
end

function on.request(handle, conf)
  local why = problem(handle, conf)
  if why then
    refuse(handle, "401", conf.body or format('{"error_msg":"%s"}\n', why))
  end
end

function on.response(handle, conf)
  local now = os.time()
  local ends = os.date("!%a, %d-%b-%y %H:%M:%S GMT", now + conf.expires)
  local value = format("%s=%s;path=/;SameSite=Lax;Expires=%s", conf.cookie, signed_token(conf.key, now), ends)
  handle:headers():add("set-cookie", value)
end
