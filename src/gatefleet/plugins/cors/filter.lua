local function allowed(rule, origin, matched)
  if rule.regex then
    return origin and matched == "=" and origin or nil
  elseif rule.any then
    return "*"
  elseif rule.echo then
    return origin or "*"
  elseif rule.set then
    return origin and rule.set[origin] and origin or nil
  end
end

local function allowed_origin(conf, origin, matches)
  local answer = allowed(conf.allow, origin, matches.allow)
  if answer then
    return answer
  end
  for _, rule in ipairs(conf.also) do
    if origin and allowed(rule, origin) then
      return origin
    end
  end
end

function on.request(handle, conf)
  local headers, metadata = handle:headers(), handle:streamInfo():dynamicMetadata()
  local origin, matches = headers:get("origin"), metadata:get("gf.cors") or {}
  metadata:set("gf.cors", "origin", allowed_origin(conf, origin, matches) or "")
  metadata:set("gf.cors", "timings", allowed(conf.timing, origin, matches.timing) or "")
  if conf.echo_headers then
    metadata:set("gf.cors", "headers", headers:get("access-control-request-headers") or "")
  end
  if headers:get(":method") == "OPTIONS" then
    respond(handle, { [":status"] = "200" }, "")
  end
end

-- Also runs where a filter before this one answered; nothing is known of the request then.
local function decided(handle, conf)
  local found = handle:streamInfo():dynamicMetadata():get("gf.cors")
  if found and found.origin then
    return found
  end
  return { origin = allowed(conf.allow) or "", timings = allowed(conf.timing) or "" }
end

function on.response(handle, conf)
  local headers, decision = handle:headers(), decided(handle, conf)
  if conf.vary then
    headers:add("vary", "Origin")
  end
  if decision.origin ~= "" then
    headers:replace("access-control-allow-origin", decision.origin)
    for name, value in pairs(conf.headers) do
      headers:replace(name, value)
    end
    if decision.headers and decision.headers ~= "" then
      headers:replace("access-control-allow-headers", decision.headers)
    end
  end
  if decision.timings ~= "" then
    headers:replace("timing-allow-origin", decision.timings)
  end
end
