/**
 * Faults on a JSON-RPC server: calls that are refused, answered late, or carried out and then left without an answer.
 *
 * @module
 */
import { type Fault as AnyFault, type Injected, openFaults } from '../faults.js'
import type { Answer, Breakage, listen, RpcError } from '../json-rpc.js'

export type { Injected } from '../faults.js'

type Failure = { status: number } | RpcError

/** One fault to inject. It may fail as an HTTP status without a body, or as a JSON-RPC error. */
export type Fault = AnyFault<Failure> & {
  /** The JSON-RPC method that it strikes. Default: every method. */
  method?: string
}

/**
 * Wraps a JSON-RPC handler so that faults can be injected into it.
 *
 * @param handle - The handler that does the work.
 * @returns The wrapped handler, `inject`, and `clear`, which takes every fault away.
 */
export function withFaults(handle: listen.Handler): withFaults.Result {
  const { pass, inject, clear } = openFaults<Failure, Fault>(
    (fault, call) => (fault.method ?? call) === call,
  )
  return {
    async handle(method, params) {
      const passed = await pass(method, () => handle(method, params))
      return 'answer' in passed ? passed.answer : failed(passed.failure)
    },
    inject,
    clear,
  }
}

export declare namespace withFaults {
  type Result = {
    handle: listen.Handler
    inject: (fault: Fault) => Injected
    clear: () => void
  }
}

function failed(failure: 'drop' | Failure): Answer | Breakage {
  if (failure === 'drop') return { breakage: 'drop' }
  return 'status' in failure ? { breakage: failure } : { error: failure }
}
