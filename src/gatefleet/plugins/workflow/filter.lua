local function chosen(handle, conf)
  for _, rule in ipairs(conf.rules) do
    if holds(handle, rule.case) then
      return rule
    end
  end
end

function on.request(handle, conf)
  local rule = chosen(handle, conf)
  for _, one in ipairs(conf.rules) do
    unstage(handle, one.case)
  end
  if rule and rule.status ~= "" then
    refuse(handle, rule.status, conf.body)
  elseif rule then
    handle:headers():replace(conf.header, rule.mark)
  end
end
