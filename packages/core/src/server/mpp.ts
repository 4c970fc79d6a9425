/**
 * The server: one object that holds the rails, the secret and the store, and makes route handlers.
 *
 * @module
 */
import type * as Method from '../Method.js'
import type { Receipt } from '../Receipt.js'
import type { Payment, Refund } from '../Refund.js'
import { compose as composeHandlers } from './compose.js'
import { createKernel, type Config, type Kernel } from './config.js'
import type { Emitter } from './events.js'
import { createHandler, type Handler } from './handler.js'
import { refund as refundPayment } from './refund.js'
import { createOffer, type RouteOptions } from './route.js'

export { toNodeListener } from './node.js'

type AnyServer = Method.AnyServer
type Flatten<methods> = methods extends readonly (infer entry)[]
  ? entry extends readonly (infer inner)[]
    ? inner
    : entry
  : never
type OptionsOf<method> = method extends { readonly '~options'?: infer options }
  ? NonNullable<options>
  : never
type Named<methods, name> = Extract<methods, { readonly name: name }>
type Intended<methods, intent> = Extract<methods, { readonly intent: intent }>
type NameOf<methods> = methods extends { readonly name: infer name extends string } ? name : never
type IntentOf<methods> = methods extends { readonly intent: infer intent extends string }
  ? intent
  : never

/** Makes a handler of one rail at one price. */
export type Route<method> = (options: OptionsOf<method> & RouteOptions) => Handler

/** What `compose` takes: a handler, or a rail (itself or as `'name/intent'`) with its options. */
export type Composable<methods> =
  | Handler
  | (methods extends {
      readonly name: infer name extends string
      readonly intent: infer intent extends string
    }
      ? readonly [`${name}/${intent}` | methods, OptionsOf<methods> & RouteOptions]
      : never)

export type Mpp<methods> = {
  readonly realm: string
  /** Offers several rails, a price each, on one route. */
  compose(...parts: readonly Composable<methods>[]): Handler
  /** Gives the money of a payment back, or a part of it: each refund once. For rails that can. */
  refund(receipt: Receipt | Payment | string, options?: refundPayment.Options): Promise<Refund>
  /** Listens to an event; returns how to stop. */
  on: Emitter['on']
} & {
  /** `mpp.charge({ … })`: for the one rail that has this intent. */
  readonly [intent in IntentOf<methods>]: Route<Intended<methods, intent>>
} & {
  /** `mpp.<rail>.charge({ … })`. */
  readonly [name in NameOf<methods>]: {
    readonly [intent in IntentOf<Named<methods, name>>]: Route<
      Intended<Named<methods, name>, intent>
    >
  }
}

/**
 * Makes a payment server.
 *
 * @throws TypeError naming the setting that is missing or unsafe, and what to do.
 * @example
 * const mpp = Mpp.create({ methods: [points], realm: 'api.example.com', secretKey })
 * const payment = await mpp.charge({ amount: '5', currency: 'pts' })(request)
 * if (payment.status === 402) return payment.challenge
 * return payment.withReceipt(Response.json({ data }))
 * @see core draft, The Payment Authentication Scheme
 */
export function create<const methods extends readonly (AnyServer | readonly AnyServer[])[]>(
  config: Omit<Config, 'methods'> & { methods: methods },
): Mpp<Flatten<methods>> {
  const kernel = createKernel(config)
  const mpp: Record<string, unknown> = {
    ...routesByIntent(kernel),
    ...routesByName(kernel),
    realm: kernel.realm,
    on: kernel.events.on,
    refund: (receipt: Receipt | Payment | string, options?: refundPayment.Options) =>
      refundPayment(kernel, receipt, options),
    compose: (...parts: readonly Part[]) =>
      composeHandlers(...parts.map((part) => toHandler(kernel, part))),
  }
  return Object.freeze(mpp) as Mpp<Flatten<methods>>
}

type Options = Record<string, unknown>
type Part = Handler | readonly [string | Method.Server, Options]
type AnyRoute = (options: Options) => Handler

/** What an Mpp has already; with a `then` it would be taken for a promise. */
const RESERVED = ['compose', 'on', 'realm', 'refund', 'then']

function routeOf(kernel: Kernel, method: Method.Server): AnyRoute {
  return (options) => createHandler([createOffer(kernel, method, options ?? {})])
}

function routesByName(kernel: Kernel): Record<string, Record<string, AnyRoute>> {
  const routes: Record<string, Record<string, AnyRoute>> = {}
  const taken = new Set([...RESERVED, ...kernel.methods.map(({ intent }) => intent)])
  for (const method of kernel.methods) {
    if (taken.has(method.name))
      throw new TypeError(
        `"${method.name}" cannot be a method's name: Mpp has a property of that name.`,
      )
    routes[method.name] = { ...routes[method.name], [method.intent]: routeOf(kernel, method) }
  }
  return routes
}

function routesByIntent(kernel: Kernel): Record<string, AnyRoute> {
  const routes: Record<string, AnyRoute> = {}
  for (const { intent } of kernel.methods) {
    if (RESERVED.includes(intent))
      throw new TypeError(`"${intent}" cannot be an intent: Mpp has a property of that name.`)
    const [only, ...more] = kernel.methods.filter((method) => method.intent === intent)
    routes[intent] =
      only && more.length === 0
        ? routeOf(kernel, only)
        : () => {
            const ways = [only, ...more]
              .map((method) => `mpp.${method?.name}.${intent}({ … })`)
              .join(', ')
            throw new TypeError(
              `Several rails take "${intent}": say which (${ways}), or offer them all with mpp.compose(…).`,
            )
          }
  }
  return routes
}

function toHandler(kernel: Kernel, part: Part): Handler {
  if (!Array.isArray(part)) return part as Handler
  const [which, options] = part as readonly [string | Method.Server, Options]
  const key = typeof which === 'string' ? which : `${which.name}/${which.intent}`
  const method = kernel.methods.find(({ name, intent }) => `${name}/${intent}` === key)
  if (!method) {
    const known = kernel.methods.map(({ name, intent }) => `${name}/${intent}`).join(', ')
    throw new TypeError(`compose(): no method "${key}" here; there is ${known}.`)
  }
  return routeOf(kernel, method)(options)
}

export type { Guarded, Paid, Payment, Unpaid } from './handler.js'
export type { Handler }
