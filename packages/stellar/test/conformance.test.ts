/**
 * The Stellar charge passes the conformance suite on a local network, in each of its modes.
 *
 * @module
 */
import { conformance } from '@polyrail/conformance/vitest'
import { describe } from 'vitest'
import { createRail, type Kind } from './rail.ts'

const kinds: Kind[] = ['pull', 'push', 'sponsored']
const rails = await Promise.all(kinds.map(createRail))

describe.each(kinds.map((kind, index) => ({ kind, rail: rails[index]! })))('$kind', ({ rail }) => {
  conformance(rail, { copies: 1000 })
})
