-- GET /product/ID with random ids; prints the figures as one line of JSON at the end.
--   wrk ... -s wrk.lua URL -- LEAST_ID MOST_ID [SEED]
-- The requests are made before the clock starts: making them would be counted as the service's latency.
local kept = 20000
local requests, next_request = {}, 0
-- The threads, in the one that runs setup() and done().
local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

function init(arguments)
  local least, most, seed = tonumber(arguments[1]), tonumber(arguments[2]), tonumber(arguments[3] or "1")
  math.randomseed(seed + number)
  for i = 1, kept do
    requests[i] = wrk.format("GET", string.format("/product/%d", math.random(least, most)))
  end
end

function request()
  next_request = next_request % kept + 1
  return requests[next_request]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "bytes": %d, "p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f, "not_ok": %d, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    latency.max / 1e3, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
