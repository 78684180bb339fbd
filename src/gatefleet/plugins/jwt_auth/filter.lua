local function from_header(handle, conf)
  local value = header(handle, conf.header)
  if value and conf.hide then
    handle:headers():remove(conf.header)
  end
  local scheme = value and sub(value, 1, 7)
  return (scheme == "Bearer " or scheme == "bearer ") and sub(value, 8) or value
end

local function from_query(handle, conf)
  local path, query = target(handle)
  local token, kept = nil, {}
  for one in string.gmatch(query or "", "[^&]+") do
    local value = sub(one, 1, #conf.query + 1) == conf.query .. "=" and sub(one, #conf.query + 2)
    if value then
      token = token or value
    else
      kept[#kept + 1] = one
    end
  end
  if token and conf.hide then
    handle:headers():replace(":path", #kept > 0 and path .. "?" .. table.concat(kept, "&") or path)
  end
  return token
end

local function from_cookie(handle, conf)
  local token, kept = nil, {}
  for one in string.gmatch(header(handle, "cookie") or "", "[^;]+") do
    local name, value = match(one, "^%s*([^=]+)=(.*)$")
    if name == conf.cookie then
      token = token or value
    else
      kept[#kept + 1] = match(one, "^%s*(.*)$")
    end
  end
  if token and conf.hide then
    if #kept > 0 then
      handle:headers():replace("cookie", table.concat(kept, "; "))
    else
      handle:headers():remove("cookie")
    end
  end
  return token
end

-- Clients send the same token many times: what was read of it, and the secret it was verified with, is kept for a while.
local token_of = kept(1000, parsed)

local function signed_by(who, algorithm, token)
  if token.alg ~= algorithm then
    return false
  elseif token.verified_with == who.secret then
    return true
  end
  local good
  if sub(algorithm, 1, 2) == "HS" then
    good = equal(hmac("SHA" .. sub(algorithm, 3), who.secret, token.signed), token.signature)
  else
    good = verified(algorithm, who.secret, token.signed, token.signature)
  end
  token.verified_with = good and who.secret or nil
  return good
end

local function in_time(claims, verify, grace)
  local now, exp, nbf = os.time(), claims.exp, claims.nbf
  if verify.exp and exp ~= nil and not (type(exp) == "number" and exp > now - grace) then
    return false
  end
  return not (verify.nbf and nbf ~= nil and not (type(nbf) == "number" and nbf < now + grace))
end

-- Who signed the request's token, or nil and what to say.
local function caller(handle, conf)
  local token = from_header(handle, conf) or from_query(handle, conf) or from_cookie(handle, conf)
  if not token then
    return nil, "Missing JWT token in request"
  end
  token = #token <= 8192 and token_of(token)
  if not token then
    return nil, "JWT token invalid"
  end
  local key = token.claims[conf.claim]
  if type(key) ~= "string" then
    return nil, "missing user key in JWT token"
  end
  local who = person("j", key)
  if not who then
    return nil, "Invalid user key in JWT token"
  end
  local gap = find(who.more, " ", 1, true)
  local algorithm, grace = sub(who.more, 1, gap - 1), tonumber(sub(who.more, gap + 1))
  if not signed_by(who, algorithm, token) or not in_time(token.claims, conf.verify, grace) then
    return nil, "failed to verify jwt"
  end
  return who
end

function on.request(handle, conf)
  authenticate(handle, conf, caller)
end
