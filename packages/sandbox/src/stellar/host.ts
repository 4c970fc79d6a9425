/**
 * The host: runs contract calls, one inside the other, and keeps what they read, write, publish and move.
 *
 * @module
 */
import { Address, xdr } from '@stellar/stellar-sdk'
import type { Authorizer } from './authorization.js'
import type { Call, Contract, Moved } from './call.js'
import { instanceKey } from './keys.js'
import type { State } from './state.js'
import { trap } from './trap.js'

/** The entries that a call touches, by their keys. */
export type Footprint = { read: Map<string, xdr.LedgerKey>; write: Map<string, xdr.LedgerKey> }

/** What a call came to. */
export type Ran = {
  returned: xdr.ScVal
  /** What contracts have published, in order. */
  events: xdr.ContractEvent[]
  /** The same, and beside them the calls and returns that nodes tell in simulations. */
  diagnostics: xdr.ContractEvent[]
  footprint: Footprint
  /** What has moved, whatever the events say. */
  moved: (Moved & { token: string })[]
}

/** Deepest nesting of calls. */
const deepest = 10

/**
 * Runs a contract call on a state, which it changes.
 *
 * @throws Trap when it fails; the state is then to be thrown away.
 */
export function run(
  invocation: xdr.InvokeContractArgs,
  options: {
    state: State
    ledger: number
    contracts: ReadonlyMap<string, Contract>
    authorizer: Authorizer
  },
): Ran {
  const { state, ledger, contracts, authorizer } = options
  const footprint: Footprint = { read: new Map(), write: new Map() }
  const events: xdr.ContractEvent[] = []
  const diagnostics: xdr.ContractEvent[] = []
  const moved: Ran['moved'] = []

  const enter = (called: Pick<Call, 'contract' | 'name' | 'args' | 'caller'>): xdr.ScVal => {
    const { contract, caller } = called
    const code = contracts.get(contract)
    touch(footprint, instanceKey(contract), 'read')
    if (code === undefined) return trap('Storage, MissingValue', `there is no contract ${contract}`)
    checkStack(contract, caller)
    const call: Call = {
      ...called,
      state,
      ledger,
      requireAuth(address) {
        // Who calls has agreed to it.
        if (caller?.contract !== address) authorizer.require(call, address)
      },
      emit(topics, data) {
        const event = eventOf('contract', contract, { topics, data })
        events.push(event)
        diagnostics.push(event)
      },
      invoke: (contract, name, args) => enter({ contract, name, args, caller: call }),
      touch: (key, access) => touch(footprint, key, access),
      book: (one) => void moved.push({ ...one, token: contract }),
    }
    diagnostics.push(enteredEvent(call))
    const returned = code.run(call) ?? xdr.ScVal.scvVoid()
    diagnostics.push(leftEvent(call, returned))
    return returned
  }

  const returned = enter({
    contract: Address.fromScAddress(invocation.contractAddress).toString(),
    name: invocation.functionName.toString(),
    args: invocation.args,
    caller: undefined,
  })
  return { returned, events, diagnostics, footprint, moved }
}

function checkStack(contract: string, caller: Call | undefined): void {
  let depth = 1
  for (let at = caller; at !== undefined; at = at.caller, depth++) {
    if (at.contract === contract) trap('Context, InvalidAction', 'contract re-entry is not allowed')
  }
  if (depth > deepest) trap('Budget, ExceededLimit', 'calls are nested too deeply')
}

function touch(footprint: Footprint, key: xdr.LedgerKey, access: 'read' | 'write'): void {
  const name = key.toXdr('base64')
  if (access === 'write') {
    footprint.read.delete(name)
    footprint.write.set(name, key)
  } else if (!footprint.write.has(name)) footprint.read.set(name, key)
}

/** Whether a transaction declared all that it touches. */
export function isWithin(footprint: Footprint, declared: xdr.LedgerFootprint): boolean {
  const writable = new Set(declared.readWrite.map((key) => key.toXdr('base64')))
  const readable = new Set([...writable, ...declared.readOnly.map((key) => key.toXdr('base64'))])
  return (
    [...footprint.write.keys()].every((name) => writable.has(name)) &&
    [...footprint.read.keys()].every((name) => readable.has(name))
  )
}

type Said = { topics: readonly xdr.ScVal[]; data: xdr.ScVal }

/** An event of a contract, or of the host about it. */
export function eventOf(
  type: 'contract' | 'diagnostic',
  contract: string | undefined,
  { topics, data }: Said,
): xdr.ContractEvent {
  return new xdr.ContractEvent({
    ext: xdr.ExtensionPoint.v0(),
    contractId: contract === undefined ? null : contractIdOf(contract),
    type: xdr.ContractEventType[type],
    body: xdr.ContractEventBody.v0(new xdr.ContractEventV0({ topics: [...topics], data })),
  })
}

const contractIdOf = (contract: string) => new xdr.ContractId(new Address(contract).toBuffer())

const enteredEvent = ({ contract, name, args, caller }: Call) =>
  eventOf('diagnostic', caller?.contract, {
    topics: [
      xdr.ScVal.scvSymbol('fn_call'),
      xdr.ScVal.scvBytes(new Address(contract).toBuffer()),
      xdr.ScVal.scvSymbol(name),
    ],
    data: args.length === 1 && args[0] ? args[0] : xdr.ScVal.scvVec([...args]),
  })

const leftEvent = ({ contract, name }: Call, data: xdr.ScVal) =>
  eventOf('diagnostic', contract, {
    topics: [xdr.ScVal.scvSymbol('fn_return'), xdr.ScVal.scvSymbol(name)],
    data,
  })
