local function met(handle, when)
  if not when.of then
    return true
  end
  local result = holds(handle, when)
  unstage(handle, when)
  return result
end

function on.request(handle, conf)
  if not met(handle, conf.when) then
    return
  end
  if math.random(1, 100) > conf.percentage then
    return
  end
  local headers = {}
  for name, parts in pairs(conf.headers) do
    headers[name] = printable(fill(handle, parts))
  end
  headers[":status"] = conf.status
  local body = fill(handle, conf.body)
  if body ~= "" and not headers["content-type"] then
    headers["content-type"] = "text/plain; charset=utf-8"
  end
  respond(handle, headers, body)
end
