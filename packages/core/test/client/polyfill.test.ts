/**
 * In the place of `globalThis.fetch`: given back in any order, and never paying inside a payment.
 *
 * @module
 */
import { Method } from '@polyrail/core'
import { Mpp } from '@polyrail/core/client'
import { afterEach, expect, test } from 'vitest'
import { charge, isPaid, open, pointsMethod, shop, wallet } from './market.js'

const native = globalThis.fetch
const policy = { max: '10' }
afterEach(() => {
  const left = globalThis.fetch
  globalThis.fetch = native
  expect(left, 'a test left its fetch behind').toBe(native)
})

const make = (options: object = {}) => {
  const { method, paid } = wallet()
  return { paid, ...Mpp.create({ methods: [method], policy, polyfill: true, ...options }) }
}

test('pays through the global fetch until it is restored', async () => {
  const { url } = await open(shop())
  const mpp = make()
  expect((await fetch(url)).status).toBe(200)
  mpp.restore()
  expect(globalThis.fetch).toBe(native)
  expect((await fetch(url)).status).toBe(402)
  expect((await mpp.fetch(url)).status).toBe(200)
  mpp.restore()
})

test.each([[[0, 1, 2]], [[2, 1, 0]], [[1, 0, 2]], [[0, 2, 1]], [[1, 2, 0]], [[2, 0, 1]]])(
  'three of them restored in the order %j leave the platform’s own',
  async (order) => {
    const { url, seen } = await open(shop())
    const clients = [make(), make(), make()]
    for (const at of order) {
      seen.length = 0
      expect((await fetch(url)).status).toBe(200)
      expect(seen).toHaveLength(2)
      clients[at]!.restore()
    }
    expect(globalThis.fetch).toBe(native)
  },
)

test('only the last one pays when two stand on each other', async () => {
  const { url, seen } = await open((_, response) => charge(response))
  const [below, above] = [make(), make()]
  expect((await fetch(url)).status).toBe(402)
  expect([below.paid.length, above.paid.length, seen.length]).toEqual([0, 1, 2])
  above.restore()
  below.restore()
})

test('a wrapper of another library between two of them does not make both pay', async () => {
  const { url } = await open((_, response) => charge(response))
  const below = make()
  const installed = globalThis.fetch
  globalThis.fetch = (input, init) => installed(input, init)
  const above = make()
  expect((await fetch(url)).status).toBe(402)
  expect(below.paid.length + above.paid.length).toBe(1)
  above.restore()
  below.restore()
  const { url: free } = await open(shop())
  expect((await fetch(free)).status).toBe(402)
  globalThis.fetch = native
})

test('one that is restored below another library’s wrapper makes way for the one below it', async () => {
  const { url } = await open(shop())
  const below = make()
  const above = make()
  const installed = globalThis.fetch
  globalThis.fetch = (input, init) => installed(input, init)
  above.restore()
  expect((await fetch(url)).status).toBe(200)
  expect([below.paid.length, above.paid.length]).toEqual([1, 0])
  below.restore()
  expect((await fetch(url)).status).toBe(402)
  globalThis.fetch = native
})

test('one client given as the fetch of another pays once between them', async () => {
  const { url } = await open((_, response) => charge(response))
  const inner = wallet()
  const outer = wallet()
  const { fetch: below } = Mpp.create({ methods: [inner.method], policy })
  const mpp = Mpp.create({ methods: [outer.method], policy, fetch: below as typeof fetch })
  expect((await mpp.fetch(url)).status).toBe(402)
  expect(inner.paid.length + outer.paid.length).toBe(1)
})

test('what a method fetches in order to pay is not paid for in turn', async () => {
  const node = await open((_, response) => charge(response))
  const { url, seen } = await open(shop())
  const method = Method.toClient(pointsMethod('points'), {
    async createCredential() {
      const response = await fetch(node.url)
      return { payload: { token: String(response.status) } }
    },
  })
  const mpp = Mpp.create({ methods: [method], policy, polyfill: true })
  expect((await fetch(url)).status).toBe(200)
  expect(node.seen.filter(isPaid)).toHaveLength(0)
  expect([node.seen.length, seen.length]).toEqual([1, 2])
  mpp.restore()
})

test('without polyfill the global fetch of the moment is used', async () => {
  const { method } = wallet()
  const mpp = Mpp.create({ methods: [method], policy })
  globalThis.fetch = async () => new Response('stubbed')
  expect(await (await mpp.fetch('https://a.b/')).text()).toBe('stubbed')
  globalThis.fetch = native
})

test('fetch is called as a function, as runtimes that check their receiver want it', async () => {
  const fetch = function (this: unknown) {
    if (this !== undefined) throw new TypeError('Illegal invocation')
    return Promise.resolve(new Response('ok'))
  } as typeof globalThis.fetch
  const mpp = Mpp.create({ methods: [wallet().method], policy, fetch })
  expect((await mpp.fetch('https://a.b/')).status).toBe(200)
})
