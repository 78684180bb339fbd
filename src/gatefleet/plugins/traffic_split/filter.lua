local function chosen(handle, conf)
  for _, rule in ipairs(conf.rules) do
    if holds(handle, rule.match) then
      return next_by_weight(rule.shares)
    end
  end
end

function on.request(handle, conf)
  local share = chosen(handle, conf)
  for _, rule in ipairs(conf.rules) do
    unstage(handle, rule.match)
  end
  if share and share.name ~= "" then
    handle:headers():replace(conf.header, share.name)
    if share.host ~= "" then
      handle:headers():replace(":authority", share.host)
    end
  end
end
