/**
 * The suite under `node --test`; started by `runners.test.ts`.
 *
 * @module
 */
import { reference } from '@polyrail/conformance'
import { conformance } from '@polyrail/conformance/node-test'

conformance(reference.order())
