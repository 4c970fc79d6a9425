/**
 * The Lightning charge passes the conformance suite on real nodes.
 *
 * @module
 */
import { conformance } from '@polyrail/conformance/vitest'
import { createRail } from './rail.js'

conformance(await createRail(), { copies: 1000 })
