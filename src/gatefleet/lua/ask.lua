-- Asking another service, without holding up the worker: its headers and its body, or nil where there is no answer.
-- What Envoy says in its place then lacks the header that it adds to every answer.
local function ask(handle, conf, headers, body)
  headers[":scheme"] = conf.secure and "https" or "http"
  headers[":authority"] = conf.authority
  local options = { ["timeout_ms"] = conf.timeout, ["send_xff"] = false }
  local answered, content = handle:httpCall(conf.cluster, headers, body, options)
  if answered and answered[":status"] and answered["x-envoy-upstream-service-time"] then
    return answered, content
  end
end
