-- JSON Schema, drafts 4 to 7, without references and patterns. Behind json.lua. A check returns nil, or what is wrong.
local check

local function type_of(value)
  if value == json_null then
    return "null"
  elseif type(value) == "table" then
    return is_json_list(value) and "array" or "object"
  end
  return type(value)
end

local function is_a(value, wanted)
  local kind = type_of(value)
  if wanted == "integer" then
    return kind == "number" and value == math.floor(value)
  end
  return kind == wanted
end

local function same_json(a, b)
  if type(a) ~= "table" or type(b) ~= "table" or a == b then
    return a == b
  end
  return json_text(a) == json_text(b)
end

-- Characters of UTF-8: its continuation bytes do not count.
local function length_of(text)
  return #gsub(text, "[\128-\191]", "")
end

local function check_type(schema, value)
  local wanted = schema.type
  if wanted == nil then
    return nil
  end
  local kinds = type(wanted) == "table" and wanted or { wanted }
  for _, kind in ipairs(kinds) do
    if is_a(value, kind) then
      return nil
    end
  end
  return format("wrong type: expected %s, got %s", #kinds == 1 and kinds[1] or "one of " .. table.concat(kinds, ", "), type_of(value))
end

local function check_values(schema, value)
  if schema.const ~= nil and not same_json(schema.const, value) then
    return "failed to match the constant"
  elseif schema.enum == nil then
    return nil
  end
  for _, one in ipairs(schema.enum) do
    if same_json(one, value) then
      return nil
    end
  end
  return "matches none of the enum values"
end

local function check_string(schema, value)
  local length = length_of(value)
  if schema.minLength and length < schema.minLength then
    return format("string too short, expected at least %d, got %d", schema.minLength, length)
  elseif schema.maxLength and length > schema.maxLength then
    return format("string too long, expected at most %d, got %d", schema.maxLength, length)
  end
end

-- Draft 4 says with a flag beside it that a bound does not belong to the range, later drafts give the bound itself.
local function bound(plain, exclusive)
  if type(exclusive) == "number" then
    return plain, exclusive
  elseif exclusive == true then
    return nil, plain
  end
  return plain, nil
end

local function check_number(schema, value)
  local least, above = bound(schema.minimum, schema.exclusiveMinimum)
  local most, below = bound(schema.maximum, schema.exclusiveMaximum)
  if least and value < least then
    return format("expected %s to be at least %s", json_text(value), json_text(least))
  elseif above and value <= above then
    return format("expected %s to be strictly greater than %s", json_text(value), json_text(above))
  elseif most and value > most then
    return format("expected %s to be at most %s", json_text(value), json_text(most))
  elseif below and value >= below then
    return format("expected %s to be strictly smaller than %s", json_text(value), json_text(below))
  elseif schema.multipleOf then
    local quotient = value / schema.multipleOf
    if math.abs(quotient - math.floor(quotient + 0.5)) > 1e-9 then
      return format("expected %s to be a multiple of %s", json_text(value), json_text(schema.multipleOf))
    end
  end
end

local function check_unique(value)
  local seen = {}
  for i, item in ipairs(value) do
    local text = type(item) .. json_text(item)
    if seen[text] then
      return format("expected unique items but items %d and %d are equal", seen[text], i)
    end
    seen[text] = i
  end
end

local function item_schema(schema, place)
  if type(schema.items) == "table" and is_json_list(schema.items) then
    local own = schema.items[place]
    return own == nil and schema.additionalItems or own
  end
  return schema.items
end

local function check_array(schema, value)
  if schema.minItems and #value < schema.minItems then
    return format("expect array to have at least %d items", schema.minItems)
  elseif schema.maxItems and #value > schema.maxItems then
    return format("expect array to have at most %d items", schema.maxItems)
  end
  local contained = schema.contains == nil
  for i, item in ipairs(value) do
    local why = check(item_schema(schema, i), item)
    if why then
      return format("failed to validate item %d: %s", i, why)
    end
    contained = contained or not check(schema.contains, item)
  end
  if not contained then
    return "expected the array to contain an item that matches"
  end
  return schema.uniqueItems and check_unique(value) or nil
end

local function check_names(schema, value)
  local count = 0
  for name in pairs(value) do
    count = count + 1
    if schema.propertyNames ~= nil and check(schema.propertyNames, name) then
      return format('property name "%s" is invalid', name)
    elseif schema.additionalProperties == false and not (schema.properties and schema.properties[name] ~= nil) then
      return format("additional properties forbidden, found %s", name)
    end
  end
  if schema.minProperties and count < schema.minProperties then
    return format("expect object to have at least %d properties", schema.minProperties)
  elseif schema.maxProperties and count > schema.maxProperties then
    return format("expect object to have at most %d properties", schema.maxProperties)
  end
end

local function check_dependencies(schema, value)
  for name, wanted in pairs(schema.dependencies or {}) do
    local needed = value[name] ~= nil and wanted
    if needed and type(needed) == "table" and is_json_list(needed) then
      for _, other in ipairs(needed) do
        if value[other] == nil then
          return format('property "%s" is required when "%s" is set', other, name)
        end
      end
    elseif needed ~= false then
      local why = check(wanted, value)
      if why then
        return why
      end
    end
  end
end

local function check_properties(schema, value)
  for name, part in pairs(schema.properties or {}) do
    if value[name] == nil and type(part) == "table" and part.default ~= nil then
      value[name] = part.default
    end
    local why = value[name] ~= nil and check(part, value[name])
    if why then
      return format('property "%s" validation failed: %s', name, why)
    end
  end
  if type(schema.additionalProperties) == "table" then
    for name, one in pairs(value) do
      local why = not (schema.properties and schema.properties[name] ~= nil) and check(schema.additionalProperties, one)
      if why then
        return format('property "%s" validation failed: %s', name, why)
      end
    end
  end
end

local function check_object(schema, value)
  for _, name in ipairs(schema.required == true and {} or schema.required or {}) do
    local part = schema.properties and schema.properties[name]
    if value[name] == nil and not (type(part) == "table" and part.default ~= nil) then
      return format('property "%s" is required', name)
    end
  end
  return check_names(schema, value) or check_properties(schema, value) or check_dependencies(schema, value)
end

local by_type = { string = check_string, number = check_number, array = check_array, object = check_object }

local function check_several(schema, value)
  for _, one in ipairs(schema.allOf or {}) do
    local why = check(one, value)
    if why then
      return why
    end
  end
  local any = schema.anyOf == nil
  for _, one in ipairs(schema.anyOf or {}) do
    any = any or not check(one, value)
  end
  if not any then
    return "object matches none of the required"
  end
  local matched
  for i, one in ipairs(schema.oneOf or {}) do
    if not check(one, value) then
      if matched then
        return format("value should match only one schema, but matches both schemas %d and %d", matched, i)
      end
      matched = i
    end
  end
  return schema.oneOf and not matched and "value should match only one schema, but matches none" or nil
end

local function check_choice(schema, value)
  if schema["not"] ~= nil and not check(schema["not"], value) then
    return "value wasn't supposed to match schema"
  elseif schema["if"] ~= nil then
    return check(schema[check(schema["if"], value) and "else" or "then"], value)
  end
end

function check(schema, value)
  if schema == nil or schema == true then
    return nil
  elseif schema == false then
    return "always fail"
  end
  local special = by_type[type_of(value)]
  return check_type(schema, value)
    or check_values(schema, value)
    or (special and special(schema, value))
    or check_several(schema, value)
    or check_choice(schema, value)
    or nil
end
