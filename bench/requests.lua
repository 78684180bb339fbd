-- wrk asks for one of many paths at random: wrk -s requests.lua URL -- ROUTES [NAME VALUE]...
-- Path n is /api/s<n/20>/r<n>, as in bench/shape.py. Ends with one line of JSON that bench/load.py reads.
local requests = {}

function init(args)
  local routes = tonumber(args[1])
  for at = 2, #args, 2 do
    wrk.headers[args[at]] = args[at + 1]
  end
  for n = 0, routes - 1 do
    requests[n] = wrk.format("GET", string.format("/api/s%d/r%d", math.floor(n / 20), n))
  end
  requests.count = routes
  math.randomseed(os.time())
end

function request()
  return requests[math.random(0, requests.count - 1)]
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"us":%d,"refused":%d,"errors":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
