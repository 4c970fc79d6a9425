import { setTimeout as pause } from 'node:timers/promises'
import { Receipt } from '@polyrail/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { elysia } from './servers/elysia.js'
import { express5 } from './servers/express.js'
import { fastify } from './servers/fastify.js'
import { hono, hono1 } from './servers/hono.js'
import { next } from './servers/next.js'
import { node } from './servers/node.js'
import { createShop, words, type Opened, type Shop } from './shop.js'
import { ask as asks, firstLine, leave, leave2, pay, type Answer, type Visit } from './visit.js'

const frameworks = [hono, hono1, express5, fastify, elysia, next, node]

const rows = frameworks.flatMap((framework) =>
  framework.protocols.map((protocol) => ({ framework, protocol, title: framework.name })),
)

let shop: Shop
let opened: Opened
const receiptOf = ({ headers }: Answer) => {
  const [value] = headers['payment-receipt'] ?? []
  return value === undefined ? undefined : Receipt.deserialize(value)
}

describe.each(rows)('$title over $protocol', ({ framework, protocol }) => {
  const ask = asks[protocol]
  beforeEach(async () => {
    // What breaks is broken on purpose.
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    shop = createShop()
    opened = await framework.open(shop, protocol === 'HTTP/2' ? protocol : undefined)
    // Next.js is built first.
  }, 180_000)
  afterEach(async () => {
    vi.restoreAllMocks()
    await opened.close()
  })

  /** Asks, pays and asks again. */
  const buy = async (path: string, visit: Visit = {}) => {
    const url = opened.origin + path
    const authorization = pay(await ask(url, visit))
    const paid = { ...visit, headers: { ...visit.headers, authorization } }
    return { answer: await ask(url, paid), authorization, again: () => ask(url, paid) }
  }
  const present = (authorization: string, path: string, visit: Visit = {}) =>
    ask(opened.origin + path, { ...visit, headers: { ...visit.headers, authorization } })

  describe.each(framework.forms)('%s', (form) => {
    const records = form === 'around' || framework.recordsBefore

    test('asks for the payment, takes it, and serves with a receipt', async () => {
      const unpaid = await ask(`${opened.origin}/${form}/page`)
      expect([unpaid.status, unpaid.headers['cache-control'], shop.runs]).toEqual([
        402,
        ['no-store'],
        [],
      ])
      expect(unpaid.headers['content-type']).toEqual(['application/problem+json'])
      const { answer } = await buy(`/${form}/page`)
      expect([answer.status, answer.text]).toEqual([200, 'the page'])
      expect(answer.headers['cache-control']).toEqual(['private'])
      expect(receiptOf(answer)).toMatchObject({ status: 'success', method: 'points' })
      expect([shop.runs, shop.settled.length]).toEqual([['/page'], 1])
    })

    test(`the same credential again: ${records ? 'the recorded answer' : 'refused'} (threats 1, 10)`, async () => {
      const { answer, again } = await buy(`/${form}/page`)
      const second = await again()
      expect([second.status, second.text === answer.text]).toEqual(
        records ? [200, true] : [402, false],
      )
      expect([shop.runs.length, shop.settled.length]).toEqual([1, 1])
    })

    test('every HTTP method is charged by itself: HEAD, OPTIONS and the rest (threat 6)', async () => {
      const { authorization } = await buy(`/${form}/page`)
      for (const method of ['HEAD', 'OPTIONS', 'DELETE', 'PATCH']) {
        const unpaid = await ask(`${opened.origin}/${form}/page`, { method })
        expect([method, unpaid.status]).toEqual([method, 402])
        expect((await present(authorization, `/${form}/page`, { method })).status).toBe(402)
        const paid = await present(pay(unpaid), `/${form}/page`, { method })
        expect([method, paid.status, receiptOf(paid)?.status]).toEqual([method, 200, 'success'])
      }
    })

    test.each(['OPTIONS', 'TRACE', 'PROPFIND'])(
      'a preflight or another method, %s, gets nothing of a route for GET (threat 6)',
      async (method) => {
        const answer = await ask(`${opened.origin}/${form}/slow`, { method })
        expect([answer.text.includes('the page'), receiptOf(answer), shop.runs]).toEqual([
          false,
          undefined,
          [],
        ])
      },
    )

    test.each([
      ['json', 'application/json', '{"order": "one"}', '{"order": "two"}'],
      ['text', 'text/plain', 'order: one', 'order: two'],
    ])(
      'a %s body reaches the application and is bound: no other is served for it (threat 5)',
      async (kind, type, body, other) => {
        const visit = { method: 'POST', headers: { 'content-type': type }, body }
        const unpaid = await ask(`${opened.origin}/${form}/${kind}`, visit)
        expect(unpaid.challenges[0]?.digest).toMatch(/^sha-256=:/)
        const authorization = pay(unpaid)
        const swapped = await present(authorization, `/${form}/${kind}`, { ...visit, body: other })
        expect([swapped.status, shop.settled.length]).toEqual([402, 0])
        const without = await present(authorization, `/${form}/${kind}`, { method: 'POST' })
        expect([without.status === 200, shop.settled.length]).toEqual([false, 0])
        const answer = await present(authorization, `/${form}/${kind}`, visit)
        expect(answer.status).toBe(200)
        expect(kind === 'json' ? JSON.parse(answer.text) : { got: answer.text }).toEqual({
          got: kind === 'json' ? { order: 'one' } : body,
        })
      },
    )

    test('an application that throws: an error page without a receipt; the same credential runs it again (threat 11)', async () => {
      const { answer, again } = await buy(`/${form}/throws`)
      expect([answer.status, receiptOf(answer)]).toEqual([500, undefined])
      expect(answer.text).not.toContain('inner workings')
      shop.isBroken = false
      const mended = await again()
      expect([mended.status, mended.text, receiptOf(mended)?.status]).toEqual([
        200,
        'the page',
        'success',
      ])
      expect([shop.runs.length, shop.settled.length]).toEqual([2, 1])
    })

    test('an answer of 400 and above carries no receipt, and leaves the payment good (threat 11)', async () => {
      const { answer, again } = await buy(`/${form}/missing`)
      expect([answer.status, receiptOf(answer)]).toEqual([404, undefined])
      const second = await again()
      expect([second.status, receiptOf(second)]).toEqual([404, undefined])
      expect([shop.runs.length, shop.settled.length]).toEqual([2, 1])
    })

    test('an answer without a body is one, also when it is given again', async () => {
      const { answer, again } = await buy(`/${form}/empty`)
      expect([answer.status, answer.text, receiptOf(answer)?.status]).toEqual([204, '', 'success'])
      expect((await again()).status).toBe(records ? 204 : 402)
      expect(shop.settled).toHaveLength(1)
    })

    test.each(['stream', 'events'])('%s passes through as it comes', async (kind) => {
      const parts: number[] = []
      const begun = performance.now()
      const onPart = () => void parts.push(performance.now() - begun)
      const authorization = pay(await ask(`${opened.origin}/${form}/${kind}`))
      const answer = await present(authorization, `/${form}/${kind}`, { onPart })
      expect([answer.status, receiptOf(answer)?.status]).toEqual([200, 'success'])
      for (const word of words) expect(answer.text).toContain(word.trim())
      expect(parts.length).toBeGreaterThan(1)
      expect((parts.at(-1) as number) - (parts[0] as number)).toBeGreaterThan(90)
      if (kind === 'events')
        expect(answer.headers['content-type']?.[0]).toMatch(/^text\/event-stream/)
    })

    test('who leaves while the application works is served at the next visit, for one payment (threat 10)', async () => {
      const url = `${opened.origin}/${form}/slow`
      const authorization = pay(await ask(url))
      const working = new Promise<void>((works) => {
        shop.works = works
      })
      let goOn = (): void => undefined
      shop.goesOn = new Promise<void>((resolve) => {
        goOn = resolve
      })
      if (protocol === 'HTTP/1.1') await leave(url, authorization, working)
      else await leave2(url, authorization, working)
      await pause(50)
      goOn()
      await pause(50)
      const answer = await present(authorization, `/${form}/slow`)
      expect([answer.status, answer.text, receiptOf(answer)?.status]).toEqual([
        200,
        'the page',
        'success',
      ])
      expect(shop.settled).toHaveLength(1)
    })

    test('several rails arrive as several challenges, and each pays', async () => {
      for (const [which, method] of ['points', 'gold', 'silver'].entries()) {
        const unpaid = await ask(`${opened.origin}/${form}/rails`)
        expect(unpaid.challenges.map(({ method }) => method)).toEqual(['points', 'gold', 'silver'])
        const answer = await present(pay(unpaid, which), `/${form}/rails`)
        expect([answer.status, receiptOf(answer)?.method]).toEqual([200, method])
      }
    })

    test('cookies stay several, now and when the answer is given again', async () => {
      const { answer, again } = await buy(`/${form}/cookies`)
      const cookies = ({ headers }: Answer) =>
        (headers['set-cookie'] ?? []).map((cookie) => cookie.split(';', 1)[0])
      expect(cookies(answer)).toEqual(['a=1', 'b=2'])
      if (records) expect(cookies(await again())).toEqual(['a=1', 'b=2'])
    })

    test('what earlier middleware set, such as CORS, is on the 402, on the page and on the page again', async () => {
      const bought = await buy(`/${form}/page`)
      const answers = [await ask(`${opened.origin}/${form}/page`), bought.answer]
      if (records) answers.push(await bought.again())
      for (const { headers } of answers) {
        expect(headers['access-control-allow-origin']).toEqual(['https://shop.example'])
        const exposed = headers['access-control-expose-headers']?.join()
        expect(exposed).toContain('WWW-Authenticate')
        expect(exposed).toContain('Payment-Receipt')
        const varies = headers['vary']?.join().split(/, ?/) ?? []
        expect(varies).toContain('Authorization')
        if (!framework.hasMiddleware) continue
        expect(exposed).toContain('X-Own')
        expect(varies).toEqual(expect.arrayContaining(['Origin', 'Accept']))
      }
    })

    const odd = [
      `//${form}/page`,
      `/${form}//page`,
      `/${form}/%70age`,
      `/${form}%2fpage`,
      `/${form}/./page`,
      `/x/../${form}/page`,
      `/${form}/%2e/page`,
      `/${form}/page/`,
      `/${form}/page%2f`,
      `/${form}/PAGE`,
      `/${form}/page;x=1`,
      `/${form}/page%00`,
      `/${form}/page?`,
      `/${form}/page?x=//${form}/free`,
    ]
    test('no way to write a path is free, or paid by another route (threat 6)', async () => {
      const other = await ask(`${opened.origin}/${form}/users/1`)
      for (const path of odd) {
        const unpaid = await ask(opened.origin + path)
        expect([path, unpaid.text.includes('the page'), shop.runs]).toEqual([path, false, []])
        const cross = await present(pay(other), path)
        expect([path, cross.text.includes('the page'), shop.runs]).toEqual([path, false, []])
      }
      expect(shop.settled).toEqual([])
    })

    test(`a payment is for one route: ${framework.hasPatterns ? 'its pattern, whatever its parameters' : 'its path'} (threat 1)`, async () => {
      const unpaid = await ask(`${opened.origin}/${form}/users/1`)
      const elsewhere = await present(pay(unpaid), `/${form}/page`)
      expect([elsewhere.status, shop.settled.length]).toEqual([402, 0])
      const answer = await present(pay(unpaid), `/${form}/users/2`)
      expect([answer.status, answer.text === 'user 2']).toEqual(
        framework.hasPatterns ? [200, true] : [402, false],
      )
      if (framework.forms.length > 1) {
        const other = form === 'before' ? 'around' : 'before'
        expect((await present(pay(unpaid), `/${other}/users/1`)).status).toBe(402)
      }
    })
  })

  if (protocol === 'HTTP/1.1')
    test('no Host header and no request target is an error of the server', async () => {
      const hosts = ['', 'a b', 'user:word@127.0.0.1', '[::1', '127.0.0.1:99999', 'x/y', 'é']
      for (const host of hosts) {
        const line = await firstLine(opened.origin, `GET /around/page HTTP/1.1\r\nHost: ${host}`)
        expect([host, line]).toEqual([host, expect.stringMatching(/ [1-4]\d\d /)])
      }
      const { host } = new URL(opened.origin)
      for (const target of [`http://${host}/around/page`, '?', '/around/page#x', '\\around']) {
        const line = await firstLine(opened.origin, `GET ${target} HTTP/1.1\r\nHost: ${host}`)
        expect([target, line]).toEqual([target, expect.stringMatching(/ [1-4]\d\d /)])
      }
      expect([shop.runs, shop.settled]).toEqual([[], []])
    })

  test('what is mounted twice is two routes', async () => {
    const [one, two] = [
      await ask(`${opened.origin}/one/report`),
      await ask(`${opened.origin}/two/report`),
    ]
    expect([one.status, two.status]).toEqual([402, 402])
    expect((await present(pay(one), '/two/report')).status).toBe(402)
    expect((await present(pay(two), '/one/report')).status).toBe(402)
    expect([shop.runs, shop.settled]).toEqual([[], []])
    const answer = await present(pay(one), '/one/report')
    expect([answer.status, answer.text, receiptOf(answer)?.status]).toEqual([
      200,
      'the page',
      'success',
    ])
  })

  test('two copies at once: one settlement, one run (threat 2)', async () => {
    const url = `${opened.origin}/around/slow`
    const authorization = pay(await ask(url))
    shop.goesOn = pause(100)
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => present(authorization, '/around/slow')),
    )
    expect(answers.map(({ status, text }) => `${status} ${text}`)).toEqual(
      answers.map(() => '200 the page'),
    )
    expect([shop.runs.length, shop.settled.length]).toEqual([1, 1])
  })
})
