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

function on.request(handle, conf)
  local method, kind = header(handle, ":method"), header(handle, "content-type") or ""
  local noted = handle:streamInfo():dynamicMetadata()
  noted:set("gf.grpc-web", "preflight", method == "OPTIONS")
  if method == "OPTIONS" then
    refuse(handle, "204", "")
    return
  elseif method ~= "POST" then
    refuse(handle, "405", "")
    return
  end
  local path, query = call_of(handle, conf)
  if not ALLOWED[kind] or not path then
    refuse(handle, "400", "")
    return
  end
  noted:set("gf.grpc-web", "type", kind)
  handle:headers():replace("accept", kind) -- Envoy answers in the form that is accepted, not in the one that was sent
  handle:headers():replace(":path", query and path .. "?" .. query or path)
end

function on.response(handle, conf)
  local noted = handle:streamInfo():dynamicMetadata():get("gf.grpc-web")
  if not noted then
    return
  end
  local headers = handle:headers()
  if noted.preflight then
    headers:replace("access-control-allow-methods", "POST, OPTIONS")
    headers:replace("access-control-allow-headers", conf.allowed)
  end
  if noted.type then
    headers:replace("content-type", noted.type)
  end
  open_to_all(headers)
end
