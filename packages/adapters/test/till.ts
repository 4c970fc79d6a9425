/**
 * A framework's server in a process of its own, for tests that kill it; for Next.js, what its own server is started with.
 *
 * `POLYRAIL_TILL` is its setting.
 *
 * @module
 */
import { Store } from '@polyrail/core/server'
import { sqlite } from '@polyrail/stores/sqlite'
import { ask, hooks } from '@polyrail/street/coin'
import type { Deadlines } from '@polyrail/street/street'
import Database from 'libsql'
import { createShop, type Framework } from './shop.js'

export type Setting = {
  framework: string
  /** Of the SQLite store. */
  file: string
  deadlines: Deadlines
  /** What is wrong with it: its store forgets, or it takes no money. */
  flaw?: 'forgets' | 'gives' | undefined
}

const servers: Record<string, () => Promise<Framework>> = {
  Hono: async () => (await import('./servers/hono.js')).hono,
  Express: async () => (await import('./servers/express.js')).express5,
  Fastify: async () => (await import('./servers/fastify.js')).fastify,
  Elysia: async () => (await import('./servers/elysia.js')).elysia,
  'node:http': async () => (await import('./servers/node.js')).node,
}

const setting = JSON.parse(process.env['POLYRAIL_TILL'] ?? '') as Setting
const { framework, file, deadlines, flaw } = setting
const store = flaw === 'forgets' ? Store.memory() : sqlite(new Database(file))
const settle = async () => ({ reference: 'nothing' })
const shop = createShop({
  hooks: flaw === 'gives' ? { ...hooks, settle } : hooks,
  store,
  deadlines,
  user: (id) => ask('deliver', id),
})
if (framework === 'Next.js') {
  const { place } = await import('./servers/next.js')
  place(shop)
} else {
  const server = await servers[framework]?.()
  if (!server) throw new Error(`there is no server of ${framework}`)
  const { origin } = await server.open(shop)
  process.send?.({ port: Number(new URL(origin).port) })
}
