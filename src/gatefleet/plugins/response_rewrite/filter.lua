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

local function may_have_body(handle, status)
  local seen = handle:streamInfo():dynamicMetadata():get("gf.response-rewrite")
  return status ~= "204" and status ~= "304" and not (seen and seen.head)
end

-- The upstream's body is thrown away as it comes, however long it is.
local function put_body(handle, conf)
  conf.body = conf.body or from_hex(conf.body_hex)
  local headers = handle:headers()
  forget_body(headers)
  local status = headers:get(":status")
  if status ~= "204" and status ~= "304" then
    headers:replace("content-length", format("%d", #conf.body))
  end
  if not may_have_body(handle, status) then
    return
  end
  local rest = conf.body
  for chunk in handle:bodyChunks() do
    chunk:setBytes(rest)
    rest = ""
  end
  if rest ~= "" then
    handle:body(true):setBytes(rest)
  end
end

local function changed(handle, text, change)
  if change.find then
    return replace(text, change)
  end
  local made = regex_replaced(change, text)
  if not made then
    handle:logErr("replacing takes too many steps: " .. change.regex)
  end
  return made or text
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
    text = changed(handle, text, change)
  end
  body:setBytes(text)
end

function on.request(handle, conf)
  if conf.body_hex and header(handle, ":method") == "HEAD" then
    handle:streamInfo():dynamicMetadata():set("gf.response-rewrite", "head", true)
  end
end

-- What the filter behind us has made of variables, for the time being in headers of ours, by their names.
local function taken(handle, names)
  local headers, values = handle:headers(), {}
  for _, name in ipairs(names) do
    values[name] = headers:get(name)
    headers:remove(name)
  end
  return values
end

local function change_headers(handle, conf, values)
  local headers = handle:headers()
  for _, change in ipairs(conf.changes) do
    local value = values[change.from]
    if change.how == "add" and value then
      headers:add(change.name, value)
    elseif change.how == "set" and value then
      headers:replace(change.name, value)
    elseif change.how ~= "add" then
      headers:remove(change.name)
    end
  end
end

local function applies(handle, conf)
  local values = taken(handle, conf.held)
  local function known(_, name)
    return values[conf.variables[name]] or false -- or a header of the answer would be taken for one of the request
  end
  if not holds(handle, conf.when, known) then
    return false
  end
  change_headers(handle, conf, values)
  return true
end

function on.response(handle, conf)
  if conf.when and not applies(handle, conf) then
    return
  end
  if conf.status ~= "" then
    handle:headers():replace(":status", conf.status)
  end
  if conf.body_hex then
    put_body(handle, conf)
  elseif conf.filters then
    change_body(handle, conf)
  end
end
