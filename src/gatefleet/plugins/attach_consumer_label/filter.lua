function on.request(handle, conf)
  local labels, headers = labels_of(header(handle, "x-consumer-username")) or {}, handle:headers()
  for name, label in pairs(conf.labels) do
    local value = labels[label]
    if type(value) == "string" and value ~= "" then
      headers:replace(name, printable(value))
    else
      headers:remove(name)
    end
  end
end
