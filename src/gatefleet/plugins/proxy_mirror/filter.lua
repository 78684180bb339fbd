local OPTIONS = { asynchronous = true, timeout_ms = 60000, send_xff = false }

-- The copy's path: the configured one, before that of the request or instead of it; the request's arguments stay.
local function path_of(handle, conf)
  local own, query = target(handle)
  local path = conf.before and conf.path .. own or conf.path
  return query and query ~= "" and path .. "?" .. query or path
end

function on.request(handle, conf)
  if math.random() >= conf.share then
    return
  end
  local text = whole_body(handle) or ""
  local headers = {}
  for name, value in pairs(handle:headers()) do
    if name == ":method" or byte(name) ~= 58 and sub(name, 1, 5) ~= "x-gf-" then
      headers[name] = headers[name] and headers[name] .. "," .. value or value
    end
  end
  headers["transfer-encoding"] = nil
  headers["content-length"] = text ~= "" and format("%d", #text) or nil
  headers[":path"] = path_of(handle, conf)
  headers[":scheme"] = conf.secure and "https" or "http"
  headers[":authority"] = conf.authority
  handle:httpCall(conf.cluster, headers, text, OPTIONS)
end

-- LuaJIT leaves and enters its code around each call of Envoy: a loop of such calls takes less without it.
jit.off(on.request)
