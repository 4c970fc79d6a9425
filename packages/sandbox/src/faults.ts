/**
 * Faults on a JSON-RPC server: calls that are refused, answered late, or carried out and then left without an answer.
 *
 * @module
 */
import type { Answer, Breakage, listen, RpcError } from './json-rpc.js'

/** One fault to inject. */
export type Fault = {
  /** The JSON-RPC method that it strikes. Default: every method. */
  method?: string
  /** How many calls it strikes before it clears itself. Default: until cleared. */
  times?: number
  /** Milliseconds by which the answer, or the failure, is late. Default 0. */
  delay?: number
  /**
   * How the call fails: the connection is cut (`'drop'`), nothing is ever answered (`'hang'`, until the fault is
   * cleared, which cuts the connection), an HTTP status without a body, or a JSON-RPC error. Default: it does not
   * fail, it is only late.
   */
  fail?: 'drop' | 'hang' | { status: number } | RpcError
  /** Whether a call that fails is carried out all the same, so that only its answer is lost. Default false. */
  executed?: boolean
}

/** A fault in force. */
export type Injected = {
  /** How many calls it has struck so far. */
  readonly hits: number
  /** Takes the fault away. */
  clear: () => void
  [Symbol.dispose]: () => void
}

type Armed = {
  fault: Fault
  left: number
  hits: number
  release: () => void
  cleared: Promise<void>
}

/**
 * Wraps a JSON-RPC handler so that faults can be injected into it.
 *
 * @param handle - The handler that does the work.
 * @returns The wrapped handler, `inject`, and `clear`, which takes every fault away.
 */
export function withFaults(handle: listen.Handler): withFaults.Result {
  const armed = new Set<Armed>()

  const disarm = (entry: Armed) => {
    armed.delete(entry)
    entry.release()
  }

  return {
    async handle(method, params) {
      const entry = [...armed].find(
        ({ fault, left }) => left > 0 && (fault.method ?? method) === method,
      )
      if (entry === undefined) return handle(method, params)
      entry.hits++
      entry.left--
      return strike(entry, () => handle(method, params))
    },
    inject(fault) {
      const { promise, resolve } = deferred()
      const entry: Armed = {
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

export declare namespace withFaults {
  type Result = {
    handle: listen.Handler
    inject: (fault: Fault) => Injected
    clear: () => void
  }
}

async function strike(
  { fault, cleared }: Armed,
  carryOut: () => Promise<Answer | Breakage>,
): Promise<Answer | Breakage> {
  const { delay = 0, executed = false, fail } = fault
  const answer = fail === undefined || executed ? await carryOut() : undefined
  if (delay > 0) await Promise.race([sleep(delay), cleared])
  if (fail === 'hang') await cleared
  if (fail === undefined && answer) return answer
  return typeof fail === 'object' ? failed(fail) : { breakage: 'drop' }
}

function failed(fail: { status: number } | RpcError): Answer | Breakage {
  return 'status' in fail ? { breakage: fail } : { error: fail }
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
