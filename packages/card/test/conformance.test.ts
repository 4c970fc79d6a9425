/**
 * The card charge passes the conformance suite on a local card network.
 *
 * @module
 */
import { conformance } from '@polyrail/conformance/vitest'
import { createRail } from './rail.js'

conformance(await createRail(), { copies: 1000 })
