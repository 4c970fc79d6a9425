/**
 * The store on a real Redis, over every client that it speaks with.
 *
 * @module
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'
import { storeConformance } from '@polyrail/conformance/vitest'
import type { Store } from '@polyrail/core'
import { redis } from '@polyrail/stores/redis'
import { Cluster, Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis-5'
import { Redis as Valkey } from 'iovalkey'
import { createClient, createCluster } from 'redis'
import { createClient as createClient4 } from 'redis-4'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { buy } from './shop.js'
import { freePort, leftOut, redisBinary, startCluster, startRedis } from './servers.js'

const why = leftOut('Redis', redisBinary)
const server = why === undefined ? await startRedis() : undefined
const port = server?.port ?? 0
const cluster = why === undefined ? await startCluster() : undefined
const closing: (() => unknown)[] = []
afterAll(async () => {
  for (const close of closing) await close()
  await server?.stop()
  await cluster?.stop()
})

const quietly = <client extends { on(event: 'error', listener: () => void): unknown }>(
  client: client,
): client => (client.on('error', () => undefined), client)

/** Every client, connected. */
const clients: Readonly<Record<string, () => redis.Client | Promise<redis.Client>>> = {
  'ioredis 6': () => closed(new Redis(port), (client) => client.quit()),
  'ioredis 5.4': () => closed(new Redis5(port), (client) => client.quit()),
  iovalkey: () => closed(new Valkey(port), (client) => client.quit()),
  'node-redis 6': async () =>
    closed(quietly(await createClient({ socket: { port } }).connect()), (client) => client.close()),
  'node-redis 4.7': async () =>
    closed(quietly(await createClient4({ socket: { port } }).connect()), (client) => client.quit()),
}

const nodes = (cluster?.ports ?? []).map((port) => ({ host: '127.0.0.1', port }))

/** Every client of a cluster, connected. */
const clusters: Readonly<Record<string, () => redis.Client | Promise<redis.Client>>> = {
  'ioredis 6': () => closed(new Cluster(nodes), (client) => client.quit()),
  'node-redis 6': async () => {
    const client = createCluster({ rootNodes: nodes.map((socket) => ({ socket })) })
    await quietly(client).connect()
    return closed(client, () => client.close())
  },
}

function closed<client>(client: client, close: (client: client) => unknown): client {
  closing.push(() => close(client))
  return client
}

describe.skipIf(why !== undefined)(`on a real server ${why ?? ''}`, () => {
  for (const [name, open] of Object.entries(clients))
    storeConformance(async () => redis(await open(), { prefix: `${name}:` }), {
      name,
      capabilities: { wakes: true, volatile: false },
    })

  test('a script that the server has forgotten is sent again', async () => {
    const client = closed(new Redis(port), (client) => client.quit())
    const store = redis(client)
    await store.set('forgotten', 1, { ttl: 60 })
    await client.script('FLUSH')
    await store.set('forgotten', 2, { ttl: 60 })
    expect(await store.get('forgotten')).toBe(2)
  })

  test('every key has a life, and stands under its prefix alone', async () => {
    const client = closed(new Redis(port, { db: 7 }), (client) => client.quit())
    const store = redis(client, { prefix: '{shop}:' })
    await store.set('a', 1, { ttl: 60 })
    await store.update('b', () => 1, { ttl: 60 })
    await store.claim([
      { key: 'c', value: 1, ttl: 60 },
      { key: 'd', value: 1, ttl: 60 },
    ])
    const keys = (await client.keys('*')).toSorted()
    expect(keys).toEqual(['{shop}:a', '{shop}:b', '{shop}:c', '{shop}:d'])
    for (const key of keys) expect(await client.pttl(key)).toBeGreaterThan(59_000)
    await expect(store.set('e', 1, { ttl: Infinity })).rejects.toThrow(RangeError)
    await expect(store.claim([{ key: 'e', value: 1, ttl: 0 }])).rejects.toThrow(RangeError)
    expect(await client.exists('{shop}:e')).toBe(0)
  })

  test.each(['ioredis 6', 'node-redis 6'])(
    'a paid request makes three round trips, over %s',
    async (name) => {
      const relay = await countRoundTrips(port)
      const client =
        name === 'ioredis 6'
          ? closed(new Redis(relay.port), (client) => client.quit())
          : closed(await createClient({ socket: { port: relay.port } }).connect(), (client) =>
              client.close(),
            )
      const store = redis(client, { prefix: `${name} trips:` })
      await buy(store)
      const before = relay.count()
      await buy(store)
      expect(relay.count() - before).toBe(3)
      closing.push(relay.stop)
    },
  )

  test('a user who may not publish claims all the same, and never half', async () => {
    const client = closed(new Redis(port), (client) => client.quit())
    await client.acl('SETUSER', 'mute', 'on', '>word', '~*', 'resetchannels', '+@all')
    const mute = closed(new Redis(port, { username: 'mute', password: 'word' }), (client) =>
      client.quit(),
    )
    const keys = ['mute:challenge', 'mute:proof']
    const claim = () => redis(mute).claim(keys.map((key) => ({ key, value: 1, ttl: 60 })))
    expect(await claim()).toEqual({ claimed: true })
    expect(await claim()).toEqual({ claimed: false, existing: [1, 1] })
  })

  test('the first who waits is woken at once, though the client keeps nothing for later', async () => {
    const client = closed(new Redis(port, { enableOfflineQueue: false }), (client) => client.quit())
    await once(client, 'ready')
    const ears: string[] = []
    const duplicate = client.duplicate.bind(client)
    client.duplicate = (...overrides) => {
      const ear = duplicate(...overrides)
      const subscribe = ear.subscribe.bind(ear)
      ear.subscribe = (async (...channels: string[]) => {
        const told = await subscribe(...channels).then(
          () => 'subscribed',
          (cause: Error) => cause.message,
        )
        ears.push(told)
      }) as typeof ear.subscribe
      return ear
    }
    await redis(client).wait('early', { timeout: 5000 })
    expect(ears).toEqual(['subscribed'])
  })

  test('a server that forgets keys when its memory is full is warned of, once', async () => {
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    const full = await startRedis('--maxmemory', '100mb', '--maxmemory-policy', 'volatile-lru')
    const client = new Redis(full.port)
    const store = redis(client)
    for (let times = 0; times < 3; times++) await store.set('k', 1, { ttl: 60 })
    await vi.waitFor(() => expect(warned.mock.calls.flat().join()).toContain('volatile-lru'))
    await client.config('SET', 'maxmemory-policy', 'noeviction')
    await redis(client).set('k', 1, { ttl: 60 })
    await client.config('SET', 'maxmemory', '1')
    await expect(store.set('k', 1, { ttl: 60 })).rejects.toThrow(
      'Store "redis" could not do a step (OOM)',
    )
    expect(warned).toHaveBeenCalledTimes(1)
    warned.mockRestore()
    await client.quit()
    await full.stop()
  })

  test('closing ends every wait', async () => {
    const store = redis(closed(new Redis(port), (client) => client.quit()))
    const keys = ['first', 'second']
    // Ends once it is listened to.
    for (const key of keys) await store.wait(key, { timeout: 600_000 })
    const waits = keys.map((key) => store.wait(key, { timeout: 600_000 }))
    store.close()
    await Promise.all(waits)
  })

  test('waiting opens one more connection, which ends with the client', async () => {
    const client = new Redis(port)
    const watcher = closed(new Redis(port), (client) => client.quit())
    const count = async () =>
      Number(/connected_clients:(\d+)/.exec(await watcher.info('clients'))?.[1])
    await client.ping()
    const before = await count()
    const store = redis(client)
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => store.wait(`waited ${index}`, { timeout: 50 })),
    )
    expect(await count()).toBe(before + 1)
    await client.quit()
    await expect.poll(count, { timeout: 5000 }).toBe(before - 1)
  })
})

describe.skipIf(why !== undefined)(`on a real cluster ${why ?? ''}`, () => {
  for (const [name, open] of Object.entries(clusters)) {
    storeConformance(async () => redis(await open(), { prefix: `{${name}}:` }), {
      name: `${name}, cluster`,
      capabilities: { wakes: true, volatile: false },
    })

    test(`keys that would lie apart are refused at once, over ${name}`, async () => {
      const client = await open()
      for (const prefix of [undefined, 'shop:', '{}:', 'a}b{'])
        expect(() => redis(client, { prefix })).toThrow(/prefix in braces/)
    })
  }
})

describe('a server that is not there', () => {
  test.each([
    ['refuses', { enableOfflineQueue: false, lazyConnect: true, retryStrategy: null }],
    ['keeps commands for later', { retryStrategy: () => 50, maxRetriesPerRequest: null }],
  ])('fails in time and says so, when the client %s', async (_, options) => {
    const client = quietly(new Redis(await freePort(), '127.0.0.1', { ...options }))
    const store: Store.Store = redis(client, { timeout: 200 })
    const started = Date.now()
    await expect(store.get('k')).rejects.toThrow(/^Store "redis" (could not|has not answered)/)
    await expect(store.claim([{ key: 'k', value: 1, ttl: 1 }])).rejects.toThrow('Store "redis"')
    expect(Date.now() - started).toBeLessThan(2000)
    expect(await buy(store).catch((cause: Error) => cause.message)).toBe('503 store-unavailable')
    client.disconnect()
  })
})

test('what is no client is refused at once', () => {
  expect(() => redis({} as redis.Client)).toThrow('ioredis, iovalkey or node-redis')
})

/** Stands between a client and the server, and counts how often the direction turns: a question with its answer is one. */
async function countRoundTrips(to: number) {
  let trips = 0
  let asking = false
  const sockets: Socket[] = []
  const relay = createServer((near) => {
    const far = connect(to, '127.0.0.1')
    sockets.push(near, far)
    near.on('data', (data) => {
      if (!asking) trips += 1
      asking = true
      far.write(data)
    })
    far.on('data', (data) => {
      asking = false
      near.write(data)
    })
    for (const socket of [near, far]) socket.on('error', () => undefined)
  }).listen(0, '127.0.0.1')
  await once(relay, 'listening')
  return {
    port: (relay.address() as AddressInfo).port,
    count: () => trips,
    stop() {
      for (const socket of sockets) socket.destroy()
      relay.close()
    },
  }
}
