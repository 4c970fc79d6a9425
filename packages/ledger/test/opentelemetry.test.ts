/**
 * Spans and metrics, as the OpenTelemetry SDK gets them.
 *
 * @module
 */
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-base'
import { Challenge, Credential, Method, Outcome } from '@polyrail/core'
import { Mpp } from '@polyrail/core/server'
import { observe } from '@polyrail/ledger/opentelemetry'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'

const url = 'https://api.example.com/page?secret=in-the-query'
const points = Method.from({
  name: 'points',
  intent: 'charge',
  schema: {
    request: z.object({ amount: z.string(), currency: z.string() }),
    credential: { payload: z.object({ token: z.string() }) },
  },
  price: ({ amount, currency }) => ({ amount: BigInt(amount), currency, decimals: 2 }),
})

beforeAll(() => context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()))
afterAll(() => context.disable())

type Hooks = { settle?: () => unknown; reconcile?: () => unknown; settleWithin?: number }

/** A server that is observed, and what was seen. */
function shop({ settle, reconcile, settleWithin }: Hooks = {}) {
  const spans = new InMemorySpanExporter()
  const tracers = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] })
  const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({
    exporter: metrics,
    exportIntervalMillis: 60_000,
  })
  const meters = new MeterProvider({ readers: [reader] })
  const rail = Method.toServer<typeof points>(points, {
    replayKey: ({ credential }) => credential.payload.token,
    settle: async () => ((await settle?.()) ?? { reference: 'ref-1' }) as { reference: string },
    capture: async () => Outcome.settled({ reference: 'ref-1' }),
    cancel: async () => Outcome.rejected('verification-failed'),
    refund: async () => ({ reference: 'back-1', amount: 1050n, left: 0n }),
    ...(reconcile && { reconcile: async () => (await reconcile()) as Outcome.Outcome }),
  })
  const mpp = Mpp.create({
    methods: [rail],
    realm: 'api.example.com',
    secretKey: 'a secret of tests, forty bytes and longer',
    ...(settleWithin && { deadlines: { settle: settleWithin, lease: settleWithin * 4 } }),
  })
  mpp.on('error', () => undefined)
  const tracer = tracers.getTracer('test')
  const stop = observe(mpp, { tracer, meter: meters.getMeter('test') })
  const price = { amount: '1050', currency: 'pts' }
  const route = (
    page: () => Response | Promise<Response> = () => new Response('page'),
    capture: 'before' | 'after' = 'before',
  ) => mpp.charge({ ...price, capture })(page)
  return { mpp, route, spans, tracer, stop, read: () => readMetrics(meters, metrics) }
}

/** All points, as `name{attributes}` and a number: a count, a sum, or how many were measured. */
async function readMetrics(meters: MeterProvider, exporter: InMemoryMetricExporter) {
  await meters.forceFlush()
  const found: Record<string, number> = {}
  for (const { metrics } of exporter.getMetrics().at(-1)?.scopeMetrics ?? [])
    for (const { descriptor, dataPoints } of metrics)
      for (const { attributes, value } of dataPoints) {
        const tags = Object.entries(attributes).map(([key, one]) => `${key}=${String(one)}`)
        const name = `${descriptor.name}{${tags.toSorted().join(',')}}`
        found[name] = typeof value === 'number' ? value : value.count
      }
  return found
}

type Route = (request: Request) => Promise<Response>

async function prove(route: Route, token: string = crypto.randomUUID()): Promise<string> {
  const [challenge] = Challenge.parse((await route(new Request(url))).headers)
  if (!challenge) throw new Error('no challenge')
  return Credential.serialize({ challenge, payload: { token } })
}

const present = (authorization: string) => new Request(url, { headers: { authorization } })
const RAIL = 'mpp.intent=charge,mpp.method=points'

/** Spans by name, in the order in which they ended. */
const named = (spans: InMemorySpanExporter, name: string): ReadableSpan[] =>
  spans.getFinishedSpans().filter((span) => span.name === name)

const eventsOf = (span: ReadableSpan | undefined) =>
  span?.events.map(({ attributes }) => attributes?.['exception.message'])

describe('spans', () => {
  test('of a payment are claim, settle and deliver, below the request’s own', async () => {
    const { route, spans, tracer } = shop({
      settle: () => new Promise((done) => setTimeout(done, 30)),
    })
    const page = route()
    const authorization = await prove(page)
    expect(named(spans, 'mpp.challenge')[0]?.attributes['mpp.rails']).toEqual(['points/charge'])
    await tracer.startActiveSpan('GET /page', async (request) => {
      await page(present(authorization))
      request.end()
    })
    const [request] = named(spans, 'GET /page')
    const [payment] = named(spans, 'mpp.payment')
    expect(payment?.parentSpanContext?.spanId).toBe(request?.spanContext().spanId)
    expect(payment?.attributes).toEqual({
      'mpp.method': 'points',
      'mpp.intent': 'charge',
      'mpp.challenge.id': expect.any(String),
      'mpp.realm': 'api.example.com',
      'mpp.amount': '1050',
      'mpp.currency': 'pts',
      'mpp.resumed': false,
      'mpp.reference': 'ref-1',
      'mpp.outcome': 'delivered',
    })
    const parts = ['mpp.claim', 'mpp.settle', 'mpp.deliver'].map((name) => named(spans, name)[0])
    for (const part of parts)
      expect(part?.parentSpanContext?.spanId).toBe(payment?.spanContext().spanId)
    const [seconds = 0, nanoseconds = 0] = parts[1]?.duration ?? []
    expect(seconds * 1000 + nanoseconds / 1e6).toBeGreaterThan(25)
  })

  test('carry the cause of what went wrong, and the visitor never sees it', async () => {
    const words = 'postgres://user:hunter2@db refused'
    for (const [settle, outcome, code] of [
      [
        () => Outcome.rejected('payment-insufficient', {}, { cause: new Error(words) }),
        'rejected',
        'payment-insufficient',
      ],
      [() => Promise.reject(new Error(words)), 'indeterminate', 'payment-indeterminate'],
      [() => Outcome.unsettled({ cause: words }), 'rejected', 'settlement-unavailable'],
    ] as const) {
      const { route, spans } = shop({ settle })
      const page = route()
      const response = await page(present(await prove(page)))
      const seen = `${JSON.stringify([...response.headers])} ${await response.text()}`
      expect(seen).not.toMatch(/hunter2|refused/)
      const [payment] = named(spans, 'mpp.payment')
      expect(payment?.attributes).toMatchObject({ 'mpp.outcome': outcome, 'error.type': code })
      expect(eventsOf(payment)).toEqual([words])
      expect(eventsOf(named(spans, 'mpp.settle')[0])).toEqual([words])
      expect(named(spans, 'mpp.deliver')).toEqual([])
    }
  })

  test('tell an answer that failed from one that came, and do not settle twice', async () => {
    const { route, spans } = shop()
    let runs = 0
    const page = route(() => {
      if (++runs === 1) throw new Error('the application')
      return new Response('page')
    })
    const authorization = await prove(page)
    await expect(page(present(authorization))).rejects.toThrow()
    await page(present(authorization))
    const [failed, served] = named(spans, 'mpp.payment')
    expect(failed?.attributes).toMatchObject({ 'mpp.outcome': 'owed', 'error.type': 'owed' })
    expect(eventsOf(failed)).toEqual(['the application'])
    expect(served?.attributes).toMatchObject({ 'mpp.outcome': 'delivered', 'mpp.resumed': true })
    expect(named(spans, 'mpp.settle')).toHaveLength(1)
    expect(named(spans, 'mpp.deliver')).toHaveLength(2)
  })

  test('of money that was let go end with the page that failed', async () => {
    const { route, spans, read } = shop({ settle: () => Outcome.authorized() })
    const page = route(() => new Response('no', { status: 500 }), 'after')
    await page(present(await prove(page)))
    const [payment, ...more] = named(spans, 'mpp.payment')
    expect(more).toEqual([])
    expect(payment?.attributes['mpp.outcome']).toBe('canceled')
    expect(await read()).toMatchObject({
      [`mpp.payments{${RAIL},mpp.outcome=canceled}`]: 1,
      [`mpp.settlement.duration{${RAIL},mpp.outcome=canceled}`]: 1,
    })
  })

  test('of copies do not end each other', async () => {
    const { route, spans } = shop({ settle: () => new Promise((done) => setTimeout(done, 30)) })
    const page = route()
    const authorization = await prove(page)
    await Promise.all(Array.from({ length: 5 }, () => page(present(authorization))))
    expect(named(spans, 'mpp.payment').map(({ attributes }) => attributes['mpp.outcome'])).toEqual([
      'delivered',
    ])
  })

  test('carry no credential and no address', async () => {
    const { route, spans } = shop()
    const page = route()
    const authorization = await prove(page, 's3cr3t-token')
    await page(present(authorization))
    const all = JSON.stringify(
      spans.getFinishedSpans().map(({ name, attributes, events }) => [name, attributes, events]),
    )
    expect(all).toContain('ref-1')
    for (const secret of ['s3cr3t', authorization.slice(8), 'in-the-query'])
      expect(all).not.toContain(secret)
  })
})

describe('metrics', () => {
  test('count challenges, payments by outcome, answers and money', async () => {
    const { route, read } = shop()
    const page = route()
    const authorization = await prove(page)
    await page(present(authorization))
    await page(present(authorization))
    await page(present(await prove(page)))
    await page(present(`${authorization}!`))
    expect(await read()).toEqual({
      // Two visits without a credential, one with a broken one.
      [`mpp.challenges{${RAIL}}`]: 3,
      [`mpp.payments{${RAIL},mpp.outcome=settled}`]: 2,
      'mpp.payments{error.type=malformed-credential,mpp.outcome=rejected}': 1,
      [`mpp.deliveries{${RAIL},mpp.outcome=delivered}`]: 2,
      'mpp.deliveries{mpp.outcome=replayed}': 1,
      [`mpp.amount{mpp.currency=pts,${RAIL}}`]: 21,
      [`mpp.settlement.duration{${RAIL},mpp.outcome=settled}`]: 2,
    })
  })

  test('count refunds', async () => {
    const { mpp, read } = shop()
    await mpp.refund({ method: 'points', reference: 'ref-1', challengeId: 'c' })
    expect(await read()).toMatchObject({ 'mpp.refunds{mpp.method=points}': 1 })
  })

  test('count a settlement that came late once, and what failed inside', async () => {
    const slow = () => new Promise((done) => setTimeout(done, 100))
    const { route, read } = shop({ settle: slow, settleWithin: 30 })
    const page = route()
    const authorization = await prove(page)
    expect((await page(present(authorization))).status).toBe(503)
    await slow()
    expect((await page(present(authorization))).status).toBe(200)
    const found = await read()
    expect(found).toMatchObject({
      [`mpp.payments{${RAIL},mpp.outcome=indeterminate}`]: 1,
      [`mpp.payments{${RAIL},mpp.outcome=settled}`]: 1,
      [`mpp.amount{mpp.currency=pts,${RAIL}}`]: 10.5,
    })
  })

  test('are divided by nothing that a visitor chooses', async () => {
    const { route, read } = shop({ settle: () => Outcome.rejected('payment-expired') })
    const page = route()
    for (let visit = 0; visit < 20; visit++) {
      const authorization = await prove(page)
      await page(present(authorization))
      await page(
        new Request(`${url}&n=${visit}`, { headers: { authorization: `Payment x${visit}` } }),
      )
    }
    expect(Object.keys(await read()).length).toBeLessThanOrEqual(4)
  })
})

test('nothing is seen after it was told to stop, nor without an SDK', async () => {
  const { route, spans, stop, read, mpp } = shop()
  stop()
  const page = route()
  await page(present(await prove(page)))
  expect(spans.getFinishedSpans()).toEqual([])
  expect(await read()).toEqual({})
  const quiet = observe(mpp)
  expect((await page(present(await prove(page)))).status).toBe(200)
  expect(trace.getActiveSpan()).toBeUndefined()
  quiet()
})
