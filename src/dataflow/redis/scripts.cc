#include "dataflow/redis/scripts.h"

namespace dataflow::redis {

const std::string_view kOpenScript = R"lua(
local pointer, registry = KEYS[1], KEYS[2]
local name = redis.call('GET', pointer)
if not name then
  name = ARGV[1]
  redis.call('SET', pointer, name)
end
redis.call('HSETNX', registry, pointer .. ' ' .. name, '0')
local answer = {name}
local members = redis.call('HGETALL', registry)
for i = 1, #members, 2 do
  local member = members[i]
  local other, old = string.match(member, '^(dataflow:cache:%x+) (%w+)$')
  if other and old ~= name then
    -- Whoever still works with it finds out, and whoever opens it again gets an empty one.
    if redis.call('GET', other) == old then redis.call('DEL', other) end
    answer[#answer + 1] = member
    answer[#answer + 1] = members[i + 1]
  end
end
return answer
)lua";

const std::string_view kRememberScript = R"lua(
local rows = #KEYS
local old = redis.call('MGET', unpack(KEYS))
local refused, absent, losers, writes = 0, 0, {}, {}
for i = 1, rows do
  local was, now = old[i], ARGV[i]
  local take = true
  if not was or #was ~= 33 then
    absent = absent + 1
  elseif was == now then
    now = nil
  else
    local was_high, was_low = struct.unpack('>I4I4', was)
    local high, low = struct.unpack('>I4I4', now)
    if high == was_high and low == was_low then
      take = string.byte(was, 33) >= 2 or string.sub(was, 17, 32) == string.sub(now, 17, 32)
    else
      take = high > was_high or (high == was_high and low > was_low)
    end
    if take and string.sub(was, 9, 32) ~= string.sub(now, 9, 32) then
      losers[string.sub(was, 9, 16)] = true
    end
  end
  if not take then
    refused = refused + 1
  elseif now then
    writes[#writes + 1] = KEYS[i]
    writes[#writes + 1] = now
  end
end
-- The records first: should Redis be full, and refuse the rows, a record too few costs a read.
losers[string.rep('\0', 8)] = nil
local records, making, mark = {}, ARGV[rows + 2], ARGV[rows + 3]
for owner in pairs(losers) do
  local record = ARGV[rows + 1] .. string.format('%08x%08x', struct.unpack('>I4I4', owner))
  if owner ~= making or redis.call('GET', record) ~= mark then records[#records + 1] = record end
end
if #records > 0 then redis.call('DEL', unpack(records)) end
if #writes > 0 then redis.call('MSET', unpack(writes)) end
return {refused, absent}
)lua";

const std::string_view kForgetScript = R"lua(
local old = redis.call('MGET', unpack(KEYS))
local high, low, losers, writes = 0, 0, {}, {}
local now_high, now_low = struct.unpack('>I4I4', ARGV[3])
for i = 1, #KEYS do
  local was = old[i]
  if was and #was == 33 then
    local was_high, was_low = struct.unpack('>I4I4', was)
    if was_high > high or (was_high == high and was_low > low) then
      high, low = was_high, was_low
    end
    losers[string.sub(was, 9, 16)] = true
    local newer = now_high > was_high or (now_high == was_high and now_low > was_low)
    if newer or string.byte(was, 33) < 2 then
      writes[#writes + 1] = KEYS[i]
      writes[#writes + 1] = (newer and ARGV[3] or string.sub(was, 1, 8)) ..
        string.sub(was, 9, 16) .. string.rep('\0', 16) .. '\2'
    end
  end
end
losers[string.rep('\0', 8)] = nil
local records, making, mark = {}, ARGV[1], ARGV[4]
for owner in pairs(losers) do
  local record = ARGV[2] .. string.format('%08x%08x', struct.unpack('>I4I4', owner))
  if owner ~= making or redis.call('GET', record) ~= mark then records[#records + 1] = record end
end
if #records > 0 then redis.call('DEL', unpack(records)) end
if #writes > 0 then redis.call('MSET', unpack(writes)) end
return struct.pack('>I4I4', high, low)
)lua";

const std::string_view kEndScript = R"lua(
local record, pointer = KEYS[1], KEYS[2]
local generation, token, name, evicted, input, version = unpack(ARGV)
if redis.call('GET', pointer) ~= generation then return 0 end
local value = redis.call('GET', record)
if not value then return 0 end
-- Made by the same call before its answer got lost.
local made = 'done:' .. name .. ':'
if string.sub(value, 1, #made) == made then return 1 end
if value ~= 'open:' .. token then return 0 end
local info = redis.call('INFO', 'stats')
local evicted_now = string.match(info, 'evicted_keys:(%d+)')
local input_now = string.match(info, 'total_net_input_bytes:(%d+)') or '0'
if evicted_now ~= evicted or tonumber(input_now) < tonumber(input) then
  redis.call('DEL', record)
  return 0
end
redis.call('SET', record, made .. evicted .. ':' .. input_now .. ':' .. version)
return 1
)lua";

const std::string_view kCleanScript = R"lua(
local step = redis.pcall('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3])
if step.err then return false end
if #step[2] > 0 and type(redis.pcall('UNLINK', unpack(step[2]))) == 'table' then return false end
if step[1] == '0' then
  redis.pcall('HDEL', KEYS[1], ARGV[4])
elseif redis.pcall('HEXISTS', KEYS[1], ARGV[4]) == 1 then
  -- Refused by a server that is full, it costs the next job a few steps.
  redis.pcall('HSET', KEYS[1], ARGV[4], step[1])
end
return step[1]
)lua";

}  // namespace dataflow::redis
