-- Conditions as expressions.py prepares them. Behind native.lua.
pcall(ffi.cdef, "int gatefleet_in_network(const char *address, size_t size, const char *network, size_t network_size);")

local function is_value(value, wanted)
  if type(wanted) == "number" then
    return tonumber(value) == wanted
  end
  return value == wanted
end

local function numbers(value, wanted, test)
  value, wanted = tonumber(value), tonumber(wanted)
  return value ~= nil and wanted ~= nil and test(value, wanted)
end

local operators = {
  ["=="] = function(value, node)
    return is_value(value, node.value)
  end,
  ["~="] = function(value, node)
    return not is_value(value, node.value)
  end,
  [">"] = function(value, node)
    return numbers(value, node.value, function(a, b) return a > b end)
  end,
  [">="] = function(value, node)
    return numbers(value, node.value, function(a, b) return a >= b end)
  end,
  ["<"] = function(value, node)
    return numbers(value, node.value, function(a, b) return a < b end)
  end,
  ["<="] = function(value, node)
    return numbers(value, node.value, function(a, b) return a <= b end)
  end,
  ["in"] = function(value, node)
    for _, wanted in ipairs(node.list) do
      if is_value(value, wanted) then
        return true
      end
    end
    return false
  end,
  has = function(value, node)
    for _, one in ipairs(type(value) == "table" and value or {}) do
      if is_value(one, node.value) then
        return true
      end
    end
    return false
  end,
  ipmatch = function(value, node)
    for _, network in ipairs(value and node.list or {}) do
      if module().gatefleet_in_network(value, #value, network, #network) == 1 then
        return true
      end
    end
    return false
  end,
  ["~~"] = function(value, node, found)
    if node.pcre then
      return value and regex_found(node.pcre, tostring(value))
    end
    return found[node.regex] == "\1"
  end,
}
operators["~*"] = operators["~~"]

-- A variable's value, nil where there is none; `extra` knows more variables.
local function condition_value(handle, parts, extra)
  local mark, rest = byte(parts[1] or "="), sub(parts[1] or "=", 2)
  if mark == 61 then
    return rest
  end
  local value = extra and extra(handle, rest)
  return value == nil and variable(handle, rest) or value
end

local node_holds

local function parts_hold(handle, node, found, extra)
  for _, part in ipairs(node.of) do
    if node_holds(handle, part, found, extra) == (node.any == true) then
      return node.any == true
    end
  end
  return not node.any
end

function node_holds(handle, node, found, extra)
  if node.found_at then
    found = handle:streamInfo():dynamicMetadata():get(node.found_at) or {}
  end
  local result
  if node.of then
    result = parts_hold(handle, node, found, extra)
  else
    result = operators[node.op](condition_value(handle, node.var, extra), node, found)
  end
  return result ~= (node.no == true)
end

-- Whether the conditions hold.
local function holds(handle, tree, extra)
  return node_holds(handle, tree, {}, extra)
end

-- What was put into headers for Envoy to look at goes no further.
local function unstage(handle, tree)
  for _, name in ipairs(tree.staged or {}) do
    handle:headers():remove(name)
  end
  for _, part in ipairs(tree.of or {}) do
    unstage(handle, part)
  end
end
