function on.request(handle, conf)
  if header(handle, "x-gf-admitted") then
    handle:headers():remove("x-gf-admitted")
  else
    refuse(handle, "401", conf.body)
  end
end
