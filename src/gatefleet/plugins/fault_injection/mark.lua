function on.request(handle, conf)
  local met = holds(handle, conf.vars)
  unstage(handle, conf.vars)
  if met then
    handle:headers():replace(conf.header, "1")
  end
end
