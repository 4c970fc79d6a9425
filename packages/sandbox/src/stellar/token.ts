/**
 * SEP-41 tokens: what their contracts do, and what a malicious one does besides.
 *
 * @module
 */
import { Address, nativeToScVal, scValToNative, xdr } from '@stellar/stellar-sdk'
import type { Call, Contract } from './call.js'
import type { Holdings } from './holdings.js'
import { allowanceKey } from './keys.js'
import { trap } from './trap.js'

/** What a token is like. */
export type TokenTerms = {
  decimals: number
  symbol: string
  /** Ends the topics of events, as those of Stellar assets do: `USDC:G…`. */
  assetName?: string | undefined
  /** Who issues it without end, so that paying them burns it. */
  issuer?: string | undefined
  /** Whether it can be sent to muxed accounts. */
  isMuxed: boolean
  /** What it does after each transfer. */
  onTransfer?: ((transfer: Transferring) => void) | undefined
}

/** A transfer, as the code of a malicious token sees it. */
export type Transferring = {
  from: string
  to: string
  amount: bigint
  /** The call, to emit events or to call others. */
  call: Call
  /** Moves money besides, without an event. */
  move: (from: string, to: string, amount: bigint) => void
}

/** A destination: an address, and the part of it that is meant. */
type Destination = { address: string; muxId: bigint | undefined }

/** Makes a token's contract. */
export function createToken(id: string, terms: TokenTerms, holdings: Holdings): Contract {
  const token: Parts = { terms, holdings }
  return {
    id,
    run(call) {
      const handler = handlers.get(call.name)
      if (handler === undefined)
        return trap('WasmVm, MissingValue', `there is no function ${call.name}`)
      return handler(call, token)
    },
  }
}

type Parts = { terms: TokenTerms; holdings: Holdings }
type Handler = (call: Call, token: Parts) => xdr.ScVal | void

const handlers = new Map<string, Handler>([
  [
    'transfer',
    (call, token) => {
      const [from, to, amount] = take(call, 'address', 'destination', 'amount')
      call.requireAuth(addressOf(from))
      transfer(call, token, {
        from: addressOf(from),
        to: destinationOf(to, token),
        amount: amountOf(amount),
      })
    },
  ],
  [
    'transfer_from',
    (call, token) => {
      const [spender, from, to, amount] = take(call, 'address', 'address', 'address', 'amount')
      call.requireAuth(addressOf(spender))
      spend(call, addressOf(from), { spender: addressOf(spender), amount: amountOf(amount) })
      const destination = { address: addressOf(to), muxId: undefined }
      transfer(call, token, { from: addressOf(from), to: destination, amount: amountOf(amount) })
    },
  ],
  [
    'burn',
    (call, token) => {
      const [from, amount] = take(call, 'address', 'amount')
      call.requireAuth(addressOf(from))
      burn(call, token, { from: addressOf(from), amount: amountOf(amount) })
    },
  ],
  [
    'burn_from',
    (call, token) => {
      const [spender, from, amount] = take(call, 'address', 'address', 'amount')
      call.requireAuth(addressOf(spender))
      spend(call, addressOf(from), { spender: addressOf(spender), amount: amountOf(amount) })
      burn(call, token, { from: addressOf(from), amount: amountOf(amount) })
    },
  ],
  ['approve', approve],
  [
    'allowance',
    (call) => {
      const [owner, spender] = take(call, 'address', 'address')
      return toI128(allowed(call, addressOf(owner), addressOf(spender)))
    },
  ],
  [
    'balance',
    (call, { holdings }) => toI128(holdings.read(call, addressOf(take(call, 'address')[0]))),
  ],
  ['decimals', (call, { terms }) => (take(call), xdr.ScVal.scvU32(terms.decimals))],
  ['symbol', (call, { terms }) => (take(call), xdr.ScVal.scvString(terms.symbol))],
  ['name', (call, { terms }) => (take(call), xdr.ScVal.scvString(terms.assetName ?? terms.symbol))],
])

type Transfer = { from: string; to: Destination; amount: bigint }

function transfer(call: Call, { terms, holdings }: Parts, { from, to, amount }: Transfer): void {
  const move = (from: string, to: string, amount: bigint) => {
    holdings.add(call, from, -amount)
    holdings.add(call, to, amount)
    call.book({ from, to, amount })
  }
  move(from, to.address, amount)
  const name = terms.assetName === undefined ? [] : [xdr.ScVal.scvString(terms.assetName)]
  const [payer, payee] = [from, to.address].map((address) => new Address(address).toScVal())
  if (payer === undefined || payee === undefined) return
  const data = dataOf(amount, to.muxId)
  if (from === terms.issuer && from !== to.address)
    call.emit([symbol('mint'), payee, ...name], data)
  else if (to.address === terms.issuer && from !== to.address)
    call.emit([symbol('burn'), payer, ...name], toI128(amount))
  else call.emit([symbol('transfer'), payer, payee, ...name], data)
  terms.onTransfer?.({ from, to: to.address, amount, call, move })
}

/** CAP-67: the id of a muxed destination goes beside the amount. */
function dataOf(amount: bigint, muxId: bigint | undefined): xdr.ScVal {
  if (muxId === undefined) return toI128(amount)
  const entry = (key: string, val: xdr.ScVal) => new xdr.ScMapEntry({ key: symbol(key), val })
  return xdr.ScVal.scvMap([
    entry('amount', toI128(amount)),
    entry('to_muxed_id', xdr.ScVal.scvU64(muxId)),
  ])
}

function burn(
  call: Call,
  { terms, holdings }: Parts,
  { from, amount }: { from: string; amount: bigint },
): void {
  if (from === terms.issuer) trap('Contract, #1', 'the issuer cannot burn')
  holdings.add(call, from, -amount)
  call.book({ from, to: '', amount })
  const name = terms.assetName === undefined ? [] : [xdr.ScVal.scvString(terms.assetName)]
  call.emit([symbol('burn'), new Address(from).toScVal(), ...name], toI128(amount))
}

function approve(call: Call, { terms }: Parts): void {
  const [from, by, given, until] = take(call, 'address', 'address', 'amount', 'ledger')
  const [owner, spender, amount] = [addressOf(from), addressOf(by), amountOf(given)]
  call.requireAuth(owner)
  const liveUntil = Number(scValToNative(until))
  if (amount > 0n && liveUntil < call.ledger) trap('Contract, #9', 'allowance has expired')
  call.touch(allowanceKey(call.contract, owner, spender), 'write')
  call.state.allowances.set(`${call.contract} ${owner} ${spender}`, { amount, liveUntil })
  const name = terms.assetName === undefined ? [] : [xdr.ScVal.scvString(terms.assetName)]
  call.emit([symbol('approve'), from, by, ...name], xdr.ScVal.scvVec([given, until]))
}

function allowed({ state, ledger, contract, touch }: Call, owner: string, spender: string): bigint {
  touch(allowanceKey(contract, owner, spender), 'read')
  const allowance = state.allowances.get(`${contract} ${owner} ${spender}`)
  return allowance && allowance.liveUntil >= ledger ? allowance.amount : 0n
}

function spend(
  call: Call,
  owner: string,
  { spender, amount }: { spender: string; amount: bigint },
): void {
  const left = allowed(call, owner, spender) - amount
  if (left < 0n) trap('Contract, #9', 'not enough allowance to spend')
  const key = `${call.contract} ${owner} ${spender}`
  const { liveUntil = 0 } = call.state.allowances.get(key) ?? {}
  call.touch(allowanceKey(call.contract, owner, spender), 'write')
  call.state.allowances.set(key, { amount: left, liveUntil })
}

type Kind = 'address' | 'amount' | 'destination' | 'ledger'

const expected: Record<Kind, (value: xdr.ScVal) => boolean> = {
  address: (value) =>
    value.type === 'scvAddress' &&
    ['scAddressTypeAccount', 'scAddressTypeContract'].includes(value.value.type),
  amount: (value) => value.type === 'scvI128',
  destination: (value) => value.type === 'scvAddress',
  ledger: (value) => value.type === 'scvU32',
}

/** The arguments, if they are of these kinds. */
function take<const kinds extends readonly Kind[]>(
  { args }: Call,
  ...kinds: kinds
): { [index in keyof kinds]: xdr.ScVal } {
  if (args.length !== kinds.length) trap('WasmVm, UnexpectedSize', 'wrong number of arguments')
  const fits = kinds.every((kind, index) => args[index] && expected[kind](args[index]))
  if (!fits) trap('Value, UnexpectedType', 'an argument has the wrong type')
  return args as { [index in keyof kinds]: xdr.ScVal }
}

const addressOf = (value: xdr.ScVal): string => Address.fromScVal(value).toString()

function destinationOf(value: xdr.ScVal, { terms }: Parts): Destination {
  if (value.type !== 'scvAddress' || value.value.type !== 'scAddressTypeMuxedAccount') {
    if (!expected.address(value)) trap('Value, UnexpectedType', 'nobody can be paid there')
    return { address: addressOf(value), muxId: undefined }
  }
  if (!terms.isMuxed) trap('Value, UnexpectedType', 'this token knows no muxed accounts')
  const { id, ed25519 } = value.value.muxedAccount
  return { address: Address.account(ed25519.toBytes()).toString(), muxId: id }
}

function amountOf(value: xdr.ScVal): bigint {
  const amount: bigint = scValToNative(value)
  return amount < 0n ? trap('Contract, #8', 'negative amount is not allowed') : amount
}

const symbol = (name: string) => xdr.ScVal.scvSymbol(name)

const toI128 = (amount: bigint) => nativeToScVal(amount, { type: 'i128' })
