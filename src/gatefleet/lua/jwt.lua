-- JSON Web Tokens (RFC 7519), taken apart. Behind json.lua and native.lua.
local function object_of(encoded)
  local value = json_read(unbase64(encoded) or "")
  return type(value) == "table" and not is_json_list(value) and value or nil
end

-- The parts of a token, or nil.
local function parsed(token)
  local signed, signature = match(token, "^([%w_-]+%.[%w_-]+)%.([%w_-]+)$")
  if not signed then
    return nil
  end
  local head, claims = match(signed, "^(.*)%.(.*)$")
  head, claims, signature = object_of(head), object_of(claims), unbase64(signature)
  if head and claims and signature and type(head.alg) == "string" then
    return { alg = head.alg, kid = head.kid, claims = claims, signed = signed, signature = signature }
  end
end
