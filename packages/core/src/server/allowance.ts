/**
 * How many challenges a client, and all clients together, may leave unpaid in this process: an allowance that grows back.
 *
 * @module
 */
import type { Bounds, Server } from '../Method.js'

type Allowance = { left: number; at: number }
type Allowances = { total: Allowance; clients: Map<string, Allowance> }

/** Who has not asked for longest is forgotten first; `total` bounds them all the same. */
const MOST_CLIENTS = 10_000

const allowances = new WeakMap<Server, Allowances>()

/**
 * Takes a challenge from the allowances that it falls under.
 *
 * @param client - Whose it is, if they have a name.
 * @returns 0; or, with nothing taken, the seconds until there is one.
 */
export function take(method: Server, client: string | undefined): number {
  const bounds = method.issued?.bounds
  if (!bounds) return 0
  const { total, clients } = allowancesOf(method, bounds)
  const parts: [Allowance, number][] = [[total, bounds.total]]
  if (client !== undefined) parts.push([allowanceOf(clients, client, bounds), bounds.perClient])
  let wait = 0
  for (const [allowance, most] of parts) {
    grow(allowance, most, bounds)
    if (allowance.left < 1) wait = Math.max(wait, ((1 - allowance.left) * bounds.period) / most)
  }
  if (wait === 0) for (const [allowance] of parts) allowance.left -= 1
  return Math.ceil(wait)
}

/** Gives back what a challenge took: it was paid, or never made. */
export function giveBack(method: Server, client: string | undefined): void {
  const bounds = method.issued?.bounds
  if (!bounds) return
  const { total, clients } = allowancesOf(method, bounds)
  total.left = Math.min(bounds.total, total.left + 1)
  const own = client === undefined ? undefined : clients.get(client)
  if (own) own.left = Math.min(bounds.perClient, own.left + 1)
}

function allowancesOf(method: Server, { total }: Bounds): Allowances {
  const known = allowances.get(method)
  if (known) return known
  const made = { total: { left: total, at: Date.now() }, clients: new Map<string, Allowance>() }
  allowances.set(method, made)
  return made
}

function allowanceOf(
  clients: Allowances['clients'],
  client: string,
  { perClient }: Bounds,
): Allowance {
  const own = clients.get(client) ?? { left: perClient, at: Date.now() }
  clients.delete(client)
  clients.set(client, own)
  const [oldest] = clients.keys()
  if (clients.size > MOST_CLIENTS && oldest !== undefined) clients.delete(oldest)
  return own
}

function grow(allowance: Allowance, most: number, { period }: Bounds): void {
  const now = Date.now()
  const grown = (Math.max(0, now - allowance.at) / 1000) * (most / period)
  allowance.left = Math.min(most, allowance.left + grown)
  allowance.at = now
}
