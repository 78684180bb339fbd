-- What was learnt under a configuration: its provider's keys, tokens and sessions that are known. Gone with it.
local learnt = setmetatable({}, { __mode = "k" })
local MOST = 1000
local AGAIN = 10 -- seconds until the keys are asked for again because a token names an unknown one

-- Milliseconds that the sign-in process gets: a sign-in asks the provider four times, each within its timeout.
local function patience(conf)
  return conf.client.timeout * 4000 + 2000
end

local function state_of(conf)
  local state = learnt[conf]
  if not state then
    state = { tokens = {}, tokens_held = 0, sessions = {}, sessions_held = 0 }
    learnt[conf] = state
  end
  return state
end

local function remember(state, kind, name, value)
  local held = kind .. "_held"
  if state[held] >= MOST then
    state[kind], state[held] = {}, 0
  end
  state[kind][name], state[held] = value, state[held] + 1
end

local function rejected(handle, conf, why)
  local challenge = 'Bearer realm="' .. conf.realm .. '"'
  if why then
    challenge = challenge .. ', error="invalid_token", error_description="' .. why .. '"'
  end
  refuse(handle, "401", conf.body, { ["www-authenticate"] = challenge })
end

local function forbidden(handle, why)
  refuse(handle, "403", json_text({ error = why }))
end

-- The access token a client brings, or nil; then whether its header makes no sense.
local function brought(headers)
  local given = headers:get("authorization")
  if not given then
    return headers:get("x-access-token")
  end
  local space = find(given, " ", 1, true)
  if not space then
    return nil, true
  end
  return lower(sub(given, 1, space - 1)) == "bearer" and sub(given, space + 1) or nil
end

-- Who issues tokens, and with which keys: as configured, and the rest from the provider.
local function issuer_of(handle, conf, state, kid)
  if not conf.jwks and conf.issuers then
    state.issuer = state.issuer or { keys = { conf.key }, issuers = conf.issuers }
    return state.issuer
  end
  local now, known = os.time(), state.issuer
  local unknown = known and conf.jwks and kid ~= nil and not known.kids[kid]
  if known and now - known.at < conf.keys_age and not (unknown and now - known.at >= AGAIN) then
    return known
  end
  local question = { client = conf.client, jwks = conf.jwks, unknown = unknown or false }
  local said = ask_signin(handle, "/openid-connect/keys", question, patience(conf))
  known = { keys = conf.jwks and said.keys or { conf.key }, kids = {}, at = now }
  known.issuers = conf.issuers or said.issuer ~= "" and { [said.issuer] = true } or nil
  for _, key in ipairs(known.keys) do
    known.kids[key.kid or ""] = true
  end
  state.issuer = known
  return known
end

local function may_sign(key, conf, token)
  if conf.algorithm and token.alg ~= conf.algorithm then
    return false
  elseif conf.jwks and token.kid ~= nil and key.kid ~= token.kid then
    return false
  end
  for _, name in ipairs(key.algorithms) do
    if name == token.alg then
      return true
    end
  end
  return false
end

local function well_signed(conf, issuer, token)
  if token.issuer == issuer and not conf.again then
    return true -- it was, under the very same keys
  end
  for _, key in ipairs(issuer.keys) do
    if may_sign(key, conf, token) and verified(token.alg, key.pem, token.signed, token.signature) then
      token.issuer = issuer
      return true
    end
  end
  return false
end

-- Why the claims do not count now, or nil.
local function untimely(claims, slack)
  local now, exp, nbf = os.time(), claims.exp, claims.nbf
  if exp ~= nil and not (type(exp) == "number" and exp > now) then
    return "JWT expired"
  elseif nbf ~= nil and not (type(nbf) == "number" and nbf <= now + slack) then
    return "JWT not valid yet"
  end
end

-- The claims of a token that one of the provider's keys has signed, or nil and why not.
local function signed_claims(handle, conf, text)
  local state = state_of(conf)
  local token = state.tokens[text]
  if not token then
    token = #text <= 16384 and parsed(text) or nil -- what has its form is printable, too
    if not token then
      return nil, "invalid jwt"
    end
    remember(state, "tokens", text, token)
  end
  local issuer = issuer_of(handle, conf, state, token.kid)
  if not well_signed(conf, issuer, token) then
    return nil, "signature mismatch"
  end
  local late = untimely(token.claims, conf.slack)
  if late then
    return nil, late
  elseif issuer.issuers and not (type(token.claims.iss) == "string" and issuer.issuers[token.claims.iss]) then
    return nil, "invalid issuer"
  end
  return token.claims
end

-- Seconds that what the provider said of a token may be kept.
local function keeping(conf, claims)
  local ends = claims[conf.expiry]
  if type(ends) ~= "number" then
    return 0
  end
  local left = conf.expiry == "exp" and ends - os.time() or ends
  return conf.interval > 0 and left > conf.interval and conf.interval or left
end

-- The claims of a token that the provider knows as active, or nil and why not.
local function introspected_claims(handle, conf, text)
  local state = state_of(conf)
  local known = state.tokens[text]
  if known and os.time() < known.ends then
    return known.claims
  end
  if not match(text, "^[%w%-._~+/]+=*$") then
    return nil, "invalid token" -- RFC 6750 2.1
  end
  local question = { client = conf.client, token = text, headers = {} }
  for _, name in ipairs(conf.addon) do
    question.headers[name] = header(handle, lower(name))
  end
  local claims = ask_signin(handle, "/openid-connect/token", question, patience(conf)).claims
  if type(claims) ~= "table" or claims.active ~= true then
    return nil, "invalid token"
  end
  local left = keeping(conf, claims)
  if left > 0 then
    remember(state, "tokens", text, { claims = claims, ends = os.time() + left })
  end
  return claims
end

local function has_scopes(conf, scope)
  local present = {}
  for one in string.gmatch(type(scope) == "string" and scope or "", "%S+") do
    present[one] = true
  end
  for _, one in ipairs(type(scope) == "table" and scope or {}) do
    present[one] = true
  end
  for _, wanted in ipairs(conf.scopes) do
    if not present[wanted] then
      return false
    end
  end
  return true
end

-- Why the audience is not ours, or nil.
local function not_for_us(conf, claims)
  local value = claims[conf.audience]
  if value == nil or value == json_null then
    return conf.audience_required and "required audience claim not present" or nil
  elseif not conf.audience_ours or value == conf.client.client_id then
    return nil
  end
  for _, one in ipairs(type(value) == "table" and value or {}) do
    if one == conf.client.client_id then
      return nil
    end
  end
  return "mismatched audience"
end

local function set_access_token(headers, conf, token)
  if conf.set_access_token and token and token ~= "" then
    local name = conf.in_authorization and "authorization" or "x-access-token"
    headers:replace(name, conf.in_authorization and "Bearer " .. token or token)
  end
end

-- Claims as they are sent on, by the claims: they are kept with their tokens.
local written = setmetatable({}, { __mode = "k" })

local function userinfo(handle, claims)
  written[claims] = written[claims] or handle:base64Escape(json_text(claims))
  return written[claims]
end

local function with_token(handle, conf, text)
  local claims, why = (conf.introspect and introspected_claims or signed_claims)(handle, conf, text)
  if not claims then
    return rejected(handle, conf, why)
  elseif conf.scopes and not has_scopes(conf, claims.scope) then
    return forbidden(handle, "required scopes " .. table.concat(conf.scopes, ", ") .. " not present")
  end
  local stranger = not_for_us(conf, claims)
  if stranger then
    return forbidden(handle, stranger)
  end
  local headers = handle:headers()
  if headers:get("authorization") then
    headers:remove("x-access-token")
  end
  set_access_token(headers, conf, text)
  if conf.set_userinfo then
    headers:replace("x-userinfo", userinfo(handle, claims))
  end
end

-- The session's cookies among the request's, as they came.
local function session_cookies(handle)
  local found = {}
  for one in string.gmatch(header(handle, "cookie") or "", "[^;]+") do
    local pair = match(one, "^%s*(session[_%d]*=[%w._%-]*)%s*$")
    found[#found + 1] = pair
  end
  return table.concat(found, "; ")
end

local function decision(handle, conf, cookies, host)
  local request = { host = host, scheme = header(handle, ":scheme"), cookie = cookies }
  request.target = gsub(header(handle, ":path"), "[^\33-\126]", escape)
  local question = { client = conf.client, request = request }
  local said = ask_signin(handle, "/openid-connect/session", question, patience(conf))
  for _, name in ipairs({ "access_token", "refresh_token", "id_token", "user", "location" }) do
    said[name] = said[name] and printable(said[name])
  end
  return said
end

-- Whether the request is for the plugin itself: the provider's answer, or a sign-out.
local function is_ours(handle, conf)
  local path = target(handle)
  return path == conf.client.logout_path or path == conf.redirect_path
    or not conf.redirect_path and sub(path, -#conf.suffix) == conf.suffix
end

local function answer(handle, conf, said)
  local status = format("%d", said.status)
  local headers = { ["set-cookie"] = said.cookies, ["content-type"] = said.content_type }
  headers.location = said.location
  headers["www-authenticate"] = said.challenge
  headers["cache-control"] = "no-cache, no-store, max-age=0"
  refuse(handle, status, said.body or status == "401" and conf.body or "", headers)
end

local function pass(handle, conf, said)
  local headers = handle:headers()
  set_access_token(headers, conf, said.access_token)
  local told = {
    ["x-id-token"] = conf.set_id_token and said.id_token or nil,
    ["x-userinfo"] = conf.set_userinfo and said.user or nil,
    ["x-refresh-token"] = conf.set_refresh_token and said.refresh_token or nil,
  }
  for name, value in pairs(told) do
    headers:replace(name, value)
  end
  if said.cookies then
    handle:streamInfo():dynamicMetadata():set("gf.openid-connect", "cookies", table.concat(said.cookies, "\n"))
  end
end

local function with_session(handle, conf)
  handle:headers():remove("x-access-token")
  local host = match(header(handle, ":authority") or "", "^[%w.:%-%[%]_]+$")
  if not host then
    return refuse(handle, "400", "")
  end
  local state, cookies, now, ours = state_of(conf), session_cookies(handle), os.time(), is_ours(handle, conf)
  if cookies == "" and not ours and conf.stranger then
    return conf.stranger == "deny" and refuse(handle, "401", conf.body) or nil
  end
  local name = cookies ~= "" and not ours and digest("SHA256", cookies) or nil
  local said = name and state.sessions[name]
  if not said or now >= said["until"] then
    said = decision(handle, conf, cookies, host)
    if name and said["until"] and now < said["until"] then
      remember(state, "sessions", name, said)
    end
  end
  if said.status then
    answer(handle, conf, said)
  else
    pass(handle, conf, said)
  end
end

function on.request(handle, conf)
  local headers = handle:headers()
  headers:remove("x-userinfo")
  headers:remove("x-id-token")
  headers:remove("x-refresh-token")
  if conf.bearer then
    local token, senseless = brought(headers)
    if senseless then
      return refuse(handle, "400", "")
    elseif token then
      return with_token(handle, conf, token)
    elseif conf.bearer_only then
      return rejected(handle, conf)
    end
  end
  with_session(handle, conf)
end
