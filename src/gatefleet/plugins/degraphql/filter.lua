local function query_escape(text)
  return (gsub(text, "[^%w%-%._~]", escape))
end

-- The wanted variables among what the client says: fields of a JSON object, or arguments. Nil where a body is no object.
local function variables_of(handle, conf, post)
  local told
  if post then
    told = json_read(whole_body(handle) or "")
    if type(told) ~= "table" or told == json_null then
      return nil
    end
  else
    told = form_fields((select(2, target(handle))))
  end
  local variables = {}
  for _, name in ipairs(conf.variables) do
    local value = told[name]
    variables[name] = type(value) == "table" and not post and json_list(value) or value
  end
  return variables
end

function on.request(handle, conf)
  local method = header(handle, ":method")
  local post = method == "POST"
  if not post and method ~= "GET" then
    refuse(handle, "405", "")
    return
  end
  local question = { query = conf.query, operationName = conf.operation ~= "" and conf.operation or nil }
  if #conf.variables > 0 then
    local variables = variables_of(handle, conf, post)
    if not variables then
      refuse(handle, "400", "")
      return
    end
    question.variables = post and variables or json_text(variables)
  end
  if post then
    put_request_body(handle, json_text(question))
    handle:headers():replace("content-type", "application/json")
    return
  end
  local arguments = {}
  for _, name in ipairs({ "operationName", "query", "variables" }) do
    if question[name] then
      arguments[#arguments + 1] = name .. "=" .. query_escape(question[name])
    end
  end
  handle:headers():replace(":path", target(handle) .. "?" .. table.concat(arguments, "&"))
end
