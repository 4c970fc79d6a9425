/**
 * Takes the place of `globalThis.fetch`, and gives it back in whatever order clients come and go.
 *
 * @module
 */
export type Fetch = typeof globalThis.fetch

const key = Symbol.for('@polyrail/core/fetch')
type State = { previous: Fetch; active: boolean }

/** Installs a paying fetch; the function returned takes it out again. */
export function install(pay: Fetch): () => void {
  const state: State = { previous: globalThis.fetch, active: true }
  const wrapper: Fetch = (input, init) => {
    const target = state.active ? pay : bare(state.previous)
    return target(input, init)
  }
  Object.defineProperty(wrapper, key, { value: state })
  globalThis.fetch = wrapper
  return () => {
    state.active = false
    let top = globalThis.fetch
    for (let under = stateOf(top); under && !under.active; under = stateOf(top))
      top = under.previous
    if (top !== globalThis.fetch) globalThis.fetch = top
  }
}

/** The fetch below any paying ones, so that one client never pays inside another. */
export function bare(fetch: Fetch): Fetch {
  let below = fetch
  for (let state = stateOf(below); state; state = stateOf(below)) below = state.previous
  return below
}

function stateOf(fetch: Fetch): State | undefined {
  return (fetch as Fetch & { [key]?: State })[key]
}
