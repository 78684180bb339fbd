local FORM = "application/x-www-form-urlencoded"

local function schema_of(conf, name)
  local read_once = name .. "_read"
  conf[read_once] = conf[read_once] or json_read(conf[name]) or error("unreadable schema")
  return conf[read_once]
end

local function put(fields, name, value)
  local before = fields[name]
  if before == nil then
    fields[name] = value
  elseif type(before) == "table" then
    before[#before + 1] = value
  else
    fields[name] = json_list({ before, value })
  end
end

local function headers_of(handle)
  local fields = {}
  for name, value in pairs(handle:headers()) do
    if name == ":authority" then
      fields.host = value
    elseif byte(name) ~= 58 and sub(name, 1, 5) ~= "x-gf-" then
      put(fields, name, value)
    end
  end
  return fields
end

-- The same of those alone that the schema looks at: to go through all of them costs most of what the plugin costs.
local function named_headers(handle, names)
  local headers, fields = handle:headers(), {}
  for _, name in ipairs(names) do
    local at = name == "host" and ":authority" or name
    local count = headers:getNumValues(at)
    for i = 0, count - 1 do
      put(fields, name, headers:getAtIndex(at, i))
    end
  end
  return fields
end

local function decoded(text)
  return (gsub(gsub(text, "+", " "), "%%(%x%x)", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

local function form_of(text)
  local fields = {}
  for one in string.gmatch(text, "[^&]+") do
    local name, value = match(one, "^([^=]*)=(.*)$")
    put(fields, decoded(name or one), name and decoded(value) or true)
  end
  return fields
end

local function reject(handle, conf, why)
  refuse(handle, conf.status, conf.body or why)
end

-- What is wrong with the body; what was checked as JSON is what goes on.
local function body_problem(handle, conf)
  local form = header(handle, "content-type") == FORM
  local body = handle:body()
  if not body or body:length() == 0 then
    return "the request has no body"
  end
  local text = body:getBytes(0, body:length())
  local value, why
  if form then
    value = form_of(text)
  else
    value, why = json_read(text)
  end
  if value == nil then
    return why
  end
  why = check(schema_of(conf, "body_schema"), value)
  if not why and not form then
    local size = body:setBytes(json_text(value))
    if header(handle, "content-length") then
      handle:headers():replace("content-length", format("%d", size))
    end
  end
  return why
end

function on.request(handle, conf)
  local why = conf.header_schema
    and check(
      schema_of(conf, "header_schema"),
      conf.header_names and named_headers(handle, conf.header_names) or headers_of(handle)
    )
  why = why or (conf.body_schema and body_problem(handle, conf))
  if why then
    reject(handle, conf, why)
  end
end
