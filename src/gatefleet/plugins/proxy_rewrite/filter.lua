-- The path the first matching pattern makes; what its groups caught is left for header values.
local function by_pattern(handle, conf)
  local metadata = handle:streamInfo():dynamicMetadata()
  local found = metadata:get("gf.proxy-rewrite") or {}
  for pair = 1, conf.pairs do
    local made = found[tostring(pair)]
    if made and byte(made) == 61 then
      for _, group in ipairs(conf.groups) do
        metadata:set("gf.vars", group, printable(sub(found[pair .. "." .. group] or "=", 2)))
      end
      return sub(made, 2)
    end
  end
end

local function question_escaped(value)
  return (gsub(value, "%?", "%%3F"))
end

local function rewritten(handle, conf)
  if #conf.uri > 0 then
    return fill(handle, conf.uri, question_escaped)
  elseif conf.pairs > 0 then
    return by_pattern(handle, conf)
  end
end

-- The path is escaped as nginx does it; the request's own query goes behind a query that the new path brings along.
-- `whole`: a question mark in the path is part of it, as one in the request's path was.
local function joined(path, query, whole)
  local mark = not whole and find(path, "?", 1, true)
  local own = mark and sub(path, mark + 1)
  path = path_escape(mark and sub(path, 1, mark - 1) or path)
  if byte(path) ~= 47 then
    path = "/" .. path
  end
  if own then
    path = path .. "?" .. gsub(printable(own), " ", "%%20")
  end
  if query and query ~= "" then
    path = path .. (own and "&" or "?") .. query
  end
  return path
end

function on.request(handle, conf)
  local path = rewritten(handle, conf)
  local headers, _, query = handle:headers(), target(handle)
  if path then
    local whole = conf.pairs > 0 and find(headers:get("x-gf-path") or "", "?", 1, true)
    headers:replace(":path", joined(path, query, whole))
  end
  if conf.method ~= "" then
    headers:replace(":method", conf.method)
  end
  if conf.host ~= "" then
    headers:replace(":authority", conf.host)
  end
end
