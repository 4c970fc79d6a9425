/**
 * Sets the repository up, then hands the terminal to the command in its arguments: `run.mjs pnpm --filter … demo`.
 *
 * @module
 */
import { setup } from './setup.mjs'
import { hand } from './steps.mjs'

process.exitCode = (await setup()) ? await hand(process.argv.slice(2)) : 1
