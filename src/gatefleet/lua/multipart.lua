-- Bodies of several parts (multipart/form-data, multipart/related), read, changed and written again.
local Multipart = {}
Multipart.__index = Multipart

local function part_of(text)
  local head, value = match(text, "^(.-\r?\n)\r?\n(.*)$")
  head = head or ""
  local disposition = match("\n" .. head, "\n[cC]ontent%-[dD]isposition:([^\r\n]*)") or ""
  local name = match(disposition, '[;%s]name="([^"]*)"') or match(disposition, "[;%s]name=([^;%s]*)")
  name = name or match("\n" .. head, "\n[cC]ontent%-[iI][dD]:%s*<?([^\r\n>]*)>?")
  return { name = name, head = head, value = value or text }
end

local function multipart_read(text, kind)
  local boundary = match(kind or "", 'boundary="([^"]+)"') or match(kind or "", "boundary=([^;%s]+)")
  if not boundary then
    error({ decode = "the content type names no boundary" }, 0)
  end
  local found, at = {}, select(2, find("\n" .. text, "\n--" .. boundary, 1, true))
  while at do
    local _, line = find(text, "^%s-\r?\n", at)
    local stop, next_at = find(text, "\n--" .. boundary, line or at, true)
    if not line or not stop then
      break
    end
    found[#found + 1] = part_of((gsub(sub(text, line + 1, stop - 1), "\r$", "")))
    at = next_at + 1
  end
  if #found == 0 then
    error({ decode = "there are no parts" }, 0)
  end
  return setmetatable({ parts = found, boundary = boundary }, Multipart)
end

-- Values by name; several of a name as a list.
function Multipart:get_all()
  local all = {}
  for _, part in ipairs(self.parts) do
    local before = all[part.name or ""]
    if part.name and before == nil then
      all[part.name] = part.value
    elseif part.name then
      all[part.name] = type(before) == "table" and before or { before }
      table.insert(all[part.name], part.value)
    end
  end
  return all
end

function Multipart:get(name)
  for _, part in ipairs(self.parts) do
    if part.name == name then
      return part
    end
  end
end

function Multipart:delete(name)
  for i = #self.parts, 1, -1 do
    if self.parts[i].name == name then
      table.remove(self.parts, i)
    end
  end
end

function Multipart:set_simple(name, value)
  local part = self:get(name)
  if not part then
    part = { name = name, head = format('Content-Disposition: form-data; name="%s"\r\n', (gsub(name, '["\r\n]', ""))) }
    table.insert(self.parts, part)
  end
  part.value = tostring(value)
end

function Multipart:tostring()
  local lines = {}
  for _, part in ipairs(self.parts) do
    lines[#lines + 1] = "--" .. self.boundary .. "\r\n" .. part.head .. "\r\n" .. part.value .. "\r\n"
  end
  return table.concat(lines) .. "--" .. self.boundary .. "--"
end
