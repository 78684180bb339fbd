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

-- The fields of `Signature keyId="...",algorithm="...",headers="a b",signature="..."`, or nil.
local function parsed(handle)
  local text = match(header(handle, "authorization") or "", "^Signature%s+(.*)$")
  if not text then
    return nil
  end
  local fields = { headers = "" }
  for name, value in string.gmatch(text, '(%a+)="([^"]*)"') do
    fields[name] = value
  end
  return fields.keyId and fields.algorithm and fields.signature and fields
end

local function signing_text(handle, fields)
  local lines = { fields.keyId }
  for name in string.gmatch(fields.headers, "%S+") do
    local value = name ~= "@request-target" and header(handle, lower(name))
    if name == "@request-target" then
      lines[#lines + 1] = header(handle, ":method") .. " " .. header(handle, ":path")
    elseif value then
      lines[#lines + 1] = name .. ": " .. value
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

local function covers(fields, wanted)
  local covered = {}
  for name in string.gmatch(fields.headers, "%S+") do
    covered[lower(name)] = true
  end
  for _, name in ipairs(wanted) do
    if not covered[name] then
      return false
    end
  end
  return true
end

local function in_time(handle, conf)
  local made = seconds_of(header(handle, "date") or "")
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
  local fields = parsed(handle)
  if not fields or not conf.algorithms[fields.algorithm] then
    return nil
  end
  local who = person("h", fields.keyId)
  if not who or not in_time(handle, conf) or not covers(fields, conf.signed) then
    return nil
  end
  local made = hmac(DIGESTS[fields.algorithm], who.secret, signing_text(handle, fields))
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
