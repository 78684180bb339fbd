-- Weighted turns: of entries with `weight`, the next one, evenly mixed. Each worker keeps its own turns.
local function next_by_weight(entries)
  local total, best = 0, nil
  for _, entry in ipairs(entries) do
    entry.turn = (entry.turn or 0) + entry.weight
    total = total + entry.weight
    if entry.weight > 0 and (not best or entry.turn > best.turn) then
      best = entry
    end
  end
  if best then
    best.turn = best.turn - total
  end
  return best
end
