local function from_hex(text)
  return (gsub(text, "%x%x", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

local function replace(body, change)
  local texts, at = {}, 1
  repeat
    local first, last = find(body, change.find, at, true)
    if first then
      texts[#texts + 1] = sub(body, at, first - 1)
      texts[#texts + 1] = change.put
      at = last + 1
    end
  until not first or not change.all
  texts[#texts + 1] = sub(body, at)
  return table.concat(texts)
end

-- What described the old body must not describe the new one.
local function forget_body(headers)
  for _, name in ipairs({ "content-length", "content-encoding", "last-modified", "etag" }) do
    headers:remove(name)
  end
end

local function may_have_body(status)
  return status ~= "204" and status ~= "304" and byte(status) ~= 49
end

local function put_body(handle, conf)
  conf.body = conf.body or from_hex(conf.body_hex)
  local headers = handle:headers()
  forget_body(headers)
  if not may_have_body(headers:get(":status")) then
    return
  end
  headers:replace("content-length", format("%d", #conf.body))
  handle:body(true):setBytes(conf.body)
end

local function change_body(handle, conf)
  local headers = handle:headers()
  if headers:get("content-encoding") then
    return -- compressed: there is no text to look for
  end
  forget_body(headers)
  local body = handle:body()
  if not body then
    return
  end
  local text = body:getBytes(0, body:length())
  for _, change in ipairs(conf.filters) do
    text = replace(text, change)
  end
  body:setBytes(text)
end

function on.response(handle, conf)
  if conf.status ~= "" then
    handle:headers():replace(":status", conf.status)
  end
  if conf.body_hex then
    put_body(handle, conf)
  elseif conf.filters then
    change_body(handle, conf)
  end
end
