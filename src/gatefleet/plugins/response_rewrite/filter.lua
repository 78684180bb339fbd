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

function on.request(handle, conf)
  if conf.body_hex and header(handle, ":method") == "HEAD" then
    handle:streamInfo():dynamicMetadata():set("gf.response-rewrite", "head", true)
  end
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
