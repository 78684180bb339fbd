-- What authentication plugins in Lua do once they know, or do not know, who calls. Behind native.lua.
-- Who was let in before may have left more than this one has.
local function tell(headers, name, value, fresh)
  if value ~= "" then
    headers:replace(name, value)
  elseif not fresh then
    headers:remove(name)
  end
end

local function admit(handle, conf, who)
  local headers = handle:headers()
  local fresh = headers:get("x-consumer-username") == nil
  tell(headers, "x-consumer-username", who.name, fresh)
  tell(headers, "x-credential-identifier", who.credential, fresh)
  tell(headers, "x-consumer-custom-id", who.custom_id, fresh)
  if conf.soft then
    headers:replace("x-gf-admitted", "1")
  end
end

local function unauthorized(handle, conf, message)
  local body = conf.body or format('{"message":"%s"}\n', message)
  refuse(handle, "401", body, { ["www-authenticate"] = conf.challenge })
end

-- Nobody known: the anonymous consumer if there is one, the next way to authenticate if there is one, else a refusal.
local function stranger(handle, conf, message)
  if conf.anonymous == "" then
    if not conf.soft then
      unauthorized(handle, conf, message)
    end
    return
  end
  local guest = person("c", conf.anonymous)
  if guest then
    guest.credential = ""
    admit(handle, conf, guest)
  elseif not conf.soft then
    unauthorized(handle, conf, "Invalid user authorization")
  end
end

-- Let in whom `caller(handle, conf)` knows: it returns who it is, or nil and what to say. Several ways to authenticate
-- may stand behind each other; the first that knows the caller is enough.
local function authenticate(handle, conf, caller)
  if conf.soft and header(handle, "x-gf-admitted") ~= nil then
    return
  end
  local who, why = caller(handle, conf)
  if who then
    admit(handle, conf, who)
  else
    stranger(handle, conf, why)
  end
end
