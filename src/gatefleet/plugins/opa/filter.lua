local function decoded(text)
  return (gsub(gsub(text, "+", " "), "%%(%x%x)", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

local function arguments(query)
  local fields = {}
  for one in string.gmatch(query or "", "[^&]+") do
    local name, value = match(one, "^([^=]*)=(.*)$")
    name = decoded(name or one)
    fields[name] = fields[name] == nil and (value and decoded(value) or true) or fields[name]
  end
  return fields
end

local function consumer_of(handle)
  local name = header(handle, "x-consumer-username")
  local labels = labels_of(name)
  return labels and { username = name, labels = labels, credential_id = header(handle, "x-credential-identifier") }
end

local function input(handle, conf)
  local headers, path, query = {}, target(handle)
  for name, value in pairs(handle:headers()) do
    if sub(name, 1, 1) ~= ":" and sub(name, 1, 5) ~= "x-gf-" then
      headers[name] = value
    end
  end
  headers.host = header(handle, ":authority")
  local request = {
    scheme = header(handle, ":scheme"),
    method = header(handle, ":method"),
    host = variable(handle, "host"),
    port = tonumber(variable(handle, "server_port")),
    path = path,
    headers = headers,
    query = arguments(query),
  }
  if conf.with_body then
    local body = handle:body()
    request.body = body and body:getBytes(0, body:length()) or nil
  end
  local told = conf.documents ~= "" and (json_read(conf.documents) or error("unreadable documents")) or {}
  local var = { timestamp = os.time() }
  for _, name in ipairs({ "server_addr", "server_port", "remote_addr", "remote_port" }) do
    var[name] = variable(handle, name)
  end
  told.type, told.request, told.var = "http", request, var
  told.consumer = conf.with_consumer and consumer_of(handle) or nil
  return json_text({ input = told })
end

local function text_of(value)
  return type(value) == "table" and json_text(value) or tostring(value)
end

local function reject(handle, result)
  local headers = {}
  for name, value in pairs(type(result.headers) == "table" and result.headers or {}) do
    headers[lower(name)] = printable(text_of(value))
  end
  local status = tonumber(result.status_code) or 403
  if status < 200 or status > 599 then
    status = 403
  end
  local reason = result.reason ~= nil and result.reason ~= json_null and text_of(result.reason) or ""
  refuse(handle, format("%d", status), reason, headers)
end

function on.request(handle, conf)
  local body = input(handle, conf)
  local headers = { [":method"] = "POST", [":path"] = conf.path, ["content-type"] = "application/json" }
  headers["content-length"] = format("%d", #body)
  local answered, content = ask(handle, conf, headers, body)
  if not answered then
    refuse(handle, "403", "")
    return
  end
  local said = answered[":status"] == "200" and json_read(content or "")
  local result = type(said) == "table" and said.result
  if type(result) ~= "table" then
    refuse(handle, "503", "")
  elseif result.allow ~= true then
    reject(handle, result)
  elseif type(result.headers) == "table" then
    for name, own in pairs(conf.upstream) do
      local value = result.headers[name]
      if value ~= nil then
        handle:headers():replace(own, printable(text_of(value)))
      end
    end
  end
end
