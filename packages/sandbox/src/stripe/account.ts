/**
 * An account and its balance, and the objects that are only ever read.
 *
 * @module
 */
import type { Call } from './call.js'
import { showMethod } from './methods.js'
import { feesOf, showCharge, showEntry } from './payment-views.js'
import { unknownId } from './refusal.js'
import type { Account, World } from './world.js'

/** `GET /v1/account` */
export function retrieveAccount({ account, parameters }: Call): object {
  parameters.end()
  return showAccount(account)
}

/** `GET /v1/accounts/:id` */
export function retrieveConnected({ world, caller, id, parameters }: Call): object {
  parameters.end()
  const found = world.accounts.get(id)
  if (found !== undefined && (found === caller || found.platform === caller))
    return showAccount(found)
  throw unknownId('account', id, { param: 'account', status: 404 })
}

function showAccount({ id, transfers, platform }: Account): object {
  return {
    id,
    object: 'account',
    business_type: 'company',
    capabilities: { card_payments: 'active', transfers: transfers ? 'active' : 'inactive' },
    charges_enabled: true,
    country: 'US',
    default_currency: 'usd',
    details_submitted: true,
    metadata: {},
    payouts_enabled: true,
    type: platform ? 'express' : 'standard',
  }
}

/** What an account has, after fees, by currency. */
export function balanceOf(world: World, account: Account): Record<string, bigint> {
  const sums: Record<string, bigint> = {}
  for (const entry of world.entries.values()) {
    if (entry.account !== account) continue
    sums[entry.currency] = (sums[entry.currency] ?? 0n) + entry.amount - feesOf(entry)
  }
  return sums
}

/** `GET /v1/balance`. Everything is available at once. */
export function retrieveBalance({ world, account, parameters }: Call): object {
  parameters.end()
  const available = Object.entries({ usd: 0n, ...balanceOf(world, account) }).map(
    ([currency, amount]) => ({ amount: Number(amount), currency }),
  )
  const pending = available.map(({ currency }) => ({ amount: 0, currency }))
  return { object: 'balance', available, livemode: false, pending }
}

/** `GET /v1/charges/:id` */
export function retrieveCharge({ world, account, id, parameters }: Call): object {
  parameters.end()
  const charge = world.charges.get(id)
  if (charge?.payment.account === account) return showCharge(charge)
  throw unknownId('charge', id, { param: 'id', status: 404 })
}

/** `GET /v1/balance_transactions/:id` */
export function retrieveEntry({ world, account, id, parameters }: Call): object {
  parameters.end()
  const entry = world.entries.get(id)
  if (entry?.account === account) return showEntry(entry)
  throw unknownId('balance transaction', id, { param: 'id', status: 404 })
}

/** `GET /v1/payment_methods/:id` */
export function retrieveMethod({ world, account, id, parameters }: Call): object {
  parameters.end()
  const method = world.methods.get(id)
  if (method?.account === account) return showMethod(method)
  throw unknownId('PaymentMethod', id, { param: 'payment_method', status: 404 })
}
