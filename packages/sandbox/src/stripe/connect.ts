/**
 * Connect: platforms, connected accounts, application fees and transfers.
 *
 * @module
 */
import type { Call } from './call.js'
import { newId } from './identifiers.js'
import type { Parameters } from './parameters.js'
import { invalid, unknownId } from './refusal.js'
import { type Account, addEntry, type Charge, type PaymentTerms, type World } from './world.js'

/** The parameters of Connect on a payment. */
export type ConnectTerms = Pick<
  PaymentTerms,
  'applicationFee' | 'onBehalfOf' | 'transfer' | 'transferGroup'
>

/** Reads the parameters of Connect, and refuses what contradicts itself. */
export function readConnect(call: Call, amount: bigint): ConnectTerms {
  const { parameters } = call
  const transferData = parameters.group('transfer_data')
  const transfer = transferData && readTransfer(call, transferData, amount)
  const onBehalfOf = parameters.text('on_behalf_of')
  if (onBehalfOf !== undefined) expectConnected(call, onBehalfOf, 'on_behalf_of')
  return {
    applicationFee: readFee(call, amount, transfer),
    onBehalfOf,
    transfer,
    transferGroup: parameters.text('transfer_group'),
  }
}

function readTransfer(call: Call, data: Parameters, amount: bigint): PaymentTerms['transfer'] {
  const id = data.textNeeded('destination')
  const destination = expectConnected(call, id, 'transfer_data[destination]')
  if (!destination.transfers) {
    const words = `The destination account ${id} needs the capability transfers.`
    throw data.refuse('destination', words, 'insufficient_capabilities_for_transfer')
  }
  const part = data.integer('amount')
  if (part !== undefined && (part < 0n || part > amount)) {
    throw data.refuse('amount', `The transfer cannot be more than the payment of ${amount}.`)
  }
  return { destination, amount: part }
}

/** Reads what a platform takes of a payment, at its creation or its capture. */
export function readFee(
  { parameters, account, caller }: Pick<Call, 'account' | 'caller' | 'parameters'>,
  amount: bigint,
  transfer: PaymentTerms['transfer'],
): bigint | undefined {
  const key = 'application_fee_amount'
  const fee = parameters.integer(key)
  if (fee === undefined) return undefined
  if (account === caller && transfer === undefined) {
    const words =
      'An application_fee_amount can only be taken of a direct payment, with a Stripe-Account header, or of a payment with transfer_data[destination].'
    throw parameters.refuse(key, words)
  }
  if (transfer?.amount !== undefined) {
    const words = 'Only one of application_fee_amount and transfer_data[amount] may be given.'
    throw parameters.refuse(key, words, 'parameters_exclusive')
  }
  if (fee >= 0n && fee <= amount) return fee
  throw parameters.refuse(key, `The application fee cannot be more than the payment of ${amount}.`)
}

function expectConnected({ world, caller, account }: Call, id: string, param: string): Account {
  const found = world.accounts.get(id)
  if (found?.platform === caller && found !== account) return found
  if (found !== account) throw unknownId('destination', id, { param, status: 400 })
  throw invalid(`The account ${id} is the one that charges.`, { param })
}

/** Books a captured charge, and what a platform or a destination has of it. */
export function bookCharge(world: World, charge: Charge): void {
  const { payment, captured } = charge
  const { account, currency, transfer } = payment
  const fee = payment.applicationFee === undefined ? 0n : lesser(payment.applicationFee, captured)
  const stripeFee = { type: 'stripe_fee', amount: (captured * 29n) / 1_000n + 30n } as const
  const cut = fee > 0n ? [{ type: 'application_fee', amount: fee } as const] : []
  if (fee > 0n) charge.feeId = newId('applicationFee')
  charge.entry = addEntry(world, {
    account,
    currency,
    type: charge.method.from.type === 'us_bank_account' ? 'payment' : 'charge',
    amount: captured,
    fees: transfer ? [stripeFee] : [stripeFee, ...cut],
    source: charge.id,
  })
  if (transfer) {
    const amount = lesser(transfer.amount ?? captured, captured)
    const source = newId('transfer')
    charge.transferId = source
    const { destination } = transfer
    addEntry(world, { account, currency, type: 'transfer', amount: -amount, source })
    addEntry(world, { account: destination, currency, type: 'payment', amount, fees: cut, source })
  }
  const platform = transfer ? account : account.platform
  if (charge.feeId !== undefined && platform) {
    const source = charge.feeId
    addEntry(world, { account: platform, currency, type: 'application_fee', amount: fee, source })
  }
}

/** What else of a charge is to come back with its refund. */
export type Reversal = { transfer: boolean; fee: boolean }

/** @throws Refusal for what the charge does not have. */
export function checkReversal(charge: Charge, { transfer, fee }: Reversal): void {
  if (transfer && charge.transferId === undefined) {
    const words = `The charge ${charge.id} has no transfer to reverse.`
    throw invalid(words, { param: 'reverse_transfer' })
  }
  if (fee && charge.feeId === undefined) {
    const words = `The charge ${charge.id} has no application fee to refund.`
    throw invalid(words, { param: 'refund_application_fee' })
  }
}

/** Books the part of a transfer and of a fee that comes back, in proportion to what is refunded. */
export function reverseConnect(
  world: World,
  charge: Charge,
  { transfer: isReversed, fee: isRefunded, refunded }: Reversal & { refunded: bigint },
): void {
  const { payment, captured, transferId, feeId } = charge
  const { account, currency, transfer, applicationFee } = payment
  const part = (whole: bigint) => (lesser(whole, captured) * refunded) / captured
  if (isReversed && transfer && transferId !== undefined) {
    const amount = part(transfer.amount ?? captured)
    const entry = { currency, source: transferId }
    addEntry(world, { ...entry, account, type: 'transfer_refund', amount })
    const { destination } = transfer
    addEntry(world, { ...entry, account: destination, type: 'payment_refund', amount: -amount })
  }
  const platform = transfer ? account : account.platform
  const payer = transfer?.destination ?? account
  if (!isRefunded || feeId === undefined || !platform) return
  const amount = part(applicationFee ?? 0n)
  const entry = { currency, source: feeId, type: 'application_fee_refund' } as const
  addEntry(world, { ...entry, account: platform, amount: -amount })
  addEntry(world, { ...entry, account: payer, amount })
}

function lesser(one: bigint, other: bigint): bigint {
  return one < other ? one : other
}
