-- Asking another service, without holding up the worker: its headers and its body, or nil where there is no answer.
-- What Envoy says in its place then lacks the header that it adds to every answer.
local function ask(handle, conf, headers, body)
  headers[":scheme"] = conf.secure and "https" or "http"
  headers[":authority"] = conf.authority
  local options = { ["timeout_ms"] = conf.timeout, ["send_xff"] = false }
  local answered, content = handle:httpCall(conf.cluster, headers, body, options)
  if body and content == "upstream failure" then
    -- Envoy loses a body when it has to look the host up first. A call without one waits for the host's address.
    local knock = { [":method"] = "HEAD", [":path"] = "/", ["user-agent"] = "Envoy/HC" }
    knock[":scheme"], knock[":authority"] = headers[":scheme"], headers[":authority"]
    handle:httpCall(conf.cluster, knock, nil, options)
    answered, content = handle:httpCall(conf.cluster, headers, body, options)
  end
  if answered and answered[":status"] and answered["x-envoy-upstream-service-time"] then
    return answered, content
  end
end
