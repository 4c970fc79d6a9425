/**
 * The store in a Durable Object, in workerd: the runtime of Cloudflare Workers.
 *
 * @module
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cloudflare } from '@polyrail/stores/cloudflare'
import { Miniflare } from 'miniflare'
import { build } from 'vite'
import { afterAll, describe, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'polyrail-workerd-'))
const script = await bundle()
const database = await openDatabase()
let runtime = open()
afterAll(async () => {
  await runtime.dispose()
  database.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** One file of everything, as a deployment would be. */
async function bundle(): Promise<string> {
  const entry = fileURLToPath(new URL('cloudflare-worker.ts', import.meta.url))
  const built = await build({
    configFile: false,
    logLevel: 'error',
    ssr: { noExternal: true, target: 'webworker' },
    build: { ssr: entry, write: false, minify: false, target: 'es2023' },
  })
  const [output] = Array.isArray(built) ? built : [built]
  if (!output || !('output' in output)) throw new Error('nothing was built')
  expect(output.output.length).toBe(1)
  return output.output[0].code
}

function open(): Miniflare {
  return new Miniflare({
    modules: [{ type: 'ESModule', path: 'worker.js', contents: script }],
    compatibilityDate: '2026-01-01',
    durableObjects: { PAYMENTS: { className: 'PaymentStore', useSQLite: true } },
    durableObjectsPersist: folder,
    kvNamespaces: ['KV'],
    bindings: { UPSTASH: database.url },
  })
}

/** Says `value` to whatever it is asked; once moved, that it is elsewhere. */
async function openDatabase() {
  const server = createServer((request, response) => {
    database.asked.push(request.url ?? '')
    if (database.moved) response.writeHead(307, { location: '/elsewhere' })
    response.end('{"result":"\\"value\\""}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, asked: [] as string[], moved: false, stop: () => server.close() }
}

type Told = { told?: unknown; failed?: string }

async function ask<answer = Told>(path: string): Promise<answer> {
  const response = await runtime.dispatchFetch(`https://worker.example/${path}`)
  return (await response.json()) as answer
}

const cases = await ask<{ id: string; title: string }[]>('cases')

describe('store Durable Object conforms', () => {
  expect(cases.length).toBeGreaterThan(20)
  for (const { id, title } of cases)
    test(`${id}: ${title}`, { timeout: 30_000 }, async () => {
      expect(await ask(id)).toEqual({ told: null })
    })
})

test('paid requests are served one after the other, the core and all being in the Worker', async () => {
  for (let visit = 0; visit < 3; visit++) expect(await ask('buy')).toEqual({ told: 'page' })
})

test('Upstash is asked from a Worker too, and its token not carried on by a redirect', async () => {
  expect(await ask('upstash')).toEqual({ told: 'value' })
  database.moved = true
  expect((await ask('upstash')).failed).toContain('Store "upstash" could not do a step')
  expect(database.asked).toEqual(['/', '/'])
})

test('Workers KV is refused, with the reason', async () => {
  expect((await ask('kv')).failed).toMatch(/no compare-and-set.*taken twice.*Durable Object/)
})

test('what is no binding is refused', () => {
  const none = {} as cloudflare.Namespace<object>
  expect(() => cloudflare(none)).toThrow('binding of a Durable Object namespace')
})

test('a claim outlives the runtime', { timeout: 30_000 }, async () => {
  expect(await ask('keep')).toEqual({ told: { claimed: true } })
  await runtime.dispose()
  runtime = open()
  expect(await ask('keep')).toEqual({ told: { claimed: false, existing: [1] } })
})

test('an object that cannot be reached fails in time and says so', async () => {
  const broken: cloudflare.Namespace<string> = {
    idFromName: (name) => name,
    get: () => ({ fetch: () => Promise.reject(new Error('moved')) }),
  }
  await expect(cloudflare(broken).get('k')).rejects.toThrow(
    'Store "cloudflare" could not do a step',
  )
  for (const body of ['<html>', '{}', 'null', '[]']) {
    const odd: cloudflare.Namespace<string> = {
      idFromName: (name) => name,
      get: () => ({ fetch: async () => new Response(body) }),
    }
    const claim = cloudflare(odd).claim([{ key: 'k', value: 1, ttl: 60 }])
    expect(`${body}: ${await claim.catch(String)}`).toContain('Store "cloudflare"')
  }
})
