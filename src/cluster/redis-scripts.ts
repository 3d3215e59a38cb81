/** What Redis does for the cluster, as Lua: each script is atomic, and takes the time from Redis, one clock for all gateways. */

const NOW = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`

/** Times as text: Lua would write large numbers with an exponent. */
const TEXT = `local function text(number) return string.format('%.0f', number) end`

/** KEYS: the counter. ARGV: the clock's lead, time to live. Returns the new count. */
export const COUNT = `${NOW} + ARGV[1]
${TEXT}
local kept = redis.call('HMGET', KEYS[1], 'count', 'until')
local count = 1
if kept[1] and tonumber(kept[2]) > now then count = kept[1] + 1 end
redis.call('HSET', KEYS[1], 'count', text(count), 'changed', text(now), 'until', text(now + ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return count`

/** KEYS: the counter. ARGV: the clock's lead. Returns the count and its age. */
export const COUNTED = `${NOW} + ARGV[1]
local kept = redis.call('HMGET', KEYS[1], 'count', 'changed', 'until')
if not kept[1] or tonumber(kept[3]) <= now then return {0, 0} end
return {tonumber(kept[1]), math.max(0, now - kept[2])}`

/** KEYS: the value. ARGV: the clock's lead, time to live, text. */
export const REMEMBER = `${NOW} + ARGV[1]
${TEXT}
redis.call('HSET', KEYS[1], 'text', ARGV[3], 'until', text(now + ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])`

/** KEYS: the value. ARGV: the clock's lead. Returns the text or nil. */
export const RECALL = `${NOW} + ARGV[1]
local kept = redis.call('HMGET', KEYS[1], 'text', 'until')
if not kept[1] or tonumber(kept[2]) <= now then return false end
return kept[1]`

/** KEYS: the gateways, each with the time at which it counts as dead. ARGV: this gateway, time to live. */
export const HEARTBEAT = `${NOW}
${TEXT}
redis.call('ZADD', KEYS[1], text(now + ARGV[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', text(now))`

/** KEYS: the gateways. Returns those that are alive. */
export const LIVING = `${NOW}
${TEXT}
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. text(now), '+inf')`
