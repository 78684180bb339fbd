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

local function rendered(part, context, given)
  part.made = part.made or template_compiled(part.template)
  return template_render(part.made, context, given)
end

-- What the template makes of a text; else nil, what failed and why.
local function transformed(part, way, text, kind, variables)
  local context, parts = {}, nil
  if text and way and way ~= "plain" then
    local ok
    ok, context, parts = pcall(decoded, way, text, kind)
    if not ok then
      return nil, "body decode", type(context) == "table" and context.decode or error(context, 0)
    end
    for _, name in ipairs(RESERVED) do
      context[name] = nil
    end
  end
  local given = {
    _ctx = { var = variables },
    _body = text,
    _escape_xml = escape_xml,
    _escape_json = json_text,
    _multipart = parts,
  }
  local ok, made = pcall(rendered, part, context, given)
  if not ok then
    return nil, "template rendering", type(made) == "table" and made.template or error(made, 0)
  end
  return made
end
