/**
 * The way of a request: the key, the endpoint, faults, the idempotency key, the work, the answer.
 *
 * @module
 */
import type { Reply, Request } from '../loopback.js'
import { type Access, admit } from './access.js'
import { lapse } from './charging.js'
import { expand } from './expand.js'
import { failureReply, type openStripeFaults } from './faults.js'
import type { openHolds } from './holds.js'
import { type Carried, type Keys, type KeyUse } from './idempotency.js'
import { newId } from './identifiers.js'
import { openParameters, parseForm } from './parameters.js'
import { errorObject, invalid, Refusal } from './refusal.js'
import { findRoute, type Route, type StripeCall } from './routes.js'
import type { World } from './world.js'

/** A request that was let in, for tests to look at. */
export type Logged = {
  readonly call: StripeCall
  /** `req_…` */
  readonly requestId: string
  /** The account for which it was made. */
  readonly account: string
  readonly version: string
  readonly idempotencyKey: string | undefined
  /** Form-encoded, as they came. */
  readonly parameters: string
  /** Undefined while it is under way, and when no answer was sent. */
  readonly status: number | undefined
  /** Whether an earlier answer was given again. */
  readonly replayed: boolean
}

/** What the gateway stands on. */
export type Gateway = {
  world: World
  faults: ReturnType<typeof openStripeFaults>
  holds: ReturnType<typeof openHolds>
  keys: Keys
  /** Milliseconds that the work of a call takes. */
  latency: number
  log: { -readonly [key in keyof Logged]: Logged[key] }[]
}

type Let = { request: Request; requestId: string; access: Access; route: Route }

/** Answers a request. Whatever goes wrong is an answer too. */
export async function answer(gateway: Gateway, request: Request): Promise<Reply | 'drop'> {
  const requestId = newId('request')
  const headers = { 'request-id': requestId }
  try {
    const access = admit(gateway.world, request.headers)
    const { method, path } = request
    const route = findRoute(method, path, access.preview)
    if (route === undefined) {
      throw invalid(`Unrecognized request URL (${method}: ${path}).`, { status: 404 })
    }
    const reply = await respond(gateway, { request, requestId, access, route })
    if (reply === 'drop') return reply
    const spoken = { ...headers, 'stripe-version': access.version, ...reply.headers }
    const actingFor =
      access.account === access.caller ? {} : { 'stripe-account': access.account.id }
    return { ...reply, headers: { ...spoken, ...actingFor } }
  } catch (error) {
    const { reply } = refuse(error, requestId)
    return { ...reply, headers: { ...headers, ...reply.headers } }
  }
}

async function respond(gateway: Gateway, through: Let): Promise<Reply | 'drop'> {
  const { request, requestId, access, route } = through
  const use = toKeyUse(through)
  const logged: Gateway['log'][number] = {
    call: route.call,
    requestId,
    account: access.account.id,
    version: access.version,
    idempotencyKey: use?.key,
    parameters: request.method === 'POST' ? request.body : request.query,
    status: undefined,
    replayed: false,
  }
  gateway.log.push(logged)
  const passed = await gateway.faults.pass(route.call, async () => {
    const carryOut = () => work(gateway, through)
    try {
      return use ? await gateway.keys.once(use, carryOut) : (await carryOut()).reply
    } catch (error) {
      return refuse(error, requestId).reply
    }
  })
  const done = (reply: Reply) => {
    logged.status = reply.status
    logged.replayed = reply.headers['idempotent-replayed'] === 'true'
    return reply
  }
  if ('answer' in passed) return done(passed.answer)
  const { failure } = passed
  if (failure === 'drop') return failure
  const reply = failureReply(failure, requestId)
  if (failure.recorded && use) gateway.keys.keep(use, reply)
  return done(reply)
}

/** The use of an idempotency key. Only POST has them. */
function toKeyUse({ request, requestId, access }: Let): KeyUse | undefined {
  const key = request.headers['idempotency-key']
  if (request.method !== 'POST' || key === undefined || key === '') return undefined
  const parameters = new URLSearchParams(request.body)
  parameters.sort()
  const { path } = request
  return {
    key: String(key),
    scope: access.account.id,
    path,
    parameters: String(parameters),
    requestId,
  }
}

/** The work of a call, whole in one turn, so that nothing else happens meanwhile. */
async function work({ world, holds, latency }: Gateway, through: Let): Promise<Carried> {
  const { request, requestId, access, route } = through
  await holds.gate(route.call)
  await new Promise((resolve) =>
    latency > 0 ? setTimeout(resolve, latency) : setImmediate(resolve),
  )
  try {
    const parameters = openParameters(
      parseForm(request.method === 'POST' ? request.body : request.query),
    )
    const paths = parameters.list('expand') ?? []
    const { caller, account, preview } = access
    const { id, endpoint } = route
    lapse(world)
    const call = { world, caller, account, preview, id, parameters, path: request.path }
    const shown = expand(world, endpoint(call), paths)
    return { reply: toReply(200, shown), isExecuted: true }
  } catch (error) {
    return refuse(error, requestId)
  }
}

function refuse(error: unknown, requestId: string): Carried {
  const words = error instanceof Error ? error.message : 'unknown'
  const refusal =
    error instanceof Refusal ? error : new Refusal(500, { type: 'api_error', message: words })
  const reply = toReply(refusal.status, errorObject(refusal, requestId))
  return {
    reply: { ...reply, headers: { ...reply.headers, ...refusal.headers } },
    isExecuted: refusal.executed,
  }
}

function toReply(status: number, body: object): Reply {
  const headers = { 'content-type': 'application/json' }
  return { status, headers, body: JSON.stringify(body, null, 2) }
}
