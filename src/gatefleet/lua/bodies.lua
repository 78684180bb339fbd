-- Variables of requests' bodies: post_arg_x of forms, post_arg.a.b[0] of JSON, forms and several parts, and what a GraphQL
-- query is. Behind json.lua, forms.lua and multipart.lua. The body is read when first asked for, and only if it is of such
-- a type; a script holds no header objects while it asks.
local read_bodies = setmetatable({}, { __mode = "k" })

local function body_of(handle)
  local known = read_bodies[handle]
  if not known then
    local kind = lower(header(handle, "content-type") or "")
    known = { kind = kind, form = find(kind, "application/x-www-form-urlencoded", 1, true) ~= nil }
    known.json = find(kind, "application/json", 1, true) ~= nil
    known.parts = find(kind, "multipart/form-data", 1, true) ~= nil
    known.query = find(kind, "application/graphql", 1, true) ~= nil
    known.as_sent = header(handle, "content-type")
    if known.form or known.json or known.parts or known.query then
      known.text = whole_body(handle)
    end
    read_bodies[handle] = known
  end
  return known
end

local function fields_of(handle)
  local body = body_of(handle)
  if body.fields == nil and body.text then
    if body.form then
      body.fields = form_fields(body.text)
    elseif body.json then
      body.fields = json_read(body.text)
    elseif body.parts then
      local ok, parts = pcall(multipart_read, body.text, body.as_sent)
      body.fields = ok and parts:get_all()
    end
  end
  return type(body.fields) == "table" and body.fields or {}
end

-- a.b[0].c: names of objects, and places in lists from 0.
local function field_at(fields, path)
  local value = fields
  for name, place in string.gmatch(path, "([^.%[%]]*)%[?(%d*)%]?%.?") do
    for _, key in ipairs({ name ~= "" and name or false, place ~= "" and tonumber(place) + 1 or false }) do
      if key then
        value = type(value) == "table" and value[key] or nil
      end
    end
  end
  return value ~= json_null and value or nil
end

-- The next word or sign of a GraphQL document and where it ends; blanks, commas, comments and the insides of texts do not count.
local function graphql_token(text, at)
  at = find(text, "[^%s,]", at)
  if not at then
    return nil
  elseif sub(text, at, at) == "#" then
    return graphql_token(text, find(text, "[\r\n]", at) or #text + 1)
  elseif sub(text, at, at + 2) == '"""' then
    return '"', (select(2, find(text, '"""', at + 3, true)) or #text) + 1
  elseif sub(text, at, at) == '"' then
    local stop = at + 1
    while stop <= #text and sub(text, stop, stop) ~= '"' do
      stop = stop + (sub(text, stop, stop) == "\\" and 2 or 1)
    end
    return '"', stop + 1
  end
  local _, stop = find(text, "^[_%w]+", at)
  if not stop then
    _, stop = find(text, "^%.%.%.", at)
  end
  stop = stop or at
  return sub(text, at, stop), stop + 1
end

-- Behind a bracket that is open at `at`, and all within.
local function graphql_behind(text, at)
  local depth = 1
  while depth > 0 do
    local token
    token, at = graphql_token(text, at)
    if not token then
      return #text + 1
    end
    depth = depth + (find("({[", token, 1, true) and 1 or find(")}]", token, 1, true) and -1 or 0)
  end
  return at
end

local function graphql_fields(text, at)
  local fields, count = {}, 0
  local token, before
  token, at = graphql_token(text, at)
  while token and token ~= "}" do
    if token == "(" or token == "{" then
      at = graphql_behind(text, at)
    elseif token == ":" then
      count = count - 1 -- what stood before was another name for it
    elseif find(token, "^[_%a]") and before ~= "@" and before ~= "..." and before ~= "on" then
      count = count + 1
      fields[count] = token
    end
    before = before == "..." and token == "on" and "on" or token
    token, at = graphql_token(text, at)
  end
  fields[count + 1] = nil
  return fields
end

-- The first operation of a document: its kind, its name, and the fields asked for at the top.
local function graphql_read(text)
  local token, at = graphql_token(text, 1)
  while token == "fragment" do
    repeat
      token, at = graphql_token(text, at)
    until not token or token == "{"
    token, at = graphql_token(text, token and graphql_behind(text, at) or #text + 1)
  end
  local found = { operation = token == "{" and "query" or token, name = "" }
  if token == "query" or token == "mutation" or token == "subscription" then
    token, at = graphql_token(text, at)
    if token and find(token, "^[_%a]") then
      found.name = token
    end
    while token and token ~= "{" do
      at = token == "(" and graphql_behind(text, at) or at
      token, at = graphql_token(text, at)
    end
  end
  if token ~= "{" then
    return nil
  end
  found.root_fields = json_list(graphql_fields(text, at))
  return found
end

local function graphql_of(handle)
  local body = body_of(handle)
  if body.graphql == nil then
    local text
    if header(handle, ":method") == "GET" then
      text = form_fields((select(2, target(handle)))).query
    elseif body.query then
      text = body.text
    elseif body.json then
      text = fields_of(handle).query
    end
    body.graphql = type(text) == "string" and graphql_read(text) or false
  end
  return body.graphql or {}
end

local header_variable = variable

-- As before, and the variables of bodies.
variable = function(handle, name)
  local plain, path = match(name, "^post_arg_(.+)$"), match(name, "^post_arg%.(.+)$")
  if plain then
    local value = body_of(handle).form and fields_of(handle)[plain] or nil
    return type(value) == "table" and value[1] or value
  elseif path then
    local fields = fields_of(handle)
    return fields[path] ~= nil and fields[path] ~= json_null and fields[path] or field_at(fields, path)
  elseif sub(name, 1, 8) == "graphql_" then
    return graphql_of(handle)[sub(name, 9)]
  end
  return header_variable(handle, name)
end
