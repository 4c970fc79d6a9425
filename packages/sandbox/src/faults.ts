/**
 * Faults on a service: calls that fail, come late, hang, or are carried out and then left without an answer.
 *
 * @module
 */

/** What every fault says; which calls it strikes is added by the service. */
export type Fault<failure> = {
  /** How many calls it strikes before it clears itself. Default: until cleared. */
  times?: number
  /** Milliseconds by which the answer, or the failure, is late. Default 0. */
  delay?: number
  /**
   * How the call fails: the connection is lost (`'drop'`), nothing is ever answered (`'hang'`, until the fault is
   * cleared, which loses the connection), or an answer of the service's own. Default: it does not fail, it is only late.
   */
  fail?: 'drop' | 'hang' | failure
  /** Whether a call that fails is carried out all the same, so that only its answer is lost. Default false. */
  executed?: boolean
  /** Whether a call that is carried out arrives twice at the same moment, and the second answer is given. Default false. */
  twice?: boolean
}

/** A fault in force. */
export type Injected = {
  /** How many calls it has struck so far. */
  readonly hits: number
  /** Takes the fault away. */
  clear: () => void
  [Symbol.dispose]: () => void
}

/** What a call came to: its answer, or the failure to give instead. */
export type Passed<answer, failure> = { answer: answer } | { failure: 'drop' | failure }

type Armed<fault> = {
  fault: fault
  left: number
  hits: number
  release: () => void
  cleared: Promise<void>
}

/**
 * Opens a place where faults can be injected.
 *
 * @param strikes - Whether a fault is for the call of that name.
 * @returns `pass`, through which every call goes, `inject`, and `clear`, which takes every fault away.
 */
export function openFaults<failure, fault extends Fault<failure>>(
  strikes: (fault: fault, call: string) => boolean,
): openFaults.Faults<failure, fault> {
  const armed = new Set<Armed<fault>>()

  const disarm = (entry: Armed<fault>) => {
    armed.delete(entry)
    entry.release()
  }

  return {
    async pass<answer>(call: string, carryOut: () => Promise<answer>) {
      const entry = [...armed].find(({ fault, left }) => left > 0 && strikes(fault, call))
      if (entry === undefined) return { answer: await carryOut() }
      entry.hits++
      entry.left--
      return strike<answer, failure>(entry, carryOut)
    },
    inject(fault) {
      const { promise, resolve } = deferred()
      const entry: Armed<fault> = {
        fault,
        left: fault.times ?? Number.POSITIVE_INFINITY,
        hits: 0,
        release: resolve,
        cleared: promise,
      }
      armed.add(entry)
      const clear = () => disarm(entry)
      return {
        get hits() {
          return entry.hits
        },
        clear,
        [Symbol.dispose]: clear,
      }
    },
    clear() {
      for (const entry of armed) disarm(entry)
    },
  }
}

export declare namespace openFaults {
  type Faults<failure, fault extends Fault<failure>> = {
    pass: <answer>(
      call: string,
      carryOut: () => Promise<answer>,
    ) => Promise<Passed<answer, failure>>
    inject: (fault: fault) => Injected
    clear: () => void
  }
}

async function strike<answer, failure>(
  { fault, cleared }: Pick<Armed<Fault<failure>>, 'fault' | 'cleared'>,
  carryOut: () => Promise<answer>,
): Promise<Passed<answer, failure>> {
  const { delay = 0, executed = false, twice = false, fail } = fault
  const arrive = async () => {
    const [first, second] = await Promise.all([carryOut(), twice ? carryOut() : undefined])
    return { answer: second ?? first }
  }
  const answer = fail === undefined || executed ? await arrive() : undefined
  if (delay > 0) await Promise.race([sleep(delay), cleared])
  if (fail === 'hang') await cleared
  if (fail === undefined && answer) return answer
  return { failure: fail === undefined || fail === 'hang' ? 'drop' : fail }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
