-- XML as tables: an element is its text, or a table of its children by name; lists where a name comes again. What has
-- attributes or both text and children is a table with `_attr` and the texts as [1], [2] ... Prefixes of names are dropped.
local XML_DEPTH = 100
local xml_named = { lt = "<", gt = ">", amp = "&", quot = '"', apos = "'" }

local function xml_fail(why)
  error({ decode = why }, 0)
end

local function xml_text(text)
  return (gsub(text, "&(#?%w+);", function(name)
    local code = match(name, "^#(%d+)$") or match(name, "^#x(%x+)$") and tonumber(sub(name, 3), 16)
    code = tonumber(code)
    return xml_named[name] or code and code < 0x110000 and utf8_of(code) or nil
  end))
end

local function xml_local(name)
  return match(name, ":([^:]+)$") or name
end

local function xml_attributes(text)
  local found, any = {}, false
  for name, _, value in string.gmatch(text, "([%w_:.%-\128-\255]+)%s*=%s*([\"'])(.-)%2") do
    found[xml_local(name)], any = xml_text(value), true
  end
  return any and found or nil
end

local function xml_add(parent, name, value)
  local before = parent[name]
  if before == nil then
    parent[name] = value
  elseif is_json_list(before) then
    before[#before + 1] = value
  else
    parent[name] = json_list({ before, value })
  end
end

-- An element without children or attributes is its text, an empty one the empty text.
local function xml_reduced(element)
  if next(element) == nil then
    return ""
  elseif #element == 1 and next(element, next(element)) == nil then
    return element[1]
  end
  return element
end

local function xml_said(open, text)
  text = match(text, "^%s*(.-)%s*$")
  if text ~= "" then
    local top = open[#open].element
    top[#top + 1] = text
  end
end

-- Where the markup at `at` ends if it is neither tag nor text: comments, instructions, declarations, character data.
local function xml_special(text, at, open)
  local ends = nil
  if sub(text, at, at + 3) == "<!--" then
    ends = select(2, find(text, "-->", at + 4, true))
  elseif sub(text, at, at + 8) == "<![CDATA[" then
    ends = select(2, find(text, "]]>", at + 9, true))
    if ends and #open > 1 then
      local top = open[#open].element
      top[#top + 1] = sub(text, at + 9, ends - 3)
    end
  elseif sub(text, at, at + 1) == "<?" then
    ends = select(2, find(text, "?>", at + 2, true))
  elseif sub(text, at, at + 1) == "<!" then
    ends = find(text, ">", at, true)
    if find(sub(text, at, ends), "[", 1, true) then
      xml_fail("document types with definitions cannot be read")
    end
  else
    return nil
  end
  return ends or xml_fail("unfinished markup")
end

local function xml_tag(open, tag)
  local closing = match(tag, "^/%s*([^%s/]+)%s*$")
  if closing then
    local top = table.remove(open)
    if #open == 0 or top.name ~= closing then
      xml_fail("element [" .. closing .. "] was not open")
    end
    xml_add(open[#open].element, xml_local(closing), xml_reduced(top.element))
    return
  end
  local name, rest = match(tag, "^([^%s/]+)(.*)$")
  if not name then
    xml_fail("a tag without a name")
  end
  local element = { _attr = xml_attributes(rest) }
  if sub(tag, -1) == "/" then
    xml_add(open[#open].element, xml_local(name), xml_reduced(element))
  elseif #open > XML_DEPTH then
    xml_fail("too deep")
  else
    open[#open + 1] = { name = name, element = element }
  end
end

-- Where a tag ends: at the first ">" outside of quoted values.
local function xml_tag_end(text, at)
  while true do
    local stop = find(text, "[\"'>]", at) or xml_fail("unfinished tag")
    local char = sub(text, stop, stop)
    if char == ">" then
      return stop
    end
    at = (find(text, char, stop + 1, true) or xml_fail("unfinished tag")) + 1
  end
end

local function xml_read(text)
  local open, at = { { element = {} } }, 1
  while at <= #text do
    local start = find(text, "<", at, true) or #text + 1
    if #open > 1 then
      xml_said(open, xml_text(sub(text, at, start - 1)))
    elseif find(sub(text, at, start - 1), "[^%s\239\187\191]") then
      xml_fail("text outside of elements")
    end
    if start > #text then
      break
    end
    local ends = xml_special(text, start, open)
    if not ends then
      ends = xml_tag_end(text, start + 1)
      xml_tag(open, sub(text, start + 1, ends - 1))
    end
    at = ends + 1
  end
  if #open > 1 or next(open[1].element) == nil then
    xml_fail("unfinished or empty document")
  end
  return open[1].element
end
