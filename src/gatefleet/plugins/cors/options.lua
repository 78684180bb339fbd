function on.request(handle)
  if header(handle, ":method") == "OPTIONS" then
    respond(handle, { [":status"] = "200" }, "")
  end
end
