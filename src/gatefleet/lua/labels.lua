-- Labels of consumers. Behind json.lua and native.lua.
local kept_labels, kept_count = {}, 0

-- A consumer's labels; nil where there is no such consumer.
local function labels_of(name)
  local who = name and person("c", name)
  if not who then
    return nil
  elseif who.more == "" then
    return {}
  end
  local labels = kept_labels[who.more]
  if not labels then
    if kept_count >= 10000 then
      kept_labels, kept_count = {}, 0
    end
    labels = json_read(who.more) or error("unreadable labels")
    kept_labels[who.more], kept_count = labels, kept_count + 1
  end
  return labels
end
