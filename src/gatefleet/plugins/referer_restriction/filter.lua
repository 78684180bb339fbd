local function host_of(referer)
  return match(referer or "", "^https?://([^%[%]:/?]+)") or match(referer or "", "^//([^%[%]:/?]+)")
end

local function listed(conf, host)
  if conf.hosts[host] then
    return true
  end
  for _, ending in ipairs(conf.endings) do
    if #host >= #ending and sub(host, #host - #ending + 1) == ending then
      return true
    end
  end
  return false
end

function on.request(handle, conf)
  local host, passes = host_of(header(handle, "referer")), conf.bypass
  if host then
    passes = listed(conf, host) == conf.allow
  end
  if not passes then
    refuse(handle, "403", conf.body)
  end
end
