/**
 * Who waits for which key to change, over a backend that can tell.
 *
 * @module
 */
import type { Store } from '@polyrail/core'

export type Wait = NonNullable<Store.Store['wait']>

type Topic = { waiting: Set<() => void>; stop: Promise<Stop | undefined>; idle?: Timer }
type Stop = () => unknown
type Timer = ReturnType<typeof setTimeout>

/** Milliseconds that a topic is listened to after its last waiter left, who often comes back at once. */
const LINGER = 2000
/** Milliseconds between looks when the backend cannot be listened to. */
const POLL = 500

/**
 * Makes `wait` of a way to listen.
 *
 * Whoever is first to wait for a key is woken as soon as it is listened to: it may have changed between the look that
 * made them wait and that moment.
 *
 * @param listen - Begins to call `wake(key)` at each change of the key; resolves once it does.
 */
export function createWaiters(listen: (key: string) => Promise<Stop>): {
  wait: Wait
  wake(key: string): void
  /** Wakes everybody and forgets what was listened to: the backend's connection is gone. */
  reset(): void
} {
  const topics = new Map<string, Topic>()
  const wakeTopic = (topic: Topic | undefined) => {
    for (const done of topic?.waiting ?? []) done()
  }

  function open(key: string): Topic {
    const waiting = new Set<() => void>()
    const stop = listen(key).then(
      (stop) => (wakeTopic(topic), stop),
      () => {
        // Looked for again by the next who waits; these look by themselves.
        if (topics.get(key) === topic) topics.delete(key)
        setTimeout(wakeTopic, POLL, topic)
        return undefined
      },
    )
    const topic: Topic = { waiting, stop }
    topics.set(key, topic)
    return topic
  }

  function leave(key: string, topic: Topic): void {
    if (topic.waiting.size > 0 || topics.get(key) !== topic) return
    clearTimeout(topic.idle)
    topic.idle = setTimeout(() => {
      topics.delete(key)
      void topic.stop.then((stop) => stop?.())
    }, LINGER)
  }

  return {
    wake: (key) => wakeTopic(topics.get(key)),
    reset() {
      const all = [...topics.values()]
      topics.clear()
      for (const topic of all) {
        clearTimeout(topic.idle)
        wakeTopic(topic)
      }
    },
    wait(key, { timeout, signal }) {
      if (signal?.aborted) return Promise.resolve()
      return new Promise((resolve) => {
        const topic = topics.get(key) ?? open(key)
        clearTimeout(topic.idle)
        const done = () => {
          clearTimeout(timer)
          signal?.removeEventListener('abort', done)
          topic.waiting.delete(done)
          leave(key, topic)
          resolve()
        }
        const timer = setTimeout(done, timeout)
        signal?.addEventListener('abort', done, { once: true })
        topic.waiting.add(done)
      })
    },
  }
}
