-- Google's API design guide says which status of HTTP goes with one of gRPC.
local HTTP_OF = { 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401 }
local STATUS = {
  messages = {
    Status = {
      { name = "code", number = 1, kind = "int32", default = true },
      { name = "message", number = 2, kind = "string", default = true },
      { name = "details", number = 3, kind = "message", of = "Any", list = true },
    },
    Any = {
      { name = "type_url", number = 1, kind = "string", default = true },
      { name = "value", number = 2, kind = "bytes", default = true },
    },
  },
  enums = {},
}

local WITH_BODY = { POST = true, PUT = true, PATCH = true }

-- What the client says: a JSON object, a form, or the query.
local function told(handle)
  local method = header(handle, ":method")
  local text = WITH_BODY[method] and whole_body(handle)
  if text and find(header(handle, "content-type") or "", "application/json", 1, true) then
    local read = json_read(text)
    if type(read) == "table" then
      return read
    end
  end
  if method == "POST" then
    return form_fields(text)
  end
  return form_fields((select(2, target(handle))))
end

function on.request(handle, conf)
  local message, why = pb_tried(pb_encode, conf, conf.input, told(handle))
  if not message then
    refuse(handle, "400", json_text({ message = why }) .. "\n")
    return
  end
  local headers = handle:headers()
  headers:replace(":method", "POST")
  headers:replace(":path", conf.path)
  headers:replace("content-type", "application/grpc")
  headers:replace("te", "trailers")
  headers:replace("grpc-accept-encoding", "identity")
  headers:remove("content-encoding")
  if conf.deadline ~= "" then
    headers:replace("grpc-timeout", conf.deadline)
  end
  local size = #message
  local frame = string.char(0, math.floor(size / 16777216), math.floor(size / 65536) % 256, math.floor(size / 256) % 256, size % 256)
  put_request_body(handle, frame .. message)
  handle:streamInfo():dynamicMetadata():set("gf.grpc-transcode", "on", true)
end

local function error_body(conf, headers)
  local encoded = headers:get("grpc-status-details-bin")
  local raw = encoded and unbase64(encoded)
  local said = raw and pb_tried(pb_decode, STATUS, { int64 = "number", defaults = "auto" }, "Status", raw)
  if not said then
    return ""
  end
  for i, detail in ipairs(conf.detail ~= "" and said.details or {}) do
    said.details[i] = pb_tried(pb_decode, conf, conf, conf.detail, detail.value) or detail
  end
  return json_text({ error = said })
end

-- The JSON of the one message a body holds; nil where it holds none that can be read.
local function answer(conf, text)
  local flag, a, b, c, d = byte(text, 1, 5)
  local size = d and ((a * 256 + b) * 256 + c) * 256 + d
  if flag ~= 0 or size > #text - 5 then
    return nil
  end
  local message = pb_tried(pb_decode, conf, conf, conf.output, sub(text, 6, 5 + size))
  return message and json_text(message)
end

local function status_of(handle, headers)
  local status = headers:get("grpc-status")
  local trailers = not status and handle:trailers()
  if trailers then
    for _, name in ipairs({ "grpc-status", "grpc-message", "grpc-status-details-bin" }) do
      local value = trailers:get(name)
      if value then
        headers:replace(name, value)
        trailers:remove(name)
      end
    end
    status = headers:get("grpc-status")
  end
  return tonumber(status or 0) or 2
end

function on.response(handle, conf)
  local noted = handle:streamInfo():dynamicMetadata():get("gf.grpc-transcode")
  if not (noted and noted.on) or not find(header(handle, "content-type") or "", "^application/grpc") then
    return
  end
  local body = handle:body(true)
  local size, headers = body:length(), handle:headers()
  local text = size > 0 and body:getBytes(0, size) or ""
  local status = status_of(handle, headers)
  local out
  if status == 0 then
    out = answer(conf, text)
  else
    headers:replace(":status", format("%d", HTTP_OF[status] or 599))
    out = conf.show_status and error_body(conf, headers) or ""
  end
  if not out then
    handle:logErr("the upstream's answer is not a message of " .. conf.output)
    headers:replace(":status", "502")
    out = '{"error_msg":"502 Bad Gateway"}\n'
  end
  headers:replace("content-type", "application/json")
  headers:remove("grpc-encoding")
  headers:replace("content-length", format("%d", handle:body(true):setBytes(out)))
end
