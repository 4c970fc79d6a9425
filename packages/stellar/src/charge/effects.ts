/**
 * What a transaction does to balances, as the events of its contracts tell.
 *
 * @module
 */
import { Address, scValToNative, xdr } from '@stellar/stellar-sdk/base'
import { baseOf } from '../address.js'
import type { Transfer } from './transaction.js'

/** The events by which contracts tell that balances change. Sources: SEP-41, CAP-46-6, CAP-67. */
const CHANGES = new Set(['transfer', 'mint', 'burn', 'clawback'])

/** The events that a simulation tells, calls and returns aside. */
export function readSimulated(events: readonly string[]): xdr.ContractEvent[] {
  return events
    .map((event) => xdr.DiagnosticEvent.fromXdr(event, 'base64'))
    .filter(({ inSuccessfulContractCall }) => inSuccessfulContractCall)
    .map(({ event }) => event)
    .filter(({ type }) => type.name === 'contract')
}

/** The events of a transaction that is in a ledger. */
export function readApplied(meta: string): xdr.ContractEvent[] {
  const parsed = xdr.TransactionMeta.fromXdr(meta, 'base64')
  switch (parsed.type) {
    case 'v3':
      return [...(parsed.value.sorobanMeta?.events ?? [])]
    case 'v4':
      return parsed.value.operations.flatMap(({ events }) => [...events])
    default:
      return []
  }
}

/**
 * Whether balances change by one transfer, and by nothing else.
 *
 * @see Stellar charge draft, Sponsored Flow Checks, Unsponsored Flow Checks and Simulation Integrity
 */
export function isOnly(events: readonly xdr.ContractEvent[], due: Transfer): boolean {
  const changes = events.filter(isChange)
  const [change] = changes
  return changes.length === 1 && change !== undefined && isSame(change, due)
}

function isChange({ body }: xdr.ContractEvent): boolean {
  const [name] = body.value.topics
  return name?.type === 'scvSymbol' && CHANGES.has(name.value.toString())
}

function isSame({ contractId, body }: xdr.ContractEvent, due: Transfer): boolean {
  const [name, from, to] = body.value.topics
  if (contractId === null || from?.type !== 'scvAddress' || to?.type !== 'scvAddress') return false
  return (
    name?.value?.toString() === 'transfer' &&
    Address.contract(contractId.toBytes()).toString() === due.token &&
    Address.fromScVal(from).toString() === due.from &&
    Address.fromScVal(to).toString() === baseOf(due.to) &&
    isAmount(body.value.data, due)
  )
}

/** An amount, alone or beside the part of the account that it is for (CAP-67). */
function isAmount(data: xdr.ScVal, { to, amount }: Transfer): boolean {
  if (data.type === 'scvI128') return scValToNative(data) === amount && baseOf(to) === to
  if (data.type !== 'scvMap') return false
  const { amount: moved, to_muxed_id: id } = Object(scValToNative(data))
  return moved === amount && (id === undefined ? baseOf(to) === to : id === muxIdOf(to))
}

/** The id of a muxed address. */
function muxIdOf(address: string): bigint | undefined {
  const parsed = new Address(address).toScAddress()
  return parsed.type === 'scAddressTypeMuxedAccount' ? parsed.muxedAccount.id : undefined
}
