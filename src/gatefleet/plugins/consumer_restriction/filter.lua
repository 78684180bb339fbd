local function allowed(conf, value, method)
  if conf.denied[value] then
    return false
  elseif conf.allowed then
    return conf.allowed[value] == true
  end
  local methods = conf.methods[value]
  return methods == nil or methods[method] == true
end

function on.request(handle, conf)
  local value = conf.value
  if conf.by_name then
    value = header(handle, "x-consumer-username") or ""
  end
  if value == "" then
    refuse(handle, "401", conf.missing)
  elseif not allowed(conf, value, header(handle, ":method")) then
    refuse(handle, conf.status, conf.body)
  end
end
