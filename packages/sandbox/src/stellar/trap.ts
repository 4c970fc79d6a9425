/**
 * How a contract call fails: the words that a node shows.
 *
 * @module
 */

/** A call that the host ends. Everything that it did is undone. */
export class Trap extends Error {}

/**
 * Ends the call.
 *
 * @param where - The host's name for the error, such as `Auth, InvalidAction`.
 */
export function trap(where: string, what: string): never {
  throw new Trap(`HostError: Error(${where}) "${what}"`)
}
