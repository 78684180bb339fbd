local function chosen(handle, conf)
  for _, rule in ipairs(conf.rules) do
    if holds(handle, rule.match) then
      return next_by_weight(rule.actions)
    end
  end
end

function on.request(handle, conf)
  local action = chosen(handle, conf)
  for _, rule in ipairs(conf.rules) do
    unstage(handle, rule.match)
  end
  local values = {}
  for name, parts in pairs(action and action.headers or {}) do
    values[name] = printable(fill(handle, parts))
  end
  for name, value in pairs(values) do
    handle:headers():replace(name, value)
  end
end
