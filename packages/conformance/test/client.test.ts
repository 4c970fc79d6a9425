/**
 * The core's client passes every client case.
 *
 * @module
 */
import { clientCases, createClientBench } from '@polyrail/conformance'
import { describe, it } from 'vitest'

describe('the client of core conforms', () => {
  for (const { id, title, run } of clientCases)
    it(`${id}: ${title}`, () => run(createClientBench()))
})
