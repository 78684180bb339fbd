-- Responses: their bodies are made anew. Behind request.lua if that is there; else of requests only HEAD is noted, whose
-- responses have no body: where there is one, the notes are not read, which would cost more than the rest.
if not on.request then
  function on.unconcerned(handle)
    return header(handle, ":method") ~= "HEAD"
  end

  function on.request(handle)
    handle:streamInfo():dynamicMetadata():set(NOTES, "head", true)
  end
end

-- Variables of the request are those noted then; those of the response are looked up.
local function response_variables(notes, headers)
  local known = { status = headers:get(":status") }
  for name, value in pairs(notes) do
    known[match(name, "^var (.+)$") or ""] = value
  end
  return setmetatable(known, {
    __index = function(_, name)
      local rest = match(name, "^sent_http_(.+)$") or match(name, "^upstream_http_(.+)$")
      return rest and headers:get((gsub(rest, "_", "-"))) or nil
    end,
  })
end

function on.response(handle, conf)
  local part, headers = conf.response, handle:headers()
  local status = headers:get(":status")
  if status == "204" or status == "304" or headers:get("content-encoding") then
    return
  end
  local text, notes = whole_body(handle), {}
  if not text or #part.variables > 0 then
    notes = handle:streamInfo():dynamicMetadata():get(NOTES) or notes
  end
  if notes.head then
    return
  end
  headers = handle:headers()
  local kind = headers:get("content-type")
  local way = part.way ~= "" and part.way or format_of(kind)
  local made, what, why = transformed(part, way, text or "", kind, response_variables(notes, headers))
  if not made then
    handle:logErr(format("response %s: %s", what, why))
    return
  end
  headers:remove("last-modified")
  headers:remove("etag")
  headers:replace("content-length", format("%d", handle:body(true):setBytes(made)))
end
