/**
 * Lists, newest first, a page at a time; and the search for PaymentIntents.
 *
 * @module
 */
import type { Call } from './call.js'
import { showCharge, showEntry, showPayment } from './payment-views.js'
import type { Parameters } from './parameters.js'
import { unknownId } from './refusal.js'
import { showRefund } from './refunds.js'
import { parseQuery } from './search.js'
import type { Charge, Entry, Payment, Refund } from './world.js'

type Listed = { id: string; created: number }

/** `GET /v1/payment_intents` */
export function listPayments(call: Call): object {
  const own = [...call.world.payments.values()].filter(({ account }) => account === call.account)
  return page<Payment>(call, own, showPayment)
}

/** `GET /v1/charges` */
export function listCharges(call: Call): object {
  const paymentId = call.parameters.text('payment_intent')
  const own = [...call.world.charges.values()].filter(
    ({ payment }) => payment.account === call.account && (paymentId ?? payment.id) === payment.id,
  )
  return page<Charge>(call, own, showCharge)
}

/** `GET /v1/refunds` */
export function listRefunds(call: Call): object {
  const paymentId = call.parameters.text('payment_intent')
  const chargeId = call.parameters.text('charge')
  const own = [...call.world.refunds.values()].filter(
    ({ charge }) =>
      charge.payment.account === call.account &&
      (paymentId ?? charge.payment.id) === charge.payment.id &&
      (chargeId ?? charge.id) === charge.id,
  )
  return page<Refund>(call, own, showRefund)
}

/** `GET /v1/balance_transactions` */
export function listEntries(call: Call): object {
  const source = call.parameters.text('source')
  const own = [...call.world.entries.values()].filter(
    (entry) => entry.account === call.account && (source ?? entry.source) === entry.source,
  )
  return page<Entry>(call, own, showEntry)
}

function page<one extends Listed>(
  call: Call,
  all: readonly one[],
  show: (one: one) => object,
): object {
  const { parameters } = call
  const limit = readLimit(parameters)
  const after = parameters.text('starting_after')
  const before = parameters.text('ending_before')
  const isWithin = readPeriod(parameters)
  parameters.end()
  const newest = all.filter(({ created }) => isWithin(created)).toReversed()
  const first = after === undefined ? 0 : place(newest, after, 'starting_after') + 1
  const end = before === undefined ? newest.length : place(newest, before, 'ending_before')
  const begin = before === undefined ? first : Math.max(first, end - limit)
  const chosen = newest.slice(begin, Math.min(end, begin + limit))
  const hasMore = before === undefined ? begin + limit < end : begin > 0
  return { object: 'list', data: chosen.map(show), has_more: hasMore, url: call.path }
}

function place(newest: readonly Listed[], id: string, param: string): number {
  const index = newest.findIndex((one) => one.id === id)
  if (index < 0) throw unknownId('object', id, { param, status: 400 })
  return index
}

function readLimit(parameters: Parameters): number {
  const limit = parameters.integer('limit') ?? 10n
  if (limit >= 1n && limit <= 100n) return Number(limit)
  throw parameters.refuse(
    'limit',
    'The limit must be between 1 and 100.',
    'parameter_invalid_integer',
  )
}

/** `created[gte]` and the like. */
function readPeriod(parameters: Parameters): (created: number) => boolean {
  const group = parameters.group('created')
  const [gt, gte, lt, lte] = ['gt', 'gte', 'lt', 'lte'].map((key) => group?.integer(key))
  return (created) => {
    const at = BigInt(created)
    return (
      (gt === undefined || at > gt) &&
      (gte === undefined || at >= gte) &&
      (lt === undefined || at < lt) &&
      (lte === undefined || at <= lte)
    )
  }
}

/** `GET /v1/payment_intents/search`. What was just made is found at once, unlike at Stripe. */
export function searchPayments(call: Call): object {
  const { parameters, world, account, path } = call
  const matches = parseQuery(parameters.textNeeded('query'))
  const limit = readLimit(parameters)
  const begin = Number(parameters.integer('page') ?? 0n)
  parameters.end()
  const found = [...world.payments.values()]
    .filter((payment) => payment.account === account && matches(payment))
    .toReversed()
  const end = begin + limit
  const hasMore = end < found.length
  return {
    object: 'search_result',
    data: found.slice(begin, end).map(showPayment),
    has_more: hasMore,
    next_page: hasMore ? String(end) : null,
    url: path,
  }
}
