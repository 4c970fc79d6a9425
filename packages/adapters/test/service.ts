/** Programs that a test needs and a machine may lack. */
import { accessSync, constants } from 'node:fs'

/**
 * Says why tests are left out, as a part of their title; fails instead where nothing may be.
 *
 * @param file - The program, or nothing where it could not be found.
 */
export function missing(name: string, file: string | undefined): string | undefined {
  try {
    accessSync(file ?? '', constants.X_OK)
    return undefined
  } catch {
    if (process.env['POLYRAIL_REQUIRE_SERVICES'] === '1') throw new Error(`${name} is not here.`)
    console.warn(`!!! ${name} left out: it is not here`)
    return `left out: there is no ${name} here`
  }
}
