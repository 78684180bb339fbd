local RESERVED = { "_ctx", "_body", "_escape_xml", "_escape_json", "_multipart" }
local NOTES = "gf.body-transformer"

local xml_escapes = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ["'"] = "&apos;", ['"'] = "&quot;" }

local function escape_xml(value)
  return escaped(tostring(value), "&<>'\"", "[&<>'\"]", xml_escapes)
end

local decoders = {
  json = function(text)
    local value, why = json_read(text)
    if type(value) ~= "table" or value == json_null then
      error({ decode = why or "it is neither an object nor an array" }, 0)
    end
    return value
  end,
  xml = xml_read,
  encoded = form_fields,
  args = form_fields,
}

local function format_of(kind)
  kind = lower(kind or "")
  if find(kind, "text/xml", 1, true) then
    return "xml"
  elseif find(kind, "application/json", 1, true) then
    return "json"
  elseif find(kind, "application/x-www-form-urlencoded", 1, true) then
    return "encoded"
  elseif find(kind, "multipart/", 1, true) then
    return "multipart"
  end
end

-- What the body says, and the parts it has if it has several.
local function decoded(way, text, kind)
  if way == "multipart" then
    local parts = multipart_read(text, kind)
    return parts:get_all(), parts
  end
  return decoders[way] and decoders[way](text) or {}
end

-- What the template makes of a text; else nil, what failed and why.
local function transformed(part, way, text, kind, variables)
  local made, context, parts
  local ok, why = pcall(function()
    if text and way and way ~= "plain" then
      context, parts = decoded(way, text, kind)
    else
      context = {}
    end
  end)
  if not ok then
    return nil, "body decode", type(why) == "table" and why.decode or error(why, 0)
  end
  for _, name in ipairs(RESERVED) do
    context[name] = nil
  end
  local given = {
    _ctx = { var = variables },
    _body = text,
    _escape_xml = escape_xml,
    _escape_json = json_text,
    _multipart = parts,
  }
  ok, why = pcall(function()
    part.made = part.made or template_compiled(part.template)
    made = template_render(part.made, context, given)
  end)
  if not ok then
    return nil, "template rendering", type(why) == "table" and why.template or error(why, 0)
  end
  return made
end

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

-- Variables of the request are those noted then; those of the response are looked up.
local function response_variables(notes, headers)
  local known = { status = headers:get(":status") }
  for name, value in pairs(notes) do
    known[match(name, "^var (.+)$") or ""] = value
  end
  return setmetatable(known, {
    __index = function(_, name)
      local rest = match(name, "^sent_http_(.+)$") or match(name, "^upstream_http_(.+)$")
      return rest and headers:get((gsub(rest, "_", "-"))) or nil
    end,
  })
end

function on.response(handle, conf)
  local part = conf.response
  local headers = handle:headers()
  local status = headers:get(":status")
  local notes = part and (handle:streamInfo():dynamicMetadata():get(NOTES) or {})
  if not part or notes.head or status == "204" or status == "304" or headers:get("content-encoding") then
    return
  end
  local text = whole_body(handle)
  headers = handle:headers()
  local kind = headers:get("content-type")
  local way = part.way ~= "" and part.way or format_of(kind)
  local made, what, why = transformed(part, way, text or "", kind, response_variables(notes, headers))
  if not made then
    handle:logErr(format("response %s: %s", what, why))
    return
  end
  headers:remove("last-modified")
  headers:remove("etag")
  headers:replace("content-length", format("%d", handle:body(true):setBytes(made)))
end
