/**
 * The steps of a store as Lua scripts, each of which Redis runs as one.
 *
 * `ARGV` ends with the channels that tell waiters of each key: Redis Cluster sends them to every node. A user who may not
 * publish writes all the same (`pcall`): an error here would end the script half done, for Redis takes nothing back.
 *
 * @module
 */

/** KEYS: key; ARGV: value, milliseconds, channel. */
export const SET = `redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.pcall('PUBLISH', ARGV[3], '')
return 1`

/** KEYS: key; ARGV: channel. */
export const DELETE = `redis.call('DEL', KEYS[1])
redis.pcall('PUBLISH', ARGV[1], '')
return 1`

/** KEYS: key; ARGV: value, milliseconds, channel, what must stand there (empty: nothing). */
export const COMPARE_AND_SET = `if (redis.call('GET', KEYS[1]) or '') ~= ARGV[4] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.pcall('PUBLISH', ARGV[3], '')
return 1`

/** KEYS: keys; ARGV: value, milliseconds, channel of each. Returns 1, or what stands at each key. */
export const CLAIM = `local existing = redis.call('MGET', unpack(KEYS))
for i = 1, #KEYS do if existing[i] then return existing end end
for i, key in ipairs(KEYS) do
  redis.call('SET', key, ARGV[i * 3 - 2], 'PX', ARGV[i * 3 - 1])
  redis.pcall('PUBLISH', ARGV[i * 3], '')
end
return 1`

/** Runs a script as one step, in one round trip. */
export type Run = (
  script: string,
  keys: readonly string[],
  args: readonly string[],
) => Promise<unknown>

/** The channel on which a change of a key is told. */
export const channelOf = (key: string): string => `polyrail:changed:${key}`
