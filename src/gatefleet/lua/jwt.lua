-- JSON Web Tokens (RFC 7519), taken apart. Behind json.lua and native.lua.
local function object_of(encoded)
  local value = json_read(unbase64(encoded) or "")
  return type(value) == "table" and not is_json_list(value) and value or nil
end

-- There are few heads, and most tokens of a worker have the same.
local head_of = kept(100, function(encoded)
  return object_of(encoded) or false
end)

-- The parts of a token, or nil. What is no digit of base64, as a third dot, unbase64 refuses; but it knows both alphabets.
local function parsed(token)
  local first = find(token, ".", 1, true)
  local second = first and find(token, ".", first + 1, true)
  if not second or second == #token or not without(token, "+/=") then
    return nil
  end
  local head, claims = head_of(sub(token, 1, first - 1)), object_of(sub(token, first + 1, second - 1))
  local signature = unbase64(sub(token, second + 1))
  if head and claims and signature and type(head.alg) == "string" then
    return { alg = head.alg, kid = head.kid, claims = claims, signed = sub(token, 1, second - 1), signature = signature }
  end
end
