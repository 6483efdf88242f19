-- Load for wrk: the requests of a file, in turns; with `nonce`, each with sixteen fresh last octets.
--
--   wrk ... -s load.lua URL -- FILE get|post|nonce
--
-- A line of FILE is a request in hex, or for `get` a path.
local requests, kind, number, start = {}, "", 0, 0

local function from_hex(text)
  return (text:gsub("..", function(pair) return string.char(tonumber(pair, 16)) end))
end

function init(arguments)
  kind = arguments[2]
  start = os.time()
  for line in io.lines(arguments[1]) do
    local text
    if kind == "get" then
      text = wrk.format("GET", line)
    else
      text = wrk.format("POST", nil, { ["Content-Type"] = "application/ocsp-request" }, from_hex(line))
    end
    if kind == "nonce" then text = text:sub(1, -17) end
    requests[#requests + 1] = text
  end
end

function request()
  number = number + 1
  local text = requests[number % #requests + 1]
  if kind == "nonce" then return text .. string.format("%08x%08x", start, number) end
  return text
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    "\nresult %d %d %d %d %.1f %.1f\n", summary.requests, summary.duration,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
