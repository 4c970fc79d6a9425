/**
 * A store on Redis or Valkey, over ioredis, iovalkey or node-redis.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import type { Store } from '@polyrail/core'
import { guard, type Options } from './guard.js'
import { channelOf, type Run } from './lua.js'
import { scripted } from './scripted.js'
import { createWaiters, type Wait } from './waiters.js'

/**
 * Makes a store of a connected client. Each step is one Lua script and one round trip; waiting servers are woken through
 * pub/sub, on a second connection that is made when somebody first waits.
 *
 * Redis must not drop keys by itself (`maxmemory-policy noeviction`) and should write to disk (`appendonly yes`): a claim
 * that is forgotten lets its proof pay twice. Of the first there is a warning on the console. On a cluster all keys of a
 * claim must lie together: give a prefix in braces.
 *
 * @param client - An ioredis, iovalkey or node-redis client, or a cluster of theirs. Stays yours: closing it closes the second
 * connection.
 * @param options.prefix - Stands before every key, such as `'{shop}:'`.
 * @param options.timeout - Milliseconds for one step (5,000).
 * @throws TypeError when the client is none of these, or a cluster without a prefix in braces.
 * @example
 * import { Redis } from 'ioredis'
 * const store = redis(new Redis(process.env.REDIS_URL, { enableOfflineQueue: false }))
 * @see core draft, Concurrent Request Handling
 */
export function redis(client: redis.Client, options: Options = {}): redis.Redis {
  const speaker = 'evalSha' in client ? node(client) : io(client)
  if ('slots' in client && !/^[^{]*\{[^}]+\}/.test(options.prefix ?? ''))
    throw new TypeError(
      "On a cluster the keys of a claim must lie in one slot to be claimed in one step: give redis() a prefix in braces, such as { prefix: '{shop}:' }.",
    )
  const { wait, close } = createListener(speaker)
  // A cluster of node-redis says 'disconnect'.
  for (const event of ['end', 'disconnect']) client.on(event, close)
  const store = guard(
    {
      ...scripted(
        'redis',
        cached(speaker, () => warnOfEviction(client)),
        speaker.get,
      ),
      wait,
    },
    options,
  )
  return { ...store, wait: store.wait ?? wait, close }
}

export declare namespace redis {
  type Client = Io | Node
  /** A store that wakes, and whose second connection can be closed. */
  type Redis = Store.Store & Required<Pick<Store.Store, 'wait'>> & { close(): void }

  /** What is used of ioredis and iovalkey. */
  type Io = {
    evalsha(sha: string, keys: number, ...args: string[]): Promise<unknown>
    eval(script: string, keys: number, ...args: string[]): Promise<unknown>
    get(key: string): Promise<string | null>
    info(section: string): Promise<string>
    on(event: string, listener: (...args: string[]) => void): unknown
    duplicate(...overrides: (object | undefined)[]): {
      on(event: string, listener: (...args: string[]) => void): unknown
      subscribe(channel: string): Promise<unknown>
      unsubscribe(channel: string): Promise<unknown>
      disconnect(): void
    }
  }

  /** What is used of node-redis. */
  type Node = {
    evalSha(sha: string, options: Scripted): Promise<unknown>
    eval(script: string, options: Scripted): Promise<unknown>
    get(key: string): Promise<unknown>
    /** A cluster has none. */
    info?(section: string): Promise<unknown>
    on(event: string, listener: () => void): unknown
    duplicate(): {
      on(event: string, listener: () => void): unknown
      connect(): Promise<unknown>
      subscribe(
        channel: string,
        listener: (message: string, channel: string) => void,
      ): Promise<unknown>
      unsubscribe(channel: string): Promise<unknown>
      destroy?(): unknown
      disconnect(): unknown
    }
  }
  type Scripted = { keys: string[]; arguments: string[] }
}

/** The two families of clients in one shape. */
type Speaker = {
  get(key: string): Promise<string | null>
  evalSha: Run
  eval: Run
  /** Opens a connection that only listens. */
  listen(hear: (channel: string) => void): Promise<Ear>
}

type Ear = {
  subscribe(channel: string): Promise<unknown>
  unsubscribe(channel: string): Promise<unknown>
  close(): unknown
}

function io(client: redis.Io): Speaker {
  if (typeof client.evalsha !== 'function')
    throw new TypeError('redis() takes a client of ioredis, iovalkey or node-redis.')
  return {
    get: (key) => client.get(key),
    evalSha: (sha, keys, args) => client.evalsha(sha, keys.length, ...keys, ...args),
    eval: (script, keys, args) => client.eval(script, keys.length, ...keys, ...args),
    async listen(hear) {
      // It is not connected yet, and what is asked of it must not fail for that.
      const patient = { enableOfflineQueue: true }
      const overrides = 'slots' in client ? [[], patient] : [patient]
      const ear = client.duplicate(...overrides)
      ear.on('error', ignore)
      ear.on('message', hear)
      return {
        subscribe: (channel) => ear.subscribe(channel),
        unsubscribe: (channel) => ear.unsubscribe(channel),
        close: () => ear.disconnect(),
      }
    },
  }
}

function node(client: redis.Node): Speaker {
  const scripted = (keys: readonly string[], args: readonly string[]): redis.Scripted => ({
    keys: [...keys],
    arguments: [...args],
  })
  return {
    get: (key) => client.get(key) as Promise<string | null>,
    evalSha: (sha, keys, args) => client.evalSha(sha, scripted(keys, args)),
    eval: (script, keys, args) => client.eval(script, scripted(keys, args)),
    async listen(hear) {
      const ear = client.duplicate()
      ear.on('error', ignore)
      await ear.connect()
      return {
        subscribe: (channel) => ear.subscribe(channel, (_, channel) => hear(channel)),
        unsubscribe: (channel) => ear.unsubscribe(channel),
        close: () => ear.destroy?.() ?? ear.disconnect(),
      }
    },
  }
}

/**
 * Says only a script's name; the whole script when the server does not know it yet, or no more.
 *
 * @param begin - Runs once, after the first answer.
 */
function cached({ evalSha, eval: evaluate }: Speaker, begin: () => Promise<void>): Run {
  const names = new Map<string, string>()
  let beginning: Promise<void> | undefined
  return async (script, keys, args) => {
    let sha = names.get(script)
    if (sha === undefined)
      names.set(script, (sha = createHash('sha1').update(script).digest('hex')))
    const answer = await evalSha(sha, keys, args).catch((cause: unknown) => {
      if (!(cause instanceof Error && cause.message.startsWith('NOSCRIPT'))) throw cause
      return evaluate(script, keys, args)
    })
    beginning ??= begin()
    return answer
  }
}

/** Managed servers often begin with such a policy; it matters only where memory has a limit. */
async function warnOfEviction(client: redis.Client): Promise<void> {
  const memory = String(await client.info?.('memory').catch(ignore))
  const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1]
  if (policy === undefined || policy === 'noeviction' || /^maxmemory:0\s/m.test(memory)) return
  console.warn(
    `[polyrail] This Redis forgets keys when its memory is full (maxmemory-policy ${policy}), and a claim that is forgotten lets its proof pay twice: set it to noeviction.`,
  )
}

/** Waits for keys on the second connection: made when first needed, made anew when that failed. */
function createListener(speaker: Speaker): { wait: Wait; close(): void } {
  const prefix = channelOf('')
  let opening: Promise<Ear> | undefined
  const waiters = createWaiters(async (key) => {
    opening ??= speaker.listen((channel) => waiters.wake(channel.slice(prefix.length)))
    opening.catch(() => (opening = undefined))
    const ear = await opening
    await ear.subscribe(channelOf(key))
    return () => ear.unsubscribe(channelOf(key)).then(undefined, ignore)
  })
  return {
    wait: waiters.wait,
    close() {
      void opening?.then((ear) => ear.close(), ignore)
      opening = undefined
      waiters.reset()
    },
  }
}

const ignore = (): void => undefined
