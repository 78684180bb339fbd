-- What every script of ours ends with: it calls the script's hooks with their configuration, and keeps them from failing open.

-- A configuration is read once: Envoy copies the whole context of a filter whenever it is asked for, and one text is
-- copied sooner than what it says. The streams of a worker share a VM.
local configuration_of = kept(10000, json_whole)

local function configuration(handle)
  return configuration_of(handle:filterContext():get("conf"))
end

local function broken(handle)
  respond(handle, { [":status"] = "500" }, '{"error_msg":"500 Internal Server Error"}\n')
end

-- A response that has begun cannot be answered anew: it loses its body. Nothing is written instead, there may be no place for it.
local function empty(handle)
  sign(handle)
  local headers = handle:headers()
  headers:replace(":status", "500")
  headers:replace("content-length", "0")
  headers:remove("content-encoding")
  for chunk in handle:bodyChunks() do
    chunk:setBytes("")
  end
end

-- Requests that the script knows by themselves to be none of its concern are not held against the configuration: to read
-- that costs as much as to be called.
local function configured(handle, hook)
  if hook == on.request and on.unconcerned and on.unconcerned(handle) then
    return
  end
  hook(handle, configuration(handle))
end

local function run(handle, hook)
  local ok, why = pcall(configured, handle, hook)
  if ok then
    return
  end
  handle:logErr("script failed: " .. tostring(why))
  if not pcall(hook == on.request and broken or empty, handle) then
    error("cannot answer") -- nothing is left but to let Envoy end it
  end
end

envoy_on_request = on.request and function(handle)
  run(handle, on.request)
end or nil
envoy_on_response = on.response and function(handle)
  run(handle, on.response)
end or nil

-- Garbage is collected once there is a megabyte of it, or three times of what is in use: little is, and looking at it
-- all is the cost. Something that each collection finds dead says when the next one is due, by what is in use by then.
local GARBAGE = 1024

local function pace()
  collectgarbage("setpause", 100 + math.max(300, 100 * GARBAGE / collectgarbage("count")))
  getmetatable(newproxy(true)).__gc = pace
end

if not package.loaded["gatefleet.pace"] then -- once for all scripts that share the VM
  package.loaded["gatefleet.pace"] = true
  pace()
end
