/**
 * The way of a call: the key of who asks, faults, the idempotency key, the work, the answer.
 *
 * @module
 */
import type { Reply, Request } from '../loopback.js'
import { cancel, capture, createCharge, refund, tell } from './acquirer.js'
import type { CardCall, CardFailure, openCardFaults } from './faults.js'
import { Refusal } from './refusal.js'
import { createToken } from './vault.js'
import type { Charge, World } from './world.js'

/** A call that was let in, for tests to look at. */
export type Logged = {
  readonly call: CardCall
  readonly idempotencyKey: string | undefined
  /** The body as it came. */
  readonly body: string
  /** Undefined while it is under way, and when no answer was sent. */
  readonly status: number | undefined
}

/** What the gateway stands on. */
export type Gateway = {
  world: World
  faults: ReturnType<typeof openCardFaults>
  /** Milliseconds that the work of a charge takes. */
  latency: number
  log: { -readonly [name in keyof Logged]: Logged[name] }[]
  /** What was asked with a key, word for word, and what works on it. */
  keys: Map<string, { body: string; work: Promise<void> | undefined }>
}

type Call = { call: CardCall; key: string; request: Request }

const routes: readonly [CardCall, RegExp][] = [
  ['POST /v1/payment-tokens', /^POST \/v1\/payment-tokens$/],
  ['POST /v1/charges', /^POST \/v1\/charges$/],
  ['GET /v1/charges/:key', /^GET \/v1\/charges\/([^/]+)$/],
  ['POST /v1/charges/:key/capture', /^POST \/v1\/charges\/([^/]+)\/capture$/],
  ['POST /v1/charges/:key/cancel', /^POST \/v1\/charges\/([^/]+)\/cancel$/],
  ['POST /v1/charges/:key/refunds', /^POST \/v1\/charges\/([^/]+)\/refunds$/],
]

/** Answers a request. Whatever goes wrong is an answer too. */
export async function answer(gateway: Gateway, request: Request): Promise<Reply | 'drop'> {
  try {
    const found = find(request)
    admit(gateway.world, found.call, request)
    return await respond(gateway, { ...found, request })
  } catch (error) {
    return refuse(error)
  }
}

function find({ method, path }: Request): { call: CardCall; key: string } {
  for (const [call, pattern] of routes) {
    const match = pattern.exec(`${method} ${path}`)
    if (match) return { call, key: decode(match[1] ?? '') }
  }
  throw new Refusal(404, 'no_such_path')
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new Refusal(404, 'no_such_path')
  }
}

/** Two keys: one makes tokens, the other is paid. */
function admit({ agentKey, merchantKey }: World, call: CardCall, { headers }: Request): void {
  const wanted = call === 'POST /v1/payment-tokens' ? agentKey : merchantKey
  const given = /^Bearer (.+)$/.exec(String(headers['authorization'] ?? ''))?.[1] ?? ''
  if (given === '') throw new Refusal(401, 'unauthenticated')
  if (given === wanted) return
  throw given === agentKey || given === merchantKey
    ? new Refusal(403, 'forbidden')
    : new Refusal(401, 'unauthenticated')
}

async function respond(gateway: Gateway, call: Call): Promise<Reply | 'drop'> {
  const { request } = call
  const header = request.headers['idempotency-key']
  const logged: Gateway['log'][number] = {
    call: call.call,
    idempotencyKey: header === undefined ? undefined : String(header),
    body: request.body,
    status: undefined,
  }
  gateway.log.push(logged)
  const passed = await gateway.faults.pass(call.call, () => work(gateway, call).catch(refuse))
  if ('failure' in passed && passed.failure === 'drop') return 'drop'
  const reply = 'answer' in passed ? passed.answer : failed(passed.failure as CardFailure)
  logged.status = reply.status
  return reply
}

async function work(gateway: Gateway, { call, key, request }: Call): Promise<Reply> {
  const { world } = gateway
  const body = read(request)
  if (call === 'POST /v1/payment-tokens') return json(200, await createToken(world, body))
  if (call === 'POST /v1/charges') return json(200, tell(await charge(gateway, request, body)))
  const found = world.charges.get(key)
  if (!found) throw new Refusal(404, 'charge_not_found')
  if (call === 'POST /v1/charges/:key/refunds')
    return json(200, refund(found, keyOf(request), body))
  if (call === 'POST /v1/charges/:key/capture') capture(found)
  if (call === 'POST /v1/charges/:key/cancel') cancel(found)
  return json(200, tell(found))
}

/** One charge for a key. Another order under it is refused, and so is the same while it is being worked on. */
async function charge(gateway: Gateway, request: Request, body: unknown): Promise<Charge> {
  const { world, keys, latency } = gateway
  const key = keyOf(request)
  const before = keys.get(key)
  if (before && before.body !== request.body) throw new Refusal(422, 'idempotency_conflict')
  if (before?.work) throw new Refusal(409, 'charge_in_progress')
  const standing = world.charges.get(key)
  if (standing) return standing
  const wait = new Promise<void>((resolve) =>
    latency > 0 ? setTimeout(resolve, latency) : setImmediate(resolve),
  )
  const entry = { body: request.body, work: wait as Promise<void> | undefined }
  keys.set(key, entry)
  try {
    await wait
    return createCharge(world, key, body)
  } catch (error) {
    keys.delete(key)
    throw error
  } finally {
    entry.work = undefined
  }
}

function keyOf({ headers }: Request): string {
  const key = String(headers['idempotency-key'] ?? '')
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) throw new Refusal(400, 'idempotency_key_missing')
  return key
}

function read({ body }: Request): unknown {
  if (body === '') return undefined
  try {
    return JSON.parse(body)
  } catch {
    throw new Refusal(400, 'invalid_request')
  }
}

function refuse(error: unknown): Reply {
  const { status, code } = error instanceof Refusal ? error : new Refusal(500, 'internal_error')
  const reply = json(status, { code })
  return status === 409 ? { ...reply, headers: { ...reply.headers, 'retry-after': '1' } } : reply
}

function failed({ status, body = { code: 'on_command' }, headers }: CardFailure): Reply {
  if (typeof body !== 'string') {
    const reply = json(status, body)
    return { ...reply, headers: { ...reply.headers, ...headers } }
  }
  return { status, headers: { 'content-type': 'text/html', ...headers }, body }
}

function json(status: number, body: unknown): Reply {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}
