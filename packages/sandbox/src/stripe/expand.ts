/**
 * The parameter `expand`: an id in an answer gives way to what it names.
 *
 * @module
 */
import { isRecord } from '../json-rpc.js'
import { showMethod } from './methods.js'
import { showCharge, showEntry, showPayment } from './payment-views.js'
import { invalid } from './refusal.js'
import type { World } from './world.js'

/** Levels that may be expanded, as at Stripe. */
const deepest = 4

/** What can be expanded. */
const expandable = new Set([
  'balance_transaction',
  'charge',
  'latest_charge',
  'payment_intent',
  'payment_method',
])

/**
 * Expands an answer in place.
 *
 * @param paths - Such as `latest_charge.balance_transaction`, or `data.latest_charge` in a list.
 * @throws Refusal when a path leads nowhere.
 */
export function expand(world: World, answer: object, paths: readonly string[]): object {
  for (const path of paths) {
    const parts = path.split('.')
    if (parts.length > deepest) throw unexpandable(path)
    follow(world, answer, { parts, path })
  }
  return answer
}

type Way = { parts: readonly string[]; path: string }

function follow(world: World, value: unknown, { parts, path }: Way): void {
  const [head, ...left] = parts
  const rest = { parts: left, path }
  if (head === undefined || value === null) return
  if (!isRecord(value) || !(head in value)) throw unexpandable(path)
  if (head === 'data' && Array.isArray(value.data)) {
    for (const one of value.data) follow(world, one, rest)
    return
  }
  if (!expandable.has(head)) throw unexpandable(path)
  const id = value[head]
  if (typeof id === 'string') value[head] = find(world, id) ?? id
  follow(world, value[head], rest)
}

function find(world: World, id: string): object | undefined {
  const [charge, entry] = [world.charges.get(id), world.entries.get(id)]
  const [payment, method] = [world.payments.get(id), world.methods.get(id)]
  if (charge) return showCharge(charge)
  if (entry) return showEntry(entry)
  if (payment) return showPayment(payment)
  return method && showMethod(method)
}

function unexpandable(path: string) {
  return invalid(`This property cannot be expanded (${path}).`, { param: 'expand' })
}
