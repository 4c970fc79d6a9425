/**
 * Faults of the card network: outages, errors, answers that are lost, late or given twice; and chaos from a seed.
 *
 * @module
 */
import { openChaos, type Raging, type Storm } from '../chaos.js'
import type { Fault as AnyFault } from '../faults.js'

/** The calls, as faults name them. */
export type CardCall =
  | 'POST /v1/payment-tokens'
  | 'POST /v1/charges'
  | 'GET /v1/charges/:key'
  | 'POST /v1/charges/:key/capture'
  | 'POST /v1/charges/:key/cancel'
  | 'POST /v1/charges/:key/refunds'

/** An answer with a status instead of what the call came to. Text is sent as it is, all else as JSON. */
export type CardFailure = { status: number; body?: unknown; headers?: Record<string, string> }

/** One fault to inject. It may fail as an HTTP status. */
export type CardFault = AnyFault<CardFailure> & {
  /** The call that it strikes. Default: every one. */
  call?: CardCall
}

/** What chaos does to a call. */
export type ChaosKind =
  | 'error'
  | 'error done'
  | 'late'
  | 'lost'
  | 'outage'
  | 'refused'
  | 'twice'
  /** Never answered, until the network stops: for callers that give up by themselves. */
  | 'hang'
  | 'hang done'

/** What chaos is to do. */
export type ChaosOptions = Storm<ChaosKind, CardCall>

/** Chaos in force. */
export type Chaos = Raging<ChaosKind>

const chaos: Record<ChaosKind, CardFault> = {
  error: { fail: { status: 500 } },
  'error done': { executed: true, fail: { status: 502, body: '<html>' } },
  late: { delay: 10 },
  lost: { executed: true, fail: 'drop' },
  outage: { fail: { status: 503 } },
  refused: { fail: 'drop' },
  twice: { twice: true },
  hang: { fail: 'hang' },
  'hang done': { executed: true, fail: 'hang' },
}

const chaosKinds: readonly ChaosKind[] = [
  'error',
  'error done',
  'late',
  'lost',
  'outage',
  'refused',
  'twice',
]

/** Opens the place where faults and chaos are injected. */
export const openCardFaults = () => openChaos<ChaosKind, CardFailure, CardCall>(chaos, chaosKinds)
