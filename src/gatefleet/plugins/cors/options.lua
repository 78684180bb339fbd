function on.request(handle)
  if header(handle, ":method") == "OPTIONS" then
    handle:respond({ [":status"] = "200" }, "")
  end
end
