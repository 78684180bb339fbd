-- The listeners' default ports lie as far apart as 80 and 443, and stay so with a port offset.
local APART = 443 - 80

local function https(handle, conf)
  if (header(handle, "x-forwarded-proto") or header(handle, ":scheme")) ~= "http" then
    return nil
  end
  local port = conf.port
  if port == 0 then
    port = (tonumber(variable(handle, "server_port")) or 80) + APART
  end
  local authority = variable(handle, "host")
  if port ~= 443 and port <= 65535 then
    authority = authority .. ":" .. format("%d", port)
  end
  local method = header(handle, ":method")
  return "https://" .. authority .. header(handle, ":path"), (method == "GET" or method == "HEAD") and "301" or "308"
end

local function place(handle, conf)
  if conf.https then
    return https(handle, conf)
  elseif conf.uri then
    return fill(handle, conf.uri), conf.status
  end
  local found = handle:streamInfo():dynamicMetadata():get("gf.redirect")
  local uri = found and found.uri
  if uri and byte(uri) == 61 then
    return sub(uri, 2), conf.status
  end
end

local function encoded(uri)
  local mark = find(uri, "?", 1, true)
  if not mark then
    return path_escape(uri)
  end
  return path_escape(sub(uri, 1, mark - 1)) .. sub(uri, mark)
end

function on.request(handle, conf)
  local uri, status = place(handle, conf)
  if not uri then
    return
  end
  local joint = find(uri, "?", 1, true) and "&" or "?"
  if conf.encode then
    uri = encoded(uri)
  end
  local _, query = target(handle)
  if conf.append and query and query ~= "" then
    uri = uri .. joint .. query
  end
  respond(handle, { [":status"] = status, ["location"] = printable(uri) }, "")
end
