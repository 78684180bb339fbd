local DIGESTS = { ["hmac-sha1"] = "SHA1", ["hmac-sha256"] = "SHA256", ["hmac-sha512"] = "SHA512" }
local MONTHS = { Jan = 0, Feb = 1, Mar = 2, Apr = 3, May = 4, Jun = 5, Jul = 6, Aug = 7, Sep = 8, Oct = 9, Nov = 10, Dec = 11 }
local BEFORE = { [0] = 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 }

-- Seconds since 1970 of an HTTP date (RFC 9110, 5.6.7, IMF-fixdate), or nil.
local function seconds_of(date)
  local day, month, year, hour, minute, second = match(date, "^%a+, (%d%d) (%a+) (%d%d%d%d) (%d%d):(%d%d):(%d%d) GMT$")
  if not MONTHS[month or ""] then
    return nil
  end
  year = tonumber(year)
  local leaps = year - (MONTHS[month] < 2 and 1 or 0)
  local days = (year - 1970) * 365 + math.floor(leaps / 4) - math.floor(leaps / 100) + math.floor(leaps / 400) - 477
  days = days + BEFORE[MONTHS[month]] + day - 1
  return ((days * 24 + hour) * 60 + minute) * 60 + second
end

local function words_of(text)
  local words, at = {}, 1
  while at <= #text do
    local stop = find(text, " ", at, true) or #text + 1
    if stop > at then
      words[#words + 1] = sub(text, at, stop - 1)
    end
    at = stop + 1
  end
  return words
end

-- The fields of `Signature keyId="...",algorithm="...",headers="a b",signature="..."`, or nil. Without patterns: those
-- are not compiled.
local function parsed(text)
  if not text or sub(text, 1, 10) ~= "Signature " then
    return nil
  end
  local fields, at = { headers = "" }, 11
  while true do
    while byte(text, at) == 44 or byte(text, at) == 32 do
      at = at + 1
    end
    local equals = find(text, '="', at, true)
    local stop = equals and find(text, '"', equals + 2, true)
    if not stop then
      return fields.keyId and fields.algorithm and fields.signature and fields
    end
    fields[sub(text, at, equals - 1)] = sub(text, equals + 2, stop - 1)
    at = stop + 1
  end
end

local function signing_text(headers, fields, names)
  local lines = { fields.keyId }
  for _, name in ipairs(names) do
    local value = name ~= "@request-target" and headers:get(lower(name))
    if name == "@request-target" then
      lines[#lines + 1] = headers:get(":method") .. " " .. headers:get(":path")
    elseif value then
      lines[#lines + 1] = name .. ": " .. value
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

local function covers(names, wanted)
  for _, needed in ipairs(wanted) do
    local covered = false
    for _, name in ipairs(names) do
      covered = covered or lower(name) == needed
    end
    if not covered then
      return false
    end
  end
  return true
end

local function in_time(headers, conf)
  local made = seconds_of(headers:get("date") or "")
  return made ~= nil and math.abs(os.time() - made) <= conf.skew
end

local function body_as_said(handle)
  local said = header(handle, "digest")
  if not said then
    return false
  end
  local body = handle:body()
  local content = body and body:getBytes(0, body:length()) or ""
  return equal(said, "SHA-256=" .. handle:base64Escape(digest("SHA256", content)))
end

local function caller(handle, conf)
  local headers = handle:headers()
  local fields = parsed(headers:get("authorization"))
  if not fields or not conf.algorithms[fields.algorithm] then
    return nil
  end
  local who, names = person("h", fields.keyId), words_of(fields.headers)
  if not who or not in_time(headers, conf) or not covers(names, conf.signed) then
    return nil
  end
  local made = hmac(DIGESTS[fields.algorithm], who.secret, signing_text(headers, fields, names))
  if not equal(made, unbase64(fields.signature) or "") then
    return nil
  end
  return (not conf.body_digest or body_as_said(handle)) and who or nil
end

local function caller_without_trace(handle, conf)
  local who = caller(handle, conf)
  if who and conf.hide then
    handle:headers():remove("authorization")
  end
  return who, "client request can't be validated"
end

function on.request(handle, conf)
  authenticate(handle, conf, caller_without_trace)
end
