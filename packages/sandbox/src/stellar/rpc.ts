/**
 * The methods of a Stellar RPC node, over the ledger.
 *
 * @module
 */
import { xdr } from '@stellar/stellar-sdk'
import { type Answer, failure, isRecord } from '../json-rpc.js'
import { entryOf } from './entries.js'
import { type Applied, type Ledger, read, take } from './ledger.js'
import { invalidResult } from './results.js'
import { simulate } from './simulate.js'

/** The methods that are answered. */
export type StellarMethod =
  | 'getFeeStats'
  | 'getHealth'
  | 'getLatestLedger'
  | 'getLedgerEntries'
  | 'getNetwork'
  | 'getTransaction'
  | 'getVersionInfo'
  | 'sendTransaction'
  | 'simulateTransaction'

type Parameters = Record<string, unknown>
type Handler = (parameters: Parameters, node: Node) => Answer

/** A node. */
export type Node = {
  ledger: Ledger
  /** Called when something waits for the next closing. */
  onQueued: () => void
}

/** Answers one call. */
export function answer(method: string, parameters: unknown, node: Node): Answer {
  const handler = handlers.get(method)
  if (handler === undefined) return failure(-32601, 'method not found')
  return handler(isRecord(parameters) ? parameters : {}, node)
}

const handlers = new Map<string, Handler>(
  Object.entries({
    getFeeStats: (_, { ledger }) => ({ result: feeStats(ledger) }),
    getHealth: (_, { ledger }) => ({
      result: {
        status: 'healthy',
        latestLedger: ledger.sequence,
        oldestLedger: 1,
        ledgerRetentionWindow: 17_280,
      },
    }),
    getLatestLedger: (_, { ledger }) => ({ result: latest(ledger) }),
    getLedgerEntries,
    getNetwork: (_, { ledger }) => ({
      result: { passphrase: ledger.passphrase, protocolVersion: ledger.protocol },
    }),
    getTransaction,
    getVersionInfo: (_, { ledger }) => ({
      result: {
        version: 'sandbox',
        commitHash: '',
        buildTimestamp: '',
        captiveCoreVersion: 'none',
        protocolVersion: ledger.protocol,
      },
    }),
    sendTransaction,
    simulateTransaction: (parameters, { ledger }) => ({ result: simulate(parameters, ledger) }),
  } satisfies Record<StellarMethod, Handler>),
)

const invalid = (what: string) => failure(-32602, what)

/** What a node says with every transaction. */
export const range = ({ sequence, closeTime }: Ledger): object => ({
  latestLedger: sequence,
  latestLedgerCloseTime: String(closeTime),
  oldestLedger: 1,
  oldestLedgerCloseTime: '1',
})

function sendTransaction(parameters: Parameters, { ledger, onQueued }: Node): Answer {
  const envelope = read(parameters.transaction, ledger)
  if (envelope === undefined) return invalid('invalid_xdr')
  const taken = take(envelope, ledger)
  const result = {
    hash: envelope.hash,
    latestLedger: ledger.sequence,
    latestLedgerCloseTime: String(ledger.closeTime),
  }
  if (typeof taken === 'object')
    return {
      result: { ...result, status: 'ERROR', errorResultXdr: invalidResult(taken.invalid) },
    }
  if (taken === 'PENDING') onQueued()
  return { result: { ...result, status: taken } }
}

function getTransaction({ hash }: Parameters, { ledger }: Node): Answer {
  if (typeof hash !== 'string' || !/^[\da-f]{64}$/i.test(hash))
    return invalid('unexpected hash length')
  const applied = ledger.applied.get(hash.toLowerCase())
  const told = applied === undefined ? { status: 'NOT_FOUND' } : tell(applied)
  return { result: { ...range(ledger), txHash: hash, ...told } }
}

const tell = (applied: Applied): object => ({
  status: applied.status,
  ledger: applied.ledger,
  createdAt: String(applied.createdAt),
  applicationOrder: applied.order,
  feeBump: applied.isFeeBump,
  envelopeXdr: applied.envelope,
  resultXdr: applied.result,
  resultMetaXdr: applied.meta,
  events: { contractEventsXdr: [applied.events], transactionEventsXdr: [applied.feeEvent] },
})

function getLedgerEntries({ keys }: Parameters, { ledger }: Node): Answer {
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > 200)
    return invalid('between 1 and 200 keys')
  const parsed = keys.map((key: unknown) => {
    try {
      return { key: String(key), parsed: xdr.LedgerKey.fromXdr(String(key), 'base64') }
    } catch {
      return undefined
    }
  })
  if (parsed.includes(undefined)) return invalid('cannot unmarshal key value')
  const entries = parsed.flatMap((one) => {
    const entry = one && entryOf(one.parsed, ledger)
    if (one === undefined || entry === undefined) return []
    const isData = one.parsed.type === 'contractData'
    const life = isData ? { liveUntilLedgerSeq: ledger.sequence + 100_000 } : {}
    return [{ key: one.key, xdr: entry, lastModifiedLedgerSeq: ledger.sequence, ...life }]
  })
  return { result: { entries, latestLedger: ledger.sequence } }
}

function feeStats({ sequence }: Ledger): object {
  const percentiles = [10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99].map((part) => [
    `p${part}`,
    '100',
  ])
  const spread = {
    max: '100',
    min: '100',
    mode: '100',
    ...Object.fromEntries(percentiles),
    transactionCount: '1',
    ledgerCount: 50,
  }
  return { sorobanInclusionFee: spread, inclusionFee: spread, latestLedger: sequence }
}

function latest(ledger: Ledger): object {
  const { hashes, protocol, sequence, closeTime } = ledger
  const header = headerOf(ledger)
  const history = new xdr.LedgerHeaderHistoryEntry({
    hash: new xdr.Hash(hashes.latest),
    header,
    ext: xdr.LedgerHeaderHistoryEntryExt.v0(),
  })
  const meta = new xdr.LedgerCloseMetaV0({
    ledgerHeader: history,
    txSet: new xdr.TransactionSet({ previousLedgerHash: nothing(), txs: [] }),
    txProcessing: [],
    upgradesProcessing: [],
    scpInfo: [],
  })
  return {
    id: Buffer.from(hashes.latest).toString('hex'),
    protocolVersion: protocol,
    sequence,
    closeTime: String(closeTime),
    headerXdr: header.toXdr('base64'),
    metadataXdr: xdr.LedgerCloseMeta.v0(meta).toXdr('base64'),
  }
}

const nothing = () => new xdr.Hash(new Uint8Array(32))

function headerOf({ hashes, protocol, sequence, closeTime }: Ledger) {
  return new xdr.LedgerHeader({
    ledgerVersion: protocol,
    previousLedgerHash: new xdr.Hash(hashes.previous),
    scpValue: new xdr.StellarValue({
      txSetHash: nothing(),
      closeTime: BigInt(closeTime),
      upgrades: [],
      ext: xdr.StellarValueExt.stellarValueBasic(),
    }),
    txSetResultHash: nothing(),
    bucketListHash: nothing(),
    ledgerSeq: sequence,
    totalCoins: 10n ** 18n,
    feePool: 0n,
    inflationSeq: 0,
    idPool: 0n,
    baseFee: 100,
    baseReserve: 5_000_000,
    maxTxSetSize: 1_000,
    skipList: [nothing(), nothing(), nothing(), nothing()],
    ext: xdr.LedgerHeaderExt.v0(),
  })
}
