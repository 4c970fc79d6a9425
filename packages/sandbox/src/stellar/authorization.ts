/**
 * Who has agreed to which contract calls: authorization entries, recorded or enforced.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import {
  Address,
  buildAuthorizationEntryPreimage,
  hash,
  scValToNative,
  StrKey,
  xdr,
} from '@stellar/stellar-sdk'
import type { Call, Contract } from './call.js'
import { accountKey, nonceKey } from './keys.js'
import { isSignedBy } from './signatures.js'
import { trap } from './trap.js'

/** Asked for each call that needs somebody's agreement. */
export type Authorizer = {
  require: (call: Call, address: string) => void
  /** What was asked for, unsigned; empty when enforced. */
  recorded: () => xdr.SorobanAuthorizationEntry[]
}

/** Entries live for at most so many ledgers. Source: the network's `maxEntryTTL`. */
const longestLife = 3_110_400

/** What is agreed to, as a tree: a call, and the calls that it makes. */
type Node = { wanted: string; children: Node[]; taken: boolean }

type Tracker = {
  address: string
  root: Node
  matched: Map<Call, Node>
  authenticate: (call: Call) => void
}

type Setting = {
  passphrase: string
  /** Who is the source of the operation. */
  source: string
  contracts: ReadonlyMap<string, Contract>
}

/** Holds every call against the entries of a transaction. */
export function enforce(
  entries: readonly xdr.SorobanAuthorizationEntry[],
  setting: Setting,
): Authorizer {
  const trackers = entries.map((entry) => track(entry, setting))
  return {
    require(call, address) {
      const wanted = wantedBy(call)
      for (const tracker of trackers) {
        if (tracker.address !== address) continue
        const node = findNode(tracker, call, wanted)
        if (node === undefined) continue
        node.taken = true
        if (tracker.matched.size === 0) tracker.authenticate(call)
        tracker.matched.set(call, node)
        return
      }
      trap('Auth, InvalidAction', `Unauthorized function call for address ${address}`)
    },
    recorded: () => [],
  }
}

function findNode({ root, matched }: Tracker, call: Call, wanted: string): Node | undefined {
  if (matched.size === 0) return root.wanted === wanted && !root.taken ? root : undefined
  const above = parentOf(call, matched)
  return above?.children.find((child) => !child.taken && child.wanted === wanted)
}

/** The nearest caller that the tree knows. */
function parentOf<node>({ caller }: Call, matched: Map<Call, node>): node | undefined {
  for (let at = caller; at !== undefined; at = at.caller) {
    const node = matched.get(at)
    if (node !== undefined) return node
  }
  return undefined
}

function track(entry: xdr.SorobanAuthorizationEntry, setting: Setting): Tracker {
  const { credentials, rootInvocation } = entry
  const rest = { root: nodeOf(rootInvocation), matched: new Map<Call, Node>() }
  switch (credentials.type) {
    case 'sorobanCredentialsSourceAccount':
      return { ...rest, address: setting.source, authenticate: () => {} }
    case 'sorobanCredentialsAddress':
    case 'sorobanCredentialsAddressV2': {
      const given = credentials.value
      const address = Address.fromScAddress(given.address).toString()
      return {
        ...rest,
        address,
        authenticate: (call) => authenticate(call, { entry, given, address }, setting),
      }
    }
    default:
      return trap('Auth, InvalidInput', 'delegated credentials are not modelled')
  }
}

function nodeOf(invocation: xdr.SorobanAuthorizedInvocation): Node {
  return {
    wanted: hexOf(invocation.function),
    children: invocation.subInvocations.map(nodeOf),
    taken: false,
  }
}

type Given = {
  entry: xdr.SorobanAuthorizationEntry
  given: xdr.SorobanAddressCredentials
  address: string
}

/** The nonce is used up and the signature holds, or the call ends. */
function authenticate(
  call: Call,
  { entry, given, address }: Given,
  { passphrase, contracts }: Setting,
): void {
  const { nonce, signature, signatureExpirationLedger: until } = given
  if (until < call.ledger)
    trap('Auth, InvalidInput', `signature has expired: ${until} < ${call.ledger}`)
  if (until > call.ledger + longestLife - 1)
    trap('Auth, InvalidInput', 'signature expiration is too late')
  const used = `${address} ${nonce}`
  if (call.state.nonces.has(used)) trap('Auth, ExistingValue', 'nonce already exists for address')
  call.touch(nonceKey(address, nonce), 'write')
  const payload = hash(buildAuthorizationEntryPreimage(entry, until, passphrase).toXdr())
  if (StrKey.isValidEd25519PublicKey(address)) checkAccount(call, { address, payload, signature })
  else {
    const contract = contracts.get(address)
    if (contract?.checkAuth === undefined)
      return trap('Auth, InvalidAction', `${address} is no account`)
    contract.checkAuth({ payload, signature })
  }
  call.state.nonces.set(used, until)
}

type Signed = { payload: Uint8Array; signature: xdr.ScVal }

function checkAccount(
  { state, touch }: Call,
  { address, ...signed }: Signed & { address: string },
): void {
  touch(accountKey(address), 'read')
  const account = state.accounts.get(address)
  if (account === undefined) return trap('Auth, MissingValue', 'account entry is missing')
  const weight = signersOf(signed)
    .map((key) => account.signers.get(key) ?? trap('Auth, InvalidInput', `${key} is no signer`))
    .reduce((sum, one) => sum + one, 0)
  if (weight < account.threshold)
    trap('Auth, InvalidInput', 'signature weight is lower than threshold')
}

/**
 * Who has signed, in the form that accounts take: a vector of maps of `public_key` and `signature`, in the order of the keys.
 */
export function signersOf({ payload, signature }: Signed): string[] {
  if (signature.type !== 'scvVec') return trap('Auth, InvalidInput', 'signature is no vector')
  const signatures: unknown = scValToNative(signature)
  const keys = (Array.isArray(signatures) ? signatures : []).map((one) => {
    const { public_key: key, signature: bytes } = Object(one)
    if (!(key instanceof Uint8Array) || key.length !== 32 || !(bytes instanceof Uint8Array))
      return trap('Auth, InvalidInput', 'signature has the wrong shape')
    const signer = StrKey.encodeEd25519PublicKey(key)
    if (!isSignedBy(signer, payload, bytes))
      trap('Crypto, InvalidInput', 'failed ED25519 verification')
    return { hex: Buffer.from(key).toString('hex'), signer }
  })
  if (keys.some(({ hex }, index) => index > 0 && hex <= (keys[index - 1]?.hex ?? '')))
    trap('Auth, InvalidInput', 'public keys are not ordered')
  return keys.map(({ signer }) => signer)
}

type Recorded = {
  address: string
  invocation: Branch
  matched: Map<Call, Branch>
  nonce: bigint
}

type Branch = { call: Call; children: Branch[] }

/** Notes who would have to agree to what. */
export function record(
  { source }: Setting,
  { isUpgraded, takesNested }: { isUpgraded: boolean; takesNested: boolean },
): Authorizer {
  const asked: Recorded[] = []
  return {
    require(call, address) {
      const branch: Branch = { call, children: [] }
      for (const one of asked) {
        const above = one.address === address ? parentOf(call, one.matched) : undefined
        if (above === undefined) continue
        above.children.push(branch)
        one.matched.set(call, branch)
        return
      }
      if (call.caller !== undefined && !takesNested)
        trap('Auth, InvalidAction', 'authorization is not tied to the root contract invocation')
      const nonce = randomBytes(8).readBigInt64BE()
      asked.push({ address, invocation: branch, matched: new Map([[call, branch]]), nonce })
      if (address === source) return
      call.touch(nonceKey(address, nonce), 'write')
      if (StrKey.isValidEd25519PublicKey(address)) call.touch(accountKey(address), 'read')
    },
    recorded: () => asked.map((one) => entryOf(one, source, isUpgraded)),
  }
}

function entryOf({ address, invocation, nonce }: Recorded, source: string, isUpgraded: boolean) {
  const rootInvocation = invocationOf(invocation)
  const { SorobanCredentials: Credentials } = xdr
  if (address === source)
    return new xdr.SorobanAuthorizationEntry({
      credentials: Credentials.sorobanCredentialsSourceAccount(),
      rootInvocation,
    })
  const unsigned = new xdr.SorobanAddressCredentials({
    address: new Address(address).toScAddress(),
    nonce,
    signatureExpirationLedger: 0,
    signature: xdr.ScVal.scvVoid(),
  })
  const credentials = isUpgraded
    ? Credentials.sorobanCredentialsAddressV2(unsigned)
    : Credentials.sorobanCredentialsAddress(unsigned)
  return new xdr.SorobanAuthorizationEntry({ credentials, rootInvocation })
}

function invocationOf({ call, children }: Branch): xdr.SorobanAuthorizedInvocation {
  return new xdr.SorobanAuthorizedInvocation({
    function: functionOf(call),
    subInvocations: children.map(invocationOf),
  })
}

function functionOf({ contract, name, args }: Call) {
  return xdr.SorobanAuthorizedFunction.sorobanAuthorizedFunctionTypeContractFn(
    new xdr.InvokeContractArgs({
      contractAddress: new Address(contract).toScAddress(),
      functionName: name,
      args: [...args],
    }),
  )
}

const wantedBy = (call: Call): string => hexOf(functionOf(call))

const hexOf = (value: { toXdr: () => Uint8Array }): string =>
  Buffer.from(value.toXdr()).toString('hex')
