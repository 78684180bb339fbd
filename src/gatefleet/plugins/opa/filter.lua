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

-- The headers to tell of, and those that are Envoy's and ours.
local function headers_of(handle)
  local headers, own = {}, {}
  for name, value in pairs(handle:headers()) do
    local kept = (byte(name) == 58 or sub(name, 1, 5) == "x-gf-") and own or headers
    kept[name] = value
  end
  headers.host = own[":authority"]
  return headers, own
end

-- Texts as they stand in JSON: names of headers and most of their values come again and again.
local quote = kept(1000, json_text, 256)
local answer_of = kept(100, function(text)
  return json_read(text) or false
end, 1024)

local function object_text(fields)
  local texts = {}
  for name, value in pairs(fields) do
    texts[#texts + 1] = quote(name) .. ":" .. quote(value)
  end
  return "{" .. table.concat(texts, ",") .. "}"
end

-- LuaJIT leaves and enters its code around each call of Envoy: a loop of such calls takes less without it.
jit.off(headers_of)

-- What stands around the values is the same for all requests: to write it from tables would cost as much as all the rest.
local REQUEST = '"headers":%s,"host":%s,"method":%s,"path":%s,"port":%s,"query":%s,"scheme":%s'
local VAR = '"remote_addr":"%s","remote_port":"%s","server_addr":"%s","server_port":"%s","timestamp":%d'

local function input(handle, conf)
  local headers, own = headers_of(handle)
  local info, path, query = handle:streamInfo(), target(handle)
  local server_addr, server_port = address(info:downstreamLocalAddress())
  local remote_addr, remote_port = address(info:downstreamRemoteAddress())
  remote_addr, remote_port = own["x-gf-remote-addr"] or remote_addr, own["x-gf-remote-port"] or remote_port
  local method, scheme, host = quote(own[":method"]), quote(own[":scheme"]), quote(variable(handle, "host"))
  local asked = query and json_text(arguments(query)) or "{}"
  local request = format(REQUEST, object_text(headers), host, method, quote(path), server_port, asked, scheme)
  if conf.with_body then
    local body = handle:body()
    request = body and request .. ',"body":' .. json_text(body:getBytes(0, body:length())) or request
  end
  local var = format(VAR, remote_addr, remote_port, server_addr, server_port, os.time())
  local consumer = conf.with_consumer and consumer_of(handle)
  local told = (consumer and ',"consumer":' .. json_text(consumer) or "") .. conf.documents
  return '{"input":{"request":{' .. request .. '},"type":"http","var":{' .. var .. "}" .. told .. "}}"
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
  local said = answered[":status"] == "200" and answer_of(content or "")
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
