-- For wrk: sends the requests of a file again and again, and prints what came of it as JSON.
-- Arguments: the file, the number of threads, and "rotating" where each answer has the refresh token of the next request.
local threads = 0

function setup(thread)
   thread:set("number", threads)
   threads = threads + 1
end

local function formatted(method, path, token, body)
   local headers = { ["Host"] = wrk.headers["Host"] }
   if token ~= "" then headers["Authorization"] = "Bearer " .. token end
   if body ~= "" then headers["Content-Type"] = "application/json" end
   return wrk.format(method, path, headers, body ~= "" and body or nil)
end

local first, last, queue = 1, 0, {}

local function put(request)
   last = last + 1
   queue[last] = request
end

function init(arguments)
   local line_number, of_threads = 0, tonumber(arguments[2])
   for line in io.lines(arguments[1]) do
      local method, path, token, body = line:match("^(.-)\t(.-)\t(.-)\t(.*)$")
      if line_number % of_threads == number then
         put(formatted(method, path, token, body))
      end
      line_number = line_number + 1
   end
   if arguments[3] == "rotating" then
      function response(status, headers, answer)
         local name, token = answer:match('"(refresh_?t?o?k?e?n?)": ?"([^"]+)"')
         if token then
            put(formatted("POST", "/auth/refresh", "", '{"' .. name .. '": "' .. token .. '"}'))
         end
      end
   end
end

-- A request whose answer has the next token is sent once; any other goes to the end of the queue.
function request()
   local taken = queue[first]
   queue[first] = nil
   first = first + 1
   if not response then put(taken) end
   return taken
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '\nRESULT {"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "errors": %d}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
