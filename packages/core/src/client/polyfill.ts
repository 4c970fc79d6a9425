/**
 * Takes the place of `globalThis.fetch`, and gives it back in whatever order clients come and go.
 *
 * @module
 */
export type Fetch = typeof globalThis.fetch

/** Shared by all copies of this module, so that they see each other's replacements. */
const key = Symbol.for('@polyrail/core/fetch')
type Layer = Fetch & { [key]?: { below: Fetch; isActive: boolean } }

/** Installs a paying fetch; the function returned takes it out again. */
export function install(pay: Fetch): () => void {
  const state = { below: globalThis.fetch, isActive: true }
  const layer: Layer = (input, init) => (state.isActive ? pay : state.below)(input, init)
  layer[key] = state
  globalThis.fetch = layer
  return () => {
    state.isActive = false
    globalThis.fetch = peel(globalThis.fetch)
  }
}

/** The fetch below any paying ones, so that one client never pays inside another. */
export const bare = (fetch: Layer): Fetch => (fetch[key] ? bare(fetch[key].below) : fetch)

const peel = (fetch: Layer): Fetch =>
  fetch[key] && !fetch[key].isActive ? peel(fetch[key].below) : fetch
