-- Templates in the syntax of lua-resty-template, made functions that reach nothing but what they are given. Behind json.lua.
local TEMPLATE_STEPS = 5000000 -- instructions of one rendering; about a quarter of a second
local TEXT_MAX = 8388608
local html_escapes = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;", ["/"] = "&#47;" }

-- Texts know their functions wherever they are, so the one that could make a text of any length is bounded for all.
local repeated = string.rep
string.rep = function(text, count) -- luacheck: ignore
  if #text * count > TEXT_MAX then
    error("text too long")
  end
  return repeated(text, count)
end

local function template_fail(why)
  error({ template = why }, 0)
end

local function template_output(value)
  if type(value) == "function" then
    value = value()
  end
  return value == nil and "" or value == json_null and "null" or tostring(value)
end

local function template_escaped(value)
  return type(value) == "number" and tostring(value)
    or escaped(template_output(value), "&<>\"'/", "[&<>\"'/]", html_escapes)
end

local template_ends = { ["{"] = "}}", ["*"] = "*}", ["%"] = "%}", ["#"] = "#}", ["-"] = "-}", ["("] = ")}", ["["] = "]}" }

local function template_say(code, text)
  if text ~= "" then
    code[#code + 1] = format("___[#___ + 1] = %q", text)
  end
end

-- A tag that stands alone on its line takes the line with it.
local function template_lines(text, start, stop)
  local blank = match(sub(text, 1, start - 1), "\n([ \t]*)$") or match(sub(text, 1, start - 1), "^([ \t]*)$")
  if sub(text, stop + 1, stop + 1) == "\n" then
    return start - (blank and #blank or 0), stop + 1
  end
  return start, stop
end

local function template_raw(code, text, name, stop)
  if name ~= "raw" and name ~= "verbatim" then
    template_fail("blocks cannot be carried: {-" .. name .. "-}")
  end
  local first, last = find(text, "{-" .. name .. "-}", stop + 1, true)
  if not first then
    template_fail("{-" .. name .. "-} does not end")
  end
  template_say(code, sub(text, stop + 1, first - 1))
  return last
end

-- Writes what a tag does; where it ends. Whatever is more than a name could run for long.
local function template_tag(code, text, kind, inner, start, stop)
  code.bounded = code.bounded or kind == "%" or not find(inner, "^[%w_%. ]*$")
  if kind == "{" then
    code[#code + 1] = format("___[#___ + 1] = ___e((%s\n))", inner)
  elseif kind == "*" then
    code[#code + 1] = format("___[#___ + 1] = ___o((%s\n))", inner)
  elseif kind == "%" then
    code[#code + 1] = inner
  elseif kind == "-" then
    return template_raw(code, text, inner, stop)
  elseif kind ~= "#" then
    template_fail(format("templates cannot be included: %s", sub(text, start, stop)))
  end
  return stop
end

local function template_code(text)
  local code, at, from = { "local ___, ___e, ___o, context = {}, ..." }, 1, 1
  while true do
    local start = find(text, "{[{*%%#%-%(%[]", from)
    if not start then
      break
    end
    local kind = sub(text, start + 1, start + 1)
    local first, stop = find(text, template_ends[kind], start + 2, true)
    if not first then
      from = start + 1
    elseif start > 1 and sub(text, start - 1, start - 1) == "\\" then
      template_say(code, sub(text, at, start - 2) .. sub(text, start, stop))
      at, from = stop + 1, stop + 1
    elseif (kind == "(" or kind == "[") and find(sub(text, start + 2, first), "[\n\"{]") then
      from = start + 1 -- no name of a template: JSON, say
    else
      local inner, left, right = sub(text, start + 2, first - 1), start, stop
      if kind == "%" or kind == "#" or kind == "-" then
        left, right = template_lines(text, start, stop)
      end
      template_say(code, sub(text, at, left - 1))
      at = math.max(right, template_tag(code, text, kind, inner, start, stop)) + 1
      from = at
    end
  end
  template_say(code, sub(text, at))
  code[#code + 1] = "return ___"
  return table.concat(code, "\n"), code.bounded
end

-- The function of a template and whether its steps have to be counted; raises what is wrong with it.
local function template_compiled(text)
  local source, bounded = template_code(text)
  local made, why = loadstring(source, "=template")
  if not made then
    template_fail(why)
  end
  jit.off(made, true)
  return { run = made, bounded = bounded }
end

local function copied(from, left_out)
  local copy = {}
  for name, value in pairs(from) do
    copy[name] = value
  end
  for _, name in ipairs(left_out) do
    copy[name] = nil
  end
  return copy
end

local template_json = { encode = json_text, decode = json_read }
local template_modules = {
  cjson = template_json,
  ["cjson.safe"] = template_json,
  ["apisix.core"] = { json = template_json },
}

local template_globals = {
  string = copied(string, { "dump" }),
  table = copied(table, {}),
  math = copied(math, { "randomseed" }),
  ipairs = ipairs, pairs = pairs, next = next, select = select, type = type, unpack = unpack,
  tonumber = tonumber, tostring = tostring, error = error, assert = assert,
  require = function(name)
    return template_modules[name] or error("module [" .. tostring(name) .. "] cannot be loaded here", 2)
  end,
}

local function template_too_long()
  debug.sethook()
  error("it takes too long", 0)
end

-- What the template says with these values: `context` are names of its own, `given` further ones.
local function template_render(made, context, given)
  if not is_json_list(context) then
    setmetatable(context, { __index = given })
  end
  local scope = setmetatable({ context = context }, {
    __index = function(_, name)
      local value = context[name]
      if value == nil then
        value = given[name]
      end
      if value == nil then
        value = template_globals[name]
      end
      return value
    end,
  })
  setfenv(made.run, scope)
  if made.bounded then
    debug.sethook(template_too_long, "", TEMPLATE_STEPS)
  end
  local ok, parts = pcall(made.run, template_escaped, template_output, context)
  if made.bounded then
    debug.sethook()
  end
  if not ok then
    template_fail(tostring(parts))
  end
  return table.concat(parts)
end
