/**
 * Copies of one credential that reach two processes with one store: one settlement, one delivery.
 *
 * @module
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Challenge, Credential } from '@polyrail/core'
import { Store } from '@polyrail/core/server'
import { afterAll, beforeAll, expect, it } from 'vitest'

const COPIES = 200
const script = fileURLToPath(new URL('server-process.mjs', import.meta.url))

type Reply = { status: number; challenge: string | null; text: string }
type Message = { call?: number; name?: string; given?: string[]; visit?: number }

const memory = Store.memory()
const counts = { settle: 0, deliver: 0 }
const visits = new Map<number, (reply: Reply) => void>()
let children: ChildProcess[] = []
let numbered = 0

/** What both processes share, each call a turn of its own as it would be over a network. */
const shared: Readonly<Record<string, (...given: string[]) => unknown>> = {
  get: (key = '') => memory.get(key),
  set: (key = '', value, ttl) => memory.set(key, value, { ttl: Number(ttl) }),
  delete: (key = '') => memory.delete(key),
  settle: () => `settled-${(counts.settle += 1)}`,
  deliver: () => `page-${(counts.deliver += 1)}`,
  async compareAndSet(key = '', expected, next, ttl) {
    let done = false
    const change = (current: unknown) => {
      done = (current ?? null) === (expected ?? null)
      return done ? next : undefined
    }
    await memory.update(key, change, { ttl: Number(ttl) })
    return done
  },
}

beforeAll(async () => {
  children = await Promise.all([start(), start()])
})
afterAll(() => children.forEach((child) => child.kill()))

it(
  `${COPIES} copies over two processes settle once and deliver once`,
  { timeout: 60_000 },
  async () => {
    const unpaid = await visit(0)
    const challenge = Challenge.deserialize(unpaid.challenge ?? '')
    expect(challenge).toBeDefined()
    if (!challenge) return
    const authorization = Credential.serialize({ challenge, payload: { coin: 'coin-1' } })
    const replies = await Promise.all(
      Array.from({ length: COPIES }, (_, index) => visit(index % 2, authorization)),
    )
    expect(counts).toEqual({ settle: 1, deliver: 1 })
    const pages = replies.filter(({ status }) => status === 200)
    expect(new Set(pages.map(({ text }) => text))).toEqual(new Set(['page-1']))
    for (const { status } of replies) expect([200, 409]).toContain(status)
  },
)

it('one coin shown with two challenges at two processes buys one page', async () => {
  const before = { ...counts }
  const replies = await Promise.all(
    [0, 1].map(async (index) => {
      const challenge = Challenge.deserialize((await visit(index)).challenge ?? '')
      if (!challenge) throw new Error('no challenge')
      return visit(index, Credential.serialize({ challenge, payload: { coin: 'coin-2' } }))
    }),
  )
  expect(replies.filter(({ status }) => status === 200)).toHaveLength(1)
  expect(counts).toEqual({ settle: before.settle + 1, deliver: before.deliver + 1 })
})

async function start(): Promise<ChildProcess> {
  const child = fork(script, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  child.on('message', (message: Message & Reply) => void receive(child, message))
  await once(child, 'message')
  return child
}

async function receive(child: ChildProcess, message: Message & Reply): Promise<void> {
  const { call, name, given = [], visit } = message
  if (visit !== undefined) return visits.get(visit)?.(message)
  if (name === undefined) return
  await new Promise((resolve) => setImmediate(resolve))
  const answer = await shared[name]?.(...given)
  child.send({ call, answer: answer ?? null })
}

function visit(index: number, authorization?: string): Promise<Reply> {
  return new Promise((resolve) => {
    numbered += 1
    visits.set(numbered, resolve)
    children[index]?.send({ visit: numbered, authorization })
  })
}
