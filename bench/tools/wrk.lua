-- With TOKENS (a file of one token a line) each request carries the next of them. With WEBHOOK_BODY (a file) each request is a
-- webhook of GitHub's kind, with WEBHOOK_SIGNATURE and an id that begins with WEBHOOK_RUN. At the end, one line of JSON.
local tokens = os.getenv("TOKENS")
if tokens then
  local requests, sent = {}, 0
  function init()
    for token in io.lines(tokens) do
      requests[#requests + 1] = wrk.format("GET", nil, { ["Authorization"] = "Bearer " .. token })
    end
  end
  function request()
    sent = sent + 1
    return requests[sent % #requests + 1]
  end
end

local body = os.getenv("WEBHOOK_BODY")
if body then
  local headers, sent = {}, 0
  function init()
    wrk.body = io.open(body):read("*a")
    headers["Content-Type"] = "application/json"
    headers["X-Hub-Signature-256"] = os.getenv("WEBHOOK_SIGNATURE")
  end
  function request()
    sent = sent + 1
    headers["X-GitHub-Delivery"] = os.getenv("WEBHOOK_RUN") .. "-" .. sent
    return wrk.format("POST", nil, headers, wrk.body)
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%f,"bytes":%d,"errors":%d,"p50":%f,"p99":%f}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3
  ))
end
