-- Requests: what responses have to know about them is noted, and their bodies are made anew.

local function noted(handle, conf)
  local head = header(handle, ":method") == "HEAD"
  if not head and #conf.response.variables == 0 then
    return
  end
  local notes = handle:streamInfo():dynamicMetadata()
  if head then
    notes:set(NOTES, "head", true)
  end
  for _, name in ipairs(conf.response.variables) do
    local value = variable(handle, name)
    if value ~= nil then
      notes:set(NOTES, "var " .. name, value)
    end
  end
end

function on.request(handle, conf)
  if conf.response then
    noted(handle, conf)
  end
  local part = conf.request
  if not part then
    return
  end
  local text = whole_body(handle)
  if text and #text > part.most then
    refuse(handle, "413", "")
    return
  end
  local kind, way = header(handle, "content-type"), part.way
  if header(handle, ":method") == "GET" then
    way = "args"
  elseif way == "" then
    way = format_of(kind)
  end
  local variables = setmetatable({}, {
    __index = function(_, name)
      return variable(handle, name)
    end,
  })
  if way == "args" then
    text = select(2, target(handle)) or ""
  end
  local made, what, why = transformed(part, way, text, kind, variables)
  if not made then
    local message = format("request %s: %s", what, why)
    handle:logErr(message)
    refuse(handle, what == "body decode" and "400" or "503", json_text({ message = message }) .. "\n")
    return
  end
  put_request_body(handle, made)
end
