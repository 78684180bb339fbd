function on.request(handle, conf)
  if pattern_found(handle, conf.found_at) then
    refuse(handle, conf.status, conf.body)
  end
end
