/**
 * A payment server whose routes are a framework's own: what all adapters have in common.
 *
 * @module
 */
import { compose, Mpp as Core, type Method } from '@polyrail/core/server'

/** Gives the payment handler for a route pattern; the path stands for the route where there is none. */
export type At = (pattern: string | undefined) => Core.Handler

/** What a guard shows to `compose`. */
export const AT: unique symbol = Symbol('polyrail.at')

/** Whatever an adapter makes of a price. */
export type Priced = { readonly [AT]: At }

type Methods = readonly (Method.AnyServer | readonly Method.AnyServer[])[]
type Config<methods> = Omit<Parameters<typeof Core.create>[0], 'methods'> & { methods: methods }
type Route<made, guard> = made extends (options: infer options) => Core.Handler
  ? (options: options) => guard
  : never
type PartOf<made> = made extends (...parts: readonly (infer part)[]) => Core.Handler ? part : never

/** A payment server of core, with guards of a framework in place of payment handlers. */
export type Adapted<mpp, guard> = {
  readonly [key in keyof mpp]: key extends 'realm' | 'on' | 'refund'
    ? mpp[key]
    : key extends 'compose'
      ? (...parts: readonly (Priced | PartOf<mpp[key]>)[]) => guard
      : mpp[key] extends (...parameters: never[]) => unknown
        ? Route<mpp[key], guard>
        : { readonly [intent in keyof mpp[key]]: Route<mpp[key][intent], guard> }
}

/** How a framework's users make their payment server. */
export interface Adapter<guard> {
  create<const methods extends Methods>(
    config: Config<methods>,
  ): Adapted<ReturnType<typeof Core.create<methods>>, guard>
}

/**
 * Makes the `Mpp` of a framework.
 *
 * @param guard - Makes what the framework's users put on a route.
 * @example
 * export const Mpp = adapt((at) => (context) => at(context.pattern)(context.request))
 */
export function adapt<guard extends Priced>(guard: (at: At) => guard): Adapter<guard> {
  const price = (make: (scope: string | undefined) => Core.Handler) => guard(byPattern(make))
  const route = (charge: Charge) => (options: Options) =>
    price((scope) => charge({ ...options, scope: options?.['scope'] ?? scope }))
  return {
    create<const methods extends Methods>(config: Config<methods>) {
      const core: Record<string, unknown> = Core.create(config)
      const resolve = core['compose'] as (part: Named) => Core.Handler
      const made: Record<string, unknown> = {}
      for (const [key, value] of Object.entries(core)) {
        if (SAME.has(key)) made[key] = value
        else if (key === 'compose')
          made[key] = (...parts: readonly Part[]) =>
            price((scope) => compose(...parts.map((part) => handlerOf(part, scope, resolve))))
        else if (typeof value === 'function') made[key] = route(value as Charge)
        else made[key] = mapValues(value as Record<string, Charge>, route)
      }
      return Object.freeze(made) as Adapted<ReturnType<typeof Core.create<methods>>, guard>
    },
  }
}

/** What has nothing to do with routes. */
const SAME: ReadonlySet<string> = new Set(['realm', 'on', 'refund'])

type Options = Record<string, unknown>
type Charge = (options: Options) => Core.Handler
type Named = readonly [string, Options]
type Part = Priced | Core.Handler | Named

function handlerOf(
  part: Part,
  scope: string | undefined,
  resolve: (part: Named) => Core.Handler,
): Core.Handler {
  if (!Array.isArray(part)) return AT in part ? part[AT](scope) : (part as Core.Handler)
  const [method, options] = part as Named
  return resolve([method, { ...options, scope: options?.['scope'] ?? scope }])
}

const mapValues = <value, made>(of: Record<string, value>, map: (value: value) => made) =>
  Object.fromEntries(Object.entries(of).map(([key, value]) => [key, map(value)]))

/** Patterns are few, but where routers nest a visitor may write a part of one. */
const MOST_PATTERNS = 1000

/** The first handler is made at once, so that a bad price fails when its route is defined. */
function byPattern(make: (scope: string | undefined) => Core.Handler): At {
  const byPath = make(undefined)
  const made = new Map<string, Core.Handler>()
  return (pattern) => {
    // What an asterisk stands for may be a route of its own.
    if (!pattern || pattern.includes('*')) return byPath
    const known = made.get(pattern)
    if (known) return known
    const handler = make(pattern)
    if (made.size >= MOST_PATTERNS) made.clear()
    made.set(pattern, handler)
    return handler
  }
}
