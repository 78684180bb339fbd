-- Labels of consumers. Behind json.lua and native.lua.
local labels_in = kept(10000, function(text)
  return json_read(text) or error("unreadable labels")
end)

-- A consumer's labels; nil where there is no such consumer.
local function labels_of(name)
  local who = name and person("c", name)
  if not who then
    return nil
  end
  return who.more == "" and {} or labels_in(who.more)
end
