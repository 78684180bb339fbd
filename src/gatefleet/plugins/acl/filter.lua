local function values_of(text)
  if sub(text, 1, 1) == "[" then
    local values = json_read(text)
    return type(values) == "table" and values or {}
  elseif not find(text, ",", 1, true) then
    return { text }
  end
  local values = {}
  for one in string.gmatch(text .. ",", "(.-)%s*,%s*") do
    values[#values + 1] = one
  end
  return values
end

local function any(wanted, labels)
  for label, values in pairs(wanted) do
    for _, value in ipairs(values_of(labels[label] or "")) do
      if labels[label] and values[value] then
        return true
      end
    end
  end
  return false
end

function on.request(handle, conf)
  local labels = labels_of(header(handle, "x-consumer-username"))
  if not labels then
    refuse(handle, "401", conf.missing)
  elseif (conf.deny and any(conf.deny, labels)) or (conf.allow and not any(conf.allow, labels)) then
    refuse(handle, conf.status, conf.body)
  end
end
