-- wrk asks for one path of two hosts in turn. BODY is in hexadecimal digits, two for each byte; a NAME that stands there
-- several times has another of its values with each request:
-- wrk -t1 -s turns.lua URL -- PID CONNECTIONS HOST HOST METHOD PATH BODY [NAME VALUE]...
-- Ends with one line of JSON that bench/load.py reads: how many answers were refusals or errors, and of each turn, in their order,
-- how much CPU time the process PID and how much time all of it took, in ns.
local ffi = require("ffi")
ffi.cdef [[
struct timespec { long seconds; long nanoseconds; };
int clock_gettime(int clock, struct timespec *now);
]]
local MONOTONIC = 1
local REQUESTS = 1000 -- of a turn: some 50 ms
local now = ffi.new("struct timespec")
local process, ahead, texts, variants, variant, turn, sent, cpu, time
local threads = {}
turns = ""

local function read(clock)
  ffi.C.clock_gettime(clock, now)
  return tonumber(now.seconds) * 1e9 + tonumber(now.nanoseconds)
end

function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  -- The clock of a process's CPU time, as clock_getcpuclockid(3) makes it on Linux.
  process = bit.bor(bit.lshift(bit.bnot(tonumber(args[1])), 3), 2)
  -- Every answer has a new request follow it: after so many all answers to the other host are there.
  ahead = 2 * tonumber(args[2])
  local values = {}
  variants = 1
  for at = 8, #args, 2 do
    local own = values[args[at]] or {}
    values[args[at]] = own
    own[#own + 1] = args[at + 1]
    variants = math.max(variants, #own)
  end
  local body = args[7]:gsub("%x%x", function(byte)
    return string.char(tonumber(byte, 16))
  end)
  texts = {}
  for n = 0, 2 * variants - 1 do
    wrk.headers["Host"] = args[3 + n % 2]
    for name, own in pairs(values) do
      wrk.headers[name] = own[math.floor(n / 2) % #own + 1]
    end
    texts[n] = wrk.format(args[5], args[6], nil, #body > 0 and body or nil)
  end
  turn, sent, variant = 0, -ahead, 0
end

function request()
  if sent == 0 then
    cpu, time = read(process), read(MONOTONIC)
  elseif sent == REQUESTS then
    turns = turns .. string.format("[%d,%d],", read(process) - cpu, read(MONOTONIC) - time)
    turn, sent = turn + 1, -ahead
  end
  sent = sent + 1
  variant = (variant + 1) % variants
  return texts[2 * variant + turn % 2]
end

function done(summary)
  local e = summary.errors
  io.write(string.format(
    '{"failed":%d,"requests":%d,"turns":[%s]}\n',
    e.status + e.connect + e.read + e.write + e.timeout, REQUESTS, threads[1]:get("turns"):sub(1, -2)))
end
