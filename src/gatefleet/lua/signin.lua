-- Asking the node's own sign-in process. Behind json.lua. No answer is an error, which answers 500.
local function ask_signin(handle, path, question, timeout)
  local body = json_text(question)
  local headers = {
    [":method"] = "POST",
    [":path"] = path,
    [":authority"] = "signin",
    ["content-type"] = "application/json",
    ["content-length"] = format("%d", #body),
  }
  local options = { ["timeout_ms"] = timeout, ["send_xff"] = false }
  local answered, content = handle:httpCall("gf-signin", headers, body, options)
  if not answered or answered[":status"] ~= "200" then
    error("the sign-in process does not answer: " .. tostring(answered and answered[":status"]))
  end
  local said = json_read(content or "")
  if type(said) ~= "table" then
    error("the sign-in process does not answer")
  end
  return said
end
