/**
 * Chaos: faults that are drawn from a seed, the same for the same seed.
 *
 * @module
 */
import { openFaults, type Fault, type Injected, type Passed } from './faults.js'

/** What chaos is to do. */
export type Storm<kind extends string, call extends string> = {
  /** The same seed strikes the same calls in the same ways, by their order. */
  seed: number
  /** The part of the calls that is struck, from 0 to 1. */
  rate: number
  /** Default: all that end by themselves. */
  kinds?: readonly kind[]
  /** The call that it may strike; others are not counted. Default: every one. */
  call?: call
}

/** Chaos in force. */
export type Raging<kind extends string> = Injected & {
  /** What it did to each call so far, `''` for nothing. */
  readonly sequence: readonly (kind | '')[]
}

type Called<failure, call extends string> = Fault<failure> & { call?: call }

/**
 * Opens a place where faults can be injected, one by one or from a seed.
 *
 * @param kinds - What each kind of fault does.
 * @param usual - Those that are drawn unless told otherwise.
 */
export function openChaos<kind extends string, failure, call extends string>(
  kinds: Readonly<Record<kind, Called<failure, call>>>,
  usual: readonly kind[],
) {
  const faults = openFaults<failure, Called<failure, call>>(
    (fault, name) => (fault.call ?? name) === name,
  )
  const storms = new Set<(name: call) => Called<failure, call> | undefined>()
  return {
    ...faults,
    async pass<answer>(
      name: call,
      carryOut: () => Promise<answer>,
    ): Promise<Passed<answer, failure>> {
      const drawn = [...storms].map((draw) => draw(name)).find((fault) => fault !== undefined)
      if (drawn === undefined) return faults.pass(name, carryOut)
      using _ = faults.inject({ ...drawn, times: 1 })
      return await faults.pass(name, carryOut)
    },
    chaos({ seed, rate, kinds: among = usual, call: only }: Storm<kind, call>): Raging<kind> {
      const random = openRandom(seed)
      const sequence: (kind | '')[] = []
      const draw = (name: call) => {
        if ((only ?? name) !== name) return undefined
        // Both numbers are drawn for every call, so that the rate does not shift the kinds.
        const [chance, which] = [random(), random()]
        const kind = chance < rate ? among[Math.floor(which * among.length)] : undefined
        sequence.push(kind ?? '')
        return kind && kinds[kind]
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
