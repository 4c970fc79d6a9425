/**
 * Any bytes in any header or body bring 400 or 402 problem JSON, or the page: never a 5xx, a throw or a hang.
 *
 * `POLYRAIL_FUZZ_RUNS` sets how many inputs, `POLYRAIL_FUZZ_SEED` makes a failure again.
 *
 * @module
 */
import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import {
  AcceptPayment,
  BodyDigest,
  Challenge,
  ChallengeId,
  Credential,
  Expires,
  PaymentRequest,
  Receipt,
} from '@polyrail/core'
import {
  buy,
  codeOf,
  createBench,
  createClientBench,
  read,
  reference,
  type Answer,
  type Seams,
  type Site,
} from '@polyrail/conformance'
import { mutants } from '@polyrail/conformance/mutants'
import { Mpp } from '@polyrail/core/server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bytes, headerNoise, MOST, spoilCredential, spoilText } from './fuzz/inputs.ts'
import { createRandom, type Random } from './fuzz/random.ts'

const RUNS = Number(process.env['POLYRAIL_FUZZ_RUNS'] ?? 100_000)
const SEED = Number(process.env['POLYRAIL_FUZZ_SEED'] ?? Date.now() % 2 ** 31)
/** The share of inputs that go over a real socket, and through the parsers alone. */
const SOCKETS = Math.ceil(RUNS / 50)
const CLIENTS = Math.ceil(RUNS / 20)
const TIMEOUT = 60_000 + RUNS * 3

const HEADERS = [
  'accept-payment',
  'accept-language',
  'idempotency-key',
  'content-type',
  'content-digest',
  'x-forwarded-proto',
  'x-forwarded-host',
  'forwarded',
  'cookie',
  'payment-receipt',
  'www-authenticate',
  'content-length',
  'host',
  'range',
] as const

/** How far inputs must get: not read, not ours, not for this route, not good, and paid. */
const DEPTHS = [
  '200',
  'invalid-challenge',
  'malformed-credential',
  'method-unsupported',
  'multiple-credentials',
  'payment-required',
  'verification-failed',
]

type Input = { method: string; headers: [string, string][]; body: Buffer | undefined }
type Shop = { site: Site; real: Record<string, unknown>; moved: () => Promise<number> }

describe(`with seed ${SEED}`, () => {
  it(`${RUNS} odd requests bring a 400, a 402 or the page`, { timeout: TIMEOUT }, async () => {
    const rails = [reference.order(), reference.token(), reference.invoice()]
    const shops = await Promise.all(rails.map((rail) => open(rail)))
    const seen = await wander(shops, RUNS)
    for (const { site, moved } of shops) expect(site.served()).toBeLessThanOrEqual(await moved())
    if (RUNS < 10_000) return
    expect([...seen].toSorted(), 'the inputs do not reach deep enough').toEqual(
      expect.arrayContaining(DEPTHS),
    )
  })

  it('finds a server that breaks', async () => {
    const breaks = mutants.find(({ id }) => id === 'server/breaks-on-malformed')
    const seams = breaks && 'seams' in breaks ? breaks.seams() : {}
    const shop = await open(reference.order(), seams)
    await expect(wander([shop], 1000)).rejects.toThrow(/brought a 500.*POLYRAIL_FUZZ_SEED/s)
  })

  it(
    `${RUNS} odd texts go through every parser without a throw`,
    { timeout: TIMEOUT },
    async () => {
      const { site } = await open(reference.order())
      const [wire] = (await site.send()).wires
      const keyring = ChallengeId.keyring('a-secret-for-tests-of-more-than-32-bytes')
      const header = Challenge.serialize(wire as Challenge.Wire)
      const receipt = Receipt.serialize(Receipt.from({ method: 'order', reference: 'r' }))
      for (let run = 0; run < RUNS; run++) {
        const random = createRandom(SEED + run)
        const text = random.once(3)
          ? headerNoise(random)
          : spoilText(
              random,
              random.pick([header, receipt, '*/*;q=0.5', 'sha-256=:AA:', '2025-01-01T00:00:00Z']),
            )
        try {
          for (const one of Challenge.scan(text)) {
            Challenge.decode(one)
            ChallengeId.verify(one, keyring)
            expect(Challenge.scan(Challenge.serialize(one))).toHaveLength(1)
          }
          Receipt.deserialize(text)
          AcceptPayment.rank([{ method: 'a', intent: 'b' }], text)
          Credential.extract(text).forEach((token) => Credential.deserialize(token))
          BodyDigest.verify(text, 'body')
          Expires.parse(text)
          PaymentRequest.deserialize(text)
        } catch (error) {
          fail(run, text, `threw ${String(error)}`)
        }
      }
    },
  )
})

describe(`a client, with seed ${SEED}`, () => {
  it(`meets ${CLIENTS} odd 402s and pays only what it may`, { timeout: TIMEOUT }, async () => {
    let bought = 0
    for (let run = 0; run < CLIENTS; run++) {
      const random = createRandom(SEED + run)
      const header = hostile(random)
      const purse = createClientBench().open({
        answer: ({ credential }) => {
          const headers: HeadersInit = {
            'www-authenticate': header,
            'retry-after': headerNoise(random, 20),
          }
          return new Response(null, { status: credential ? 200 : 402, headers })
        },
      })
      const response = await purse
        .fetch()
        .catch((error: unknown) => fail(run, header, `threw ${String(error)}`))
      const [paid, ...more] = purse.paid
      if (more.length > 0) fail(run, header, 'was paid twice')
      if (!paid && response.status !== 402) fail(run, header, `became a ${response.status} unpaid`)
      const { amount = '0', currency } = (paid?.request ?? { currency: 'coin' }) as Record<
        string,
        string
      >
      if (!/^\d{1,3}$/.test(amount) || Number(amount) > 100 || currency !== 'coin')
        fail(run, header, `was paid ${amount} ${currency}`)
      if (paid) bought += 1
    }
    if (CLIENTS >= 1000) expect(bought).toBeGreaterThan(0)
  })
})

/** Challenges as a hostile or a broken server may send them. */
function hostile(random: Random): string {
  const request = Buffer.from(
    spoilText(random, '{"amount":"10","currency":"coin","recipient":"shop"}'),
    'latin1',
  )
  const wire = {
    id: 'x',
    realm: 'shop.example',
    method: 'coins',
    intent: 'charge',
    request: random.once(2)
      ? PaymentRequest.serialize({ amount: '10', currency: 'coin' })
      : request.toString('base64url'),
    expires: Expires.minutes(5),
  }
  let header = Challenge.serialize(wire)
  for (let times = random.below(3); times > 0; times--) header = spoilText(random, header)
  return random.once(3) ? `${header}, ${Challenge.serialize(wire)}` : header
}

describe(`over a socket, with seed ${SEED}`, () => {
  let server: Server
  let port: number

  beforeAll(async () => {
    const { server: order, options } = reference.order()
    const mpp = Mpp.create({
      methods: [order],
      realm: 'localhost',
      secretKey: 'a-secret-for-tests-of-more-than-32-bytes',
    })
    const listener = Mpp.toNodeListener(
      mpp.compose([order, options])(async (request) => new Response(await request.text())),
    )
    server = createServer(
      { maxHeaderSize: 4 * MOST },
      (request, response) => void listener(request, response),
    )
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    port = (server.address() as AddressInfo).port
  })
  afterAll(() => server.close())

  it(
    `${SOCKETS} raw requests bring a 4xx of the parser, a 400 or a 402`,
    { timeout: TIMEOUT },
    async () => {
      let next = 0
      const work = async () => {
        for (let run = next++; run < SOCKETS; run = next++) {
          const input = raw(createRandom(SEED + run))
          const reply = await speak(port, input)
          const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(reply)?.[1] ?? 0)
          if (status >= 400 && status < 500) continue
          if (reply === '' && !input.includes('\r\n\r\n')) continue
          fail(run, input.subarray(0, 2000).toString('latin1'), `brought "${reply.slice(0, 60)}"`)
        }
      }
      await Promise.all(Array.from({ length: 16 }, work))
    },
  )
})

/** Sends so many inputs and returns the problem codes that came back. */
async function wander(shops: readonly Shop[], runs: number): Promise<Set<string>> {
  const seen = new Set<string>()
  for (let run = 0; run < runs; run++) {
    const random = createRandom(SEED + run)
    const shop = random.pick(shops)
    const input = make(random, shop.real)
    const answer = await ask(shop.site, input).catch((error: unknown) =>
      fail(run, input, `threw ${String(error)}`),
    )
    judge(answer, (why) => fail(run, input, why))
    seen.add(codeOf(answer) ?? String(answer.status))
  }
  return seen
}

async function open(rail: Parameters<typeof createBench>[0], seams: Seams = {}): Promise<Shop> {
  const site = createBench(rail, seams).open()
  const { authorization } = await buy(site)
  const unused = await site.pay(await site.send())
  const pick = Credential.deserialize(authorization) && unused
  return { site, real: { ...Credential.deserialize(pick) }, moved: () => site.settled() }
}

function make(random: Random, real: Record<string, unknown>): Input {
  const headers: [string, string][] = []
  const kind = random.below(10)
  if (kind < 5) headers.push(['authorization', spoilCredential(random, real)])
  else if (kind < 7) headers.push(['authorization', headerNoise(random)])
  if (kind > 4 || random.once(5)) headers.push([random.pick(HEADERS), headerNoise(random)])
  const method = random.pick(['GET', 'GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH'])
  const body = method === 'GET' || method === 'HEAD' || random.once(2) ? undefined : bytes(random)
  return { method, headers, body }
}

async function ask(site: Site, { method, headers, body }: Input): Promise<Answer> {
  const request = new Request(site.url, {
    method,
    headers,
    ...(body && { body: new Uint8Array(body) }),
  })
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer within 10 s')), 10_000)
  })
  try {
    return await read(await Promise.race([site.fetch(request), late]))
  } finally {
    clearTimeout(timer)
  }
}

function judge(answer: Answer, refuse: (why: string) => never): void {
  const { status, problem, headers, wires } = answer
  if (status === 200) return
  if (status !== 400 && status !== 402) refuse(`brought a ${status}`)
  if (!problem || typeof problem['code'] !== 'string')
    refuse(`brought a ${status} without problem JSON`)
  if (status === 402 && wires.length === 0) refuse('brought a 402 without a challenge')
  if (headers.has('payment-receipt')) refuse(`brought a ${status} with a receipt`)
}

/** A request as bytes: a right start line, then anything. */
function raw(random: Random): Buffer {
  const start = Buffer.from(
    `${random.pick(['GET', 'POST', 'HEAD'])} /paid HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n`,
  )
  const name = random.pick(['authorization', ...HEADERS])
  const value = random.once(2) ? bytes(random) : Buffer.from(headerNoise(random), 'latin1')
  const body = random.once(3) ? bytes(random, 4096) : Buffer.alloc(0)
  return Buffer.concat([start, Buffer.from(`${name}: `), value, Buffer.from('\r\n\r\n'), body])
}

function speak(port: number, input: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    let reply = ''
    const socket = connect(port, '127.0.0.1', () => socket.end(input))
    socket.setTimeout(10_000, () => reject(new Error('the server hangs on a raw request')))
    socket.setEncoding('latin1').on('data', (chunk) => (reply += chunk))
    socket.on('error', () => resolve(reply))
    socket.on('close', () => resolve(reply))
  })
}

function fail(run: number, input: unknown, why: string): never {
  const shown = JSON.stringify(input, (_, part: unknown) =>
    typeof part === 'string' ? part.slice(0, 3000) : part,
  )
  throw new Error(
    `Input ${run} ${why}. Make it again with POLYRAIL_FUZZ_SEED=${SEED + run} POLYRAIL_FUZZ_RUNS=1.\n${shown}`,
  )
}
