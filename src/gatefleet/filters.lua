-- What every script of ours begins with. A script sets on.request, on.response or both, which `lua/run.lua`
-- calls; on.unconcerned(handle) may say that a request needs no look at the configuration.
local byte, find, format, gsub, lower, match, sub =
  string.byte, string.find, string.format, string.gsub, string.lower, string.match, string.sub
local on = {}

-- Whose script it was that answered: to Envoy all scripts are the same.
local function sign(handle)
  handle:streamInfo():dynamicMetadata():set("gf.answered", "by", PLUGIN)
end

local function respond(handle, headers, body)
  sign(handle)
  handle:respond(headers, body)
end

local function escape(char)
  return format("%%%02X", byte(char))
end

local ffi = require("ffi")
pcall(ffi.cdef, "size_t strcspn(const char *text, const char *reject);")

-- Whether a text has none of the bytes of `set`, nor a zero byte, which ends C's texts. Costs a hundredth of what a pattern
-- costs.
local function without(text, set)
  return tonumber(ffi.C.strcspn(text, set)) == #text
end

-- gsub for a text that seldom has what is looked for. One with a zero byte is always looked through.
local function escaped(text, set, pattern, escapes)
  return without(text, set) and text or (gsub(text, pattern, escapes))
end

local CONTROLS = "\127"
for code = 1, 31 do
  CONTROLS = CONTROLS .. string.char(code)
end

-- Envoy does not check what a script writes into headers: a line break would begin a header of its own.
local function printable(text)
  return escaped(text, CONTROLS, "[%z\1-\31\127]", escape)
end

-- What nginx escapes in a path.
local function path_escape(text)
  return (gsub(text, '[%z\1-\32"#%%<>%?\\%^`{|}\127-\255]', escape))
end

-- An answer of the gateway's own, typed as APISIX types it.
local function refuse(handle, status, body, headers)
  headers = headers or {}
  headers[":status"] = status
  if body ~= "" then
    headers["content-type"] = headers["content-type"] or "text/plain; charset=utf-8"
  end
  respond(handle, headers, body)
end

local function header(handle, name)
  return (handle:headers():get(name))
end

-- Whether find_any's filter found one of its patterns.
local function pattern_found(handle, namespace)
  local left = handle:streamInfo():dynamicMetadata():get(namespace)
  return left ~= nil and left.found == "\1"
end

local function target(handle)
  local whole = header(handle, ":path") or ""
  local mark = find(whole, "?", 1, true)
  if mark then
    return sub(whole, 1, mark - 1), sub(whole, mark + 1)
  end
  return whole, nil
end

-- `make`, which keeps what it made of texts that come again: of so many at most, then it begins anew, and of none that is
-- longer than `longest`, where that is given.
local function kept(most, make, longest)
  local made, count = {}, 0
  return function(text)
    local one = made[text]
    if one == nil then
      if longest and #text > longest then
        return make(text)
      end
      if count >= most then
        made, count = {}, 0
      end
      one = make(text)
      made[text], count = one, count + 1
    end
    return one
  end
end

local address_parts = kept(1000, function(text)
  return { match(text, "^%[?(.-)%]?:(%d+)$") }
end)

local function address(text)
  local parts = address_parts(text or "")
  return parts[1], parts[2]
end

local function cookie(handle, name)
  for one in string.gmatch(header(handle, "cookie") or "", "[^;]+") do
    local key, value = match(one, "^%s*([^=]+)=(.*)$")
    if key == name then
      return value
    end
  end
end

-- As nginx: not decoded, names in any case.
local function argument(handle, name)
  local _, query = target(handle)
  for one in string.gmatch(query or "", "[^&]+") do
    local key, value = match(one, "^([^=]+)=(.*)$")
    if key and lower(key) == lower(name) then
      return value
    end
  end
end

local variables = {
  uri = function(handle)
    return header(handle, "x-gf-path") or (target(handle))
  end,
  request_uri = function(handle)
    return header(handle, ":path")
  end,
  args = function(handle)
    return (select(2, target(handle)))
  end,
  is_args = function(handle)
    local _, query = target(handle)
    return query and query ~= "" and "?" or ""
  end,
  host = function(handle)
    return header(handle, "x-forwarded-host") or (gsub(lower(header(handle, ":authority") or ""), ":%d+$", ""))
  end,
  http_host = function(handle)
    return header(handle, ":authority")
  end,
  scheme = function(handle)
    return header(handle, ":scheme")
  end,
  request_method = function(handle)
    return header(handle, ":method")
  end,
  consumer_name = function(handle)
    return header(handle, "x-consumer-username")
  end,
  server_protocol = function(handle)
    return handle:streamInfo():protocol()
  end,
  remote_addr = function(handle)
    return header(handle, "x-gf-remote-addr") or (address(handle:streamInfo():downstreamRemoteAddress()))
  end,
  remote_port = function(handle)
    return header(handle, "x-gf-remote-port") or (select(2, address(handle:streamInfo():downstreamRemoteAddress())))
  end,
  server_addr = function(handle)
    return (address(handle:streamInfo():downstreamLocalAddress()))
  end,
  server_port = function(handle)
    return (select(2, address(handle:streamInfo():downstreamLocalAddress())))
  end,
}
variables.query_string = variables.args

local function variable(handle, name)
  if variables[name] then
    return variables[name](handle)
  end
  local kind, rest = match(name, "^(%l+)_(.+)$")
  if kind == "http" then
    return header(handle, (gsub(rest, "_", "-")))
  elseif kind == "arg" then
    return argument(handle, rest)
  elseif kind == "cookie" then
    return cookie(handle, rest)
  end
end

-- "=text", "$variable", "?default of the variable before"; `change` works on the values of variables.
local function fill(handle, parts, change)
  local texts = {}
  for i, part in ipairs(parts) do
    local mark, rest = byte(part), sub(part, 2)
    if mark == 61 then
      texts[#texts + 1] = rest
    elseif mark == 36 then
      local value, after = variable(handle, rest), parts[i + 1]
      if value == nil and after and byte(after) == 63 then
        value = sub(after, 2)
      end
      texts[#texts + 1] = change and change(value or "") or value or ""
    end
  end
  return table.concat(texts)
end
