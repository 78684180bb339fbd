function on.request(handle, conf)
  local passes = conf.bypass
  if header(handle, "user-agent") then
    passes = pattern_found(handle, conf.found_at) == conf.allow
  end
  if not passes then
    refuse(handle, "403", conf.body)
  end
end
