/**
 * Faults on the node: calls that fail, come late, hang, lose their answer, or get another one.
 *
 * @module
 */
import { type Fault as AnyFault, type Injected, openFaults } from '../faults.js'
import type { Answer, Breakage, listen, RpcError } from '../json-rpc.js'
import type { StellarMethod } from './rpc.js'

/** An HTTP status without a body, a JSON-RPC error, or a result of the test's own in place of the node's. */
export type StellarFailure = { status: number } | RpcError | { result: Record<string, unknown> }

/** One fault to inject. */
export type StellarFault = AnyFault<StellarFailure> & {
  /** The method that it strikes. Default: every one. */
  method?: StellarMethod
}

/** Wraps a handler so that faults can be injected. `range` is what goes with every result of a test's own. */
export function openStellarFaults(handle: listen.Handler, range: () => object) {
  const { pass, inject, clear } = openFaults<StellarFailure, StellarFault>(
    (fault, call) => (fault.method ?? call) === call,
  )
  const failed = (failure: 'drop' | StellarFailure): Answer | Breakage => {
    if (failure === 'drop') return { breakage: 'drop' }
    if ('status' in failure) return { breakage: failure }
    return 'result' in failure ? { result: { ...range(), ...failure.result } } : { error: failure }
  }
  return {
    async handle(method: string, parameters: unknown) {
      const passed = await pass(method, () => handle(method, parameters))
      return 'answer' in passed ? passed.answer : failed(passed.failure)
    },
    inject: (fault: StellarFault): Injected => inject(fault),
    clear,
  }
}
