/**
 * All cases of a store.
 *
 * @module
 */
import type { Case } from '../../case.js'
import type { StoreBench } from '../../store.js'
import { claim } from './claim.js'
import { life } from './life.js'
import { update } from './update.js'
import { value } from './value.js'
import { wait } from './wait.js'

/** For any store, over several connections to it. */
export const storeCases: readonly Case<StoreBench>[] = [
  ...value,
  ...update,
  ...claim,
  ...life,
  ...wait,
]
