/**
 * The Tempo charge passes the conformance suite on a local chain.
 *
 * @module
 */
import { conformance } from '@polyrail/conformance/vitest'
import { createRail } from './rail.ts'

conformance(await createRail(), { copies: 1000 })
