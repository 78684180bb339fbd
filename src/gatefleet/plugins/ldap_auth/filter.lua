-- Name and password of `Basic` credentials, or nil.
local function credentials(given)
  local encoded = match(given, "^[Bb][Aa][Ss][Ii][Cc] +([^ ]+)$")
  return match(encoded and unbase64(encoded) or "", "^([^:]*):(.*)$")
end

-- Whose entry in the directory has that name and password, or nil and what to say.
local function caller(handle, conf)
  local given = header(handle, "authorization")
  if not given then
    return nil, "Missing authorization in request"
  end
  local name, password = credentials(given)
  if not name or name == "" then
    return nil, "Invalid authorization in request"
  end
  local question = { username = handle:base64Escape(name), password = handle:base64Escape(password) }
  for key, value in pairs(conf.directory) do
    question[key] = value
  end
  local dn = ask_signin(handle, "/ldap-auth", question, 12000).dn
  return dn and dn ~= "" and person("l", dn) or nil, "Invalid user authorization"
end

function on.request(handle, conf)
  authenticate(handle, conf, caller)
end
