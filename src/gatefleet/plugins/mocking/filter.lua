local made

local makers = {
  string = function()
    local letters = {}
    for i = 1, math.random(1, 10) do
      letters[i] = string.char(math.random(97, 122))
    end
    return table.concat(letters)
  end,
  number = function()
    return math.random() * 10000
  end,
  integer = function()
    return math.random(1, 10000)
  end,
  boolean = function()
    return math.random(0, 1) == 1
  end,
  array = function(schema)
    if not schema.items then
      return nil
    end
    local items = {}
    for i = 1, math.random(1, 3) do
      items[i] = made(schema.items)
    end
    return json_list(items)
  end,
  object = function(schema)
    local fields = {}
    for name, part in pairs(schema.properties) do
      fields[name] = made(part)
    end
    return fields
  end,
}

function made(schema)
  local example = schema.example
  if example == nil then
    return makers[schema.type](schema)
  elseif schema.type == "integer" then
    return math.floor(example)
  end
  return example
end

local XML = { ["<"] = "&lt;", [">"] = "&gt;", ["&"] = "&amp;", ['"'] = "&quot;", ["'"] = "&#39;" }

local function xml(name, value, indent)
  if type(value) ~= "table" then
    return format("%s<%s>%s</%s>\n", indent, name, gsub(tostring(value), "[<>&\"']", XML), name)
  end
  local texts = {}
  if is_json_list(value) then
    for i, item in ipairs(value) do
      texts[i] = xml(name, item, indent)
    end
    return table.concat(texts)
  end
  for key, item in pairs(value) do
    texts[#texts + 1] = xml(key, item, indent .. "  ")
  end
  table.sort(texts)
  return format("%s<%s>\n%s%s</%s>\n", indent, name, table.concat(texts), indent, name)
end

local function body(handle, conf)
  if conf.example then
    return fill(handle, conf.example)
  elseif conf.format == "xml" then
    return xml("data", made(conf.schema), "")
  end
  return json_text(made(conf.schema))
end

function on.request(handle, conf)
  local headers = {}
  for name, parts in pairs(conf.headers) do
    headers[name] = printable(fill(handle, parts))
  end
  headers["content-type"] = conf.type
  headers["x-mock-by"] = conf.mocked and "Gatefleet" or nil
  refuse(handle, conf.status, body(handle, conf), headers)
end
