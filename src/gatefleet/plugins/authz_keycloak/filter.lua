-- What was learnt under a configuration: Keycloak's endpoints and our own token. Gone with it.
local learnt = setmetatable({}, { __mode = "k" })
local FORM = "application/x-www-form-urlencoded"
local DENIED = '{"error":"access_denied","error_description":"not_authorized"}'

local function state_of(conf)
  learnt[conf] = learnt[conf] or {}
  return learnt[conf]
end

local function url_text(text)
  return (gsub(text, "[^%w%-._~]", escape))
end

-- A form of {name, value} pairs; what has no value is left out.
local function form_of(pairs_of)
  local texts = {}
  for _, pair in ipairs(pairs_of) do
    if pair[2] then
      texts[#texts + 1] = pair[1] .. "=" .. url_text(pair[2])
    end
  end
  return table.concat(texts, "&")
end

-- Where an address leads, as ask() needs it.
local function place_of(conf, url)
  local scheme, authority, path = match(type(url) == "string" and url or "", "^(https?)://([^/?#%s]+)([^#%s]*)$")
  if not scheme then
    return nil
  end
  local secure = scheme == "https"
  return {
    cluster = secure and conf.https or conf.http,
    secure = secure,
    authority = authority,
    path = sub(path, 1, 1) == "/" and path or "/" .. path,
    timeout = conf.timeout,
  }
end

local function post(handle, place, form, authorization)
  local headers = {
    [":method"] = "POST",
    [":path"] = place.path,
    ["content-type"] = FORM,
    ["content-length"] = format("%d", #form),
    authorization = authorization,
  }
  return ask(handle, place, headers, form)
end

local function get(handle, place, query, authorization)
  local path = query and place.path .. (find(place.path, "?", 1, true) and "&" or "?") .. query or place.path
  local answered, content = ask(handle, place, { [":method"] = "GET", [":path"] = path, authorization = authorization })
  local said = answered and answered[":status"] == "200" and json_read(content or "")
  return type(said) == "table" and said or nil, answered and answered[":status"]
end

-- Keycloak's endpoints, as configured and else as it says itself; nil where it does not.
local function endpoints_of(handle, conf)
  local state, now = state_of(conf), os.time()
  if conf.token_endpoint and (conf.resource_endpoint or not conf.lazy) then
    return { token = conf.token_endpoint, resources = conf.resource_endpoint }
  end
  if not state.endpoints or now >= state.endpoints.ends then
    local said = get(handle, place_of(conf, conf.discovery))
    if not said then
      return nil
    end
    state.endpoints = {
      token = conf.token_endpoint or said.token_endpoint,
      resources = conf.resource_endpoint or said.resource_registration_endpoint,
      ends = now + conf.cache,
    }
  end
  return state.endpoints
end

local function lives(said, name, otherwise, leeway, most)
  local seconds = type(said[name]) == "number" and said[name] or otherwise
  return os.time() + math.min(seconds, most) - leeway
end

-- Get a token of our own by this form, and keep it; nil without one.
local function obtain(handle, conf, place, form)
  local answered, content = post(handle, place, form)
  local said = answered and answered[":status"] == "200" and json_read(content or "")
  if type(said) ~= "table" or type(said.access_token) ~= "string" then
    return nil
  end
  local own = {
    token = said.access_token,
    ends = lives(said, "expires_in", conf.access_life, conf.access_leeway, conf.cache),
  }
  if type(said.refresh_token) == "string" then
    own.refresh = said.refresh_token
    own.refresh_ends = lives(said, "refresh_expires_in", conf.refresh_life, conf.refresh_leeway, conf.cache)
  end
  state_of(conf).own = own
  return own.token
end

-- A token of our own, which may look resources up.
local function own_token(handle, conf, place)
  local own, now = state_of(conf).own, os.time()
  if own and now < own.ends then
    return own.token
  end
  local client = { { "client_id", conf.client_id }, { "client_secret", conf.client_secret } }
  if own and own.refresh and now < own.refresh_ends then
    local form = form_of({ { "grant_type", "refresh_token" }, { "refresh_token", own.refresh }, client[1], client[2] })
    local token = obtain(handle, conf, place, form)
    if token then
      return token
    end
  end
  return obtain(handle, conf, place, form_of({ { "grant_type", "client_credentials" }, client[1], client[2] }))
end

-- The ids of the resources that the request's path belongs to, or nil and why nobody can say.
local function resources_of(handle, conf, token_place, place)
  local token = place and own_token(handle, conf, token_place)
  if not token then
    return nil
  end
  local query = "uri=" .. url_text((target(handle))) .. "&matchingUri=true"
  local found, status = get(handle, place, query, "Bearer " .. token)
  if status == "401" then
    state_of(conf).own = nil
  end
  local ids = {}
  for _, id in ipairs(found or {}) do
    ids[#ids + 1] = type(id) == "string" and id or type(id) == "table" and id._id or nil
  end
  return found and ids
end

local function unavailable(handle, why)
  refuse(handle, "503", json_text({ message = why }))
end

local function deny(handle, conf, status, body)
  if status == "403" and conf.denied then
    return refuse(handle, "307", "", { location = conf.denied })
  end
  refuse(handle, status, conf.body or body)
end

local function wanted(handle, conf, permissions)
  local form = { { "grant_type", conf.grant }, { "audience", conf.client_id }, { "response_mode", "decision" } }
  local method = conf.method_scope and header(handle, ":method")
  for _, one in ipairs(permissions) do
    if method then
      one = one .. (find(one, "#", 1, true) and ", " or "#") .. method
    end
    form[#form + 1] = { "permission", one }
  end
  return form_of(form)
end

local function decide(handle, conf, token)
  local endpoints = endpoints_of(handle, conf)
  local place = endpoints and place_of(conf, endpoints.token)
  if not place then
    return unavailable(handle, "Unable to determine token endpoint.")
  end
  local permissions = conf.permissions
  if conf.lazy then
    permissions = resources_of(handle, conf, place, place_of(conf, endpoints.resources))
    if not permissions then
      return unavailable(handle, "Unable to determine the resources of the request.")
    end
  end
  if #permissions == 0 and conf.enforcing then
    return deny(handle, conf, "403", DENIED)
  end
  local answered, content = post(handle, place, wanted(handle, conf, permissions), token)
  local status = answered and answered[":status"]
  if status == "200" then
    return
  elseif not status or tonumber(status) < 400 then
    return unavailable(handle, "No decision.")
  end
  deny(handle, conf, status, content or "")
end

local function field(body, name)
  local value = match("&" .. body, "&" .. name .. "=([^&]*)")
  return value and (gsub(gsub(value, "+", " "), "%%(%x%x)", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

-- A client that gets a token for its user's name and password.
local function generate(handle, conf)
  local held = handle:body()
  local body = held and held:getBytes(0, held:length()) or ""
  local username, password = field(body, "username"), field(body, "password")
  if not username or not password then
    local missing = not username and "username" or "password"
    return refuse(handle, "422", json_text({ message = missing .. " is missing." }))
  end
  local endpoints = endpoints_of(handle, conf)
  local place = endpoints and place_of(conf, endpoints.token)
  if not place then
    return unavailable(handle, "Unable to determine token endpoint.")
  end
  local form = form_of({
    { "grant_type", "password" },
    { "client_id", conf.client_id },
    { "client_secret", conf.client_secret },
    { "username", username },
    { "password", password },
  })
  local answered, content = post(handle, place, form)
  if not answered then
    return refuse(handle, "401", json_text({ message = "Accessing token endpoint URL failed." }))
  end
  refuse(handle, answered[":status"], content or "", { ["content-type"] = answered["content-type"] })
end

function on.request(handle, conf)
  local asks_token = conf.password_uri and header(handle, ":path") == conf.password_uri
  if asks_token and header(handle, "content-type") == FORM and header(handle, ":method") == "POST" then
    return generate(handle, conf)
  end
  local token = header(handle, "authorization")
  if not token then
    return refuse(handle, "401", conf.body or '{"message":"Missing JWT token in request"}\n')
  end
  decide(handle, conf, match(token, "^[Bb]earer ") and token or "Bearer " .. token)
end
