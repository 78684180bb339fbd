local ALLOWED = {
  ["application/grpc-web"] = true,
  ["application/grpc-web+proto"] = true,
  ["application/grpc-web-text"] = true,
  ["application/grpc-web-text+proto"] = true,
}

-- The part of the path that a prefix of the route leaves over: what is called. Nil where no prefix of the route fits.
local function call_of(handle, conf)
  local path, query = target(handle)
  local best
  for _, prefix in ipairs(conf.prefixes) do
    if sub(path, 1, #prefix) == prefix and #prefix > #(best or "") then
      best = prefix
    end
  end
  if best then
    return "/" .. gsub(sub(path, #best + 1), "^/", ""), query
  end
end

local function open_to_all(headers)
  if not headers:get("access-control-allow-origin") then
    headers:replace("access-control-allow-origin", "*")
  end
  headers:replace("access-control-expose-headers", "grpc-message,grpc-status")
end

-- What the answer has to be told of its request: it costs much, and most have nothing to tell.
local function note(handle, name, value)
  handle:streamInfo():dynamicMetadata():set("gf.grpc-web", name, value)
end

local function reject(handle, status, preflight)
  note(handle, "preflight", preflight)
  refuse(handle, status, "")
end

function on.request(handle, conf)
  local method = header(handle, ":method")
  if method ~= "POST" then
    reject(handle, method == "OPTIONS" and "204" or "405", method == "OPTIONS")
    return
  end
  local headers = handle:headers()
  local kind, path, query = headers:get("content-type") or "", call_of(handle, conf)
  if not ALLOWED[kind] or not path then
    reject(handle, "400", false)
    return
  end
  if sub(kind, -6) ~= "+proto" then -- which Envoy's answers always have
    note(handle, "type", kind)
  end
  headers:replace("accept", kind) -- Envoy answers in the form that is accepted, not in the one that was sent
  headers:replace(":path", query and path .. "?" .. query or path)
end

function on.response(handle, conf)
  local noted = handle:streamInfo():dynamicMetadata():get("gf.grpc-web")
  local headers = handle:headers()
  if not noted and sub(headers:get("content-type") or "", 1, 20) ~= "application/grpc-web" then
    return -- who was refused before
  elseif noted and noted.preflight then
    headers:replace("access-control-allow-methods", "POST, OPTIONS")
    headers:replace("access-control-allow-headers", conf.allowed)
  elseif noted and noted.type then
    headers:replace("content-type", noted.type)
  end
  open_to_all(headers)
end
