-- A session whose cookies were made anew while its request passed.
function on.response(handle)
  local left = handle:streamInfo():dynamicMetadata():get("gf.openid-connect")
  for one in string.gmatch(left and left.cookies or "", "[^\n]+") do
    handle:headers():add("set-cookie", one)
  end
end
