/**
 * What a mutant is: the real thing with one bug put back in through a public seam.
 *
 * @module
 */
import type { Seams } from '../bench.js'
import type { CreateClient } from '../purse.js'
import type { Rail } from '../rail.js'

export type Mutant = {
  readonly id: string
  /** What it does wrong, as a sentence. */
  readonly breaks: string
  /** Numbers of the threat list that it brings back. */
  readonly threats: readonly number[]
  /** The cases that must fail on it, each of them. */
  readonly caughtBy: readonly string[]
} & (ServerMutant | ClientMutant)

export type ServerMutant = {
  /** The rail that it is tried on; signed orders when left out. */
  readonly rail?: () => Rail
  /** Makes the seams, anew for each case. */
  readonly seams: () => Seams
}

export type ClientMutant = {
  /** Breaks a client factory. */
  readonly client: (real: CreateClient) => CreateClient
}
