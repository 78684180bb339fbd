local function question(handle, conf)
  local headers = {
    [":method"] = conf.method,
    [":path"] = conf.path,
    ["x-forwarded-proto"] = header(handle, "x-forwarded-proto") or header(handle, ":scheme"),
    ["x-forwarded-method"] = header(handle, ":method"),
    ["x-forwarded-host"] = variable(handle, "host"),
    ["x-forwarded-uri"] = header(handle, ":path"),
    ["x-forwarded-for"] = variable(handle, "remote_addr"),
  }
  for name, parts in pairs(conf.extra) do
    headers[name] = printable(fill(handle, parts))
  end
  for _, name in ipairs(conf.sent) do
    headers[name] = headers[name] or header(handle, name)
  end
  return headers
end

local function body_of(handle, conf, headers)
  if conf.method ~= "POST" then
    return nil
  end
  local body = handle:body()
  local text = body and body:getBytes(0, body:length()) or ""
  headers["content-type"] = header(handle, "content-type")
  headers["content-length"] = format("%d", #text)
  return text
end

function on.request(handle, conf)
  local headers = question(handle, conf)
  local body = body_of(handle, conf, headers)
  local answered, content = ask(handle, conf, headers, body)
  if not answered then
    if not conf.degrade then
      refuse(handle, conf.on_error, "")
    end
    return
  end
  if tonumber(answered[":status"]) >= 300 then
    local told = {}
    for _, name in ipairs(conf.client) do
      told[name] = answered[name]
    end
    refuse(handle, answered[":status"], content or "", told)
    return
  end
  for _, name in ipairs(conf.upstream) do
    if answered[name] then
      handle:headers():replace(name, answered[name])
    else
      handle:headers():remove(name)
    end
  end
end
