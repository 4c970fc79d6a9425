/**
 * The store over Upstash's REST protocol, spoken by a bridge before a real Redis.
 *
 * @module
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { storeConformance } from '@polyrail/conformance/vitest'
import { upstash } from '@polyrail/stores/upstash'
import { Redis } from 'ioredis'
import { afterAll, describe, expect, test } from 'vitest'
import { leftOut, redisBinary, startRedis } from './servers.js'
import { buy } from './shop.js'

const TOKEN = 'token-of-the-tests'
const why = leftOut('Redis', redisBinary)
const redis = why === undefined ? await startRedis() : undefined
const client = redis && new Redis(redis.port)
let requests = 0

/** Answers as the service does: one command a request, as a JSON list, with `{ result }` or `{ error }`. */
async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  requests += 1
  const say = (status: number, body: object) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  if (request.headers.authorization !== `Bearer ${TOKEN}`)
    return say(401, { error: 'WRONGPASS invalid or missing auth token' })
  if (request.method !== 'POST' || request.url !== '/') return say(404, { error: 'not found' })
  const command: unknown = JSON.parse(await text(request))
  if (!Array.isArray(command) || typeof command[0] !== 'string')
    return say(400, { error: 'ERR failed to parse command' })
  try {
    const [name, ...args] = command.map(String)
    say(200, { result: (await client?.call(name ?? '', ...args)) ?? null })
  } catch (cause) {
    say(400, { error: (cause as Error).message })
  }
}

const bridge = createServer((request, response) => void answer(request, response))
bridge.listen(0, '127.0.0.1')
await once(bridge, 'listening')
const url = `http://127.0.0.1:${(bridge.address() as AddressInfo).port}`
afterAll(async () => {
  bridge.closeAllConnections()
  bridge.close()
  await client?.quit()
  await redis?.stop()
})

describe.skipIf(why !== undefined)(`before a real Redis ${why ?? ''}`, () => {
  storeConformance(() => upstash({ url, token: TOKEN }), {
    name: 'upstash',
    capabilities: { wakes: false, volatile: false },
  })

  test('a paid request makes three requests', async () => {
    const store = upstash({ url, token: TOKEN })
    const before = requests
    expect(await buy(store)).toBe('page')
    expect(requests - before).toBe(3)
  })

  test('a wrong token is told as a failure of the store, and the server answers 503', async () => {
    const store = upstash({ url, token: 'wrong' })
    await expect(store.get('k')).rejects.toThrow('Store "upstash" could not do a step')
    expect(await buy(store).catch((cause: Error) => cause.message)).toBe('503 store-unavailable')
  })
})

test('a database that does not answer, or answers nonsense, fails in time', async () => {
  const silent = upstash({
    url,
    token: TOKEN,
    timeout: 100,
    fetch: () => new Promise(() => undefined),
  })
  await expect(silent.get('k')).rejects.toThrow('has not answered within 100 ms')
  for (const body of [
    '<html>',
    '{}',
    '{"result":{}}',
    '{"result":null}',
    '{"result":[]}',
    '[]',
    'null',
  ]) {
    const odd = upstash({ url, token: TOKEN, fetch: async () => new Response(body) })
    const told = await odd.claim([{ key: 'k', value: 1, ttl: 60 }]).catch(String)
    expect(`${body}: ${told}`).toContain('Store "upstash"')
  }
})

test('what is missing, or would send the token in the open, is refused at once', () => {
  expect(() => upstash({ url: undefined, token: 'x' })).toThrow('UPSTASH_REDIS_REST_URL')
  expect(() => upstash({ url: 'https://x.upstash.io', token: '' })).toThrow('TOKEN')
  expect(() => upstash({ url: 'http://x.upstash.io', token: 'x' })).toThrow('https only')
})
