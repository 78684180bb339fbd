-- Forms: what a query or a body of the type application/x-www-form-urlencoded says.
local function url_decoded(text)
  return (gsub(gsub(text, "+", " "), "%%(%x%x)", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

-- Values by name; several of a name as a list, a name without a value as true. At most a hundred names count, as in APISIX.
local function form_fields(text)
  local fields, count = {}, 0
  for one in string.gmatch(text or "", "[^&]+") do
    local name, value = match(one, "^([^=]*)=(.*)$")
    name, value = url_decoded(name or one), name == nil or url_decoded(value)
    local before = fields[name]
    count = count + 1
    if count > 100 then
      break
    elseif before == nil then
      fields[name] = value
    elseif type(before) == "table" then
      before[#before + 1] = value
    else
      fields[name] = { before, value }
    end
  end
  return fields
end

-- The whole body of a request or response; nil where there is none.
local function whole_body(handle)
  local body = handle:body()
  local size = body and body:length() or 0
  return size > 0 and body:getBytes(0, size) or nil
end

local function put_request_body(handle, text)
  handle:body(true):setBytes(text)
  local headers = handle:headers()
  headers:remove("transfer-encoding")
  headers:replace("content-length", format("%d", #text))
end
