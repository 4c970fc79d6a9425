/**
 * Faults of the card network: outages, errors, answers that are lost, late or given twice; and chaos from a seed.
 *
 * @module
 */
import { type Fault as AnyFault, type Injected, openFaults, type Passed } from '../faults.js'

/** The calls, as faults name them. */
export type CardCall =
  | 'POST /v1/payment-tokens'
  | 'POST /v1/charges'
  | 'GET /v1/charges/:key'
  | 'POST /v1/charges/:key/capture'
  | 'POST /v1/charges/:key/void'
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
export type ChaosOptions = {
  /** The same seed strikes the same calls in the same ways, by their order. */
  seed: number
  /** The part of the calls that is struck, from 0 to 1. */
  rate: number
  /** Default: all that end by themselves. */
  kinds?: readonly ChaosKind[]
}

/** Chaos in force. */
export type Chaos = Injected & {
  /** What it did to each call so far, `''` for nothing. */
  readonly sequence: readonly (ChaosKind | '')[]
}

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
export function openCardFaults() {
  const faults = openFaults<CardFailure, CardFault>((fault, call) => (fault.call ?? call) === call)
  const storms = new Set<() => CardFault | undefined>()
  return {
    ...faults,
    async pass<answer>(
      call: CardCall,
      carryOut: () => Promise<answer>,
    ): Promise<Passed<answer, CardFailure>> {
      const drawn = [...storms].map((draw) => draw()).find((fault) => fault !== undefined)
      if (drawn === undefined) return faults.pass(call, carryOut)
      using _ = faults.inject({ ...drawn, times: 1 })
      return await faults.pass(call, carryOut)
    },
    chaos({ seed, rate, kinds = chaosKinds }: ChaosOptions): Chaos {
      const random = openRandom(seed)
      const sequence: (ChaosKind | '')[] = []
      const draw = () => {
        // Both numbers are drawn for every call, so that the rate does not shift the kinds.
        const [chance, which] = [random(), random()]
        const kind = chance < rate ? kinds[Math.floor(which * kinds.length)] : undefined
        sequence.push(kind ?? '')
        return kind && chaos[kind]
      }
      storms.add(draw)
      const clear = () => void storms.delete(draw)
      return {
        sequence,
        get hits() {
          return sequence.filter((kind) => kind !== '').length
        },
        clear,
        [Symbol.dispose]: clear,
      }
    },
    clear() {
      storms.clear()
      faults.clear()
    },
  }
}

/** Numbers from 0 to 1, the same for the same seed: a Weyl sequence through a mixer of 32 bits. */
function openRandom(seed: number): () => number {
  let state = Math.trunc(seed) | 0
  return () => {
    state = (state + 0x9e3779b9) | 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32
  }
}
