/**
 * Bodies: what was sent unpaid is what is sent paid, byte for byte, or nothing is paid.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { Challenge } from '@polyrail/core'
import { Mpp } from '@polyrail/core/client'
import { describe, expect, test } from 'vitest'
import { isPaid, open, wallet, wire, type Handler } from './market.js'

const policy = { max: '10' }

/** Binds each challenge to the digest of the body that it saw, and checks it again, as our server does. */
const binding: Handler = (seen, response) => {
  const digest = `sha-256=:${createHash('sha256').update(seen.body).digest('base64')}:`
  if (isPaid(seen)) return void response.end(seen.body)
  response.writeHead(402, { 'www-authenticate': Challenge.serialize(wire({ digest })) }).end()
}

const stream = (...chunks: string[]) =>
  new ReadableStream({
    pull(controller) {
      const chunk = chunks.shift()
      if (chunk === undefined) controller.close()
      else controller.enqueue(new TextEncoder().encode(chunk))
    },
  })

const form = () => {
  const made = new FormData()
  made.set('text', 'värde')
  made.set('file', new Blob(['bytes'], { type: 'text/plain' }), 'a.txt')
  return made
}

describe('a body', () => {
  const bodies: [string, () => BodyInit, string | undefined][] = [
    ['text', () => 'hällo', 'text/plain;charset=UTF-8'],
    ['empty text', () => '', 'text/plain;charset=UTF-8'],
    ['bytes', () => new TextEncoder().encode('bytes'), undefined],
    ['a part of a buffer', () => new Uint8Array(new ArrayBuffer(16), 4, 8), undefined],
    ['a buffer', () => new ArrayBuffer(8), undefined],
    ['a blob', () => new Blob(['blob'], { type: 'a/b' }), 'a/b'],
    [
      'search parameters',
      () => new URLSearchParams({ a: 'ä' }),
      'application/x-www-form-urlencoded;charset=UTF-8',
    ],
    ['a stream', () => stream('one', 'two'), undefined],
  ]
  test.each(bodies)('of %s is sent twice alike', async (_, body, type) => {
    const { url, seen } = await open(binding)
    const init = { method: 'POST', body: body(), duplex: 'half' } as RequestInit
    const response = await Mpp.create({ methods: [wallet().method], policy }).fetch(url, init)
    expect(response.status).toBe(200)
    expect(seen).toHaveLength(2)
    expect(seen[1]!.body.equals(seen[0]!.body)).toBe(true)
    expect(seen[0]!.body.equals(Buffer.from(await new Response(body()).arrayBuffer()))).toBe(true)
    expect(seen.map(({ headers }) => headers['content-type'])).toEqual([type, type])
  })

  test('of a form keeps its boundary, and so its digest', async () => {
    const { url, seen } = await open(binding)
    const response = await Mpp.create({ methods: [wallet().method], policy }).fetch(url, {
      method: 'POST',
      body: form(),
    })
    expect(response.status).toBe(200)
    expect(seen[1]?.headers['content-type']).toBe(seen[0]?.headers['content-type'])
    const read = await new Response(seen[1]!.body, {
      headers: { 'content-type': seen[1]!.headers['content-type']! },
    }).formData()
    expect(read.get('text')).toBe('värde')
  })

  test.each<[string, () => RequestInit]>([
    ['text', () => ({ body: 'hello' })],
    ['a form', () => ({ body: form() })],
    ['a stream', () => ({ body: stream('a', 'b'), duplex: 'half' }) as RequestInit],
    ['nothing', () => ({})],
  ])('of a Request is kept with its headers: %s', async (_, init) => {
    const { url, seen } = await open(binding)
    const request = new Request(url, { method: 'PUT', headers: { 'x-own': '1' }, ...init() })
    const response = await Mpp.create({ methods: [wallet().method], policy }).fetch(request)
    expect(response.status).toBe(200)
    expect(
      seen.map((one) => [one.method, one.headers['x-own'], one.headers['content-type']]),
    ).toEqual(Array.from({ length: 2 }, () => ['PUT', '1', seen[0]?.headers['content-type']]))
    expect(seen[1]!.body.equals(seen[0]!.body)).toBe(true)
  })

  test('changed by its owner after the call is still the one that was sent first', async () => {
    const body = new TextEncoder().encode('before')
    const { url, seen } = await open((one, response) => {
      body.fill(120)
      return binding(one, response)
    })
    await Mpp.create({ methods: [wallet().method], policy }).fetch(url, { method: 'POST', body })
    expect(seen.map((one) => one.body.toString())).toEqual(['before', 'before'])
  })

  test('of a Request that was read before is a clear mistake, and nothing is sent', async () => {
    const { url, seen } = await open(binding)
    const request = new Request(url, { method: 'POST', body: 'x' })
    await request.text()
    const mpp = Mpp.create({ methods: [wallet().method], policy })
    await expect(mpp.fetch(request)).rejects.toThrow(/already been used/)
    expect(seen).toHaveLength(0)
  })

  test('that the challenge does not speak for is not paid', async () => {
    const { url } = await open((_, response) => {
      const digest = `sha-256=:${createHash('sha256').update('other').digest('base64')}:`
      response.writeHead(402, { 'www-authenticate': Challenge.serialize(wire({ digest })) }).end()
    })
    const { method, paid } = wallet()
    const mpp = Mpp.create({ methods: [method], policy })
    const response = await mpp.fetch(url, { method: 'POST', body: 'mine' })
    expect([mpp.explain(response)?.refusals[0]?.code, paid.length]).toEqual(['digest-mismatch', 0])
  })

  test.each(['sha-256=x', '', 'md5=:abc=:', 'sha-512=:abc=:'])(
    'has no digest that reads %j',
    async (digest) => {
      const { url } = await open(
        (_, response) =>
          void response
            .writeHead(402, { 'www-authenticate': Challenge.serialize(wire({ digest })) })
            .end(),
      )
      const { method, paid } = wallet()
      await Mpp.create({ methods: [method], policy }).fetch(url, { method: 'POST', body: 'mine' })
      expect(paid).toHaveLength(0)
    },
  )

  test('digest is read in the deployed form without colons, and in a list', async () => {
    const hash = createHash('sha256').update('mine').digest('base64')
    for (const digest of [`sha-256=${hash}`, `sha-512=:AA==:, sha-256=:${hash}:`]) {
      const { url } = await open((seen, response) =>
        isPaid(seen)
          ? void response.end('goods')
          : void response
              .writeHead(402, { 'www-authenticate': Challenge.serialize(wire({ digest })) })
              .end(),
      )
      const mpp = Mpp.create({ methods: [wallet().method], policy })
      expect((await mpp.fetch(url, { method: 'POST', body: 'mine' })).status).toBe(200)
    }
  })
})

describe('a stream longer than the limit', () => {
  test('is sent whole, and never paid', async () => {
    const { url, seen } = await open(binding)
    const { method, paid } = wallet()
    const mpp = Mpp.create({ methods: [method], policy, maxBodyBytes: 1_000 })
    const body = stream(...Array(5).fill('x'.repeat(400)))
    const response = await mpp.fetch(url, { method: 'POST', body, duplex: 'half' } as RequestInit)
    expect([response.status, seen.length, seen[0]?.body.length, paid.length]).toEqual([
      402, 1, 2_000, 0,
    ])
    expect(mpp.explain(response)?.refusals[0]?.code).toBe('body-not-replayable')
  })

  test('is not a limit for bytes that are in memory anyway', async () => {
    const { url } = await open(binding)
    const mpp = Mpp.create({ methods: [wallet().method], policy, maxBodyBytes: 1_000 })
    for (const body of ['x'.repeat(5_000), new Uint8Array(5_000), new Blob(['x'.repeat(5_000)])])
      expect((await mpp.fetch(url, { method: 'POST', body })).status).toBe(200)
  })

  test('that stands still can be left', async () => {
    const { url, seen } = await open(binding)
    const body = new ReadableStream({ pull: () => new Promise(() => {}) })
    const signal = AbortSignal.timeout(30)
    const mpp = Mpp.create({ methods: [wallet().method], policy })
    await expect(
      mpp.fetch(url, { method: 'POST', body, signal, duplex: 'half' } as RequestInit),
    ).rejects.toMatchObject({
      name: 'TimeoutError',
    })
    expect(seen).toHaveLength(0)
  })

  test('that breaks fails the fetch as it would have without us', async () => {
    const { url } = await open(binding)
    const body = new ReadableStream({
      pull(controller) {
        controller.error(new Error('broken'))
      },
    })
    const mpp = Mpp.create({ methods: [wallet().method], policy })
    await expect(
      mpp.fetch(url, { method: 'POST', body, duplex: 'half' } as RequestInit),
    ).rejects.toThrow('broken')
  })
})
